"""The closed spherical cap: a bud law in closed form, against which the exact law is compared.

A domain of area pi L^2 is a cap of a sphere of radius R in a flat host. y = L/(2R) runs from 0 (flat) to 1 (a closed
vesicle of diameter L). With l = lambda L/kappa_in, c = c0 L, s = sigma L^2/kappa_in, g = (kappa_G,in -
kappa_G,out)/kappa_in and k = 4 + s/2 + 2g the energy of the cap is

    E(y)/(2 pi kappa_in) = k y^2 - 2 c y + l sqrt(1 - y^2) + c^2/4.

Its neck is its rim, of radius L sqrt(1 - y^2). The cap overestimates barriers (1.4 to 44 times) and the line tension at
which the dimple becomes unstable (by 6-38 % for c <= 2); docs/cap.md has derivations and limits.

Source: Lipowsky 1992, J. Phys. II 2:1825.
"""

from dataclasses import replace

import numpy as np

from membrane.bud.landscape import BudAnswer, Domain, Gate, Host, Landscape, answer, bud_direction


class CapLaw:
    """The closed spherical cap with tension, spontaneous curvature and Gaussian modulus.

    The host is taken as flat whatever its radius. Its spontaneous curvature enters as c0 = c0_in -
    (kappa_out/kappa_in) c0_out. The neck always closes. The drag against dy/dt has three parts (docs/cap.md): viscous
    shear of the cap, flow of the host toward the shrinking rim, and the solvents on both sides.

        gamma(y) = 4 pi eta_m L^2 [a I(a) + a/(1-a)] + 2 (eta_cyt + eta_lum) L^3,  a = y^2,
        I(a) = [1/(1-a) - (1-a) + 2 ln(1-a)]/a^3  (1/3 at a = 0)

    Arguments:
        gate: when a neck breaks.
        membrane_viscosity: eta_m, pN s/nm.
        solvent_viscosity: eta_cyt + eta_lum, the sum for cytosol and lumen, pN s/nm^2.
    """

    points = 400
    """Number of states between flat and the gate."""

    def __init__(self, gate: Gate, *, membrane_viscosity: float, solvent_viscosity: float):
        self.gate, self.membrane_viscosity, self.solvent_viscosity = gate, membrane_viscosity, solvent_viscosity

    def __call__(self, domain: Domain, host: Host) -> BudAnswer:
        """Answer for every domain."""
        return answer(self.landscape(domain, host), self.gate)

    def landscape(self, domain: Domain, host: Host) -> Landscape:
        """E of every domain over x = artanh y, from flat to the gate."""
        kappa, size = np.asarray(domain.bending_rigidity, float), domain.size
        l, c, k = scaled(domain, host)  # noqa: E741
        rim = np.minimum(self.gate.neck_radius / size, 0.5)
        x = np.linspace(0, 1, self.points) * np.arccosh(1 / rim)[..., None]
        y, wide = np.tanh(x), lambda v: np.broadcast_to(v, size.shape)[..., None]
        energy = 2 * np.pi * wide(kappa) * cap_energy(y, wide(k), wide(c), wide(l))
        return Landscape(
            coordinate=x,
            energy=energy,
            neck_radius=wide(size) / np.cosh(x),
            contact_angle=2 * np.arcsin(y),
            drag=self._drag(y, wide(size)) * (1 - y**2) ** 2,
            size=size,
            direction=bud_direction(domain, replace(host, radius=np.inf)),
        )

    def _drag(self, y, size):
        """gamma(y) in pN nm s. Near a = 0, where the closed form of I(a) loses digits, its series is used."""
        a = y**2
        small = np.where(a < 1e-2, a, 0.0)
        series = 1 / 3 + small / 2 + 3 * small**2 / 5 + 2 * small**3 / 3
        big = np.where(a < 1e-2, 0.5, a)
        closed = (1 / (1 - big) - (1 - big) + 2 * np.log1p(-big)) / big**3
        shear = np.where(a < 1e-2, series, closed)
        membrane = 4 * np.pi * self.membrane_viscosity * size**2 * (a * shear + a / (1 - a))
        return membrane + 2 * self.solvent_viscosity * size**3


def scaled(domain: Domain, host: Host):
    """(l, c, k) of every domain. c is not negative: the cap does not know to which side it bends."""
    kappa, size = np.asarray(domain.bending_rigidity, float), domain.size
    contrast = domain.spontaneous_curvature - host.bending_rigidity / kappa * host.spontaneous_curvature
    k = 4 + 0.5 * host.tension * size**2 / kappa + 2 * domain.gaussian_modulus_contrast / kappa
    return domain.line_tension * size / kappa, np.abs(contrast) * size, k


def cap_energy(y, k, c, l):  # noqa: E741
    """E/(2 pi kappa_in) = k y^2 - 2 c y + l sqrt(1 - y^2) + c^2/4; the flat domain has l + c^2/4.

    Without curvature (c = 0), tension and Gaussian contrast (k = 4), flat and closed cost the same at l = 4:

    >>> float(cap_energy(0.0, 4.0, 0.0, 4.0)), float(cap_energy(1.0, 4.0, 0.0, 4.0))
    (4.0, 4.0)
    """
    return k * y**2 - 2 * c * y + l * np.sqrt(np.maximum(1 - y**2, 0)) + c**2 / 4
