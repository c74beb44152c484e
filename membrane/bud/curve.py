"""The generating curve of a domain in its host and its energy.

Lengths in units of L (domain area pi L^2), energies in units of kappa_in. The curve carries the tangent angle psi(s)
over the arc length s from the pole of the domain, dr/ds = cos psi, 2H = psi' + sin(psi)/r. Its energy without the
rim's is

    G = pi int_in (2H - c)^2 r ds + pi k int_out [(2H)^2 - 2 c_out (2H)] r ds + 2 pi g (1 - cos psi_rim) + s A_excess,

c = c0_in L, c_out = c0_out L, k = kappa_out/kappa_in, g = (kappa_G,in - kappa_G,out)/kappa_in (Gauss-Bonnet leaves only
this contrast), s = sigma L^2/kappa_in, sigma the whole cost of drawing flat host area, kappa_out c0_out^2/2 included.
A_excess is the host's area less its projection plus the hole's (flat host) or the host's area (spherical host, whose
lumen keeps its volume). psi > 0 bends into the lumen. docs/bud.md has boundary conditions and derivations.
"""

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial import legendre

DECAY_LENGTHS = 12.0
"""A flat host is cut off at so many of its lengths sqrt(kappa_out/sigma)."""


class Problem(NamedTuple):
    """One domain and its host, or arrays of them, dimensionless: c, c_out, s, k, g, and ``host_curvature`` = -L/R_v for
    buds into the lumen of a host of radius R_v, +L/R_v for buds away from it, 0 for a flat host."""

    spontaneous_curvature: jax.Array
    host_spontaneous_curvature: jax.Array
    tension: jax.Array
    rigidity_ratio: jax.Array
    gaussian_contrast: jax.Array
    host_curvature: jax.Array


class Resolution(NamedTuple):
    """Number of polynomials for psi on the domain and on the host, spacing of the path in x, its least rim radius over
    L, and how many points it has at x < 0 (for domains that their host bends away)."""

    inner: int = 16
    outer: int = 28
    step: float = 0.1
    least_rim: float = 0.027
    backward: int = 5


class Profile(NamedTuple):
    """One arc at its quadrature points: arc length s, radius r, height z, angle psi, psi', weights of ds."""

    s: jax.Array
    r: jax.Array
    z: jax.Array
    psi: jax.Array
    bend: jax.Array
    weight: jax.Array

    @property
    def mean_curvature(self):
        """2H = psi' + sin(psi)/r."""
        return self.bend + jnp.sin(self.psi) / self.r


class Rule(NamedTuple):
    """Gauss-Legendre on (0, 1): points, weights, integrals from 0 to each point, polynomials and their slopes there."""

    t: np.ndarray
    weight: np.ndarray
    integral: np.ndarray
    value: np.ndarray
    slope: np.ndarray


@lru_cache
def rule_of(degrees: int) -> Rule:
    points = (3 * degrees + 1) // 2
    x, w = legendre.leggauss(points)
    basis = np.eye(points)
    antiderivative = np.stack([legendre.legval(x, legendre.legint(b, lbnd=-1)) for b in basis], 1)
    slopes = np.stack([legendre.legval(x, legendre.legder(b)) for b in basis[:, :points]], 1)
    vandermonde = legendre.legvander(x, points - 1)
    integral = antiderivative @ np.linalg.inv(vandermonde) / 2
    return Rule((x + 1) / 2, w / 2, integral, vandermonde[:, :degrees], 2 * slopes[:, :degrees])


# The curve. Unknowns: inner (a, S), outer (b,) or (b, S_out) ------------------------------------------------------


