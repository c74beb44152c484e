"""The route of a domain from flat to the gate, from the states of the exact solver.

The states of one problem serve all line tensions (:mod:`membrane.bud.exact.path`). They form one or two branches. The
route goes up the branch that begins flat. Where that branch ends before the narrowest neck, the bud *snaps* to the
other branch and goes on there. Between two states the energy is interpolated.
"""

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from membrane.bud import exact as bud
from membrane.bud.exact.compiled import compiled

RESOLUTION = bud.Resolution(inner=12, outer=20, step=0.3, least_rim=0.045, backward=2)
"""The resolution of a run, coarser than the solver's own. Barriers below 60 kT agree within 0.3 kT (docs/bud.md)."""

FINER = (24, 40), (40, 66)
"""Numbers of polynomials on domain and host with which a path is solved that fewer do not resolve."""

POINTS_A_STEP = 8
"""Number of points of a landscape for each step between two states."""

ABRUPT = 1e-6
"""This share of a snap at each of its ends already has the drag of the snap."""

X, ENERGY, SLOPE, BEND, NECK, ANGLE, DRAG, TAIL = range(8)
"""Rows of the arrays of states; the tail only while a path is solved."""


class PathStates(NamedTuple):
    """The states of one problem that exist, in ascending x.

    The rows of an array of states are: x; energy over that of the undisturbed host without its rim, in kappa_in; dG/dx;
    d2G/dx2; ln(neck radius/L); contact angle in rad; ln(drag over eta_m L^2 on the way to the next state).

    Attributes:
        below: the branch that begins flat, array (7, states).
        above: the branch from the narrowest neck, array (7, states).
        snap: drag of the way from the end of ``below`` to each state of ``above``, as in
            :class:`membrane.bud.exact.Branches`.
        grid: x of all steps.
    """

    below: np.ndarray
    above: np.ndarray
    snap: np.ndarray
    grid: np.ndarray


@lru_cache(maxsize=4096)
def solve_path(problem: bud.Problem, resolution: bud.Resolution = RESOLUTION, least_neck: float = 0.0) -> PathStates:
    """All states of one problem, whose attributes are floats. What was solved is remembered.

    A Gaussian contrast moves the neck off the rim, where the polynomials are coarse. Then the path is solved anew with
    more of them (:data:`FINER`) until its states are resolved (:data:`membrane.bud.exact.path.RESOLVED`). States that
    the last of these do not resolve are left out: there the path ends.

    Arguments:
        problem: domain and host.
        resolution: how finely the path is computed at first.
        least_neck: neck radius over L. States of narrower necks may stay unresolved, but for the first of them.
    """
    off_rim = bool(problem.gaussian_contrast)
    finer = [resolution._replace(inner=i, outer=o) for i, o in FINER if off_rim and i > resolution.inner]
    for here in (resolution, *finer):
        below, above, snap = _solved(problem, here)
        resolved = [_resolved(branch, least_neck) | (not off_rim) for branch in (below, above)]
        if all(held.all() for held in resolved):
            break
    exist = [np.isfinite(b[ENERGY]) & held for b, held in zip((below, above), resolved, strict=True)]
    return PathStates(below[:TAIL, exist[0]], above[:TAIL, exist[1]], snap[exist[1]], bud.coordinate(resolution))


def _solved(problem, resolution):
    """(states below and above with their tails as last row, drags of the snap), as they are found; nan: no state."""
    with jax.enable_x64(True), jax.default_device("cpu"):
        given = np.array(problem.values(), float)
        found = _branches(given, closed=bool(problem.host_curvature), resolution=resolution)
    below, above, snap = (np.array(f) for f in found)
    with np.errstate(invalid="ignore", divide="ignore"):
        for branch in (below, above):
            branch[[NECK, DRAG]] = np.log(branch[[NECK, DRAG]])
    return below, above, snap


def _resolved(branch, least_neck):
    """Which states of a branch are resolved or need not be: from the first of them to the next that is neither."""
    needed = np.exp(branch[NECK]) > least_neck
    needed |= np.append(True, needed[:-1])
    held = ~(branch[TAIL] >= bud.RESOLVED) | ~needed
    return np.logical_and.accumulate(held | (np.arange(held.size) < np.argmax(held))) & held


