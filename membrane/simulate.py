"""The host loop: compiled chunks of steps between the ticks at which somebody wants to see the state."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from membrane import fft
from membrane.model import AbstractModel, State
from membrane.stepper import Bdf2

CHUNK_STEPS = 32
"""Most steps between two looks at error and Courant number."""


@runtime_checkable
class Watcher(Protocol):
    """Somebody who wants to see the state at certain ticks and may return a changed one (a bud removed), and the model
    with other values of its traced parameters (tension)."""

    next_tick: int

    def see(self, model: AbstractModel, state: State) -> tuple[AbstractModel, State]:
        """Called when ``state.tick`` reaches ``next_tick``; sets the next one."""

    def advanced(self, reacted: np.ndarray) -> None:
        """Told after each accepted chunk what reactions added to the means of the fields (species,), float64."""


class NumericalFailure(RuntimeError):
    """No step is small enough; ``state`` is the last good one."""

    def __init__(self, message: str, state: eqx.Module):
        super().__init__(message)
        self.state = state


def simulate(
    model: AbstractModel,
    stepper: Bdf2,
    state: State,
    *,
    until_tick: int,
    watchers: Sequence[Watcher] = (),
    should_stop: Callable[[], bool] = lambda: False,
    chunk: Callable | None = None,
) -> State:
    """Advance to ``until_tick`` (a multiple of 2^max_exponent), or to the first chunk boundary at which
    ``should_stop``. ``chunk`` advances in place of ``stepper.chunk``, several states at a time say (Batch).

    The partition into chunks and the steps are functions of the state and of the ticks to stop at, so that a run
    resumed from any state towards the same ticks equals the uninterrupted one. A chunk whose error or Courant
    number is far beyond its limit, or whose fields are no longer sound, is done again from its start with half the
    step. Raises NumericalFailure when the smallest step does not help.
    """
    chunk = chunk or stepper.chunk
    while int(state.tick) < until_tick and not should_stop():
        tick, step_ticks = int(state.tick), int(state.step_ticks)
        horizon = min([until_tick, *(w.next_tick for w in watchers)])
        steps = min(CHUNK_STEPS, (horizon - tick) // step_ticks)
        new, report = chunk(model, state, jnp.asarray(steps, jnp.int32))
        report = jax.device_get(report)
        error, courant = float(report.error), float(report.courant)
        if not report.sound or stepper.strain(error, courant) > stepper.rejection:
            if step_ticks == 1:
                raise NumericalFailure(_failure(model, state, report, stepper), state)
            state = _with_step(state, step_ticks // 2)
            continue
        tick += steps * step_ticks
        state = _with_step(new, stepper.next_step_ticks(tick, step_ticks, error, courant))
        for watcher in watchers:
            watcher.advanced(np.asarray(report.reacted, np.float64))
        for watcher in watchers:
            if watcher.next_tick <= tick:
                model, state = watcher.see(model, state)
    return state


def rollout(model: AbstractModel, stepper: Bdf2, state: State, steps: int) -> State:
    """The same steps as a pure function of fixed length, reverse-mode differentiable (memory grows with
    sqrt(steps))."""
    inner = max(1, int(steps**0.5))

    def one(carry, _):
        return stepper.step(model, *carry)[:2], None

    @jax.checkpoint
    def block(carry, _):
        return jax.lax.scan(one, carry, None, length=inner)

    carry, _ = jax.lax.scan(block, (state, fft.forward(model.projected(state.fields))), None, length=steps // inner)
    (state, _), _ = jax.lax.scan(one, carry, None, length=steps % inner)
    return state


def _with_step(state: State, step_ticks: int) -> State:
    return eqx.tree_at(lambda s: s.step_ticks, state, jnp.asarray(step_ticks, jnp.int32))


def _failure(model, state, report, stepper) -> str:
    if report.sound:
        reason = f"estimated error {float(report.error):.3g} (limit {stepper.tolerance:g}), Courant number "
        reason += f"{float(report.courant):.3g} (limit {stepper.max_courant:g})"
    else:
        reason = "a field is no longer finite or has left its range"
    ranges = ", ".join(
        f"{name} {float(f.min()):.3g}..{float(f.max()):.3g}"
        for name, f in zip(model.species, state.fields, strict=True)
    )
    return (
        f"the smallest step of {stepper.tick_s:g} s does not suffice at t = {int(state.tick) * stepper.tick_s:.6g} s: "
        f"{reason}; "
        f"last good fields: {ranges}. Likely remedies: a smaller numerics.tick_us, a wider lipids.interface_width_nm "
        "for this grid spacing, or weaker affinities"
    )
