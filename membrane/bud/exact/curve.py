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


class Arc(NamedTuple):
    """How an arc hangs on its unknowns v = (coefficients of psi, length S, multipliers), at its quadrature points t:

    ds/dt = S pace,    psi = angle + basis v,    dpsi/dt = turn + turning v,    r = start + reach (ds/dt cos psi)."""

    weight: np.ndarray
    pace: jax.Array
    angle: jax.Array
    basis: jax.Array
    turn: jax.Array
    turning: jax.Array
    start: jax.Array
    reach: jax.Array

    def fields(self, v):
        """r, psi and dpsi/dt."""
        count = self.basis.shape[1]
        psi = self.angle + self.basis @ v[:count]
        return (
            self.start + self.reach @ (v[count] * self.pace * jnp.cos(psi)),
            psi,
            self.turn + self.turning @ v[:count],
        )

    def profile(self, v, rule: Rule) -> Profile:
        """The arc itself."""
        r, psi, turn = self.fields(v)
        ds = v[self.basis.shape[1]] * self.pace
        return Profile(rule.integral @ ds, r, rule.integral @ (ds * jnp.sin(psi)), psi, turn / ds, ds * self.weight)


# The two arcs. Unknowns: of the domain (a, S, multipliers), of the host (psi_rim, b, S, multipliers) --------------


def domain_arc(x, resolution) -> Arc:
    """psi = y m(t) sum a_k P_k(t), y = tanh x; m = s/S crowds points at the rim on the scale of its radius."""
    rule, y, alpha = rule_of(resolution.inner), jnp.tanh(x), 1 / jnp.cosh(x)
    stretch = jnp.log1p(1 / alpha)
    rest = stretch * (1 - rule.t)
    m, dm = 1 - jnp.expm1(rest) / jnp.expm1(stretch), stretch * jnp.exp(rest) / jnp.expm1(stretch)
    basis = y * m[:, None] * rule.value
    turning = y * (dm[:, None] * rule.value + m[:, None] * rule.slope)
    # Off the solution the arc misses the rim; spreading the gap keeps r regular at both ends.
    reach = rule.integral - m[:, None] * rule.weight
    none = jnp.zeros_like(m)
    return Arc(rule.weight, dm, none, basis, none, turning, m * alpha, reach)


def host_arc(x, problem, closed, resolution) -> Arc:
    """psi = (1-d) e^(-bt) psi_rim + d psi_end + t(1-t) sum b_k P_k(t), s = S d(t), ds/dt growing from alpha to the
    length of the host's own meridian. psi_end: 0 for a flat host, -+pi at the far pole of a spherical one."""
    rule, alpha = rule_of(resolution.outer), 1 / jnp.cosh(x)
    stretch = jnp.log1p(meridian(problem, closed) / alpha)
    d, dd = jnp.expm1(stretch * rule.t) / jnp.expm1(stretch), stretch * jnp.exp(stretch * rule.t) / jnp.expm1(stretch)
    fall, bump = jnp.exp(-stretch * rule.t), (rule.t * (1 - rule.t))[:, None]
    end = jnp.pi * jnp.sign(problem.host_curvature) if closed else 0.0
    basis = jnp.concatenate([((1 - d) * fall)[:, None], bump * rule.value], 1)
    slopes = (1 - 2 * rule.t)[:, None] * rule.value + bump * rule.slope
    turning = jnp.concatenate([-((dd + stretch * (1 - d)) * fall)[:, None], slopes], 1)
    reach = rule.integral - d[:, None] * rule.weight if closed else jnp.asarray(rule.integral)
    return Arc(rule.weight, dd, d * end, basis, dd * end, turning, alpha * (1 - d) if closed else alpha + 0 * d, reach)


def meridian(problem: Problem, closed: bool):
    """From the rim to where a flat host is cut off, or to the far pole of a sphere."""
    if closed:
        return jnp.pi / jnp.abs(problem.host_curvature)
    return DECAY_LENGTHS / jnp.sqrt(problem.tension / problem.rigidity_ratio + 1e-8)


