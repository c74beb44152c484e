"""Exact axisymmetric mechanics of one domain in its host: shapes, energies and the path from flat to closed neck.

Lengths in units of L (domain area pi L^2), energies in units of kappa_in. The generating curve carries the tangent
angle psi(s) over the arc length s from the pole of the domain, dr/ds = cos psi, 2H = psi' + sin(psi)/r. Its energy
without the rim's is

    G = pi int_in (2H - c)^2 r ds + pi k int_out [(2H)^2 - 2 c_out (2H)] r ds + 2 pi g (1 - cos psi_rim) + s A_excess,

c = c0_in L, c_out = c0_out L, k = kappa_out/kappa_in, g = (kappa_G,in - kappa_G,out)/kappa_in (Gauss-Bonnet leaves only
this contrast), s = sigma L^2/kappa_in, sigma the whole cost of drawing flat host area, kappa_out c0_out^2/2 included.
A_excess is membrane area less its projection (flat host) or the host's area (spherical host, whose lumen keeps its
volume). The rim adds 2 pi l alpha, l = lambda L/kappa_in, alpha its radius.

Path: alpha = 1/cosh x. For every x the energy is least at this alpha and at fixed domain area; l does not enter, so one
path serves all line tensions, and a state is in equilibrium at l*(x) = -G'(x)/(2 pi alpha'(x)). x > 0 bends into the
lumen (psi > 0), x < 0 away. docs/bud.md has boundary conditions, derivations and convergence.
"""

from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial import legendre

DECAY_LENGTHS = 12.0
"""A flat host is cut off at so many of its lengths sqrt(kappa_out/sigma)."""

BEGIN, TURNS = 0.8, 4
"""Where on the path and in how many stages a problem is reached from an easier one."""

FIRST_STEPS, NEWTON_STEPS, NEWTON_TOLERANCE, LARGEST_CHANGE = 40, 8, 1e-9, 0.3


class Problem(NamedTuple):
    """One domain and its host, or arrays of them, dimensionless: c, c_out, s, k, g, and ``host_curvature`` = -L/R_v for
    buds into the lumen of a host of radius R_v, +L/R_v for buds away from it, 0 for a flat host."""

    spontaneous_curvature: jax.Array
    host_spontaneous_curvature: jax.Array
    tension: jax.Array
    rigidity_ratio: jax.Array
    gaussian_contrast: jax.Array
    host_curvature: jax.Array


LEAST_TORQUE = 0.5
"""Problems of less :func:`spontaneous_torque` are reached from the easier one."""

EASY = Problem(2.5, 0.0, 0.3, None, None, None)
"""Least spontaneous curvature and tension of the problem that the search sets out from."""


class Resolution(NamedTuple):
    """Number of polynomials for psi on the domain and on the host, spacing of the path in x, its least rim radius over L,
    and how many points it has at x < 0."""

    inner: int = 16
    outer: int = 28
    step: float = 0.1
    least_rim: float = 0.027
    backward: int = 5


class Path(NamedTuple):
    """States along the path, arrays (points,): ``x``; ``energy`` G, ``slope`` dG/dx, ``bend`` d2G/dx2; ``neck_radius``
    (smallest radius beyond the bud's equator; the rim's while there is no neck); ``contact_angle`` psi at the rim;
    ``drag`` of membrane shear against dx/dt over eta_m L^2; ``residual`` of the equations (nan or large: no such state);
    ``state`` (points, unknowns)."""

    x: jax.Array
    energy: jax.Array
    slope: jax.Array
    bend: jax.Array
    neck_radius: jax.Array
    contact_angle: jax.Array
    drag: jax.Array
    residual: jax.Array
    state: jax.Array


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
def _rule(degrees: int) -> Rule:
    points = (3 * degrees + 1) // 2
    x, w = legendre.leggauss(points)
    basis = np.eye(points)
    antiderivative = np.stack([legendre.legval(x, legendre.legint(b, lbnd=-1)) for b in basis], 1)
    slopes = np.stack([legendre.legval(x, legendre.legder(b)) for b in basis[:, :points]], 1)
    vandermonde = legendre.legvander(x, points - 1)
    integral = antiderivative @ np.linalg.inv(vandermonde) / 2
    return Rule((x + 1) / 2, w / 2, integral, vandermonde[:, :degrees], 2 * slopes[:, :degrees])


