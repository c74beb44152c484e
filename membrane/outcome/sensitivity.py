"""Which parameter of a sweep decides what comes out, by two measures.

The partial rank correlation says in which direction a parameter acts, if it acts in one direction only. The first-order
index says how much of the variance of the outcome a parameter explains alone, in whatever way it acts: also where an
outcome rises and falls again, or jumps at a threshold.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit
from scipy.stats import rankdata

from membrane.extras import needed
from membrane.outcome.intervals import LEVEL

MOST_GROUPS = 200
"""Of more points than these, groups are left out instead of single ones."""


@dataclass(frozen=True)
class Sensitivity:
    """Of one parameter: the partial rank correlation, -1 to 1, or the first-order index, 0 to 1, and its 95 %
    interval."""

    value: float
    low: float
    high: float


def least_points(parameters: int) -> int:
    """How many points of a design it takes at least to tell ``parameters`` parameters apart."""
    return parameters + 3


MORE_FOR_INTERVAL = 3
"""An interval takes so many points more: with fewer it holds the true value too rarely (docs/controls.md)."""


def partial_rank_correlations(parameters, outcome, points) -> list[Sensitivity]:
    """How each of d parameters is correlated with the outcome once the linear effect of all others, in ranks, is taken
    from both (Marino et al. 2008, J. Theor. Biol. 254, 178).

    ``parameters`` (n, d), ``outcome`` (n,) and ``points`` (n,), which point of the design a row is a replica of. With
    R the ranks and e_j, f_j the residuals of R(x_j) and R(y) on the ranks of all other parameters, it is the
    correlation of e_j and f_j. It finds monotonic effects only; where a parameter has an optimum inside its range it
    says nothing. Rows whose outcome is NaN are left out.

    The interval is made on the scale z = artanh r (Fisher). Each point is left out once; how z changes by that gives
    its standard error s and its bias (the jackknife), with s no less than for n independent rows. The interval reaches
    from t s below the lower of z and z without its bias to t s above the higher, with Student's t of P - d - 1 degrees
    of freedom for P points. All is NaN where there are fewer than d + 3 points, or the outcome or a parameter is the
    same in all; the interval is with fewer than d + 6 points, and where without some point no correlation is left.

    Raises ValueError where shapes do not fit.
    """
    parameters, outcome, points = _checked(parameters, outcome, points)
    each, (n, d) = np.unique(points), parameters.shape
    if len(each) < least_points(d):
        return [Sensitivity(np.nan, np.nan, np.nan)] * d
    found = _partial(parameters, outcome)
    if len(each) < least_points(d) + MORE_FOR_INTERVAL:
        return [Sensitivity(float(value), np.nan, np.nan) for value in found]
    # Ranks cannot tell a correlation closer to 1 from 1.
    z_of = lambda r: np.arctanh(np.clip(r, -1 + 6 / n**3, 1 - 6 / n**3))
    groups = np.array_split(np.random.default_rng(0).permutation(each), min(len(each), MOST_GROUPS))
    kept = [~np.isin(points, group) for group in groups]
    z, others, count = z_of(found), z_of([_partial(parameters[rows], outcome[rows]) for rows in kept]), len(groups)
    jackknife = np.sqrt((count - 1) * others.var(axis=0))
    error = np.maximum(jackknife, np.sqrt((1 + found**2 / 2) / (n - d - 1)))
    reach = stdtrit(min(len(each) - d, count) - 1, (1 + LEVEL) / 2) * error
    unbiased = count * z - (count - 1) * others.mean(axis=0)
    low = np.minimum(found, np.tanh(np.minimum(z, unbiased) - reach))
    high = np.maximum(found, np.tanh(np.maximum(z, unbiased) + reach))
    return [Sensitivity(*map(float, of)) for of in zip(found, low, high)]


def _partial(parameters, outcome):
    n, d = parameters.shape
    unknown = np.full(d, np.nan)
    if np.ptp(outcome) == 0:
        return unknown
    x, y = rankdata(parameters, axis=0), rankdata(outcome)
    for j in range(d):
        if np.ptp(x[:, j]) == 0:
            continue
        others = np.column_stack([np.ones(n), np.delete(x, j, axis=1)])
        both = np.column_stack([x[:, j], y])
        left = both - others @ np.linalg.lstsq(others, both, rcond=None)[0]
        size = np.sqrt((left**2).sum(axis=0))
        if (size > 1e-9 * n).all():
            unknown[j] = left[:, 0] @ left[:, 1] / size.prod()
    return unknown


LEAST_FOR_INDEX = 40
"""A first-order index takes at least so many points."""

HARMONICS = 8
"""So many waves over the range of a parameter are looked for, or one for every eight points if that is more."""

ORDERS = 40
"""Times that points are put in an order of their own, to take the mean."""

HALVES = 100
"""Times that half of the points are left out, for an interval."""


def first_order_indices(parameters, outcome, points) -> list[Sensitivity]:
    """The share of the variance of the outcome that each of d parameters explains alone: S_j = Var E(y | x_j) / Var y.

    ``parameters`` (n, d), ``outcome`` (n,) and ``points`` (n,), which point of the design a row is a replica of. The
    mean over the replicas of a point counts; rows whose outcome is NaN are left out.

    Random balance designs with a correction of the bias (Tarantola et al. 2006, Reliab. Eng. Syst. Saf. 91, 717; Tissot
    & Prieur 2012, ibid. 107, 205), by SALib. The points are put in the order of x_j, up and down again, and the share
    of the first M waves in the variance of y is taken, with M = max(8, P/8) of P points. What is sharper than M waves
    is missed: of a jump about 0.4/M of its variance. Ranks are blurred by up to two places, 40 times, and the mean is
    taken, since points of a Sobol sequence alternate in an order of their own, and those of a table are equal.

    The interval is 1.96 root mean square differences to the indices of halves of the points with M/2 waves, which holds
    the error of the waves that are missed. Values and ends are cut to 0 to 1. How often it holds the true value is
    measured in tests/outcome/test_sensitivity.py. All is NaN where there are fewer than 40 points or the outcome is
    the same in all, and for a parameter that is the same in all.

    Raises ValueError where shapes do not fit, ImportError where SALib is not installed.
    """
    parameters, outcome, points = _one_row_a_point(*_checked(parameters, outcome, points))
    count, d = parameters.shape
    if count < LEAST_FOR_INDEX or np.ptp(outcome) == 0:
        return [Sensitivity(np.nan, np.nan, np.nan)] * d
    random, waves = np.random.default_rng(0), max(HARMONICS, count // 8)
    halves = [random.permutation(count)[: count // 2] for _ in range(HALVES)]
    found = []
    for x in parameters.T:
        if np.ptp(x) == 0:
            found.append(Sensitivity(np.nan, np.nan, np.nan))
            continue
        value = np.mean([_share_of_waves(x, outcome, waves, random) for _ in range(ORDERS)])
        others = np.array([_share_of_waves(x[half], outcome[half], waves // 2, random) for half in halves])
        reach = ndtri((1 + LEVEL) / 2) * np.sqrt(np.nanmean((others - value) ** 2))
        found.append(Sensitivity(*(float(np.clip(end, 0, 1)) for end in (value, value - reach, value + reach))))
    return found


def _share_of_waves(x, y, waves: int, random) -> float:
    """The share of the first ``waves`` in the variance of y over the blurred ranks of x; NaN where y is constant."""
    with needed("analysis"):
        from SALib.analyze.rbd_fast import compute_first_order, permute_outputs, unskew_S1
    if np.ptp(y) == 0:
        return np.nan
    # Equal values come in a random order.
    rank = np.argsort(np.lexsort((random.random(len(x)), x))) + random.uniform(-2, 2, len(x))
    return unskew_S1(compute_first_order(permute_outputs(rank, y), waves), waves, len(y))


def _one_row_a_point(parameters, outcome, points):
    """Parameters, mean outcome and number of each point."""
    each, first, place = np.unique(points, return_index=True, return_inverse=True)
    return parameters[first], np.bincount(place, outcome) / np.bincount(place), each


def _checked(parameters, outcome, points):
    """The same as arrays, without the rows whose outcome is NaN. Raises ValueError where shapes do not fit."""
    parameters, outcome, points = np.asarray(parameters, float), np.asarray(outcome, float), np.asarray(points)
    if parameters.ndim != 2 or not parameters.shape[0] == outcome.shape[0] == points.shape[0]:
        raise ValueError(
            f"parameters {parameters.shape}, outcome {outcome.shape} and points {points.shape} do not fit: give "
            "(n, d), (n,) and (n,)"
        )
    known = np.isfinite(outcome)
    return parameters[known], outcome[known], points[known]
