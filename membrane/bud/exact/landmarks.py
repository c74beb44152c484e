"""Where on a traced path the equilibria and the thresholds lie, read off its energies and slopes.

**Where a domain rests.** Line tension has no force on a flat domain (x = 0), because its rim is at its widest there.
The sign of G'(0) alone tells to which side the domain bends, at any line tension: to x > 0 where G'(0) < 0. On that
side l*(x) rises from x = 0 to its first maximum, the *instability*, and the rest state lies before that maximum. A
domain with G'(0) = 0 rests flat; its instability is l*(0).

Between two points of the path dG/dx is the cubic that has the given G' and G'' at both.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from membrane.bud.exact.curve import Resolution
from membrane.bud.exact.path import Path

FINE = 8
"""Number of points for each step of the path at which dG/dx is interpolated; even, so that x = 0 is one of them."""

EVEN = 1e-8
"""Where |G'(0)| is below this, the domain knows no side."""

FLAT_END = 0.01
"""The x that stands for the flat state in a threshold. l* changes by 1e-4 of itself from x = 0 to here."""

JUMP = 0.05
"""Where G changes by so much more over a step than its slopes say, in kappa_in, the path jumps to another branch."""


class Landmarks(NamedTuple):
    """Places on a path, to be refined; nan: there is no such place.

    Attributes:
        states: x of dimple, barrier and bud, array (3,).
        extrema: x of the instability, of the opening, and of the narrowest traced neck, array (3,).
        curvatures: second derivative of l* at the extrema, inf where x is to stay, array (3,).
        falls: F falls from the flat state on: there is no dimple and no barrier.
        rises: F rises from the dimple to the narrowest traced neck.
    """

    states: jax.Array
    extrema: jax.Array
    curvatures: jax.Array
    falls: jax.Array
    rises: jax.Array


def rim_pull(x):
    """-2 pi dalpha/dx = 2 pi tanh(x)/cosh(x): what a line tension of 1 takes off dF/dx."""
    return 2 * jnp.pi * jnp.tanh(x) / jnp.cosh(x)


def rim_pull_slope(x):
    """Derivative of :func:`rim_pull`, 2 pi alpha (2 alpha^2 - 1)."""
    alpha = 1 / jnp.cosh(x)
    return 2 * jnp.pi * alpha * (2 * alpha**2 - 1)


