"""The shape moves: descent of the free energy, a step at a time, each of which lowers it.

    dpsi = -dt B [g - sum_i y_i a_i],     B f = e . M (e f) + m P f,     g = dF/dpsi.

M and P are the mobilities (membrane.vesicle.mobility), diagonal in k; the lever e is |grad psi|, for a normal velocity,
or grad psi, for a vector. The first part moves the membrane, the second mends its profile and changes topology where
grad psi vanishes, in the core of a neck. Both are part of the descent: nothing moves but downhill. a_i are the
variations of what is nearly conserved (area of every vesicle, volume of the lumen), with moduli k_i;
(1/(k_i dt) + <a_i, B a_j>) y = <a_i, B g> makes a step implicit in the stiff part k_i a_i a_i of the second variation,
so the moduli may be as large as they are in nature.
"""

import abc
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from membrane.lattice import fft, slabs, spectral
from membrane.lattice.grid import Grid
from membrane.vesicle import surface
from membrane.vesicle.composition import extended
from membrane.vesicle.energy import Books, Membrane


class State(eqx.Module):
    """One endosome: psi and the surface fields (order: ``Membrane.species``) on the box, its books, the step in
    time or pseudo-time and the velocity (transform) that the shape was left with, nought without inertia."""

    psi: Float[Array, "nz ny nx"]
    fields: Float[Array, "species nz ny nx"]
    books: Books
    shape_step: Float[Array, ""]
    velocity_hat: Complex[Array, "nz ny kx"]

    @classmethod
    def at_rest(cls, membrane: Membrane, psi, fields, books: Books, shape_step: float = 0.1) -> "State":
        """A state that does not move yet; ``fields`` as :meth:`Membrane.stacked` takes them."""
        grid = membrane.grid
        still = jnp.zeros(grid.spectral_shape, grid.complex_dtype)
        state = cls(psi, membrane.stacked(fields), books, jnp.asarray(shape_step, grid.dtype), still)
        return slabs.placed(state, grid)

    @property
    def phi(self) -> Array:
        """The order parameter of Lo and Ld."""
        return self.fields[0]


class Report(NamedTuple):
    """What a chunk of steps says: F before and after (pN nm), steps taken and refused, largest displacement of the last
    step taken (nm), rate of steepest descent (pN nm per unit of time or pseudo-time), and whether it got through: not
    so where the shortest step was refused before the time was over."""

    first_energy: Array
    energy: Array
    taken: Array
    refused: Array
    displacement: Array
    descent: Array
    complete: Array


class _Here(NamedTuple):
    """A shape, its energy, and the ways down: velocity with inertia, without, and the mending of the profile."""

    psi: Array
    fields: tuple[Array, ...]
    lever: Array
    energy: Array
    descent: Array
    velocity_hat: Array
    steepest_hat: Array
    mending_hat: Array
    strain: Array