def domain_arc(inner, x, resolution) -> Profile:
    """psi = y m(t) sum a_k P_k(t), y = tanh x; m = s/S crowds points at the rim on the scale of its radius."""
    rule = rule_of(resolution.inner)
    a, length, alpha = inner[:-1], inner[-1], 1 / jnp.cosh(x)
    stretch = jnp.log1p(1 / alpha)
    rest = stretch * (1 - rule.t)
    m, dm = 1 - jnp.expm1(rest) / jnp.expm1(stretch), stretch * jnp.exp(rest) / jnp.expm1(stretch)
    poly = rule.value @ a
    psi, ds = jnp.tanh(x) * m * poly, length * dm
    r = rule.integral @ (ds * jnp.cos(psi))
    # Off the solution the arc misses the rim; spreading the gap keeps r regular at both ends.
    r = r + m * (alpha - rule.weight @ (ds * jnp.cos(psi)))
    z = rule.integral @ (ds * jnp.sin(psi))
    bend = jnp.tanh(x) * (dm * poly + m * (rule.slope @ a)) / ds
    return Profile(length * m, r, z, psi, bend, ds * rule.weight)


def host_arc(outer, rim_angle, x, problem, closed, resolution) -> tuple[Profile, jax.Array]:
    """psi = (1-d) e^(-bt) psi_rim + d psi_end + t(1-t) sum b_k P_k(t), s = S_out d(t), ds/dt growing from alpha to
    S_out; and the radius at its end. psi_end: 0 for a flat host, -+pi at the far pole of a spherical one."""
    rule = rule_of(resolution.outer)
    alpha = 1 / jnp.cosh(x)
    if closed:
        b, length = outer[:-1], outer[-1]
        end = jnp.pi * jnp.sign(problem.host_curvature)
    else:
        b, end = outer, 0.0
        length = DECAY_LENGTHS / jnp.sqrt(problem.tension / problem.rigidity_ratio + 1e-8)
    stretch = jnp.log1p(length / alpha)
    d, dd = jnp.expm1(stretch * rule.t) / jnp.expm1(stretch), stretch * jnp.exp(stretch * rule.t) / jnp.expm1(stretch)
    fall, bump, poly = jnp.exp(-stretch * rule.t), rule.t * (1 - rule.t), rule.value @ b
    psi = (1 - d) * fall * rim_angle + d * end + bump * poly
    dpsi = dd * end - (dd + stretch * (1 - d)) * fall * rim_angle + (1 - 2 * rule.t) * poly
    dpsi = dpsi + bump * (rule.slope @ b)
    ds = length * dd
    r, last = alpha + rule.integral @ (ds * jnp.cos(psi)), alpha + rule.weight @ (ds * jnp.cos(psi))
    r = r - d * last if closed else r
    z = rule.integral @ (ds * jnp.sin(psi))
    return Profile(length * d, r, z, psi, dpsi / ds, ds * rule.weight), last


# The Lagrangian, domain and host apart: they meet only in psi_rim and the multiplier of the volume ----------------


def _inner_lagrangian(v, x, problem, closed, resolution):
    """v = (a, S, two multipliers[, that of the volume])."""
    count = resolution.inner
    domain, y = domain_arc(v[: count + 1], x, resolution), jnp.tanh(x)
    area, angle = domain.r * domain.weight, y * jnp.sum(v[:count])
    energy = jnp.pi * jnp.sum((domain.mean_curvature - problem.spontaneous_curvature) ** 2 * area)
    energy = energy + 2 * jnp.pi * problem.gaussian_contrast * (1 - jnp.cos(angle))
    energy = energy if closed else energy + jnp.pi * problem.tension * y**2
    # Divided by y, so that the condition on the rim's radius stays regular at the flat state.
    tilt = 4 * jnp.sum((jnp.sin(domain.psi / 2) / y) ** 2 * area) - 1
    value = energy + v[count + 1] * tilt + v[count + 2] * (2 * jnp.sum(area) - 1)
    return value + v[count + 3] * _volume(domain, problem) if closed else value


def _outer_lagrangian(v, x, problem, closed, resolution):
    """v = (psi_rim, b) or (psi_rim, b, S_out, multipliers of closure and volume)."""
    count = resolution.outer + 1
    host, last = host_arc(v[1 : count + 1] if closed else v[1:count], v[0], x, problem, closed, resolution)
    area, curved = host.r * host.weight, host.mean_curvature
    bending = jnp.sum((curved**2 - 2 * problem.host_spontaneous_curvature * curved) * area)
    energy = jnp.pi * problem.rigidity_ratio * bending
    if not closed:
        return energy + 2 * jnp.pi * problem.tension * jnp.sum(2 * jnp.sin(host.psi / 2) ** 2 * area)
    energy = energy + 2 * jnp.pi * problem.tension * jnp.sum(area)
    volume = _volume(host, problem) - jnp.sign(problem.host_curvature)
    return energy + v[count + 1] * last + v[count + 2] * volume


