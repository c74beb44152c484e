"""The host loop: compiled chunks of steps between the ticks at which somebody may change the state, and what observers
see on the way."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from membrane.replica import NumericalFailure
from membrane.sheet.model import AbstractModel, State
from membrane.sheet.stepper import Bdf2

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


@runtime_checkable
class Observer(Protocol):
    """Somebody who sees the state at certain ticks and changes nothing: whatever is observed, the run is the same to
    the last bit."""

    def due(self, after: int, until: int) -> list[int]:
        """The ticks later than ``after``, up to ``until``, at which it wants to see the state, ascending."""

    def observe(self, model: AbstractModel, state: State, reacted: np.ndarray) -> None:
        """Called at each of them; ``reacted``: what reactions have added to the means of the fields (species,) since
        watchers were last told, float64."""


def simulate(
    model: AbstractModel,
    stepper: Bdf2,
    state: State,
    *,
    until_tick: int,
    watchers: Sequence[Watcher] = (),
    observers: Sequence[Observer] = (),
    should_stop: Callable[[], bool] = lambda: False,
    reached: Callable[[int], None] = lambda tick: None,
    chunk: Callable | None = None,
) -> State:
    """Advance to ``until_tick`` (a multiple of 2^max_exponent), or to the first chunk boundary at which
    ``should_stop``. ``reached`` is told the tick at each boundary. ``chunk`` advances in place of ``stepper.chunk``,
    several states at a time say (Batch).

    The partition into chunks and the steps are functions of the state, of ``until_tick`` and of the ticks of watchers,
    so that a run resumed from any state towards the same ticks equals the uninterrupted one. Observers have no part in
    it: where one is due inside a chunk, the chunk is cut in parts that give the same bits, and it sees the state once
    the whole chunk is accepted. A chunk whose error or Courant number is far beyond its limit, or whose fields are no
    longer sound, is done again from its start with half the step. Raises NumericalFailure when the smallest step does
    not help.
    """
    chunk = chunk or stepper.chunk
    while int(state.tick) < until_tick and not should_stop():
        tick, step_ticks = int(state.tick), int(state.step_ticks)
        horizon = min([until_tick, *(w.next_tick for w in watchers)])
        end = tick + min(CHUNK_STEPS, (horizon - tick) // step_ticks) * step_ticks
        due = {observer: observer.due(tick, end) for observer in observers}
        new, parts, begun = state, [], tick
        for stop in sorted({end, *(t for ticks in due.values() for t in ticks)}):
            new, report = chunk(model, new, jnp.asarray((stop - begun) // step_ticks, jnp.int32))
            parts.append((stop, new, report))
            begun = stop
        report = jax.device_get(report)
        error, courant = float(report.error), float(report.courant)
        if not report.sound or stepper.strain(error, courant) > stepper.rejection:
            if step_ticks == 1:
                raise NumericalFailure(_failure(model, state, report, stepper), state)
            state = _with_step(state, step_ticks // 2)
            continue
        for stop, seen, part in parts[:-1]:
            for observer in observers:
                if stop in due[observer]:
                    observer.observe(model, seen, np.asarray(part.reacted, np.float64))
        reacted = np.asarray(report.reacted, np.float64)
        state = _with_step(new, stepper.next_step_ticks(end, step_ticks, error, courant))
        for watcher in watchers:
            watcher.advanced(reacted)
        for watcher in watchers:
            if watcher.next_tick <= end:
                model, state = watcher.see(model, state)
        for observer in observers:
            if end in due[observer]:
                observer.observe(model, state, np.zeros_like(reacted))
        reached(end)
    return state


def rollout(model: AbstractModel, stepper: Bdf2, state: State, steps: int) -> State:
    """The same steps as a pure function of fixed length, reverse-mode differentiable (memory grows with
    sqrt(steps))."""
    inner = max(1, int(steps**0.5))

    def one(state, _):
        return stepper.step(model, state), None

    @jax.checkpoint
    def block(state, _):
        return jax.lax.scan(one, state, None, length=inner)

    state, _ = jax.lax.scan(block, stepper.begin(model, state), None, length=steps // inner)
    return jax.lax.scan(one, state, None, length=steps % inner)[0]


def _with_step(state: State, step_ticks: int) -> State:
    """At the beginning of a chunk of steps of ``step_ticks``."""
    integers = jnp.asarray(step_ticks, jnp.int32), jnp.zeros_like(state.chunk_steps)
    return eqx.tree_at(lambda s: (s.step_ticks, s.chunk_steps), state, integers)


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
