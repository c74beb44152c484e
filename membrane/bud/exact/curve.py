"""The generating curve of a domain in its host, and the energy of that curve.

Lengths are in units of L (the domain has the area pi L^2), energies in units of kappa_in. The curve is given by the
tangent angle psi(s) over the arc length s from the pole of the domain: dr/ds = cos psi, dz/ds = sin psi. psi > 0 bends
into the lumen. Twice the mean curvature is 2H = psi' + sin(psi)/r. The energy without that of the rim is

    G = pi int_in (2H - c)^2 r ds + pi k int_out [(2H)^2 - 2 c_out (2H)] r ds + 2 pi g (1 - cos psi_rim) + s A_excess,

with c = c0_in L, c_out = c0_out L, k = kappa_out/kappa_in, g = (kappa_G,in - kappa_G,out)/kappa_in (by the theorem of
Gauss and Bonnet only this difference has an effect) and s = sigma L^2/kappa_in. sigma is the whole cost of drawing flat
host area, kappa_out c0_out^2/2 included. A_excess is, for a flat host, its area less its projection, plus the hole's;
for a spherical host, whose lumen keeps its volume, it is the area of the host. docs/bud.md has the boundary conditions.

Domain and host are one :class:`Arc` each, which is described by a vector of unknowns.
"""

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial import legendre

from membrane.bud.exact.problem import Problem

DECAY_LENGTHS = 12.0
"""A flat host is cut off at this many of its decay lengths sqrt(kappa_out/sigma)."""


class Resolution(NamedTuple):
    """How finely a path is computed.

    Attributes:
        inner: number of polynomials for psi on the domain.
        outer: number of polynomials for psi on the host.
        step: distance of the points of the path in x.
        least_rim: smallest rim radius over L that the path must reach.
        backward: number of points at x < 0, for domains that their host bends away from the lumen.
    """

    inner: int = 16
    outer: int = 28
    step: float = 0.1
    least_rim: float = 0.027
    backward: int = 5


class Profile(NamedTuple):
    """An arc at its quadrature points, arrays (points,).

    Attributes:
        s: arc length from the start of the arc.
        r: distance from the axis.
        z: height above the start of the arc.
        psi: tangent angle, rad.
        bend: psi' = dpsi/ds.
        weight: weights of the quadrature, so that sum(weight f) is the integral of f over s.
    """

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


class QuadratureRule(NamedTuple):
    """Gauss-Legendre quadrature on (0, 1), and Legendre polynomials at its points.

    Attributes:
        t: the points, array (points,).
        weight: their weights, array (points,).
        integral: matrix (points, points) that turns values at the points into integrals from 0 to each point.
        value: polynomials at the points, array (points, degrees).
        slope: derivatives of the polynomials in t, array (points, degrees).
    """

    t: np.ndarray
    weight: np.ndarray
    integral: np.ndarray
    value: np.ndarray
    slope: np.ndarray


@lru_cache
def rule_of(degrees: int) -> QuadratureRule:
    """The quadrature for an arc with this many polynomials, half as many points again."""
    points = (3 * degrees + 1) // 2
    x, w = legendre.leggauss(points)
    basis = np.eye(points)
    antiderivative = np.stack([legendre.legval(x, legendre.legint(b, lbnd=-1)) for b in basis], 1)
    slopes = np.stack([legendre.legval(x, legendre.legder(b)) for b in basis[:, :points]], 1)
    vandermonde = legendre.legvander(x, points - 1)
    integral = antiderivative @ np.linalg.inv(vandermonde) / 2
    return QuadratureRule((x + 1) / 2, w / 2, integral, vandermonde[:, :degrees], 2 * slopes[:, :degrees])