# The curve. Unknowns: inner (a, S), outer (b,) or (b, S_out) ------------------------------------------------------


def _domain(inner, x, resolution) -> Profile:
    """psi = y m(t) sum a_k P_k(t), y = tanh x; m = s/S crowds points at the rim on the scale of its radius."""
    rule = _rule(resolution.inner)
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


def _host(outer, rim_angle, x, problem, closed, resolution) -> tuple[Profile, jax.Array]:
    """psi = (1-d) e^(-bt) psi_rim + d psi_end + t(1-t) sum b_k P_k(t), s = S_out d(t), ds/dt growing from alpha to
    S_out; and the radius at its end. psi_end: 0 for a flat host, -+pi at the far pole of a spherical one."""
    rule = _rule(resolution.outer)
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
    domain, y = _domain(v[: count + 1], x, resolution), jnp.tanh(x)
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
    host, last = _host(v[1 : count + 1] if closed else v[1:count], v[0], x, problem, closed, resolution)
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


def _split(z, x, closed, resolution):
    """The arguments of both Lagrangians: z = (a, S, 2 multipliers, b[, S_out, 2 multipliers])."""
    here = resolution.inner + 3
    rim = jnp.tanh(x) * jnp.sum(z[: resolution.inner])
    inner = jnp.concatenate([z[:here], z[-1:]]) if closed else z[:here]
    return inner, jnp.concatenate([rim[None], z[here:]])


def _lagrangian(z, x, problem, closed, resolution):
    inner, outer = _split(z, x, closed, resolution)
    value = _inner_lagrangian(inner, x, problem, closed, resolution)
    return value + _outer_lagrangian(outer, x, problem, closed, resolution)


def _system(z, x, problem, closed, resolution):
    """Gradient and Hessian of the Lagrangian in z, assembled from the two small Hessians."""
    inner, outer = _split(z, x, closed, resolution)

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


# Solving ----------------------------------------------------------------------------------------------------------


def _guess(x, problem, closed, resolution):
    """The spherical cap in a host that relaxes like a catenoid."""
    y = jnp.tanh(x)
    arc = jnp.arcsin(y) / y
    parts = [2 * arc, jnp.zeros(resolution.inner - 1), arc, jnp.zeros(2 + resolution.outer)]
    if closed:
        # The far host is its sphere, held by the pressure 2 sigma/R_v less the pull of its spontaneous curvature.
        h, sign = problem.host_curvature, jnp.sign(problem.host_curvature)
        pull = problem.tension / jnp.abs(h) - problem.rigidity_ratio * problem.host_spontaneous_curvature * sign
        parts += [jnp.pi / jnp.abs(h) - arc, 0.0, -sign * 8 * jnp.pi / (3 * jnp.abs(h)) * pull]
    return jnp.concatenate([jnp.atleast_1d(jnp.asarray(p, y.dtype)) for p in parts])


def _newton(z, x, problem, closed, resolution, limit):
    """(state, its derivative in x, size of the last correction) by Newton's method; far steps are shortened."""
    shape = np.ones(z.size)
    shape[resolution.inner + 1 : resolution.inner + 3] = shape[z.size - 2 * closed :] = 0.0

    def body(carry):
        z, _, _, count = carry
        gradient, hessian = _system(z, x, problem, closed, resolution)
        slope = lambda x: _gradient(z, x, problem, closed, resolution)
        moving = jax.jvp(slope, (x,), (jnp.ones_like(x),))[1]
        solved = jnp.linalg.solve(hessian, jnp.stack([gradient, moving], 1))
        size = jnp.max(jnp.abs(solved[:, 0] * shape))
        return z - jnp.minimum(1, LARGEST_CHANGE / size) * solved[:, 0], -solved[:, 1], size, count + 1

    going = lambda carry: (carry[2] > NEWTON_TOLERANCE**0.5) & (carry[3] < limit)
    start = (z, jnp.zeros_like(z), jnp.asarray(jnp.inf, z.dtype), 0)
    z, along, last, _ = jax.lax.while_loop(going, body, start)
    return z, along, last