# Energy and constraints per dt, at (r, psi, dpsi/dt, S, multipliers): local, and linear in the multipliers --------


def _domain_density(at, pace, x, problem, closed):
    """Multipliers of the rim's radius and the area[, of the volume]."""
    r, psi, turn, length, rim, whole, *volume = at
    ds, y = length * pace, jnp.tanh(x)
    excess = turn / ds + jnp.sin(psi) / r - problem.spontaneous_curvature
    # Gauss & Bonnet: the Gaussian term integrates to 2 pi g (1 - cos psi_rim).
    value = jnp.pi * excess**2 * r * ds + 2 * jnp.pi * problem.gaussian_contrast * jnp.sin(psi) * turn
    # Divided by y, so that the condition on the rim's radius stays regular at the flat state.
    value = value + rim * (4 * (jnp.sin(psi / 2) / y) ** 2 * r * ds - 1) + whole * (2 * r * ds - 1)
    return value + (volume[0] * _volume(r, psi, ds, problem) if closed else jnp.pi * problem.tension * y**2)


def _host_density(at, pace, x, problem, closed):
    """Multipliers, of a spherical host only, of closure and volume."""
    r, psi, turn, length, *multipliers = at
    ds = length * pace
    curved = turn / ds + jnp.sin(psi) / r
    bending = (curved**2 - 2 * problem.host_spontaneous_curvature * curved) * r * ds
    value = jnp.pi * problem.rigidity_ratio * bending
    if not closed:
        return value + 2 * jnp.pi * problem.tension * 2 * jnp.sin(psi / 2) ** 2 * r * ds
    closure, volume = multipliers
    value = value + 2 * jnp.pi * problem.tension * r * ds + closure * (ds * jnp.cos(psi) + 1 / jnp.cosh(x))
    return value + volume * (_volume(r, psi, ds, problem) - jnp.sign(problem.host_curvature))


def _volume(r, psi, ds, problem):
    """Volume under an arc over that of the host's sphere, per dt."""
    return 0.75 * jnp.abs(problem.host_curvature) ** 3 * r**2 * jnp.sin(psi) * ds


def _parts(z, x, problem, closed, resolution):
    """(density, arc, its unknowns) of domain and host: they meet only in psi_rim and the multiplier of the volume.

    z = (a, S, 2 multipliers, b[, S_out, 2 multipliers])."""
    here = resolution.inner + 3
    rim = jnp.tanh(x) * jnp.sum(z[: resolution.inner])
    inner = jnp.concatenate([z[:here], z[-1:]]) if closed else z[:here]
    outer = [rim[None], z[here:]] if closed else [rim[None], z[here:], jnp.atleast_1d(meridian(problem, closed))]
    host = host_arc(x, problem, closed, resolution)
    return (_domain_density, domain_arc(x, resolution), inner), (_host_density, host, jnp.concatenate(outer))


def arcs(z, x, problem, closed, resolution):
    """(domain, host, angle at the rim, radius at the host's end) of the curve that z describes."""
    (_, domain, inner), (_, host, outer) = _parts(z, x, problem, closed, resolution)
    there = host.profile(outer, rule_of(resolution.outer))
    last = 1 / jnp.cosh(x) + jnp.sum(there.weight * jnp.cos(there.psi))
    return domain.profile(inner, rule_of(resolution.inner)), there, outer[0], last


def lagrangian(z, x, problem, closed, resolution):
    """G with its constraints."""

    def total(density, arc, v):
        at = (*arc.fields(v), *v[arc.basis.shape[1] :])
        return jnp.sum(arc.weight * density(at, arc.pace, x, problem, closed))

    return sum(total(*part) for part in _parts(z, x, problem, closed, resolution))