class AbstractDescent(eqx.Module):
    """``inertia``: share of the velocity that is kept from step to step (heavy ball, dropped where it leads uphill);
    ``courant``: largest displacement of a step over the least spacing; ``strain``: the most that a step may add to the
    strain of any vesicle's area, what it relieves is free; ``growth`` of the step after a taken one; ``sweeps`` of
    extension of the fields a step; ``slack``: by how much of the rounding of F a step may raise it."""

    inertia: eqx.AbstractVar[float]
    courant: eqx.AbstractVar[float]
    strain: eqx.AbstractVar[float]
    growth: eqx.AbstractVar[float]
    sweeps: eqx.AbstractVar[int]
    slack: eqx.AbstractVar[float]

    @abc.abstractmethod
    def lever(self, psi: surface.Derivatives) -> Array:
        """e (parts, n_z, n_y, n_x) in 1/nm."""

    @abc.abstractmethod
    def moved(self, membrane: Membrane, push_hat) -> Array:
        """M f of forces (parts, ``grid.spectral_shape``)."""

    @abc.abstractmethod
    def mended(self, membrane: Membrane, psi: surface.Derivatives, books: Books, force_hat) -> Array:
        """m P f of a force f on psi, ``grid.spectral_shape``."""

    @abc.abstractmethod
    def least(self, membrane: Membrane) -> float:
        """The shortest step that is tried."""

    @abc.abstractmethod
    def limits(self, trials, dt) -> tuple:
        """What ends a round, as :meth:`run` takes it: ``trials``, or where there is a clock ``dt`` seconds."""

    def round(self, membrane: Membrane, state: State, trials, dt) -> tuple[State, Report]:
        """What the shape does while ``dt`` seconds pass for what is on it; ``trials`` where it has no clock."""
        return self.run(membrane, state, *self.limits(trials, dt))

    def _look(self, membrane: Membrane, books: Books, psi, fields, dt, moved, velocity_hat) -> _Here:
        """Settles the fields on psi, finds the energy there and the ways down."""
        grid = membrane.grid
        near = surface.derivatives(psi, grid)
        weight = membrane.weight(near)
        for _ in range(self.sweeps):
            fields = extended(fields, near, weight, books, grid, moved)
        energy, force, fields = membrane.shape_derivative(near, fields, books)
        lever = self.lever(near)
        stiff, moduli = membrane.stiff(near, books)
        # One by one: a batch put together of expressions is not vectorised.
        over = lambda field: jnp.stack([fft.forward(part * field, 3, grid.devices) for part in lever])
        plain = [fft.forward(field, 3, grid.devices) for field in (force, *stiff)]
        levered = [over(force), *(over(a) for a in stiff)]
        inner = inner_product(grid)
        moved_hats = jnp.stack([self.moved(membrane, hat) for hat in levered])
        mended_hats = jnp.stack([self.mended(membrane, near, books, hat) for hat in plain])
        products = lambda hats, images: jnp.stack([jnp.stack([inner(a, b) for b in images]) for a in hats[1:]])
        moving, mending = products(levered, moved_hats), products(plain, mended_hats)
        resistance = jnp.diag(1 / (moduli * dt))
        # Neither the force nor the velocity kept may strain what is stiff.
        both = moving + mending
        strain = jnp.linalg.solve(resistance + both[:, 1:], both[:, 0])
        steepest_hat = jnp.tensordot(strain, moved_hats[1:], 1) - moved_hats[0]
        mending_hat = jnp.tensordot(strain, mended_hats[1:], 1) - mended_hats[0]
        kept_hat = 0.0
        if self.inertia > 0:
            pull = jnp.stack([inner(a, velocity_hat) for a in levered[1:]])
            strain = jnp.linalg.solve(resistance + moving[:, 1:], pull)
            kept_hat = self.inertia * (velocity_hat - jnp.tensordot(strain, moved_hats[1:], 1))
            kept_hat = jnp.where(inner(levered[0], kept_hat) < 0, kept_hat, 0)
        descent = -inner(levered[0], steepest_hat) - inner(plain[0], mending_hat)
        strain = membrane.tension(near, books) / membrane.area_modulus
        return _Here(psi, fields, lever, energy, descent, steepest_hat + kept_hat, steepest_hat, mending_hat, strain)

    @eqx.filter_jit
    def run(self, membrane: Membrane, state: State, trials, duration=np.inf) -> tuple[State, Report]:
        """``trials`` steps (a traced number), or as many as make ``duration``, each taken if F falls and areas keep, or
        refused, halved and stripped of inertia. One that refuses its shortest step before ``duration`` is over ends
        there."""
        grid = membrane.grid
        limit, least = self.courant * min(grid.spacing), self.least(membrane)
        thickness = 2**0.5 * membrane.interface_width
        look = lambda psi, fields, dt, moved, velocity: self._look(
            membrane, state.books, psi, fields, dt, moved, velocity
        )
        duration = jnp.asarray(duration, grid.dtype)
        begin = jnp.minimum(state.shape_step, duration)
        here = look(state.psi, tuple(state.fields), begin, 0.0, state.velocity_hat[None])
        first = here.energy
        slack = self.slack * jnp.finfo(grid.dtype).eps * (8 * np.pi * min(membrane.bending_rigidity) + jnp.abs(first))

        def goes_on(carry):
            _, _, tried, _, elapsed, _, stuck = carry
            return (tried < trials) & (elapsed < duration) & ~stuck

        def body(carry):
            here, dt, tried, taken, elapsed, last, _ = carry
            hats = jnp.concatenate([here.velocity_hat, here.mending_hat[None]])
            *velocity, mending = fft.inverse(hats, grid.shape, grid.devices)
            change = sum(part * v for part, v in zip(here.lever, velocity, strict=True)) + mending
            reach = thickness * jnp.max(jnp.abs(change))
            dt = jnp.minimum(dt, limit / jnp.maximum(reach, jnp.finfo(grid.dtype).tiny))
            step = jnp.minimum(dt, duration - elapsed)
            moved = step * reach
            there = look(here.psi + step * change, here.fields, dt, moved / limit, here.velocity_hat)
            fell = there.energy < here.energy + slack
            fell &= jnp.max(jnp.abs(there.strain) - jnp.abs(here.strain)) <= self.strain
            stay = here._replace(velocity_hat=here.steepest_hat)
            here = jax.tree.map(lambda a, b: jnp.where(fell, a, b), there, stay)
            stuck = ~fell & ~(step > least) & jnp.isfinite(duration)
            # A last step that is short for the clock's sake says nothing about the next.
            dt = jnp.where(fell, jnp.where(step < dt, dt, self.growth * dt), 0.5 * step)
            elapsed = elapsed + jnp.where(fell, step, 0)
            return here, jnp.maximum(dt, least), tried + 1, taken + fell, elapsed, jnp.where(fell, moved, last), stuck

        none = jnp.zeros((), grid.dtype)
        start = (here, begin, 0, 0, none, none, jnp.asarray(False))
        here, dt, tried, taken, _, moved, stuck = jax.lax.while_loop(goes_on, body, start)
        report = Report(first, here.energy, taken, tried - taken, moved, here.descent, ~stuck)
        velocity_hat = here.velocity_hat[0] if self.inertia > 0 else state.velocity_hat
        state = State(here.psi, jnp.stack(here.fields), state.books, dt, velocity_hat)
        return slabs.placed(state, grid), report


def inner_product(grid: Grid):
    """<a, b>, the integral over the box of two real fields, or as many parts of both, given by their transforms."""
    weights = jnp.asarray(spectral.hermitian_weights(grid)[:1, :1] * (grid.cell_volume / grid.size), grid.dtype)
    return lambda a, b: jnp.sum(spectral.total(weights * (a.real * b.real + a.imag * b.imag)))
