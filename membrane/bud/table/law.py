"""The bud law read from a table of paths, inside of programs of JAX."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from membrane.bud.exact_law import CLIMBED, height_of_gate
from membrane.bud.table.certificate import Certificate
from membrane.bud.table.node import PLACES
from membrane.bud.table.paths import PathTable
from membrane.bud.table.reading import no_bud, read
from membrane.bud.table.situation import Constants, scaled_problem


class TableAnswer(NamedTuple):
    """What the table answers. All attributes but ``outside`` are those of :class:`membrane.bud.landscape.BudAnswer`.

    ``outside``: the table cannot tell, and the exact law has to be asked. The other attributes then mean nothing.
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
    diameter_nm: jax.Array
    neck_radius_nm: jax.Array
    contact_angle_rad: jax.Array
    neck_closed: jax.Array
    direction: jax.Array
    outside: jax.Array


class TableLaw(eqx.Module):
    """The exact law (:class:`membrane.bud.exact_law.ExactLaw`) of one configuration, interpolated between paths.

    It answers as the exact law does:

    - A domain whose gate lies above the search limit on both sides never buds. This needs no table.
    - Otherwise the path into the lumen is interpolated, the rim is added, and it is read as a landscape.

    Where the bud snaps from one branch of states to another, interpolated paths are right only on the way down: there
    the table answers for domains that fall to the gate without a barrier, and for no others.

    It is ``outside`` also where a domain would bud away from the lumen, or where that side may be the easier one.

    Attributes:
        paths: the table.
        constants: of the configuration.
        certificate: how well it agrees with the exact law; None while that is not measured.
    """

    paths: PathTable
    constants: Constants = eqx.field(static=True)
    certificate: Certificate | None = eqx.field(static=True)

    def __repr__(self) -> str:
        return f"TableLaw of {self.paths.whole.size} nodes: {self.certificate}"

    def astype(self, dtype) -> "TableLaw":
        """The same law in numbers of this type; answers have the type of the table."""
        return jax.tree.map(lambda v: v.astype(dtype), self)

    def __call__(self, size, curvature_inside, curvature_outside, tension, host_radius, open_bud=False) -> TableAnswer:
        """The answers for domains; arguments are numbers or arrays that broadcast.

        Arguments:
            size: L of the domain, nm.
            curvature_inside: spontaneous curvature of the domain, 1/nm.
            curvature_outside: spontaneous curvature of the host, 1/nm.
            tension: of the host, pN/nm.
            host_radius: nm.
            open_bud: whether the domain is an open bud already.
        """
        dtype = self.paths.shares.dtype
        given = (size, curvature_inside, curvature_outside, tension, host_radius)
        *given, open_bud = jnp.broadcast_arrays(*(jnp.asarray(v, dtype) for v in given), jnp.asarray(open_bud, bool))
        flat = [v.ravel() for v in (*given, open_bud)]
        length, inside, outside, tension, radius, _ = flat
        over_decay = radius * jnp.sqrt(tension / self.constants.bending_rigidity)
        places = jnp.stack([length / radius, inside * radius, outside * radius, over_decay], -1)
        rows, whole = self.paths(places)
        one = jax.vmap(self._one, in_axes=(0, 0, -1, 0, 0, 0, 0, 0))
        found = one(places, self.paths.inside(places), rows, whole, *(flat[i] for i in (0, 1, 4, 5)))
        return jax.tree.map(lambda v: v.reshape(open_bud.shape), found)

    def _one(self, place, in_range, rows, whole, size, inside, radius, open_bud) -> TableAnswer:
        """The answer for one domain, from its path."""
        known = self.constants
        kappa, kT = known.bending_rigidity, known.gate.thermal_energy
        line_tension, gate = known.line_tension * size / kappa, known.gate.neck_radius / size
        height = lambda side: height_of_gate(scaled_problem(place, known, side), line_tension, gate, True) * kappa / kT
        into, away = height(1), height(-1)
        torque = inside * radius - known.host_bending_rigidity / kappa * (place[2] + 2)
        limit = jnp.where(open_bud, jnp.inf, known.search_limit_kT)
        never = (gate >= 0.5) | ((into >= limit) & (away >= limit))

        energy, neck, angle, drag = rows
        x = jnp.asarray(PLACES, energy.dtype)
        alpha = 1 / jnp.cosh(x)
        friction = known.membrane_viscosity * size**2 * jnp.exp(drag) + 2 * known.solvent_viscosity * size**3 * alpha**4
        found = read(
            x,
            kappa / kT * (energy + 2 * jnp.pi * line_tension * alpha),
            size * jnp.exp(neck),
            angle,
            friction / kT,
            known.gate,
        )
        # The exact law looks to the other side where the gate there may be the lower one.
        one_way = (away >= limit) | (CLIMBED * away >= found.climb_kBT)
        told = in_range & jnp.isfinite(energy[0]) & (torque >= 0) & (into < limit) & one_way & (whole | found.falls)
        chosen = jax.tree.map(lambda no, yes: jnp.where(never, no, yes), no_bud(energy.dtype), found)
        values = chosen._asdict()
        return TableAnswer(
            **{name: values[name] for name in TableAnswer._fields if name in values},
            diameter_nm=size,
            direction=jnp.where(torque >= 0, 1, -1),
            outside=~(never | told),
        )
