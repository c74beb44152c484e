"""States in equilibrium with a given line tension, with derivatives in every parameter.

A state (z, x) solves dL/dz = 0, the equilibrium of the shape at a fixed rim, and dL/dx + 2 pi l alpha'(x) = 0, the
equilibrium of the rim. It is found on the traced path, refined by Newton's method, and differentiated by the theorem of
the implicit function (`jax.lax.custom_root`).

Runs do not need these states, for they read whole landscapes. They serve to test the phase-field vesicle against exact
shapes, and give exact gradients of barriers to those who fit parameters.
"""

from functools import partial
from operator import itemgetter
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from membrane.bud.exact.curve import Resolution, arcs, gradient, lagrangian, reference_energy
from membrane.bud.exact.newton import NEWTON_STEPS, describe, neck_radius, newton
from membrane.bud.exact.path import Path, trace
from membrane.bud.exact.problem import Problem

FLAT_END = 0.01
"""The x that stands for the flat state in a threshold."""

LEAST_X = 1e-6
"""The smallest |x| of a dimple: at x = 0 itself the unknowns are not defined."""

REFINEMENTS = 8
"""Newton steps in x."""


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
        dimple: the first stable state; x -> 0 where it is flat.
        barrier: the first unstable state beyond the dimple.
        bud: the stable state beyond that, with an open neck; nan where F falls on to the narrowest traced neck.
        instability: above this l there is no dimple; nan where l* has no such maximum.
        opening: below this l there is no bud with an open neck; nan where l* has no such minimum.
        closing: above this l the narrowest traced neck closes on.
    """

    dimple: Equilibrium
    barrier: Equilibrium
    bud: Equilibrium
    instability: jax.Array
    opening: jax.Array
    closing: jax.Array

    @property
    def barrier_energy(self):
        """F(barrier) - F(dimple) in kappa_in.

        0 where there is no dimple any more; inf where F rises from the dimple to the narrowest traced neck.
        """
        barred = jnp.where(jnp.isnan(self.barrier.x), jnp.inf, self.barrier.energy - self.dimple.energy)
        return jnp.where(jnp.isnan(self.dimple.x), 0.0, barred)

    @property
    def opening_barrier_energy(self):
        """F(barrier) - F(bud) in kappa_in, for the way back; nan where there is no open bud."""
        return self.barrier.energy - self.bud.energy


def line_tension_at(path: Path):
    """l*(x), the line tension at which each state of the path is in equilibrium."""
    return path.slope / (2 * jnp.pi * jnp.tanh(path.x) / jnp.cosh(path.x))


@partial(jax.jit, static_argnames=("closed", "resolution"))
def equilibria(problem: Problem, line_tension: ArrayLike, *, closed: bool, resolution: Resolution) -> Equilibria:
    """The equilibria of one problem (scalars; use `jax.vmap` for many). They can be differentiated.

    Arguments:
        problem: the domain and its host.
        line_tension: l = lambda L/kappa_in.
        closed: whether the host is a sphere.
        resolution: how finely the path is computed on which they are found.
    """
    path = trace(jax.lax.stop_gradient(problem), closed=closed, resolution=resolution)
    l = jax.lax.stop_gradient(line_tension)  # noqa: E741
    force = path.slope - 2 * jnp.pi * l * jnp.tanh(path.x) / jnp.cosh(path.x)
    starts, found = _brackets(force)
    solve = lambda i: _equilibrium(problem, line_tension, path, force, i, closed, resolution)
    states = jax.tree.map(lambda v: jnp.where(found, v, jnp.nan), jax.vmap(solve)(starts))
    parts = [jax.tree.map(itemgetter(i), states) for i in range(3)]
    return Equilibria(*parts, *_thresholds(problem, path, closed, resolution))


def _brackets(force):
    """(points of the path behind which dimple, barrier and bud lie, whether they exist), from dF/dx along the path."""
    exists, at = jnp.isfinite(force), jnp.arange(force.size)
    first = jnp.argmax(exists)
    settles = jnp.append((force[:-1] < 0) & (force[1:] >= 0), False)
    leaves = jnp.append((force[:-1] > 0) & (force[1:] <= 0), False)

    # Where F rises from the first state on, the dimple lies before that state.
    before = force[first] > 0
    dimple, has_dimple = jnp.where(before, first, jnp.argmax(settles)), before | settles.any()
    leaves = leaves & (at >= dimple) & has_dimple
    barrier = jnp.argmax(leaves)
    settles = settles & (at > barrier) & leaves.any()
    starts = jnp.stack([dimple, barrier, jnp.argmax(settles)])
    return starts, jnp.stack([has_dimple, leaves.any(), settles.any()])


def _equilibrium(problem, line_tension, path, force, i, closed, resolution) -> Equilibrium:
    """The equilibrium at or after point ``i`` of the path."""
    state = _refined(*jax.lax.stop_gradient((problem, line_tension)), path, force, i, closed, resolution)

    def residual(state):
        z, x = state[:-1], state[-1]
        slope = jax.grad(lagrangian, 1)(z, x, problem, closed, resolution)
        rim = 2 * jnp.pi * line_tension * jnp.tanh(x) / jnp.cosh(x)
        return jnp.append(gradient(z, x, problem, closed, resolution), slope - rim)

    state = _implicit(residual, jax.lax.stop_gradient(state))
    z, x = state[:-1], state[-1]
    energy = lagrangian(z, x, problem, closed, resolution) + 2 * jnp.pi * line_tension / jnp.cosh(x)
    domain, host, angle, _ = arcs(z, x, problem, closed, resolution)
    neck = neck_radius(domain, host, angle, 1 / jnp.cosh(x))
    return Equilibrium(x, energy - reference_energy(problem, line_tension, closed), angle, neck)


def _refined(problem, line_tension, path, force, i, closed, resolution):
    """(z, x) of the equilibrium at or after point ``i`` of the path, by Newton's method in x; without derivatives."""
    step = path.x[1] - path.x[0]
    share = force[i] / (force[i] - force[jnp.minimum(i + 1, force.size - 1)])
    dx = jnp.where((share > 0) & (share < 1), share, 0.0) * step

    def refine(_, carry):
        state, along, dx = carry
        dx = jnp.clip(dx, -step, step)
        x = state[-1] + dx
        x = jnp.where(jnp.abs(x) < LEAST_X, LEAST_X, x)
        z, along, _ = newton(state[:-1] + dx * along, x, problem, closed, resolution, NEWTON_STEPS)
        _, slope, bend, *_ = describe(z, along, x, problem, closed, resolution)
        y, alpha = jnp.tanh(x), 1 / jnp.cosh(x)
        left = slope - 2 * jnp.pi * line_tension * alpha * y
        # alpha'' = alpha (1 - 2 alpha^2)
        return jnp.append(z, x), along, -left / (bend + 2 * jnp.pi * line_tension * alpha * (1 - 2 * alpha**2))

    start = (jnp.append(path.state[i], path.x[i]), jnp.zeros_like(path.state[i]), dx)
    state, _, _ = jax.lax.fori_loop(0, REFINEMENTS, refine, start)
    return state


