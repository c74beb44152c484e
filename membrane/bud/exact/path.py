"""The path from flat to closed neck: at every rim radius alpha = 1/cosh x the state of least energy.

Line tension adds 2 pi l alpha, l = lambda L/kappa_in, and does not enter the states: one path serves all line tensions,
and its state at x is in equilibrium at l*(x) = -G'(x)/(2 pi alpha'(x)). x > 0 bends into the lumen, x < 0 away.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import lu_factor, lu_solve

from membrane.bud.exact.curve import (
    Problem,
    Resolution,
    arcs,
    gradient,
    hessian,
    lagrangian,
    rule_of,
    spontaneous_torque,
    unknowns,
)

BEGIN, TURNS = 0.8, 4
"""Where on the path and in how many stages a problem is reached from an easier one."""

FIRST_STEPS, NEWTON_STEPS, LAST_CORRECTION, LARGEST_CHANGE, KEPT = 40, 8, 3e-4, 0.3, 0.3
"""Most Hessians of a first and of a later state; correction below which a state is solved; largest change of an unknown
in a correction; by how much corrections must fall for a Hessian to be kept."""

MOST_PARTS = 4
"""In how many parts a step is walked at most."""

LEAST_TORQUE = 0.5
"""Problems of less :func:`spontaneous_torque` are reached from the easier one."""

EASY = Problem(2.5, 0.0, 0.3, None, None, None)
"""Spontaneous curvatures and least tension of the problem that the search sets out from."""

RIGHT_ANGLE = 0.5 * np.pi


class Path(NamedTuple):
    """States along the path, arrays (points,): ``x``; ``energy`` G, ``slope`` dG/dx, ``bend`` d2G/dx2; ``neck_radius``
    (smallest radius beyond the bud's equator; the rim's while there is no neck); ``contact_angle`` psi at the rim;
    ``drag`` of membrane shear against dx/dt over eta_m L^2 on the way to the next state of a branch (nan at its last);
    ``residual``, the last correction of Newton's method; ``state`` (points, unknowns). nan: no such state."""

    x: jax.Array
    energy: jax.Array
    slope: jax.Array
    bend: jax.Array
    neck_radius: jax.Array
    contact_angle: jax.Array
    drag: jax.Array
    residual: jax.Array
    state: jax.Array


class Branches(NamedTuple):
    """All states that are found at a given rim, in two branches that overlap where a bud can snap across: ``below``,
    followed from the flat state up to where it ends, and ``above``, from the narrowest neck back, all nan where
    ``below`` goes on to that. The last state of each has an x of its own. ``snap`` (points of ``above``,): the drag
    against dx/dt of going there at unit dx from the end of ``below``."""

    below: Path
    above: Path
    snap: jax.Array


@partial(jax.jit, static_argnames=("closed", "resolution"))
def trace(problem: Problem, *, closed: bool, resolution: Resolution) -> Path:
    """The path of one problem (scalars) or, leading axis, of many, at the x of :func:`coordinate`. ``closed``: whether
    the host is a sphere.

    Where a branch that has begun at the flat state ends before the narrowest neck, the states beyond are those that
    are found from there back: the bud snaps across. What cannot be reached is nan."""
    if jnp.ndim(problem.tension):
        return jax.vmap(partial(trace.__wrapped__, closed=closed, resolution=resolution))(problem)
    (below, above, _), x = branches.__wrapped__(problem, closed=closed, resolution=resolution), coordinate(resolution)
    above = jax.tree.map(lambda v: jnp.pad(v, [(resolution.backward, 0)] + [(0, 0)] * (v.ndim - 1)), above)
    # The last state of a branch may lie between two points of the path.
    there = jnp.where(below.x == x, 0, jnp.where((above.x == x) & (x > 0), 1, 2))

    def pick(*values):
        at = there.reshape(-1, *[1] * (values[0].ndim - 1))
        return jnp.where(at == 0, values[0], jnp.where(at == 1, values[1], jnp.nan))

    return jax.tree.map(pick, below, above)._replace(x=jnp.asarray(x))