def _gradient(z, x, problem, closed, resolution):
    return jax.grad(_lagrangian)(z, x, problem, closed, resolution)


def _describe(z, along, x, problem, closed, resolution):
    """(energy G, G', G'', neck radius, contact angle, drag) of a solved state and its derivative along the path."""

    def curve(z, x):
        inner, outer = _split(z, x, closed, resolution)
        count = resolution.outer + 1
        domain = _domain(inner[: resolution.inner + 1], x, resolution)
        unknowns = outer[1 : count + 1] if closed else outer[1:count]
        return domain, _host(unknowns, outer[0], x, problem, closed, resolution)[0], outer[0]

    def material(z, x):
        """Radius, and area enclosed between the arc's start and each point (over pi)."""
        domain, host, _ = curve(z, x)
        rules = _rule(resolution.inner), _rule(resolution.outer)
        areas = [rule.integral @ (2 * p.r * p.weight / rule.weight) for rule, p in zip(rules, (domain, host))]
        whole = jnp.sum(2 * host.r * host.weight)
        return domain.r, areas[0], host.r, areas[1], whole

    domain, host, angle = curve(z, x)
    lagrangian = lambda z, x: _lagrangian(z, x, problem, closed, resolution)
    energy = lagrangian(z, x)
    slope_of = jax.grad(lagrangian, 1)
    slope, bend = jax.jvp(slope_of, (z, x), (along, jnp.ones_like(x)))

    (r_in, a_in, r_out, a_out, whole), rates = jax.jvp(material, (z, x), (along, jnp.ones_like(x)))
    # A host that draws area from its undulations stretches evenly; parallels minus meridians is its shear.
    growth = rates[4] / whole if closed else 0.0
    strain_in = (rates[0] - jnp.cos(domain.psi) * rates[1] / (2 * r_in)) / r_in
    strain_out = (rates[2] - jnp.cos(host.psi) * (rates[3] - growth * a_out) / (2 * r_out)) / r_out - growth / 2
    drag = 8 * jnp.pi * (jnp.sum(strain_in**2 * r_in * domain.weight) + jnp.sum(strain_out**2 * r_out * host.weight))
    return energy, slope, bend, _neck(domain, host, angle, 1 / jnp.cosh(x)), angle, drag


def _neck(domain, host, angle, rim):
    """Smallest radius beyond the equator of the bud: where psi falls through pi/2, to second order from the nearest
    point."""
    right = 0.5 * jnp.pi
    waists = []
    for arc in (domain, host):
        distance = jnp.where(arc.bend < 0, jnp.abs(arc.psi - right), jnp.inf)
        at = jnp.argmin(distance)
        waists.append(arc.r[at] + (1 - jnp.sin(arc.psi[at])) / arc.bend[at])
    inside = jnp.where(jnp.max(domain.psi) > right, waists[0], rim)
    return jnp.minimum(rim, jnp.where(angle > right, waists[1], inside))


