"""One endosome of a run on the sheet: its state, its watchers, and how both go to a checkpoint and back."""

import jax
import jax.numpy as jnp
import numpy as np

from membrane.build import Physics
from membrane.endosome import Books, Endosome, content
from membrane.events import BudWatcher, with_tension
from membrane.model import State
from membrane.series import UNITS, SeriesWatcher
from membrane.simulate import NumericalFailure, simulate

STATE_ARRAYS = ("fields", "increment_hat", "rate_hat", "wiener", "tick", "step_ticks", "history_ticks")


class SheetReplica:
    """Endosome number ``index``; ``saved`` and ``events`` are those of a checkpoint, all endosomes' events in one."""

    units = UNITS

    def __init__(self, physics: Physics, seed: int, index: int, saved: dict | None, events: np.ndarray):
        self.physics, self.index = physics, index
        key = jax.random.fold_in(jax.random.key(seed), index)
        if saved is None:
            self.state = physics.model.initial_state(key, physics.first_step_ticks)
            books = Books.open(content(self.state.fields, physics.model.grid.cell_area))
            budget = physics.new_endosome()
        else:
            key = jax.random.wrap_key_data(jnp.asarray(saved["key"]))
            self.state = State(key=key, **{name: jnp.asarray(saved[name]) for name in STATE_ARRAYS})
            books, budget = Books.from_arrays(saved), Endosome.from_arrays(physics.tension_law, saved)
        shared = {"tick_s": physics.tick_s, "tick": int(self.state.tick)}
        self.buds = BudWatcher(
            physics.rules,
            physics.fusion,
            budget,
            books,
            sheet_area=physics.model.grid.area,
            endosome=index,
            seed=seed,
            interval=physics.look_ticks,
            **shared,
        )
        self.buds.rows = list(events[events["endosome"] == index])
        if saved is not None:
            self.buds.restore(saved)
        rows = None if saved is None else saved["series"]
        self.series = SeriesWatcher(self.buds, interval=physics.series_ticks, rows=rows, **shared)
        if saved is None:
            self.series.see(self.model, self.state)
            self.series.next_tick = physics.series_ticks

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
        return self.series.rows

    @property
    def columns(self) -> list[str]:
        """Columns of the series."""
        return self.series.names or list(self.series.row(self.model, self.state))

    def advance(self, until_tick: int, should_stop, chunk=None) -> None:
        """To ``until_tick``, or until asked to stop, by ``chunk`` where it is given. Raises NumericalFailure with the
        last good state kept."""
        try:
            self.state = simulate(
                self.model,
                self.physics.stepper,
                self.state,
                until_tick=until_tick,
                watchers=[self.buds, self.series],
                should_stop=should_stop,
                chunk=chunk,
            )
        except NumericalFailure as failure:
            self.state = failure.state
            raise

    def arrays(self) -> dict[str, np.ndarray]:
        """All that a checkpoint keeps."""
        state = {name: np.asarray(getattr(self.state, name)) for name in STATE_ARRAYS}
        key = np.asarray(jax.random.key_data(self.state.key))
        watched = self.buds.as_arrays() | self.buds.books.as_arrays() | self.buds.budget.as_arrays()
        return state | {"key": key, "series": np.array(self.series.rows)} | watched

    def fields(self) -> dict[str, np.ndarray]:
        """What a frame shows: the species and the height."""
        model = self.physics.model
        named = dict(zip(model.species, np.asarray(self.state.fields), strict=True))
        return named | {"height": np.asarray(model.height(self.state.fields))}

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
