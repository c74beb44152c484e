"""Intervals of 95 %: how far a number that was found from a few endosomes can be trusted.

ILVs of one endosome share its tension and its composition, so that they resemble each other. Only endosomes are
independent of each other, and a run has few of them. Every interval therefore uses Student's t with one degree of
freedom less than there are endosomes. How often the intervals hold the true value is measured in
tests/outcome/test_intervals.py and stated in docs/controls.md. With fewer than three endosomes there is no interval:
(NaN, NaN).
"""

import numpy as np
from scipy.special import gammaincinv, ndtri, stdtrit

LEVEL = 0.95
"""The share of intervals that is meant to hold the true value."""

MEASURED = (0.93, 0.99)
"""The least and the largest measured share of intervals that hold the true value: of medians and of ILVs per endosome,
with 3 to 30 endosomes and several distributions (tests/outcome/test_intervals.py, docs/controls.md). Intervals of
shares near 0 or 1, and of densities of rare sizes, hold it more often."""

LEAST_ENDOSOMES = 3
"""With fewer endosomes there is no interval: they say too little of how endosomes differ."""

METHOD = (
    "median: t test over endosomes of the share below it; ILVs per endosome: t over endosomes, of the logarithm; "
    "shares and densities: t over endosomes, of the logit, never narrower than Wilson's interval"
)
"""How intervals are made, in words, for archives and captions."""

UNKNOWN = (np.nan, np.nan)


def words(low: float, high: float, endosomes: int, form: str = ".3g") -> str:
    """An interval in words, or why there is none.

    >>> words(55.8, 61.3, endosomes=10, form=".1f")
    '95 %: 55.8-61.3'
    >>> words(*UNKNOWN, endosomes=2)
    'no interval, 2 endosomes: too few'
    """
    if np.isfinite(low) and np.isfinite(high):
        return f"{100 * LEVEL:.0f} %: {low:{form}}-{high:{form}}"
    if endosomes < LEAST_ENDOSOMES:
        return f"no interval, {endosomes} endosome{'s' * (endosomes != 1)}: too few"
    return f"no interval, too few ILVs in {endosomes} endosomes"


