"""The path from flat to closed neck: at every rim radius alpha = 1/cosh x the shape in equilibrium.

Line tension adds 2 pi l alpha to the energy, l = lambda L/kappa_in. At a fixed rim that is a constant, so that the
states do not depend on the line tension: one path serves all of them. The state at x is in equilibrium at the line
tension l*(x) = -G'(x)/(2 pi alpha'(x)). x > 0 bends into the lumen, x < 0 away from it.

States are found by continuation: from each state the next one is extrapolated and then solved by Newton's method.
"""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from membrane.bud.exact.compiled import compiled
from membrane.bud.exact.curve import Resolution, spontaneous_torque, tail, unknowns
from membrane.bud.exact.newton import FIRST_STEPS, LAST_CORRECTION, NEWTON_STEPS, cap_in_catenoid, describe, newton
from membrane.bud.exact.problem import Problem
from membrane.bud.exact.schedule import Step, coordinate, order, steps
from membrane.bud.exact.shear import drags, material_of, shear_between

MOST_PARTS = 5
"""A step that fails is walked in three parts, then in five; not in more. The number is odd, so that no part of a step
from x < 0 to x > 0 ends at x = 0, where the unknowns are not defined."""

LEAST_TORQUE, MOST_TORQUE = 0.5, 5.0
"""A problem whose :func:`spontaneous_torque` is less than the first plus h^2, or more than the second, is hard. With
too little torque the host bends the domain away; with too much there are steep layers at the rim of a domain that is
held nearly flat. In both cases no state near x = 0 is found from a guess. It is reached by way of an easier problem."""

RESOLVED = 0.04
"""A state whose last coefficients of psi are smaller than this is resolved. Its energy is then that of 40 and 66
polynomials to 0.02 kappa, and to 0.005 kappa in most cases (measured at g = -1, -0.5, 0, 0.5)."""

EASY_CURVATURE, EASY_TENSION = 2.5, (0.3, 3.0)
"""Spontaneous curvature of the easier problem, and the range of its tension."""


class Path(NamedTuple):
    """States along the path, arrays (points,); nan where there is no state.

    Attributes:
        x: the coordinate; the rim radius is L/cosh x.
        energy: G in kappa_in, without the energy of the rim.
        slope: dG/dx.
        bend: d2G/dx2.
        neck_radius: smallest radius beyond the equator of the bud over L; the rim's while there is no neck.
        contact_angle: psi at the rim, rad.
        drag: drag of the membrane's shear against dx/dt on the way to the next state of the branch, over eta_m L^2;
            nan at the last state.
        residual: size of the last correction of Newton's method.
        tail: size of the last coefficients of psi (:func:`membrane.bud.exact.curve.tail`). A state is resolved where it
            is below :data:`RESOLVED`.
        state: the unknowns z, array (points, unknowns).
    """

    x: jax.Array
    energy: jax.Array
    slope: jax.Array
    bend: jax.Array
    neck_radius: jax.Array
    contact_angle: jax.Array
    drag: jax.Array
    residual: jax.Array
    tail: jax.Array
    state: jax.Array


class Branches(NamedTuple):
    """All states that were found, in two branches. Where both have a state at one x, a bud can snap between them.

    Attributes:
        below: the branch that begins at the flat state, up to where it ends.
        above: the branch that is found from the narrowest neck back; all nan where ``below`` reaches the narrowest
            neck. The last state of either branch may lie between two points of :func:`coordinate`.
        snap: drag over eta_m L^2 against dx/dt of the way from the last state of ``below`` to each state of ``above``,
            as if they lay dx = 1 apart.
    """

    below: Path
    above: Path
    snap: jax.Array


@compiled("closed", "resolution")
def trace(problem: Problem, *, closed: bool, resolution: Resolution) -> Path:
    """The path at the x of :func:`coordinate`.

    Where the branch from the flat state ends before the narrowest neck, the states beyond are those of the branch from
    the narrowest neck: there the bud snaps.

    Arguments:
        problem: one problem (scalars), or many (arrays with one leading axis, which the path gets as well).
        closed: whether the host is a sphere.
        resolution: how finely the path is computed.
    """
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


