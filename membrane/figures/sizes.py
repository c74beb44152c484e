"""The size distribution of ILVs, of one archive or of several."""

import textwrap

import numpy as np

from membrane.archive import RunRecord
from membrane.figures.canvas import Axes, Figure, Line2D, Patch, TextPath, new_axes, plain, style
from membrane.figures.style import OKABE_ITO, WIDTH_INCH
from membrane.outcome.sizes import EXOSOME_RANGE_NM

MEDIAN_DASHES = (0, (4, 2))
"""How lines of medians are broken."""


@style()
def size_distribution_figure(records: list[RunRecord]) -> Figure:
    """Probability densities of the ILV diameter with 95 % bands and medians, one colour an archive.

    The range of exosomes, 40-100 nm, is grey. Archives without ILVs are named in the legend.
    """
    figure = Figure(figsize=(WIDTH_INCH, 3.6))
    lines = draw_sizes(figure.add_subplot(), records, room=400)
    figure.set_size_inches(WIDTH_INCH, 2.8 + 0.17 * lines)
    return figure


def size_distribution_axes(records: list[RunRecord], axes: Axes | None = None) -> Axes:
    """Draw the same as `size_distribution_figure`; return the axes.

    Args:
        records: what was read from the archives.
        axes: where to draw, in the style that the caller has set. Without them a new figure in our style is made, which
            a notebook shows.
    """
    if axes is not None:
        inches = axes.get_window_extent().width / axes.figure.dpi
        draw_sizes(axes, records, room=72 * inches)
        return axes
    with style():
        axes = new_axes((WIDTH_INCH, 3.6))
        lines = draw_sizes(axes, records, room=400)
        axes.figure.set_size_inches(WIDTH_INCH, 2.8 + 0.17 * lines)
    return axes


def draw_sizes(axes, records: list[RunRecord], room: int | float) -> int:
    """Draw the densities of all ``records`` and a legend above them; return how many lines the legend has.

    ``room`` is the width of the legend in points (72 an inch); longer names are wrapped.
    """
    size = 8 if room > 200 else 7
    axes.axvspan(*EXOSOME_RANGE_NM, color="0.92", lw=0, zorder=0)
    lines = []
    for number, record in enumerate(records):
        line = {"color": OKABE_ITO[number % len(OKABE_ITO)], "ls": ("-", "--", ":")[number // len(OKABE_ITO) % 3]}
        if record.size_distribution["n"]:
            _draw_density(axes, record.size_distribution, **line)
        lines.append(Line2D([], [], lw=1.5, label=_label(record, room, size), **line))
    distributions = [record.size_distribution for record in records if record.size_distribution["n"]]
    reach = max([120.0, *(d["bin_edges_nm"][np.flatnonzero(d["count"])[-1] + 1] + 10 for d in distributions)])
    axes.set(xlim=(0, reach), xlabel="ILV diameter (nm)", ylabel="probability density (nm$^{-1}$)")
    if distributions:
        axes.set_ylim(bottom=0)
    else:
        axes.set(ylim=(0, 1), yticks=[])
    share = f" (holds {distributions[0]['fraction_40_100_nm']:.0%})" if len(records) == len(distributions) == 1 else ""
    handles = [Patch(fc="0.92", ec="0.7", lw=0.5, label=f"40\N{EN DASH}100 nm{share}"), *lines]
    if any(_has_band(d) for d in distributions):
        handles.append(Patch(fc="0.6", alpha=0.5, lw=0, label="band: 95 %, over endosomes"))
    if distributions:
        handles.append(Line2D([], [], color="0.4", lw=1, ls=MEDIAN_DASHES, label="median [interquartile range]"))
    # A legend above the axes covers nothing, however many archives there are.
    place = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1.0), "frameon": False, "borderaxespad": 0.2}
    axes.legend(handles=handles, fontsize=size, **place)
    return sum(1 + handle.get_label().count("\n") for handle in handles)


def _draw_density(axes, sizes: dict, color: str, ls: str) -> None:
    """The density of one archive as steps, its 95 % band if there is one, and its median."""
    edges = sizes["bin_edges_nm"]
    if _has_band(sizes):
        known = _known(sizes)
        low, high = (np.where(known, sizes[end], np.nan) for end in ("ci_low", "ci_high"))
        axes.stairs(high, edges, baseline=low, fill=True, color=color, alpha=0.25, lw=0)
    axes.stairs(sizes["probability_density_per_nm"], edges, color=color, lw=1.5, ls=ls)
    axes.axvline(sizes["median_nm"], color=color, lw=1, ls=MEDIAN_DASHES)


def _known(sizes: dict) -> np.ndarray:
    """Bins that have an interval. A bin without ILVs has none, nor has any bin of a run with too few endosomes."""
    return np.isfinite(sizes["ci_low"]) & np.isfinite(sizes["ci_high"])


def _has_band(sizes: dict) -> bool:
    known = _known(sizes)
    return bool((sizes["ci_high"][known] > sizes["ci_low"][known]).any())


def _label(record: RunRecord, room: int | float, size: int) -> str:
    """The name of a run, how many ILVs it has made, their median and quartiles, in lines of at most ``room`` points."""
    sizes, name = record.size_distribution, plain(record.attributes["name"])
    text = "no ILVs"
    if sizes["n"]:
        quartiles = f"[{sizes['q25_nm']:.0f}\N{EN DASH}{sizes['q75_nm']:.0f}]"
        text = f"n = {sizes['n']}, median {sizes['median_nm']:.0f} {quartiles} nm"
    label = f"{name}: {text}"
    return label if _points(label, size) <= room else f"{_wrapped(name, room, size)}:\n{text}"


def _points(text: str, size: int) -> float:
    """Width of a text in points."""
    return TextPath((0, 0), text, size=size).get_extents().width if text.strip() else 0.0


def _wrapped(text: str, room: int | float, size: int) -> str:
    """A text in lines of at most ``room`` points."""
    for width in range(100, 4, -3):
        lines = textwrap.wrap(text, width)
        if all(_points(line, size) <= room for line in lines):
            break
    return "\n".join(lines)
