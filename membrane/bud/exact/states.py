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
    fixed, held = jax.lax.stop_gradient((problem, line_tension))
    marks = find_landmarks(jax.lax.stop_gradient(path), held, resolution)
    guesses = jnp.concatenate([marks.states, marks.extrema])
    curvatures = jnp.concatenate([jnp.full_like(marks.states, jnp.nan), marks.curvatures])
    search = partial(_search, fixed, held, path, closed, resolution)
    places = jax.lax.stop_gradient(jax.vmap(search)(guesses, curvatures))
    equilibrium = jax.vmap(partial(_equilibrium, problem, line_tension, closed, resolution))
    threshold = jax.vmap(partial(_threshold, problem, closed, resolution))
    count = marks.states.size
    states = equilibrium(jax.tree.map(lambda v: v[:count], places))
    thresholds = threshold(jax.tree.map(lambda v: v[count:], places))
    dimple, barrier, bud = (jax.tree.map(itemgetter(i), states) for i in range(count))
    hill = jnp.where(marks.rises, jnp.inf, barrier.energy - dimple.energy)
    return Equilibria(dimple, barrier, bud, *thresholds, jnp.where(marks.falls, 0.0, hill))


class _Place(NamedTuple):
    """A solved state (z, x) of the path, and whether it is what was looked for."""

    z: jax.Array
    x: jax.Array
    met: jax.Array


def _search(problem, line_tension, path, closed, resolution, guess, curvature) -> _Place:
    """The place near x = ``guess`` where dF/dx = 0, or with a ``curvature`` that is not nan, where dl*/dx = 0.

    ``curvature`` is about the second derivative of l* there; an infinite one holds x where it is.
    """
    known, extremum = jnp.isfinite(guess), ~jnp.isnan(curvature)
    start = jnp.where(known, _off_zero(guess), 1.0)

    def refine(_, last):
        x = last[0]
        z, along = _state_at(problem, path, closed, resolution, x)
        _, slope, bend, *_ = describe(z, along, x, problem, closed, resolution)
        pull, pull_slope = rim_pull(x), rim_pull_slope(x)
        to_equilibrium = (line_tension * pull - slope) / (bend - line_tension * pull_slope)
        to_extremum = (slope / pull * pull_slope - bend) / pull / curvature
        moved = jnp.where(extremum, to_extremum, to_equilibrium)
        return _off_zero(x + jnp.clip(moved, -0.5 * resolution.step, 0.5 * resolution.step)), x, z, slope

    _, x, z, slope = jax.lax.fori_loop(0, REFINEMENTS + 1, refine, (start, start, path.state[0], start))
    balanced = (jnp.abs(slope - line_tension * rim_pull(x)) < BALANCED) | (jnp.abs(x) <= LEAST_X)
    near = balanced & (jnp.abs(x - start) < resolution.step)
    return _Place(z, x, known & (extremum | near) & (tail(z, resolution) < RESOLVED))


def _off_zero(x):
    """x, or LEAST_X where x lies nearer to 0."""
    return jnp.where(jnp.abs(x) < LEAST_X, LEAST_X, x)


def _state_at(problem, path, closed, resolution, x):
    """(z, dz/dx) at x, from the nearest state of the path on the same side of x = 0, by way of places between."""
    there = jnp.isfinite(path.energy) & (path.x * x > 0)
    near = jnp.argmin(jnp.where(there, jnp.abs(path.x - x), jnp.inf))
    start = path.x[near]

    def walk(part, state):
        at = start * (x / start) ** ((part + 1) / WAY)
        return newton(state[0], at, problem, closed, resolution, NEWTON_STEPS)[:2]

    z = path.state[near]
    return jax.lax.fori_loop(0, WAY, walk, (z, jnp.zeros_like(z)))


def _equilibrium(problem, line_tension, closed, resolution, place: _Place) -> Equilibrium:
    """What is known of the state of equilibrium at a place; nan where there is none."""

    def residual(state):
        z, x = state[:-1], state[-1]
        slope = jax.grad(lagrangian, 1)(z, x, problem, closed, resolution)
        return jnp.append(gradient(z, x, problem, closed, resolution), slope - line_tension * rim_pull(x))

    state = _implicit(residual, jnp.append(place.z, place.x))
    z, x = state[:-1], state[-1]
    energy = lagrangian(z, x, problem, closed, resolution) + 2 * jnp.pi * line_tension / jnp.cosh(x)
    domain, host, angle, _ = arcs(z, x, problem, closed, resolution)
    neck = neck_radius(domain, host, angle, 1 / jnp.cosh(x))
    found = Equilibrium(x, energy - reference_energy(problem, line_tension, closed), angle, neck)
    return jax.tree.map(lambda v: jnp.where(place.met, v, jnp.nan), found)


def _threshold(problem, closed, resolution, place: _Place):
    """l*(x) at a place; nan where there is none.

    At an extremum l* does not depend on x, so that its derivative in a parameter is that at a fixed x.
    """
    x = place.x
    z = _implicit(lambda z: gradient(z, x, problem, closed, resolution), place.z)
    value = jax.grad(lagrangian, 1)(z, x, problem, closed, resolution) / rim_pull(x)
    return jnp.where(place.met, value, jnp.nan)


def _implicit(residual, root):
    """``root`` with the derivatives of the implicit function that ``residual`` = 0 defines."""
    solve = lambda linear, y: jnp.linalg.solve(jax.jacfwd(linear)(y), y)
    return jax.lax.custom_root(residual, root, lambda _, found: found, solve)
