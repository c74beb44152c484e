"""The loop of a run from Python: composition moves in time, the shape relaxes in between, fissions are looked for."""

from collections.abc import Iterator
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp

from membrane.lattice import slabs
from membrane.vesicle import surface
from membrane.vesicle.composition import Transport, reacted
from membrane.vesicle.division import divided
from membrane.vesicle.energy import Membrane
from membrane.vesicle.fission import FissionEvent, FusionEvent, detect_events
from membrane.vesicle.shape import AbstractDescent, DescentReport, VesicleState


class Round(NamedTuple):
    """What one round has led to.

    Arguments:
        time: time of the composition, s.
        trials: how many steps of the shape have been tried since the start.
        state: the state after the round.
        report: what the shape has done in this round.
        events: fissions and fusions that were found in this round.
    """

    time: float
    trials: int
    state: VesicleState
    report: DescentReport
    events: list[FissionEvent | FusionEvent]


def reshaped(
    membrane: Membrane, descent: AbstractDescent, state: VesicleState, steps, dt
) -> tuple[VesicleState, DescentReport]:
    """The state after the shape has moved, and what it has done. Every Lo domain keeps its content (:mod:`.patches`).

    Arguments:
        membrane: the elastic properties and the free energy.
        descent: how the shape moves.
        state: where to start.
        steps: number of steps of a shape without a clock.
        dt: time of the round, s.
    """
    conserved = divided(membrane, state.psi, state.fields, state.conserved)
    begin = slabs.placed(eqx.tree_at(lambda s: s.conserved, state, conserved), membrane.grid)
    end, report = descent.round(membrane, begin, steps, dt)
    return eqx.tree_at(lambda s: s.conserved, end, state.conserved), report


@eqx.filter_jit
def transported(membrane: Membrane, transport: Transport, state: VesicleState, dt) -> VesicleState:
    """The state after ``dt`` seconds of transport, reactions and regulation; the shape does not move."""
    psi = surface.derivatives(state.psi, membrane.grid)
    fields = transport.step(membrane, psi, state.fields, state.conserved, dt)
    fields, conserved = reacted(membrane, psi, fields, state.conserved, dt)
    if membrane.reservoir is not None:
        lost = membrane.reservoir.drained(membrane.areas(psi, conserved)[0], conserved.most, dt)
        conserved = eqx.tree_at(lambda kept: kept.drained, conserved, conserved.drained + lost)
    return slabs.placed(eqx.tree_at(lambda s: (s.fields, s.conserved), state, (fields, conserved)), membrane.grid)


def evolve(
    membrane: Membrane,
    descent: AbstractDescent,
    transport: Transport,
    state: VesicleState,
    *,
    rounds: int,
    trials: int = 10,
    dt: float,
    look_every: int = 2,
) -> Iterator[Round]:
    """Yields what each round has led to. In a round the shape moves, then the composition moves for ``dt`` seconds.

    Arguments:
        membrane: the elastic properties and the free energy.
        descent: how the shape moves: :class:`Relaxation` or :class:`StokesFlow`.
        transport: how the composition moves.
        state: where to start.
        rounds: number of rounds.
        trials: steps of the shape in each round. :class:`StokesFlow` has a clock and moves for ``dt`` seconds instead.
        dt: time of a round, s.
        look_every: number of rounds between two looks for fission and fusion.

    Raises RuntimeError if the shape cannot move on.

    >>> from membrane.energy import Lipids
    >>> from membrane.lattice.grid import Grid
    >>> from membrane.vesicle import Membrane, Relaxation, Transport, VesicleState, initial
    >>> grid = Grid((32, 32, 32), (128.0, 128.0, 128.0))
    >>> membrane = Membrane(
    ...     grid,
    ...     interface_width=5.0,
    ...     bending_rigidity=(85.6, 85.6),
    ...     spontaneous_curvature=(0.0, 0.05),
    ...     lipids=Lipids.from_wall(line_tension=5.0, interface_width=5.0),
    ...     area_modulus=240.0,
    ... )
    >>> psi = initial.profile(initial.sphere(grid, 39.0), 5.0, grid)
    >>> phi = initial.profile(initial.cap(grid, 39.0, 3000.0), 5.0, grid)
    >>> start = VesicleState.at_rest(membrane, psi, phi, membrane.conserved(psi, phi))
    >>> first, second = evolve(membrane, Relaxation(15.0), Transport(1e6), start, rounds=2, trials=3, dt=1e-6)
    >>> second.trials, bool(second.report.energy < first.report.energy), second.events
    (6, True, [])
    """
    tried = 0
    for n in range(1, rounds + 1):
        time = jnp.asarray(dt, membrane.grid.dtype)
        state, report = reshaped(membrane, descent, state, jnp.asarray(trials), time)
        if not report.complete:
            raise RuntimeError(f"round {n}: the shape refuses its shortest step; look for a field that is not finite")
        state = transported(membrane, transport, state, time)
        events: list[FissionEvent | FusionEvent] = []
        if n % look_every == 0:
            state, events = detect_events(membrane, state)
        tried += int(report.taken) + int(report.refused)
        yield Round(n * dt, tried, state, report, events)
