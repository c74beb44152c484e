"""Size distributions in bins: medians, and distances between two of them, with their intervals.

What a group has in the bins need not be whole numbers: an instrument sees a vesicle with a probability. Groups are
endosomes, or the captures of one sample; only groups are independent of each other. Where single particles were
counted, they are.
"""

import numpy as np
from scipy.special import ndtri, stdtrit

from membrane.outcome.intervals import LEAST_ENDOSOMES, LEVEL, UNKNOWN

LEAST_GROUPS = LEAST_ENDOSOMES

SAMPLES = 1000
"""Samples of a bootstrap."""

_FINE = 20
"""Points in a bin at which a diameter is tried as the median."""


def quantile(edges_nm, values, share: float) -> float:
    """The diameter in nm below which a ``share`` of the particles lies, for a uniform density within each bin.

    Arguments:
        edges_nm: edges of the bins in nm, (bins + 1,), rising.
        values: how many particles each bin has, (bins,); at least one has some.
        share: above 0, at most 1.

    >>> quantile([40, 60, 80], [3, 1], 0.5)
    53.333333333333336
    """
    edges, cumulative = np.asarray(edges_nm, dtype=float), _cumulative(values)
    cumulative = cumulative / cumulative[-1]
    after = max(int(np.searchsorted(cumulative, share)), 1)
    (low, high), (begin, end) = edges[after - 1 : after + 1], cumulative[after - 1 : after + 1]
    return float(low + (high - low) * (share - begin) / (end - begin))


def median_of_groups(edges_nm, values, *, level: float = LEVEL) -> tuple[float, float]:
    """The interval (low, high) of the median over groups, in nm.

    Arguments:
        edges_nm: edges of the bins in nm, (bins + 1,).
        values: how much each group has in each bin, (groups, bins).
        level: the share of intervals that is meant to hold the true value.

    It is the interval of :func:`membrane.outcome.intervals.median_interval`: a diameter x belongs to it if a t test
    over groups does not reject that the mean of C_i(x) - S_i/2 is zero, where group i has S_i, of which C_i(x) are
    smaller than x. It is (NaN, NaN) with fewer than three groups, or where no x is rejected.
    """
    edges, values = np.asarray(edges_nm, dtype=float), np.asarray(values, dtype=float)
    groups = len(values)
    if groups < LEAST_GROUPS or not values.any():
        return UNKNOWN
    tried = np.interp(np.arange((len(edges) - 1) * _FINE + 1) / _FINE, np.arange(len(edges)), edges)
    cumulative = _cumulative(values)
    left = np.array([np.interp(tried, edges, one) - one[-1] / 2 for one in cumulative])
    reach = stdtrit(groups - 1, (1 + level) / 2) * left.std(axis=0, ddof=1) / np.sqrt(groups)
    passes = np.abs(left.mean(axis=0)) <= reach
    if passes[0] or passes[-1]:
        return UNKNOWN
    median = quantile(edges, values.sum(axis=0), 0.5)
    accepted = tried[passes] if passes.any() else [median]
    return float(min(accepted[0], median)), float(max(accepted[-1], median))


def median_of_particles(edges_nm, values, n: int | float, *, level: float = LEVEL) -> tuple[float, float]:
    """The interval (low, high) of the median of ``n`` independent particles, in nm.

    A diameter x belongs to it if its share F(x) does not differ from 1/2 by more than z/(2 sqrt(n)). It is (NaN, NaN)
    with too few particles, where no x is rejected.
    """
    reach = ndtri((1 + level) / 2) / (2 * np.sqrt(n))
    if reach >= 0.5:
        return UNKNOWN
    return quantile(edges_nm, values, 0.5 - reach), quantile(edges_nm, values, 0.5 + reach)