@compiled("closed", "resolution")
def _branches(values, *, closed, resolution):
    problem = bud.Problem.of(values)
    *both, snap = bud.branches(problem, closed=closed, resolution=resolution)
    undisturbed = bud.reference_energy(problem, 0.0, closed)
    rows = lambda b: jnp.stack(
        [b.x, b.energy - undisturbed, b.slope, b.bend, b.neck_radius, b.contact_angle, b.drag, b.tail]
    )
    return *map(rows, both), snap


def _rests_here(states: PathStates) -> bool:
    """Whether the domain rests at x > 0, on the side to which it is asked to bud.

    Line tension has no force on a flat domain: the sign of G'(0) tells the side at any line tension. dG/dx at x = 0 is
    taken from the last state at x < 0, where there is one. Where there is none, spontaneous curvature bends the domain
    far to x > 0.
    """
    before = states.below[:, states.below[X] < 0]
    return not before.size or bool(before[SLOPE, -1] - before[X, -1] * before[BEND, -1] <= bud.EVEN)


def route(states: PathStates, line_tension: float) -> np.ndarray:
    """What a domain goes through from its rest to the narrowest neck, array (6, points); nan: there is no way.

    It begins at x = 0 where the domain rests at x > 0. Where it rests at x < 0 (:func:`_rests_here`), it begins beyond
    the minimum of F there; without such a minimum the domain leaves to the other side, and there is no way to this one.

    The rows are: a coordinate; the rim radius alpha; F over that of the undisturbed host without its rim; ln(neck
    radius/L); contact angle; ln(drag). The coordinate is x, shifted after a snap.

    After a snap the bud slides down to the nearest minimum of F. Where the first branch ends and there is no second
    one, l* goes on falling linearly, and the neck shrinks as the rim does. Where the first state lies at x > 0, dG/dx
    is continued to x = 0 as a straight line.

    Arguments:
        states: the states of the problem.
        line_tension: l = lambda L/kappa_in.
    """
    whole = _whole_route(states, line_tension)
    first = int(np.argmax(whole[0] >= 0))
    if not _rests_here(states):
        first = _beyond_the_minimum(whole[2, : first + 1])
    return NO_WAY if first is None else whole[:, first:]


NO_WAY = np.full((6, 1), np.nan)
"""The route where there is none."""


def _beyond_the_minimum(energy) -> int | None:
    """Where the well that is nearest to the last point begins: its left edge; None: F only falls to the first point."""
    falls = np.diff(energy) < 0
    if not falls.any():
        return None
    bottom = len(falls) - int(np.argmax(falls[::-1]))
    rest = falls[:bottom][::-1]
    return bottom - (len(rest) if rest.all() else int(np.argmin(rest)))


def _whole_route(states: PathStates, line_tension: float) -> np.ndarray:
    """The route with all states at x < 0."""
    below, above, grid = states.below.copy(), states.above, states.grid
    if (below[X] > 0).sum() < 2:
        return NO_WAY
    if below[X, 0] > 0:
        below = np.hstack([flat_state(below[:, :1]), below])
    if below[X, -1] < grid[-1] and not above.size:
        below[DRAG, -1] = below[DRAG, -2]
        below = np.hstack([below, continued(below, grid[grid > below[X, -1]])])
    if below[X, -1] == grid[-1]:
        return refined(below, line_tension)
    return _with_snap(below, above, states.snap, line_tension, grid[1] - grid[0])


def _with_snap(below, above, snap, line_tension, step) -> np.ndarray:
    """The route along ``below``, across, and along ``above``."""
    first = _landing(below[:, -1], above, line_tension, step)
    across = max(above[X, first] - below[X, -1], step)
    start, end = refined(below, line_tension), refined(above[:, first:], line_tension)
    end[0] += start[0, -1] + across - end[0, 0]
    between = (1 - np.array([ABRUPT, 1 - ABRUPT])) * start[:, -1:] + np.array([ABRUPT, 1 - ABRUPT]) * end[:, :1]
    between[-1] = np.log(snap[first] / across**2)
    whole = np.hstack([start, between, end])
    whole[-1, -1] = whole[-1, -2]
    return whole


