"""Curvature: spontaneous curvature from composition, and the bending energy of a membrane whose height is relaxed."""

import equinox as eqx
from jaxtyping import Array


def spontaneous_curvature(fields, coefficients, offset=0.0):
    """c0 = offset + sum_i C_i X_i in 1/nm, shape of the fields; ``coefficients`` maps species to C_i (1/nm)."""
    return offset + sum((c * fields[name] for name, c in coefficients.items()), 0.0 * fields["phi"])


class Helfrich(eqx.Module):
    """(kappa/2)(2H - c0)^2 + sigma, c0 = offset + sum_i C_i X_i, a *total* curvature (1/nm); c0 > 0 bends into the
    lumen.

    In the Monge gauge (h positive toward the cytosol) the relaxed height is h_q = -kappa c0_q/(kappa q^2 + sigma) and
    leaves (1/2) [kappa sigma/(kappa q^2 + sigma)] |c0_q|^2. Its q = 0 part is dropped: the host is a closed surface
    whose mean curvature adapts, not a clamped plane. kappa (pN nm) is the far-field (Ld) value, sigma in pN/nm.
    """

    bending_rigidity: float
    tension: float | Array
    coefficients: dict[str, float]
    offset: float = 0.0

    def spontaneous_curvature(self, fields):
        """c0 in 1/nm, shape of the fields."""
        return spontaneous_curvature(fields, self.coefficients, self.offset)

    def stiffness(self, k2):
        """kappa sigma/(kappa q^2 + sigma) in pN nm, from k2 in 1/nm^2; zero at q = 0."""
        relaxed = self.bending_rigidity * self.tension / (self.bending_rigidity * k2 + self.tension)
        return relaxed * (k2 > 0)

    def height_per_curvature(self, k2):
        """-kappa/(kappa q^2 + sigma) in nm^2; zero at q = 0."""
        return -self.bending_rigidity / (self.bending_rigidity * k2 + self.tension) * (k2 > 0)
