"""One state at a given rim radius: a first guess, Newton's method, and what is read off the solved state.

A state is a vector z of unknowns (:mod:`membrane.bud.exact.curve`) at which the Lagrangian is stationary.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import lu_factor, lu_solve

from membrane.bud.exact.curve import arcs, gradient, hessian, lagrangian

FIRST_STEPS = 40
"""Most Hessians that are computed for a state that is found from a guess."""

NEWTON_STEPS = 8
"""Most Hessians that are computed for a state that is found from its neighbours."""

LAST_CORRECTION = 3e-4
"""A state is solved when the last correction of its shape is smaller than this."""

LARGEST_CHANGE = 0.3
"""Largest change of an unknown in one correction."""

KEPT = 0.3
"""A Hessian is used again as long as each correction is smaller than this share of the one before."""

RIGHT_ANGLE = 0.5 * np.pi


def cap_in_catenoid(x, problem, closed, resolution):
    """First guess of the unknowns: a spherical cap in a host that falls off like a catenoid."""
    y = jnp.tanh(x)
    arc = jnp.arcsin(y) / y
    parts = [2 * arc, jnp.zeros(resolution.inner - 1), arc, jnp.zeros(2 + resolution.outer)]
    if closed:
        # The far host is a sphere. Its pressure is 2 sigma/R_v less what its spontaneous curvature takes off; where it
        # keeps its area, its tension is what its spontaneous curvature asks for.
        h, sign = problem.host_curvature, jnp.sign(problem.host_curvature)
        pressure = problem.tension / jnp.abs(h) - problem.rigidity_ratio * problem.host_spontaneous_curvature * sign
        by_volume = -sign * 8 * jnp.pi / (3 * jnp.abs(h)) * pressure
        by_area = jnp.pi * problem.rigidity_ratio * problem.host_spontaneous_curvature * h
        kept = jnp.where(problem.volume_kept == 1, by_volume, by_area)
        parts += [jnp.pi / jnp.abs(h) - arc, 0.0, kept]
    return jnp.concatenate([jnp.atleast_1d(jnp.asarray(p, y.dtype)) for p in parts])


def newton(z, x, problem, closed, resolution, limit):
    """Solve for the state at x by Newton's method, starting from z.

    At most ``limit`` Hessians are computed. Half of them may be spent while corrections are large. A correction that is
    too large is shortened.

    Returns (state, its derivative in x, size of the last correction).
    """
    # Multipliers are not part of the shape: they do not count in the size of a correction.
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
    """(G, dG/dx, d2G/dx2, neck radius, contact angle) of a solved state z with derivative ``along`` in x."""
    domain, host, angle, _ = arcs(z, x, problem, closed, resolution)
    value = lambda z, x: lagrangian(z, x, problem, closed, resolution)
    slope, bend = jax.jvp(jax.grad(value, 1), (z, x), (along, jnp.ones_like(x)))
    return value(z, x), slope, bend, neck_radius(domain, host, angle, 1 / jnp.cosh(x)), angle


def neck_radius(domain, host, angle, rim):
    """Smallest radius beyond the equator of the bud, in units of L; the radius of the rim while there is no neck.

    The neck is where psi falls through pi/2. Its radius is extrapolated to second order from the nearest point.
    """
    waists = []
    for arc in (domain, host):
        distance = jnp.where(arc.bend < 0, jnp.abs(arc.psi - RIGHT_ANGLE), jnp.inf)
        at = jnp.argmin(distance)
        waists.append(arc.r[at] + (1 - jnp.sin(arc.psi[at])) / arc.bend[at])
    inside = jnp.where(jnp.max(domain.psi) > RIGHT_ANGLE, waists[0], rim)
    return jnp.minimum(rim, jnp.where(angle > RIGHT_ANGLE, waists[1], inside))
