"""Figures of a run, at the 7 inches of a printed page; nothing here needs a screen."""

import io
import tempfile
import textwrap
from pathlib import Path

import numpy as np
from PIL import Image

from membrane import canvas
from membrane.archive import RunRecord
from membrane.canvas import (
    AnchoredSizeBar,
    EllipseCollection,
    Figure,
    FigureCanvasAgg,
    Line2D,
    Patch,
    TextPath,
    animation,
    matplotlib,
    patheffects,
    plain,
    style,
)
from membrane.event_table import is_ilv
from membrane.paths import may_write, signature
from membrane.sizes import EXOSOME_RANGE_NM

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
"""Eight colours that the colour-blind tell apart (Okabe and Ito)."""

WIDTH_INCH = 7.0
MOVIE_DPI = 150

ROWS = (
    ("phi", ("phi",), "Lo/Ld order $\\phi$", "RdBu_r", True, 0.02),
    ("ceramide", ("ceramide_cytosolic",), "cytosolic ceramide\n(area fraction)", "cividis", False, 0.002),
    ("cargo", ("cargo_monomer", "cargo_oligomer"), "cargo\n(area fraction)", "viridis", False, 0.002),
    ("height", ("height",), "height (nm)\nlumen < 0 < cytosol", "PuOr", True, 0.2),
)
"""What a picture of the membrane shows: name, fields summed, label, colour map, whether it is centred on 0, and the
least range of the colours: less than that is no contrast worth stretching."""

LEAST_SECONDS = 5.0
"""Of a movie; a few frames are held longer than ``fps`` says."""

RINGS = "ring: an ILV has left here, drawn at its size"


@style()
def size_distribution_figure(records: list[RunRecord]) -> Figure:
    """Densities of the ILV diameter with 95 % confidence bands and medians, one colour an archive.

    Grey: 40-100 nm, the range of exosomes. Archives without ILVs are named in the legend.
    """
    figure = Figure(figsize=(WIDTH_INCH, 3.6))
    lines = _draw_sizes(figure.add_subplot(), records, room=400)
    figure.set_size_inches(WIDTH_INCH, 2.8 + 0.17 * lines)
    return figure


@style()
def membrane_figure(record: RunRecord, endosome: int = 0, frames: list[int] | None = None) -> Figure:
    """Fields (rows) of one endosome at up to four times (columns), with the ILVs that have left so far as circles.

    ``frames``: the frames to show; by default four, from before the first ILV of this endosome until after its last,
    between which its number of ILVs grows evenly. Fields that the run does not have are left out. Raises ValueError
    where there are no frames, or no such frame or endosome.
    """
    rows = _rows(record)
    frames = telling(record, endosome, 4) if frames is None else list(frames)
    pictures = {row[0]: [_picture(record, row, index, endosome) for index in frames] for row in rows}
    n_y, n_x = pictures[rows[0][0]][0].shape
    panel = (WIDTH_INCH - 1.2) / max(len(frames), 3)
    figure = Figure(figsize=(1.2 + panel * len(frames), 0.4 + len(rows) * (panel * n_y / n_x + 0.1)))
    grid = figure.subplots(len(rows), len(frames), squeeze=False)
    for axes, index in zip(grid[0], frames, strict=True):
        axes.set_title(time_text(record.frames.frame_times_s[index]))
    for axes_row, row in zip(grid, rows, strict=True):
        limits = _limits(pictures[row[0]], row)
        for axes, index, picture in zip(axes_row, frames, pictures[row[0]], strict=True):
            image = _draw_field(axes, record, picture, row, limits)
            _draw_buds(axes, record, endosome, record.frames.frame_times_s[index])
        _draw_color_bar(figure, axes_row[-1], image, row)
    _draw_scale_bar(grid[0, 0], record)
    figure.supxlabel(f"endosome {endosome}; {RINGS}", fontsize=7)
    return figure


