"""Sizes of ILVs: their distribution with its confidence, their density, and what a thin section shows of them."""

from collections.abc import Callable, Iterable

import numpy as np

EXOSOME_RANGE_NM = (40.0, 100.0)
"""Diameters in nm by which exosomes are told from other vesicles."""

LEAST_RANGE_NM = 200.0
"""Histograms reach at least this far, so that those of different runs compare."""


def size_distribution(
    diameter_nm, endosome, number_of_endosomes: int, *, bin_width_nm: float = 5.0, resamples: int = 1000, seed: int = 0
) -> dict:
    """Histogram and moments of ILV diameters, with a bootstrap over endosomes.

    ``diameter_nm`` (n,) in nm and ``endosome`` (n,), the index of the endosome each ILV belongs to. With n_b ILVs in
    bin b of width w the density is p_b = n_b / (n w), in 1/nm. ILVs of one endosome share its tension and
    composition and are no independent draws, so whole endosomes are resampled: ``ci_low`` and ``ci_high`` are the 2.5
    and 97.5 percentiles of p_b. They are NaN with a single endosome, which says nothing of how endosomes differ.

    Returns ``bin_edges_nm`` (bins + 1,), from 0 to at least 200 nm; ``count``, ``probability_density_per_nm``,
    ``ci_low``, ``ci_high`` (bins,); and the scalars ``n, mean_nm, sd_nm`` (of a sample, n - 1), ``median_nm, q25_nm,
    q75_nm, fraction_40_100_nm`` (limits included). What is undefined (all but counts and edges where n = 0) is NaN;
    diameters that are NaN, unknown, are left out.

    Raises ValueError where a diameter is not positive and finite or an endosome index does not exist.
    """
    one = _checked(diameter_nm, endosome, number_of_endosomes)
    how = {"bin_width_nm": bin_width_nm, "resamples": resamples, "seed": seed}
    return size_distribution_of(lambda: [one], number_of_endosomes, **how)