def _landing(end, above, line_tension, step) -> int:
    """Index of the state of ``above`` in which a bud comes to rest that snaps at the state ``end``.

    It is the next state on; or within a step one that lies lower than ``end``, if there is one. From there the bud
    slides down.
    """
    energy, left = (b[ENERGY] + 2 * np.pi * line_tension / np.cosh(b[X]) for b in (above, end))
    at, last = int(np.searchsorted(above[X], end[X], side="right")), above.shape[1] - 1
    while at < last and energy[at] > left and above[X, at] < end[X] + 0.99 * step:
        at += 1
    at = min(at, last)
    while at > 0 and energy[at - 1] < energy[at]:
        at -= 1
    return at


def _rim_force(x):
    """-2 pi dalpha/dx: what a line tension of 1 adds to -dF/dx."""
    return 2 * np.pi * np.tanh(x) / np.cosh(x)


def flat_state(first) -> np.ndarray:
    """The state at x = 0 before the state ``first``, array (7, 1): dG/dx is continued as a straight line."""
    x, energy, slope, bend, _, _, drag = first
    flat = np.zeros_like(x)
    return np.stack([flat, energy - slope * x + 0.5 * bend * x**2, slope - bend * x, bend, flat, flat, drag])


def continued(states, x) -> np.ndarray:
    """States at the places ``x`` beyond the last of ``states``.

    There l* = l0 + b (x - x_last) and G = G_last + 2 pi int l* alpha tanh(x) dx. b is the slope of l* at the last
    state, if that falls, else 0.
    """
    path, x0 = states[:, -1], states[X, -1]
    alpha, force, alpha0 = 1 / np.cosh(x), _rim_force(x), 1 / np.cosh(x0)
    turn = lambda a: 2 * np.pi * a * (2 * a**2 - 1)
    held = path[SLOPE] / _rim_force(x0)
    b = min((path[BEND] - held * turn(alpha0)) / _rim_force(x0), 0.0)
    dx, angle = x - x0, np.arcsin(np.tanh(x)) - np.arcsin(np.tanh(x0))
    gained = held * (alpha0 - alpha) + b * (angle - dx * alpha)
    shrunk = np.log(alpha / alpha0)
    return np.stack(
        [
            x,
            path[ENERGY] + 2 * np.pi * gained,
            force * (held + b * dx),
            turn(alpha) * (held + b * dx) + force * b,
            path[NECK] + shrunk,
            np.full_like(x, path[ANGLE]),
            states[DRAG, -2] + 2 * shrunk,
        ]
    )


def refined(states, line_tension) -> np.ndarray:
    """The rows of :func:`route` at POINTS_A_STEP points for each step between states.

    The energy is the polynomial of fifth degree that has the given G, G' and G'' at both ends of the step. Neck and
    angle are interpolated linearly. The drag is that of the way to the next state.
    """
    x = states[X]
    if len(x) == 1:
        return np.stack([x, 1 / np.cosh(x), states[ENERGY] + 2 * np.pi * line_tension / np.cosh(x), *states[NECK:]])
    t, h = np.arange(POINTS_A_STEP)[:, None] / POINTS_A_STEP, np.diff(x)
    fine = np.append((x[:-1] + t * h).T.ravel(), x[-1])
    alpha = 1 / np.cosh(fine)
    energy, slope, bend = states[ENERGY], h * _ends(states[SLOPE]), h**2 / 2 * _ends(states[BEND])
    rise = t**3 * (10 - 15 * t + 6 * t**2)
    first = t * (1 - t) ** 3 * (1 + 3 * t) * slope[0] + t**2 * (1 - t) ** 3 * bend[0]
    second = t**3 * (1 - t) * (3 * t - 4) * slope[1] + t**3 * (1 - t) ** 2 * bend[1]
    joined = energy[:-1] + rise * np.diff(energy) + first + second
    energy = np.append(joined.T.ravel(), energy[-1]) + 2 * np.pi * line_tension * alpha
    drag = np.append(np.repeat(states[DRAG, :-1], POINTS_A_STEP), states[DRAG, -2])
    return np.stack([fine, alpha, energy, *(np.interp(fine, x, states[row]) for row in (NECK, ANGLE)), drag])


def _ends(values):
    """Values at the left and the right ends of the intervals between them, array (2, intervals)."""
    return np.stack([values[:-1], values[1:]])