class Arc(NamedTuple):
    """An arc as a function of its unknowns v = (coefficients of psi, length S, multipliers).

    At the quadrature points t in (0, 1)

        ds/dt = S stretch,    psi = angle + basis v,    dpsi/dt = turn + basis_slope v,
        r = start + integrate (ds/dt cos psi).

    Attributes:
        weight: weights of the quadrature over t, array (points,).
        stretch: ds/dt over S, array (points,).
        angle: part of psi without unknowns, array (points,).
        basis: what each coefficient adds to psi, array (points, coefficients).
        turn: part of dpsi/dt without unknowns, array (points,).
        basis_slope: what each coefficient adds to dpsi/dt, array (points, coefficients).
        start: part of r without unknowns, array (points,).
        integrate: matrix (points, points) that integrates dr/dt from the start of the arc to each point.
    """

    weight: np.ndarray
    stretch: jax.Array
    angle: jax.Array
    basis: jax.Array
    turn: jax.Array
    basis_slope: jax.Array
    start: jax.Array
    integrate: jax.Array

    def fields(self, v):
        """r, psi and dpsi/dt."""
        count = self.basis.shape[1]
        psi = self.angle + self.basis @ v[:count]
        return (
            self.start + self.integrate @ (v[count] * self.stretch * jnp.cos(psi)),
            psi,
            self.turn + self.basis_slope @ v[:count],
        )

    def profile(self, v, rule: QuadratureRule) -> Profile:
        """The arc for given unknowns."""
        r, psi, turn = self.fields(v)
        ds = v[self.basis.shape[1]] * self.stretch
        return Profile(rule.integral @ ds, r, rule.integral @ (ds * jnp.sin(psi)), psi, turn / ds, ds * self.weight)


# The two arcs. Unknowns of the domain: (a, S, multipliers); of the host: (psi_rim, b, S, multipliers) ------------


def domain_arc(x, resolution) -> Arc:
    """psi = y m(t) sum a_k P_k(t) with y = tanh x; m(t) = s/S puts many points near the rim, as its radius asks for."""
    rule, y, alpha = rule_of(resolution.inner), jnp.tanh(x), 1 / jnp.cosh(x)
    growth = jnp.log1p(1 / alpha)
    rest = growth * (1 - rule.t)
    m, dm = 1 - jnp.expm1(rest) / jnp.expm1(growth), growth * jnp.exp(rest) / jnp.expm1(growth)
    basis = y * m[:, None] * rule.value
    basis_slope = y * (dm[:, None] * rule.value + m[:, None] * rule.slope)
    # An arc that is no solution does not end at the rim. The gap is spread over the arc, so that r is regular at both
    # ends.
    integrate = rule.integral - m[:, None] * rule.weight
    none = jnp.zeros_like(m)
    return Arc(rule.weight, dm, none, basis, none, basis_slope, m * alpha, integrate)


def host_arc(x, problem, closed, resolution) -> Arc:
    """psi = (1-d) e^(-bt) psi_rim + d psi_end + t(1-t) sum b_k P_k(t), with s = S d(t).

    ds/dt grows from alpha at the rim to the length of the host's own meridian. psi_end is 0 for a flat host, and -pi or
    +pi at the far pole of a spherical one.
    """
    rule, alpha = rule_of(resolution.outer), 1 / jnp.cosh(x)
    growth = jnp.log1p(meridian(problem, closed) / alpha)
    d, dd = jnp.expm1(growth * rule.t) / jnp.expm1(growth), growth * jnp.exp(growth * rule.t) / jnp.expm1(growth)
    fall, bump = jnp.exp(-growth * rule.t), (rule.t * (1 - rule.t))[:, None]
    end = jnp.pi * jnp.sign(problem.host_curvature) if closed else 0.0
    basis = jnp.concatenate([((1 - d) * fall)[:, None], bump * rule.value], 1)
    slopes = (1 - 2 * rule.t)[:, None] * rule.value + bump * rule.slope
    basis_slope = jnp.concatenate([-((dd + growth * (1 - d)) * fall)[:, None], slopes], 1)
    integrate = rule.integral - d[:, None] * rule.weight if closed else jnp.asarray(rule.integral)
    start = alpha * (1 - d) if closed else alpha + 0 * d
    return Arc(rule.weight, dd, d * end, basis, dd * end, basis_slope, start, integrate)


