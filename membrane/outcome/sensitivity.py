"""Which parameter decides: partial rank correlations of what came out with what was put in."""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit
from scipy.stats import rankdata

from membrane.outcome.intervals import LEVEL

MOST_GROUPS = 200
"""Of more points than these, groups are left out instead of single ones."""


@dataclass(frozen=True)
class Sensitivity:
    """Of one parameter: the partial rank correlation, -1 to 1, and its 95 % interval."""

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
    parameters, outcome, points = np.asarray(parameters, float), np.asarray(outcome, float), np.asarray(points)
    if parameters.ndim != 2 or not parameters.shape[0] == outcome.shape[0] == points.shape[0]:
        raise ValueError(
            f"parameters {parameters.shape}, outcome {outcome.shape} and points {points.shape} do not fit: give "
            "(n, d), (n,) and (n,)"
        )
    known = np.isfinite(outcome)
    parameters, outcome, points = parameters[known], outcome[known], points[known]
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