def hessian(z, x, problem, closed, resolution):
    """Of the Lagrangian in z, assembled from those of its local densities."""
    parts = _parts(z, x, problem, closed, resolution)
    h_in, h_out = (_hessian(*part, x, problem, closed) for part in parts)
    n, y, here, end = resolution.inner, jnp.tanh(x), resolution.inner + 3, z.size - resolution.inner - 2
    whole = jnp.zeros((z.size, z.size), z.dtype)
    whole = whole.at[:here, :here].add(h_in[:here, :here]).at[here:, here:].add(h_out[1:end, 1:end])
    whole = whole.at[:n, :n].add(y**2 * h_out[0, 0])
    whole = whole.at[:n, here:].add(y * h_out[0, 1:end]).at[here:, :n].add(y * h_out[1:end, :1])
    if closed:
        whole = whole.at[:here, -1].add(h_in[:here, -1]).at[-1, :here].add(h_in[-1, :here])
    return whole


def _hessian(density, arc, v, x, problem, closed):
    """Hessian in v of the integral of a density.

    r depends on psi at all points before, but its second derivative is local again: weighted with dL/dr it is that of
    sum_q (reach^T dL/dr)_q S pace_q cos psi_q."""
    count, (r, psi, turn) = arc.basis.shape[1], arc.fields(v)
    rest = v[count:]
    at = jnp.concatenate([jnp.stack([r, psi, turn]), jnp.broadcast_to(rest[:, None], (rest.size, r.size))])
    total = lambda at: jnp.sum(arc.weight * density(at, arc.pace, x, problem, closed))
    pull = arc.reach.T @ jax.grad(total)(at)[0]
    # Every point's own derivatives at once, for the sum is over points.
    slope = jax.grad(lambda at: total(at) + jnp.sum(pull * at[3] * arc.pace * jnp.cos(at[1])))
    along = lambda axis: jax.jvp(slope, (at,), (jnp.broadcast_to(axis[:, None], at.shape),))[1]
    second = jax.vmap(along)(jnp.eye(len(at), dtype=v.dtype))

    # d(r, psi, turn) by coefficients, one below the other, and of r by the length; the rest stands in the densities.
    swing = arc.reach @ (-(v[count] * arc.pace * jnp.sin(psi))[:, None] * arc.basis)
    moved = jnp.zeros((r.size, rest.size), v.dtype).at[:, 0].set(arc.reach @ (arc.pace * jnp.cos(psi)))
    by = (swing, arc.basis, arc.turning)
    half = [sum(second[a, b, :, None] * by[b] for b in range(3)) for a in range(3)]
    cross = [second[a, 3:].T + second[a, 0, :, None] * moved for a in range(3)]
    by, half, cross = (jnp.concatenate(parts) for parts in (by, half, cross))
    corner = jnp.sum(second[3:, 3:], -1) + second[3:, 0] @ moved + moved.T @ cross[: r.size]
    mixed = by.T @ cross
    return jnp.block([[by.T @ half, mixed], [mixed.T, corner]])


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


def closed_energy(problem: Problem, closed: bool):
    """G of the ideal closed bud, a sphere of diameter L that its host has relaxed behind: pi (4 - c)^2/2 + 4 pi g, and
    pi s or, of a spherical host whose lumen keeps its volume, that of the sphere that is left."""
    bud = 0.5 * jnp.pi * (4 - problem.spontaneous_curvature) ** 2 + 4 * jnp.pi * problem.gaussian_contrast
    if not closed:
        return bud + jnp.pi * problem.tension
    sign = jnp.sign(problem.host_curvature)
    left = sign * (1 / jnp.abs(problem.host_curvature) ** 3 - sign / 8) ** (-1 / 3)
    outside = 2 * problem.rigidity_ratio * (left**2 - left * problem.host_spontaneous_curvature) + problem.tension
    return bud + 4 * jnp.pi * outside / left**2


def closing_tension(problem: Problem):
    """l at which an ideal neck closes, 4 - c - k c_out + 2 k h (Juelicher & Lipowsky 1993, recalled; docs/bud.md)."""
    host = 2 * problem.host_curvature - problem.host_spontaneous_curvature
    return 4 - problem.spontaneous_curvature + problem.rigidity_ratio * host


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