def meridian(problem: Problem, closed: bool):
    """Length of the host's meridian: to where a flat host is cut off, or to the far pole of a sphere."""
    if closed:
        return jnp.pi / jnp.abs(problem.host_curvature)
    return DECAY_LENGTHS / jnp.sqrt(problem.tension / problem.rigidity_ratio + 1e-8)


# Densities of energy and constraints over t, at (r, psi, dpsi/dt, S, multipliers). They are local, and linear in the
# multipliers --------------------------------------------------------------------------------------------------------


def _domain_density(at, stretch, x, problem, closed):
    """Multipliers: of the radius of the rim, of the area, and in a spherical host of what the host keeps."""
    r, psi, turn, length, rim, whole, *volume = at
    ds, y = length * stretch, jnp.tanh(x)
    excess = turn / ds + jnp.sin(psi) / r - problem.spontaneous_curvature
    # By Gauss and Bonnet the Gaussian term integrates to 2 pi g (1 - cos psi_rim).
    value = jnp.pi * excess**2 * r * ds + 2 * jnp.pi * problem.gaussian_contrast * jnp.sin(psi) * turn
    # The condition for the radius of the rim is divided by y, so that it is regular at the flat state.
    value = value + rim * (4 * (jnp.sin(psi / 2) / y) ** 2 * r * ds - 1) + whole * (2 * r * ds - 1)
    pressed = lambda: volume[0] * problem.volume_kept * _volume(r, psi, ds, problem)
    return value + (pressed() if closed else jnp.pi * problem.tension * y**2)


def _host_density(at, stretch, x, problem, closed):
    """Multipliers, of a spherical host only: of its closure at the far pole, and of what it keeps, volume or area."""
    r, psi, turn, length, *multipliers = at
    ds = length * stretch
    curved = turn / ds + jnp.sin(psi) / r
    bending = (curved**2 - 2 * problem.host_spontaneous_curvature * curved) * r * ds
    value = jnp.pi * problem.rigidity_ratio * bending
    if not closed:
        return value + 2 * jnp.pi * problem.tension * 2 * jnp.sin(psi / 2) ** 2 * r * ds
    (closure, kept), by_volume = multipliers, problem.volume_kept
    value = value + 2 * jnp.pi * by_volume * problem.tension * r * ds + closure * (ds * jnp.cos(psi) + 1 / jnp.cosh(x))
    volume = _volume(r, psi, ds, problem) - jnp.sign(problem.host_curvature)
    area = 2 * r * ds - host_area(problem)
    return value + kept * (by_volume * volume + (1 - by_volume) * area)


def host_area(problem: Problem):
    """Area of the undisturbed spherical host without the domain, over the domain's."""
    return 4 / problem.host_curvature**2 - 1


def _volume(r, psi, ds, problem):
    """Volume under an arc per dt, over the volume of the host's sphere."""
    return 0.75 * jnp.abs(problem.host_curvature) ** 3 * r**2 * jnp.sin(psi) * ds


def _parts(z, x, problem, closed, resolution):
    """(density, arc, its unknowns) of the domain and of the host.

    z = (a, S, 2 multipliers, b[, S_out, 2 multipliers]). The two parts share only psi_rim and the last multiplier.
    """
    here = resolution.inner + 3
    rim = jnp.tanh(x) * jnp.sum(z[: resolution.inner])
    inner = jnp.concatenate([z[:here], z[-1:]]) if closed else z[:here]
    outer = [rim[None], z[here:]] if closed else [rim[None], z[here:], jnp.atleast_1d(meridian(problem, closed))]
    host = host_arc(x, problem, closed, resolution)
    return (_domain_density, domain_arc(x, resolution), inner), (_host_density, host, jnp.concatenate(outer))


