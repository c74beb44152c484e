"""The path of one problem at fixed places, so that paths of neighbouring problems can be interpolated.

A path is given without the rim, whose energy 2 pi l alpha is added when it is read: one path serves every line tension.
"""

from typing import NamedTuple

import numpy as np

from membrane.bud import exact as bud
from membrane.bud.exact_law import FLAT
from membrane.bud.route import (
    BEND,
    DRAG,
    ENERGY,
    POINTS_A_STEP,
    RESOLUTION,
    SLOPE,
    X,
    continued,
    flat_state,
    refined,
    solve_path,
)

GRID = bud.coordinate(RESOLUTION)[RESOLUTION.backward :]
"""x of the states of a path that lie at x > 0."""

PLACES = np.append(0.0, GRID)
PLACES = np.append(
    (PLACES[:-1, None] + np.arange(POINTS_A_STEP) / POINTS_A_STEP * np.diff(PLACES)[:, None]).ravel(), PLACES[-1]
)
"""x of the points of a path in the table, array (points,)."""

LEAST_TORQUE = 0.5
"""Paths with less :func:`membrane.bud.exact.curve.spontaneous_torque` than this plus h^2 are not in the table: there
the side on which the domain rests has to be asked as well."""


JUMP = 0.08
"""Where G between two states changes by so many kappa_in more or less than its slopes there say, the states lie on
different branches. Along one branch nine of ten differences are below half of this (measured)."""


class NodePath(NamedTuple):
    """A path at :data:`PLACES`.

    Attributes:
        rows: G over that of the undisturbed host without its rim, in kappa_in; ln(neck radius/L); contact angle in rad;
            ln(drag over eta_m L^2). Array (4, points); nan: there is no path.
        whole: whether it is one branch of states, without a snap, that reaches the narrowest neck.
    """

    rows: np.ndarray
    whole: bool


NOTHING = NodePath(np.full((4, PLACES.size), np.nan), False)


def node_path(problem: bud.Problem) -> NodePath:
    """The path of one problem, whose attributes are floats.

    Where the bud snaps from one branch of states to another, the path goes along the first to its end, and from the
    next place on along the second. Where there is no second branch, it goes on as :mod:`membrane.bud.route` continues
    it.
    """
    h = problem.host_curvature
    torque = problem.spontaneous_curvature + problem.rigidity_ratio * (2 * h - problem.host_spontaneous_curvature)
    if torque < LEAST_TORQUE + h**2 or abs(h) < FLAT:
        return NOTHING
    states = solve_path.__wrapped__(problem)
    below, above = states.below[:, states.below[X] > 0], states.above
    if below.shape[1] < 2 or below[X, 0] != GRID[0]:
        return NOTHING
    below = np.hstack([flat_state(below[:, :1]), below])
    reaches = below[X, -1] == GRID[-1]
    whole = reaches and not _jumps(below)
    if not reaches and not above.size:
        below[DRAG, -1] = below[DRAG, -2]
        below = np.hstack([below, continued(below, GRID[GRID > below[X, -1]])])
    fine = refined(below, 0.0)
    after = above[:, above[X] > below[X, -1]]
    if below[X, -1] < GRID[-1]:
        if not after.size or after[X, -1] != GRID[-1]:
            return NOTHING
        first = above.shape[1] - after.shape[1]
        across = max(after[X, 0] - below[X, -1], GRID[1] - GRID[0])
        fine[-1, -1] = np.log(states.snap[first] / across**2)
        fine = np.hstack([fine, refined(after, 0.0)])
    # Rows of a route: x, alpha, energy, neck, angle, drag.
    x, _, *rows = fine
    rows = np.stack([np.interp(PLACES, x, row) for row in rows])
    return NodePath(rows, bool(whole)) if np.isfinite(rows).all() else NOTHING


def _jumps(states) -> bool:
    """Whether the states of a path lie on more than one branch, judged by dG/dx and d2G/dx2 at their ends."""
    x, energy, slope, bend = states[[X, ENERGY, SLOPE, BEND]]
    step = np.diff(x)
    expected = step * (slope[1:] + slope[:-1]) / 2 - step**2 / 12 * np.diff(bend)
    return bool(np.max(np.abs(np.diff(energy) - expected)) > JUMP)
