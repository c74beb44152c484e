"""Sizes of ILVs: their distribution with its intervals."""

import numpy as np

from membrane.outcome.intervals import LEVEL, METHOD, share_interval

EXOSOME_RANGE_NM = (40.0, 100.0)
"""Diameters in nm by which exosomes are told from other vesicles."""

LEAST_RANGE_NM = 200.0
"""Histograms reach at least this far, so that those of different runs compare."""


def size_distribution(diameter_nm, endosome, number_of_endosomes: int, *, bin_width_nm: float = 5.0) -> dict:
    """Histogram and moments of the diameters of ILVs, with intervals over endosomes.

    Arguments:
        diameter_nm: diameters in nm, (n,). NaN, an unknown diameter, is left out.
        endosome: the endosome that each ILV belongs to, (n,), from 0 on.
        number_of_endosomes: how many endosomes there are, those without ILVs included.
        bin_width_nm: width w of a bin in nm.

    With n_b ILVs in bin b the density is p_b = n_b / (n w), in 1/nm. Its interval is that of
    :func:`membrane.outcome.intervals.share_interval`; a bin without ILVs has an upper end, too.

    Returns a dict with
        ``bin_edges_nm`` (bins + 1,): from 0 to at least 200 nm;
        ``count``, ``probability_density_per_nm``, ``ci_low``, ``ci_high`` (bins,): the histogram and its interval;
        ``n``, ``mean_nm``, ``sd_nm`` (of a sample, n - 1), ``median_nm``, ``q25_nm``, ``q75_nm``,
        ``fraction_40_100_nm`` (limits included): numbers;
        ``endosomes``, ``interval_level``, ``interval_method``: what the intervals rest on.
    Without ILVs all but counts and edges are NaN. Intervals are NaN with fewer than three endosomes.

    Raises ValueError where a diameter is not positive and finite, or an endosome does not exist.

    >>> float(size_distribution([50.0, 60.0, 80.0], [0, 0, 1], 2)["median_nm"])
    60.0
    """
    if not bin_width_nm > 0:
        raise ValueError(f"bin width {bin_width_nm} nm must be positive")
    diameter, endosome = _checked(diameter_nm, endosome, number_of_endosomes)
    n, largest = diameter.size, diameter.max(initial=0)
    bins = max(int(np.ceil(LEAST_RANGE_NM / bin_width_nm)), int(largest // bin_width_nm) + 1)
    edges = bin_width_nm * np.arange(bins + 1)
    bin_of = np.minimum(np.searchsorted(edges, diameter, side="right") - 1, bins - 1)
    counts = np.bincount(endosome * bins + bin_of, minlength=number_of_endosomes * bins).reshape(-1, bins)
    count = counts.sum(axis=0)
    low, high = share_interval(counts, counts.sum(axis=1))
    shortest, longest = EXOSOME_RANGE_NM
    q25, median, q75 = (float(q) for q in (np.quantile(diameter, [0.25, 0.5, 0.75]) if n else np.full(3, np.nan)))
    return {
        "bin_edges_nm": edges,
        "count": count,
        "probability_density_per_nm": count / (n * bin_width_nm) if n else np.full(bins, np.nan),
        "ci_low": low / bin_width_nm,
        "ci_high": high / bin_width_nm,
        "n": n,
        "mean_nm": float(diameter.mean()) if n else np.nan,
        "sd_nm": float(diameter.std(ddof=1)) if n > 1 else np.nan,
        "median_nm": median,
        "q25_nm": q25,
        "q75_nm": q75,
        "fraction_40_100_nm": float(np.mean((diameter >= shortest) & (diameter <= longest))) if n else np.nan,
        "endosomes": number_of_endosomes,
        "interval_level": LEVEL,
        "interval_method": METHOD,
    }


def _checked(diameter_nm, endosome, number_of_endosomes):
    diameter, endosome = np.asarray(diameter_nm, dtype=float), np.asarray(endosome, dtype=np.int64)
    if diameter.ndim != 1 or diameter.shape != endosome.shape:
        raise ValueError(f"diameters {diameter.shape} and endosomes {endosome.shape} must be two lists of one length")
    if number_of_endosomes < 1:
        raise ValueError(f"number of endosomes is {number_of_endosomes}; a run has at least one")
    known = ~np.isnan(diameter)
    diameter, endosome = diameter[known], endosome[known]
    if not np.all((diameter > 0) & np.isfinite(diameter)):
        raise ValueError(f"diameters must be positive and finite; given {diameter.min():g} to {diameter.max():g} nm")
    if diameter.size and not (endosome.min() >= 0 and endosome.max() < number_of_endosomes):
        raise ValueError(
            f"endosome indices {endosome.min()} to {endosome.max()} must lie in 0 to {number_of_endosomes - 1}; "
            "was the number of endosomes given of another run?"
        )
    return diameter, endosome
