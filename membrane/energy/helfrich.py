"""Curvature: the spontaneous one, from the composition, and the bending energy of a membrane with relaxed height."""

from dataclasses import KW_ONLY

import equinox as eqx
from jaxtyping import Array


def spontaneous_curvature(fields, coefficients, offset=0.0):
    """c0 = offset + sum_i C_i X_i in 1/nm, an array of the shape of the fields.

    Arguments:
        fields: X_i by name.
        coefficients: C_i by name, in 1/nm.
        offset: in 1/nm.
    """
    return offset + sum((c * fields[name] for name, c in coefficients.items()), 0.0 * fields["phi"])


class Helfrich(eqx.Module):
    """(kappa/2)(2H - c0)^2 + sigma, with the total spontaneous curvature c0 = offset + sum_i C_i X_i.

    c0 > 0 bends into the lumen. Small slopes are assumed, and the height h, positive toward the cytosol, is relaxed at
    every instant (Monge gauge): h_q = -kappa c0_q/(kappa q^2 + sigma). What is left of the energy is
    (1/2) [kappa sigma/(kappa q^2 + sigma)] |c0_q|^2. Its part at q = 0 is dropped, because the host is a closed surface
    whose mean curvature adapts, not a clamped plane.

    Attributes:
        bending_rigidity: kappa of the membrane far from domains (Ld), in pN nm.
        tension: sigma, in pN/nm.
        coefficients: C_i by the name of the species, in 1/nm.
        offset: in 1/nm.
    """

    _: KW_ONLY
    bending_rigidity: float
    tension: float | Array
    coefficients: dict[str, float]
    offset: float = 0.0

    def spontaneous_curvature(self, fields):
        """c0 in 1/nm, an array of the shape of the fields."""
        return spontaneous_curvature(fields, self.coefficients, self.offset)

    def stiffness(self, k2):
        """kappa sigma/(kappa q^2 + sigma) in pN nm, where ``k2`` is q^2 in 1/nm^2; zero at q = 0."""
        relaxed = self.bending_rigidity * self.tension / (self.bending_rigidity * k2 + self.tension)
        return relaxed * (k2 > 0)

    def height_per_curvature(self, k2):
        """h_q/c0_q = -kappa/(kappa q^2 + sigma) in nm^2, where ``k2`` is q^2 in 1/nm^2; zero at q = 0."""
        return -self.bending_rigidity / (self.bending_rigidity * k2 + self.tension) * (k2 > 0)
