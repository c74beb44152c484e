"""What the endosomes of a run of kinetics share, and one such endosome: its state and its way to a checkpoint."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from membrane.bud.table import exact_answer
from membrane.endosome.budget import Endosome, VesicleSupply, sphere_area
from membrane.endosome.ledger import Ledger
from membrane.endosome.tension import TensionLaw
from membrane.energy.coexistence import Coexistence
from membrane.energy.wall import Wall
from membrane.kinetics.accounts import Accounts, Rules, start_content
from membrane.kinetics.prospects import SWINGS, told_by
from membrane.kinetics.series import UNITS, row
from membrane.kinetics.state import EndosomeState
from membrane.kinetics.step import Departures, Kinetics
from membrane.replica import NumericalFailure, Schedule

ROOM = 8
"""Domains for which a new endosome has room; it is doubled where it does not suffice."""

MOST = 0.9
"""Largest share of the membrane that domains, and the patch of a vesicle that fuses, may cover: a host is left."""

SOUND = 0.01
"""Largest error of the equations of coexistence before the last Newton step, which squares it."""


class NoGrid:
    """In place of a grid: an endosome of kinetics has no fields and no frames."""

    devices, shape, spacing, dtype = 1, (), (), "float64"


@dataclass(frozen=True, kw_only=True)
class KineticsPhysics:
    """All that the endosomes of a run of kinetics share (the protocol ``membrane.replica.Physics``).

    Attributes:
        model: the physics of an endosome.
        rules: of vesicles and of time.
        supply: vesicles that bring new membrane.
        tension_law: tension of an endosome from its area and volume.
        new_endosome: makes the area and volume budget of an endosome at the start.
        start: mean of every field at the start, by name.
        wall: the wall between Lo and Ld, measured for the mixture.
        schedule: when a run does what.
        seed: of all random numbers of the run.
    """

    model: Kinetics
    rules: Rules
    supply: VesicleSupply
    tension_law: TensionLaw
    new_endosome: Callable[[], Endosome]
    start: dict[str, float]
    wall: Wall
    schedule: Schedule
    seed: int

    @property
    def grid(self) -> type[NoGrid]:
        """There is none."""
        return NoGrid

    @property
    def units(self) -> dict[str, str]:
        """Units of the columns of the time series, by name."""
        return UNITS

    @property
    def attributes(self) -> dict[str, float]:
        """What the archive notes of the physics."""
        return {"measured_line_tension_pN": self.wall.line_tension}

    def endosome(self, index: int, saved: dict | None = None, events: np.ndarray | None = None) -> "KineticsReplica":
        """Endosome number ``index``, at its beginning or as a checkpoint has it."""
        return KineticsReplica(self, index, saved, events)

    def compile_all(self) -> None:
        """Compile the program of a run, which is otherwise compiled when it is first needed."""
        endosome = self.endosome(0)
        surroundings = endosome.accounts.surroundings(endosome.state)
        jax.block_until_ready(self.model.advance(endosome.state, surroundings, jnp.asarray(0, jnp.int32)))

    def check(self) -> list[str]:
        """Species, line tension and bud law, in words, without a step."""
        return [
            f"species: {', '.join(self.model.mixture.species)}",
            f"line tension of the mixture: {self.wall.line_tension:.3f} pN "
            f"(bare wall {self.model.mixture.lipids.line_tension:.3f} pN)",
        ]


class KineticsReplica:
    """One endosome of a run of kinetics (the protocol ``membrane.replica.Replica``).

    Arguments:
        physics: what all endosomes share.
        index: number of the endosome.
        saved: its arrays in a checkpoint, or None for its beginning.
        events: rows of the event table in that checkpoint, of all endosomes.
    """

    def __init__(self, physics: KineticsPhysics, index: int, saved: dict | None, events: np.ndarray | None):
        self.physics, self.index = physics, index
        model = physics.model
        key = jax.random.fold_in(jax.random.key(physics.seed), index)
        content = start_content(model, physics.start)
        phases = _phases(model, content, np.zeros(ROOM))
        self.state = jax.tree.map(_host, EndosomeState.without_domains(content, phases, ROOM, key))
        ledger, budget = Ledger.open(content), physics.new_endosome()
        if saved is not None:
            self.state = _restored(self.state, saved)
            ledger, budget = Ledger.from_arrays(saved), Endosome.from_arrays(physics.tension_law, saved)
        self.accounts = Accounts(
            model, physics.rules, physics.supply, budget, ledger, endosome=index, seed=physics.seed
        )
        if saved is not None:
            self.accounts.restore(saved)
        self.accounts.rows = [] if events is None else list(events[events["endosome"] == index])
        self.exact_answers = 0
        self.frames: dict[int, dict[str, np.ndarray]] = {}
        self.reached = self.tick
        self.rows = [] if saved is None else list(saved["series"])
        if saved is None:
            self.rows.append(self._row(self.state))

    @property
    def tick(self) -> int:
        """The tick that the state has reached."""
        return int(self.state.tick)

    @property
    def events(self) -> list:
        """Rows of the event table so far."""
        return self.accounts.rows

    @property
    def columns(self) -> list[str]:
        """Names of the columns of the time series."""
        return list(row(self.accounts, self.state, self._phases(self.state)))

    def advance(self, until_tick: int, should_stop: Callable[[], bool]) -> None:
        """Go on to ``until_tick``, a boundary, or to an earlier boundary after ``should_stop`` has answered True.

        Raises NumericalFailure; the state is then the last good one.
        """
        schedule = self.physics.schedule
        while self.tick < until_tick and not should_stop():
            following = (self.tick // schedule.series_ticks + 1) * schedule.series_ticks
            self._go(min(following, until_tick))
            if self.tick == following:
                self.rows.append(self._row(self.state))

    def ending(self, last_tick: int, should_stop: Callable[[], bool]) -> tuple[list, dict] | None:
        """Rows after ``tick`` up to ``last_tick``, which is a boundary: one at most, and no frames."""
        return ([] if last_tick % self.physics.schedule.series_ticks == 0 else [self._row(self.state)]), {}

    def arrays(self) -> dict[str, np.ndarray]:
        """All that a checkpoint keeps, by name."""
        return _arrays(self.state) | {"series": np.array(self.rows)} | self.accounts.as_arrays()

    def _go(self, until_tick: int) -> None:
        """To the tick of a row or a boundary, with all arrivals and departures on the way."""
        model, accounts = self.physics.model, self.accounts
        while self.tick < until_tick:
            end, surroundings = accounts.horizon(), accounts.surroundings(self.state)
            state, departures = model.advance(self.state, surroundings, jnp.asarray(min(end, until_tick), jnp.int32))
            state, departures = jax.tree.map(_host, (state, departures))
            self._check(state, departures)
            state = self._told_exactly(state, surroundings)
            # Only what the physics does is seen by the budget, so that a row or a pause leaves no trace.
            if int(state.tick) == end or departures.leaves.any():
                state = accounts.depart(accounts.pass_time(state), departures)
                if int(state.tick) == accounts.next_tick:
                    state = accounts.receive(state)
                state = eqx.tree_at(lambda s: s.phases, state, self._phases(state))
            self.state, self.reached = state, int(state.tick)

    def _check(self, state: EndosomeState, departures: Departures) -> None:
        """Raise NumericalFailure where the phases are not at equilibrium, or where no host is left for a vesicle."""
        model, accounts = self.physics.model, self.accounts
        if not state.phases.residual < SOUND:
            raise NumericalFailure(_failure(model, state), self.state)
        covered = state.area[~departures.leaves].sum()
        if int(state.tick) == accounts.next_tick:
            covered += sphere_area(accounts.next_diameter)
        if covered > MOST * model.area:
            raise NumericalFailure(_crowded(model, state, covered), self.state)

    def _told_exactly(self, state: EndosomeState, surroundings) -> EndosomeState:
        """The state in which the exact law has answered where the table does not."""
        unknown = np.flatnonzero(np.asarray(state.prospects.unknown) & np.asarray(state.present))
        if not len(unknown):
            return state
        model, prospects = self.physics.model, state.prospects
        situation = jax.tree.map(np.asarray, _situation(model, state, surroundings))
        for index in map(int, unknown):
            one, is_open = jax.tree.map(lambda v, i=index: v[i], situation), bool(prospects.open_bud[index])
            given = np.broadcast_arrays(*one.at(np.zeros(1) if is_open else SWINGS))
            answers = exact_answer(model.law.constants, *given, open_bud=is_open)
            prospects = told_by(answers, prospects, index, one.renewal)
            self.exact_answers += 1
        return eqx.tree_at(lambda s: s.prospects, state, jax.tree.map(np.asarray, prospects))

    def _phases(self, state) -> Coexistence:
        return jax.tree.map(np.asarray, _phases(self.physics.model, state.content, state.area))

    def _row(self, state) -> np.ndarray:
        return np.array(list(row(self.accounts, state, self._phases(state)).values()), float)


@eqx.filter_jit
def _situation(model, state, surroundings):
    return model.situation(state, state.phases, surroundings)


@eqx.filter_jit
def _phases(model, content, areas):
    return model.phases(content, areas)


def _host(leaf):
    """An array of the device as one of NumPy; keys stay what they are."""
    return leaf if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else np.asarray(leaf)


def _parts(node: eqx.Module | dict) -> dict:
    """What a module or a dictionary holds, by name."""
    return node if isinstance(node, dict) else {f.name: getattr(node, f.name) for f in dataclasses.fields(node)}


def _arrays(node: eqx.Module | dict, prefix: str = "") -> dict[str, np.ndarray]:
    """All arrays but keys, by name."""
    found = {}
    for part, value in _parts(node).items():
        if isinstance(value, eqx.Module | dict):
            found |= _arrays(value, f"{prefix}{part}_")
        elif part != "key":
            found[f"{prefix}{part}"] = np.asarray(value)
    return found


def _restored(node: eqx.Module | dict, saved: dict[str, np.ndarray], prefix: str = ""):
    """The same with the arrays of a checkpoint, which may have room for more domains.

    Raises KeyError or ValueError where they are others.
    """
    arrays = {}
    for part, value in _parts(node).items():
        name = f"{prefix}{part}"
        if isinstance(value, eqx.Module | dict):
            arrays[part] = _restored(value, saved, f"{name}_")
        elif part != "key":
            like, found = np.asarray(value), np.asarray(saved[name])
            room = np.asarray(saved["area"]).shape
            expected = (*room, *like.shape[1:]) if like.shape[:1] == (ROOM,) else like.shape
            if found.shape != expected or found.dtype.kind != like.dtype.kind:
                raise ValueError(f"{name} is {found.dtype}{list(found.shape)}, not {like.dtype}{list(expected)}")
            arrays[part] = found.astype(like.dtype)
    return arrays if isinstance(node, dict) else dataclasses.replace(node, **arrays)


def _crowded(model, state, covered: float) -> str:
    return (
        f"the membrane is nearly all Lo at t = {int(state.tick) * model.tick_s:.6g} s: domains, and the patch that "
        f"comes, cover {covered / model.area:.3g} of it. More Lo comes by fusion than leaves in vesicles. Likely "
        "remedies: a lower supply.order or supply.fusion_rate_per_s, or what makes domains bud: more ceramide or cargo"
    )


def _failure(model, state) -> str:
    phases = state.phases
    return (
        f"host and domains find no equilibrium at t = {int(state.tick) * model.tick_s:.6g} s: residual "
        f"{float(phases.residual):.3g}; phi {float(phases.host['phi']):.3g} and {float(phases.domain['phi']):.3g}. "
        "Likely remedies: weaker affinities, or a larger lipids.line_tension_pN"
    )
