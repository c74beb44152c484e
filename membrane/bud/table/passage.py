"""Mean and variation of a first passage as one sweep over the points of a landscape, for programs of JAX.

It is the arithmetic of :func:`membrane.bud.landscape.mean_escape_time` and
:func:`membrane.bud.landscape.passage_variation`, ordered so that a single pass over the points is enough and that no
number leaves the range of float32. With s = sqrt(gamma/kT) and F in kT the sweep carries

    w = exp(F) int s exp(-F) dx',             tau = int s w dx,
    z = exp(F)/w int s w^2 exp(-F) dx',       u = (2/tau) int s w z dx,       v^2 = u/tau.

Between two points every integrand is taken as exponential, as there.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

STEEPEST = 60.0
"""The largest rise of F between two points, in kT."""

SLOWEST = 1e30
"""The largest w, sqrt(s)."""

EVEN = 0.03
"""Where an exponential grows by less than this between two points, its mean is that of its ends, to 1e-4."""

ENDLESS = 1e20
"""Times beyond this, in s, are waits before a barrier."""


class Sweep(NamedTuple):
    """What is carried from point to point; see the top of the file."""

    w: jax.Array
    z: jax.Array
    tau: jax.Array
    u: jax.Array


def passage(energy, log_length, width, low, start, stop, *, variation: bool = False, backward: bool = False):
    """(rate, variation) of the passage from point ``start`` to point ``stop``.

    Arguments:
        energy: F/kT, array (points,).
        log_length: ln s, array (points,).
        width: distance from each point to the next, array (points - 1,).
        low: index of a reflecting wall.
        start: index of the point of departure.
        stop: index of the point of arrival.
        variation: whether the variation is asked for; else it is 1.
        backward: whether the passage goes to lower places; then ``low`` is the highest point.

    The rate is inf where ``start`` is ``stop``; there the variation is 1. w is cut at :data:`SLOWEST`, so that
    rates below some 1e-27 /s are only known to be that small. Beyond :data:`ENDLESS` the variation is 1, as before any
    high barrier.
    """
    at, s = jnp.arange(width.size), jnp.exp(log_length)
    rise, longer, before, after = jnp.diff(energy), jnp.diff(log_length), width * s[:-1], width * s[1:]
    beyond_wall, counts = at >= low, (at >= start) & (at < stop)
    if backward:
        rise, longer, before, after = -rise, -longer, after, before
        beyond_wall, counts = at < low, (at >= stop) & (at < start)
    # A steeper rise between two points is beyond what any domain climbs.
    rise = jnp.minimum(rise, STEEPEST)
    grows = jnp.exp(rise)
    gained = _between(before * grows, after, longer - rise)
    given = before, after, longer, rise, grows, gained, beyond_wall, counts
    zero = jnp.zeros((), energy.dtype)
    body = _with_variation if variation else _mean_only
    end, _ = jax.lax.scan(body, Sweep(zero, zero, zero, zero), given, reverse=backward)
    here, told = start == stop, variation & (start != stop) & (end.tau < ENDLESS)
    return jnp.where(here, jnp.inf, 1 / end.tau), jnp.where(told, jnp.sqrt(end.u / end.tau), 1.0)


def _between(first, second, growth):
    """Mean of an exponential between two points with these values; ``growth``: ln(second/first)."""
    even = jnp.abs(growth) < EVEN
    return jnp.where(even, 0.5 * (first + second), (second - first) / jnp.where(even, 1.0, growth))


def _grown(sweep: Sweep, given):
    """(w, ln(w/w before), tau) at the next point."""
    before, after, longer, _, grows, gained, beyond_wall, counts = given
    w = jnp.where(beyond_wall, jnp.minimum(grows * sweep.w + gained, SLOWEST), 0.0)
    moving = sweep.w > 0
    rose = jnp.where(moving, jnp.log(w / jnp.where(moving, sweep.w, 1.0)), 0.0)
    more = jnp.where(counts & moving, _between(before * sweep.w, after * w, rose + longer), 0.0)
    return w, rose, sweep.tau + more


def _mean_only(sweep: Sweep, given):
    w, _, tau = _grown(sweep, given)
    return Sweep(w, sweep.z, tau, sweep.u), None


def _with_variation(sweep: Sweep, given):
    before, after, longer, rise, grows, _, _, counts = given
    w, rose, tau = _grown(sweep, given)
    kept = jnp.where(w > 0, grows * sweep.w / w, 0.0)
    z = kept * sweep.z + _between(before * sweep.w * kept, after * w, longer - rise + 2 * rose)
    known = sweep.z > 0
    turn = jnp.where(known, jnp.log(z / jnp.where(known, sweep.z, 1.0)), 0.0)
    inverse = jnp.where(tau > 0, 1 / tau, 0.0)
    added = _between(before * sweep.w * inverse * sweep.z, after * w * inverse * z, rose + longer + turn)
    u = sweep.u * (sweep.tau * inverse) + jnp.where(counts & known, 2 * added, 0.0)
    return Sweep(w, jnp.where(sweep.w > 0, z, 0.0), tau, u), None
