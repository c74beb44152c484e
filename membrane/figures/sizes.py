"""The size distribution of ILVs, of one archive or of several."""

import textwrap

import numpy as np

from membrane.archive import RunRecord
from membrane.figures.canvas import Axes, Figure, Line2D, Patch, TextPath, new_axes, plain, style
from membrane.figures.style import OKABE_ITO, WIDTH_INCH
from membrane.outcome.sizes import EXOSOME_RANGE_NM


@style()
def size_distribution_figure(records: list[RunRecord]) -> Figure:
    """Densities of the ILV diameter with 95 % confidence bands and medians, one colour an archive.

    Grey: 40-100 nm, the range of exosomes. Archives without ILVs are named in the legend.
    """
    figure = Figure(figsize=(WIDTH_INCH, 3.6))
    lines = draw_sizes(figure.add_subplot(), records, room=400)
    figure.set_size_inches(WIDTH_INCH, 2.8 + 0.17 * lines)
    return figure


def size_distribution_axes(records: list[RunRecord], axes: Axes | None = None) -> Axes:
    """As :func:`size_distribution_figure`, into ``axes`` that the caller has made and styled. Without them a new figure
    in our style is made, which a notebook shows. Returns the axes."""
    if axes is not None:
        inches = axes.get_window_extent().width / axes.figure.dpi
        draw_sizes(axes, records, room=72 * inches)
        return axes
    with style():
        axes = new_axes((WIDTH_INCH, 3.6))
        lines = draw_sizes(axes, records, room=400)
        axes.figure.set_size_inches(WIDTH_INCH, 2.8 + 0.17 * lines)
    return axes


def draw_sizes(axes, records, room):
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
