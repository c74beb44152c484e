"""What :func:`membrane.bud.landscape.answer` reads off one landscape, for programs of JAX.

The cases and their words are those of that file. Here all of them are computed and the one that holds is chosen, so
that many domains can be read at once. Test: both read the same landscapes alike.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from membrane.bud.landscape import RIGHT_ANGLE, Gate
from membrane.bud.table.passage import passage


class Reading(NamedTuple):
    """What is read off a landscape; the names are those of :class:`membrane.bud.landscape.BudAnswer`.

    Attributes:
        falls: F falls from the first state to the gate, without any minimum.
        climb_kBT: the most that F rises above an earlier state on the way to the gate.
    """

    barrier_kBT: jax.Array
    rate_per_s: jax.Array
    passage_variation: jax.Array
    opening_barrier_kBT: jax.Array
    opening_rate_per_s: jax.Array
    scission_barrier_kBT: jax.Array
    scission_rate_per_s: jax.Array
    aided_rate_per_s: jax.Array
    bud_energy_kBT: jax.Array
    neck_radius_nm: jax.Array
    contact_angle_rad: jax.Array
    neck_closed: jax.Array
    falls: jax.Array
    climb_kBT: jax.Array


def no_bud(dtype) -> Reading:
    """The reading of a domain that never buds."""
    number = lambda value: jnp.asarray(value, dtype)
    inf, nan, no = number(jnp.inf), number(jnp.nan), jnp.asarray(False)
    return Reading(inf, number(0.0), number(1.0), nan, inf, inf, number(0.0), number(0.0), nan, nan, nan, no, no, inf)


def read(x, energy, neck, angle, drag, gate: Gate) -> Reading:
    """Dimple, bud, barriers and rates of one domain.

    Arguments:
        x: coordinate, ascending, array (points,).
        energy: F/kT, array (points,).
        neck: neck radius, nm, array (points,).
        angle: contact angle, rad, array (points,).
        drag: gamma/kT, s over the square of the unit of x, array (points,).
        gate: when a neck breaks.
    """
    at, kT = jnp.arange(x.size), gate.thermal_energy
    # A minimum over places is several times as fast as an argmax.
    first = lambda holds: jnp.min(jnp.where(holds, at, x.size))
    last = jnp.clip(first(neck <= gate.neck_radius), 1, x.size - 1)
    above, below = neck[last - 1], neck[last]
    between = (below < gate.neck_radius) & (gate.neck_radius < above)
    share = jnp.where(between, jnp.log(gate.neck_radius / above) / jnp.log(below / above), 1.0)
    cut = lambda v: jnp.where(at == last, v[last - 1] + share * (v[last] - v[last - 1]), v)
    x, energy, drag, angle = map(cut, (x, energy, drag, angle))
    neck = jnp.where(at == last, jnp.where(between, gate.neck_radius, neck), neck)
    length, width = 0.5 * jnp.log(drag), jnp.diff(x)

    rises = jnp.append(jnp.diff(energy) > 0, False) & (at < last)
    dimple = first(rises)
    falls = dimple == x.size
    from_start = ~falls & (angle[dimple] > RIGHT_ANGLE)
    after = jnp.roll(rises, 1)
    minima = (at >= dimple + 2) & (at <= last - 1) & ~after & rises
    states = minima | ((at == last) & ~rises[last - 1])
    lowest = jnp.min(jnp.where(states, energy, jnp.inf))
    bud = first(states & (energy == lowest))
    has_bud = (bud < x.size) | falls
    bud = jnp.where(from_start, dimple, jnp.where(falls | ~has_bud, last, bud))
    dimple = jnp.where(falls | from_start, 0, dimple)
    way = (at >= dimple) & (at <= bud)
    top = jnp.where(from_start, 0, first(way & (energy == jnp.max(jnp.where(way, energy, -jnp.inf)))))
    closed = falls | (has_bud & ~from_start & (bud == last))
    open_bud = from_start | (has_bud & ~closed)

    rate, variation = passage(energy, length, width, 0, dimple, bud, variation=True)
    waiting = partial(passage, log_length=length, width=width, low=top, start=bud, stop=last)
    scission, _ = waiting(energy)
    aided = scission
    if gate.constriction_force:
        aided, _ = waiting(energy + gate.constriction_force * neck / kT)
    opening, _ = passage(energy, length, width, last, bud, dimple, backward=True)

    nan, inf = jnp.asarray(jnp.nan, x.dtype), jnp.asarray(jnp.inf, x.dtype)
    climbs = ~falls & ~from_start
    ahead = jnp.max(jnp.where((at >= bud) & (at <= last), energy, -jnp.inf)) - energy[bud]
    goes_back = open_bud & ~from_start
    return Reading(
        barrier_kBT=jnp.where(climbs, energy[top] - energy[dimple], 0.0),
        rate_per_s=rate,
        passage_variation=variation,
        opening_barrier_kBT=jnp.where(goes_back, energy[top] - energy[bud], jnp.where(from_start, inf, nan)),
        opening_rate_per_s=jnp.where(goes_back, opening, jnp.where(from_start, 0.0, inf)),
        scission_barrier_kBT=jnp.where(open_bud, ahead, 0.0),
        scission_rate_per_s=jnp.where(open_bud, scission, inf),
        aided_rate_per_s=jnp.where(open_bud, aided, inf),
        bud_energy_kBT=jnp.where(from_start, 0.0, energy[bud] - energy[dimple]),
        neck_radius_nm=jnp.where(has_bud | from_start, neck[bud], nan),
        contact_angle_rad=jnp.where(climbs, angle[dimple], nan),
        neck_closed=closed,
        falls=falls,
        climb_kBT=_climb(energy, at <= last),
    )


def _climb(energy, counts):
    """The most that ``energy`` rises above an earlier point, over the points that count."""

    def on(carry, point):
        lowest, climb = carry
        here, count = point
        return (jnp.minimum(lowest, here), jnp.where(count, jnp.maximum(climb, here - lowest), climb)), None

    (_, climb), _ = jax.lax.scan(on, (energy[0], jnp.zeros_like(energy[0])), (energy, counts))
    return climb
