"""The wall between Lo and Ld in a mixture: its line tension, measured rather than assumed.

The other species s adapt to phi at given exchange potentials nu. The wall is then that of an effective density W,

    W(phi) = min_s [f(phi, s) - nu . s],    lambda = integral from phi- to phi+ of sqrt(2 K [W - tangent]) dphi,

where phi- and phi+ are the points at which one tangent touches W twice: the two phases. Ceramide and cargo that prefer
Lo raise lambda above that of the lipids alone, (2 sqrt2/3) sqrt(K b). nu follows from the mean composition by the lever
rule, which says how much of each phase there is. The bending energy is left out.
"""

from dataclasses import dataclass
from functools import partial

import equinox as eqx
import jax
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
    """A planar wall and the two phases on its sides.

    Attributes:
        line_tension: in pN.
        phi_ld: order parameter of Ld.
        phi_lo: order parameter of Lo.
        ld: area fraction in Ld of every species but phi, by name.
        lo: the same in Lo.
    """

    line_tension: float
    phi_ld: float
    phi_lo: float
    ld: dict[str, float]
    lo: dict[str, float]


def measure_wall(mixture: Mixture, means: dict[str, float], points: int = 801) -> Wall:
    """The planar wall that a mixture of given mean composition forms, computed in float64.

    Arguments:
        mixture: the free energy of the composition; nothing else of a membrane enters.
        means: mean phi and mean area fraction of every other species, by name.
        points: number of values of phi, from -1.3 to 1.3, between which W is integrated.

    Raises ValueError where the mixture has no two phases.

    >>> from membrane.energy import Lipids
    >>> wall = measure_wall(Mixture(Lipids.from_wall(line_tension=1.0, interface_width=5.0)), {"phi": -0.4})
    >>> round(wall.line_tension, 2)  # of lipids alone it is that of the lipids
    1.0
    """
    # Absurd parameters may overflow on the way; such a mixture has no wall.
    with jax.enable_x64(True), np.errstate(all="ignore"):
        try:
            return _measure(mixture, means, np.linspace(-1.3, 1.3, points))
        except np.linalg.LinAlgError as error:
            raise ValueError(_MIXED) from error


def _measure(mixture, means, phi) -> Wall:
    """The wall, over the values ``phi`` (points,). nu is improved until the lever rule gives the means."""
    others = mixture.species[1:]
    mean = np.array([means[name] for name in others])
    value, slope, curve = (partial(part, mixture) for part in (_value, _slope, _curve))
    phi_mean = means["phi"]
    s = np.tile(mean, (len(phi), 1))
    nu = np.asarray(slope(np.full(len(phi), phi_mean), s))[0] if len(others) else np.zeros(0)
    for _ in range(200):
        s = _minimise(slope, curve, phi, s, nu) if len(others) else s
        effective = np.asarray(value(phi, s)) - s @ nu
        left, right, tilt = _common_tangent(phi, effective)
        share = np.clip((phi_mean - phi[left]) / (phi[right] - phi[left]), 0, 1)
        now = share * s[right] + (1 - share) * s[left]
        if not len(others) or np.max(np.abs(np.log(now / mean))) < 1e-9:
            break
        # The mean responds to nu through the (diagonal part of the) susceptibility of the two phases.
        curvature = np.asarray(curve(phi, s))
        inverse = [np.linalg.inv(curvature[i]) for i in (left, right)]
        response = (1 - share) * inverse[0] + share * inverse[1]
        nu = nu + np.linalg.solve(response, np.clip(mean - now, -0.5 * now, 0.5 * now))
    excess = effective - tilt * phi
    excess = np.maximum(excess - 0.5 * (excess[left] + excess[right]), 0)[left : right + 1]
    tension = np.trapezoid(np.sqrt(2 * mixture.lipids.gradient * excess), phi[left : right + 1])
    compose = lambda i: dict(zip(others, s[i].tolist(), strict=True))
    return Wall(float(tension), float(phi[left]), float(phi[right]), compose(left), compose(right))


def _density(mixture: Mixture, phi, s):
    return mixture.density({"phi": phi, **dict(zip(mixture.species[1:], s, strict=True))})


# Of the whole range of phi at once, so that each is one program for every wall of a mixture.
@eqx.filter_jit
def _value(mixture, phi, s):
    return jax.vmap(partial(_density, mixture))(phi, s)


@eqx.filter_jit
def _slope(mixture, phi, s):
    return jax.vmap(jax.grad(partial(_density, mixture), argnums=1))(phi, s)


@eqx.filter_jit
def _curve(mixture, phi, s):
    return jax.vmap(jax.hessian(partial(_density, mixture), argnums=1))(phi, s)


def _minimise(slope, curve, phi, s, nu):
    """Solve df/ds = nu at every phi by Newton's method. f is convex in s, and no step uses a species up."""
    for _ in range(100):
        force = nu - np.asarray(slope(phi, s))
        step = np.linalg.solve(np.asarray(curve(phi, s)), force[..., None])[..., 0]
        shrink = np.where(step < 0, -0.7 * s / step, np.inf).min(axis=1)
        s = s + np.minimum(1, shrink)[:, None] * step
        if np.max(np.abs(step) / s) < 1e-12:
            break
    return s


def _common_tangent(phi, w):
    """Indices of the two points at which one line touches W from below, and its slope; ValueError without them."""
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