@partial(jax.jit, static_argnames=("closed", "resolution"))
def branches(problem: Problem, *, closed: bool, resolution: Resolution) -> Branches:
    """All states of one problem (scalars), by continuation in x from |x| = step/2 and from the narrowest neck: Hermite
    extrapolation and Newton's method, in halves, then quarters, where a step fails, to the last of them."""
    walks, inside = _walks(resolution), np.arange(unknowns(closed, resolution)) < resolution.inner
    unscaled = lambda z, x: z / jnp.where(inside, jnp.tanh(x), 1)

    def scaled(z, along, x):
        """z with y a in place of a, and its derivative in x."""
        y = jnp.tanh(x)
        return z * jnp.where(inside, y, 1), along * jnp.where(inside, y, 1) + z * jnp.where(inside, 1 - y**2, 0)

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
        near, before, cap, good, whole, begun = carry
        here = jax.tree.map(lambda p, e: p + at.easiness * (e - p), problem, easy)
        near, before = jax.tree.map(partial(jnp.where, at.returns), (cap[:2], cap[:2]), (near, before))
        good = jnp.where(at.returns, cap[2], good | (at.known == 0))
        walked = jnp.where(at.deep, begun & ~whole, against | ~at.detour)
        # psi of the domain, y a, is what goes on smoothly from the flat state; a itself turns quickly there.
        h = at.heading * resolution.step
        (z1, d1), (z0, d0) = (scaled(*near, at.x - h), scaled(*before, at.x - 2 * h))
        start = jnp.where(at.known == 1, z1 + h * d1, 5 * z0 + 2 * h * d0 - 4 * z1 + 4 * h * d1)
        start = unscaled(start, at.x)
        start = jnp.where(at.known == 0, cap_in_catenoid(at.x, here, closed, resolution), start)

        def attempt(carry):
            """Part ``done`` of ``parts`` of the step; where one fails all are tried anew, half as long. ``far``: the
            farthest state so far and what share of the step it lies ahead."""
            parts, done, z, last_but_one, far, _ = carry
            part = h / parts
            share = (done + 1) / parts
            x = jnp.where(done + 1 == parts, at.x, at.x - h + share * h)
            (z2, d2), (z3, d3) = scaled(*z, x - part), scaled(*last_but_one, x - 2 * part)
            ahead = jnp.where(done == 0, z1 + part * d1, 5 * z3 + 2 * part * d3 - 4 * z2 + 4 * part * d2)
            guess = jnp.where(parts == 1, start, unscaled(ahead, x))
            limit = jnp.where(at.known == 0, FIRST_STEPS, NEWTON_STEPS)
            z_new, along, size = newton(guess, x, here, closed, resolution, limit)
            failed = size > LAST_CORRECTION
            last_but_one = jax.tree.map(partial(jnp.where, failed | (done == 0)), near, z)
            farther = ~failed & (share > far[1])
            far = jax.tree.map(partial(jnp.where, farther), ((z_new, along), share, x, size), far)
            parts, done = jnp.where(failed, 2 * parts, parts), jnp.where(failed, 0, done + 1)
            return parts, done, (z_new, along), last_but_one, far, size

        def solved():
            most = jnp.where(at.known == 0, 1, MOST_PARTS)
            going = lambda carry: (carry[0] <= most) & (carry[1] < carry[0])
            nowhere = (start, start), 0.0, at.x, jnp.inf
            start_carry = 1, 0, (start, start), near, nowhere, jnp.inf
            *_, ((z, along), share, x, size), _ = jax.lax.while_loop(going, attempt, start_carry)
            return z, along, share, (x, *describe(z, along, x, here, closed, resolution), size, z)

        def passed():
            return *near, 0.0, (*(jnp.full_like(at.x, jnp.nan),) * 7, near[0])

        z, along, share, found = jax.lax.cond(good & walked, solved, passed)
        exists, good = good & walked & (share > 0), good & ((share == 1) | ~walked)
        cap = jax.tree.map(partial(jnp.where, at.turned), (z, along, good), cap)
        whole = jnp.where(at.top, good, whole)
        carry = (z, along), near, cap, good, whole, begun | exists
        return carry, tuple(jnp.where(exists, f, jnp.nan) for f in found)

    nothing, off = (jnp.zeros(unknowns(closed, resolution)),) * 2, jnp.asarray(False)
    _, found = jax.lax.scan(step, (nothing, nothing, (*nothing, off), *(off,) * 3), jax.tree.map(jnp.asarray, walks))
    at = _order(resolution)
    low = jnp.where(against, at.detour, at.low)
    sheets = jax.vmap(partial(_sheets, problem=problem, closed=closed, resolution=resolution))

    def branch(order) -> tuple[Path, tuple]:
        x, *values, last, state = (f[order] for f in found)
        material = sheets(state, x)
        return Path(x, *values, _drags(x, material, closed), last, state), material

    below, material = branch(jnp.concatenate([at.below, low, at.high]))
    above, there = branch(jnp.asarray(at.deep))
    end = jnp.max(jnp.where(jnp.isfinite(below.energy), np.arange(below.x.size), -1))
    here = jax.tree.map(lambda v: v[end][None], material)
    return Branches(below, above, 8 * jnp.pi * _length(here, there, closed))


