"""Lo/Ld segregation: the double well of the order parameter phi (+1 in Lo, -1 in Ld)."""

import equinox as eqx
import jax.numpy as jnp


def lo_order(phi):
    """p(phi) = (3 phi - phi^3)/2 for |phi| <= 1 and constant beyond: +1 in Lo, -1 in Ld, with zero slope in both.

    >>> [float(lo_order(phi)) for phi in (-1.5, -1.0, 0.0, 1.0)]
    [-1.0, -1.0, 0.0, 1.0]
    """
    phi = jnp.clip(phi, -1.0, 1.0)
    return 0.5 * phi * (3.0 - phi**2)


class Lipids(eqx.Module):
    """f = (b/4)(phi^2 - 1)^2 + (K/2)|grad phi|^2 per area of membrane.

    The planar wall between the phases is tanh(x/(sqrt2 xi)) with xi = sqrt(K/b). Its line tension is
    lambda = (2 sqrt2/3) sqrt(K b) (Cahn & Hilliard 1958; docs/model.md).

    Attributes:
        well: b, in pN/nm.
        gradient: K, in pN nm.

    >>> lipids = Lipids.from_wall(line_tension=1.0, interface_width=5.0)
    >>> round(lipids.line_tension, 12), round(lipids.interface_width, 12)
    (1.0, 5.0)
    """

    well: float
    gradient: float

    @classmethod
    def from_wall(cls, *, line_tension: float, interface_width: float) -> "Lipids":
        """b = (3/(2 sqrt2)) lambda/xi and K = (3/(2 sqrt2)) lambda xi.

        Arguments:
            line_tension: lambda, in pN.
            interface_width: xi, in nm.

        Raises ValueError where they are not positive.
        """
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
