"""States in equilibrium with a given line tension, and the line tensions at which they come and go.

A state (z, x) solves dL/dz = 0, the equilibrium of the shape at a fixed rim, and dL/dx + 2 pi l alpha'(x) = 0, the
equilibrium of the rim. It is found on the traced path, refined by Newton's method, and differentiated by the theorem of
the implicit function (`jax.lax.custom_root`).

What cannot be told is nan: a state that was not found, or one that the polynomials do not resolve
(:func:`membrane.bud.exact.curve.tail`); then more of them are needed.

Runs do not need these states, for they read whole landscapes. They serve to test the phase-field vesicle against exact
shapes, and give exact gradients of barriers to those who fit parameters.
"""

from functools import partial
from operator import itemgetter
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from membrane.bud.exact.compiled import compiled
from membrane.bud.exact.curve import Resolution, arcs, gradient, lagrangian, reference_energy, tail
from membrane.bud.exact.landmarks import find_landmarks, rim_pull, rim_pull_slope
from membrane.bud.exact.newton import NEWTON_STEPS, describe, neck_radius, newton
from membrane.bud.exact.path import RESOLVED, Path, trace
from membrane.bud.exact.problem import Problem

LEAST_X = 1e-5
"""The smallest |x| of a state: at x = 0 itself the unknowns are not defined."""

REFINEMENTS = 8
"""Newton steps in x."""

WAY = 4
"""In so many parts, each in the same proportion, the way from a state of the path to another x is walked."""

BALANCED = 1e-6
"""A state is in equilibrium where |dF/dx| is smaller than this."""


class Equilibrium(NamedTuple):
    """One state in equilibrium; all attributes are nan where there is none.

    Attributes:
        x: the coordinate; the rim radius is L/cosh x.
        energy: energy less that of the undisturbed host, in kappa_in.
        contact_angle: psi at the rim, rad.
        neck_radius: over L.
    """

    x: jax.Array
    energy: jax.Array
    contact_angle: jax.Array
    neck_radius: jax.Array


class Equilibria(NamedTuple):
    """The equilibria of one problem at one line tension, and the line tensions at which they come and go.

    Attributes:
        dimple: the rest state, which goes on from the undisturbed domain; x -> 0 where it is flat, x < 0 where the host
            bends the domain to the other side.
        barrier: the first unstable state beyond the dimple.
        bud: the stable state beyond that, or beyond the flat state where there is no dimple any more; its neck is open.
            nan where F falls on to the narrowest traced neck.
        instability: above this l there is no dimple; nan where l* has no such maximum among the traced states.
        opening: below this l there is no bud with an open neck; nan where l* has no such minimum.
        closing: above this l the narrowest traced neck closes on; nan where that neck was not reached.
        barrier_energy: F(barrier) - F(dimple) in kappa_in. 0: there is no dimple any more. inf: F rises from the dimple
            to the narrowest traced neck. nan: the states that would tell were not found, or the domain falls away to
            the other side (x < 0).
    """

    dimple: Equilibrium
    barrier: Equilibrium
    bud: Equilibrium
    instability: jax.Array
    opening: jax.Array
    closing: jax.Array
    barrier_energy: jax.Array

    @property
    def opening_barrier_energy(self):
        """F(barrier) - F(bud) in kappa_in, for the way back; nan where there is no open bud or no barrier before it."""
        return self.barrier.energy - self.bud.energy


def line_tension_at(path: Path):
    """l*(x), the line tension at which each state of the path is in equilibrium."""
    return path.slope / rim_pull(path.x)


def equilibria(problem: Problem, line_tension: ArrayLike, *, closed: bool, resolution: Resolution) -> Equilibria:
    """The equilibria of one problem (scalars; use `jax.vmap` for many). They can be differentiated.

    Arguments:
        problem: the domain and its host.
        line_tension: l = lambda L/kappa_in.
        closed: whether the host is a sphere.
        resolution: how finely the path is computed on which they are found.
    """
    path = trace(jax.lax.stop_gradient(problem), closed=closed, resolution=resolution)
    return _read(problem, line_tension, path, closed=closed, resolution=resolution)


@compiled("closed", "resolution")
def _read(problem, line_tension, path, *, closed, resolution) -> Equilibria:
    """What :func:`equilibria` says, from a traced path."""
    marks = find_landmarks(jax.lax.stop_gradient(path), jax.lax.stop_gradient(line_tension), resolution)
    solver = _Solver(problem, path, closed, resolution)
    states = jax.vmap(partial(solver.equilibrium, line_tension))(marks.states)
    dimple, barrier, bud = (jax.tree.map(itemgetter(i), states) for i in range(3))
    thresholds = jax.vmap(solver.threshold)(marks.extrema, marks.curvatures)
    hill = jnp.where(marks.rises, jnp.inf, barrier.energy - dimple.energy)
    return Equilibria(dimple, barrier, bud, *thresholds, jnp.where(marks.falls, 0.0, hill))


