"""The run on the host: composition moves by its clock, the shape relaxes in between, fissions are found."""

from collections.abc import Iterator
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp

from membrane.lattice import slabs
from membrane.vesicle import surface
from membrane.vesicle.composition import Transport, reacted
from membrane.vesicle.energy import Membrane
from membrane.vesicle.fission import Fission, Fusion, rebook
from membrane.vesicle.shape import AbstractDescent, Report, State


class Round(NamedTuple):
    """One round: time (s), shape steps tried so far, state, what the shape did, what happened."""

    time: float
    trials: int
    state: State
    report: Report
    events: list[Fission | Fusion]


@eqx.filter_jit
def transported(membrane: Membrane, transport: Transport, state: State, dt) -> State:
    """The state after ``dt`` seconds of transport and reactions on the membrane at rest."""
    psi = surface.derivatives(state.psi, membrane.grid)
    fields = transport.step(membrane, psi, state.fields, state.books, dt)
    fields, books = reacted(membrane, psi, fields, state.books, dt)
    return slabs.placed(eqx.tree_at(lambda s: (s.fields, s.books), state, (fields, books)), membrane.grid)


def evolve(
    membrane: Membrane,
    descent: AbstractDescent,
    transport: Transport,
    state: State,
    *,
    rounds: int,
    trials: int = 10,
    dt: float,
    look_every: int = 2,
) -> Iterator[Round]:
    """``rounds`` rounds of ``dt`` seconds of transport, and of the shape, or of ``trials`` steps of a shape without a
    clock; every ``look_every`` rounds vesicles are told apart anew, and each fission and fusion is reported once.
    Raises RuntimeError where the shape cannot move on."""
    tried = 0
    for n in range(1, rounds + 1):
        state, report = descent.round(membrane, state, jnp.asarray(trials), jnp.asarray(dt, membrane.grid.dtype))
        if not report.complete:
            raise RuntimeError(f"round {n}: the shape refuses its shortest step; is a field not finite?")
        state = transported(membrane, transport, state, jnp.asarray(dt, membrane.grid.dtype))
        events: list[Fission | Fusion] = []
        if n % look_every == 0:
            state, events = rebook(membrane, state)
        tried += int(report.taken) + int(report.refused)
        yield Round(n * dt, tried, state, report, events)
