"""A bud law in one line, so that a test needs no table."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from membrane.bud.table import TableAnswer


class SharpLaw(eqx.Module):
    """A domain larger than a size buds at once; a smaller one never does.

    Attributes:
        size: in nm.
        scission: rate at which an open bud leaves, in 1/s; inf: its neck closes by itself.
    """

    size: Array
    scission: Array

    def __call__(self, size, curvature, outside, tension, radius, open_bud=False) -> TableAnswer:
        """The answers, arrays of the shape of the arguments together."""
        size, *_ = jnp.broadcast_arrays(size, curvature, outside, tension, radius)
        one, buds = jnp.ones_like(size), size > self.size
        return TableAnswer(
            barrier_kBT=jnp.where(buds, 0.0, jnp.inf),
            rate_per_s=jnp.where(buds, 1e6, 0.0),
            passage_variation=one,
            opening_barrier_kBT=one,
            opening_rate_per_s=0 * one,
            scission_barrier_kBT=0 * one,
            scission_rate_per_s=jnp.where(buds, self.scission, 0.0),
            aided_rate_per_s=jnp.where(buds, self.scission, 0.0),
            bud_energy_kBT=-one,
            diameter_nm=size,
            neck_radius_nm=jnp.where(buds, 5.0, jnp.nan),
            contact_angle_rad=one,
            neck_closed=buds & jnp.isinf(self.scission),
            direction=one.astype(int),
            outside=~jnp.isfinite(size),
        )
