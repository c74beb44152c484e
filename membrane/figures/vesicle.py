"""Figures and movies of runs in three dimensions (kind vesicle); nothing here needs a screen."""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from membrane.archive import RunRecord
from membrane.figures import raycast
from membrane.figures.canvas import STYLE, Figure, FigureCanvasAgg, Patch, patheffects, style, to_rgb
from membrane.figures.frame import VesicleFrame
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
from membrane.units import thermal_energy

LUMEN, CYTOSOL = (0.93, 0.92, 0.89), (0.82, 0.83, 0.85)
"""Colours of both sides of the membrane in a section."""

HALO = [patheffects.withStroke(linewidth=1.8, foreground="white"), patheffects.Normal()]
"""A white edge around words that lie on a picture."""

PARTS = (
    ("free_energy_pN_nm", "free energy", "black"),
    ("bending_energy_pN_nm", "bending", OKABE_ITO[2]),
    ("lipids_energy_pN_nm", "composition", OKABE_ITO[1]),
)
"""Energies in the summary: column of the series, label, colour."""


@style()
def vesicle_figure(record: RunRecord, endosome: int = 0, frames: list[int] | None = None) -> Figure:
    """One endosome at several times: above, its membrane cut open; below, a section through it.

    Args:
        record: what was read from the archive.
        endosome: its number, counted from 0.
        frames: numbers of the frames to show; by default the five of `frames_to_show`.

    ILVs are numbered in the order in which they have left. Raises ValueError if there are no frames, or no such frame
    or endosome.
    """
    frames = frames_to_show(record, endosome, 5) if frames is None else list(frames)
    shown = [VesicleFrame(record, index, endosome) for index in frames]
    panel = WIDTH_INCH / max(len(shown), 3)
    figure = Figure(figsize=(panel * len(shown), 2 * panel + 0.45))
    figure.set_layout_engine("none")
    height = figure.get_size_inches()[1]
    camera = camera_for(shown)
    for i, frame in enumerate(shown):
        left, width = i / len(shown), 1 / len(shown)
        upper = figure.add_axes((left, (panel + 0.25) / height, width, panel / height))
        draw_membrane(upper, frame, camera)
        lower = figure.add_axes((left + 0.03 * width, 0.25 / height, 0.94 * width, 0.94 * panel / height))
        plane = _section_height(record, endosome, frame)
        draw_section(lower, frame, plane)
        _write_numbers(upper, lower, camera, plane, numbered_ilvs(record, endosome, frame))
        lower.set_title(_title(frame), y=-0.135, fontsize=8)
    _scale_bar(figure.axes[0], 2 * camera.reach, -camera.reach)
    _scale_bar(figure.axes[1], shown[0].grid.extent[2])
    figure.legend(handles=_legend(), loc="upper left", ncols=4, frameon=False, borderaxespad=0.1, fontsize=7)
    figure.text(
        1 - 0.01 / len(shown), 1 - 0.05 / height, _sizes_in_words(record, endosome), ha="right", va="top", fontsize=7
    )
    return figure


@style()
def summary_figure(record: RunRecord) -> Figure:
    """The results of a run at a glance: endosome 0 at four times above; its energies and the number of ILVs below."""
    figure = Figure(figsize=(WIDTH_INCH, 4.2))
    upper, lower = figure.subfigures(2, 1, height_ratios=(1, 1.25))
    first = _draw_times(upper, record)
    left, right = lower.subplots(1, 2)
    time_s = record.series["time_s"]
    scale, unit = time_unit(max(1e-9, *time_s[-1:]))
    for axes in (left, right):
        axes.set_xlabel(f"time of the lipids ({unit})")
    _draw_energies(left, record, scale * time_s)
    _draw_ilv_numbers(right, record, scale * time_s)
    letters(first, left, right)
    return figure


def _draw_times(figure, record):
    """Endosome 0 at up to four times, side by side; returns the first of the axes."""
    frames = [VesicleFrame(record, index) for index in frames_to_show(record, 0, 4)] if len(record.frames) else []
    panels = figure.subplots(1, max(len(frames), 1), squeeze=False)[0]
    if not frames:
        panels[0].set_axis_off()
        panels[0].text(0.5, 0.5, "no frames", ha="center", va="center")
        return panels[0]
    camera = camera_for(frames)
    for axes, frame in zip(panels, frames):
        draw_membrane(axes, frame, camera)
        _write_numbers(axes, None, camera, 0.0, numbered_ilvs(record, 0, frame))
        axes.set_title(_title(frame))
    _scale_bar(panels[0], 2 * camera.reach, -camera.reach)
    figure.legend(handles=_legend()[:2], loc="outside right center", frameon=False)
    figure.supxlabel(f"endosome 0, cut open. {_sizes_in_words(record, 0)}", fontsize=7)
    return panels[0]


