"""The path from flat to closed neck: at every rim radius alpha = 1/cosh x the state of least energy.

Line tension adds 2 pi l alpha, l = lambda L/kappa_in, and does not enter the states: one path serves all line tensions,
and its state at x is in equilibrium at l*(x) = -G'(x)/(2 pi alpha'(x)). x > 0 bends into the lumen, x < 0 away.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from membrane.bud.curve import (
    Problem,
    Resolution,
    arcs,
    gradient,
    lagrangian,
    rule_of,
    spontaneous_torque,
    system,
    unknowns,
)

BEGIN, TURNS = 0.8, 4
"""Where on the path and in how many stages a problem is reached from an easier one."""

FIRST_STEPS, NEWTON_STEPS, LAST_CORRECTION, LARGEST_CHANGE = 40, 8, 1e-3, 0.3

LEAST_TORQUE = 0.5
"""Problems of less :func:`spontaneous_torque` are reached from the easier one."""

EASY = Problem(2.5, 0.0, 0.3, None, None, None)
"""Spontaneous curvatures and least tension of the problem that the search sets out from."""

RIGHT_ANGLE = 0.5 * np.pi


class Path(NamedTuple):
    """States along the path, arrays (points,): ``x``; ``energy`` G, ``slope`` dG/dx, ``bend`` d2G/dx2; ``neck_radius``
    (smallest radius beyond the bud's equator; the rim's while there is no neck); ``contact_angle`` psi at the rim;
    ``drag`` of membrane shear against dx/dt over eta_m L^2; ``residual``, the last correction of Newton's method;
    ``state`` (points, unknowns). nan: no such state."""

    x: jax.Array
    energy: jax.Array
    slope: jax.Array
    bend: jax.Array
    neck_radius: jax.Array
    contact_angle: jax.Array
    drag: jax.Array
    residual: jax.Array
    state: jax.Array


@partial(jax.jit, static_argnames=("closed", "resolution"))
def trace(problem: Problem, *, closed: bool, resolution: Resolution) -> Path:
    """The path of one problem (scalars) or, leading axis, of many. ``closed``: whether the host is a sphere.

    Continuation in x from |x| = step/2 by Hermite extrapolation and Newton's method, in two halves where a step fails.
    Where it ends before the narrowest neck, states are sought from there back: the bud then snaps across the rim
    radii in between, at which nothing is at rest. What cannot be reached is nan."""
    if jnp.ndim(problem.tension):
        return jax.vmap(partial(trace.__wrapped__, closed=closed, resolution=resolution))(problem)
    walks = _walks(resolution)
    # A domain that its host bends away has no state near x = 0: an easier problem is walked to the cap, turned there
    # into the one asked for, and that walked back to x = 0 and beyond.
    against = spontaneous_torque(problem) < LEAST_TORQUE
    easy = problem._replace(
        spontaneous_curvature=jnp.full_like(problem.tension, EASY.spontaneous_curvature),
        tension=jnp.maximum(problem.tension, EASY.tension),
        host_spontaneous_curvature=jnp.zeros_like(problem.tension),
    )
    easy = jax.tree.map(partial(jnp.where, against), easy, problem)

    def step(carry, at: _Walks):
        near, before, cap, good, whole = carry
        here = jax.tree.map(lambda p, e: p + at.easiness * (e - p), problem, easy)
        near, before = jax.tree.map(partial(jnp.where, at.returns), (cap[:2], cap[:2]), (near, before))
        good = jnp.where(at.returns, cap[2], good | (at.known == 0))
        walked = jnp.where(at.deep, ~whole, against | ~at.detour)
        h, (z1, d1), (z0, d0) = at.heading * resolution.step, near, before
        start = jnp.where(at.known == 1, z1 + h * d1, 5 * z0 + 2 * h * d0 - 4 * z1 + 4 * h * d1)
        start = jnp.where(at.known == 0, cap_in_catenoid(at.x, here, closed, resolution), start)

        def attempt(carry):
            """Stage 0: the whole step; 1 and 2: its halves."""
            stage, (middle, slope), _ = carry
            half = (z1 + h / 2 * d1, 5 * z1 + h * d1 - 4 * middle + 2 * h * slope)
            guess = jnp.where(stage == 0, start, jnp.where(stage == 1, *half))
            limit = jnp.where(at.known == 0, FIRST_STEPS, NEWTON_STEPS)
            x = jnp.where(stage == 1, at.x - h / 2, at.x)
            z, along, last = newton(guess, x, here, closed, resolution, limit)
            return (
                jnp.where((stage == 0) & ((last < LAST_CORRECTION) | (at.known == 0)), 3, stage + 1),
                (z, along),
                last,
            )

        def solved():
            nothing = 0, (start, start), jnp.inf
            _, (z, along), last = jax.lax.while_loop(lambda carry: carry[0] < 3, attempt, nothing)
            return z, along, (*describe(z, along, at.x, here, closed, resolution), last, z)

        def passed():
            return z1, d1, (*(jnp.full_like(at.x, jnp.nan),) * 7, z1)

        z, along, found = jax.lax.cond(good & walked, solved, passed)
        good = good & ((found[-2] < LAST_CORRECTION) | ~walked)
        cap = jax.tree.map(partial(jnp.where, at.turned), (z, along, good), cap)
        whole = jnp.where(at.top, good, whole)
        return ((z, along), near, cap, good, whole), tuple(jnp.where(good & walked, f, jnp.nan) for f in found)

    nothing, off = (jnp.zeros(unknowns(closed, resolution)),) * 2, jnp.asarray(False)
    _, found = jax.lax.scan(step, (nothing, nothing, (*nothing, off), off, off), jax.tree.map(jnp.asarray, walks))
    at, reached = _order(resolution), jnp.isfinite(found[0])
    low = jnp.where(against, at.detour, at.low)
    high = jnp.where(reached[at.high], at.high, at.deep)
    return Path(jnp.asarray(coordinate(resolution)), *(f[jnp.concatenate([at.below, low, high])] for f in found))


def coordinate(resolution: Resolution) -> np.ndarray:
    """x of the points of every path, ascending."""
    at = _order(resolution)
    return _walks(resolution).x[np.concatenate([at.below, at.low, at.high])]


class _Walks(NamedTuple):
    """The steps of the search, one after the other so that they are compiled once: up from the flat state to the cap
    at x = BEGIN; the turn into the problem asked for; up to the narrowest neck; from the cap down; from the flat
    state down; from the narrowest neck back to the cap. ``known``: how many neighbours a
    step starts from; ``easiness``: share of the easier problem; ``detour``: of use only where that is walked;
    ``turned``: the cap to ``returns`` to; ``top``: the narrowest neck; ``deep``: of use only where that was not
    reached."""

    x: np.ndarray
    heading: np.ndarray
    easiness: np.ndarray
    known: np.ndarray
    detour: np.ndarray
    turned: np.ndarray
    returns: np.ndarray
    top: np.ndarray
    deep: np.ndarray


class _Order(NamedTuple):
    """Which steps find the states at x < 0; at 0 < x < BEGIN on the detour and on the straight way; beyond, from the
    cap and from the narrowest neck."""

    below: np.ndarray
    detour: np.ndarray
    low: np.ndarray
    high: np.ndarray
    deep: np.ndarray


def _sizes(resolution):
    begin = round(BEGIN / resolution.step)
    up = round(float(np.arccosh(1 / resolution.least_rim)) / resolution.step + 0.5) - begin - 1
    return begin, TURNS, up, begin, resolution.backward, up


def _walks(resolution) -> _Walks:
    sizes = begin, turns, up, down, back, _ = _sizes(resolution)
    index = np.concatenate(
        [
            np.arange(begin),
            np.full(turns, begin),
            begin + 1 + np.arange(up),
            begin - 1 - np.arange(down),
            -1 - np.arange(back),
            begin + up - np.arange(up),
        ]
    )
    begins = (0, 1, 1, 1, 0, 0)
    known = np.concatenate([np.minimum(np.arange(n) + k, 2) for n, k in zip(sizes, begins, strict=True)])
    known[begin : begin + turns] = 1
    at = np.arange(len(index))
    turned = at == begin + turns - 1
    easiness = np.zeros(len(index))
    easiness[:begin], easiness[begin : begin + turns] = 1.0, np.arange(turns)[::-1] / turns
    return _Walks(
        x=(index + 0.5) * resolution.step,
        heading=np.repeat([1.0, 0.0, 1.0, -1.0, -1.0, -1.0], sizes),
        easiness=easiness,
        known=known,
        detour=np.repeat([False, True, False, True, True, False], sizes) & ~turned,
        turned=turned,
        returns=at == begin + turns + up,
        top=at == begin + turns + up - 1,
        deep=at >= len(index) - up,
    )


def _order(resolution) -> _Order:
    begin, turns, up, down, back, _ = _sizes(resolution)
    top = begin + turns + up
    return _Order(
        below=top + down + np.arange(back)[::-1],
        detour=top + np.arange(down)[::-1],
        low=np.arange(begin),
        high=begin + turns - 1 + np.arange(up + 1),
        # The cap itself is found from below only.
        deep=np.append(begin + turns - 1, top + down + back + np.arange(up)[::-1]),
    )


def cap_in_catenoid(x, problem, closed, resolution):
    """First guess: the spherical cap in a host that relaxes like a catenoid."""
    y = jnp.tanh(x)
    arc = jnp.arcsin(y) / y
    parts = [2 * arc, jnp.zeros(resolution.inner - 1), arc, jnp.zeros(2 + resolution.outer)]
    if closed:
        # The far host is its sphere, held by the pressure 2 sigma/R_v less the pull of its spontaneous curvature.
        h, sign = problem.host_curvature, jnp.sign(problem.host_curvature)
        pull = problem.tension / jnp.abs(h) - problem.rigidity_ratio * problem.host_spontaneous_curvature * sign
        parts += [jnp.pi / jnp.abs(h) - arc, 0.0, -sign * 8 * jnp.pi / (3 * jnp.abs(h)) * pull]
    return jnp.concatenate([jnp.atleast_1d(jnp.asarray(p, y.dtype)) for p in parts])


def newton(z, x, problem, closed, resolution, limit):
    """(state, its derivative in x, size of the last correction) by Newton's method; far steps are shortened."""
    shape = np.ones(z.size)
    shape[resolution.inner + 1 : resolution.inner + 3] = shape[z.size - 2 * closed :] = 0.0

    def body(carry):
        z, _, _, count = carry
        residual, hessian = system(z, x, problem, closed, resolution)
        moving = jax.jvp(lambda x: gradient(z, x, problem, closed, resolution), (x,), (jnp.ones_like(x),))[1]
        solved = jnp.linalg.solve(hessian, jnp.stack([residual, moving], 1))
        size = jnp.max(jnp.abs(solved[:, 0] * shape))
        return z - jnp.minimum(1, LARGEST_CHANGE / size) * solved[:, 0], -solved[:, 1], size, count + 1

    going = lambda carry: (carry[2] > LAST_CORRECTION) & (carry[3] < limit)
    start = (z, jnp.zeros_like(z), jnp.asarray(jnp.inf, z.dtype), 0)
    z, along, last, _ = jax.lax.while_loop(going, body, start)
    return z, along, last


