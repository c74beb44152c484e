"""What each ILV of a run carries, against its diameter, and how dense ILVs are."""

import numpy as np

from membrane.archive import RunRecord
from membrane.figures.canvas import Axes, Figure, style
from membrane.figures.style import OKABE_ITO, WIDTH_INCH, letters
from membrane.outcome.content import enrichment, fano_factor
from membrane.outcome.density import SHELL_THICKNESS_NM, shell_density

BANDS_G_PER_ML = {
    "sucrose": ((1.13, 1.19, "exosomes"),),
    "iodixanol": ((1.14, 1.16, "CD63-rich"), (1.09, 1.11, "CD9+")),
}
"""Published bands (low, high, of what) by medium: sucrose Simons & Raposo 2009, iodixanol eLife 47544."""

COLOURS = {"luminal": OKABE_ITO[4], "ceramide": OKABE_ITO[1], "cargo": OKABE_ITO[0], "Lo": OKABE_ITO[2]}
"""Colours of points by their name in a legend; all others are blue."""


@style()
def content_figure(
    record: RunRecord, *, medium: str = "sucrose", shell_g_per_ml: float = np.nan, lumen_g_per_ml: float = np.nan
) -> Figure:
    """Six panels: lipids, ceramide, Lo share, cargo and enrichment over the host against diameter, and densities.

    Args:
        record: what was read from the archive of a run.
        medium: of the gradient, a key of ``BANDS_G_PER_ML``, whose bands are drawn.
        shell_g_per_ml: density of the shell in that medium; NaN: that of the run (``density_g_per_ml``).
        lumen_g_per_ml: the same of the lumen; both are given, or neither.

    Panels of what the run does not have say so. Raises ValueError where the run has made no ILV, the medium is not
    known, or one of two densities is given.
    """
    ilvs = record.ilvs[np.isfinite(record.ilvs["diameter_nm"])]
    if not len(ilvs):
        raise ValueError(f"{record.path} holds no ILV of known size: there is no content to draw")
    if medium not in BANDS_G_PER_ML:
        raise ValueError(f"medium {medium!r} has no published band here; there are {', '.join(BANDS_G_PER_ML)}")
    figure = Figure(figsize=(WIDTH_INCH, 4.6))
    (lipids, ceramide, lo), (cargo, enriched, density) = figure.subplots(2, 3)
    diameter = ilvs["diameter_nm"]
    _points(lipids, diameter, {"": ilvs["lipid_copies"] / 1e3}, "lipids (thousands)")
    leaflets = ("cytosolic", "luminal")
    shares = {leaflet: 100 * ilvs[f"ceramide_{leaflet}_fraction"] for leaflet in leaflets}
    _points(ceramide, diameter, shares, "ceramide (% of a leaflet)")
    _points(lo, diameter, {"": 100 * ilvs["lo_fraction"]}, "Lo (% of the area)")
    copies, area = cargo_copies(ilvs), ilvs["area_nm2"]
    _points(cargo, diameter, {"": copies}, "cargo (copies)")
    if np.isfinite(copies).any():
        at_one_area = fano_factor(copies * area.mean() / area)
        cargo.set_title(f"Fano factor {fano_factor(copies):.2g}\n{at_one_area:.2g} for the mean area, n = {len(ilvs)}")
    _points(enriched, diameter, enriched_over_host(record, ilvs), "in the ILV over the host", "upper right")
    enriched.axhline(1, color="0.6", lw=0.8, ls=":", zorder=0)
    _densities(density, record, ilvs, medium, shell_g_per_ml, lumen_g_per_ml)
    for axes in (lipids, ceramide, lo, cargo):
        axes.set_ylim(0, max(1.0, 1.08 * axes.dataLim.y1) if axes.lines else 1)
    lo.set_ylim(0, 100)
    # Room above the points for the legend.
    enriched.set(yscale="log", ylim=(0.8, 4 * max(1.0, enriched.dataLim.y1)))
    enriched.yaxis.set_major_formatter("{x:g}")
    for axes in (lipids, ceramide, lo, cargo, enriched):
        axes.set_xlabel("ILV diameter (nm)")
    letters(lipids, ceramide, lo, cargo, enriched, density)
    return figure