def coordinate(resolution: Resolution) -> np.ndarray:
    """x of the points of every path, ascending."""
    at = _order(resolution)
    return _walks(resolution).x[np.concatenate([at.below, at.low, at.high])]


class _Walks(NamedTuple):
    """The steps of the search, one after the other so that they are compiled once: up from the flat state to the cap
    at x = BEGIN; the turn into the problem asked for; up to the narrowest neck; from the cap down; from the flat
    state down; from the narrowest neck back. ``known``: how many neighbours a step starts from; ``easiness``: share of
    the easier problem; ``detour``: of use only where that is walked; ``turned``: the cap to ``returns`` to; ``top``:
    the narrowest neck; ``deep``: of use only where that was not reached."""

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
    cap; and all at x > 0 from the narrowest neck."""

    below: np.ndarray
    detour: np.ndarray
    low: np.ndarray
    high: np.ndarray
    deep: np.ndarray


def _sizes(resolution):
    begin = round(BEGIN / resolution.step)
    up = round(float(np.arccosh(1 / resolution.least_rim)) / resolution.step + 0.5) - begin - 1
    return begin, TURNS, up, begin, resolution.backward, begin + up + 1


def _walks(resolution) -> _Walks:
    sizes = begin, turns, up, down, back, deep = _sizes(resolution)
    index = np.concatenate(
        [
            np.arange(begin),
            np.full(turns, begin),
            begin + 1 + np.arange(up),
            begin - 1 - np.arange(down),
            -1 - np.arange(back),
            begin + up - np.arange(deep),
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
        deep=at >= len(index) - deep,
    )


def _order(resolution) -> _Order:
    begin, turns, up, down, back, deep = _sizes(resolution)
    top = begin + turns + up
    return _Order(
        below=top + down + np.arange(back)[::-1],
        detour=top + np.arange(down)[::-1],
        low=np.arange(begin),
        high=begin + turns - 1 + np.arange(up + 1),
        deep=top + down + back + np.arange(deep)[::-1],
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
    """(state, its derivative in x, size of the last correction) by Newton's method with at most ``limit`` Hessians,
    half of them for large corrections, each kept while corrections fall to KEPT of the one before; far steps are
    shortened.
    """
    shape = np.ones(z.size)
    shape[resolution.inner + 1 : resolution.inner + 3] = shape[z.size - 2 * closed :] = 0.0
    slope = lambda z, x: gradient(z, x, problem, closed, resolution)

    def body(carry):
        z, along, before, factors, stale, count = carry
        fresh = lambda: lu_factor(hessian(z, x, problem, closed, resolution))
        factors = jax.lax.cond(stale, fresh, lambda: factors)
        left = jax.jvp(slope, (z, x), (along, jnp.ones_like(x)))
        change, turn = lu_solve(factors, jnp.stack(left, 1)).T
        size = jnp.max(jnp.abs(change * shape))
        z, along = z - jnp.minimum(1, LARGEST_CHANGE / size) * change, along - turn
        return z, along, size, factors, ~(size < KEPT * before), count + stale

    def going(carry):
        _, _, size, _, stale, count = carry
        hopeful = (count < limit // 2) | (size < LARGEST_CHANGE)
        return (size > LAST_CORRECTION) & hopeful & ((count < limit) | ~stale)

    none = jnp.zeros((z.size, z.size), z.dtype), jnp.zeros(z.size, jnp.int32)
    start = (z, jnp.zeros_like(z), jnp.asarray(jnp.inf, z.dtype), none, jnp.asarray(True), 0)
    z, along, last, *_ = jax.lax.while_loop(going, body, start)
    return z, along, last


def describe(z, along, x, problem, closed, resolution):
    """(energy G, G', G'', neck radius, contact angle) of a solved state and its derivative along the path."""
    domain, host, angle, _ = arcs(z, x, problem, closed, resolution)
    value = lambda z, x: lagrangian(z, x, problem, closed, resolution)
    slope, bend = jax.jvp(jax.grad(value, 1), (z, x), (along, jnp.ones_like(x)))
    return value(z, x), slope, bend, neck_radius(domain, host, angle, 1 / jnp.cosh(x)), angle


class Sheet(NamedTuple):
    """An arc as material: radius, area over pi from its start on, cos psi, dr dS over the points of its rule."""

    radius: jax.Array
    area: jax.Array
    cosine: jax.Array
    weight: jax.Array

    @classmethod
    def of(cls, arc, rule) -> "Sheet":
        area = rule.integral @ (2 * arc.r * arc.weight / rule.weight)
        return cls(arc.r, area, jnp.cos(arc.psi), arc.r * arc.weight)


def _sheets(z, x, problem, closed, resolution) -> tuple[Sheet, Sheet]:
    """Domain and host as material."""
    rules = rule_of(resolution.inner), rule_of(resolution.outer)
    return tuple(Sheet.of(a, r) for a, r in zip(arcs(z, x, problem, closed, resolution)[:2], rules, strict=True))


def _length(one, two, closed):
    """Integral of the squared shear between states; a host that draws area from its undulations stretches evenly."""
    return shear(one[0], two[0]) + shear(one[1], two[1], stretches=closed)


def _drags(x, sheets, closed):
    """Drag on the way from each state to the next (points,)."""
    ends = lambda part: jax.tree.map(lambda v: v[part], sheets)
    length = _length(ends(slice(None, -1)), ends(slice(1, None)), closed)
    return jnp.append(8 * jnp.pi * length / jnp.diff(x) ** 2, jnp.nan)


def shear(one: Sheet, two: Sheet, stretches: bool = False):
    """int e^2 r dS between two shapes of a material whose parallels stretch by e and whose meridians shrink by it, over
    the last axis: d ln r at a given area, with ``stretches`` at a given share of the area, less what all parallels
    stretch by."""
    mean = Sheet(*(0.5 * (a + b) for a, b in zip(one, two, strict=True)))
    grown, growth = two.area - one.area, 0.0
    if stretches:
        growth = (jnp.log(2 * two.weight.sum(-1)) - jnp.log(2 * one.weight.sum(-1)))[..., None]
        grown = grown - growth * mean.area
    strain = (two.radius - one.radius - mean.cosine * grown / (2 * mean.radius)) / mean.radius - growth / 2
    return jnp.sum(strain**2 * mean.weight, -1)


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