@style()
def summary_figure(record: RunRecord) -> Figure:
    """What a run has done, at a glance: sizes (left), endosome 0 in time and ILVs against time (right)."""
    figure = Figure(figsize=(WIDTH_INCH, 4.2))
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.3))
    sizes = left.add_subplot()
    lines = _draw_sizes(sizes, [record], room=140)
    figure.set_size_inches(WIDTH_INCH, 4.2 + 0.15 * max(0, lines - 6))
    if not len(record.frames):
        counts = right.add_subplot()
        _draw_counts(counts, record)
        letters(sizes, counts)
        return figure
    row, frames = _rows(record)[0], telling(record, 0, 3)
    pictures = [_picture(record, row, index, 0) for index in frames]
    upper, lower = right.subfigures(2, 1, height_ratios=(1, 1.35))
    images = upper.subplots(1, len(frames), squeeze=False)[0]
    for axes, index, picture in zip(images, frames, pictures, strict=True):
        image = _draw_field(axes, record, picture, row, _limits(pictures, row))
        _draw_buds(axes, record, 0, record.frames.frame_times_s[index])
        axes.set_title(time_text(record.frames.frame_times_s[index]))
    _draw_color_bar(figure, images[-1], image, row)
    _draw_scale_bar(images[0], record)
    upper.supxlabel(f"endosome 0; {RINGS}", fontsize=7)
    counts = lower.add_subplot()
    _draw_counts(counts, record)
    letters(sizes, images[0], counts)
    return figure


def letters(*panels) -> None:
    """Names panels a, b, c, ... at their upper left."""
    for axes, letter in zip(panels, "abcd"):
        axes.annotate(letter, (0, 1), (-22, 5), "axes fraction", "offset points", ha="right", weight="bold", size=10)


def movie_path(path) -> Path:
    """Where a movie is to be written. Raises ValueError where the suffix is neither .gif nor .mp4, and RuntimeError
    where MP4 is asked for without ffmpeg."""
    path = Path(path)
    if path.suffix.lower() not in (".gif", ".mp4"):
        raise ValueError(f"cannot write {path}: a movie is a .gif or an .mp4")
    if path.suffix.lower() == ".mp4" and not animation.writers.is_available("ffmpeg"):
        raise RuntimeError(f"cannot write {path}: ffmpeg is not installed; install it or write a .gif")
    return path


@style(figure_dpi=MOVIE_DPI)
def movie(record: RunRecord, path, endosome: int = 0, fps: int | float = 10) -> Path:
    """All frames of one endosome, its fields side by side, as a GIF, or as MP4 where ffmpeg is installed.

    ``fps`` frames a second, or fewer, so that the movie lasts five seconds. Raises ValueError where there are no frames
    or no such endosome, or where the suffix is neither .gif nor .mp4, and RuntimeError where MP4 is asked for without
    ffmpeg.
    """
    path = movie_path(path)
    rows, times = _rows(record), record.frames.frame_times_s
    # The colours must hold for the whole movie; a few frames tell their range.
    limits = [_limits([_picture(record, row, i, endosome) for i in _spread(len(times), 12)], row) for row in rows]
    first = [_picture(record, row, 0, endosome) for row in rows]
    width = max(2.4 * len(rows), 3.4)
    figure = Figure(figsize=(width, 2.4 * first[0].shape[0] / first[0].shape[1] + 0.9))
    panels = figure.subplots(1, len(rows), squeeze=False)[0]
    images = []
    for axes, row, picture, limit in zip(panels, rows, first, limits, strict=True):
        images.append(_draw_field(axes, record, picture, row, limit))
        figure.colorbar(images[-1], ax=axes, label=row[2].replace("\n", " "), orientation="horizontal", aspect=16)
    _draw_scale_bar(panels[0], record)
    title = figure.suptitle(time_text(times[-1]), fontsize=9)
    figure.supxlabel(RINGS, fontsize=7)
    FigureCanvasAgg(figure).draw()
    figure.set_layout_engine("none")  # laid out once: else the panels would move with the width of the title

    def draw(index):
        title.set_text(time_text(times[index]))
        for axes, image, row in zip(panels, images, rows, strict=True):
            image.set_data(_picture(record, row, index, endosome))
            for rings in list(axes.collections):
                rings.remove()
            _draw_buds(axes, record, endosome, times[index])

    palette = _palette(rows)
    quantized = lambda pictures: [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    save_movie(figure, draw, len(times), path, fps, quantized)
    return path


def save_movie(figure: Figure, draw, count: int, path: Path, fps: int | float, quantized) -> None:
    """Write what ``draw`` of 0 to ``count`` - 1 makes of the figure as GIF or MP4; ``quantized`` gives the pictures of
    a GIF, which come one by one, their palette."""
    if not 0 < fps <= 50:
        raise ValueError(f"fps {fps:g}: give a number of frames a second above 0, and at most 50")
    may_write(path)
    fps = min(fps, count / LEAST_SECONDS)

    def shot(index):
        draw(index)
        figure.canvas.draw()
        return Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])

    if path.suffix.lower() == ".gif":
        pictures, made = quantized(shot(index) for index in range(count)), io.BytesIO()
        # A GIF counts in hundredths of a second.
        times = 10 * np.diff(np.round(100 * np.arange(count + 1) / fps).astype(int))
        pictures[0].save(
            made,
            format="GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=times.tolist(),
            loop=0,
            **signature(path),
        )
        canvas.put(path, made.getvalue())
        return
    writer = animation.FFMpegWriter(fps=fps, metadata=signature(path))
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "movie.mp4"
        with writer.saving(figure, str(made), dpi=MOVIE_DPI):
            for index in range(count):
                draw(index)
                writer.grab_frame()
        canvas.put(path, made.read_bytes())


