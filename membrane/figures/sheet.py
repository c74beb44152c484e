"""Figures and movies of the run of a sheet, 7 inches wide as a printed page; nothing here needs a screen."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from membrane.archive import RunRecord
from membrane.figures.canvas import (
    AnchoredSizeBar,
    EllipseCollection,
    Figure,
    FigureCanvasAgg,
    matplotlib,
    patheffects,
    style,
)
from membrane.figures.sizes import draw_sizes
from membrane.figures.style import (
    MOVIE_DPI,
    OKABE_ITO,
    WIDTH_INCH,
    letters,
    movie_path,
    save_movie,
    time_text,
    time_unit,
)
from membrane.outcome.table import is_ilv


class Shown(NamedTuple):
    """A field as the figures show it.

    Args:
        name: of the row.
        fields: names in the archive; where there are several, their sum is shown.
        label: at the colour bar.
        colormap: of matplotlib.
        centred: whether the colours are symmetric about 0.
        least_range: the colours span at least this much, so that no noise is stretched to full contrast.
    """

    name: str
    fields: tuple[str, ...]
    label: str
    colormap: str
    centred: bool
    least_range: float


ROWS = (
    Shown("phi", ("phi",), "Lo/Ld order $\\phi$", "RdBu_r", True, 0.02),
    Shown("ceramide", ("ceramide_cytosolic",), "cytosolic ceramide\n(area fraction)", "cividis", False, 0.002),
    Shown("cargo", ("cargo_monomer", "cargo_oligomer"), "cargo\n(area fraction)", "viridis", False, 0.002),
    Shown("height", ("height",), "height (nm)\nlumen < 0 < cytosol", "PuOr", True, 0.2),
)
"""The rows of a figure, from the top."""

RINGS = "ring: an ILV has left here, drawn at its size"
"""What the legend says of the circles."""


@style()
def membrane_figure(record: RunRecord, endosome: int = 0, frames: list[int] | None = None) -> Figure:
    """Fields of one endosome (rows) at several times (columns). Circles show the ILVs that have left so far.

    Args:
        record: what was read from the archive.
        endosome: its number, counted from 0.
        frames: numbers of the frames to show; by default the four of `frames_to_show`.

    Fields that the run does not have are left out. Raises ValueError if the archive holds no frames, or no such frame
    or endosome.
    """
    rows = _rows(record)
    frames = frames_to_show(record, endosome, 4) if frames is None else list(frames)
    pictures = {row.name: [_picture(record, row, index, endosome) for index in frames] for row in rows}
    n_y, n_x = pictures[rows[0].name][0].shape
    panel = (WIDTH_INCH - 1.2) / max(len(frames), 3)
    figure = Figure(figsize=(1.2 + panel * len(frames), 0.4 + len(rows) * (panel * n_y / n_x + 0.1)))
    grid = figure.subplots(len(rows), len(frames), squeeze=False)
    for axes, index in zip(grid[0], frames, strict=True):
        axes.set_title(time_text(record.frames.frame_times_s[index]))
    for axes_row, row in zip(grid, rows, strict=True):
        limits = _limits(pictures[row.name], row)
        for axes, index, picture in zip(axes_row, frames, pictures[row.name], strict=True):
            image = _draw_field(axes, record, picture, row, limits)
            _draw_buds(axes, record, endosome, record.frames.frame_times_s[index])
        _draw_color_bar(figure, axes_row[-1], image, row)
    _draw_scale_bar(grid[0, 0], record)
    figure.supxlabel(f"endosome {endosome}; {RINGS}", fontsize=7)
    return figure


@style()
def summary_figure(record: RunRecord) -> Figure:
    """The results of a run at a glance: sizes of ILVs (left), endosome 0 at three times and ILVs over time (right)."""
    figure = Figure(figsize=(WIDTH_INCH, 4.2))
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.3))
    sizes = left.add_subplot()
    lines = draw_sizes(sizes, [record], room=140)
    figure.set_size_inches(WIDTH_INCH, 4.2 + 0.15 * max(0, lines - 6))
    if not len(record.frames):
        counts = right.add_subplot()
        _draw_counts(counts, record)
        letters(sizes, counts)
        return figure
    row, frames = _rows(record)[0], frames_to_show(record, 0, 3)
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


@style(figure_dpi=MOVIE_DPI)
def movie(record: RunRecord, path, endosome: int = 0, fps: int | float = 10) -> Path:
    """Write a movie of all frames of one endosome, its fields side by side; return its path.

    Args:
        record: what was read from the archive.
        path: a .gif, or an .mp4 if ffmpeg is installed.
        endosome: its number, counted from 0.
        fps: frames a second; fewer if the movie would last less than five seconds.

    Raises ValueError if there are no frames or no such endosome, or for another suffix; RuntimeError if ffmpeg is
    missing; PathError if a file lies at ``path`` that this package has not written.
    """
    path = movie_path(path)
    rows, times = _rows(record), record.frames.frame_times_s
    # One colour scale serves the whole movie; its range is taken from a few frames.
    limits = [_limits([_picture(record, row, i, endosome) for i in _evenly(len(times), 12)], row) for row in rows]
    first = [_picture(record, row, 0, endosome) for row in rows]
    width = max(2.4 * len(rows), 3.4)
    figure = Figure(figsize=(width, 2.4 * first[0].shape[0] / first[0].shape[1] + 0.9))
    panels = figure.subplots(1, len(rows), squeeze=False)[0]
    images = []
    for axes, row, picture, limit in zip(panels, rows, first, limits, strict=True):
        images.append(_draw_field(axes, record, picture, row, limit))
        figure.colorbar(images[-1], ax=axes, label=row.label.replace("\n", " "), orientation="horizontal", aspect=16)
    _draw_scale_bar(panels[0], record)
    title = figure.suptitle(time_text(times[-1]), fontsize=9)
    figure.supxlabel(RINGS, fontsize=7)
    FigureCanvasAgg(figure).draw()
    # Laid out once: otherwise the panels would move when the title changes its width.
    figure.set_layout_engine("none")

    def draw(index):
        title.set_text(time_text(times[index]))
        for axes, image, row in zip(panels, images, rows, strict=True):
            image.set_data(_picture(record, row, index, endosome))
            for rings in list(axes.collections):
                rings.remove()
            _draw_buds(axes, record, endosome, times[index])

    palette = _palette(rows)
    with_palette = lambda pictures: [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    save_movie(figure, draw, len(times), path, fps, with_palette)
    return path


def _palette(rows):
    """The 256 colours that a GIF may have: equal numbers from each colour map of the ``rows``, and greys."""
    greys = 16
    share = (256 - greys) // len(rows)
    maps = [matplotlib.colormaps[row.colormap](np.linspace(0, 1, share))[:, :3] for row in rows]
    colors = np.concatenate([*maps, np.repeat(np.linspace(0, 1, greys)[:, None], 3, axis=1)])
    palette = Image.new("P", (1, 1))
    palette.putpalette((255 * colors).round().astype(np.uint8).tobytes())
    return palette


def _draw_counts(axes, record):
    """Number of ILVs over time, one line an endosome; the mean as well if there are many endosomes."""
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


def _rows(record) -> list[Shown]:
    """Those of ROWS that the archive has. Raises ValueError if nothing in it can be drawn here."""
    if not len(record.frames):
        raise ValueError(
            f"{record.path} holds no frames: kinetics has none; for other kinds see output.frame_interval_ms"
        )
    if record.spacing_nm is not None and len(record.spacing_nm) != 2:
        raise ValueError(f"{record.path} is a run in three dimensions; draw it with --kind vesicle")
    if record.spacing_nm is None:
        raise ValueError(f"{record.path} is unfinished and does not tell its grid spacing; wait for the archive")
    rows = [row for row in ROWS if any(name in record.frames.field_names for name in row.fields)]
    if not rows:
        raise ValueError(f"{record.path} has no field to show among {', '.join(record.frames.field_names) or 'none'}")
    return rows


def _picture(record, row, index, endosome):
    present = [name for name in row.fields if name in record.frames.field_names]
    # As float64, so that large values do not overflow when their colours are computed.
    return sum(record.frames.frame(name, index, endosome).astype(float) for name in present)


def frames_to_show(record: RunRecord, endosome: int, wanted: int) -> list[int]:
    """Numbers of up to ``wanted`` frames in which the ILVs of one endosome grow from none to all in even steps.

    The first is from before its first ILV and the last from after its last. If there are too few such frames, or no
    ILVs, frames that are spread evenly in time are added.
    """
    times, count = record.frames.frame_times_s, len(record.frames)
    leaving = record.ilvs["time_s"][record.ilvs["endosome"] == endosome]
    leaving = np.sort(leaving[np.isfinite(leaving)])
    chosen = set()
    if leaving.size:
        reached = np.quantile(leaving, np.linspace(0, 1, wanted)[1:], method="higher")
        chosen = {max(0, int(np.searchsorted(times, leaving[0])) - 1)}
        chosen |= set(np.minimum(np.searchsorted(times, reached), count - 1).tolist())
    for index in (*_evenly(count, wanted), *range(count)):
        if len(chosen) < wanted:
            chosen.add(index)
    return sorted(chosen)


def _evenly(count, wanted):
    """Up to ``wanted`` numbers of frames, spread evenly over ``count``."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(int)).tolist()


