"""How the shape moves: down the free energy F, one step after another, each of which lowers F.

    dpsi = -dt B [g - sum_i y_i a_i],     B f = e . M (e f) + m P f,     g = dF/dpsi.

- The first part of B moves the membrane. e is |grad psi| if the velocity is normal to the membrane, or grad psi if it
  is a vector. M turns a force on the membrane into its velocity.
- The second part restores the profile across the membrane. It also changes the topology: in the core of a neck
  grad psi vanishes, and the first part alone would stand still there. P is the profile's compliance and m a factor.
- M and P are the mobilities (:mod:`membrane.vesicle.mobility`), diagonal in Fourier space. Both parts only lower F.
- a_i are the variations of what is nearly conserved: the area of each membrane and the volume of the lumen. k_i are
  their moduli. The y_i solve (1/(k_i dt) + <a_i, B a_j>) y = <a_i, B g>. This makes a step implicit in the stiff part
  k_i a_i a_i of the second variation of F. The moduli may therefore be as large as those of real membranes.

A step is tried. It is taken if F falls and the areas change little enough. Otherwise it is refused, and a shorter one
is tried from the same shape. Of the shortest step only the fall of F is asked.
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
from membrane.vesicle.conserved import Conserved
from membrane.vesicle.energy import Membrane


class VesicleState(eqx.Module):
    """The state of one endosome in its box.

    Arguments:
        psi: the phase field of the membrane, (n_z, n_y, n_x).
        fields: the fields on the membrane, (species, n_z, n_y, n_x), in the order of ``Membrane.species``.
        conserved: what each closed membrane keeps.
        shape_step: length of the next step of the shape, in s or in pseudo-time.
        velocity_hat: transform of the velocity after the last step, (n_z, n_y, n_x // 2 + 1); zero without inertia.
    """

    psi: Float[Array, "nz ny nx"]
    fields: Float[Array, "species nz ny nx"]
    conserved: Conserved
    shape_step: Float[Array, ""]
    velocity_hat: Complex[Array, "nz ny kx"]

    @classmethod
    def at_rest(cls, membrane: Membrane, psi, fields, conserved: Conserved, shape_step: float = 0.1) -> "VesicleState":
        """A state whose velocity is zero; ``fields`` as :meth:`Membrane.stacked` takes them."""
        grid = membrane.grid
        still = jnp.zeros(grid.spectral_shape, grid.complex_dtype)
        state = cls(psi, membrane.stacked(fields), conserved, jnp.asarray(shape_step, grid.dtype), still)
        return slabs.placed(state, grid)

    @property
    def phi(self) -> Array:
        """Order parameter of the two phases, +1 in Lo and -1 in Ld, (n_z, n_y, n_x)."""
        return self.fields[0]


class DescentReport(NamedTuple):
    """What a number of steps has done.

    Arguments:
        first_energy: F before, pN nm.
        energy: F after, pN nm.
        taken: number of steps that were taken.
        refused: number of steps that were refused.
        displacement: largest displacement in the last step taken, nm.
        descent: rate at which F falls along the steepest descent, pN nm per unit of time or pseudo-time.
        complete: False if the shortest step was refused before the time was over.
    """

    first_energy: Array
    energy: Array
    taken: Array
    refused: Array
    displacement: Array
    descent: Array
    complete: Array


class _Evaluation(NamedTuple):
    """A shape, its energy, and the directions in which it can move."""

    psi: Array
    fields: tuple[Array, ...]
    gradient: Array  # e
    energy: Array
    descent: Array
    velocity_hat: Array  # with inertia
    steepest_hat: Array  # without inertia
    profile_hat: Array  # change of psi that restores the profile
    strain: Array  # of the area of each membrane


class _Progress(NamedTuple):
    """How far a run of steps has come."""

    here: _Evaluation
    dt: Array
    tried: Array
    taken: Array
    elapsed: Array
    displacement: Array
    stuck: Array


class AbstractDescent(eqx.Module):
    """What every way down the free energy has; :class:`Relaxation` and :class:`StokesFlow` are the two that there are.

    Arguments:
        inertia: share of the velocity that is kept from step to step ("heavy ball"); dropped where it leads uphill.
        courant: largest displacement in a step, over the smallest spacing of the grid.
        strain: largest increase of the strain of any membrane's area in a step. A decrease is always allowed, and any
            change in the shortest step.
        growth: factor by which the next step is longer after one that was taken.
        sweeps: sweeps of extension of the fields along normals in each step.
        slack: by how many units of the rounding error of F a step may raise F.
    """

    inertia: eqx.AbstractVar[float]
    courant: eqx.AbstractVar[float]
    strain: eqx.AbstractVar[float]
    growth: eqx.AbstractVar[float]
    sweeps: eqx.AbstractVar[int]
    slack: eqx.AbstractVar[float]

    @abc.abstractmethod
    def gradient(self, psi: surface.Derivatives) -> Array:
        """e in 1/nm, (components, n_z, n_y, n_x), with one component for a normal velocity and three for a vector."""

    @abc.abstractmethod
    def velocity(self, membrane: Membrane, force_hat) -> Array:
        """M f, the velocity under forces f, both (components, ``grid.spectral_shape``)."""

    @abc.abstractmethod
    def profile_change(self, membrane: Membrane, psi: surface.Derivatives, conserved: Conserved, force_hat) -> Array:
        """m P f, the change of psi that restores the profile, for a force f on psi; both ``grid.spectral_shape``."""

    @abc.abstractmethod
    def shortest(self, membrane: Membrane) -> float:
        """Length of the shortest step that is tried, in s or in pseudo-time."""

    @abc.abstractmethod
    def round_limits(self, trials, dt) -> tuple:
        """What ends a round, as arguments of :meth:`run`: a number of steps, a time in s, or rest."""

    def round(self, membrane: Membrane, state: VesicleState, trials, dt) -> tuple[VesicleState, DescentReport]:
        """Moves the shape while the composition moves for ``dt`` seconds.

        A shape without a clock makes ``trials`` steps. One with a clock moves for ``dt`` seconds.
        """
        return self.run(membrane, state, *self.round_limits(trials, dt))

    @eqx.filter_jit
    def run(
        self, membrane: Membrane, state: VesicleState, trials, duration=np.inf, most=0, rest=np.inf
    ) -> tuple[VesicleState, DescentReport]:
        """Tries ``trials`` steps (a traced number), or as many as fill ``duration`` if that comes first.

        Then it goes on while ``descent`` of the report is above ``rest``, but tries no more than ``most`` in all.

        It ends early if the shortest step is refused before ``duration`` is over; the report says so.
        """
        grid = membrane.grid
        duration = jnp.asarray(duration, grid.dtype)
        begin = jnp.minimum(state.shape_step, duration)
        fields, velocity_hat = tuple(state.fields), state.velocity_hat[None]
        here = self._evaluate(membrane, state.conserved, state.psi, fields, begin, 0.0, velocity_hat)
        first = here.energy
        slack = self.slack * jnp.finfo(grid.dtype).eps * (8 * np.pi * min(membrane.bending_rigidity) + jnp.abs(first))
        none = jnp.zeros((), grid.dtype)
        unfinished = lambda now: (now.tried < trials) | ((now.tried < most) & (now.here.descent > rest))
        end = jax.lax.while_loop(
            lambda now: unfinished(now) & (now.elapsed < duration) & ~now.stuck,
            lambda now: self._try_step(membrane, state.conserved, now, duration, slack),
            _Progress(here, begin, 0, 0, none, none, jnp.asarray(False)),
        )
        here = end.here
        report = DescentReport(
            first, here.energy, end.taken, end.tried - end.taken, end.displacement, here.descent, ~end.stuck
        )
        velocity_hat = here.velocity_hat[0] if self.inertia > 0 else state.velocity_hat
        state = VesicleState(here.psi, jnp.stack(here.fields), state.conserved, end.dt, velocity_hat)
        return slabs.placed(state, grid), report

    def _try_step(self, membrane: Membrane, conserved: Conserved, now: _Progress, duration, slack) -> _Progress:
        """One step, taken if F rises by less than ``slack`` and no area is strained too much, refused otherwise."""
        grid, here = membrane.grid, now.here
        limit, shortest = self.courant * min(grid.spacing), self.shortest(membrane)
        hats = jnp.concatenate([here.velocity_hat, here.profile_hat[None]])
        *velocity, profile = fft.inverse(hats, grid.shape, grid.devices)
        change = sum(part * v for part, v in zip(here.gradient, velocity, strict=True)) + profile
        # A change of psi divided by its slope, 1/(sqrt2 eps) in the middle of the membrane, is a displacement.
        reach = 2**0.5 * membrane.interface_width * jnp.max(jnp.abs(change))
        dt = jnp.minimum(now.dt, limit / jnp.maximum(reach, jnp.finfo(grid.dtype).tiny))
        step = jnp.minimum(dt, duration - now.elapsed)
        moved = step * reach
        psi = here.psi + step * change
        there = self._evaluate(membrane, conserved, psi, here.fields, dt, moved / limit, here.velocity_hat)
        fell = there.energy < here.energy + slack
        # A small membrane under a new force finds its strain at once, however short the step.
        fell &= (jnp.max(jnp.abs(there.strain) - jnp.abs(here.strain)) <= self.strain) | ~(step > shortest)
        stay = here._replace(velocity_hat=here.steepest_hat)
        here = jax.tree.map(lambda a, b: jnp.where(fell, a, b), there, stay)
        stuck = ~fell & ~(step > shortest) & jnp.isfinite(duration)
        # A last step that is short because the time ends tells nothing about the length of the next.
        dt = jnp.where(fell, jnp.where(step < dt, dt, self.growth * dt), 0.5 * step)
        elapsed = now.elapsed + jnp.where(fell, step, 0)
        displacement = jnp.where(fell, moved, now.displacement)
        return _Progress(here, jnp.maximum(dt, shortest), now.tried + 1, now.taken + fell, elapsed, displacement, stuck)

    def _evaluate(self, membrane: Membrane, conserved: Conserved, psi, fields, dt, moved, velocity_hat) -> _Evaluation:
        """Extends the fields, restores their content on psi, and finds the energy and the directions of a step."""
        grid = membrane.grid
        near = surface.derivatives(psi, grid)
        weight = membrane.weight(near)
        for _ in range(self.sweeps):
            fields = extended(fields, near, weight, conserved, grid, moved)
        energy, force, fields = membrane.shape_derivative(near, fields, conserved)
        gradient = self.gradient(near)
        stiff, moduli = membrane.stiff_modes(near, conserved)
        # One by one: the compiler does not vectorise a batch that is stacked from expressions.
        over = lambda field: jnp.stack([fft.forward(part * field, 3, grid.devices) for part in gradient])
        forces = [fft.forward(field, 3, grid.devices) for field in (force, *stiff)]
        pushes = [over(force), *(over(a) for a in stiff)]
        inner = inner_product(grid)
        velocities = jnp.stack([self.velocity(membrane, hat) for hat in pushes])
        changes = jnp.stack([self.profile_change(membrane, near, conserved, hat) for hat in forces])
        products = lambda hats, images: jnp.stack([jnp.stack([inner(a, b) for b in images]) for a in hats[1:]])
        moving, restoring = products(pushes, velocities), products(forces, changes)
        resistance = jnp.diag(1 / (moduli * dt))
        # Neither the force nor the velocity that is kept may strain what is stiff.
        both = moving + restoring
        multipliers = jnp.linalg.solve(resistance + both[:, 1:], both[:, 0])
        steepest_hat = jnp.tensordot(multipliers, velocities[1:], 1) - velocities[0]
        profile_hat = jnp.tensordot(multipliers, changes[1:], 1) - changes[0]
        kept_hat = 0.0
        if self.inertia > 0:
            pull = jnp.stack([inner(a, velocity_hat) for a in pushes[1:]])
            multipliers = jnp.linalg.solve(resistance + moving[:, 1:], pull)
            kept_hat = self.inertia * (velocity_hat - jnp.tensordot(multipliers, velocities[1:], 1))
            kept_hat = jnp.where(inner(pushes[0], kept_hat) < 0, kept_hat, 0)
        descent = -inner(pushes[0], steepest_hat) - inner(forces[0], profile_hat)
        strain = membrane.stretch_tension(near, conserved) / membrane.area_modulus
        return _Evaluation(
            psi, fields, gradient, energy, descent, steepest_hat + kept_hat, steepest_hat, profile_hat, strain
        )


def inner_product(grid: Grid):
    """The inner product <a, b> as a function of the transforms of a and b.

    It is the integral over the box of a b for real fields, summed over their components if they have several.
    """
    weights = jnp.asarray(spectral.hermitian_weights(grid)[:1, :1] * (grid.cell_volume / grid.size), grid.dtype)
    return lambda a, b: jnp.sum(spectral.total(weights * (a.real * b.real + a.imag * b.imag)))