def _volume(arc, problem):
    """Volume under an arc over that of the host's sphere."""
    return 0.75 * jnp.abs(problem.host_curvature) ** 3 * jnp.sum(arc.r**2 * jnp.sin(arc.psi) * arc.weight)


def split(z, x, closed, resolution):
    """The arguments of both Lagrangians: z = (a, S, 2 multipliers, b[, S_out, 2 multipliers])."""
    here = resolution.inner + 3
    rim = jnp.tanh(x) * jnp.sum(z[: resolution.inner])
    inner = jnp.concatenate([z[:here], z[-1:]]) if closed else z[:here]
    return inner, jnp.concatenate([rim[None], z[here:]])


def arcs(z, x, problem, closed, resolution):
    """(domain, host, angle at the rim, radius at the host's end) of the curve that z describes."""
    inner, outer = split(z, x, closed, resolution)
    count = resolution.outer + 1
    domain = domain_arc(inner[: resolution.inner + 1], x, resolution)
    host, last = host_arc(outer[1 : count + 1] if closed else outer[1:count], outer[0], x, problem, closed, resolution)
    return domain, host, outer[0], last


def lagrangian(z, x, problem, closed, resolution):
    inner, outer = split(z, x, closed, resolution)
    value = _inner_lagrangian(inner, x, problem, closed, resolution)
    return value + _outer_lagrangian(outer, x, problem, closed, resolution)


def system(z, x, problem, closed, resolution):
    """Gradient and Hessian of the Lagrangian in z, assembled from the two small Hessians."""
    inner, outer = split(z, x, closed, resolution)

    def parts(lagrangian, v):
        gradient = jax.grad(lagrangian)
        twice = lambda u: (gradient(u, x, problem, closed, resolution),) * 2
        return jax.jacfwd(twice, has_aux=True)(v)

    (h_in, g_in), (h_out, g_out) = parts(_inner_lagrangian, inner), parts(_outer_lagrangian, outer)
    n, y, here = resolution.inner, jnp.tanh(x), resolution.inner + 3
    gradient = jnp.zeros_like(z).at[:here].add(g_in[:here]).at[here:].add(g_out[1:]).at[:n].add(y * g_out[0])
    hessian = jnp.zeros((z.size, z.size), z.dtype)
    hessian = hessian.at[:here, :here].add(h_in[:here, :here]).at[here:, here:].add(h_out[1:, 1:])
    hessian = hessian.at[:n, :n].add(y**2 * h_out[0, 0])
    hessian = hessian.at[:n, here:].add(y * h_out[0, 1:]).at[here:, :n].add(y * h_out[1:, :1])
    if closed:
        gradient = gradient.at[-1].add(g_in[-1])
        hessian = hessian.at[:here, -1].add(h_in[:here, -1]).at[-1, :here].add(h_in[-1, :here])
    return gradient, hessian


def spontaneous_torque(problem: Problem):
    """What bends a flat domain into the lumen: c - k c_out + 2 h, of the order of the true one."""
    host = problem.rigidity_ratio * problem.host_spontaneous_curvature
    return problem.spontaneous_curvature - host + 2 * problem.host_curvature


def unknowns(closed: bool, resolution: Resolution) -> int:
    """Length of the vector of unknowns, multipliers included."""
    return resolution.inner + 3 + resolution.outer + 3 * closed


def gradient(z, x, problem, closed, resolution):
    """Of the Lagrangian in z: zero in equilibrium at fixed rim."""
    return jax.grad(lagrangian)(z, x, problem, closed, resolution)


