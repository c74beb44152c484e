"""Vesicles that fuse become patches of the plane: where they come, what they bring, what leaves, and the books."""

from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from test_budding import RULES, TENSIONS, TICK_S, make_model, make_state

from membrane.endosome.budget import Endosome, VesicleSupply, sphere_area
from membrane.endosome.ledger import Ledger
from membrane.lattice.grid import Grid
from membrane.sheet.budding import BudWatcher
from membrane.sheet.domains import find_domains
from membrane.sheet.exchange import arrival_place, carrier_patch
from membrane.sheet.plane import content

pytestmark = pytest.mark.fast_compilation

GRID = Grid((72, 90), (288.0, 360.0), "float64")


@pytest.mark.parametrize("diameter", [40.0, 60.0])
@pytest.mark.parametrize("order", [-1.0, -0.7, -0.4, 0.3, 1.0])
@pytest.mark.parametrize("centre", [(100.0, 200.0), (3.0, 355.0)])
def test_a_patch_has_the_area_and_the_lo_of_its_vesicle(diameter, order, centre):
    """Area pi d^2 and mean phi to rounding, wherever it comes. The Lo is one round domain about the centre, all else is
    even. Its contour encloses (1 + phi)/2 pi d^2 less the pi^3 xi^2/6 that the wall holds further out, to 2 %."""
    composition = np.array([order, 0.01, 0.02])
    mask, fields = carrier_patch(GRID, centre, diameter, composition, 5.0)
    assert mask.sum() * GRID.cell_area == pytest.approx(np.pi * diameter**2, rel=1e-9)
    assert (mask * fields[0]).sum() / mask.sum() == pytest.approx(order, abs=1e-9)
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert np.ptp(fields[1]) == np.ptp(fields[2]) == 0
    domains = find_domains(np.where(mask > 0.5, fields[0], -1.0), GRID)
    assert len(domains) == (order > -1)
    if -1 < order < 0:
        held_by_wall = np.pi**3 / 6 * 5.0**2
        assert domains.area[0] == pytest.approx((1 + order) / 2 * np.pi * diameter**2 - held_by_wall, rel=0.02)
        offset = domains.centroid[0] - np.array(centre)
        offset -= np.array(GRID.extent) * np.round(offset / GRID.extent)
        assert np.abs(offset).max() < 0.5
        assert domains.circularity[0] > 0.97


def test_a_vesicle_too_large_for_the_plane_is_refused():
    with pytest.raises(ValueError, match="give a wider geometry"):
        carrier_patch(GRID, (0.0, 0.0), 140.0, np.array([-1.0]), 5.0)


def test_it_comes_anywhere_away_from_lo_and_all_places_alike():
    """A disc of Lo across the edge of the plane: 3000 places are at least the radius away, and half of what is free
    gets its share to four standard errors. Where nothing is free it is the farthest point; without Lo, anywhere."""
    y, x = GRID.points
    offset = [np.abs(p - at) for p, at in ((y, 0.0), (x, 180.0))]
    away = np.hypot(*(np.minimum(o, length - o) for o, length in zip(offset, GRID.extent, strict=True)))
    phi, rng = np.where(away < 50.0, 1.0, -1.0), np.random.default_rng(4)
    places = np.array([arrival_place(phi, GRID, 40.0, rng) for _ in range(3000)])
    at = tuple(np.round(places / GRID.spacing).astype(int).T)
    assert away[at].min() >= 88.0
    free = away >= 90.0
    for half in (y < 144.0, x < 180.0):
        share = (free & half).sum() / free.sum()
        assert (half & np.ones_like(free))[at].mean() == pytest.approx(share, abs=4 * 0.5 / np.sqrt(3000))
    far = arrival_place(phi, GRID, 500.0, rng)
    assert away[tuple(np.round(np.array(far) / GRID.spacing).astype(int))] == pytest.approx(away.max(), abs=4.0)
    assert arrival_place(-np.ones(GRID.shape), GRID, 40.0, rng) != arrival_place(-np.ones(GRID.shape), GRID, 40.0, rng)


@pytest.mark.parametrize("law", [True, False])
def test_the_books_of_a_plane_that_is_fed(law):
    """Ten looks at which vesicles of many sizes fuse, and the domains leave or no law lets them: every species is
    accounted for to rounding, the plane keeps its area, and the endosome its size and tension; host and patches alike
    make the reserve. What comes is a Poisson number that depends on the tick alone."""
    model = make_model()
    state = make_state(model)
    supply = VesicleSupply(
        rate_per_s=3.0 / TICK_S / 4096,
        diameter=30.0,
        composition=np.array([-0.4, 0.02, 0.01, 0.03, 0.01])[: len(model.species)],
        diameter_sd=5.0,
        recycling=True,
    )
    budget = Endosome.open(TENSIONS, 250.0, 0.2)
    watcher = BudWatcher(
        rules=RULES,
        supply=supply,
        budget=budget,
        ledger=Ledger.open(content(state.fields, model.grid.cell_area)),
        sheet_area=model.grid.area,
        endosome=0,
        seed=3,
        tick_s=TICK_S,
        interval=4096,
        tick=0,
    )
    if not law:
        watcher.rules = replace(RULES, circularity=2.0)
    start, size = budget.area, budget.enclosed_volume
    for look in range(1, 11):
        state = eqx.tree_at(lambda s: s.tick, state, jnp.asarray(4096 * look, jnp.int32))
        _, state = watcher.see(model, state)
    fused = budget.area_account.fused
    assert fused > 20 * sphere_area(30.0)
    left = watcher.ledger.residual(content(state.fields, model.grid.cell_area))
    scale = np.abs(watcher.ledger.supplied) + np.abs(watcher.ledger.initial)
    assert np.abs(left / scale).max() < 1e-12
    assert bool(watcher.rows) == law
    assert budget.area == pytest.approx(start, rel=1e-12)
    assert budget.enclosed_volume == pytest.approx(size, rel=1e-12)
    assert budget.tension == TENSIONS.rest_tension
    moved = fused + budget.area_account.ilvs + budget.area_account.outward + budget.area_account.recycled
    assert moved == pytest.approx(0.0, abs=1e-8 * fused)
    # phi of the membrane that came: what the vesicles brought, and host where vesicles left.
    brought = supply.composition[0] * fused
    healed = watcher.ledger.supplied[0] - brought
    assert healed <= 1e-6 * fused
    assert (healed < -1000.0) == law
