"""States in equilibrium along the path, with derivatives in every parameter.

A state (z, x) solves dL/dz = 0, the shape at fixed rim, and dL/dx + 2 pi l alpha'(x) = 0, the rim's own balance. It is
found on the traced path, polished by Newton's method and differentiated implicitly (`jax.lax.custom_root`).
"""

from functools import partial
from operator import itemgetter
from typing import NamedTuple

import jax
import jax.numpy as jnp

from membrane.bud.exact.curve import Problem, Resolution, arcs, gradient, lagrangian, reference_energy
from membrane.bud.exact.path import NEWTON_STEPS, Path, describe, neck_radius, newton, trace

FLAT_END, LEAST_X = 0.01, 1e-6
"""x that stands for the flat state in a threshold and in a dimple."""

POLISH = 8
"""Newton steps in x."""


class NoState(ValueError):
    """The state asked for does not exist, and why."""


class State(NamedTuple):
    """One equilibrium: ``x`` (rim radius L/cosh x), ``energy`` over that of the undisturbed host in kappa_in,
    ``contact_angle`` psi at the rim, ``neck_radius`` over L. All nan: there is none."""

    x: jax.Array
    energy: jax.Array
    contact_angle: jax.Array
    neck_radius: jax.Array


class Equilibria(NamedTuple):
    """``dimple``: the first stable state (x -> 0: flat); ``barrier``: the first unstable one beyond it; ``bud``: the
    stable one beyond that, its neck open (nan where F falls on to the narrowest traced neck).

    Line tensions l at which states come and go: above ``instability`` no dimple is left, below ``opening`` no bud with
    an open neck (nan where l* has no such extremum: states change without a jump), above ``closing`` the narrowest
    traced neck closes on."""

    dimple: State
    barrier: State
    bud: State
    instability: jax.Array
    opening: jax.Array
    closing: jax.Array

    @property
    def barrier_energy(self):
        """F(barrier) - F(dimple) in kappa_in; 0 where no dimple is left, inf where F rises from it to the narrowest
        traced neck."""
        barred = jnp.where(jnp.isnan(self.barrier.x), jnp.inf, self.barrier.energy - self.dimple.energy)
        return jnp.where(jnp.isnan(self.dimple.x), 0.0, barred)

    @property
    def opening_barrier_energy(self):
        """F(barrier) - F(bud) in kappa_in, the way back; nan where there is no open bud."""
        return self.barrier.energy - self.bud.energy

    def state(self, name: str) -> State:
        """``dimple``, ``barrier`` or ``bud`` of one problem, outside compiled code. Raises :class:`NoState` with the
        thresholds where there is none."""
        if name not in ("dimple", "barrier", "bud"):
            raise ValueError(f"state {name!r} is unknown; give dimple, barrier or bud")
        found = getattr(self, name)
        if jnp.isfinite(found.x):
            return found
        lost, opens, closes = (f"{float(value):.4g}" for value in (self.instability, self.opening, self.closing))
        reasons = {
            "dimple": f"a dimple exists up to l = lambda L/kappa_in = {lost}",
            "barrier": f"a barrier stands between dimple (l = lambda L/kappa_in up to {lost}) and bud (from {opens})",
            "bud": f"a bud with an open neck exists from l = lambda L/kappa_in = {opens} to {closes}, where it closes",
        }
        raise NoState(f"no {name} at this line tension: {reasons[name]} (nan: at none); change line tension or area")


def line_tension_at(path: Path):
    """l*(x), the line tension at which each state of the path is in equilibrium."""
    return path.slope / (2 * jnp.pi * jnp.tanh(path.x) / jnp.cosh(path.x))


