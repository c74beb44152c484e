"""One endosome of a run in three dimensions, and what all endosomes of a run share.

A round moves the shape and then the lipids. Looks for fission and fusion fall on fixed ticks. Every round is a function
of the state alone, so a run that is resumed after any round equals the uninterrupted one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from membrane.lattice import slabs
from membrane.lattice.grid import Grid
from membrane.outcome.table import MolecularAreas, event_row
from membrane.replica import NumericalFailure, Schedule, frame_arrays, waiting_frames
from membrane.units import PN_PER_NM_PER_UN_PER_M
from membrane.vesicle import (
    ClosedMembrane,
    FissionEvent,
    FusionEvent,
    Membrane,
    StokesFlow,
    Transport,
    VesicleState,
    describe,
    detect_events,
)
from membrane.vesicle.checkpoint import (
    membrane_array,
    neck_array,
    saved_membranes,
    saved_necks,
    saved_state,
    state_arrays,
)
from membrane.vesicle.evolve import reshaped, transported
from membrane.vesicle.necks import BudNeck, find_necks, nearest_bud, track_necks
from membrane.vesicle.rows import UNITS, neck_columns, observables, series_row, surface_fields
from membrane.vesicle.shape import AbstractDescent
from membrane.vesicle.topology import LEAST_ROOM, Topology, find_topology, room

HALVINGS = 3
"""How often a round that has failed is done again, each time in parts half as long."""

BOUND = 3.0
"""Largest absolute value of a field on the membrane. A run in which one exceeds it has failed."""


@dataclass(frozen=True, kw_only=True)
class VesiclePhysics:
    """All that the endosomes of a run in three dimensions share (the protocol ``membrane.replica.Physics``).

    A tick is a round: first the shape moves, then the lipids make one step in time.

    Arguments:
        membrane: the elastic properties and the free energy.
        initial_state: gives the state in which an endosome begins, from its number.
        descent: how the shape moves.
        transport: how the composition moves.
        shape_steps: steps of the shape in a round; not used if the shape has a clock.
        schedule: when a run does what.
        line_tension: line tension of the wall between Lo and Ld, measured for the mixture, pN; NaN if the mixture has
            only one phase.
        areas: areas of single molecules.
    """

    membrane: Membrane
    initial_state: Callable[[int], VesicleState]
    descent: AbstractDescent
    transport: Transport
    shape_steps: int
    schedule: Schedule
    line_tension: float
    areas: MolecularAreas

    @property
    def grid(self) -> Grid:
        """The box."""
        return self.membrane.grid

    @property
    def units(self) -> dict[str, str]:
        """Units of the columns of the time series and of the fields, by name."""
        return UNITS

    @property
    def attributes(self) -> dict[str, float]:
        """What the archive notes of the physics."""
        return {"measured_line_tension_pN": self.line_tension}

    def endosome(self, index: int, saved: dict | None = None, events: np.ndarray | None = None) -> "VesicleReplica":
        """Endosome number ``index``, at its beginning or as a checkpoint has it."""
        return VesicleReplica(self, index, saved, events)

    def compile_all(self) -> None:
        """Compile the programs of a round and of a look, which are otherwise compiled when they are first needed."""
        self.endosome(0).advance(self.schedule.look_ticks, lambda: False)

    def check(self) -> list[str]:
        """Where the run starts and the memory that it takes, in words, without a step."""
        state, membrane, descent, schedule = self.initial_state(0), self.membrane, self.descent, self.schedule
        # The program of the run itself, which the run then finds in the cache.
        limits = descent.round_limits(jnp.asarray(1), jnp.asarray(schedule.tick_s, self.grid.dtype))
        program = type(descent).run.lower(descent, membrane, state, *limits)
        memory = program.compile().compiled.memory_analysis()
        each = memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
        steps = "" if isinstance(descent, StokesFlow) else f"{self.shape_steps} shape steps and "
        start, *_ = describe(membrane, state, find_topology(state.psi, membrane.grid, membrane.interface_width))
        devices = f" on each of {self.grid.devices} devices" if self.grid.devices > 1 else ""
        return [
            f"membrane: {start.area:.0f} nm2, diameter {start.diameter:.1f} nm, Lo share {start.lo_fraction:.3f}",
            f"rounds: {schedule.duration_ticks} of {steps}{schedule.tick_s * 1e6:g} us",
            f"memory: {each / 2**20:.0f} MiB an endosome in flight{devices}, one vesicle; each further one adds fields",
        ]


class VesicleReplica:
    """One endosome of a run in three dimensions (the protocol ``membrane.replica.Replica``).

    Arguments:
        physics: what all endosomes share.
        index: number of the endosome.
        saved: its arrays in a checkpoint, or None to begin.
        events: rows of the event table in that checkpoint, of all endosomes.

    ``rows`` of the time series and ``frames`` ({tick: fields by name}) are kept until the run has taken them.
    """

    def __init__(self, physics: VesiclePhysics, index: int, saved: dict | None, events: np.ndarray | None):
        self.physics, self.index = physics, index
        self.state = physics.initial_state(index)
        # Planes fill the box along two of its axes.
        self.bounded = [width > 0 for width in room(self.state.psi, physics.grid.spacing)]
        self.events = [] if events is None else list(events[events["endosome"] == index])
        self.tick, self.steps, self.refused, self.rows, self.frames = 0, 0, 0, [], {}
        self.descent = np.nan
        if saved is None:
            topology = self._topology()
            self.membranes, self.necks = describe(physics.membrane, self.state, topology), self._necks([], topology)
            self._record()
            self.frames[0] = self.fields()
        else:
            self.state = slabs.placed(saved_state(saved, self.state), physics.grid)
            self.tick, self.steps, self.refused = (int(saved[name]) for name in ("tick", "steps", "refused"))
            self.descent = float(saved["descent"])
            self.rows, self.frames = list(saved["series"]), waiting_frames(saved)
            self.membranes, self.necks = saved_membranes(saved["vesicles"]), saved_necks(saved["necks"])
        self.columns = list(self._row())

    @property
    def reached(self) -> int:
        """The tick that has been reached."""
        return self.tick

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays of a checkpoint, by name."""
        others = {
            "tick": self.tick,
            "steps": self.steps,
            "refused": self.refused,
            "descent": self.descent,
            "vesicles": membrane_array(self.membranes),
            "necks": neck_array(self.necks),
            "series": np.array(self.rows),
        }
        others = {name: np.asarray(value) for name, value in others.items()}
        return state_arrays(self.state) | others | frame_arrays(self.frames)

    def fields(self) -> dict[str, np.ndarray]:
        """The fields of a frame by name: psi, and the fields on the membrane."""
        on_it = surface_fields(self.physics.membrane, self.state)
        return {"psi": np.asarray(self.state.psi)} | {name: np.asarray(field) for name, field in on_it.items()}

    def advance(self, until_tick: int, should_stop) -> None:
        """Goes on to ``until_tick``, or to an earlier tick after ``should_stop`` has answered True.

        Raises NumericalFailure if a round fails even in parts. The last good state is kept.
        """
        while self.tick < until_tick and not should_stop():
            before = self.state
            self.state, tried, refused = self._round()
            if (self.tick + 1) % self.physics.schedule.look_ticks == 0:
                try:
                    self._look_for_events()
                except ValueError as error:
                    self.state = before
                    message = f"t = {self.tick * self.physics.schedule.tick_s:.6g} s: {error}"
                    raise NumericalFailure(message, before) from error
            self.tick += 1
            self.steps += tried
            self.refused += refused
            if self.tick % self.physics.schedule.series_ticks == 0:
                self._record()
            if self.tick % self.physics.schedule.frame_ticks == 0:
                self.frames[self.tick] = self.fields()

    def ending(self, last_tick: int, should_stop) -> tuple[list, dict]:
        """The last row and the last frame, at ``last_tick``, which is the tick that has been reached.

        They are left out if the schedule has given them already. A row between two looks describes the membranes as the
        last look has seen them.
        """
        series, frame = self.physics.schedule.series_ticks, self.physics.schedule.frame_ticks
        rows = [np.array(list(self._row().values()), float)] if last_tick % series else []
        return rows, {last_tick: self.fields()} if last_tick % frame else {}

    def _round(self) -> tuple[VesicleState, int, int]:
        """The state after a round, the steps of the shape that were tried, and how many of them were refused.

        If something is then not finite or beyond its bounds, the round is done again from its start in two parts, each
        of half the time and half the steps; then in four parts and in eight. Raises NumericalFailure if this is not
        enough.
        """
        physics, grid = self.physics, self.physics.grid
        for halvings in range(HALVINGS + 1):
            parts, state, tried, refused = 2**halvings, self.state, 0, 0
            steps = jnp.asarray(max(1, physics.shape_steps // parts))
            for _ in range(parts):
                dt = jnp.asarray(physics.schedule.tick_s / parts, grid.dtype)
                state, report = reshaped(physics.membrane, physics.descent, state, steps, dt)
                state = transported(physics.membrane, physics.transport, state, dt)
                tried += int(report.taken) + int(report.refused)
                refused += int(report.refused)
                good = np.isfinite(float(report.energy)) and bool(report.complete) and _within_bounds(state)
                if not good:
                    break
            if good:
                self.descent = float(report.descent)
                return state, tried, refused
        raise NumericalFailure(self._failure(report), self.state)

    def _topology(self) -> Topology:
        """The closed membranes that there are now."""
        membrane = self.physics.membrane
        return find_topology(self.state.psi, membrane.grid, membrane.interface_width, self.state.conserved.count)

    def _necks(self, before: list[BudNeck], topology: Topology) -> list[BudNeck]:
        """The necks that there are now; closed ones remember their last open radius from the necks ``before``."""
        grid, eps = self.physics.grid, self.physics.membrane.interface_width
        return track_necks(before, find_necks(self.state.psi, grid, eps, topology), grid, 4 * eps)

    def _look_for_events(self) -> None:
        """Looks for fission and fusion since the last look, and writes a row for each membrane that left or fused."""
        membrane, before, topology = self.physics.membrane, self.state, self._topology()
        self._check_room()
        self.state, happened = detect_events(membrane, before, topology)
        membranes = describe(membrane, self.state, topology)
        for event in happened:
            if isinstance(event, FissionEvent):
                self._add_fission(event, observables(membrane, self.state).tension[membranes.index(event.daughter)])
            else:
                self._add_fusion(event, observables(membrane, before).tension)
        self.membranes, self.necks = membranes, self._necks(self.necks, topology)

    def _check_room(self) -> None:
        """Raises ValueError where the membrane has come too close to its periodic image."""
        grid, least = self.physics.grid, LEAST_ROOM * self.physics.membrane.interface_width
        for name, width, bounded in zip("zyx", room(self.state.psi, grid.spacing), self.bounded, strict=True):
            if bounded and width < least:
                raise ValueError(
                    f"along {name} only {width:.3g} nm are left between the membrane and its periodic image, and below "
                    f"{least:.3g} nm ({LEAST_ROOM:g} membrane.interface_width_nm) they would attract and fuse. Give a "
                    "longer side of geometry.box_nm"
                )

    def _add_fission(self, event: FissionEvent, tension) -> None:
        """Writes a row for the daughter, whose tension is given in pN/nm."""
        daughter = event.daughter
        direction = 1 if daughter.is_ilv else -1
        bud = nearest_bud(self.necks, daughter.centre, direction, self.physics.grid, daughter.diameter / 2)
        neck = bud.last_open_radius if bud else np.nan
        self._add_event(daughter, tension, "scission", direction, neck)

    def _add_fusion(self, event: FusionEvent, tensions) -> None:
        """Writes a row for each membrane that the fusion has ended, as it was last seen.

        ``tensions`` (membranes,) are those of all membranes before the fusion, pN/nm.
        """
        # The product is an ILV only if all were ILVs. The largest membrane of the same kind as the product goes on.
        alike = [i for i in event.merged if self.membranes[i].is_ilv == event.product.is_ilv]
        survivor = max(alike or event.merged, key=lambda i: self.membranes[i].area)
        for i in event.merged:
            if i != survivor:
                lost = self.membranes[i]
                kind = "ilv_fusion" if event.product.is_ilv else "back_fusion"
                direction = 0 if event.product.is_ilv else -1 if lost.is_ilv else 1
                self._add_event(lost, tensions[i], kind, direction, np.nan)

    def _add_event(self, membrane: ClosedMembrane, tension, kind: str, direction: int, neck_radius: float) -> None:
        """Writes a row for a membrane that has left or was lost; its tension is in pN/nm, the radius in nm."""
        physics, (z, y, x) = self.physics, membrane.centre
        row = event_row(
            kind=kind,
            mechanism="resolved",
            direction=direction,
            # This round is not over yet, and the tick counts rounds that are over.
            time_s=(self.tick + 1) * physics.schedule.tick_s,
            endosome=self.index,
            x_nm=x,
            y_nm=y,
            z_nm=z,
            diameter_nm=membrane.diameter,
            diameter_from_volume_nm=membrane.diameter_from_volume,
            area_nm2=membrane.area,
            lo_fraction=membrane.lo_fraction,
            contents_nm2=membrane.content,
            areas=physics.areas,
            spontaneous_curvature_per_nm=membrane.spontaneous_curvature,
            line_tension_pN=physics.line_tension,
            tension_uN_per_m=float(tension) / PN_PER_NM_PER_UN_PER_M,
            neck_radius_nm=neck_radius,
            # The free energy fell all the way, so there was no barrier.
            barrier_kBT=0.0,
        )
        self.events.append(row)

    def _record(self) -> None:
        """Adds a row to the time series."""
        self.rows.append(np.array(list(self._row().values()), float))

    def _row(self) -> dict[str, float]:
        """The row of the time series for the present state, by column."""
        physics = self.physics
        return {
            "time_s": self.tick * physics.schedule.tick_s,
            **series_row(physics.membrane, self.state, self.membranes, self.events),
            **neck_columns(self.necks),
            **({} if isinstance(physics.descent, StokesFlow) else {"descent_pN_nm": self.descent}),
            "shape_steps": self.steps,
            "refused_steps": self.refused,
        }

    def _failure(self, report) -> str:
        """What is said of a round that has failed even in parts."""
        return (
            f"t = {self.tick * self.physics.schedule.tick_s:.6g} s: after the shape has moved its free energy "
            f"({float(report.energy):.6g} pN nm) is not finite, it refuses its shortest step, or a field on the "
            f"membrane has left its bounds, also in {2**HALVINGS} parts of the round. Likely remedies: "
            "numerics.precision float64, a smaller numerics.transport_step_us, or line tension, rigidity and moduli "
            "nearer to those of membranes"
        )


def _within_bounds(state) -> bool:
    """Whether all is finite, and no field on the membrane is far beyond its range (phi: +-1, fractions: 0 to 1)."""
    kept = state.conserved
    moving = state.psi, state.fields, kept.content, kept.area, kept.drained, state.velocity_hat, state.shape_step
    finite = all(bool(jnp.isfinite(part).all()) for part in moving)
    return finite and bool((jnp.abs(state.fields) < BOUND).all())