def size_distribution_of(
    parts: Callable[[], Iterable[tuple]],
    number_of_endosomes: int,
    *,
    bin_width_nm: float = 5.0,
    resamples: int = 1000,
    seed: int = 0,
) -> dict:
    """As `size_distribution`, of ILVs that come in parts (``diameter_nm``, ``endosome``).

    ``parts`` yields all of them each time it is called; of one part after the other, so that memory grows with the
    largest part and with the number of endosomes, not with that of ILVs.
    """
    if not bin_width_nm > 0:
        raise ValueError(f"bin width {bin_width_nm} nm must be positive")
    known = lambda: (_checked(*part, number_of_endosomes) for part in parts())
    n, total, largest = 0, 0.0, 0.0
    for diameter, _ in known():
        n, total = n + diameter.size, total + diameter.sum()
        largest = max(largest, diameter.max(initial=0))
    mean = float(total / n) if n else np.nan
    bins = max(int(np.ceil(LEAST_RANGE_NM / bin_width_nm)), int(largest // bin_width_nm) + 1)
    edges = bin_width_nm * np.arange(bins + 1)
    counts = np.zeros((number_of_endosomes, bins), dtype=np.int64)
    squares, exosomes, (shortest, longest) = 0.0, 0, EXOSOME_RANGE_NM
    for diameter, endosome in known():
        bin_of = np.minimum(np.searchsorted(edges, diameter, side="right") - 1, bins - 1)
        np.add.at(counts, (endosome, bin_of), 1)
        squares += np.square(diameter - mean).sum()
        exosomes += np.count_nonzero((diameter >= shortest) & (diameter <= longest))

    count, unknown = counts.sum(axis=0), np.full(bins, np.nan)
    low = high = unknown
    if n and number_of_endosomes > 1:
        drawn = np.concatenate([times @ counts for times in _resampled(number_of_endosomes, resamples, seed)])
        drawn = drawn[drawn.any(axis=1)]
        low, high = np.percentile(drawn / (drawn.sum(axis=1, keepdims=True) * bin_width_nm), [2.5, 97.5], axis=0)
    q25, median, q75 = (_quantile(known, n, share) if n else np.nan for share in (0.25, 0.5, 0.75))
    return {
        "bin_edges_nm": edges,
        "count": count,
        "probability_density_per_nm": count / (n * bin_width_nm) if n else unknown,
        "ci_low": low,
        "ci_high": high,
        "n": n,
        "mean_nm": mean,
        "sd_nm": float(np.sqrt(squares / (n - 1))) if n > 1 else np.nan,
        "median_nm": median,
        "q25_nm": q25,
        "q75_nm": q75,
        "fraction_40_100_nm": exosomes / n if n else np.nan,
    }


def median_interval(
    diameter_nm, endosome, number_of_endosomes: int, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the median diameter in nm, whole endosomes resampled.

    Arguments as in `size_distribution`. (NaN, NaN) without ILVs or with a single endosome. Raises ValueError like
    `size_distribution`, and where ``level`` does not lie between 0 and 1.
    """
    diameter, endosome = _checked(diameter_nm, endosome, number_of_endosomes)
    if not 0 < level < 1:
        raise ValueError(f"level {level} must lie between 0 and 1; 0.95 is usual")
    if not diameter.size or number_of_endosomes == 1:
        return np.nan, np.nan
    drawn = (times[endosome] for block in _resampled(number_of_endosomes, resamples, seed) for times in block)
    medians = [np.median(np.repeat(diameter, times)) for times in drawn if times.any()]
    low, high = np.percentile(medians, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def ratio_interval(
    numerator, denominator, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of sum(numerator)/sum(denominator), whole endosomes resampled.

    Both (endosomes,): what each endosome adds. ILVs per endosome have a denominator of ones. (NaN, NaN) with a single
    endosome or where the denominator is zero.
    """
    numerator, denominator = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)
    if len(numerator) == 1 or not denominator.any():
        return np.nan, np.nan
    both = np.stack([numerator, denominator], axis=1)
    drawn = np.concatenate([times @ both for times in _resampled(len(numerator), resamples, seed)])
    drawn = drawn[drawn[:, 1] > 0]
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def shell_density(diameter_nm, *, shell_g_per_ml: float, lumen_g_per_ml: float, shell_thickness_nm: float = 5.0):
    """Density in g/ml of a vesicle of outer diameter D whose shell of thickness t encloses a lumen.

    rho = rho_shell (1 - f) + rho_lumen f with the lumen's share of the volume f = (1 - 2 t/D)^3. Whether small
    vesicles are the denser ones depends on which part is; and sucrose, which draws water out, shows higher values
    than iodixanol. Returns the shape of ``diameter_nm``. Raises ValueError where D <= 2 t leaves no lumen.
    """
    diameter = np.asarray(diameter_nm, dtype=float)
    if not shell_thickness_nm > 0:
        raise ValueError(f"shell thickness {shell_thickness_nm} nm must be positive")
    if not np.all((diameter > 2 * shell_thickness_nm) | np.isnan(diameter)):
        raise ValueError(
            f"diameter {np.nanmin(diameter):g} nm leaves no lumen within a shell of {shell_thickness_nm:g} nm; "
            f"diameters must exceed {2 * shell_thickness_nm:g} nm"
        )
    lumen = (1 - 2 * shell_thickness_nm / diameter) ** 3
    return shell_g_per_ml * (1 - lumen) + lumen_g_per_ml * lumen


def thin_section_mean(diameter_nm):
    """Mean diameter in nm of the profiles that thin sections show of spheres of diameter D: (pi/4) D.

    A plane that cuts a sphere does so at a distance z from its centre, uniform between 0 and D/2, and leaves a disc
    of diameter sqrt(D^2 - 4 z^2), whose mean is (pi/4) D. Caps too small to be recognised raise the observed mean.
    """
    return np.pi / 4 * np.asarray(diameter_nm, dtype=float)


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


def _resampled(number_of_endosomes, resamples, seed):
    """How often each endosome is drawn in each resample: blocks of (some resamples, endosomes)."""
    chances, generator = np.full(number_of_endosomes, 1 / number_of_endosomes), np.random.default_rng(seed)
    most = max(1, 1_000_000 // number_of_endosomes)
    for begun in range(0, resamples, most):
        yield generator.multinomial(number_of_endosomes, chances, size=min(most, resamples - begun))


def _quantile(parts, n, share):
    """As np.quantile: linear between the two values next to rank (n - 1) share."""
    rank, t = divmod((n - 1) * share, 1)
    low = _ranked(parts, int(rank))
    high = _ranked(parts, min(int(rank) + 1, n - 1))
    return low + (high - low) * t if t < 0.5 else high - (high - low) * (1 - t)


def _ranked(parts, rank):
    """The value of ``rank`` (from 0) among positive numbers, 16 bits at a time: they are in the order of their bits."""
    found = np.uint64(0)
    for shift in (48, 32, 16, 0):
        counts = np.zeros(2**16, np.int64)
        for values, _ in parts():
            bits = values.view(np.uint64) >> np.uint64(shift)
            bits = bits[bits >> np.uint64(16) == found]
            counts += np.bincount((bits & np.uint64(0xFFFF)).astype(np.int64), minlength=2**16)
        digit = int(np.searchsorted(np.cumsum(counts), rank, side="right"))
        rank -= int(counts[:digit].sum())
        found = found << np.uint64(16) | np.uint64(digit)
    return float(found.view(np.float64))
