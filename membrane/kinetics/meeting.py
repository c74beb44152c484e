"""Domains on the way to each other: they are carried by one flow until two of them touch, and merge.

A step lasts as long as the nearest pair allows: it may change the distance of two rims by a given share of what is left
of it. Whether two rims touched in between is drawn from the Brownian bridge: with the gaps g_0 and g_1 before and after
a step of dt it happens with probability exp(-g_0 g_1/(D_ij dt)).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from membrane.kinetics.flow import Flow, angles_between

STEP = 0.15
"""Standard deviation of a gap's change in a step, in units of the gap and a quarter of the distance at contact."""


class Journey(NamedTuple):
    """Where domains have come.

    Attributes:
        place: unit vectors, (domains, 3).
        tick: the time that was reached.
        met: whether two of them touch, which ended the journey.
        pair: the numbers of these two.
    """

    place: Float[Array, "domains 3"]
    tick: Int[Array, ""]
    met: Bool[Array, ""]
    pair: Int[Array, "2"]


def cap_radius(area, sphere_radius):
    """Distance in nm along the sphere from the centre of a cap of this area (nm^2) to its rim: 2 R asin(L/2R)."""
    half = jnp.sqrt(jnp.asarray(area) / jnp.pi) / (2 * sphere_radius)
    return 2 * sphere_radius * jnp.arcsin(jnp.clip(half, 0.0, 1.0))


def travel(
    flow: Flow, key, place, area, tick, end_tick, tick_s: float, step: float = STEP, longest: int = 2**30
) -> Journey:
    """Carry domains along until ``end_tick``, or until two of them touch.

    A domain that is alone stays where it is, since nothing depends on its place.

    Arguments:
        flow: of the membrane.
        key: of the random numbers; those of a step are a function of it and of the tick at which the step begins.
        place: unit vectors, (domains, 3).
        area: in nm^2, (domains,); 0: there is no such domain.
        tick: the present time.
        end_tick: where the journey ends at the latest.
        tick_s: length of a tick, in s.
        step: see STEP.
        longest: ticks of the longest step.
    """
    present = area > 0
    radius = cap_radius(area, flow.radius)
    shares = flow.cap_shares(radius)
    first, second = jnp.triu_indices(len(area), 1)
    contact = (radius[first] + radius[second]) / flow.radius
    both = present[first] & present[second]

    def gaps(place):
        angle = angles_between(place)[first, second]
        return angle, jnp.where(both, flow.radius * (angle - contact), jnp.inf)

    def under_way(journey):
        return (journey.tick < end_tick) & ~journey.met

    def move(journey):
        angle, gap = gaps(journey.place)
        relative = flow.relative_diffusion(shares[first], shares[second], angle)
        room = jnp.minimum(gap + 0.25 * flow.radius * contact, flow.radius)
        wanted = jnp.min(jnp.where(both, (step * room) ** 2 / (2 * relative), jnp.inf)) / tick_s
        most = jnp.minimum(end_tick - journey.tick, longest)
        ticks = jnp.clip(wanted, 1, most).astype(journey.tick.dtype)
        now = jax.random.fold_in(key, journey.tick)
        moving, crossing = jax.random.split(now)
        moved = flow.displacements(moving, journey.place, shares, present, ticks * tick_s)
        after = gaps(moved)[1]
        chance = jnp.exp(-jnp.maximum(after, 0.0) * gap / (relative * ticks * tick_s))
        touched = both & (jax.random.uniform(crossing, gap.shape, gap.dtype) < chance)
        # Of several pairs the one that came closest.
        pair = jnp.argmin(jnp.where(touched, after, jnp.inf))
        return _met(Journey(moved, journey.tick + ticks, touched.any(), journey.pair), pair)

    def _met(journey, pair):
        return journey._replace(pair=jnp.where(journey.met, jnp.stack([first[pair], second[pair]]), journey.pair))

    _, gap = gaps(place)
    start = Journey(place, jnp.asarray(tick), (gap <= 0).any(), jnp.zeros(2, jnp.int32))
    start = _met(start, jnp.argmin(gap))
    alone = present.sum() < 2
    journey = jax.lax.while_loop(lambda j: under_way(j) & ~alone, move, start)
    return journey._replace(tick=jnp.where(journey.met, journey.tick, end_tick))


def merged_place(place, area, pair):
    """Unit vector of the centre of two domains that have become one: their mean, weighted by area."""
    both = (area[pair, None] * place[pair]).sum(0)
    return both / jnp.maximum(jnp.linalg.norm(both), 1e-12)