@partial(jax.jit, static_argnames=("closed", "resolution"))
def trace(problem: Problem, *, closed: bool, resolution: Resolution = Resolution()) -> Path:
    """The path of one problem (scalars) or, leading axis, of many. ``closed``: whether the host is a sphere.

    Continuation in x from |x| = step/2 both ways by Hermite extrapolation and Newton's method. States beyond the first
    that cannot be reached are nan: there the rim's radius ceases to be a coordinate (a neck that has left the rim)."""
    if jnp.ndim(problem.tension):
        one = partial(trace.__wrapped__, closed=closed, resolution=resolution)
        return jax.vmap(lambda p: one(p))(problem)
    step, down = resolution.step, resolution.backward
    up = round(float(np.arccosh(1 / resolution.least_rim)) / step + 0.5)
    # One loop, compiled once: upward from the flat state, then from the cap at x = BEGIN downward, last from -step/2 down.
    # A domain that its host bends away has no state near x = 0: an easier problem is walked to the cap and turned into
    # it there.
    against = spontaneous_torque(problem) < LEAST_TORQUE
    begin = round(BEGIN / step)
    walks = [np.arange(begin), np.full(TURNS, begin), np.arange(begin + 1, up), np.arange(begin - 1, -1, -1)]
    walks.append(np.arange(-1, -1 - down, -1))
    index, sizes = np.concatenate(walks), [len(walk) for walk in walks]
    heading = np.repeat([1.0, 0.0, 1.0, -1.0, -1.0], sizes)
    share = np.concatenate([np.ones(begin), np.arange(TURNS)[::-1] / TURNS, np.zeros(sum(sizes[2:]))])
    # How a point starts: from the cap (0), its neighbour as it is or by its tangent (1), two neighbours (2).
    known = np.concatenate([np.minimum(np.arange(n) + k, 2) for n, k in zip(sizes, (0, 1, 1, 1, 0))])
    known[begin : begin + TURNS] = 1
    turned = np.arange(len(index)) == begin + TURNS - 1
    returns = np.arange(len(index)) == sum(sizes[:3])
    easy = problem._replace(
        spontaneous_curvature=jnp.full_like(problem.tension, EASY.spontaneous_curvature),
        tension=jnp.maximum(problem.tension, EASY.tension),
        host_spontaneous_curvature=jnp.zeros_like(problem.tension),
    )
    easy = jax.tree.map(partial(jnp.where, against), easy, problem)

    # The second walk to small x is for the easier problem's sake.
    sparing = np.repeat([False, True, False, True, False], sizes)
    sparing[begin + TURNS - 1] = False

    def one(carry, at):
        near, before, cap, good = carry
        x, heading, share, known, turned, returns, spared = at
        here = jax.tree.map(lambda p, e: p + share * (e - p), problem, easy)
        near, before = jax.tree.map(partial(jnp.where, returns), (cap[:2], cap[:2]), (near, before))
        good = jnp.where(returns, cap[2], good | (known == 0))
        h, (z1, d1), (z0, d0) = heading * step, near, before
        cubic = 5 * z0 + 2 * h * d0 - 4 * z1 + 4 * h * d1
        neighbour = z1 + h * d1
        start = jnp.where(known == 0, _guess(x, here, closed, resolution), jnp.where(known == 1, neighbour, cubic))
        limit = jnp.where(known == 0, FIRST_STEPS, NEWTON_STEPS) * (good & (against | ~spared))
        z, along, last = _newton(start, x, here, closed, resolution, limit)
        good = good & ((last < NEWTON_TOLERANCE**0.5) | (spared & ~against))
        along = jnp.where(spared & ~against, d1, along)
        found = (*_describe(z, along, x, here, closed, resolution), last, z)
        cap = jax.tree.map(partial(jnp.where, turned), (z, along, good), cap)
        return ((z, along), near, cap, good), tuple(jnp.where(good, f, jnp.nan) for f in found)

    nothing = (jnp.zeros(unknowns(closed, resolution)),) * 2
    xs, off = jnp.asarray((index + 0.5) * step), jnp.asarray(False)
    _, found = jax.lax.scan(
        one, (nothing, nothing, (*nothing, off), off), (xs, heading, share, known, turned, returns, sparing)
    )
    # Of the points met twice, those of the upward walk count unless it was that of the easier problem.
    upward, downward, rest = np.arange(begin), sum(sizes[:3]) + np.arange(begin)[::-1], np.arange(sum(sizes[:4]), len(index))
    middle = np.arange(begin + TURNS - 1, sum(sizes[:3]))
    picked = lambda f: jnp.concatenate([f[rest[::-1]], jnp.where(against, f[downward], f[upward]), f[middle]])
    x, (energy, slope, bend, neck, angle, drag, residual, state) = picked(xs), [picked(f) for f in found]
    return Path(x, energy, slope, bend, neck, angle, drag, residual, state)
