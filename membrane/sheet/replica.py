"""What the endosomes of a run on the sheet share, and one such endosome: its state and its way to a checkpoint."""

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from membrane.bud.landscape import Domain, Host
from membrane.endosome.budget import Endosome, VesicleSupply
from membrane.endosome.ledger import Ledger
from membrane.endosome.tension import TensionLaw
from membrane.energy.wall import Wall
from membrane.lattice.grid import Grid
from membrane.replica import NumericalFailure, Schedule, frame_arrays, restored, waiting_frames
from membrane.sheet.budding import BuddingRules, BudWatcher
from membrane.sheet.plane import Sheet, content
from membrane.sheet.series import UNITS, Cadence, FrameRecorder, SeriesRecorder
from membrane.sheet.simulate import simulate
from membrane.sheet.stepper import Bdf2

STATE_ARRAYS = ("fields", "increment_hat", "rate_hat", "wiener", "tick", "step_ticks", "history_ticks")


@dataclass(frozen=True, kw_only=True)
class SheetPhysics:
    """All that the endosomes of a run on the sheet share (the protocol ``membrane.replica.Physics``).

    Attributes:
        model: the membrane, with its energies and its transport.
        stepper: the scheme in time.
        rules: of budding, the bud law among them.
        supply: vesicles that bring new membrane.
        tension_law: tension of an endosome from its area and volume.
        new_endosome: makes the area and volume budget of an endosome at the start.
        wall: the wall between Lo and Ld, measured for the mixture.
        schedule: when a run does what.
        first_step_ticks: length of the first step.
        seed: of all random numbers of the run.
    """

    model: Sheet
    stepper: Bdf2
    rules: BuddingRules
    supply: VesicleSupply
    tension_law: TensionLaw
    new_endosome: Callable[[], Endosome]
    wall: Wall
    schedule: Schedule
    first_step_ticks: int
    seed: int

    @property
    def grid(self) -> Grid:
        """The plane."""
        return self.model.grid

    @property
    def units(self) -> dict[str, str]:
        """Units of the columns of the time series and of the fields, by name."""
        return UNITS

    @property
    def attributes(self) -> dict[str, float]:
        """What the archive notes of the physics."""
        return {"measured_line_tension_pN": self.wall.line_tension}

    def endosome(self, index: int, saved: dict | None = None, events: np.ndarray | None = None) -> "SheetReplica":
        """Endosome number ``index``, at its beginning or as a checkpoint has it."""
        return SheetReplica(self, index, saved, events)

    def initial_state(self, index: int):
        """The state in which endosome number ``index`` begins."""
        key = jax.random.fold_in(jax.random.key(self.seed), index)
        return self.model.initial_state(key, self.first_step_ticks)

    def compile_all(self) -> None:
        """Compile a chunk of steps, and the bud law's path, which are otherwise compiled when they are first needed."""
        jax.block_until_ready(self.stepper.chunk(self.model, self.initial_state(0), jnp.asarray(0, jnp.int32)))
        rules, budget = self.rules, self.new_endosome()
        one = lambda value: np.array([value])
        # An open bud of 60 nm: for open buds the law solves the path in any case.
        domain = Domain(
            area=one(np.pi * 60.0**2),
            spontaneous_curvature=one(0.05),
            line_tension=one(rules.line_tension),
            bending_rigidity=one(rules.bending_rigidity_lo),
            gaussian_modulus_contrast=one(rules.gaussian_modulus_contrast),
            open_bud=one(True),
        )
        host = Host(tension=budget.tension, bending_rigidity=rules.bending_rigidity_ld, radius=budget.host_radius)
        rules.law(domain, host)

    def check(self) -> list[str]:
        """Species, measured line tension and memory, in words, without a step."""
        model, stepper = self.model, self.stepper
        # The program of the run itself, which the run then finds in the cache.
        program = type(stepper).chunk.lower(stepper, model, self.initial_state(0), jnp.asarray(1, jnp.int32))
        memory = program.compile().compiled.memory_analysis()
        each = memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
        return [
            f"species: {', '.join(model.species)}",
            f"line tension of the mixture: {self.wall.line_tension:.3f} pN "
            f"(bare wall {model.mixture.lipids.line_tension:.3f} pN)",
            f"memory: {each / 2**20:.0f} MiB an endosome in flight",
        ]


