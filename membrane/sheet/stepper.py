"""Time stepping: a semi-implicit two-step scheme of second order, with its error estimate and choice of step."""

import equinox as eqx
import jax
import jax.numpy as jnp

from membrane.lattice import fft
from membrane.sheet.model import AbstractModel, State


class Report(eqx.Module):
    """What a chunk tells the host: estimated local error, Courant number, whether all fields are sound (below 2 in
    size), and what reactions have added to the mean of each field (species,) since the chunk began."""

    error: jax.Array
    courant: jax.Array
    sound: jax.Array
    reacted: jax.Array


class Bdf2(eqx.Module):
    """Stabilised variable-step BDF2 in Fourier space; increments are carried, so that float32 survives.

    With G the rate, dX the last increment, w the ratio of this step to the last and L the model's implicit operator,

        delta = [(1+w) G^n - w G^(n-1) - (w/dt) dX + noise] / [(1+2w)/((1+w) dt) + L]
        dX <- w dX + delta,   X <- X + dX,

    of second order for w > 0 (Ascher, Ruuth & Wetton 1995, SIAM J. Numer. Anal. 32:797); w = 0 is the first-order
    start, used at tick 0 and after the fields have been edited. The noise [(1+2w) W^n - w^2 W^(n-1)]/((1+w) dt) is
    the same difference quotient of a Wiener path, so that no variance is lost (plain noise keeps 0.74 of it at
    omega dt = 0.5). Random displacements of the membrane (``model.agitate``) carry the fields before a step; the
    history stays behind, which displaces one step's small change by the same amount. ``tick_s`` is the unit of time in
    seconds; steps are 2^k ticks, k <= ``max_exponent``. A chunk that exceeds ``tolerance`` or ``max_courant`` by
    the factor ``rejection`` is to be done again.
    """

    tick_s: float = eqx.field(static=True)
    max_exponent: int = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)
    max_courant: float = eqx.field(static=True, default=0.3)
    rejection: float = eqx.field(static=True, default=2.0)

    def begin(self, model: AbstractModel, state: State) -> State:
        """The state as its next step needs it: where a chunk begins, ``projected_hat`` and ``reacted`` do as well."""
        begun = state.chunk_steps > 0
        projected_hat = jnp.where(begun, state.projected_hat, fft.forward(model.projected(state.fields)))
        reacted = jnp.where(begun, state.reacted, jnp.zeros_like(state.reacted))
        return eqx.tree_at(lambda s: (s.projected_hat, s.reacted), state, (projected_hat, reacted))

    def step(self, model: AbstractModel, state: State) -> State:
        """One step of a state that :meth:`begin` has prepared."""
        real = state.fields.dtype
        dt = state.step_ticks.astype(real) * jnp.asarray(self.tick_s, real)
        w = jnp.where(state.history_ticks > 0, state.step_ticks / jnp.maximum(state.history_ticks, 1), 0.0).astype(real)
        key = jax.random.fold_in(state.key, state.tick)
        fields, projected_hat = model.agitate(state.fields, state.projected_hat, key, state.tick)
        rate_hat, _ = model.rates(fields, projected_hat)
        right = (1 + w) * rate_hat - w * state.rate_hat - (w / dt) * state.increment_hat
        wiener = state.wiener
        if model.noise is not None:
            wiener = model.wiener_increment(key, dt)
            right = model.add_noise(right, ((1 + 2 * w) * wiener - w**2 * state.wiener) / ((1 + w) * dt))
        increment_hat = w * state.increment_hat + model.implicit_solve(right, (1 + 2 * w) / ((1 + w) * dt))
        return State(
            fields=fields + fft.inverse(increment_hat, state.fields.shape[-2:]),
            increment_hat=increment_hat,
            rate_hat=rate_hat,
            wiener=wiener,
            tick=state.tick + state.step_ticks,
            step_ticks=state.step_ticks,
            history_ticks=state.step_ticks,
            key=state.key,
            projected_hat=projected_hat + model.projected(increment_hat),
            # Only reactions move the mean of a field, so its increments are what they added.
            reacted=state.reacted + increment_hat[:, 0, 0].real,
            chunk_steps=state.chunk_steps + 1,
        )

    @eqx.filter_jit
    def chunk(self, model: AbstractModel, state: State, steps) -> tuple[State, Report]:
        """``steps`` equal steps (a traced number: one compilation serves all), then the report; no host sync inside.

        A chunk, or a part of one that goes on from ``state.chunk_steps`` steps.
        """
        state = jax.lax.fori_loop(0, steps, lambda _, s: self.step(model, s), self.begin(model, state))
        return state, self.report(model, state)

    def report(self, model: AbstractModel, state: State) -> Report:
        """Embedded estimate: first- against second-order rate, |G(X^n) - G(X^(n-1))|/(3/(2 dt) + L), noise apart.

        With noise on, the estimate is read on the modes below the noise filter; stiffer ones follow it adiabatically.
        """
        real = state.fields.dtype
        dt = state.step_ticks.astype(real) * jnp.asarray(self.tick_s, real)
        shape = state.fields.shape[-2:]
        before = (
            state.fields - fft.inverse(state.increment_hat, shape),
            state.projected_hat - model.projected(state.increment_hat),
        )
        now = (state.fields, state.projected_hat)
        pairs = jax.tree.map(lambda a, b: jnp.stack([a, b]), now, before)
        rate_hat, advection = jax.lax.map(lambda x: model.rates(*x), pairs)
        difference = model.implicit_solve(rate_hat[0] - rate_hat[1], 1.5 / dt)
        error = jnp.max(jnp.abs(fft.inverse(model.resolved(difference), shape)))
        # Order parameters and fractions beyond 2 are the start of a blow-up, not physics; NaN compares false.
        sound = jnp.all(jnp.abs(state.fields) < 2.0)
        return Report(error, courant=advection[0] * dt, sound=sound, reacted=state.reacted / state.fields[0].size)

    def strain(self, error: float, courant: float) -> float:
        """How far the last chunk went towards its limits; 1 at the first of them."""
        return max(error / self.tolerance, courant / self.max_courant)

    def next_step_ticks(self, tick: int, step_ticks: int, error: float, courant: float) -> int:
        """The next step: halved while error or Courant number exceed their limits, doubled where both leave room.

        Doubling waits for a tick that the doubled step divides, so that every step starts on its own grid.
        """
        strain = self.strain(error, courant)
        if strain > 1 and step_ticks > 1:
            return step_ticks // 2
        doubled = 2 * step_ticks
        # Error falls as dt^2 and the Courant number as dt: 0.4 leaves room for both.
        if strain < 0.4 and doubled <= 2**self.max_exponent and tick % doubled == 0:
            return doubled
        return step_ticks