def share_of_groups(values, *, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """The lower and the upper ends of the intervals of the shares of the bins over groups, each (bins,).

    Arguments:
        values: how much each group has in each bin, (groups, bins).
        level: the share of intervals that is meant to hold the true value.

    With the share p_b of bin b, group i has a_ib of its S_i there, and the error of p_b is that of the sum of
    a_ib - p_b S_i over groups, times Student's t. Nothing is said of what single particles do: an instrument that sees
    each vesicle with a probability shows their mean. NaN with fewer than three groups.

    >>> low, high = share_of_groups([[1, 3], [1, 3], [2, 2]])
    >>> low.round(2).tolist(), high.round(2).tolist()
    ([0.0, 0.31], [0.69, 1.0])
    """
    values = np.asarray(values, dtype=float)
    groups, total = len(values), values.sum()
    share = values.sum(axis=0) / total
    if groups < LEAST_GROUPS:
        return np.full(share.shape, np.nan), np.full(share.shape, np.nan)
    left = values - share * values.sum(axis=1, keepdims=True)
    error = np.sqrt(groups / (groups - 1) * (left**2).sum(axis=0)) / total
    reach = stdtrit(groups - 1, (1 + level) / 2) * error
    return np.clip(share - reach, 0, 1), np.clip(share + reach, 0, 1)


def distances(edges_nm, one, other) -> tuple[float, float]:
    """How far two distributions in the same bins are apart: (Kolmogorov-Smirnov, Wasserstein in nm).

    Arguments:
        edges_nm: edges of the bins in nm, (bins + 1,).
        one, other: how much each has in the bins, (bins,).

    With the cumulative shares F and G at the edges, Kolmogorov-Smirnov is max|F - G|, 0 to 1. The Wasserstein distance
    is the sum of |F - G| times the distance between the centres of the bins on either side: the mean way in nm by
    which particles would have to be moved.

    >>> distances([40, 50, 60, 70], [1, 0, 0], [0, 0, 2])
    (1.0, 20.0)
    """
    one, other = (cumulative / cumulative[-1] for cumulative in map(_cumulative, (one, other)))
    return tuple(float(found) for found in _norms(np.asarray(edges_nm, dtype=float), one - other))


def distance_intervals(
    edges_nm,
    groups,
    values,
    *,
    captures=None,
    n: int | float | None = None,
    level: float = LEVEL,
    samples: int = SAMPLES,
) -> dict[str, tuple[float, float]]:
    """Intervals (low, high) of the two :func:`distances`, by a bootstrap of both sides.

    Arguments:
        edges_nm: edges of the bins in nm, (bins + 1,).
        groups: how much each endosome has in the bins, (endosomes, bins).
        values: how much was measured in the bins, (bins,).
        captures: the single measurements of one sample, (captures, bins), or None. Fewer than three count as None.
        n: how many particles were measured; None where it is not known.
        level: the share of intervals that is meant to hold the true distance.
        samples: samples of the bootstrap.

    A distance between two samples is never zero, also where both are of one distribution, so that no interval of drawn
    distances would ever hold zero. Here the *errors* of both sides are drawn. For the true F, G and the observed f, g

        |d(F, G) - d(f, g)| <= d(f - F, g - G),

    the triangle inequality. The quantile q of the right side over the samples gives the interval d - q to d + q; its
    lower end is 0 where errors alone explain the distance. Endosomes are drawn with replacement, and the linearised
    errors are widened by Student's t, for they are few. On the measured side captures are drawn likewise, and particles
    from a multinomial distribution; where both exist the wider interval counts. With 3 to 20 endosomes and 50 to 2000
    particles, 90 to 100 % of intervals of 95 % held the true distance.

    Returns ``kolmogorov_smirnov`` and ``wasserstein_nm``, both (NaN, NaN) where the error of either side is unknown:
    with fewer than three endosomes, or with neither captures nor n.
    """
    edges, rng = np.asarray(edges_nm, dtype=float), np.random.default_rng(0)
    groups, values = np.asarray(groups, dtype=float), np.asarray(values, dtype=float)
    found = distances(edges, groups.sum(axis=0), values)
    measured = []
    if captures is not None and len(captures) >= LEAST_GROUPS:
        measured.append(_errors_of_groups(np.asarray(captures, dtype=float), level, samples, rng))
    if n is not None:
        measured.append(_errors_of_particles(values / values.sum(), max(round(n), 1), samples, rng))
    reach = [np.nan, np.nan]
    if len(groups) >= LEAST_GROUPS and measured:
        ours = _errors_of_groups(groups, level, samples, rng)
        drawn = [np.quantile(_norms(edges, ours - theirs), level, axis=1) for theirs in measured]
        reach = np.max(drawn, axis=0)
    ends = [(max(0.0, float(d - q)), float(d + q)) if np.isfinite(q) else UNKNOWN for d, q in zip(found, reach)]
    return {"kolmogorov_smirnov": (ends[0][0], min(ends[0][1], 1.0)), "wasserstein_nm": ends[1]}


def _cumulative(values) -> np.ndarray:
    """Sums of (..., bins) up to each edge, (..., bins + 1)."""
    values = np.asarray(values, dtype=float)
    return np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)


def _norms(edges: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """Both distances of differences of cumulative shares (..., bins + 1), stacked along a first axis."""
    centres = (edges[1:] + edges[:-1]) / 2
    away = np.abs(difference)
    return np.stack([away.max(axis=-1), away[..., 1:-1] @ np.diff(centres)])


def _errors_of_groups(values: np.ndarray, level: float, samples: int, rng) -> np.ndarray:
    """Drawn errors of the cumulative shares, (samples, bins + 1)."""
    cumulative, groups = _cumulative(values), len(values)
    total = cumulative[:, -1:]
    left = cumulative - total * cumulative.sum(axis=0) / total.sum()
    drawn = rng.multinomial(groups, np.full(groups, 1 / groups), samples)
    widened = stdtrit(groups - 1, (1 + level) / 2) / ndtri((1 + level) / 2) * np.sqrt(groups / (groups - 1))
    return widened * (drawn @ left) / total.sum()


def _errors_of_particles(share: np.ndarray, n: int, samples: int, rng) -> np.ndarray:
    return _cumulative(rng.multinomial(n, share, samples) / n - share)