def _draw_energies(axes, record, time):
    """Energies of endosome 0 in kT over ``time``."""
    thermal = thermal_energy(float(record.config["temperature_C"]))
    for name, label, color in PARTS:
        axes.plot(time, record.series[name][:, 0] / thermal, color=color, lw=1.3, label=label)
    axes.set_ylabel("energy of endosome 0 ($k_BT$)")
    # The entropy of mixing can make the free energy negative; only else does the axis begin at 0.
    if axes.dataLim.ymin >= 0:
        axes.set_ylim(0, None)
    axes.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0.2)


def _draw_ilv_numbers(axes, record, time):
    """Number of ILVs in each endosome over ``time``."""
    numbers = record.series["ilv_number"]
    for endosome, ilvs in enumerate(numbers.T):
        axes.step(time, ilvs, where="post", color=OKABE_ITO[endosome % len(OKABE_ITO)], lw=1.3, label=str(endosome))
    if 1 < numbers.shape[1] <= len(OKABE_ITO):
        axes.legend(title="endosome", loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    axes.set(ylabel="ILVs in the lumen", ylim=(0, max(1.05, 1.05 * numbers.max(initial=0))))
    axes.yaxis.get_major_locator().set_params(integer=True)


@style(figure_dpi=MOVIE_DPI)
def movie(record: RunRecord, path, endosome: int = 0, fps: int | float = 10) -> Path:
    """Write a movie of all frames of one endosome, cut open and in section; return its path.

    Args:
        record: what was read from the archive.
        path: a .gif, or an .mp4 if ffmpeg is installed.
        endosome: its number, counted from 0.
        fps: frames a second; fewer if the movie would last less than five seconds.

    Raises ValueError if there are no frames or no such endosome, or for another suffix; RuntimeError if ffmpeg is
    missing; PathError if a file lies at ``path`` that this package has not written.
    """
    path = movie_path(path)
    camera = camera_for([VesicleFrame(record, index, endosome) for index in frames_to_show(record, endosome, 5)])
    figure = Figure(figsize=(5.6, 3.1))
    figure.set_layout_engine("none")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 3.1 / 5.6, 1)), figure.add_axes((3.1 / 5.6, 0.16, 2.4 / 5.6, 2.4 / 3.1))

    def draw(index):
        frame = VesicleFrame(record, index, endosome)
        for panel in axes:
            panel.clear()
        draw_membrane(axes[0], frame, camera, MOVIE_DPI)
        plane = _section_height(record, endosome, frame)
        draw_section(axes[1], frame, plane)
        _write_numbers(*axes, camera, plane, numbered_ilvs(record, endosome, frame))
        _scale_bar(axes[1], frame.grid.extent[2])
        axes[1].set_title(_title(frame), fontsize=9)

    def with_palette(pictures):
        # All pictures share one palette: with one each, colours would flicker.
        pictures = list(pictures)
        palette = Image.fromarray(np.concatenate([np.asarray(p)[::4, ::4] for p in pictures])).quantize(256)
        return [p.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for p in pictures]

    figure.legend(handles=_legend(), loc="lower right", ncols=4, frameon=False, fontsize=7, columnspacing=1)
    save_movie(figure, draw, len(record.frames), path, fps, with_palette)
    return path


