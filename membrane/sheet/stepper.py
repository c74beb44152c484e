"""Time stepping: a semi-implicit two-step scheme of second order, with its error estimate and choice of step."""

from dataclasses import KW_ONLY

import equinox as eqx
import jax
import jax.numpy as jnp

from membrane.lattice import fft
from membrane.sheet.plane import Sheet
from membrane.sheet.state import SheetState


class ChunkReport(eqx.Module):
    """What a chunk of steps tells the host.

    Attributes:
        error: estimated local error of the last step, the largest of all fields and points.
        courant: Courant number of the last step.
        sound: whether all fields are finite and below 2 in size.
        reacted: what reactions have added to the mean of each field since the chunk began, (species,).
    """

    error: jax.Array
    courant: jax.Array
    sound: jax.Array
    reacted: jax.Array


class Bdf2(eqx.Module):
    """Stabilised BDF2 with variable steps, in Fourier space.

    It carries the increments of the fields along, so that single precision suffices. With the rate G, the last
    increment dX, the ratio w of this step to the last, and the implicit operator L of the sheet,

        delta = [(1+w) G^n - w G^(n-1) - (w/dt) dX + noise] / [(1+2w)/((1+w) dt) + L]
        dX <- w dX + delta,   X <- X + dX,

    It is of second order for w > 0 (Ascher, Ruuth & Wetton 1995, SIAM J. Numer. Anal. 32:797). The first step, and the
    first after the fields have been edited, has w = 0 and is of first order. The noise is the same difference quotient
    of a Wiener path W, [(1+2w) W^n - w^2 W^(n-1)]/((1+w) dt), so that no variance is lost: plain noise keeps 0.74 of it
    at omega dt = 0.5. Random displacements of the membrane (``Sheet.agitate``) carry the fields along before a step.
    They do not carry the history along, which misplaces the small change of one step.

    Attributes:
        tick_s: length of a tick, in s.
        max_exponent: the longest step is 2^max_exponent ticks.
        tolerance: limit of the estimated error.
        max_courant: limit of the Courant number.
        rejection: a chunk that exceeds a limit by this factor is done again with half the step.
    """

    _: KW_ONLY
    tick_s: float = eqx.field(static=True)
    max_exponent: int = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)
    max_courant: float = eqx.field(static=True, default=0.3)
    rejection: float = eqx.field(static=True, default=2.0)

    def begin(self, model: Sheet, state: SheetState) -> SheetState:
        """The state as its next step needs it: where a chunk begins, ``projected_hat`` and ``reacted`` begin anew."""
        begun = state.chunk_steps > 0
        projected_hat = jnp.where(begun, state.projected_hat, fft.forward(model.projected(state.fields)))
        reacted = jnp.where(begun, state.reacted, jnp.zeros_like(state.reacted))
        return eqx.tree_at(lambda s: (s.projected_hat, s.reacted), state, (projected_hat, reacted))

    def step(self, model: Sheet, state: SheetState) -> SheetState:
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
        return SheetState(
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
    def chunk(self, model: Sheet, state: SheetState, steps) -> tuple[SheetState, ChunkReport]:
        """A chunk of equal steps, or a part of one that goes on after ``state.chunk_steps`` steps, and its report.

        Arguments:
            steps: number of steps, a traced integer, so that one compiled program serves any number.
        """
        state = jax.lax.fori_loop(0, steps, lambda _, s: self.step(model, s), self.begin(model, state))
        return state, self.report(model, state)

    def report(self, model: Sheet, state: SheetState) -> ChunkReport:
        """Estimate the error of the last step: |G(X^n) - G(X^(n-1))|/(3/(2 dt) + L), without the noise.

        That is the difference between the step of second order and one of first order. With noise only the modes below
        its filter are judged; stiffer ones follow them adiabatically.
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
        return ChunkReport(error, courant=advection[0] * dt, sound=sound, reacted=state.reacted / state.fields[0].size)

    def strain(self, error: float, courant: float) -> float:
        """Error or Courant number over its limit, whichever is larger; 1 where the first of the limits is reached."""
        return max(error / self.tolerance, courant / self.max_courant)

    def next_step_ticks(self, tick: int, step_ticks: int, error: float, courant: float) -> int:
        """Length of the next step: half where a limit is exceeded, double where both leave room.

        It is doubled only at a tick that the doubled step divides, so that every step begins at a multiple of itself.
        """
        strain = self.strain(error, courant)
        if strain > 1 and step_ticks > 1:
            return step_ticks // 2
        doubled = 2 * step_ticks
        # The error grows as dt^2 and the Courant number as dt.
        if self.strain(4 * error, 2 * courant) < 1 and doubled <= 2**self.max_exponent and tick % doubled == 0:
            return doubled
        return step_ticks