def _palette(rows):
    """The 256 colours that a GIF may have: those of the maps in equal shares, and greys."""
    greys = 16
    share = (256 - greys) // len(rows)
    maps = [matplotlib.colormaps[row[3]](np.linspace(0, 1, share))[:, :3] for row in rows]
    colors = np.concatenate([*maps, np.repeat(np.linspace(0, 1, greys)[:, None], 3, axis=1)])
    palette = Image.new("P", (1, 1))
    palette.putpalette((255 * colors).round().astype(np.uint8).tobytes())
    return palette


def save(figure: Figure, path_without_suffix, dpi: int = 300) -> list[Path]:
    """Write a figure as PNG (of ``dpi`` points an inch) and PDF; returns both paths. Raises PathError where a file that
    is not ours is in the way, and OSError where writing is not possible."""
    stem = Path(path_without_suffix)
    return [canvas.save(figure, stem.with_name(stem.name + suffix), dpi=dpi) for suffix in (".png", ".pdf")]


def _draw_sizes(axes, records, room):
    """Densities and, above them, a legend, in which a line has ``room`` points; returns how many lines it has."""
    size = 8 if room > 200 else 7
    shares = [record.size_distribution["fraction_40_100_nm"] for record in records if record.size_distribution["n"]]
    share = f" (holds {shares[0]:.0%})" if len(records) == len(shares) == 1 else ""
    handles = [Patch(fc="0.92", ec="0.7", lw=0.5, label=f"40\N{EN DASH}100 nm{share}")]
    axes.axvspan(*EXOSOME_RANGE_NM, color="0.92", lw=0, zorder=0)
    reach, medians, bands = 120.0, [], []
    for number, record in enumerate(records):
        sizes, name = record.size_distribution, plain(record.attributes["name"])
        color, style = OKABE_ITO[number % len(OKABE_ITO)], ("-", "--", ":")[number // len(OKABE_ITO) % 3]
        text = "no ILVs"
        if sizes["n"]:
            quartiles = f"[{sizes['q25_nm']:.0f}\N{EN DASH}{sizes['q75_nm']:.0f}]"
            text = f"n = {sizes['n']}, median {sizes['median_nm']:.0f} {quartiles} nm"
            edges, last = sizes["bin_edges_nm"], np.flatnonzero(sizes["count"])[-1] + 1
            # A bin without ILVs, or a run with too few endosomes, has no interval.
            known = np.isfinite(sizes["ci_low"]) & np.isfinite(sizes["ci_high"])
            if (sizes["ci_high"][known] > sizes["ci_low"][known]).any():
                low, high = (np.where(known, sizes[end], np.nan) for end in ("ci_low", "ci_high"))
                axes.stairs(high, edges, baseline=low, fill=True, color=color, alpha=0.25, lw=0)
                bands = [Patch(fc="0.6", alpha=0.5, lw=0, label="band: 95 %, over endosomes")]
            axes.stairs(sizes["probability_density_per_nm"], edges, color=color, lw=1.5, ls=style)
            axes.axvline(sizes["median_nm"], color=color, lw=1, ls=(0, (4, 2)))
            reach = max(reach, edges[last] + 10)
            medians = [Line2D([], [], color="0.4", lw=1, ls=(0, (4, 2)), label="median [interquartile range]")]
        label = f"{name}: {text}"
        if _points(label, size) > room:
            label = f"{_wrapped(name, room, size)}:\n{text}"
        handles.append(Line2D([], [], color=color, lw=1.5, ls=style, label=label))
    axes.set(xlim=(0, reach), xlabel="ILV diameter (nm)", ylabel="probability density (nm$^{-1}$)")
    if medians:
        axes.set_ylim(bottom=0)
    else:
        axes.set(ylim=(0, 1), yticks=[])
    # Above the axes it covers nothing, however many archives there are.
    handles += bands + medians
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        frameon=False,
        borderaxespad=0.2,
        fontsize=size,
    )
    return sum(1 + handle.get_label().count("\n") for handle in handles)