def arcs(z, x, problem, closed, resolution):
    """(domain, host, angle at the rim, radius at the host's end) of the curve that the unknowns z describe."""
    (_, domain, inner), (_, host, outer) = _parts(z, x, problem, closed, resolution)
    there = host.profile(outer, rule_of(resolution.outer))
    last = 1 / jnp.cosh(x) + jnp.sum(there.weight * jnp.cos(there.psi))
    return domain.profile(inner, rule_of(resolution.inner)), there, outer[0], last


def lagrangian(z, x, problem, closed, resolution):
    """G and its constraints, each times its multiplier."""

    def total(density, arc, v):
        at = (*arc.fields(v), *v[arc.basis.shape[1] :])
        return jnp.sum(arc.weight * density(at, arc.stretch, x, problem, closed))

    return sum(total(*part) for part in _parts(z, x, problem, closed, resolution))


def hessian(z, x, problem, closed, resolution):
    """Second derivatives of the Lagrangian in z, put together from those of domain and host."""
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
    """Hessian in v of the integral of a density over one arc.

    r at one point depends on psi at all points before it. Its second derivative is local all the same: weighted with
    dL/dr it is that of sum_q (integrate^T dL/dr)_q S stretch_q cos psi_q.
    """
    count, (r, psi, turn) = arc.basis.shape[1], arc.fields(v)
    rest = v[count:]
    at = jnp.concatenate([jnp.stack([r, psi, turn]), jnp.broadcast_to(rest[:, None], (rest.size, r.size))])
    total = lambda at: jnp.sum(arc.weight * density(at, arc.stretch, x, problem, closed))
    by_radius = arc.integrate.T @ jax.grad(total)(at)[0]
    # The total is a sum over points, so that one product gives the derivatives of all points at once.
    slope = jax.grad(lambda at: total(at) + jnp.sum(by_radius * at[3] * arc.stretch * jnp.cos(at[1])))
    along = lambda axis: jax.jvp(slope, (at,), (jnp.broadcast_to(axis[:, None], at.shape),))[1]
    second = jax.vmap(along)(jnp.eye(len(at), dtype=v.dtype))

    # Derivatives of (r, psi, dpsi/dt) in the coefficients, and of r in the length. The other unknowns enter the density
    # directly.
    radius_by_psi = arc.integrate @ (-(v[count] * arc.stretch * jnp.sin(psi))[:, None] * arc.basis)
    radius_by_length = arc.integrate @ (arc.stretch * jnp.cos(psi))
    moved = jnp.zeros((r.size, rest.size), v.dtype).at[:, 0].set(radius_by_length)
    by = (radius_by_psi, arc.basis, arc.basis_slope)
    half = [sum(second[a, b, :, None] * by[b] for b in range(3)) for a in range(3)]
    cross = [second[a, 3:].T + second[a, 0, :, None] * moved for a in range(3)]
    by, half, cross = (jnp.concatenate(parts) for parts in (by, half, cross))
    corner = jnp.sum(second[3:, 3:], -1) + second[3:, 0] @ moved + moved.T @ cross[: r.size]
    mixed = by.T @ cross
    return jnp.block([[by.T @ half, mixed], [mixed.T, corner]])


def spontaneous_torque(problem: Problem):
    """c - k c_out + 2 k h: the torque that bends a flat domain into the lumen, for a small h and a small tension."""
    host = 2 * problem.host_curvature - problem.host_spontaneous_curvature
    return problem.spontaneous_curvature + problem.rigidity_ratio * host


def unknowns(closed: bool, resolution: Resolution) -> int:
    """Length of the vector of unknowns z, multipliers included."""
    return resolution.inner + 3 + resolution.outer + 3 * closed