def problem_of(
    *,
    area,
    bending_rigidity,
    host_bending_rigidity,
    spontaneous_curvature=0.0,
    host_spontaneous_curvature=0.0,
    gaussian_modulus_contrast=0.0,
    line_tension=0.0,
    tension=0.0,
    host_radius=jnp.inf,
    direction=1,
) -> tuple[Problem, jax.Array, jax.Array]:
    """(problem, l, L) of a domain of ``area`` (nm^2) that buds into the lumen (``direction`` 1) or away from it (-1);
    rigidities and Gaussian contrast kappa_G,in - kappa_G,out in pN nm, curvatures in 1/nm, ``line_tension`` in pN,
    ``tension`` in pN/nm, ``host_radius`` in nm (inf: flat). Of the Gaussian moduli only their contrast counts
    (Gauss-Bonnet). Raises ValueError for values out of range that are not traced: areas, rigidities and radii that are
    not positive, a negative line tension, a negative tension in a flat host, a domain larger than its host."""
    size = jnp.sqrt(area / jnp.pi)
    # Comparisons with nan are false: what is no number is refused, too.
    _require("area", area, lambda v: v > 0, "positive, in nm^2")
    _require("bending_rigidity", bending_rigidity, lambda v: v > 0, "positive, in pN nm")
    _require("host_bending_rigidity", host_bending_rigidity, lambda v: v > 0, "positive, in pN nm")
    _require("line_tension", line_tension, lambda v: v >= 0, "at least 0, in pN")
    _require("host_radius", host_radius, lambda v: v > 0, "positive, in nm, or inf for a flat host")
    _require("direction", direction, lambda v: abs(v) == 1, "1 (into the lumen) or -1 (away from it)")
    _require("L/host_radius", size / host_radius, lambda v: v < 2, "below 2: a domain must be smaller than its host")
    flat_host = jnp.where(jnp.isinf(host_radius), tension, 0.0)
    _require("tension", flat_host, lambda v: v >= 0, "at least 0 in a flat host, in pN/nm")
    fields = (
        direction * spontaneous_curvature * size,
        direction * host_spontaneous_curvature * size,
        tension * size**2 / bending_rigidity,
        host_bending_rigidity / bending_rigidity,
        gaussian_modulus_contrast / bending_rigidity,
        -direction * size / host_radius,
    )
    fields = jnp.broadcast_arrays(*(jnp.asarray(f, float) for f in fields))
    return Problem(*fields), line_tension * size / bending_rigidity, size


def _require(name, value, holds, allowed):
    if isinstance(value, jax.core.Tracer):
        return
    if not np.all(holds(np.asarray(value, float))):
        raise ValueError(f"{name} is {value}; it must be {allowed}")


def reference_energy(problem: Problem, line_tension, closed: bool):
    """G + 2 pi l alpha of the undisturbed host: flat, or a sphere that the domain is part of."""
    if not closed:
        return 0.5 * jnp.pi * problem.spontaneous_curvature**2 + 2 * jnp.pi * line_tension
    h, host_area = problem.host_curvature, 4 / problem.host_curvature**2 - 1
    inside = 0.5 * (2 * h - problem.spontaneous_curvature) ** 2
    outside = 2 * problem.rigidity_ratio * (h**2 - h * problem.host_spontaneous_curvature) + problem.tension
    # The domain is a cap of area pi, 1 - cos(theta) = h^2/2.
    rim = jnp.sqrt(1 - h**2 / 4)
    return jnp.pi * (inside + outside * host_area + problem.gaussian_contrast * h**2 + 2 * line_tension * rim)


def outline(problem: Problem, x, state, *, closed: bool, resolution: Resolution):
    """((r, z) of the domain from pole to rim, (r, z) of the host from the rim on) of one solved state, over L."""
    domain, host, _, last = arcs(state, x, problem, closed, resolution)
    rim, top = 1 / jnp.cosh(x), jnp.sum(jnp.sin(domain.psi) * domain.weight)
    end, bottom = (0.0 if closed else last), top + jnp.sum(jnp.sin(host.psi) * host.weight)
    joined = lambda first, middle, final: jnp.concatenate([jnp.atleast_1d(first), middle, jnp.atleast_1d(final)])
    return (
        (joined(0.0, domain.r, rim), joined(0.0, domain.z, top)),
        (joined(rim, host.r, end), joined(top, top + host.z, bottom)),
    )