def _implicit(residual, root):
    """``root`` with the derivatives of the implicit function that ``residual`` = 0 defines."""
    solve = lambda linear, y: jnp.linalg.solve(jax.jacfwd(linear)(y), y)
    return jax.lax.custom_root(residual, root, lambda _, found: found, solve)


def _thresholds(problem, path, closed, resolution):
    """(instability, opening, closing) of :class:`Equilibria`."""
    held = line_tension_at(path)
    exists, at = jnp.isfinite(held), jnp.arange(held.size)
    last = held.size - 1 - jnp.argmax(exists[::-1])
    drops = jnp.append(held[1:] < held[:-1], False)
    peak = jnp.argmax(drops)
    rises = jnp.append(held[1:] > held[:-1], False) & (at > peak)
    valley = jnp.argmax(rises)
    flat = peak == jnp.argmax(exists)
    x = jnp.stack(
        [
            jnp.where(flat, jnp.minimum(FLAT_END, path.x[peak]), path.x[peak] + _offset(held, peak) * resolution.step),
            path.x[valley] + _offset(held, valley) * resolution.step,
            path.x[last],
        ]
    )
    exist = jnp.stack([drops.any(), drops.any() & rises.any(), exists.any()])
    fixed = jax.lax.stop_gradient(problem)

    def value(x, i):
        z, *_ = newton(path.state[i], x, fixed, closed, resolution, NEWTON_STEPS)
        z = _implicit(lambda z: gradient(z, x, problem, closed, resolution), jax.lax.stop_gradient(z))
        slope = jax.grad(lagrangian, 1)(z, x, problem, closed, resolution)
        return slope / (2 * jnp.pi * jnp.tanh(x) / jnp.cosh(x))

    values = jax.vmap(value)(x, jnp.stack([peak, valley, last]))
    return tuple(jnp.where(exist, values, jnp.nan))


def _offset(values, i):
    """Where the parabola through the points i-1, i, i+1 has its extremum, counted from i in steps."""
    i = jnp.clip(i, 1, values.size - 2)
    low, middle, high = values[i - 1], values[i], values[i + 1]
    offset = 0.5 * (low - high) / (low - 2 * middle + high)
    return jnp.where(jnp.abs(offset) <= 1, offset, 0.0)
