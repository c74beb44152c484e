"""Relaxation of the shape: preconditioned descent of the free energy, a step at a time, each of which lowers it.

    dpsi = -dt { |grad psi| K * (|grad psi| [g - sum_i y_i a_i]) + m P * g },     g = dF/dpsi,
    K_k = (3 pi/2) (k^2 + 1/l^2)^(-5/2)/kappa,    P_k = (2 sqrt2/3) (eps/kappa) (eps k^2 + 2/eps)^(-2).

The first part moves the membrane with a normal velocity that is smooth across a neck, so that both its walls move
together; on a membrane K acts as (q^2 + 1/l^2)^(-2)/kappa, so every wavelength below l relaxes at a rate of one per
unit of pseudo-time. The second is the inverse of the bending energy's second variation in the pure phases: it keeps the
profile, and changes topology where grad psi vanishes, in the core of a neck. Being part of the descent it needs no step
of its own that would move the membrane. a_i are the variations of what is nearly conserved (area of every vesicle,
volume of the lumen), with moduli k_i; (1/(k_i dt) + <a_i, K a_j>) y = <a_i, K g> makes this descent in a metric that
contains the stiff part k_i a_i a_i of the second variation, so the moduli may be as large as they are in nature.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from membrane import fft, spectral
from membrane.grid import Grid
from membrane.vesicle import surface
from membrane.vesicle.composition import extended
from membrane.vesicle.energy import Books, Membrane


class State(eqx.Module):
    """One endosome: psi and the surface fields (order: ``Membrane.species``) on the box, its books, the step in
    pseudo-time and the velocity (transform) that the shape was left with."""

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
        return fft.placed(state, grid)

    @property
    def phi(self) -> Array:
        """The order parameter of Lo and Ld."""
        return self.fields[0]


class Report(NamedTuple):
    """What a chunk of relaxation says: F before and after (pN nm), steps taken and refused, largest displacement of the
    last step taken (nm), rate of steepest descent (pN nm per unit of pseudo-time)."""

    first_energy: Array
    energy: Array
    taken: Array
    refused: Array
    displacement: Array
    descent: Array


class _Here(NamedTuple):
    """A shape, its energy, and the ways down: velocity with inertia, without, and the mending of the profile."""

    psi: Array
    fields: tuple[Array, ...]
    slope: Array
    energy: Array
    descent: Array
    velocity_hat: Array
    steepest_hat: Array
    mending_hat: Array
    strain: Array


class Relaxation(eqx.Module):
    """``smoothing_length`` l (nm), best two to four eps; ``mending`` m; ``inertia``: share of the velocity that is kept
    from step to step (heavy ball, dropped where it leads uphill); ``courant``: largest displacement of a step over the
    least spacing; ``strain``: the most that a step may add to the strain of any vesicle's area, what it relieves is
    free; ``sweeps`` of extension of the fields a step; ``growth`` of the step after a taken one; ``least_step`` in
    pseudo-time: in float32 a shape at rest refuses every step within its rounding, and must be able to move again when
    its composition has changed."""

    smoothing_length: float
    mending: float = 8.0
    inertia: float = 0.9
    courant: float = 0.3
    strain: float = 5e-4
    growth: float = 1.15
    least_step: float = 1e-3
    sweeps: int = eqx.field(static=True, default=1)

    def kernels(self, membrane: Membrane) -> tuple[Array, Array]:
        """(K, m P), ``grid.spectral_shape``."""
        grid, eps, kappa = membrane.grid, membrane.interface_width, min(membrane.bending_rigidity)
        k2 = surface.square(grid)
        smooth = 1.5 * np.pi / kappa * (k2 + 1 / self.smoothing_length**2) ** -2.5
        return smooth, self.mending * eps / (surface.SCALE * kappa) * (eps * k2 + 2 / eps) ** -2

    def _look(self, membrane: Membrane, books: Books, psi, fields, dt, moved, velocity_hat) -> _Here:
        """Settles the fields on psi, finds the energy there and the ways down."""
        grid = membrane.grid
        near = surface.derivatives(psi, grid)
        weight = membrane.weight(near)
        for _ in range(self.sweeps):
            fields = extended(fields, near, weight, books, grid, moved)
        energy, force, fields = membrane.shape_derivative(near, fields, books)
        slope = near.slope
        stiff, moduli = membrane.stiff(near, books)
        # One by one: a batch put together of expressions is not vectorised.
        hats = [fft.forward(field, 3, grid.devices) for field in (force, slope * force, *(slope * a for a in stiff))]
        kernel, mending = self.kernels(membrane)
        mending_hat, smooth = -mending * hats[0], jnp.stack([kernel * hat for hat in hats[1:]])
        inner = _inner_product(grid)
        gram = jnp.stack([jnp.stack([inner(a, b) for b in smooth]) for a in hats[1:]])
        # Neither the force nor the velocity kept may strain what is stiff.
        kept = jnp.stack([inner(a, velocity_hat) for a in hats[2:]])
        strain = jnp.linalg.solve(jnp.diag(1 / (moduli * dt)) + gram[1:, 1:], jnp.stack([gram[1:, 0], kept], 1))
        steepest_hat = jnp.tensordot(strain[:, 0], smooth[1:], 1) - smooth[0]
        kept_hat = self.inertia * (velocity_hat - jnp.tensordot(strain[:, 1], smooth[1:], 1))
        kept_hat = jnp.where(inner(hats[1], kept_hat) < 0, kept_hat, 0)
        descent = -inner(hats[1], steepest_hat) - inner(hats[0], mending_hat)
        strain = membrane.tension(near, books) / membrane.area_modulus
        return _Here(psi, fields, slope, energy, descent, steepest_hat + kept_hat, steepest_hat, mending_hat, strain)

    @eqx.filter_jit
    def run(self, membrane: Membrane, state: State, trials) -> tuple[State, Report]:
        """``trials`` steps (a traced number), each taken if F falls and areas keep, or refused, halved and stripped of
        inertia."""
        grid = membrane.grid
        limit = self.courant * min(grid.spacing)
        thickness = 2**0.5 * membrane.interface_width
        look = lambda psi, fields, dt, moved, velocity: self._look(
            membrane, state.books, psi, fields, dt, moved, velocity
        )
        here = look(state.psi, tuple(state.fields), state.shape_step, 0.0, state.velocity_hat)
        first = here.energy

        def body(_, carry):
            here, dt, taken, last = carry
            velocity, mending = fft.inverse(jnp.stack([here.velocity_hat, here.mending_hat]), grid.shape, grid.devices)
            change = here.slope * velocity + mending
            reach = thickness * jnp.max(jnp.abs(change))
            dt = jnp.minimum(dt, limit / jnp.maximum(reach, jnp.finfo(grid.dtype).tiny))
            moved = dt * reach
            there = look(here.psi + dt * change, here.fields, dt, moved / limit, here.velocity_hat)
            fell = there.energy < here.energy
            fell &= jnp.max(jnp.abs(there.strain) - jnp.abs(here.strain)) <= self.strain
            stay = here._replace(velocity_hat=here.steepest_hat)
            here = jax.tree.map(lambda a, b: jnp.where(fell, a, b), there, stay)
            dt = jnp.maximum(jnp.where(fell, self.growth, 0.5) * dt, self.least_step)
            return here, dt, taken + fell, jnp.where(fell, moved, last)

        start = (here, state.shape_step, 0, jnp.zeros((), grid.dtype))
        here, dt, taken, moved = jax.lax.fori_loop(0, trials, body, start)
        report = Report(first, here.energy, taken, trials - taken, moved, here.descent)
        state = State(here.psi, jnp.stack(here.fields), state.books, dt, here.velocity_hat)
        return fft.placed(state, grid), report


def _inner_product(grid: Grid):
    """<a, b>, the integral over the box of two real fields given by their transforms."""
    weights = jnp.asarray(spectral.hermitian_weights(grid)[:1, :1] * (grid.cell_volume / grid.size), grid.dtype)
    return lambda a, b: spectral.total(weights * (a.real * b.real + a.imag * b.imag))