def find_landmarks(path: Path, line_tension, resolution: Resolution) -> Landmarks:
    """The landmarks of a path at one line tension l.

    Arguments:
        path: as traced at ``resolution``.
        line_tension: l = lambda L/kappa_in.
        resolution: how finely the path was computed.
    """
    x, slope = _interpolated(path, resolution)
    index, zero, spacing = np.arange(x.size), resolution.backward * FINE - FINE // 2, resolution.step / FINE
    both_sides, tilt = _tilt(path, slope, zero, resolution)
    away = both_sides & (tilt > EVEN)
    known = jnp.isfinite(slope)
    positive = _first(known & (x > 0))
    start = jnp.where(both_sides, zero, positive)

    # A flat domain that knows no side leaves x = 0 to the side of the next point.
    force = slope - line_tension * rim_pull(x)
    force = jnp.where((index == zero) & both_sides & ~away & ~(force < 0), -1e-30, force)
    # Near x = 0 a domain that bends to the other side is pushed back, found or not.
    force = jnp.where(away & ~known & (index > zero - FINE // 2) & (index < positive), 1e-30, force)
    held = slope / jnp.where(x == 0, jnp.nan, rim_pull(x))
    settles, leaves = (force[:-1] < 0) & (force[1:] >= 0), (force[:-1] > 0) & (force[1:] <= 0)

    top, at_flat = _first_maximum(x, held, away, tilt)
    has_top = top >= 0

    before = ~both_sides & (force[start] > 0)
    resting = _first(settles & (index[:-1] >= start) & (~has_top | (index[:-1] <= top)))
    resting = jnp.where(away, _last(settles & (index[:-1] < zero) & (index[:-1] >= top)), resting)
    resting = jnp.where(before, start, resting)
    has_dimple = resting >= 0
    gap = _first(~jnp.isfinite(force) & (index > jnp.where(has_dimple, resting, start)))
    whole = gap < 0
    barrier = _first(leaves & (index[:-1] >= resting) & has_dimple & (whole | (index[1:] < gap)))
    falling = ~has_dimple & ~away & (force[start] < 0) & (whole | (has_top & (gap > top)))
    past = jnp.where(barrier >= 0, barrier, jnp.where(falling & has_top, top, x.size))
    bud = _first(settles & (index[:-1] > past))
    valley = _first((held[1:] > held[:-1]) & (index[:-1] > jnp.where(away, zero, top)) & (away | has_top))

    crossing = lambda j: jnp.where(j >= 0, x[j] + spacing * force[j] / (force[j] - force[j + 1]), jnp.nan)
    dimple = jnp.where(before, x[start], crossing(resting))
    top_x, top_bend = _extremum(x, held, top, spacing)
    valley_x, valley_bend = _extremum(x, held, valley, spacing)
    end = jnp.where(jnp.isfinite(force[-1]), x[-1], jnp.nan)
    return Landmarks(
        states=jnp.stack([dimple, crossing(barrier), crossing(bud)]),
        extrema=jnp.stack([jnp.where(at_flat & has_top, FLAT_END, top_x), valley_x, end]),
        curvatures=jnp.stack([jnp.where(at_flat, -jnp.inf, top_bend), valley_bend, jnp.inf]),
        falls=falling,
        rises=has_dimple & (barrier < 0) & whole,
    )


def _first_maximum(x, held, away, tilt):
    """(point of the first maximum of l* on the side of the rest state, -1: none; whether that is the flat state).

    It is the flat state where l* only falls from there.
    """
    forward = _first((held[1:] < held[:-1]) & (x[:-1] > 0))
    backward = _last(jnp.append(False, held[1:] > held[:-1]) & (x < 0))
    top = jnp.where(away, backward, forward)
    return top, ~away & ((jnp.abs(tilt) < EVEN) | (top == _first(jnp.isfinite(held) & (x > 0))))


def _tilt(path, slope, zero, resolution):
    """(whether states at x < 0 are known, dG/dx at x = 0: between the states beside it, or from the one at x < 0)."""
    if not resolution.backward:
        return jnp.asarray(False), jnp.asarray(jnp.nan)
    last = resolution.backward - 1
    ahead = path.slope[last] - path.x[last] * path.bend[last]
    tilt = jnp.where(jnp.isfinite(slope[zero]), slope[zero], ahead)
    return jnp.isfinite(tilt), tilt


def _interpolated(path: Path, resolution: Resolution):
    """(x, dG/dx) at FINE points for each step of the path; nan across a jump."""
    h, t = resolution.step, jnp.arange(FINE)[:, None] / FINE
    slope, bend, rise = path.slope, path.bend, jnp.diff(path.energy)
    # The trapezoid with its correction is exact for a cubic dG/dx.
    expected = h / 2 * (slope[1:] + slope[:-1]) - h**2 / 12 * (bend[1:] - bend[:-1])
    low = (1 + 2 * t) * (1 - t) ** 2 * slope[:-1] + h * t * (1 - t) ** 2 * bend[:-1]
    high = t**2 * (3 - 2 * t) * slope[1:] - h * t**2 * (1 - t) * bend[1:]
    between = jnp.where(jnp.abs(rise - expected) > JUMP, jnp.nan, low + high)
    inner = jnp.where(t == 0, slope[:-1], between)
    x = (path.x[:-1] + t * h).T.ravel()
    return jnp.append(jnp.where(jnp.abs(x) < 1e-9, 0.0, x), path.x[-1]), jnp.append(inner.T.ravel(), slope[-1])


def _first(holds):
    """First index at which a condition holds; -1: nowhere."""
    return jnp.where(holds.any(), jnp.argmax(holds), -1)


def _last(holds):
    """Last index at which a condition holds; -1: nowhere."""
    return jnp.where(holds.any(), holds.size - 1 - jnp.argmax(holds[::-1]), -1)


def _extremum(x, values, j, spacing):
    """(x, second derivative) of the parabola through point ``j`` and its neighbours; nan where j < 0."""
    i = jnp.clip(j, 1, x.size - 2)
    low, middle, high = values[i - 1], values[i], values[i + 1]
    bend = low - 2 * middle + high
    offset = jnp.clip(0.5 * (low - high) / bend, -1, 1)
    exists = (j >= 0) & jnp.isfinite(offset)
    return jnp.where(exists, x[i] + spacing * offset, jnp.nan), jnp.where(exists, bend / spacing**2, jnp.inf)