def median_interval(diameter_nm, endosome, number_of_endosomes: int, *, level: float = LEVEL) -> tuple[float, float]:
    """The interval (low, high) of the median diameter, in nm.

    Arguments:
        diameter_nm: diameters of ILVs in nm, (n,); NaN is left out.
        endosome: the endosome that each ILV belongs to, (n,), from 0 on.
        number_of_endosomes: how many endosomes there are, those without ILVs included.
        level: the share of intervals that is meant to hold the true value.

    A diameter x belongs to the interval if a t test over endosomes does not reject it as the median. Endosome i has n_i
    ILVs, of which k_i(x) are smaller than x. The test is whether the mean of k_i(x) - n_i/2 over all endosomes agrees
    with zero. There is no interval, (NaN, NaN), with fewer than three endosomes, and where so few diameters are known
    that no x is rejected.

    Raises ValueError where ``level`` does not lie between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level {level} must lie between 0 and 1; 0.95 is usual")
    diameter, endosome = np.asarray(diameter_nm, dtype=float), np.asarray(endosome, dtype=np.int64)
    known = ~np.isnan(diameter)
    diameter, endosome, groups = diameter[known], endosome[known], number_of_endosomes
    total = diameter.size
    if groups < LEAST_ENDOSOMES or not total:
        return UNKNOWN
    number = np.bincount(endosome, minlength=groups)
    order = np.argsort(diameter, kind="stable")
    diameter, owner = diameter[order], endosome[order]
    # Where x passes an ILV of endosome i, k_i - n_i/2 grows by one, its square by 2 (k_i - n_i/2) + 1.
    earlier = np.empty(total, dtype=np.int64)
    together = np.argsort(owner, kind="stable")
    earlier[together] = np.arange(total) - np.repeat(np.cumsum(number) - number, number)
    squares = np.sum(number**2.0) / 4 + np.cumsum(np.append(0.0, 2 * earlier - number[owner] + 1))
    below = np.arange(total + 1)
    off = (below - total / 2) ** 2 / groups
    passes = off <= _quantile(level, groups) ** 2 * np.maximum(squares - off, 0) / (groups - 1)
    if passes[0] or passes[-1]:
        return UNKNOWN
    # The values next to the median are not told apart from it, however alike the endosomes are.
    passes[[(total - 1) // 2, total // 2 + 1]] = True
    accepted = np.flatnonzero(passes)
    return float(diameter[max(accepted[0] - 1, 0)]), float(diameter[min(accepted[-1], total - 1)])


def mean_interval(number, *, level: float = LEVEL) -> tuple[float, float]:
    """The interval (low, high) of the mean number of ILVs an endosome.

    Arguments:
        number: how many ILVs each endosome has made, (endosomes,).
        level: the share of intervals that is meant to hold the true value.

    With the mean m and its standard error s the interval is m exp(+- t s/m), because numbers are never below zero and
    their distribution has a long tail. Where all endosomes have the same number, none for instance, they do not show
    how much endosomes differ. Then it is the exact interval of a Poisson number: up to 3.69/E for no ILV in E
    endosomes. With fewer than three endosomes it is (NaN, NaN).
    """
    number = np.asarray(number, dtype=float)
    groups, mean = number.size, number.mean() if number.size else np.nan
    if groups < LEAST_ENDOSOMES:
        return UNKNOWN
    if np.ptp(number) == 0:
        tail, total = (1 - level) / 2, number.sum()
        low = gammaincinv(total, tail) if total else 0.0
        return float(low / groups), float(gammaincinv(total + 1, 1 - tail) / groups)
    reach = np.exp(_quantile(level, groups) * number.std(ddof=1) / np.sqrt(groups) / mean)
    return float(mean / reach), float(mean * reach)


def share_interval(inside, total, *, level: float = LEVEL):
    """The lower and the upper ends of the intervals of shares sum(inside)/sum(total).

    Arguments:
        inside: how many ILVs of each endosome lie inside, (endosomes, ...), for one range of sizes or for many.
        total: how many ILVs each endosome has, (endosomes,).
        level: the share of intervals that is meant to hold the true value.

    Two intervals are made, and the wider one counts. One uses Student's t over endosomes, with the linearised error of
    the logit of the share. The other is Wilson's, for which all ILVs are independent: ILVs of one endosome differ at
    most a little more than that. Where none or all ILVs lie inside, only Wilson's exists.

    Returns two arrays of the shape of ``inside`` without its first axis; NaN with fewer than three endosomes or without
    ILVs.
    """
    total = np.asarray(total, dtype=float)
    inside = np.asarray(inside, dtype=float)
    groups, n, count = len(total), total.sum(), inside.sum(axis=0)
    if groups < LEAST_ENDOSOMES or not n:
        return np.full(count.shape, np.nan), np.full(count.shape, np.nan)
    share = count / n
    least, most = wilson_interval(count, n, level=level)
    left = inside - share * total.reshape(-1, *np.ones(count.ndim, int))
    error = np.sqrt(groups / (groups - 1) * (left**2).sum(axis=0)) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        logit, spread = np.log(share / (1 - share)), _quantile(level, groups) * error / (share * (1 - share))
        low, high = (1 / (1 + np.exp(-(logit + side * spread))) for side in (-1, 1))
    # NaN of the logit where none or all are inside: fmin and fmax pass it over.
    low, high = np.fmin(low, least), np.fmax(high, most)
    return np.clip(np.minimum(low, share), 0, 1), np.clip(np.maximum(high, share), 0, 1)


def wilson_interval(count, n, *, level: float = LEVEL):
    """Wilson's interval, its lower and its upper ends, of the share count/n of independent particles.

    Arguments:
        count: how many particles lie inside, 0 to n, of any shape; it need not be whole.
        n: how many particles there are, positive.
        level: the share of intervals that is meant to hold the true value.

    >>> [round(float(end), 3) for end in wilson_interval(0, 10)]
    [0.0, 0.278]
    """
    count, z = np.asarray(count, dtype=float), ndtri((1 + level) / 2)
    share, centre = count / n, (count + z**2 / 2) / (n + z**2)
    reach = z / (n + z**2) * np.sqrt(n * share * (1 - share) + z**2 / 4)
    return np.clip(centre - reach, 0, 1), np.clip(centre + reach, 0, 1)


def _quantile(level: float, groups: int) -> float:
    return float(stdtrit(groups - 1, (1 + level) / 2))
