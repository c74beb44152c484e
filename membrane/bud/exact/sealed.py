"""Closed vesicles of which both phases' areas and the volume are held, as in a sealed vesicle of insoluble lipids.

On a path (`path`) the host draws area from a reservoir at the tension s. Here its area is given, a_out in units of the
domain's, and s is the multiplier of it: a state w = (z, s, x) in equilibrium at the line tension l solves

    dL/dz = 0,    A_host(z) = a_out pi L^2,    l*(z, x) = l.

It is found by Newton's method from a state near it, from which all that is given is changed bit by bit: rim radius,
tension and line tension may each turn back along a curve of states.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from membrane.bud.exact.curve import Problem, Resolution, arcs, gradient, lagrangian
from membrane.bud.exact.path import FIRST_STEPS, LAST_CORRECTION, RIGHT_ANGLE, cap_in_catenoid, newton

CORRECTIONS, SOLVED, FARTHEST = 25, 1e-7, 0.3
"""Most Newton steps, largest last correction of the shape, and largest correction that is not shortened."""

LEAST_SHARE, LONGEST = 1e-3, 0.3
"""Least part of a walk that is tried, and how far its shape may move in a part: farther is another branch."""

ENTRY = 0.4
"""Rim radius over L of the state from which a search sets out without another."""


class Sealed(NamedTuple):
    """One state: ``problem``, whose tension is the multiplier s; ``x`` (rim radius L/cosh x); ``state`` z; what was
    held, ``line_tension`` l = lambda L/kappa_in and ``host_area`` over that of the domain; ``energy`` in kappa_in:
    bending, Gaussian contrast and rim, without what multipliers add. Lengths in L, domain area pi L^2."""

    problem: Problem
    x: jax.Array
    state: jax.Array
    line_tension: jax.Array
    host_area: jax.Array
    energy: jax.Array

    @property
    def radius(self):
        """Of the sphere of the whole area, over L."""
        return 0.5 * jnp.sqrt(1 + self.host_area)

    def contact_angle(self, resolution: Resolution):
        """psi at the rim."""
        return arcs(self.state, self.x, self.problem, True, resolution)[2]


class Neck(NamedTuple):
    """``radius`` of the narrowest place between the equators of domain and host, and ``offset``, its distance along the
    meridian from the rim, positive on the host, both over L; nan: psi never falls through pi/2."""

    radius: float
    offset: float


def vesicle_of(*, domain_share, reduced_volume, rigidity_ratio, gaussian_contrast, line_tension):
    """(problem, l, host area) of a vesicle without spontaneous curvature whose domain has a share of its area;
    k, g as in :class:`Problem`, ``line_tension`` lambda R/kappa_in with R of the sphere of the whole area."""
    radius = 0.5 / np.sqrt(domain_share)
    given = 0.0, 0.0, 0.0, rigidity_ratio, gaussian_contrast, 1 / (radius * reduced_volume ** (1 / 3))
    return Problem(*(jnp.asarray(v, float) for v in given)), line_tension / radius, 1 / domain_share - 1


def sealed_at(
    problem: Problem, line_tension, host_area, *, near: Sealed | None = None, resolution: Resolution
) -> Sealed:
    """The state at l and host area (over the domain's), reached from ``near``, by default from the state at the tension
    of ``problem`` whose rim has the radius ENTRY. Raises ValueError where it is not reached."""
    real = lambda v: jnp.asarray(v, float)
    there = _Given(problem, real(line_tension), real(host_area))
    w, here = _entered(problem, resolution) if near is None else _unknowns(near)
    share, part = 0.0, 1.0
    while share < 1:
        now = min(1.0, share + part)
        found, size = _newton(w, _between(here, there, now), resolution)
        if size < SOLVED and jnp.max(jnp.abs(found - w) * _shape(w.size, resolution)) < LONGEST:
            w, share, part = found, now, 2 * part
            continue
        part /= 2
        if part < LEAST_SHARE:
            raise ValueError(
                f"no state is reached beyond {share:.0%} of the way to l = {float(line_tension):.4g} and a host of "
                f"{float(host_area):.4g} times the domain's area: start from a state nearer to it"
            )
    return _described(w, there, resolution)


def neck(state: Sealed, resolution: Resolution) -> Neck:
    """Where psi falls through pi/2, nearest to the rim."""
    domain, host, _, _ = arcs(state.state, state.x, state.problem, True, resolution)
    found = []
    for arc, begin in ((domain, -float(state.state[resolution.inner])), (host, 0.0)):
        psi, s, r = (np.asarray(v) for v in (arc.psi, arc.s, arc.r))
        for i in np.flatnonzero((psi[:-1] > RIGHT_ANGLE) & (psi[1:] <= RIGHT_ANGLE)):
            share = (psi[i] - RIGHT_ANGLE) / (psi[i] - psi[i + 1])
            found.append(Neck(float(r[i] + share * (r[i + 1] - r[i])), float(begin + s[i] + share * (s[i + 1] - s[i]))))
    return min(found, key=lambda n: abs(n.offset), default=Neck(np.nan, np.nan))


class _Given(NamedTuple):
    """What a state solves for; the tension of the problem is not among it."""

    problem: Problem
    line_tension: jax.Array
    host_area: jax.Array


def _between(here: _Given, there: _Given, share: float) -> _Given:
    """On the way from here to there: all in proportion, but the domain's share of the area and the reduced volume in
    place of host area and host curvature, which would lead through volumes that no vesicle has."""

    def natural(given: _Given):
        domain, bend = 1 / (1 + given.host_area), given.problem.host_curvature
        return domain, (jnp.abs(bend) * 0.5 / jnp.sqrt(domain)) ** -3

    mixed = jax.tree.map(lambda a, b: a + share * (b - a), here, there)
    domain, volume = (a + share * (b - a) for a, b in zip(natural(here), natural(there), strict=True))
    bend = jnp.sign(there.problem.host_curvature) * 2 * jnp.sqrt(domain) * volume ** (-1 / 3)
    return _Given(mixed.problem._replace(host_curvature=bend), mixed.line_tension, 1 / domain - 1)


def _unknowns(near: Sealed):
    w = jnp.concatenate([near.state, jnp.stack([near.problem.tension, near.x])])
    return w, _Given(near.problem, near.line_tension, near.host_area)


def _entered(problem, resolution):
    """(w, what it solves) of the state at rim radius :data:`ENTRY`, at the problem's own tension."""
    x = jnp.arccosh(1 / jnp.asarray(ENTRY))
    z, size = _at_rim(x, problem, resolution)
    if not size < LAST_CORRECTION:
        raise ValueError(f"no state at a rim of {ENTRY} L and s = {float(problem.tension):.4g}: start from one nearby")
    w = jnp.concatenate([z, jnp.stack([problem.tension, x])])
    return w, _Given(problem, _balance(w, problem, resolution), _host_area(z, x, problem, resolution))


@partial(jax.jit, static_argnames="resolution")
def _at_rim(x, problem, resolution):
    z, _, size = newton(cap_in_catenoid(x, problem, True, resolution), x, problem, True, resolution, FIRST_STEPS)
    return z, size


def _host_area(z, x, problem, resolution):
    host = arcs(z, x, problem, True, resolution)[1]
    return 2 * jnp.sum(host.r * host.weight)


def _balance(w, problem, resolution):
    """l*, the line tension that holds the rim."""
    z, x, problem = w[:-2], w[-1], problem._replace(tension=w[-2])
    slope = jax.grad(lagrangian, 1)(z, x, problem, True, resolution)
    return slope / (2 * jnp.pi * jnp.tanh(x) / jnp.cosh(x))


def _shape(count: int, resolution) -> np.ndarray:
    """1 for coefficients, lengths and x; 0 for the multipliers of the domain, of closure and volume, and s."""
    shape = np.ones(count)
    shape[resolution.inner + 1 : resolution.inner + 3] = shape[-4:-1] = 0
    return shape


@partial(jax.jit, static_argnames="resolution")
def _newton(w, given: _Given, resolution):
    """(state, last correction of its shape)."""
    shape = _shape(w.size, resolution)

    def residual(w):
        z, x, problem = w[:-2], w[-1], given.problem._replace(tension=w[-2])
        short = _host_area(z, x, problem, resolution) - given.host_area
        rim = _balance(w, problem, resolution) - given.line_tension
        return jnp.concatenate([gradient(z, x, problem, True, resolution), jnp.stack([short, rim])])

    def body(carry):
        w, _, count = carry
        change = jnp.linalg.solve(jax.jacfwd(residual)(w), residual(w))
        size = jnp.max(jnp.abs(change * shape))
        return w - jnp.minimum(1, FARTHEST / size) * change, size, count + 1

    going = lambda carry: (carry[1] > SOLVED) & (carry[2] < CORRECTIONS)
    w, size, _ = jax.lax.while_loop(going, body, (w, jnp.asarray(jnp.inf, w.dtype), 0))
    return w, size


def _described(w, given: _Given, resolution) -> Sealed:
    z, x, problem = w[:-2], w[-1], given.problem._replace(tension=w[-2])
    stretched = problem.tension * jnp.pi * given.host_area
    energy = lagrangian(z, x, problem, True, resolution) - stretched + 2 * jnp.pi * given.line_tension / jnp.cosh(x)
    return Sealed(problem, x, z, given.line_tension, given.host_area, energy)