@compiled("closed", "resolution")
def branches(problem: Problem, *, closed: bool, resolution: Resolution) -> Branches:
    """All states of one problem (scalars), found from the flat state and from the narrowest neck.

    Arguments as for :func:`trace`.
    """
    search = _Search(problem, closed, resolution)
    schedule = jax.tree.map(jnp.asarray, steps(resolution))
    _, found = jax.lax.scan(search.step, search.beginning(), schedule)
    at = order(resolution)
    low = jnp.where(search.hard, at.detour, at.straight)
    materials = jax.vmap(partial(material_of, problem=problem, closed=closed, resolution=resolution))

    def branch(order) -> tuple[Path, tuple]:
        x, *values, last, state = (f[order] for f in found)
        material = materials(state, x)
        return Path(x, *values, drags(x, material, closed), last, tail(state, resolution), state), material

    below, material = branch(jnp.concatenate([at.backward, low, at.up]))
    above, there = branch(jnp.asarray(at.from_neck))
    end = jnp.max(jnp.where(jnp.isfinite(below.energy), np.arange(below.x.size), -1))
    here = jax.tree.map(lambda v: v[end][None], material)
    return Branches(below, above, 8 * jnp.pi * shear_between(here, there, closed))


class _Memory(NamedTuple):
    """What the search keeps from step to step. A state is (unknowns z, dz/dx).

    ``near`` and ``before`` are the last two states. ``cap`` is the state that it comes back to, and whether that was
    solved. ``good``: the walk has not failed yet. ``whole``: the narrowest neck was reached. ``begun``: any state was
    found.
    """

    near: tuple
    before: tuple
    cap: tuple
    good: jax.Array
    whole: jax.Array
    begun: jax.Array


