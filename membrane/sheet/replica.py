"""One endosome of a run on the sheet: its state, its watchers, and how both go to a checkpoint and back."""

import copy
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from membrane.bud.landscape import Domain, Host
from membrane.endosome.budget import Endosome
from membrane.replica import NumericalFailure, frame_arrays, restored, waiting_frames
from membrane.sheet.books import Books, content
from membrane.sheet.budding import BudWatcher, with_tension
from membrane.sheet.physics import Physics
from membrane.sheet.series import UNITS, Cadence, FrameRecorder, SeriesRecorder
from membrane.sheet.simulate import simulate

STATE_ARRAYS = ("fields", "increment_hat", "rate_hat", "wiener", "tick", "step_ticks", "history_ticks")


class SheetReplica:
    """Endosome number ``index``; ``saved`` and ``events`` are those of a checkpoint, all endosomes' events in one.

    ``rows`` of the series and ``frames`` {tick: fields by name}, which its owner takes, are those at the cadences of
    the physics up to ``tick``; ``reached`` is the tick up to which it has come while it advances.
    """

    units = UNITS

    def __init__(self, physics: Physics, seed: int, index: int, saved: dict | None, events: np.ndarray):
        self.physics, self.index = physics, index
        key = jax.random.fold_in(jax.random.key(seed), index)
        self.state = physics.model.initial_state(key, physics.first_step_ticks)
        if saved is None:
            books = Books.open(content(self.state.fields, physics.model.grid.cell_area))
            budget = physics.new_endosome()
        else:
            arrays = {name: restored(saved, name, getattr(self.state, name)) for name in STATE_ARRAYS}
            arrays["key"] = jax.random.wrap_key_data(jnp.asarray(saved["key"]))
            self.state = dataclasses.replace(self.state, **arrays)
            books, budget = Books.from_arrays(saved), Endosome.from_arrays(physics.tension_law, saved)
        self.buds = BudWatcher(
            physics.rules,
            physics.fusion,
            budget,
            books,
            sheet_area=physics.model.grid.area,
            endosome=index,
            seed=seed,
            interval=physics.look_ticks,
            tick_s=physics.tick_s,
            tick=self.tick,
        )
        self.buds.rows = list(events[events["endosome"] == index])
        self.reached = self.tick
        if saved is None:
            self._series, self._frames = self._recorders(self.buds, None)
            self._series.observe(self.model, self.state)
            self._frames.observe(self.model, self.state)
        else:
            self.buds.restore(saved)
            self._series, self._frames = self._recorders(self.buds, saved["series"], waiting_frames(saved))

    def _recorders(self, buds, rows, frames=None, last=None):
        physics = self.physics
        series = SeriesRecorder(buds, Cadence(physics.series_ticks, last), tick_s=physics.tick_s, rows=rows)
        return series, FrameRecorder(self._picture, Cadence(physics.frame_ticks, last), frames)

    @property
    def model(self):
        """The sheet at this endosome's tension."""
        return with_tension(self.physics.model, self.buds.budget.tension)

    @property
    def tick(self) -> int:
        """How far it has come."""
        return int(self.state.tick)

    @property
    def events(self) -> list:
        """Its rows of the event table."""
        return self.buds.rows

    @property
    def rows(self) -> list:
        """Its rows of the series."""
        return self._series.rows

    @property
    def frames(self) -> dict[int, dict[str, np.ndarray]]:
        """Its frames that nobody has taken yet."""
        return self._frames.frames

    @property
    def columns(self) -> list[str]:
        """Columns of the series."""
        return self._series.names or list(self._series.row(self.model, self.state))

    def advance(self, until_tick: int, should_stop, chunk=None) -> None:
        """To ``until_tick``, a look, or until asked to stop, by ``chunk`` where it is given. Raises NumericalFailure
        with the last good state kept."""
        try:
            self.state = self._simulate(self.buds, (self._series, self._frames), until_tick, should_stop, chunk)
        except NumericalFailure as failure:
            self.state = failure.state
            raise

    def ending(self, last_tick: int, should_stop, chunk=None) -> tuple[list, dict] | None:
        """Rows and frames later than its tick, up to ``last_tick``, which need not be a look and has one of each.

        What lies beyond its last look is gone through as in a longer run, but kept by nobody: the endosome itself
        stays at its look, from which that longer run goes on. None where asked to stop before ``last_tick``.
        """
        buds, look = copy.copy(self.buds), self.physics.look_ticks
        buds.books, buds.next_tick = copy.deepcopy(self.buds.books), last_tick + look + 1
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
        """All that a checkpoint keeps."""
        state = {name: np.asarray(getattr(self.state, name)) for name in STATE_ARRAYS}
        key = np.asarray(jax.random.key_data(self.state.key))
        watched = self.buds.as_arrays() | self.buds.books.as_arrays() | self.buds.budget.as_arrays()
        return state | {"key": key, "series": np.array(self.rows)} | watched | frame_arrays(self.frames)

    def _picture(self, fields) -> dict[str, np.ndarray]:
        """What a frame shows: the species and the height."""
        model = self.physics.model
        named = dict(zip(model.species, np.asarray(fields), strict=True))
        return named | {"height": np.asarray(model.height(fields))}

    @staticmethod
    def compile_all(physics: Physics) -> None:
        """The programs of a run, which are compiled when they are first asked for: a chunk, and a path of the law."""
        model = physics.model
        state = model.initial_state(jax.random.key(0), physics.first_step_ticks)
        jax.block_until_ready(physics.stepper.chunk(model, state, jnp.asarray(0, jnp.int32)))
        rules, budget = physics.rules, physics.new_endosome()
        one = lambda value: np.array([value])
        # An open bud of 60 nm, for of those the law solves the path in any case.
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

    @staticmethod
    def check(physics: Physics) -> list[str]:
        """Shapes, memory and the measured wall, in words, without a step."""
        model, stepper = physics.model, physics.stepper
        state = model.initial_state(jax.random.key(0), physics.first_step_ticks)
        # The program of the run itself, which then finds it in the cache.
        program = type(stepper).chunk.lower(stepper, model, state, jnp.asarray(1, jnp.int32))
        memory = program.compile().compiled.memory_analysis()
        each = memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
        return [
            f"species: {', '.join(model.species)}",
            f"line tension of the mixture: {physics.wall.line_tension:.3f} pN "
            f"(bare wall {model.lipids.line_tension:.3f} pN)",
            f"memory: {each / 2**20:.0f} MiB an endosome in flight",
        ]
