"""An endosome of kinetics over many arrivals and departures: books, resuming, recording, and one program for many."""

import dataclasses
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from laws import SharpLaw

from membrane.builder import build
from membrane.builder import kinetics as builder
from membrane.config import load
from membrane.endosome.budget import Endosome, sphere_area
from membrane.outcome.table import is_ilv
from membrane.replica import NumericalFailure
from membrane.units import PN_PER_NM_PER_UN_PER_M

pytestmark = pytest.mark.fast_compilation

LIFE = Path(__file__).parents[2] / "configs" / "life.yaml"
SETTINGS = [
    "acceleration=400",
    "duration_s=0.8",
    "output.series_interval_ms=40",
    "output.checkpoint_interval_ms=200",
    "numerics.max_step_ms=20",
    "numerics.travel_step=0.5",
    "numerics.growth_tolerance=0.05",
]
LEAST = 44.0


@pytest.fixture(scope="module")
def physics():
    """A fed endosome, whose domains leave as soon as they are larger than LEAST."""
    patch = pytest.MonkeyPatch()
    patch.setattr(builder, "bud_table", lambda *_: SharpLaw(jnp.asarray(LEAST), jnp.asarray(jnp.inf)))
    yield build(load(LIFE, SETTINGS))
    patch.undo()


def run(physics, index=0, pauses=(), saved=None, events=None):
    """The endosome at the end; it stands still at the ticks ``pauses``."""
    endosome = physics.endosome(index, saved, events)
    for tick in (*pauses, physics.schedule.last_boundary):
        endosome.advance(tick, lambda: False)
    return endosome


def with_model(physics, where, value):
    return dataclasses.replace(physics, model=eqx.tree_at(where, physics.model, value))


@pytest.fixture(scope="module")
def whole(physics):
    return run(physics)


def columns(endosome):
    return dict(zip(endosome.columns, np.array(endosome.rows).T, strict=True))


def test_books_close(whole):
    """Every content, area and volume is accounted for, over arrivals, departures and reactions."""
    series = columns(whole)
    assert series["arrivals"][-1] > 4
    assert len(whole.events) > 1
    balances = [name for name in series if name.startswith("balance_")]
    assert len(balances) == 6
    for name in balances:
        assert np.abs(series[name]).max() < 1e-10, name


@pytest.mark.parametrize("scission", [np.inf, 30.0])
def test_vesicles_that_leave(physics, scission):
    """They hold their domain with its wall: an open bud at the mean composition, others on a swing of their c0."""
    physics = with_model(physics, lambda model: model.law.scission, jnp.asarray(scission))
    endosome, leaving = physics.endosome(0), []
    depart, model = endosome.accounts.depart, physics.model
    endosome.accounts.depart = lambda *args: leaving.append(args) or depart(*args)
    endosome.advance(physics.schedule.last_boundary, lambda: False)
    leaving = [(s, int(i)) for s, departures in leaving for i in np.flatnonzero(departures.leaves)]
    assert len(leaving) == len(endosome.events) > 1
    swings = []
    for event, (state, index) in zip(endosome.events, leaving, strict=True):
        assert is_ilv(event)
        assert event["diameter_nm"] > LEAST
        assert event["area_nm2"] == pytest.approx(float(state.area[index]), rel=1e-12)
        x, y, z = physics.model.flow.radius * np.asarray(state.place[index])
        assert tuple(event[["x_nm", "y_nm", "z_nm"]].tolist()) == pytest.approx((x, y, z), rel=1e-12)
        wall = model.wall_share(float(event["area_nm2"]))
        mean = jax.tree.map(lambda d, h, w=wall: (1 - w) * d + w * h, state.phases.domain, state.phases.host)
        assert event["lo_fraction"] == pytest.approx(float(1 + mean["phi"]) / 2, rel=1e-12)
        excess = event["spontaneous_curvature_per_nm"] - model.helfrich.spontaneous_curvature(mean)
        swings.append(abs(float(excess)))
    if np.isfinite(scission):
        assert max(swings) < 1e-15
    else:
        assert np.median(swings) > 1e-4