class _Search:
    """The search for all states of one problem. :meth:`step` is the body of a scan over the schedule."""

    def __init__(self, problem: Problem, closed: bool, resolution: Resolution):
        self.problem, self.closed, self.resolution = problem, closed, resolution
        # psi of the domain is y a(t) with y = tanh x; these unknowns are the coefficients of a.
        self.inside = np.arange(unknowns(closed, resolution)) < resolution.inner
        torque = spontaneous_torque(problem)
        self.hard = (torque < LEAST_TORQUE + problem.host_curvature**2) | (torque > MOST_TORQUE)
        easier = replace(
            problem,
            spontaneous_curvature=jnp.full_like(problem.tension, EASY_CURVATURE),
            tension=jnp.clip(problem.tension, *EASY_TENSION),
            host_spontaneous_curvature=jnp.zeros_like(problem.tension),
        )
        self.easier = jax.tree.map(partial(jnp.where, self.hard), easier, problem)

    def beginning(self) -> _Memory:
        """The memory before the first step."""
        nothing, off = (jnp.zeros(self.inside.size),) * 2, jnp.asarray(False)
        return _Memory(nothing, nothing, (*nothing, off), off, off, off)

    def step(self, memory: _Memory, at: Step):
        """One state: (memory for the next step, (x, G, G', G'', neck, angle, correction, z))."""
        here = jax.tree.map(lambda p, e: p + at.easiness * (e - p), self.problem, self.easier)
        cap = memory.cap
        near, before = jax.tree.map(partial(jnp.where, at.returns), (cap[:2], cap[:2]), (memory.near, memory.before))
        good = jnp.where(at.returns, cap[2], memory.good | (at.known == 0))
        walked = jnp.where(at.from_neck, memory.begun & ~memory.whole, self.hard | ~at.hard_only)
        passed = lambda: (*near, 0.0, (*(jnp.full_like(at.x, jnp.nan),) * 7, near[0]))
        z, along, share, found = jax.lax.cond(good & walked, lambda: self.solved(near, before, here, at), passed)
        exists, good = good & walked & (share > 0), good & ((share == 1) | ~walked)
        cap = jax.tree.map(partial(jnp.where, at.turned), (z, along, good), cap)
        whole = jnp.where(at.narrowest, good, memory.whole)
        memory = _Memory((z, along), near, cap, good, whole, memory.begun | exists)
        return memory, tuple(jnp.where(exists, f, jnp.nan) for f in found)

    def solved(self, near, before, here, at: Step):
        """(z, dz/dx, share of the step that was reached, what is known of the state) of one step.

        Where the step fails, it is walked in three parts, then in five. The farthest state that was reached counts.
        """
        start = self.guess(near, before, here, at)
        most = jnp.where(at.known == 0, 1, MOST_PARTS)
        going = lambda carry: (carry[0] <= most) & (carry[1] < carry[0])
        nowhere = (start, start), 0.0, at.x, jnp.inf
        carry = 1, 0, (start, start), near, nowhere, jnp.inf
        attempt = partial(self.attempt, start, near, here, at)
        *_, ((z, along), share, x, size), _ = jax.lax.while_loop(going, attempt, carry)
        return z, along, share, (x, *describe(z, along, x, here, self.closed, self.resolution), size, z)

    def guess(self, near, before, here, at: Step):
        """First guess of z for a whole step, from as many neighbours as are known."""
        h = at.heading * self.resolution.step
        (z1, d1), (z0, d0) = self.smooth(*near, at.x - h), self.smooth(*before, at.x - 2 * h)
        start = jnp.where(at.known == 1, z1 + h * d1, _extrapolated(z0, d0, z1, d1, h))
        first = cap_in_catenoid(at.x, here, self.closed, self.resolution)
        start = jnp.where(at.keeps & ~self.hard, near[0], self.unsmooth(start, at.x))
        return jnp.where(at.known == 0, first, start)

    def attempt(self, start, near, here, at: Step, carry):
        """Part ``done`` of ``parts`` of a step. Where a part fails, all are walked anew, in two parts more.

        ``far`` is the farthest state so far, the share of the step that it lies ahead, its x and last correction.
        """
        parts, done, last, last_but_one, far, _ = carry
        h = at.heading * self.resolution.step
        part = h / parts
        share = (done + 1) / parts
        x = jnp.where(done + 1 == parts, at.x, at.x - h + share * h)
        z1, d1 = self.smooth(*near, at.x - h)
        (z2, d2), (z3, d3) = self.smooth(*last, x - part), self.smooth(*last_but_one, x - 2 * part)
        ahead = jnp.where(done == 0, z1 + part * d1, _extrapolated(z3, d3, z2, d2, part))
        guess = jnp.where(parts == 1, start, self.unsmooth(ahead, x))
        limit = jnp.where(at.known == 0, FIRST_STEPS, NEWTON_STEPS)
        z, along, size = newton(guess, x, here, self.closed, self.resolution, limit)
        failed = size > LAST_CORRECTION
        last_but_one = jax.tree.map(partial(jnp.where, failed | (done == 0)), near, last)
        farther = ~failed & (share > far[1])
        far = jax.tree.map(partial(jnp.where, farther), ((z, along), share, x, size), far)
        parts, done = jnp.where(failed, parts + 2, parts), jnp.where(failed, 0, done + 1)
        return parts, done, (z, along), last_but_one, far, size

    def smooth(self, z, along, x):
        """z and its derivative in x with y a in place of a: psi goes on smoothly from the flat state, a does not."""
        y, inside = jnp.tanh(x), self.inside
        return z * jnp.where(inside, y, 1), along * jnp.where(inside, y, 1) + z * jnp.where(inside, 1 - y**2, 0)

    def unsmooth(self, z, x):
        """The inverse of :meth:`smooth` for z."""
        return z / jnp.where(self.inside, jnp.tanh(x), 1)


def _extrapolated(z0, d0, z1, d1, h):
    """z at h beyond z1, from z0 at -h, z1 at 0 and their derivatives d0, d1: the cubic through all four."""
    return 5 * z0 + 2 * h * d0 - 4 * z1 + 4 * h * d1