def tail(z, resolution: Resolution):
    """The largest of the last two coefficients of psi on the domain and on the host, rad; z may have leading axes.

    It shrinks as the polynomials come to resolve the curve. It stays large where a neck lies off the rim, as a Gaussian
    contrast makes it, because the points lie close together at the rim only.
    """
    inner, outer = resolution.inner, resolution.inner + 3 + resolution.outer
    last = jnp.concatenate([z[..., inner - 2 : inner], z[..., outer - 2 : outer]], -1)
    return jnp.max(jnp.abs(last), -1)


def gradient(z, x, problem, closed, resolution):
    """Derivative of the Lagrangian in z. It is zero where the shape is in equilibrium at its fixed rim."""
    return jax.grad(lagrangian)(z, x, problem, closed, resolution)


def reference_energy(problem: Problem, line_tension, closed: bool):
    """G + 2 pi l alpha of the undisturbed host: a plane, or a sphere that the domain is a part of."""
    if not closed:
        return 0.5 * jnp.pi * problem.spontaneous_curvature**2 + 2 * jnp.pi * line_tension
    h = problem.host_curvature
    inside = 0.5 * (2 * h - problem.spontaneous_curvature) ** 2
    outside = (
        2 * problem.rigidity_ratio * (h**2 - h * problem.host_spontaneous_curvature)
        + problem.volume_kept * problem.tension
    )
    # The domain is a spherical cap of area pi and opening angle theta: 1 - cos(theta) = h^2/2.
    rim = jnp.sqrt(1 - h**2 / 4)
    return jnp.pi * (inside + outside * host_area(problem) + problem.gaussian_contrast * h**2 + 2 * line_tension * rim)


def closed_energy(problem: Problem, closed: bool):
    """G of the ideal closed bud, a sphere of diameter L, and of the host that has relaxed after it.

    The bud has pi (4 - c)^2/2 + 4 pi g. A flat host adds pi s. A spherical host adds the energy
    of the sphere that is left, of the volume or of the area that it keeps.
    """
    bud = 0.5 * jnp.pi * (4 - problem.spontaneous_curvature) ** 2 + 4 * jnp.pi * problem.gaussian_contrast
    if not closed:
        return bud + jnp.pi * problem.tension
    sign = jnp.sign(problem.host_curvature)
    by_volume = (1 / jnp.abs(problem.host_curvature) ** 3 - sign / 8) ** (-1 / 3)
    left = sign * jnp.where(problem.volume_kept == 1, by_volume, 2 / jnp.sqrt(host_area(problem)))
    outside = 2 * problem.rigidity_ratio * (left**2 - left * problem.host_spontaneous_curvature)
    outside = outside + problem.volume_kept * problem.tension
    return bud + 4 * jnp.pi * outside / left**2


def closing_tension(problem: Problem):
    """The l at which an ideal neck closes, 4 - c - k c_out + 2 k h.

    Source: Juelicher & Lipowsky 1993, Phys. Rev. Lett. 70:2964, recalled; confirmed in docs/bud.md.
    """
    host = 2 * problem.host_curvature - problem.host_spontaneous_curvature
    return 4 - problem.spontaneous_curvature + problem.rigidity_ratio * host


def outline(problem: Problem, x, state, *, closed: bool, resolution: Resolution):
    """The curve of one solved state, for drawing, in units of L.

    Returns ((r, z) of the domain from its pole to the rim, (r, z) of the host from the rim on).
    """
    domain, host, _, last = arcs(state, x, problem, closed, resolution)
    rim, top = 1 / jnp.cosh(x), jnp.sum(jnp.sin(domain.psi) * domain.weight)
    end, bottom = (0.0 if closed else last), top + jnp.sum(jnp.sin(host.psi) * host.weight)
    joined = lambda first, middle, final: jnp.concatenate([jnp.atleast_1d(first), middle, jnp.atleast_1d(final)])
    return (
        (joined(0.0, domain.r, rim), joined(0.0, domain.z, top)),
        (joined(rim, host.r, end), joined(top, top + host.z, bottom)),
    )