def _points(text, size) -> float:
    return TextPath((0, 0), text, size=size).get_extents().width if text.strip() else 0.0


def _wrapped(text, room, size) -> str:
    """In lines of at most ``room`` points."""
    for width in range(100, 4, -3):
        lines = textwrap.wrap(text, width)
        if all(_points(line, size) <= room for line in lines):
            break
    return "\n".join(lines)


def _draw_counts(axes, record):
    ilvs, times = record.ilvs, record.series.get("time_s", np.zeros(0))
    ends = np.concatenate([times[-1:], record.frames.frame_times_s[-1:], ilvs["time_s"]])
    last = max(1e-9, np.max(ends[np.isfinite(ends)], initial=0.0))
    scale, unit = time_unit(last)
    endosomes = int(record.attributes["number_of_endosomes"])
    many = endosomes > len(OKABE_ITO)

    def step(at, weight, **style):
        counts = weight * np.array([*range(at.size + 1), at.size])
        axes.step(scale * np.array([0, *np.sort(at), last]), counts, where="post", **style)

    for endosome in range(endosomes):
        at = ilvs["time_s"][ilvs["endosome"] == endosome]
        step(at, 1, color="0.7" if many else OKABE_ITO[endosome], lw=0.8 if many else 1.2, label=str(endosome))
    if many:
        step(ilvs["time_s"], 1 / endosomes, color="black", lw=1.8)
    top = max(1, axes.get_ylim()[1])
    axes.set(xlabel=f"time ({unit})", ylabel="ILVs", xlim=(0, scale * last), ylim=(-0.03 * top, top))
    axes.yaxis.get_major_locator().set_params(integer=True)
    if many:
        axes.set_title(f"mean (black) of {endosomes} endosomes (grey)", loc="left")
    elif endosomes > 1:
        axes.legend(title="endosome", loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def _rows(record):
    if not len(record.frames):
        raise ValueError(f"{record.path} holds no frames; run with a cadence of frames to see the membrane")
    if record.spacing_nm is not None and len(record.spacing_nm) != 2:
        raise ValueError(f"{record.path} is a run in three dimensions; draw it with figure_vesicle or movie_vesicle")
    if record.spacing_nm is None:
        raise ValueError(f"{record.path} is unfinished and does not tell its grid spacing; wait for the archive")
    rows = [row for row in ROWS if any(name in record.frames.field_names for name in row[1])]
    if not rows:
        raise ValueError(f"{record.path} has no field to show among {', '.join(record.frames.field_names) or 'none'}")
    return rows


def _picture(record, row, index, endosome):
    present = [name for name in row[1] if name in record.frames.field_names]
    # As float64, in which no value of a frame overflows while its colours are found.
    return sum(record.frames.frame(name, index, endosome).astype(float) for name in present)


def telling(record: RunRecord, endosome: int, wanted: int) -> list[int]:
    """Up to ``wanted`` frames in which the ILVs of one endosome go from none to all in even steps; where there are too
    few such frames, or no ILVs, evenly spread ones fill up."""
    times, count = record.frames.frame_times_s, len(record.frames)
    left = record.ilvs["time_s"][record.ilvs["endosome"] == endosome]
    left = np.sort(left[np.isfinite(left)])
    chosen = set()
    if left.size:
        reached = np.quantile(left, np.linspace(0, 1, wanted)[1:], method="higher")
        chosen = {max(0, int(np.searchsorted(times, left[0])) - 1)}
        chosen |= set(np.minimum(np.searchsorted(times, reached), count - 1).tolist())
    for index in (*_spread(count, wanted), *range(count)):
        if len(chosen) < wanted:
            chosen.add(index)
    return sorted(chosen)


def _spread(count, wanted):
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(int)).tolist()


