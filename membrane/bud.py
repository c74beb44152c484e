"""The bud law: what becomes of one domain. Here the closed spherical cap (Lipowsky 1992, J. Phys. II 2:1825).

A domain of area pi L^2 is a cap of curvature C = 2y/L in a flat host, 0 <= y <= 1 (y = 0 flat, y = 1 a closed
vesicle of diameter L). With l = lambda L/kappa_in, c = c0 L, s = sigma L^2/kappa_in, g = (kappa_G,in -
kappa_G,out)/kappa_in and k = 4 + s/2 + 2g its energy is

    E(y)/(2 pi kappa_in) = k y^2 - 2 c y + l sqrt(1 - y^2) + c^2/4.

Its rim, the neck, has radius L sqrt(1 - y^2). With y = sin t the stationary states solve 2 k sin t - 2 c = l tan t:
a dimple below and a barrier above cos^3 t = l/(2k); both vanish where (l/2k)^(2/3) + (c/k)^(2/3) = 1. The cap
overestimates barriers (1.4 to 44 times) and the instability (6-38 % for c <= 2): docs/budding.md.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Domain:
    """Domains as arrays of one shape: area (nm^2), spontaneous curvature (1/nm), line tension (pN), bending rigidity
    and Gaussian modulus contrast kappa_G,in - kappa_G,out (pN nm)."""

    area: np.ndarray
    spontaneous_curvature: np.ndarray
    line_tension: np.ndarray
    bending_rigidity: np.ndarray
    gaussian_modulus_contrast: np.ndarray


@dataclass(frozen=True)
class Host:
    """The flat membrane around them: tension (pN/nm), bending rigidity (pN nm), spontaneous curvature (1/nm)."""

    tension: float
    bending_rigidity: float
    spontaneous_curvature: float = 0.0


@dataclass(frozen=True)
class BudAnswer:
    """What a law answers, arrays of the shape of the domains.

    ``barrier_kBT`` from the dimple to the neck of scission (0: none left, inf: out of reach), ``rate_per_s`` of
    reaching it, ``diameter_nm`` of the vesicle, ``neck_radius_nm`` at scission, ``neck_closed`` (whether exact
    mechanics would close the neck without help: L >= 4 kappa_in/(lambda + kappa_in c0)), ``direction`` (+1 into the
    lumen), and ``closing_energy`` (closed bud less dimple, pN nm).
    """

    barrier_kBT: np.ndarray
    rate_per_s: np.ndarray
    diameter_nm: np.ndarray
    neck_radius_nm: np.ndarray
    neck_closed: np.ndarray
    direction: np.ndarray
    closing_energy: np.ndarray


def mean_escape_time(y, energy, drag, thermal_energy, start):
    """Mean first-passage time from y[start] to y[-1], reflecting at y[0] (Kramers 1940; exact for overdamped motion).

        tau = integral_{y_start}^{y_end} dy (gamma(y)/kT) exp(E(y)/kT) integral_{y_0}^{y} dz exp(-E(z)/kT)

    ``y``, ``energy``, ``drag`` have shape (..., points), ``start`` is an index of shape (...,). Exponentials are
    integrated exactly between points; any barrier from none to hundreds of kT (exponents are scaled by the largest
    drop, so that nothing overflows below it).
    """
    beta_e = energy / thermal_energy
    width = np.diff(y, axis=-1)
    # log-sum-exp of the inner integral, so that deep wells and high barriers need no special case.
    inner_log = _log_cumulative(-beta_e, width)
    outer_log = np.log(drag / thermal_energy) + beta_e + inner_log
    chosen = np.arange(y.shape[-1]) >= np.asarray(start)[..., None]
    outer_log = np.where(chosen, outer_log, -np.inf)
    with np.errstate(over="ignore"):
        return np.exp(_log_cumulative(outer_log, width)[..., -1])


def _log_cumulative(log_f, width):
    """log of the cumulative integral of exp(log_f); the first entry is -inf."""
    # Logarithmic mean of neighbours: exact for exponentials, of second order for the rest.
    with np.errstate(divide="ignore", invalid="ignore"):
        high, fall = np.maximum(log_f[..., 1:], log_f[..., :-1]), np.abs(np.diff(log_f, axis=-1))
        mean = np.where(fall > 1e-6, -np.expm1(-fall) / fall, 1 - 0.5 * fall)
        pieces = np.where(np.isneginf(high), -np.inf, high + np.log(mean * width))
    total = np.logaddexp.accumulate(pieces, axis=-1)
    return np.concatenate([np.full_like(total[..., :1], -np.inf), total], axis=-1)


class CapLaw:
    """The closed spherical cap with tension, spontaneous curvature and Gaussian modulus.

    Scission happens when the rim has shrunk to ``neck_radius`` (nm); a domain with L below twice that never buds.
    ``thermal_energy`` is kT (pN nm). The drag against dy/dt is

        gamma(y) = 4 pi eta_m L^2 [a I(a) + a/(1-a)] + 2 (eta_cyt + eta_lum) L^3,  a = y^2,
        I(a) = [1/(1-a) - (1-a) + 2 ln(1-a)]/a^3  (1/3 at a = 0):

    viscous shear of the area-preserving cap (stretch cos(psi/2) along parallels), radial flow of the host toward the
    shrinking rim, and a disc pushed broadside through the solvents at half the apex speed (docs/budding.md).
    """

    points = 400

    def __init__(
        self, *, neck_radius: float, thermal_energy: float, membrane_viscosity: float, solvent_viscosity: float
    ):
        for name, value in (("neck_radius", neck_radius), ("thermal_energy", thermal_energy)):
            if not value > 0:
                raise ValueError(f"{name} {value} must be positive")
        self.neck_radius, self.thermal_energy = neck_radius, thermal_energy
        self.membrane_viscosity, self.solvent_viscosity = membrane_viscosity, solvent_viscosity

    def __call__(self, domain: Domain, host: Host) -> BudAnswer:
        """Answer for every domain; the spontaneous curvature that counts is c0_in - (kappa_out/kappa_in) c0_out."""
        kappa = np.asarray(domain.bending_rigidity, float)
        size = np.sqrt(np.asarray(domain.area, float) / np.pi)
        contrast = domain.spontaneous_curvature - host.bending_rigidity / kappa * host.spontaneous_curvature
        l = domain.line_tension * size / kappa  # noqa: E741
        c = np.abs(contrast) * size
        k = 4 + 0.5 * host.tension * size**2 / kappa + 2 * domain.gaussian_modulus_contrast / kappa
        dimple, top = stationary_states(k, c, l)
        reachable = size > 2 * self.neck_radius
        neck = np.sqrt(np.maximum(1 - (self.neck_radius / np.maximum(size, 2 * self.neck_radius)) ** 2, 0))
        scale = 2 * np.pi * kappa
        low = scale * cap_energy(dimple, k, c, l)
        high = scale * cap_energy(np.clip(top, dimple, np.maximum(neck, dimple)), k, c, l)
        barrier = np.where(reachable, (high - low) / self.thermal_energy, np.inf)
        # Finer towards the neck, where the drag a/(1-a) rises steeply.
        y = np.tanh(np.linspace(0, 1, self.points) * np.arctanh(neck)[..., None])
        wide = lambda a: a[..., None]
        tau = mean_escape_time(
            y,
            wide(scale) * cap_energy(y, wide(k), wide(c), wide(l)),
            self._drag(y, wide(size)),
            self.thermal_energy,
            np.argmin(np.abs(y - wide(dimple)), axis=-1),
        )
        with np.errstate(divide="ignore"):
            rate = np.where(reachable, 1 / tau, 0.0)
        return BudAnswer(
            barrier_kBT=barrier,
            rate_per_s=rate,
            diameter_nm=size,
            neck_radius_nm=np.full_like(size, self.neck_radius),
            neck_closed=reachable & (l >= 4 - c),
            direction=np.where(contrast < 0, -1, 1),
            closing_energy=scale * cap_energy(np.ones_like(size), k, c, l) - low,
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