class _Solver:
    """Solves for states of one problem near its traced path."""

    def __init__(self, problem: Problem, path: Path, closed: bool, resolution: Resolution):
        self.problem, self.path, self.closed, self.resolution = problem, path, closed, resolution
        self.fixed = jax.lax.stop_gradient(problem)

    def state_at(self, x):
        """(z, dz/dx) at x, from the nearest state of the path on the same side of x = 0, by way of places between."""
        there = jnp.isfinite(self.path.energy) & (self.path.x * x > 0)
        near = jnp.argmin(jnp.where(there, jnp.abs(self.path.x - x), jnp.inf))
        start = self.path.x[near]

        def walk(part, state):
            at = start * (x / start) ** ((part + 1) / WAY)
            return newton(state[0], at, self.fixed, self.closed, self.resolution, NEWTON_STEPS)[:2]

        z = self.path.state[near]
        return jax.lax.fori_loop(0, WAY, walk, (z, jnp.zeros_like(z)))

    def slopes_at(self, x):
        """(z, dG/dx, d2G/dx2) at x."""
        z, along = self.state_at(x)
        _, slope, bend, *_ = describe(z, along, x, self.fixed, self.closed, self.resolution)
        return z, slope, bend

    def equilibrium(self, line_tension, guess) -> Equilibrium:
        """The equilibrium near x = ``guess``; nan where the guess is, or where there is none within a step."""
        problem, closed, resolution = self.problem, self.closed, self.resolution
        held, there = jax.lax.stop_gradient(line_tension), jnp.isfinite(guess)
        start = jnp.where(there, jnp.where(jnp.abs(guess) < LEAST_X, LEAST_X, guess), 1.0)

        def refine(_, x):
            _, slope, bend = self.slopes_at(x)
            moved = -(slope - held * rim_pull(x)) / (bend - held * rim_pull_slope(x))
            x = x + jnp.clip(moved, -0.5 * resolution.step, 0.5 * resolution.step)
            return jnp.where(jnp.abs(x) < LEAST_X, LEAST_X, x)

        x = jax.lax.fori_loop(0, REFINEMENTS, refine, start)
        z, slope, _ = self.slopes_at(x)
        balanced = (jnp.abs(slope - held * rim_pull(x)) < BALANCED) | (jnp.abs(x) <= LEAST_X)
        met = there & balanced & (jnp.abs(x - start) < resolution.step) & (tail(z, resolution) < RESOLVED)

        def residual(state):
            z, x = state[:-1], state[-1]
            slope = jax.grad(lagrangian, 1)(z, x, problem, closed, resolution)
            return jnp.append(gradient(z, x, problem, closed, resolution), slope - line_tension * rim_pull(x))

        state = _implicit(residual, jax.lax.stop_gradient(jnp.append(z, x)))
        z, x = state[:-1], state[-1]
        energy = lagrangian(z, x, problem, closed, resolution) + 2 * jnp.pi * line_tension / jnp.cosh(x)
        domain, host, angle, _ = arcs(z, x, problem, closed, resolution)
        neck = neck_radius(domain, host, angle, 1 / jnp.cosh(x))
        found = Equilibrium(x, energy - reference_energy(problem, line_tension, closed), angle, neck)
        return jax.tree.map(lambda v: jnp.where(met, v, jnp.nan), found)

    def threshold(self, guess, curvature):
        """The extreme value of l*(x) near x = ``guess``, where its second derivative is about ``curvature``.

        At an extremum l* does not depend on x, so that its derivative in a parameter is that at a fixed x. nan where
        the guess is. An infinite curvature holds x where it is.
        """
        problem, closed, resolution = self.problem, self.closed, self.resolution

        def refine(_, x):
            _, slope, bend = self.slopes_at(x)
            tilt = (bend - slope / rim_pull(x) * rim_pull_slope(x)) / rim_pull(x)
            return x - jnp.clip(tilt / curvature, -0.5 * resolution.step, 0.5 * resolution.step)

        x = jax.lax.fori_loop(0, REFINEMENTS, refine, jnp.where(jnp.isfinite(guess), guess, 1.0))
        z, _ = self.state_at(x)
        z = _implicit(lambda z: gradient(z, x, problem, closed, resolution), jax.lax.stop_gradient(z))
        value = jax.grad(lagrangian, 1)(z, x, problem, closed, resolution) / rim_pull(x)
        return jnp.where(jnp.isfinite(guess) & (tail(z, resolution) < RESOLVED), value, jnp.nan)


def _implicit(residual, root):
    """``root`` with the derivatives of the implicit function that ``residual`` = 0 defines."""
    solve = lambda linear, y: jnp.linalg.solve(jax.jacfwd(linear)(y), y)
    return jax.lax.custom_root(residual, root, lambda _, found: found, solve)