def test_a_third_that_leaves_does_not_part_two_that_meet(physics):
    """Two domains touch and merge in the step in which another one leaves."""
    endosome = physics.endosome(0)
    place = np.array(endosome.state.place)
    place[:3] = [[0, 0, 1], [np.sin(0.1), 0, np.cos(0.1)], [0, 0, -1]]
    area = np.array(endosome.state.area)
    area[:3] = np.pi * np.array([20.0, 30.0, 60.0]) ** 2
    # The passage of the third has come so far that it ends now.
    progress = np.where(area > np.pi * LEAST**2, 1e6, 0.0)
    state = eqx.tree_at(lambda s: (s.place, s.area, s.progress), endosome.state, (place, area, progress))
    surroundings = endosome.accounts.surroundings(state)
    after, departures = physics.model.advance(state, surroundings, jnp.asarray(1, jnp.int32))
    assert departures.leaves.tolist() == [False, False, True] + [False] * 5
    assert after.present.tolist() == [False, True, True] + [False] * 5
    assert float(after.area[1]) == pytest.approx(area[:2].sum(), rel=0.01)


@pytest.mark.parametrize("tense", [False, True])
def test_recording_changes_nothing(physics, tense):
    """Rows, pauses and a checkpoint leave no trace, at rest and under tension, where the volume is regulated."""
    law, boundary = physics.tension_law, physics.schedule.boundary_ticks
    if tense:
        start = lambda: Endosome.open(law, physics.model.flow.radius, 0.001, regulation_time=1.5)
        physics = dataclasses.replace(physics, new_endosome=start)
    every = lambda n: dataclasses.replace(physics.schedule, series_ticks=n * boundary, duration_ticks=25 * boundary)
    often, seldom = (dataclasses.replace(physics, schedule=every(n)) for n in (1, 7))
    whole, begun = run(often), seldom.endosome(0)
    for pause in (3, 22):
        begun.advance(pause * boundary, lambda: False)
    resumed = run(seldom, saved=begun.arrays(), events=np.array(begun.events))
    assert len(whole.events) > 0
    assert (max(columns(whole)["tension_uN_per_m"]) > 2 * law.rest_tension / PN_PER_NM_PER_UN_PER_M) == tense
    assert [event.tobytes() for event in resumed.events] == [event.tobytes() for event in whole.events]
    for name in set(whole.arrays()) - {"series"}:
        assert np.array_equal(resumed.arrays()[name], whole.arrays()[name], equal_nan=True), name
    # What both have recorded is alike.
    rows = {row[0]: row.tobytes() for row in whole.rows}
    assert [row.tobytes() for row in resumed.rows] == [rows[row[0]] for row in resumed.rows]


def test_under_tension_without_domains(physics):
    """Nothing is asked, and time passes."""
    endosome = dataclasses.replace(
        physics, new_endosome=lambda: Endosome.open(physics.tension_law, physics.model.flow.radius, 0.0)
    ).endosome(0)
    endosome.accounts.budget.release(sphere_area(50.0), 50.0, +1)
    surroundings = endosome.accounts.surroundings(endosome.state)
    assert np.exp(surroundings.log_tension[0]) == pytest.approx(endosome.accounts.budget.tension, rel=1e-12)
    assert endosome.accounts.budget.tension > physics.tension_law.rest_tension
    after, _ = physics.model.advance(endosome.state, surroundings, jnp.asarray(7, jnp.int32))
    assert after.tick == 7


def test_no_host_is_left(physics):
    """Vesicles of Lo that never bud end in words, before the membrane is all Lo; the last good state stays."""
    physics = with_model(physics, lambda model: model.law.size, jnp.asarray(1e6))
    lo = physics.supply.composition.copy()
    lo[0] = 0.95
    supply = dataclasses.replace(physics.supply, composition=lo, rate_per_s=100.0, diameter=100.0, diameter_sd=0.0)
    endosome = dataclasses.replace(physics, supply=supply).endosome(0)
    with pytest.raises(NumericalFailure, match=r"nearly all Lo.*remedies: a lower supply\.order") as failure:
        endosome.advance(physics.schedule.last_boundary, lambda: False)
    assert failure.value.state is endosome.state
    assert 0.8 < endosome.state.area.sum() / physics.model.area < 0.9
    assert np.abs([value for name, value in columns(endosome).items() if name.startswith("balance_")]).max() < 1e-10