def frames_to_show(record: RunRecord, endosome: int, wanted: int) -> list[int]:
    """Numbers of up to ``wanted`` frames: spread evenly up to the first ILV, and the last frame.

    If several ILVs have left, one frame from half-way between the first and the last of them is among these.
    """
    times = record.frames.frame_times_s
    if not len(times):
        raise ValueError(
            f"{record.path} holds no frames: kinetics has none; for other kinds see output.frame_interval_ms"
        )
    ilvs = record.ilvs[record.ilvs["endosome"] == endosome]
    before = np.flatnonzero(times < ilvs["time_s"][0]) if len(ilvs) else np.arange(len(times) - 1)
    between = []
    if len(ilvs) > 1:
        left = np.minimum(np.searchsorted(times, ilvs["time_s"]), len(times) - 1)
        between = [(int(left[0]) + int(left[-1])) // 2]
    chosen = before[np.linspace(0, len(before) - 1, min(wanted - 1 - len(between), len(before))).round().astype(int)]
    return sorted({*chosen.tolist(), *between, len(times) - 1})


def camera_for(frames: list[VesicleFrame]) -> raycast.Camera:
    """A camera that sees the whole membrane in all ``frames``.

    The wedge is cut where it shows the vesicles that lie in the lumen in the last frame. Raises ValueError if a frame
    holds no membrane.
    """
    low, high = [], []
    for frame in frames:
        if not ((frame.psi > 0).any() and (frame.psi < 0).any()):
            raise ValueError(f"the frame at {frame.time_s:g} s shows no membrane: psi does not change its sign")
        for axis, h in enumerate(frame.grid.spacing):
            filled = np.flatnonzero((frame.psi > 0).any(axis=tuple(a for a in range(3) if a != axis)))
            low.append((axis, filled.min() * h))
            high.append((axis, filled.max() * h))
    low = np.array([min(v for a, v in low if a == axis) for axis in range(3)])
    high = np.array([max(v for a, v in high if a == axis) for axis in range(3)])
    centre = 0.5 * (low + high)
    camera = raycast.Camera(tuple(centre), 1.0, _azimuth(frames[-1], centre))
    # The picture of the ellipsoid that fits into the box around the membrane: a vesicle does not fill its corners.
    right, up, _ = np.abs(camera.axes)
    half = 0.5 * (high - low) + raycast.BILAYER
    reach = 1.06 * max(np.sqrt(np.sum((right * half) ** 2)), np.sqrt(np.sum((up * half) ** 2)))
    return raycast.Camera(camera.centre, float(reach), camera.azimuth)


def _azimuth(frame: VesicleFrame, centre) -> float:
    """Azimuth (degrees) of a camera for which the vesicles in the lumen lie behind ``centre``.

    It is the usual one if there are none, or if they lie in the middle.
    """
    vesicles = frame.vesicles
    inside = (frame.psi < 0) & (vesicles.encloses_lumen < 0)[vesicles.labels]
    if not inside.any():
        return raycast.Camera.azimuth
    _, y, x = (np.mean(i) * h - c for i, h, c in zip(np.nonzero(inside), frame.grid.spacing, centre))
    return float(np.degrees(np.arctan2(-y, -x))) if np.hypot(y, x) > 2 * frame.eps else raycast.Camera.azimuth


def scene(frame: VesicleFrame) -> raycast.Scene:
    """A frame as the rays see it: limiting membranes cut open, vesicles in the lumen whole."""
    vesicles = frame.vesicles
    whole = (vesicles.encloses_lumen < 0)[vesicles.labels]
    return raycast.Scene(frame.psi, frame.fields["phi"], whole, frame.grid.spacing, frame.eps)


def draw_membrane(axes, frame: VesicleFrame, camera: raycast.Camera, dpi: int = STYLE["savefig.dpi"]) -> None:
    """Draw the membrane as a bilayer, cut open towards the reader, with as many pixels as the axes have at ``dpi``.

    The axes are in nm from the camera's centre.
    """
    pixels = round(axes.get_window_extent().width * dpi / axes.figure.get_dpi())
    extent = (-camera.reach, camera.reach, -camera.reach, camera.reach)
    axes.imshow(raycast.picture(scene(frame), camera, pixels), interpolation="lanczos", extent=extent)
    axes.set_axis_off()


def draw_section(axes, frame: VesicleFrame, y: float) -> None:
    """Draw the plane at ``y`` (nm): the membrane in the colours of its phases, the lumen light, the cytosol darker."""
    at = round(y / frame.grid.spacing[1]) % frame.grid.shape[1]
    wide = lambda f: ndimage.zoom(f[:, at], 8, order=3, grid_mode=True, mode="grid-wrap")
    psi, share = wide(frame.psi), 0.5 * (1 + raycast.lo_order(wide(frame.fields["phi"])))[..., None]
    distance = 2**0.5 * frame.eps * np.arctanh(np.clip(psi, -0.9999, 0.9999))
    lumen = np.clip(0.5 + distance, 0, 1)[..., None]
    membrane = np.clip(raycast.BILAYER / 2 + 0.5 - np.abs(distance), 0, 1)[..., None]
    ld, lo = (np.array(to_rgb(c)) for c in (raycast.LD, raycast.LO))
    ground = (1 - lumen) * np.array(CYTOSOL) + lumen * np.array(LUMEN)
    picture = (1 - membrane) * ground + membrane * ((1 - share) * ld + share * lo)
    extent = (0, frame.grid.extent[2], 0, frame.grid.extent[0])
    axes.imshow(np.clip(picture, 0, 1), origin="lower", extent=extent, interpolation="bilinear")
    axes.set_axis_off()


def _section_height(record, endosome, frame: VesicleFrame) -> float:
    """Where a section is taken, y in nm: through the last ILV that has left, or the middle if none has."""
    left = record.ilvs[(record.ilvs["endosome"] == endosome) & (record.ilvs["time_s"] <= frame.time_s)]
    return float(left["y_nm"][-1]) if len(left) else frame.grid.extent[1] / 2


def _legend():
    return [
        Patch(fc=raycast.LO, label="Lo"),
        Patch(fc=raycast.LD, label="Ld"),
        Patch(fc=LUMEN, ec="0.6", lw=0.4, label="lumen"),
        Patch(fc=CYTOSOL, ec="0.6", lw=0.4, label="cytosol"),
    ]


def numbered_ilvs(record: RunRecord, endosome: int, frame: VesicleFrame) -> list[tuple[int, np.ndarray, float]]:
    """The vesicles in the lumen of a frame: number, centre (z, y, x) in nm and radius in nm of each.

    ILVs are counted from 1 in the order in which they have left. Each number goes to the vesicle that lies nearest to
    where that ILV was when it left.
    """
    ilvs = record.ilvs
    ilvs = ilvs[(ilvs["endosome"] == endosome) & (ilvs["time_s"] <= frame.time_s)]
    ilvs = np.sort(ilvs, order="time_s")
    vesicles, found = frame.vesicles, []
    for label in np.flatnonzero(vesicles.encloses_lumen < 0):
        inside = np.nonzero((vesicles.labels == label) & (frame.psi < 0))
        if inside[0].size:
            volume = inside[0].size * np.prod(frame.grid.spacing)
            centre = np.array([np.mean(i) * h for i, h in zip(inside, frame.grid.spacing)])
            found.append((centre, float((0.75 * volume / np.pi) ** (1 / 3))))
    if not len(ilvs) or not found:
        return []
    left = np.stack([ilvs[name] for name in ("z_nm", "y_nm", "x_nm")], 1)
    apart = np.linalg.norm(left[:, None] - np.array([centre for centre, _ in found]), axis=-1)
    pairs = linear_sum_assignment(np.nan_to_num(apart, nan=1e9, posinf=1e9))
    return [(int(event) + 1, *found[vesicle]) for event, vesicle in zip(*pairs)]


def _write_numbers(upper, lower, camera: raycast.Camera, y: float, vesicles) -> None:
    """Write the numbers of ILVs on the view (``upper``) and, where the section at ``y`` (nm) cuts them, on that
    (``lower``, which may be None)."""
    right, up, _ = camera.axes
    words = dict(ha="center", va="center", fontsize=6.5, weight="bold", path_effects=HALO, clip_on=True)
    for number, centre, radius in vesicles:
        from_centre = centre - np.array(camera.centre)
        upper.text(from_centre @ right, from_centre @ up, str(number), **words)
        if lower is not None and abs(centre[1] - y) < radius:
            lower.text(centre[2], centre[0], str(number), **words)


def _title(frame: VesicleFrame) -> str:
    # The shape relaxes in a pseudo-time of its own; a time in seconds is that of the lipids.
    return f"lipids: {time_text(frame.time_s)}"


def _sizes_in_words(record, endosome) -> str:
    ilvs = record.ilvs[record.ilvs["endosome"] == endosome]
    if len(ilvs) < 2:
        return f"1 ILV: {ilvs['diameter_nm'][0]:.1f} nm" if len(ilvs) else "no ILV"
    sizes = np.sort(ilvs, order="time_s")["diameter_nm"][:6]
    listed = ", ".join(f"{n}: {d:.1f}" for n, d in enumerate(sizes, 1)) + (", ..." if len(ilvs) > 6 else "")
    return f"{len(ilvs)} ILVs (nm): {listed}"


def _scale_bar(axes, width: float, corner: float = 0.0) -> None:
    """Draw a bar of length on axes in nm that are ``width`` wide and have their lower left at (corner, corner)."""
    length = next((nm for nm in (100, 50, 20, 10) if nm <= 0.35 * width), 5)
    x = y = corner + 0.05 * width
    axes.plot([x, x + length], [y, y], color="black", lw=2, solid_capstyle="butt")
    axes.text(
        x + length / 2, y + 0.025 * width, f"{length} nm", ha="center", va="bottom", fontsize=7, path_effects=HALO
    )
