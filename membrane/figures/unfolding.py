"""Profiles of sections, the diameters that they unfold to, and the truth where it is known."""

from typing import NamedTuple

import numpy as np

from membrane.figures.canvas import Figure, style
from membrane.figures.style import OKABE_ITO, WIDTH_INCH, letters


class Unfolding(NamedTuple):
    """One panel.

    Attributes:
        title: above the panel.
        edges_nm: edges of the bins of profiles and of true diameters, (bins + 1,), evenly spaced.
        profiles: counts of profiles, (bins,).
        diameters_nm: diameters of the unfolded distribution, (n,), evenly spaced.
        weights: the unfolded distribution, (n,).
        drawn: the same from histograms that were drawn anew, (draws, n).
        truth: counts of true diameters, (bins,).
    """

    title: str
    edges_nm: np.ndarray
    profiles: np.ndarray
    diameters_nm: np.ndarray
    weights: np.ndarray
    drawn: np.ndarray
    truth: np.ndarray


@style()
def unfolding_figure(panels: list[Unfolding]) -> Figure:
    """Probability densities side by side: profiles in grey, unfolded with a band of 95 %, the truth as steps."""
    figure = Figure(figsize=(WIDTH_INCH, 2.8))
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, panel in zip(axes, panels):
        width, spacing = np.diff(panel.edges_nm)[0], np.diff(panel.diameters_nm)[0]
        density = lambda counts, step: np.asarray(counts) / np.sum(counts, axis=-1, keepdims=True) / step
        axis.stairs(density(panel.profiles, width), panel.edges_nm, fill=True, color="0.85", label="profiles")
        axis.stairs(density(panel.truth, width), panel.edges_nm, color=OKABE_ITO[7], lw=1, label="vesicles in 3-D")
        low, high = np.quantile(density(panel.drawn, spacing), [0.025, 0.975], axis=0)
        axis.fill_between(panel.diameters_nm, low, high, color=OKABE_ITO[1], alpha=0.4, lw=0)
        unfolded = density(panel.weights, spacing)
        axis.plot(panel.diameters_nm, unfolded, color=OKABE_ITO[1], lw=1.5, label="unfolded, band of 95 %")
        axis.set(xlabel="diameter (nm)", ylabel="probability density (nm$^{-1}$)", title=panel.title, ylim=(0, None))
        axis.legend(frameon=False, loc="upper left")
    letters(*axes)
    return figure
