"""Sealed vesicles of two phases: both areas and the volume are given, as in a vesicle of insoluble lipids.

On a path (:mod:`membrane.bud.exact.path`) the host draws area from a reservoir at the tension s. Here the area of the
host is given, a_out in units of the domain's, and s is its multiplier. A state w = (z, s, x) in equilibrium at the line
tension l solves

    dL/dz = 0,    A_host(z) = a_out pi L^2,    l*(z, x) = l.

It is found by Newton's method from a known state, from which all that is given is changed in small steps. Rim radius,
tension and line tension may each turn back along a curve of states, so that none of them can serve as the coordinate.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from membrane.bud.exact.compiled import compiled
from membrane.bud.exact.curve import Resolution, arcs, gradient, lagrangian
from membrane.bud.exact.newton import FIRST_STEPS, LAST_CORRECTION, RIGHT_ANGLE, cap_in_catenoid, newton
from membrane.bud.exact.problem import Problem

CORRECTIONS = 25
"""Most Newton steps."""

SOLVED = 1e-7
"""A state is solved when the last correction of its shape is smaller than this."""

LARGEST_CORRECTION = 0.3
"""A correction that is larger is shortened to this."""

LEAST_SHARE = 1e-3
"""Smallest part of the way to what is given that is tried."""

LARGEST_MOVE = 0.3
"""A shape that moves farther in one part of the way has gone to another branch of states."""

ENTRY = 0.4
"""Rim radius over L of the state from which a search begins where no other state is given."""


class Sealed(NamedTuple):
    """One state of a sealed vesicle. Lengths are in units of L, the area of the domain is pi L^2.

    Attributes:
        problem: domain and host; its tension is the multiplier s of the host's area.
        x: the rim radius is L/cosh x.
        state: the unknowns z.
        line_tension: l = lambda L/kappa_in, as given.
        host_area: area of the host over that of the domain, as given.
        energy: bending, Gaussian contrast and rim in kappa_in, without the terms of multipliers.
    """

    problem: Problem
    x: jax.Array
    state: jax.Array
    line_tension: jax.Array
    host_area: jax.Array
    energy: jax.Array

    @property
    def radius(self):
        """Radius of the sphere of the whole area, over L."""
        return 0.5 * jnp.sqrt(1 + self.host_area)

    def contact_angle(self, resolution: Resolution):
        """psi at the rim, rad."""
        return arcs(self.state, self.x, self.problem, True, resolution)[2]


class Waist(NamedTuple):
    """The narrowest place between the equators of domain and host; nan: psi never falls through pi/2.

    Attributes:
        radius: over L.
        offset: distance from the rim along the meridian over L, positive on the host.
    """

    radius: float
    offset: float


def vesicle_of(
    *,
    domain_share: float,
    reduced_volume: float,
    rigidity_ratio: float,
    gaussian_contrast: float,
    line_tension: float,
) -> tuple[Problem, float, float]:
    """From the usual numbers of a vesicle without spontaneous curvature to (problem, l, host area over the domain's).

    Arguments:
        domain_share: share of the domain in the whole area.
        reduced_volume: volume over that of the sphere of the same area.
        rigidity_ratio: kappa_out/kappa_in.
        gaussian_contrast: (kappa_G,in - kappa_G,out)/kappa_in.
        line_tension: lambda R/kappa_in, with R of the sphere of the whole area.
    """
    radius = 0.5 / np.sqrt(domain_share)
    problem = Problem(
        spontaneous_curvature=jnp.asarray(0.0, float),
        host_spontaneous_curvature=jnp.asarray(0.0, float),
        tension=jnp.asarray(0.0, float),
        rigidity_ratio=jnp.asarray(rigidity_ratio, float),
        gaussian_contrast=jnp.asarray(gaussian_contrast, float),
        host_curvature=jnp.asarray(1 / (radius * reduced_volume ** (1 / 3)), float),
    )
    return problem, line_tension / radius, 1 / domain_share - 1


def sealed_at(
    problem: Problem,
    line_tension: ArrayLike,
    host_area: ArrayLike,
    *,
    near: Sealed | None = None,
    resolution: Resolution,
) -> Sealed:
    """The state of a sealed vesicle.

    Arguments:
        problem: domain and host. Its tension matters only where ``near`` is not given. Volume and area are both kept,
            whatever its ``volume_kept`` says.
        line_tension: l = lambda L/kappa_in.
        host_area: area of the host over that of the domain.
        near: a known state from which to go there; by default the one at the tension of ``problem`` whose rim has the
            radius ENTRY.
        resolution: number of polynomials on domain and host.

    Raises:
        ValueError: the state is not reached.
    """
    real = lambda v: jnp.asarray(v, float)
    problem = replace(problem, volume_kept=jnp.ones_like(real(problem.host_curvature)))
    there = _Given(problem, real(line_tension), real(host_area))
    w, here = _entered(problem, resolution) if near is None else _unknowns(near)
    share, part = 0.0, 1.0
    while share < 1:
        now = min(1.0, share + part)
        found, size = _newton(w, _between(here, there, now), resolution)
        if size < SOLVED and jnp.max(jnp.abs(found - w) * _shape(w.size, resolution)) < LARGEST_MOVE:
            w, share, part = found, now, 2 * part
            continue
        part /= 2
        if part < LEAST_SHARE:
            raise ValueError(
                f"no state is reached beyond {share:.0%} of the way to l = {float(line_tension):.4g} and a host of "
                f"{float(host_area):.4g} times the domain's area: start from a state nearer to it"
            )
    return _described(w, there, resolution)


def waist(state: Sealed, resolution: Resolution) -> Waist:
    """The waist of a state, where psi falls through pi/2; of several the one nearest to the rim."""
    domain, host, _, _ = arcs(state.state, state.x, state.problem, True, resolution)
    found = []
    for arc, begin in ((domain, -float(state.state[resolution.inner])), (host, 0.0)):
        psi, s, r = (np.asarray(v) for v in (arc.psi, arc.s, arc.r))
        for i in np.flatnonzero((psi[:-1] > RIGHT_ANGLE) & (psi[1:] <= RIGHT_ANGLE)):
            share = (psi[i] - RIGHT_ANGLE) / (psi[i] - psi[i + 1])
            radius, offset = r[i] + share * (r[i + 1] - r[i]), begin + s[i] + share * (s[i + 1] - s[i])
            found.append(Waist(float(radius), float(offset)))
    return min(found, key=lambda n: abs(n.offset), default=Waist(np.nan, np.nan))


class _Given(NamedTuple):
    """What a state is asked to have. The tension of the problem is not part of it."""

    problem: Problem
    line_tension: jax.Array
    host_area: jax.Array


def _between(here: _Given, there: _Given, share: float) -> _Given:
    """What is given a ``share`` of the way from here to there.

    All numbers change in proportion, but host area and host curvature. Those would lead through volumes that no vesicle
    has; in their place the domain's share of the area and the reduced volume change in proportion.
    """

    def natural(given: _Given):
        domain, bend = 1 / (1 + given.host_area), given.problem.host_curvature
        return domain, (jnp.abs(bend) * 0.5 / jnp.sqrt(domain)) ** -3

    mixed = jax.tree.map(lambda a, b: a + share * (b - a), here, there)
    domain, volume = (a + share * (b - a) for a, b in zip(natural(here), natural(there), strict=True))
    bend = jnp.sign(there.problem.host_curvature) * 2 * jnp.sqrt(domain) * volume ** (-1 / 3)
    return _Given(replace(mixed.problem, host_curvature=bend), mixed.line_tension, 1 / domain - 1)


def _unknowns(near: Sealed):
    w = jnp.concatenate([near.state, jnp.stack([near.problem.tension, near.x])])
    return w, _Given(near.problem, near.line_tension, near.host_area)


def _entered(problem, resolution):
    """(w, what is given of it) for the state at the rim radius :data:`ENTRY` and the tension of the problem."""
    x = jnp.arccosh(1 / jnp.asarray(ENTRY))
    z, size = _at_rim(x, problem, resolution)
    if not size < LAST_CORRECTION:
        raise ValueError(f"no state at a rim of {ENTRY} L and s = {float(problem.tension):.4g}: start from one nearby")
    w = jnp.concatenate([z, jnp.stack([problem.tension, x])])
    return w, _Given(problem, _balance(w, problem, resolution), _host_area(z, x, problem, resolution))


@compiled("resolution")
def _at_rim(x, problem, resolution):
    z, _, size = newton(cap_in_catenoid(x, problem, True, resolution), x, problem, True, resolution, FIRST_STEPS)
    return z, size


def _host_area(z, x, problem, resolution):
    host = arcs(z, x, problem, True, resolution)[1]
    return 2 * jnp.sum(host.r * host.weight)


def _balance(w, problem, resolution):
    """l*, the line tension at which the rim is in equilibrium."""
    z, x, problem = w[:-2], w[-1], replace(problem, tension=w[-2])
    slope = jax.grad(lagrangian, 1)(z, x, problem, True, resolution)
    return slope / (2 * jnp.pi * jnp.tanh(x) / jnp.cosh(x))


def _shape(count: int, resolution) -> np.ndarray:
    """1 for the unknowns that are part of the shape (coefficients, lengths, x), 0 for the multipliers and s."""
    shape = np.ones(count)
    shape[resolution.inner + 1 : resolution.inner + 3] = shape[-4:-1] = 0
    return shape


@compiled("resolution")
def _newton(w, given: _Given, resolution):
    """(w, size of the last correction of its shape) by Newton's method."""
    shape = _shape(w.size, resolution)

    def residual(w):
        z, x, problem = w[:-2], w[-1], replace(given.problem, tension=w[-2])
        short = _host_area(z, x, problem, resolution) - given.host_area
        rim = _balance(w, problem, resolution) - given.line_tension
        return jnp.concatenate([gradient(z, x, problem, True, resolution), jnp.stack([short, rim])])

    def body(carry):
        w, _, count = carry
        change = jnp.linalg.solve(jax.jacfwd(residual)(w), residual(w))
        size = jnp.max(jnp.abs(change * shape))
        return w - jnp.minimum(1, LARGEST_CORRECTION / size) * change, size, count + 1

    going = lambda carry: (carry[1] > SOLVED) & (carry[2] < CORRECTIONS)
    w, size, _ = jax.lax.while_loop(going, body, (w, jnp.asarray(jnp.inf, w.dtype), 0))
    return w, size


def _described(w, given: _Given, resolution) -> Sealed:
    z, x, problem = w[:-2], w[-1], replace(given.problem, tension=w[-2])
    stretched = problem.tension * jnp.pi * given.host_area
    energy = lagrangian(z, x, problem, True, resolution) - stretched + 2 * jnp.pi * given.line_tension / jnp.cosh(x)
    return Sealed(problem, x, z, given.line_tension, given.host_area, energy)
