"""What the endosomes of a run in three dimensions share, and one such endosome: its rounds, its looks for fission and
fusion, its rows of events and series, and its way to a checkpoint and back.

Every round is a function of the state alone, and looks fall on fixed ticks: a run resumed from any round equals the
uninterrupted one.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

import jax
import jax.numpy as jnp
import numpy as np

from membrane.lattice import slabs
from membrane.lattice.grid import Grid
from membrane.outcome.table import MolecularAreas, event_row
from membrane.replica import NumericalFailure, Schedule, frame_arrays, restored, waiting_frames
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
from membrane.vesicle.evolve import transported
from membrane.vesicle.necks import BudNeck, find_necks, nearest_bud, track_necks
from membrane.vesicle.rows import UNITS, Observed, neck_columns, observed, series_row, surface_fields
from membrane.vesicle.shape import AbstractDescent
from membrane.vesicle.topology import Topology, find_topology

HALVINGS = 3
"""How often a round that has failed is halved."""

BOUND = 3.0
"""Of fields on the membrane: beyond it a run has failed."""


@dataclass(frozen=True, kw_only=True)
class VesiclePhysics:
    """All that the endosomes of a run in three dimensions share (the protocol ``membrane.replica.Physics``).

    A tick is a round: first the shape moves, then the lipids take one step in time.

    membrane: the free energy of the membrane and of what is in it
    initial_state: makes the state in which an endosome begins, by its number
    descent: how the shape moves
    transport: how what is in the membrane moves
    shape_steps: steps of the shape in a round, where the shape does not follow the clock
    schedule: when a run does what
    line_tension: of the wall between Lo and Ld, measured for the mixture, in pN; NaN where it has no two phases
    areas: of single molecules
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
        vesicle, *_ = describe(membrane, state, find_topology(state.psi, membrane.grid, membrane.interface_width))
        devices = f" on each of {self.grid.devices} devices" if self.grid.devices > 1 else ""
        return [
            f"membrane: {vesicle.area:.0f} nm2, diameter {vesicle.diameter:.1f} nm, Lo share {vesicle.lo_fraction:.3f}",
            f"rounds: {schedule.duration_ticks} of {steps}{schedule.tick_s * 1e6:g} us",
            f"memory: {each / 2**20:.0f} MiB an endosome in flight{devices}, one vesicle; each further one adds fields",
        ]


