"""What each closed membrane keeps: its relaxed area and its contents, strained or with area from a reservoir.

A membrane i of relaxed area A0_i holds Q_i of a species. A strain is the same in all phases, so that at the area A_i it
has Q_i A_i/A0_i. The largest limiting membrane, 0, may have a reservoir instead: it then has Q_0 + X_r (A_0 - A0_0).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class Reservoir(eqx.Module):
    """A reserve of host membrane that gives area to the largest limiting membrane, and takes it back.

    Arguments:
        tension: sigma, pN/nm: the energy of an area of the membrane beside (kappa/2)(2H - c0)^2. An area of flat host
            therefore costs sigma + kappa c0^2/2 in all.
        fields: what the membrane that it gives has of every species, phi first: X_r.
    """

    tension: float
    fields: tuple[float, ...]


class Conserved(eqx.Module):
    """What each closed membrane keeps, and the regions of the box that belong to them.

    Arguments:
        area: relaxed area A0 of each membrane, nm^2, (membranes,).
        content: Q, int W X of each species on each membrane at its relaxed area, nm^2, (species, membranes). Transport
            conserves it; reactions change it.
        labels: index of the membrane that a point of the box belongs to, (n_z, n_y, n_x).
    """

    area: Float[Array, " membranes"]
    content: Float[Array, "species membranes"]
    labels: Int[Array, "nz ny nx"]

    @property
    def lo(self):
        """int W phi of each membrane at its relaxed area, nm^2, (membranes,)."""
        return self.content[0]

    @property
    def count(self) -> int:
        """Number of closed membranes. It is a static number, so compiled code is made anew after a fission."""
        return self.area.shape[0]

    def regions(self, dtype):
        """chi: 1 in the region of each membrane and 0 elsewhere, (membranes, n_z, n_y, n_x).

        For a single membrane it is one number, (1, 1, 1, 1).
        """
        if self.count == 1:
            return jnp.ones((1, 1, 1, 1), dtype)
        return jax.nn.one_hot(self.labels, self.count, axis=0, dtype=dtype)

    def same_membrane(self, axis: int, side: int = -1):
        """Whether a point and its neighbour along ``axis`` belong to the same membrane, (n_z, n_y, n_x).

        The neighbour is the next point for ``side`` -1 and the one before for 1. For a single membrane it is 1.
        """
        return 1 if self.count == 1 else self.labels == jnp.roll(self.labels, side, axis)

    def drawn(self, area, reservoir: Reservoir | None):
        """What the reservoir has given to each membrane, whose ``area`` is now this, nm^2, (membranes,)."""
        return jnp.zeros_like(area) if reservoir is None else (area - self.area).at[1:].set(0)

    def stretched(self, area, reservoir: Reservoir | None):
        """Present ``area`` over relaxed area of each membrane, (membranes,); 1 for one with a reservoir."""
        ratio = area / self.area
        return ratio if reservoir is None else ratio.at[0].set(1)

    def given(self, area, reservoir: Reservoir | None):
        """What the reservoir has given of each species, nm^2, (species, membranes); 0 without one."""
        if reservoir is None:
            return 0.0
        return jnp.asarray(reservoir.fields, area.dtype)[:, None] * self.drawn(area, reservoir)

    def held(self, area, reservoir: Reservoir | None):
        """int chi W X that each membrane has at its present ``area``, nm^2, (species, membranes)."""
        return self.content * self.stretched(area, reservoir) + self.given(area, reservoir)


def as_field(numbers, regions):
    """One number for each membrane, (membranes,), as a field (n_z, n_y, n_x) that has it in the membrane's region."""
    return numbers[0] if regions.shape[0] == 1 else jnp.einsum("v,vzyx->zyx", numbers, regions)