def _limits(pictures, row):
    """Range of the colours (low, high). It holds all values but the outermost thousandth.

    It is symmetric about 0 if the ``row`` is centred, and never narrower than its least range.
    """
    values = np.concatenate([picture.ravel() for picture in pictures]).astype(float)
    values = values[np.isfinite(values)]
    least = row.least_range
    if not values.size:
        return (-least / 2, least / 2) if row.centred else (0.0, least)
    if row.centred:
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
        cmap=row.colormap,
        vmin=limits[0],
        vmax=limits[1],
    )
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return image


def _draw_buds(axes, record, endosome, until_s):
    """A circle for each ILV that has left until ``until_s``, black on white so that it is seen on any colour.

    The sheet is periodic: a circle that crosses an edge is drawn on the other side as well.
    """
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    ilvs = record.events[is_ilv(record.events)]
    ilvs = ilvs[(ilvs["endosome"] == endosome) & (ilvs["time_s"] <= until_s)]
    ilvs = ilvs[np.isfinite(ilvs["x_nm"]) & np.isfinite(ilvs["y_nm"]) & np.isfinite(ilvs["diameter_nm"])]
    shifts = [(x * (right - left), y * (top - bottom)) for x in (-1, 0, 1) for y in (-1, 0, 1)]
    centres = (np.stack([ilvs["x_nm"], ilvs["y_nm"]], 1) + np.array(shifts)[:, None]).reshape(-1, 2)
    diameter = np.tile(ilvs["diameter_nm"], len(shifts))
    x, y, radius = *centres.T, diameter / 2
    seen = (x > left - radius) & (x < right + radius) & (y > bottom - radius) & (y < top + radius)
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
    figure.colorbar(image, cax=axes.inset_axes((1.05, 0, 0.07, 1)), label=row.label)


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