@partial(jax.jit, static_argnames=("closed", "resolution"))
def equilibria(problem: Problem, line_tension, *, closed: bool, resolution: Resolution) -> Equilibria:
    """Equilibria of one problem (scalars; vmap for many) at l = lambda L/kappa_in, differentiable in all arguments."""
    path = trace(jax.lax.stop_gradient(problem), closed=closed, resolution=resolution)
    l = jax.lax.stop_gradient(line_tension)  # noqa: E741
    force = path.slope - 2 * jnp.pi * l * jnp.tanh(path.x) / jnp.cosh(path.x)
    exists, at = jnp.isfinite(force), jnp.arange(path.x.size)
    first = jnp.argmax(exists)
    settles = jnp.append((force[:-1] < 0) & (force[1:] >= 0), False)
    leaves = jnp.append((force[:-1] > 0) & (force[1:] <= 0), False)

    # Where F rises from the first state on, the dimple lies before it.
    before = force[first] > 0
    dimple, has_dimple = jnp.where(before, first, jnp.argmax(settles)), before | settles.any()
    leaves = leaves & (at >= dimple) & has_dimple
    barrier = jnp.argmax(leaves)
    settles = settles & (at > barrier) & leaves.any()
    starts = jnp.stack([dimple, barrier, jnp.argmax(settles)])
    found = jnp.stack([has_dimple, leaves.any(), settles.any()])

    solve = lambda i: _state(problem, line_tension, path, force, i, closed, resolution)
    states = jax.tree.map(lambda v: jnp.where(found, v, jnp.nan), jax.vmap(solve)(starts))
    parts = [jax.tree.map(itemgetter(i), states) for i in range(3)]
    return Equilibria(*parts, *_thresholds(problem, path, closed, resolution))


def _state(problem, line_tension, path, force, i, closed, resolution) -> State:
    """The equilibrium at or after point i of the path."""
    step = path.x[1] - path.x[0]
    share = force[i] / (force[i] - force[jnp.minimum(i + 1, force.size - 1)])
    dx = jnp.where((share > 0) & (share < 1), share, 0.0) * step
    still, l = jax.lax.stop_gradient((problem, line_tension))  # noqa: E741

    def residual(state, problem, line_tension):
        z, x = state[:-1], state[-1]
        slope = jax.grad(lagrangian, 1)(z, x, problem, closed, resolution)
        rim = 2 * jnp.pi * line_tension * jnp.tanh(x) / jnp.cosh(x)
        return jnp.append(gradient(z, x, problem, closed, resolution), slope - rim)

    def polish(_, carry):
        state, along, dx = carry
        dx = jnp.clip(dx, -step, step)
        x = state[-1] + dx
        x = jnp.where(jnp.abs(x) < LEAST_X, LEAST_X, x)
        z, along, _ = newton(state[:-1] + dx * along, x, still, closed, resolution, NEWTON_STEPS)
        _, slope, bend, *_ = describe(z, along, x, still, closed, resolution)
        y, alpha = jnp.tanh(x), 1 / jnp.cosh(x)
        left = slope - 2 * jnp.pi * l * alpha * y
        # alpha'' = alpha (1 - 2 alpha^2)
        return jnp.append(z, x), along, -left / (bend + 2 * jnp.pi * l * alpha * (1 - 2 * alpha**2))

    start = (jnp.append(path.state[i], path.x[i]), jnp.zeros_like(path.state[i]), dx)
    state, _, _ = jax.lax.fori_loop(0, POLISH, polish, start)
    state = _implicit(lambda s: residual(s, problem, line_tension), jax.lax.stop_gradient(state))
    z, x = state[:-1], state[-1]
    energy = lagrangian(z, x, problem, closed, resolution) + 2 * jnp.pi * line_tension / jnp.cosh(x)
    domain, host, angle, _ = arcs(z, x, problem, closed, resolution)
    neck = neck_radius(domain, host, angle, 1 / jnp.cosh(x))
    return State(x, energy - reference_energy(problem, line_tension, closed), angle, neck)


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
    still = jax.lax.stop_gradient(problem)

    def value(x, i):
        start = jax.tree.map(lambda v: v[i], (path.x, path.state))
        z, *_ = newton(start[1], x, still, closed, resolution, NEWTON_STEPS)
        z = _implicit(lambda z: gradient(z, x, problem, closed, resolution), jax.lax.stop_gradient(z))
        slope = jax.grad(lagrangian, 1)(z, x, problem, closed, resolution)
        return slope / (2 * jnp.pi * jnp.tanh(x) / jnp.cosh(x))

    values = jax.vmap(value)(x, jnp.stack([peak, valley, last]))
    return tuple(jnp.where(exist, values, jnp.nan))


def _offset(values, i):
    """Where the parabola through points i-1, i, i+1 has its extremum, from i in steps."""
    i = jnp.clip(i, 1, values.size - 2)
    low, middle, high = values[i - 1], values[i], values[i + 1]
    offset = 0.5 * (low - high) / (low - 2 * middle + high)
    return jnp.where(jnp.abs(offset) <= 1, offset, 0.0)