def _limits(pictures, row):
    """Colour range: all but the outermost thousandth of the values; symmetric where 0 is the centre; never so narrow
    that a field that is the same everywhere shows its noise."""
    values = np.concatenate([picture.ravel() for picture in pictures]).astype(float)
    values = values[np.isfinite(values)]
    *_, centred, least = row
    if not values.size:
        return (-least / 2, least / 2) if centred else (0.0, least)
    if centred:
        bound = max(np.percentile(np.abs(values), 99.9), least / 2)
        return -bound, bound
    low, high = np.percentile(values, [0.1, 99.9])
    short = max(0.0, least - (high - low)) / 2
    return low - short, high + short


def _draw_field(axes, record, picture, row, limits):
    dy, dx = record.spacing_nm
    n_y, n_x = picture.shape
    image = axes.imshow(
        picture,
        origin="lower",
        extent=(-dx / 2, (n_x - 0.5) * dx, -dy / 2, (n_y - 0.5) * dy),
        cmap=row[3],
        vmin=limits[0],
        vmax=limits[1],
    )
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return image


def _draw_buds(axes, record, endosome, until_s):
    """Open circles, black on white so that they show on any colour; those over an edge also on the other side."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    events = record.events[is_ilv(record.events)]
    events = events[(events["endosome"] == endosome) & (events["time_s"] <= until_s)]
    known = np.isfinite(events["x_nm"]) & np.isfinite(events["y_nm"]) & np.isfinite(events["diameter_nm"])
    events = events[known]
    shifts = [(x * (right - left), y * (top - bottom)) for x in (-1, 0, 1) for y in (-1, 0, 1)]
    centres = (np.stack([events["x_nm"], events["y_nm"]], 1) + np.array(shifts)[:, None]).reshape(-1, 2)
    diameter = np.tile(events["diameter_nm"], len(shifts))
    x, y, reach = *centres.T, diameter / 2
    seen = (x > left - reach) & (x < right + reach) & (y > bottom - reach) & (y < top + reach)
    rings = EllipseCollection(
        diameter[seen],
        diameter[seen],
        np.zeros(seen.sum()),
        units="xy",
        offsets=centres[seen],
        offset_transform=axes.transData,
        facecolors="none",
        edgecolors="black",
        lw=0.8,
        path_effects=[patheffects.withStroke(linewidth=1.8, foreground="white"), patheffects.Normal()],
    )
    axes.add_collection(rings, autolim=False)


def _draw_color_bar(figure, axes, image, row):
    figure.colorbar(image, cax=axes.inset_axes((1.05, 0, 0.07, 1)), label=row[2])


def _draw_scale_bar(axes, record):
    width = np.ptp(axes.get_xlim())
    length = next((nm for nm in (200, 100, 50, 20, 10) if nm <= 0.4 * width), 5)
    bar = AnchoredSizeBar(
        axes.transData,
        length,
        f"{length} nm",
        "lower left",
        pad=0.2,
        borderpad=0.2,
        sep=2,
        size_vertical=0.015 * np.ptp(axes.get_ylim()),
    )
    bar.patch.set(alpha=0.85, ec="none")
    axes.add_artist(bar)


def time_unit(longest_s) -> tuple[float, str]:
    """(units a second, unit) in which times up to ``longest_s`` read well."""
    return next(
        ((scale, unit) for scale, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")) if longest_s * scale >= 1), (1e9, "ns")
    )


def time_text(seconds) -> str:
    """A time in words."""
    if not seconds:
        return "t = 0"
    scale, unit = time_unit(seconds)
    return f"t = {seconds * scale:.3g} {unit}"
