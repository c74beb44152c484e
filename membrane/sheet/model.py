"""What every geometry offers a stepper (AbstractModel) and what a run carries from step to step (State)."""

import abc

import equinox as eqx
from jaxtyping import Array, Complex, Float, Int, PRNGKeyArray


class State(eqx.Module):
    """One endosome at one instant: an immutable pytree.

    ``fields`` are the species of the model in its order. The two-step history of the scheme is the last increment
    and the last rate (transforms), valid where ``history_ticks > 0``. Time is the integer ``tick``; one step lasts
    ``step_ticks``, a power of two. ``wiener`` is the last increment of the filtered noise; every random number is a
    function of ``key`` and ``tick``.

    A chunk of steps may be cut in parts at which somebody looks, without a change of a single bit: ``chunk_steps``
    counts the steps since its beginning, and only where it is 0 are the transform of ``model.projected``
    (``projected_hat``) and the sum of what reactions added (``reacted``, sums over the grid) begun anew.
    """

    fields: Float[Array, "species ny nx"]
    increment_hat: Complex[Array, "species ny kx"]
    rate_hat: Complex[Array, "species ny kx"]
    wiener: Complex[Array, "my mx"]
    tick: Int[Array, ""]
    step_ticks: Int[Array, ""]
    history_ticks: Int[Array, ""]
    key: PRNGKeyArray
    projected_hat: Complex[Array, "combinations ny kx"]
    reacted: Float[Array, " species"]
    chunk_steps: Int[Array, ""]


class AbstractModel(eqx.Module):
    """A geometry with its physics: rates and their implicit part for the stepper, energies and observables for the
    reader."""

    species: eqx.AbstractVar[tuple[str, ...]]

    @abc.abstractmethod
    def initial_state(self, key, step_ticks: int) -> State:
        """A state at tick 0 without history."""

    @abc.abstractmethod
    def projected(self, fields) -> Array:
        """The linear combinations of the fields, or of their transforms, whose transforms ``rates`` needs."""

    @abc.abstractmethod
    def rates(self, fields, projected_hat) -> tuple[Array, Array]:
        """Transform of dX/dt (species, n_y, k_x) in 1/s, and the largest advection rate |v|/h in 1/s."""

    @abc.abstractmethod
    def implicit_solve(self, right_hat, shift):
        """Solve (shift + L) x = right_hat with the stabilising operator L of the model, diagonal in Fourier space."""

    @abc.abstractmethod
    def wiener_increment(self, key, dt) -> Array:
        """Increment over ``dt`` of the filtered additive noise, compact."""

    @abc.abstractmethod
    def add_noise(self, rates_hat, block) -> Array:
        """``rates_hat`` plus the compact noise ``block``."""

    @abc.abstractmethod
    def agitate(self, fields, projected_hat, key, tick) -> tuple[Array, Array]:
        """Fields and transform of their projection after the random displacement that falls on ``tick``, if one
        does."""

    @abc.abstractmethod
    def resolved(self, fields_hat) -> Array:
        """The modes on which the error of a step is judged."""

    @abc.abstractmethod
    def free_energy(self, fields) -> Array:
        """Free energy in pN nm."""

    @abc.abstractmethod
    def observables(self, state: State) -> dict[str, float]:
        """Scalars for the time series."""