def test_every_step_has_to_find_its_phases(physics):
    """A step whose start is too far off is noticed at the end of the call, whatever later steps find."""
    endosome = physics.endosome(0)
    endosome.advance(physics.schedule.boundary_ticks, lambda: False)
    off = lambda s: s.phases.host["phi"]
    endosome.state = eqx.tree_at(off, endosome.state, np.asarray(off(endosome.state) + 0.3))
    with pytest.raises(NumericalFailure, match="find no equilibrium"):
        endosome.advance(2 * physics.schedule.boundary_ticks, lambda: False)


@pytest.mark.parametrize("reserve", [0.0, 0.02, 0.31])
def test_tension_for_every_size(physics, reserve):
    """As the budget says, within 2 %, from a vesicle that meets rest to the largest that can leave; then none may."""
    budget = Endosome.open(physics.tension_law, physics.model.flow.radius, reserve)
    endosome = dataclasses.replace(physics, new_endosome=lambda: budget).endosome(0)
    accounts, mean = endosome.accounts, lambda size: budget.mean_tension(sphere_area(size), size, +1)
    short = accounts.surroundings(endosome.state)
    large = eqx.tree_at(lambda s: s.area, endosome.state, np.full(8, sphere_area(max(float(short.told), 1.0))))
    full = accounts.surroundings(large)
    largest = float(full.largest)
    assert budget.can_release(sphere_area(largest), largest, +1)
    assert not budget.can_release(sphere_area(1.0001 * largest), 1.0001 * largest, +1)
    rising = full.size[0] + (largest - full.size[0]) * np.linspace(1e-3, 1, 100)
    for told, sizes in ((short, np.linspace(1, min(float(short.told), 200.0), 5)), (full, rising)):
        found = np.exp(np.interp(sizes, told.size, told.log_tension))
        np.testing.assert_allclose(found, [mean(float(size)) for size in sizes], rtol=0.02)
    assert np.all(np.diff(full.log_tension) > 0)


def test_resumed_to_the_bit(physics, whole):
    """From a checkpoint, through its arrays, it takes the same steps as without one; pauses change nothing."""
    half = physics.schedule.boundary_ticks * 17
    begun = physics.endosome(0)
    begun.advance(half, lambda: False)
    saved = {name: value.copy() for name, value in begun.arrays().items()}
    resumed = run(physics, saved=saved, events=np.array(begun.events) if begun.events else None)
    paused = run(physics, pauses=(half, half + physics.schedule.boundary_ticks))
    for other in (resumed, paused):
        assert np.array_equal(np.array(other.rows), np.array(whole.rows), equal_nan=True)
        assert [row.tobytes() for row in other.events] == [row.tobytes() for row in whole.events]
        for name, value in whole.arrays().items():
            assert np.array_equal(other.arrays()[name], value, equal_nan=value.dtype.kind == "f"), name


def test_a_foreign_checkpoint_is_refused(physics, whole):
    saved = whole.arrays()
    with pytest.raises(ValueError, match="content is"):
        physics.endosome(0, saved | {"content": saved["content"][:2]})
    with pytest.raises(KeyError):
        physics.endosome(0, {name: value for name, value in saved.items() if name != "place"})


def test_endosomes_are_independent(physics, whole):
    """Another endosome has another life."""
    other = run(physics, index=1)
    assert columns(other)["arrivals"][-1] > 4
    assert not np.array_equal(other.state.content, whole.state.content)


@pytest.mark.slow
def test_many_in_one_program(physics):
    """The program serves several endosomes at once (vmap), with the numbers of each alone."""
    endosomes = [physics.endosome(index) for index in (0, 1)]
    for endosome in endosomes:
        endosome.advance(physics.schedule.boundary_ticks * 5, lambda: False)
    surroundings = endosomes[0].accounts.surroundings(endosomes[0].state)
    until = jnp.asarray([min(e.accounts.next_tick, e.tick + 600) for e in endosomes], jnp.int32)
    states = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(e.state for e in endosomes))
    advance = eqx.filter_vmap(type(physics.model).advance, in_axes=(None, 0, None, 0))
    together, *_ = advance(physics.model, states, surroundings, until)
    for place, endosome in enumerate(endosomes):
        alone, *_ = physics.model.advance(endosome.state, surroundings, until[place])
        assert int(together.tick[place]) == int(alone.tick)
        for name in ("content", "area", "place", "progress"):
            np.testing.assert_allclose(getattr(together, name)[place], getattr(alone, name), rtol=1e-7, atol=1e-9)
