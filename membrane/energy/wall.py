"""The wall between Lo and Ld in a mixture: its line tension, measured rather than assumed.

At given exchange potentials nu of the other species the wall is that of the effective density

    W(phi) = min_s [f(phi, s) - nu . s],    lambda = integral from phi- to phi+ of sqrt(2 K [W - tangent]) dphi,

with phi-, phi+ the points of the common tangent. Ceramide and cargo that prefer Lo raise lambda above the bare
(2 sqrt2/3) sqrt(K b). nu follows from the mean composition by the lever rule. The long-wave bending energy is left out.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

from membrane.energy.mixture import Mixture

_MIXED = (
    "the mixture has no two coexisting phases, hence no wall and no line tension; what decides: temperature_C, "
    "line_tension_pN, interface_width_nm and mean_order of lipids, affinity_lo, patch_area_nm2, cytosolic_fraction and "
    "luminal_fraction of ceramide, affinity_lo, footprint_nm2, fraction and oligomers of cargo"
)


@dataclass(frozen=True)
class Wall:
    """Line tension (pN), order parameter of the coexisting phases, and their compositions by species name."""

    line_tension: float
    phi_ld: float
    phi_lo: float
    ld: dict[str, float]
    lo: dict[str, float]


def measure_wall(mixture: Mixture, means: dict[str, float], points: int = 801) -> Wall:
    """The planar wall that a mixture of given mean composition forms, computed in float64.

    mixture: the free energy of the composition; nothing else of a membrane enters
    means: mean phi and mean area fraction of every other species, by name
    points: number of values of phi, from -1.3 to 1.3, between which W is integrated

    Raises ValueError where the mixture has no two phases.
    """
    # Absurd parameters may overflow on the way; such a mixture has no wall.
    with jax.enable_x64(True), np.errstate(all="ignore"):
        try:
            return _measure(mixture, means, np.linspace(-1.3, 1.3, points))
        except np.linalg.LinAlgError as error:
            raise ValueError(_MIXED) from error


def _measure(mixture, means, phi):
    others = mixture.species[1:]
    mean = np.array([means[name] for name in others])
    density = lambda p, s: mixture.density({"phi": p, **dict(zip(others, s, strict=True))})
    gradient, hessian = jax.grad(density, argnums=1), jax.hessian(density, argnums=1)
    slope = jax.jit(jax.vmap(gradient, (0, 0)))
    curve = jax.jit(jax.vmap(hessian, (0, 0)))
    value = jax.jit(jax.vmap(density, (0, 0)))
    phi_mean = means["phi"]
    s = np.tile(mean, (len(phi), 1))
    nu = np.asarray(gradient(jnp.asarray(phi_mean), jnp.asarray(mean))) if len(others) else np.zeros(0)
    for _ in range(200):
        s = _minimise(slope, curve, phi, s, nu) if len(others) else s
        effective = np.asarray(value(phi, s)) - s @ nu
        left, right, tilt = _common_tangent(phi, effective)
        share = np.clip((phi_mean - phi[left]) / (phi[right] - phi[left]), 0, 1)
        now = share * s[right] + (1 - share) * s[left]
        if not len(others) or np.max(np.abs(np.log(now / mean))) < 1e-9:
            break
        # The mean responds to nu through the (diagonal part of the) susceptibility of the two phases.
        inverse = [np.linalg.inv(np.asarray(curve(phi[i : i + 1], s[i : i + 1]))[0]) for i in (left, right)]
        response = (1 - share) * inverse[0] + share * inverse[1]
        nu = nu + np.linalg.solve(response, np.clip(mean - now, -0.5 * now, 0.5 * now))
    excess = effective - tilt * phi
    excess = np.maximum(excess - 0.5 * (excess[left] + excess[right]), 0)[left : right + 1]
    tension = np.trapezoid(np.sqrt(2 * mixture.lipids.gradient * excess), phi[left : right + 1])
    compose = lambda i: dict(zip(others, s[i].tolist(), strict=True))
    return Wall(float(tension), float(phi[left]), float(phi[right]), compose(left), compose(right))


def _minimise(slope, curve, phi, s, nu):
    """Pointwise Newton for df/ds = nu; f is convex in s, steps are cut to stay inside the simplex."""
    for _ in range(100):
        force = nu - np.asarray(slope(phi, s))
        step = np.linalg.solve(np.asarray(curve(phi, s)), force[..., None])[..., 0]
        shrink = np.where(step < 0, -0.7 * s / step, np.inf).min(axis=1)
        s = s + np.minimum(1, shrink)[:, None] * step
        if np.max(np.abs(step) / s) < 1e-12:
            break
    return s


def _common_tangent(phi, w):
    """Indices of the two contacts and the slope of the line that touches W from below on both sides of its hump."""
    middle = np.searchsorted(phi, 0.0)
    lowest = lambda tilt, part: np.min((w - tilt * phi)[part])
    gap = lambda tilt: lowest(tilt, slice(None, middle)) - lowest(tilt, slice(middle, None))
    bound = 2 * np.ptp(w) + 1e-300
    if not gap(-bound) * gap(bound) <= 0:
        raise ValueError(_MIXED)
    tilt = brentq(gap, -bound, bound, xtol=1e-15 * bound + 1e-300, rtol=1e-14)
    tilted = w - tilt * phi
    left, right = int(np.argmin(tilted[:middle])), middle + int(np.argmin(tilted[middle:]))
    if not np.max(tilted[left:right]) > max(tilted[left], tilted[right]) or right - left < 3:
        raise ValueError(_MIXED)
    return left, right, tilt
