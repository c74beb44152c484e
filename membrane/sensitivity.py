"""Which parameter decides: partial rank correlations of what came out with what was put in."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata


@dataclass(frozen=True)
class Sensitivity:
    """Of one parameter: the partial rank correlation, -1 to 1, and its 95 % interval."""

    value: float
    low: float
    high: float


def partial_rank_correlations(
    parameters, outcome, points, *, resamples: int = 1000, seed: int = 0
) -> list[Sensitivity]:
    """How each of d parameters is correlated with the outcome once the linear effect of all others, in ranks, is taken
    from both (Marino et al. 2008, J. Theor. Biol. 254, 178).

    ``parameters`` (n, d), ``outcome`` (n,) and ``points`` (n,), which point of the design a row is a replica of. With
    R the ranks and e_j, f_j the residuals of R(x_j) and R(y) on the ranks of all other parameters, it is the
    correlation of e_j and f_j. It finds monotonic effects only; where a parameter has an optimum inside its range it
    says nothing. Rows whose outcome is NaN are left out. Intervals: percentile bootstrap over points. NaN where there
    are fewer than d + 3 points, or the outcome or a parameter is the same in all.

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
    if len(np.unique(points)) < parameters.shape[1] + 3:
        return [Sensitivity(np.nan, np.nan, np.nan)] * parameters.shape[1]
    found = _partial(parameters, outcome)
    rows = [np.flatnonzero(points == point) for point in np.unique(points)]
    generator, drawn = np.random.default_rng(seed), []
    for _ in range(resamples if len(rows) > 1 else 0):
        chosen = np.concatenate([rows[i] for i in generator.integers(0, len(rows), len(rows))])
        drawn.append(_partial(parameters[chosen], outcome[chosen]))
    columns = np.reshape(drawn, (-1, len(found))).T
    ends = [np.percentile(c[k], [2.5, 97.5]) if (k := np.isfinite(c)).any() else (np.nan, np.nan) for c in columns]
    return [Sensitivity(float(value), *map(float, of)) for value, of in zip(found, ends)]


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
