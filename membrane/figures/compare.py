"""A predicted size distribution as an instrument sees it, and a measured one, on one axis."""

import numpy as np

from membrane.comparison.compare import Comparison
from membrane.figures.canvas import Figure, Line2D, Patch, plain, style
from membrane.figures.sizes import MEDIAN_DASHES
from membrane.figures.style import OKABE_ITO, WIDTH_INCH, letters

PREDICTED, MEASURED = OKABE_ITO[0], OKABE_ITO[1]

_BINS_SHOWN, _TAIL = 30, 0.005


@style()
def comparison_figure(comparison: Comparison, name: str) -> Figure:
    """Both distributions: the densities with 95 % bands and medians, and the cumulative shares with their largest
    difference.

    Args:
        comparison: what is compared.
        name: what the prediction is called in the legend.

    Grey: diameters of which fewer than half of the vesicles are recorded. Thin: the outer diameters of the ILVs, before
    the instrument.
    """
    figure = Figure(figsize=(WIDTH_INCH, 3.6))
    density, cumulative = figure.subplots(1, 2)
    end = _end(comparison)
    _draw_density(density, comparison, end)
    _draw_cumulative(cumulative, comparison)
    for axes in (density, cumulative):
        axes.set(xlim=(0, end), xlabel="diameter (nm)")
        if comparison.blind_below_nm["half"] is not None:
            axes.axvspan(0, comparison.blind_below_nm["half"], color="0.92", lw=0, zorder=0)
    letters(density, cumulative)
    figure.legend(handles=_legend(comparison, name), loc="outside upper left", frameon=False, ncols=2, fontsize=7)
    return figure


def _end(comparison: Comparison) -> float:
    """The diameter up to which is drawn: all but the rarest particles of both sides."""
    both = comparison.predicted.sum(axis=0) / comparison.predicted.sum(), comparison.observed
    edges = comparison.edges_nm
    ends = [edges[1:][np.cumsum(one) >= 1 - _TAIL][0] for one in both]
    return float(max(*ends, comparison.view.outer_nm(comparison.mid_plane_nm).max()) * 1.05)


def _join(comparison: Comparison, end: float) -> int:
    """How many bins are drawn as one, so that some 30 bins are shown."""
    shown = int(np.count_nonzero(comparison.edges_nm < end))
    return max(1, round(shown / _BINS_SHOWN))


def _draw_density(axes, comparison: Comparison, end: float) -> None:
    shares = comparison.shares(_join(comparison, end))
    edges = shares["edges_nm"]
    width = np.diff(edges)
    outer = np.histogram(comparison.view.outer_nm(comparison.mid_plane_nm), edges)[0]
    axes.stairs(outer / outer.sum() / width, edges, color="0.4", lw=0.8, ls=":")
    for side, color, median in (("predicted", PREDICTED, "seen"), ("measured", MEASURED, "measured")):
        low, high = shares[f"{side}_low"] / width, shares[f"{side}_high"] / width
        # A bin without particles has an upper end, too; a band over all of them would hide the rest.
        known = np.isfinite(low) & (shares[side] > 0)
        if known.any():
            low, high = (np.where(known, ends, np.nan) for ends in (low, high))
            axes.stairs(high, edges, baseline=low, fill=True, color=color, alpha=0.25, lw=0)
        axes.stairs(shares[side] / width, edges, color=color, lw=1.5)
        axes.axvline(comparison.medians_nm[median], color=color, lw=1, ls=MEDIAN_DASHES)
    # Bands of few endosomes or particles are wide; they may be cut off at the top.
    top = max(
        *((shares[side] / width).max() for side in ("predicted", "measured")), (outer / outer.sum() / width).max()
    )
    reach = max(np.nanmax(shares[f"{side}_high"] / width, initial=0) for side in ("predicted", "measured"))
    axes.set(ylim=(0, min(max(1.05 * top, reach), 1.5 * top)), ylabel="probability density (nm$^{-1}$)")


def _draw_cumulative(axes, comparison: Comparison) -> None:
    edges = comparison.edges_nm
    predicted = np.append(0, np.cumsum(comparison.predicted.sum(axis=0)) / comparison.predicted.sum())
    observed = np.append(0, np.cumsum(comparison.observed))
    axes.plot(edges, predicted, color=PREDICTED, lw=1.5)
    axes.plot(edges, observed, color=MEASURED, lw=1.5)
    at = int(np.argmax(np.abs(predicted - observed)))
    axes.plot([edges[at]] * 2, [predicted[at], observed[at]], color="0.2", lw=1)
    axes.set(ylim=(0, 1), ylabel="cumulative share")


def _legend(comparison: Comparison, name: str) -> list:
    found, view, measured = comparison.distances, comparison.view, comparison.measured
    n = "n unknown" if measured.n_effective is None else f"n = {measured.n_effective:.0f}"
    medians = comparison.medians_nm
    source = measured.source.name if measured.source else "measured"
    ours = f"{plain(name, 40)} as seen by {view.name}: {comparison.n} ILVs, median {medians['seen']:.1f} nm"
    theirs = f"{plain(source, 40)}: {n}, median {medians['measured']:.1f} nm"
    handles = [
        Line2D([], [], color=PREDICTED, lw=1.5, label=ours),
        Line2D([], [], color=MEASURED, lw=1.5, label=theirs),
        Line2D([], [], color="0.4", lw=0.8, ls=":", label="outer diameter of the ILVs, before the instrument"),
        Line2D([], [], color="0.4", lw=1, ls=MEDIAN_DASHES, label="medians"),
        Line2D([], [], color="0.2", lw=1, label=f"Kolmogorov-Smirnov distance {found['kolmogorov_smirnov']:.2f}"),
        Patch(fc="0.6", alpha=0.5, lw=0, label="bands: 95 %"),
    ]
    if comparison.blind_below_nm["half"] is not None:
        handles.append(Patch(fc="0.92", ec="0.7", lw=0.5, label="fewer than half of the vesicles are recorded"))
    return handles
