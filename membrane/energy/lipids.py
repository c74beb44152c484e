"""Lo/Ld segregation: the double well of the order parameter phi (+1 in Lo, -1 in Ld)."""

import equinox as eqx
import jax.numpy as jnp


def lo_order(phi):
    """p(phi) = (3 phi - phi^3)/2 for |phi| <= 1, continued flat: +1 in Lo, -1 in Ld, zero slope in both pure phases."""
    phi = jnp.clip(phi, -1.0, 1.0)
    return 0.5 * phi * (3.0 - phi**2)


class Lipids(eqx.Module):
    """f = (b/4)(phi^2 - 1)^2 + (K/2)|grad phi|^2, energies per nm^2 of membrane.

    ``well`` is b (pN/nm), ``gradient`` is K (pN nm). The planar wall is tanh(x/(sqrt2 xi)) with xi = sqrt(K/b)
    and its line tension lambda = (2 sqrt2/3) sqrt(K b) (Cahn & Hilliard 1958; docs/model.md).
    """

    well: float
    gradient: float

    @classmethod
    def from_wall(cls, *, line_tension: float, interface_width: float) -> "Lipids":
        """b = (3/(2 sqrt2)) lambda/xi and K = (3/(2 sqrt2)) lambda xi, from lambda in pN and xi in nm."""
        if not (line_tension > 0 and interface_width > 0):
            raise ValueError(
                f"line tension {line_tension} pN and interface width {interface_width} nm must be positive"
            )
        scale = 3 / (2 * 2**0.5) * line_tension
        return cls(well=scale / interface_width, gradient=scale * interface_width)

    @property
    def line_tension(self) -> float:
        """(2 sqrt2/3) sqrt(K b) in pN."""
        return (2 * 2**0.5 / 3) * (self.gradient * self.well) ** 0.5

    @property
    def interface_width(self) -> float:
        """xi = sqrt(K/b) in nm."""
        return (self.gradient / self.well) ** 0.5

    def density(self, fields):
        """The local part (b/4)(phi^2 - 1)^2 in pN/nm."""
        return 0.25 * self.well * (fields["phi"] ** 2 - 1.0) ** 2
