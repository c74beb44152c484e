"""An endosome of kinetics over many arrivals and departures: books, resuming, recording, and one program for many."""

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
from membrane.outcome.table import is_ilv

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
    patch.setattr(builder, "bud_table", lambda *_: SharpLaw(jnp.asarray(LEAST)))
    yield build(load(LIFE, SETTINGS))
    patch.undo()


def run(physics, index=0, pauses=(), saved=None, events=None):
    """The endosome at the end; it stands still at the ticks ``pauses``."""
    endosome = physics.endosome(index, saved, events)
    for tick in (*pauses, physics.schedule.last_boundary):
        endosome.advance(tick, lambda: False)
    return endosome


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


def test_vesicles_leave_at_their_threshold(physics, whole):
    """Into the lumen, with the area of the sphere, and with the share of its wall that is not Lo."""
    events = np.array(whole.events)
    assert is_ilv(events).all()
    assert (events["diameter_nm"] > LEAST).all()
    np.testing.assert_allclose(events["area_nm2"], np.pi * events["diameter_nm"] ** 2, rtol=1e-12)
    wall = np.asarray(physics.model.wall_share(events["area_nm2"]))
    assert np.all(np.abs(1 - events["lo_fraction"] - wall) < 0.05)
    distance = np.sqrt(events["x_nm"] ** 2 + events["y_nm"] ** 2 + events["z_nm"] ** 2)
    np.testing.assert_allclose(distance, physics.model.flow.radius, rtol=1e-9)


def test_lo_that_comes_stays_or_leaves(physics, whole):
    """The Lo of vesicles and of the membrane is what came, but for host that was recycled."""
    content, ledger = np.asarray(whole.state.content), whole.accounts.ledger
    came = ledger.supplied - ledger.recycled
    np.testing.assert_allclose(content, ledger.initial + came - ledger.removed + ledger.reacted, rtol=1e-10)
    assert whole.accounts.budget.area == pytest.approx(whole.accounts.budget.area_account.balance, rel=1e-12)


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


def test_many_in_one_program(physics):
    """The program serves several endosomes at once (vmap), with the numbers of each alone."""
    endosomes = [physics.endosome(index) for index in (0, 1)]
    for endosome in endosomes:
        endosome.advance(physics.schedule.boundary_ticks * 5, lambda: False)
    surroundings = endosomes[0].accounts.surroundings()
    until = jnp.asarray([min(e.accounts.next_tick, e.tick + 600) for e in endosomes], jnp.int32)
    states = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(e.state for e in endosomes))
    advance = eqx.filter_vmap(type(physics.model).advance, in_axes=(None, 0, None, 0))
    together, *_ = advance(physics.model, states, surroundings, until)
    for place, endosome in enumerate(endosomes):
        alone, *_ = physics.model.advance(endosome.state, surroundings, until[place])
        assert int(together.tick[place]) == int(alone.tick)
        for name in ("content", "area", "place", "progress"):
            np.testing.assert_allclose(getattr(together, name)[place], getattr(alone, name), rtol=1e-7, atol=1e-9)
