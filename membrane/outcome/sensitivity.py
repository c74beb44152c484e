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
"""The jackknife leaves out one point at a time, or one of so many groups where there are more points."""


@dataclass(frozen=True)
class Sensitivity:
    """How much one parameter decides: ``value`` and the ends ``low`` and ``high`` of its 95 % interval.

    The value is a partial rank correlation, -1 to 1, or a first-order index, 0 to 1.
    """

    value: float
    low: float
    high: float


def least_points(parameters: int) -> int:
    """The least number of different points of a sweep from which so many ``parameters`` can be told apart."""
    return parameters + 3


MORE_FOR_INTERVAL = 3
"""An interval takes so many points more. With fewer it would hold the true value too rarely (docs/controls.md)."""


def partial_rank_correlations(parameters, outcome, points) -> list[Sensitivity]:
    """How each of d parameters is correlated with the outcome, the linear effect of all others in ranks taken away
    (Marino et al. 2008, J. Theor. Biol. 254, 178).

    Arguments:
        parameters: values of the parameters, (n, d).
        outcome: what came out, (n,); rows where it is NaN are left out.
        points: the point of the sweep that each row is a replica of, (n,).

    R are ranks. e_j and f_j are what is left of R(x_j) and R(y) after a linear fit to the ranks of all other
    parameters. The measure is the correlation of e_j and f_j. It sees monotonic effects only: it says nothing of a
    parameter that has an optimum inside its range (see :func:`first_order_indices`).

    The interval is made on the scale z = artanh r (Fisher). Each point is left out once. How much z changes by that
    gives its standard error s and its bias (the jackknife); s is at least that of n independent rows. The interval
    reaches from t s below the lower of z and z without its bias to t s above the higher one. t is Student's with
    P - d - 1 degrees of freedom for P points.

    Value and interval are NaN with fewer than d + 3 points, or where the outcome or the parameter does not vary. The
    interval alone is NaN with fewer than d + 6 points, or where no correlation is left once some point is left out.

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
"""The least number of waves over the range of a parameter; with many points it is one for every eight of them."""

ORDERS = 40
"""How many times the ranks are moved at random."""

HALVES = 100
"""How many random halves of the points an interval is made from."""


def first_order_indices(parameters, outcome, points) -> list[Sensitivity]:
    """The share of the variance of the outcome that each of d parameters explains alone: S_j = Var E(y | x_j) / Var y.

    Arguments:
        parameters: values of the parameters, (n, d).
        outcome: what came out, (n,); rows where it is NaN are left out.
        points: the point of the sweep that each row is a replica of, (n,). The mean over its replicas counts.

    The method is that of random balance designs, with its bias corrected (Tarantola et al. 2006, Reliab. Eng. Syst.
    Saf. 91, 717; Tissot & Prieur 2012, ibid. 107, 205), by SALib. The points are put in the order of x_j, up and down
    again. The index is the share of the first M waves in the variance of y, with M = max(8, P/8) for P points. Sharper
    changes are missed: of a jump about 0.4/M of its variance. Each rank is first moved at random by up to two places,
    40 times, and the mean is taken. Otherwise the regular order of a Sobol sequence would pass for an effect, and so
    would the order of equal values in a table.

    The interval reaches 1.96 times the root mean square difference to the indices of random halves of the points, found
    with M/2 waves, so that it covers what the missing waves make. Values and ends are cut to 0 to 1. How often the
    interval holds the true value is measured in tests/outcome/test_sensitivity.py.

    All are NaN with fewer than 40 points, and where the outcome does not vary. Of a parameter that does not vary they
    are NaN, too.

    Raises ValueError where shapes do not fit, and ImportError where SALib is not installed.
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
