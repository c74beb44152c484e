"""The loop in time: compiled chunks of steps, between which watchers may change the state and observers look at it."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from membrane.replica import NumericalFailure
from membrane.sheet.plane import Sheet
from membrane.sheet.state import SheetState
from membrane.sheet.stepper import Bdf2

CHUNK_STEPS = 32
"""The most steps in a chunk, after which error and Courant number are read."""


@runtime_checkable
class Watcher(Protocol):
    """It sees the state at certain ticks and may change it, for example where a vesicle leaves.

    It may also change the traced parameters of the sheet, such as its tension.
    """

    next_tick: int

    def see(self, model: Sheet, state: SheetState) -> tuple[Sheet, SheetState]:
        """Called when ``state.tick`` reaches ``next_tick``; sets ``next_tick`` anew and returns what it has changed."""

    def add_reacted(self, reacted: np.ndarray) -> None:
        """Called after every accepted chunk with what reactions added to the means of the fields, (species,)."""


@runtime_checkable
class Observer(Protocol):
    """It sees the state at certain ticks and changes nothing: the run is the same to the last bit without it."""

    def due(self, after: int, until: int) -> list[int]:
        """The ticks later than ``after``, up to ``until``, at which it wants to see the state, in ascending order."""

    def observe(self, model: Sheet, state: SheetState, reacted: np.ndarray) -> None:
        """Called at each of these ticks.

        Arguments:
            reacted: what reactions have added to the means of the fields since watchers were last told of it,
                (species,).
        """


def simulate(
    model: Sheet,
    stepper: Bdf2,
    state: SheetState,
    *,
    until_tick: int,
    watchers: Sequence[Watcher] = (),
    observers: Sequence[Observer] = (),
    should_stop: Callable[[], bool] = lambda: False,
    reached: Callable[[int], None] = lambda tick: None,
    chunk: Callable | None = None,
) -> SheetState:
    """Advance a state to ``until_tick``, or to the first end of a chunk at which ``should_stop`` answers True.

    Arguments:
        until_tick: a multiple of the longest step.
        watchers: they may change the state.
        observers: they only look.
        should_stop: asked at the end of every chunk.
        reached: told the tick at the end of every chunk.
        chunk: in place of ``stepper.chunk``; a batch advances several endosomes with one.

    A chunk whose error or Courant number is far beyond its limit, or whose fields are no longer sound, is done again
    from its start with half the step. Raises NumericalFailure where the smallest step does not help.

    Chunks and steps are functions of the state, of ``until_tick`` and of the ticks of watchers. So a run that is
    resumed from any state towards the same ticks equals the uninterrupted one. Observers have no influence: where one
    is due within a chunk, the chunk is cut into parts, which give the same bits, and the observer sees the state after
    the whole chunk has been accepted.
    """
    chunk = chunk or stepper.chunk
    while int(state.tick) < until_tick and not should_stop():
        tick, step_ticks = int(state.tick), int(state.step_ticks)
        horizon = min([until_tick, *(w.next_tick for w in watchers)])
        end = tick + min(CHUNK_STEPS, (horizon - tick) // step_ticks) * step_ticks
        due = {observer: observer.due(tick, end) for observer in observers}
        stops = sorted({end, *(t for ticks in due.values() for t in ticks)})
        parts = _chunk_in_parts(chunk, model, state, stops)
        _, new, report = parts[-1]
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
            watcher.add_reacted(reacted)
        for watcher in watchers:
            if watcher.next_tick <= end:
                model, state = watcher.see(model, state)
        for observer in observers:
            if end in due[observer]:
                observer.observe(model, state, np.zeros_like(reacted))
        reached(end)
    return state


def rollout(model: Sheet, stepper: Bdf2, state: SheetState, steps: int) -> SheetState:
    """So many steps as a pure function, through which gradients can be taken in reverse mode.

    Its memory grows with the square root of ``steps``.
    """
    inner = max(1, int(steps**0.5))

    def one(state, _):
        return stepper.step(model, state), None

    @jax.checkpoint
    def block(state, _):
        return jax.lax.scan(one, state, None, length=inner)

    state, _ = jax.lax.scan(block, stepper.begin(model, state), None, length=steps // inner)
    return jax.lax.scan(one, state, None, length=steps % inner)[0]


def _chunk_in_parts(chunk, model, state, stops) -> list[tuple]:
    """Tick, state and report at each of the ticks ``stops``, the last of which is the end of the chunk."""
    parts, tick, step_ticks = [], int(state.tick), int(state.step_ticks)
    for stop in stops:
        state, report = chunk(model, state, jnp.asarray((stop - tick) // step_ticks, jnp.int32))
        parts.append((stop, state, report))
        tick = stop
    return parts


def _with_step(state: SheetState, step_ticks: int) -> SheetState:
    """The state at the beginning of a chunk whose steps last ``step_ticks``."""
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
