"""What each closed membrane keeps: its relaxed area and its contents, strained or with area from a reserve.

A membrane i of relaxed area A0_i holds Q_i of a species. A strain is the same in all phases, so that at the area A_i it
has Q_i A_i/A0_i. The largest limiting membrane, 0, may have a reserve instead. At the area A_0 it then has

    Q_0 + X_r (A_0 - A0_0)                          up to the area A_r, all that there is at rest tension,
    [Q_0 + X_r (A_r - A0_0)] A_0/A_r                beyond it, where the reserve is spent.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from membrane.lattice import spectral
from membrane.vesicle.patches import Patches
from membrane.vesicle.reserve import Reservoir


class Conserved(eqx.Module):
    """What each closed membrane keeps, and the regions of the box that belong to them.

    Arguments:
        area: relaxed area A0 of each membrane, nm^2, (membranes,).
        content: Q, int W X of each species on each membrane at its relaxed area, nm^2, (species, membranes). Transport
            conserves it; reactions change it.
        labels: index of the membrane that a point of the box belongs to, (n_z, n_y, n_x).
        most: A_r, all the area that membrane 0 can have at the rest tension of its reserve, nm^2; inf without end.
        drained: volume of fluid that has left the lumen since the start, nm^3.
        patches: the patches into which the membranes are divided while the shape moves; None: each membrane is one.
    """

    area: Float[Array, " membranes"]
    content: Float[Array, "species membranes"]
    labels: Int[Array, "nz ny nx"]
    most: Float[Array, ""] = eqx.field(default_factory=lambda: jnp.asarray(jnp.inf))
    drained: Float[Array, ""] = eqx.field(default_factory=lambda: jnp.asarray(0.0))
    patches: Patches | None = None

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
        """What the reserve has given to each membrane, whose ``area`` is now this, nm^2, (membranes,)."""
        if reservoir is None:
            return jnp.zeros_like(area)
        return (jnp.minimum(area, self.most.astype(area.dtype)) - self.area).at[1:].set(0)

    def overstretch(self, area):
        """e = A_0/A_r - 1 of membrane 0, a number; 0 while there is a reserve."""
        return jnp.maximum(area[0] / self.most.astype(area.dtype) - 1, 0)

    def stretched(self, area, reservoir: Reservoir | None):
        """Present ``area`` over relaxed area of each membrane, (membranes,); 1 for one with membrane in reserve."""
        ratio = area / self.area
        return ratio if reservoir is None else ratio.at[0].set(1 + self.overstretch(area))

    def given(self, area, reservoir: Reservoir | None):
        """What the reserve has given of each species, nm^2, (species, membranes); 0 without one."""
        if reservoir is None:
            return 0.0
        return jnp.asarray(reservoir.fields, area.dtype)[:, None] * self.drawn(area, reservoir)

    def held(self, area, reservoir: Reservoir | None):
        """int chi W X that each membrane has at its present ``area``, nm^2, (species, membranes)."""
        return (self.content + self.given(area, reservoir)) * self.stretched(area, reservoir)

    def total(self, field):
        """Sum of a field (n_z, n_y, n_x) over the points of each part that keeps its content: patch or membrane."""
        if self.patches is None:
            return spectral.total(self.regions(field.dtype) * field)
        return self.patches.total(field)

    def spread(self, numbers):
        """One number for each of these parts as a field (n_z, n_y, n_x)."""
        if self.patches is None:
            return as_field(numbers, self.regions(numbers.dtype))
        return self.patches.spread(numbers)


def as_field(numbers, regions):
    """One number for each membrane, (membranes,), as a field (n_z, n_y, n_x) that has it in the membrane's region."""
    return numbers[0] if regions.shape[0] == 1 else jnp.einsum("v,vzyx->zyx", numbers, regions)