class SheetReplica:
    """One endosome of a run on the sheet (the protocol ``membrane.replica.Replica``).

    Arguments:
        physics: what all endosomes share.
        index: number of the endosome.
        saved: its arrays in a checkpoint, or None for its beginning.
        events: rows of the event table in that checkpoint, of all endosomes.
    """

    def __init__(self, physics: SheetPhysics, index: int, saved: dict | None, events: np.ndarray | None):
        self.physics, self.index = physics, index
        self.state = physics.initial_state(index)
        if saved is None:
            ledger = Ledger.open(content(self.state.fields, physics.model.grid.cell_area))
            budget = physics.new_endosome()
        else:
            arrays = {name: restored(saved, name, getattr(self.state, name)) for name in STATE_ARRAYS}
            arrays["key"] = jax.random.wrap_key_data(jnp.asarray(saved["key"]))
            self.state = dataclasses.replace(self.state, **arrays)
            ledger, budget = Ledger.from_arrays(saved), Endosome.from_arrays(physics.tension_law, saved)
        self.buds = BudWatcher(
            rules=physics.rules,
            supply=physics.supply,
            budget=budget,
            ledger=ledger,
            sheet_area=physics.model.grid.area,
            endosome=index,
            seed=physics.seed,
            interval=physics.schedule.look_ticks,
            tick_s=physics.schedule.tick_s,
            tick=self.tick,
        )
        self.buds.rows = [] if events is None else list(events[events["endosome"] == index])
        self.reached = self.tick
        if saved is None:
            self._series, self._frames = self._recorders(self.buds, None)
            self._series.observe(self.model, self.state)
            self._frames.observe(self.model, self.state)
        else:
            self.buds.restore(saved)
            self._series, self._frames = self._recorders(self.buds, saved["series"], waiting_frames(saved))

    def _recorders(self, buds, rows, frames=None, last=None):
        schedule = self.physics.schedule
        series = SeriesRecorder(buds, Cadence(schedule.series_ticks, last), tick_s=schedule.tick_s, rows=rows)
        return series, FrameRecorder(self._picture, Cadence(schedule.frame_ticks, last), frames)

    @property
    def model(self):
        """The sheet at this endosome's tension."""
        return self.physics.model.with_tension(self.buds.budget.tension)

    @property
    def tick(self) -> int:
        """The tick that the state has reached."""
        return int(self.state.tick)

    @property
    def events(self) -> list:
        """Rows of the event table so far."""
        return self.buds.rows

    @property
    def rows(self) -> list:
        """Rows of the time series so far."""
        return self._series.rows

    @property
    def frames(self) -> dict[int, dict[str, np.ndarray]]:
        """Frames that are not written yet: fields by name, by tick."""
        return self._frames.frames

    @property
    def columns(self) -> list[str]:
        """Names of the columns of the time series."""
        return self._series.names or list(self._series.row(self.model, self.state))

    def advance(self, until_tick: int, should_stop, chunk=None) -> None:
        """Go on to ``until_tick``, the tick of a look, or to the first end of a chunk where ``should_stop`` is True.

        Arguments:
            chunk: advances the state in place of the stepper's own, see :func:`membrane.sheet.simulate.simulate`.

        Raises NumericalFailure; the state is then the last good one.
        """
        try:
            self.state = self._simulate(self.buds, (self._series, self._frames), until_tick, should_stop, chunk)
        except NumericalFailure as failure:
            self.state = failure.state
            raise

    def ending(self, last_tick: int, should_stop, chunk=None) -> tuple[list, dict] | None:
        """Rows and frames after ``tick`` up to ``last_tick``, which need not be the tick of a look and has one of each.

        The time after the last look is computed as in a longer run, but its states are dropped. The endosome itself
        stays at the last look, from which a longer run goes on. None where ``should_stop`` was True before the end.
        """
        buds, look = copy.copy(self.buds), self.physics.schedule.look_ticks
        buds.ledger, buds.next_tick = copy.deepcopy(self.buds.ledger), last_tick + look + 1
        series, frames = self._recorders(buds, None, last=last_tick)
        if self.tick == last_tick:
            for recorder in (series, frames):
                if last_tick % recorder.cadence.interval:
                    recorder.observe(self.model, self.state)
        else:
            end = (last_tick // look + 1) * look
            if int(self._simulate(buds, (series, frames), end, should_stop, chunk).tick) < end:
                return None
        return series.rows, frames.frames

    def _simulate(self, buds, observers, until_tick, should_stop, chunk):
        def reached(tick):
            self.reached = tick

        return simulate(
            self.model,
            self.physics.stepper,
            self.state,
            until_tick=until_tick,
            watchers=[buds],
            observers=observers,
            should_stop=should_stop,
            reached=reached,
            chunk=chunk,
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """All that a checkpoint keeps, by name."""
        state = {name: np.asarray(getattr(self.state, name)) for name in STATE_ARRAYS}
        key = np.asarray(jax.random.key_data(self.state.key))
        watched = self.buds.as_arrays() | self.buds.ledger.as_arrays() | self.buds.budget.as_arrays()
        return state | {"key": key, "series": np.array(self.rows)} | watched | frame_arrays(self.frames)

    def _picture(self, fields) -> dict[str, np.ndarray]:
        """What a frame shows of fields (species, n_y, n_x): the species and the height, by name."""
        model = self.physics.model
        named = dict(zip(model.species, np.asarray(fields), strict=True))
        return named | {"height": np.asarray(model.height(fields))}
