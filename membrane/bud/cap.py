"""The closed spherical cap, reference and rival of the exact law (Lipowsky 1992, J. Phys. II 2:1825).

A domain of area pi L^2 is a cap of curvature C = 2y/L in a flat host, 0 <= y <= 1 (y = 0 flat, y = 1 a closed
vesicle of diameter L). With l = lambda L/kappa_in, c = c0 L, s = sigma L^2/kappa_in, g = (kappa_G,in -
kappa_G,out)/kappa_in and k = 4 + s/2 + 2g its energy is

    E(y)/(2 pi kappa_in) = k y^2 - 2 c y + l sqrt(1 - y^2) + c^2/4.

Its rim, the neck, has radius L sqrt(1 - y^2). With y = sin t the stationary states solve 2 k sin t - 2 c = l tan t:
a dimple below and a barrier above cos^3 t = l/(2k); both vanish where (l/2k)^(2/3) + (c/k)^(2/3) = 1. The cap
overestimates barriers (1.4 to 44 times) and the instability (6-38 % for c <= 2): docs/cap.md.
"""

import numpy as np

from membrane.bud.landscape import BudAnswer, Domain, Gate, Host, Landscape, answer, bud_direction


class CapLaw:
    """The closed spherical cap with tension, spontaneous curvature and Gaussian modulus.

    The host is taken as flat whatever its radius, its spontaneous curvature enters as c0_in - (kappa_out/kappa_in)
    c0_out, and the neck, the rim, always closes. The drag against dy/dt is

        gamma(y) = 4 pi eta_m L^2 [a I(a) + a/(1-a)] + 2 (eta_cyt + eta_lum) L^3,  a = y^2,
        I(a) = [1/(1-a) - (1-a) + 2 ln(1-a)]/a^3  (1/3 at a = 0):

    viscous shear of the area-preserving cap (stretch cos(psi/2) along parallels), radial flow of the host toward the
    shrinking rim, and a disc pushed broadside through the solvents at half the apex speed (docs/cap.md).
    """

    points = 400

    def __init__(self, gate: Gate, *, membrane_viscosity: float, solvent_viscosity: float):
        self.gate, self.membrane_viscosity, self.solvent_viscosity = gate, membrane_viscosity, solvent_viscosity

    def __call__(self, domain: Domain, host: Host) -> BudAnswer:
        """Answer for every domain."""
        return answer(self.landscape(domain, host), self.gate)

    def landscape(self, domain: Domain, host: Host) -> Landscape:
        """E(y) over y = tanh x, from flat to the gate."""
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
            direction=bud_direction(domain, host),
        )

    def _drag(self, y, size):
        a = y**2
        small = np.where(a < 1e-2, a, 0.0)
        series = 1 / 3 + small / 2 + 3 * small**2 / 5 + 2 * small**3 / 3
        big = np.where(a < 1e-2, 0.5, a)
        closed = (1 / (1 - big) - (1 - big) + 2 * np.log1p(-big)) / big**3
        shear = np.where(a < 1e-2, series, closed)
        membrane = 4 * np.pi * self.membrane_viscosity * size**2 * (a * shear + a / (1 - a))
        return membrane + 2 * self.solvent_viscosity * size**3


def scaled(domain: Domain, host: Host):
    """(l, c, k) of each domain."""
    kappa, size = np.asarray(domain.bending_rigidity, float), domain.size
    contrast = domain.spontaneous_curvature - host.bending_rigidity / kappa * host.spontaneous_curvature
    k = 4 + 0.5 * host.tension * size**2 / kappa + 2 * domain.gaussian_modulus_contrast / kappa
    return domain.line_tension * size / kappa, np.abs(contrast) * size, k


def cap_energy(y, k, c, l):  # noqa: E741
    """E/(2 pi kappa_in) = k y^2 - 2 c y + l sqrt(1 - y^2) + c^2/4, absolute (flat: l + c^2/4)."""
    return k * y**2 - 2 * c * y + l * np.sqrt(np.maximum(1 - y**2, 0)) + c**2 / 4


def stationary_states(k, c, l):  # noqa: E741
    """(y of the dimple, y of the barrier) of the cap, arrays; both 0 where no barrier is left.

    Bisection of 2 k sin t - 2 c - l tan t on either side of its maximum cos^3 t = l/(2k), to rounding.
    """
    k, c, l = np.broadcast_arrays(*(np.asarray(v, float) for v in (k, c, l)))  # noqa: E741
    slope = lambda t: 2 * k * np.sin(t) - 2 * c - l * np.tan(t)
    with np.errstate(invalid="ignore", divide="ignore"):
        crest = np.arccos(np.clip(np.where(k > 0, l / (2 * k), 1.0), 0, 1) ** (1 / 3))
    held = (k > 0) & (slope(crest) > 0)
    roots = []
    for lower, upper, rising in ((np.zeros_like(k), crest, True), (crest, np.full_like(k, np.pi / 2), False)):
        for _ in range(60):
            middle = 0.5 * (lower + upper)
            go_up = (slope(middle) < 0) == rising
            lower, upper = np.where(go_up, middle, lower), np.where(go_up, upper, middle)
        roots.append(np.where(held, np.sin(0.5 * (lower + upper)), 0.0))
    return tuple(roots)