def cargo_copies(ilvs: np.ndarray) -> np.ndarray:
    """Cargo molecules of each ILV, monomers and those in oligomers; NaN without cargo."""
    parts = np.stack([ilvs["cargo_monomer_copies"], ilvs["cargo_oligomer_copies"]])
    return np.where(np.isfinite(parts).any(axis=0), np.nansum(parts, axis=0), np.nan)


def enriched_over_host(record: RunRecord, ilvs: np.ndarray) -> dict[str, np.ndarray]:
    """What each ILV has over its host, by name: ceramide, cargo, Lo. What the series do not follow is left out."""
    series, found = record.series, {}
    over = lambda fraction, host: enrichment(fraction, ilvs["time_s"], ilvs["endosome"], series["time_s"], host)
    if "mean_ceramide_cytosolic" in series:
        found["ceramide"] = over(ilvs["ceramide_cytosolic_fraction"], series["mean_ceramide_cytosolic"])
    host = [series[name] for name in ("mean_cargo_monomer", "mean_cargo_oligomer") if name in series]
    footprint = (record.config.get("cargo") or {}).get("footprint_nm2")
    if host and footprint:
        found["cargo"] = over(footprint * cargo_copies(ilvs) / ilvs["area_nm2"], sum(host))
    if "lo_fraction" in series:
        found["Lo"] = over(ilvs["lo_fraction"], series["lo_fraction"])
    return {name: ratio for name, ratio in found.items() if np.isfinite(ratio).any()}


def _points(axes: Axes, diameter, values: dict, label: str, legend: str = "center right") -> None:
    """One point an ILV, a colour for each of the ``values`` by name; an empty panel where nothing is known."""
    axes.set_ylabel(label)
    known = {name: each for name, each in values.items() if np.isfinite(each).any()}
    if not known:
        axes.text(0.5, 0.5, "not in this run", transform=axes.transAxes, ha="center", color="0.4")
    for name, each in known.items():
        axes.plot(diameter, each, "o", ms=3, mew=0, alpha=0.7, color=COLOURS.get(name, OKABE_ITO[0]), label=name)
    if len(known) > 1:
        axes.legend(frameon=False, handletextpad=0.1, loc=legend)


def _densities(axes: Axes, record: RunRecord, ilvs, medium: str, shell: float, lumen: float) -> None:
    """Histogram of the densities of ILVs beside the published bands of the medium."""
    if np.isfinite(shell) != np.isfinite(lumen):
        raise ValueError("give the densities of both shell and lumen in the medium, or neither")
    of_run = not np.isfinite(shell)
    outer = ilvs["diameter_nm"] + SHELL_THICKNESS_NM
    outer = outer[outer > 2 * SHELL_THICKNESS_NM]
    known = ilvs["density_g_per_ml"] if of_run else shell_density(outer, shell_g_per_ml=shell, lumen_g_per_ml=lumen)
    known = known[np.isfinite(known)]
    axes.set(xlabel="density (g/ml)", ylabel="ILVs", xlim=(1.05, 1.21))
    if len(known):
        counts, *_ = axes.hist(known, bins=np.arange(1.0, 1.3, 0.0025), color=OKABE_ITO[0])
        axes.set_ylim(0, 1.15 * max(1, counts.max()))
    else:
        axes.text(0.5, 0.5, "not in this run", transform=axes.transAxes, ha="center", color="0.4")
    for low, high, whose in BANDS_G_PER_ML[medium]:
        axes.axvspan(low, high, color="0.9", lw=0, zorder=0)
        place = {"ha": "center", "va": "top", "color": "0.35", "fontsize": 7}
        axes.text((low + high) / 2, 0.99, whose, transform=axes.get_xaxis_transform(), **place)
    if of_run:
        budding = record.config.get("budding") or {}
        shell, lumen = (budding.get(f"{part}_density_g_per_ml", np.nan) for part in ("shell", "lumen"))
    told = f"\nILVs: shell {shell:g}, lumen {lumen:g} g/ml" if np.isfinite(shell + lumen) else ""
    axes.set_title(f"bands in {medium}{told}")