def describe(z, along, x, problem, closed, resolution):
    """(energy G, G', G'', neck radius, contact angle, drag) of a solved state and its derivative along the path."""

    def material(z, x):
        """Radius, and area over pi enclosed between the arc's start and each point, of both arcs; area of the host."""
        domain, host, *_ = arcs(z, x, problem, closed, resolution)
        rules = rule_of(resolution.inner), rule_of(resolution.outer)
        areas = [r.integral @ (2 * p.r * p.weight / r.weight) for r, p in zip(rules, (domain, host), strict=True)]
        return domain.r, areas[0], host.r, areas[1], jnp.sum(2 * host.r * host.weight)

    domain, host, angle, _ = arcs(z, x, problem, closed, resolution)
    value = lambda z, x: lagrangian(z, x, problem, closed, resolution)
    slope, bend = jax.jvp(jax.grad(value, 1), (z, x), (along, jnp.ones_like(x)))

    (r_in, _, r_out, a_out, whole), rates = jax.jvp(material, (z, x), (along, jnp.ones_like(x)))
    # A host that draws area from its undulations stretches evenly; parallels minus meridians is its shear.
    growth = rates[4] / whole if closed else 0.0
    strain_in = (rates[0] - jnp.cos(domain.psi) * rates[1] / (2 * r_in)) / r_in
    strain_out = (rates[2] - jnp.cos(host.psi) * (rates[3] - growth * a_out) / (2 * r_out)) / r_out - growth / 2
    drag = 8 * jnp.pi * (jnp.sum(strain_in**2 * r_in * domain.weight) + jnp.sum(strain_out**2 * r_out * host.weight))
    return value(z, x), slope, bend, neck_radius(domain, host, angle, 1 / jnp.cosh(x)), angle, drag


def neck_radius(domain, host, angle, rim):
    """Smallest radius beyond the equator of the bud: where psi falls through pi/2, to second order from the nearest
    point."""
    waists = []
    for arc in (domain, host):
        distance = jnp.where(arc.bend < 0, jnp.abs(arc.psi - RIGHT_ANGLE), jnp.inf)
        at = jnp.argmin(distance)
        waists.append(arc.r[at] + (1 - jnp.sin(arc.psi[at])) / arc.bend[at])
    inside = jnp.where(jnp.max(domain.psi) > RIGHT_ANGLE, waists[0], rim)
    return jnp.minimum(rim, jnp.where(angle > RIGHT_ANGLE, waists[1], inside))