class VesicleReplica:
    """One endosome of a run in three dimensions (the protocol ``membrane.replica.Replica``).

    physics: what all endosomes share
    index: number of the endosome
    saved: its arrays in a checkpoint, or None for its beginning
    events: rows of the event table in that checkpoint, of all endosomes
    """

    def __init__(self, physics: VesiclePhysics, index: int, saved: dict | None, events: np.ndarray | None):
        self.physics, self.index = physics, index
        self.state = physics.initial_state(index)
        self.events = [] if events is None else list(events[events["endosome"] == index])
        self.tick, self.steps, self.refused, self.rows, self.frames = 0, 0, 0, [], {}
        if saved is None:
            topology = self._topology()
            self.membranes, self.necks = describe(physics.membrane, self.state, topology), self._necks([], topology)
            self._record()
            self.frames[0] = self.fields()
        else:
            paths, structure = jax.tree_util.tree_flatten_with_path(self.state)
            # Books grow with the number of vesicles.
            fixed = ("psi", "fields")
            leaves = [
                restored(saved, name, leaf) if name in fixed else jnp.asarray(saved[name])
                for name, leaf in ((_name(path), leaf) for path, leaf in paths)
            ]
            self.state = slabs.placed(jax.tree_util.tree_unflatten(structure, leaves), physics.grid)
            self.tick, self.steps, self.refused = (int(saved[name]) for name in ("tick", "steps", "refused"))
            self.rows, self.frames = list(saved["series"]), waiting_frames(saved)
            self.membranes = [
                ClosedMembrane(**row | {"centre": tuple(row["centre"])}) for row in _read(saved["vesicles"])
            ]
            self.necks = [_neck_from(row) for row in saved["necks"]]
        self.columns = list(self._row())

    @property
    def reached(self) -> int:
        """The tick up to which it has come."""
        return self.tick

    def arrays(self) -> dict[str, np.ndarray]:
        """All that a checkpoint keeps."""
        leaves, _ = jax.tree_util.tree_flatten_with_path(self.state)
        membranes = _written([asdict(vesicle) for vesicle in self.membranes])
        necks = np.array([(n.radius, n.last_open_radius, *n.deepest_point, n.direction) for n in self.necks]).reshape(
            -1, 6
        )
        own = {"tick": self.tick, "steps": self.steps, "refused": self.refused, "vesicles": membranes, "necks": necks}
        return (
            {_name(path): np.asarray(leaf) for path, leaf in leaves}
            | {name: np.asarray(value) for name, value in (own | {"series": np.array(self.rows)}).items()}
            | frame_arrays(self.frames)
        )

    def fields(self) -> dict[str, np.ndarray]:
        """What a frame shows: the membrane and what lies on it."""
        on_it = surface_fields(self.physics.membrane, self.state)
        return {"psi": np.asarray(self.state.psi)} | {name: np.asarray(field) for name, field in on_it.items()}

    def advance(self, until_tick: int, should_stop) -> None:
        """To ``until_tick``, or until asked to stop. Raises NumericalFailure with the last good state kept."""
        while self.tick < until_tick and not should_stop():
            before = self.state
            self.state, tried, refused = self._round()
            if (self.tick + 1) % self.physics.schedule.look_ticks == 0:
                try:
                    self._look()
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
        """Rows and frames later than its tick, up to ``last_tick``, which has one of each; its tick is that one. Of
        vesicles a row between looks tells what was seen at the last."""
        series, frame = self.physics.schedule.series_ticks, self.physics.schedule.frame_ticks
        rows = [np.array(list(self._row().values()), float)] if last_tick % series else []
        return rows, {last_tick: self.fields()} if last_tick % frame else {}

    def _round(self) -> tuple[VesicleState, int, int]:
        """The state after a round, the steps of the shape that were tried, and how many of them were refused.

        A round after which something is not finite or beyond its bounds is done again from its start in two parts,
        each of half the time and half the steps, then in four and in eight. Raises NumericalFailure where that is not
        enough.
        """
        physics, grid = self.physics, self.physics.grid
        for halvings in range(HALVINGS + 1):
            parts, state, tried, refused = 2**halvings, self.state, 0, 0
            steps = jnp.asarray(max(1, physics.shape_steps // parts))
            for _ in range(parts):
                dt = jnp.asarray(physics.schedule.tick_s / parts, grid.dtype)
                state, report = physics.descent.round(physics.membrane, state, steps, dt)
                state = transported(physics.membrane, physics.transport, state, dt)
                tried += int(report.taken) + int(report.refused)
                refused += int(report.refused)
                if not (sound := np.isfinite(float(report.energy)) and bool(report.complete) and _bounded(state)):
                    break
            if sound:
                return state, tried, refused
        raise NumericalFailure(self._failure(report), self.state)

    def _topology(self) -> Topology:
        membrane = self.physics.membrane
        return find_topology(self.state.psi, membrane.grid, membrane.interface_width, self.state.conserved.count)

    def _necks(self, before: list[BudNeck], topology: Topology) -> list[BudNeck]:
        grid, eps = self.physics.grid, self.physics.membrane.interface_width
        return track_necks(before, find_necks(self.state.psi, grid, eps, topology), grid, 4 * eps)

    def _look(self) -> None:
        """Tells vesicles apart; a row for each that has left or fused since the last look."""
        membrane, before, topology = self.physics.membrane, self.state, self._topology()
        self.state, happened = detect_events(membrane, before, topology)
        membranes = describe(membrane, self.state, topology)
        for event in happened:
            if isinstance(event, FissionEvent):
                seen = observed(membrane, self.state)
                number, direction = membranes.index(event.daughter), 1 if event.daughter.is_ilv else -1
                neck = self._neck_of(event.daughter, direction)
                self._book(event.daughter, seen, number, "scission", direction, neck)
            else:
                self._fused(event, observed(membrane, before))
        self.membranes, self.necks = membranes, self._necks(self.necks, topology)

    def _neck_of(self, vesicle: ClosedMembrane, direction: int) -> float:
        """Radius of the neck through which a vesicle has left, when it was last seen open."""
        bud = nearest_bud(self.necks, vesicle.centre, direction, self.physics.grid, vesicle.diameter / 2)
        return bud.last_open_radius if bud else np.nan

    def _fused(self, event: FusionEvent, seen: Observed) -> None:
        """A row for each vesicle that a fusion has ended, as it was last seen."""
        # What is left is a limiting membrane unless all were ILVs; the largest of its kind goes on.
        alike = [i for i in event.merged if self.membranes[i].is_ilv == event.product.is_ilv]
        survivor = max(alike or event.merged, key=lambda i: self.membranes[i].area)
        for i in event.merged:
            if i != survivor:
                lost = self.membranes[i]
                kind = "ilv_fusion" if event.product.is_ilv else "back_fusion"
                self._book(lost, seen, i, kind, 0 if event.product.is_ilv else -1 if lost.is_ilv else 1)

    def _book(
        self, vesicle: ClosedMembrane, seen: Observed, number: int, kind: str, direction: int, neck=np.nan
    ) -> None:
        physics, (z, y, x) = self.physics, vesicle.centre
        row = event_row(
            kind=kind,
            mechanism="resolved",
            direction=direction,
            # A round is under way: the tick counts those that are done.
            time_s=(self.tick + 1) * physics.schedule.tick_s,
            endosome=self.index,
            x_nm=x,
            y_nm=y,
            z_nm=z,
            diameter_nm=vesicle.diameter,
            diameter_from_volume_nm=vesicle.diameter_from_volume,
            area_nm2=vesicle.area,
            lo_fraction=vesicle.lo_fraction,
            contents_nm2=vesicle.content,
            areas=physics.areas,
            spontaneous_curvature_per_nm=vesicle.spontaneous_curvature,
            line_tension_pN=physics.line_tension,
            tension_uN_per_m=float(seen.tension[number]) / PN_PER_NM_PER_UN_PER_M,
            neck_radius_nm=neck,
            # The free energy fell all the way.
            barrier_kBT=0.0,
        )
        self.events.append(row)

    def _record(self) -> None:
        self.rows.append(np.array(list(self._row().values()), float))

    def _row(self) -> dict[str, float]:
        physics = self.physics
        return {
            "time_s": self.tick * physics.schedule.tick_s,
            **series_row(physics.membrane, self.state, self.membranes, self.events),
            **neck_columns(self.necks),
            "shape_steps": self.steps,
            "refused_steps": self.refused,
        }

    def _failure(self, report) -> str:
        return (
            f"t = {self.tick * self.physics.schedule.tick_s:.6g} s: after the shape has moved its free energy "
            f"({float(report.energy):.6g} pN nm) is not finite, it refuses its shortest step, or a field on the "
            f"membrane has left its bounds, also in {2**HALVINGS} parts of the round. Likely remedies: "
            "numerics.precision float64, a smaller numerics.transport_step_us, or line tension, rigidity and moduli "
            "nearer to those of membranes"
        )


def _bounded(state) -> bool:
    """Whether all is finite and no field far beyond what it can be, phi beyond +-1 or a fraction beyond 0 and 1."""
    finite = all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(state))
    return finite and bool((jnp.abs(state.fields) < BOUND).all())


def _written(content) -> np.ndarray:
    """Text as bytes: numbers come back from JSON as they were."""
    return np.frombuffer(json.dumps(content).encode(), np.uint8)


def _read(content: np.ndarray):
    return json.loads(content.tobytes())


def _name(path) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".").replace("conserved.", "books.", 1)


def _neck_from(row: np.ndarray) -> BudNeck:
    """A neck from its row in a checkpoint."""
    radius, last, z, y, x, direction = row.tolist()
    return BudNeck(radius=radius, last_open_radius=last, deepest_point=(z, y, x), direction=int(direction))
