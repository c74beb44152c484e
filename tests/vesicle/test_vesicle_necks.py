"""Necks of buds: tubes of known radius, and what is no neck."""

from dataclasses import astuple, replace

import numpy as np
import pytest

from membrane.lattice.grid import Grid
from membrane.vesicle import initial
from membrane.vesicle.necks import BudNeck, find_necks, nearest_bud, track_necks
from membrane.vesicle.topology import find_topology

GRID = Grid((48, 48, 48), (192.0, 192.0, 192.0), "float64")
EPS, RADIUS, BUD = 4.8, 70.0, 24.0


def endosome(*buds):
    """psi of a sphere with buds (direction (z, y, x), depth of their centre, radius of the tube outwards or None)."""
    place = np.stack(np.broadcast_arrays(*initial.centred(GRID)))
    distance = initial.sphere(GRID, RADIUS)
    for direction, depth, tube in buds:
        axis = np.array(direction, float) / np.linalg.norm(direction)
        along = np.tensordot(axis, place, 1)
        aside = np.sqrt(np.maximum(np.sum(place**2, 0) - along**2, 0))
        centre = RADIUS - depth
        distance = np.minimum(distance, np.hypot(along - centre, aside) - BUD)
        if tube is not None:
            distance = np.minimum(distance, np.maximum(aside - tube, centre - along))
    return np.tanh(distance / (2**0.5 * EPS))


def measured(psi):
    """The necks of psi. Those of -psi, where lumen and cytosol are exchanged, are the same with the opposite
    direction."""
    found, mirrored = (find_necks(p, GRID, EPS, find_topology(p, GRID, EPS, 1)) for p in (psi, -psi))
    # Not with ==: two dataclasses with nan in one place are not equal.
    np.testing.assert_equal(
        [astuple(replace(neck, direction=-neck.direction)) for neck in mirrored], list(map(astuple, found))
    )
    return found


@pytest.mark.parametrize("tube", [6.0, 9.0, 14.0])
@pytest.mark.parametrize("direction", [(1, 0, 0), (0, 1, 0.3), (1, 1, -1)])
def test_a_tube_has_its_radius(tube, direction):
    """A bud of 48 nm behind a tube: one neck of its radius to a tenth of a spacing, in any direction; the bud's deepest
    point is its centre to two spacings."""
    (neck,) = measured(endosome((direction, 42.0, tube)))
    assert neck.radius == neck.last_open_radius == pytest.approx(tube, abs=0.4)
    centre = 96 + (RADIUS - 42.0) * np.array(direction) / np.linalg.norm(direction)
    assert np.linalg.norm(np.array(neck.deepest_point) - centre) < 2 * 4.0


def test_each_way_by_itself():
    """A host with a bud into the lumen, and one away from it that holds an ILV: a neck each, of the radius of its
    tube; only a bud of the same direction is the same bud."""
    z, y, x = initial.centred(GRID)
    aside = np.hypot(y, x)
    ball = lambda radius, middle: radius - np.hypot(aside, z - middle)
    tube = lambda radius, low, high: np.minimum(radius - aside, np.minimum(z - low, high - z))
    host = np.maximum(ball(55, -25), np.maximum(ball(24, 58), tube(9.0, 0, 58)))
    psi = initial.profile(
        np.minimum(host, -np.maximum(np.maximum(ball(18, -52), tube(6.0, -96, -52)), ball(14, 60))), EPS, GRID
    )
    psi = np.asarray(psi)
    topology = find_topology(psi, GRID, EPS, 2)
    assert topology.count == 2
    inward, outward = sorted(find_necks(psi, GRID, EPS, topology), key=lambda neck: -neck.direction)
    assert (inward.direction, outward.direction) == (1, -1)
    assert inward.radius == pytest.approx(6.0, abs=0.4)
    assert outward.radius == pytest.approx(9.0, abs=0.4)
    assert outward.deepest_point == pytest.approx((154, 96, 96), abs=8)
    turned = np.roll(psi, (-38, 24, 20), (0, 1, 2))
    again = sorted(find_necks(turned, GRID, EPS, find_topology(turned, GRID, EPS, 2)), key=lambda neck: -neck.direction)
    assert [neck.radius for neck in again] == pytest.approx([inward.radius, outward.radius], rel=1e-6)
    closed = replace(outward, radius=0.0, last_open_radius=np.nan)
    assert track_necks([outward], [closed], GRID, 4 * EPS)[0].last_open_radius == outward.radius
    assert np.isnan(track_necks([replace(outward, direction=1)], [closed], GRID, 4 * EPS)[0].last_open_radius)


def test_what_lies_between_buds_is_none():
    """Six buds hold a pocket of lumen between them, wider than its windows: six necks, all into the lumen."""
    psi = endosome(*((tuple(axis), 28.0, 6.0) for axis in np.concatenate([np.eye(3), -np.eye(3)])))
    assert [neck.direction for neck in find_necks(psi, GRID, EPS, find_topology(psi, GRID, EPS, 1))] == [1] * 6


def test_what_is_no_neck():
    """A sphere, a dimple as wide as its mouth, a torus, a free vesicle, in the lumen or beside its host, have none."""
    assert measured(endosome()) == []
    assert measured(endosome(((1, 0, 0), 5.0, None))) == []
    psi = endosome(((1, 0, 0), 60.0, None))
    assert find_topology(psi, GRID, EPS, 1).count == 2
    assert measured(psi) == []
    beside = np.maximum(initial.sphere(GRID, 40.0, (60, 96, 96)), initial.sphere(GRID, 25.0, (140, 96, 96)))
    for distance in (beside, initial.torus(GRID, 60.0, 20.0)):
        psi = np.asarray(initial.profile(distance, EPS, GRID))
        assert find_necks(psi, GRID, EPS, find_topology(psi, GRID, EPS)) == []


def test_a_bud_that_has_closed_but_not_parted():
    """psi = 0 closes the bud, but what lies between is not open yet: its radius is 0, and it keeps the last open
    radius."""
    psi = endosome(((1, 0, 0), BUD + 5.0, None))
    assert find_topology(psi, GRID, EPS, 1).count == 1
    (closed,) = measured(psi)
    assert closed.radius == 0
    assert np.isnan(closed.last_open_radius)
    (before,) = measured(endosome(((1, 0, 0), 42.0, 6.0)))
    (after,) = track_necks([before], [closed], GRID, 4 * EPS)
    assert (after.radius, after.last_open_radius, after.deepest_point) == (0, before.radius, closed.deepest_point)


def test_several_buds_narrowest_first():
    """Each has its own neck."""
    found = measured(endosome(((1, 0, 0), 42.0, 10.0), ((-1, 0, 0), 42.0, 7.0)))
    assert [neck.radius for neck in found] == [pytest.approx(7, abs=0.4), pytest.approx(10, abs=0.4)]


def test_nearest_looks_across_the_sides_of_the_box():
    """A point near one side finds a bud near the other; beyond reach there is none."""
    buds = [
        BudNeck(radius=3.0, last_open_radius=3.0, deepest_point=(1.0, 96.0, 96.0)),
        BudNeck(radius=4.0, last_open_radius=4.0, deepest_point=(60.0, 96.0, 96.0)),
    ]
    assert nearest_bud(buds, (190.0, 96.0, 96.0), 1, GRID, 10.0) is buds[0]
    assert nearest_bud(buds, (150.0, 96.0, 96.0), 1, GRID, 10.0) is None
    assert nearest_bud(buds, (190.0, 96.0, 96.0), -1, GRID, 10.0) is None
    assert nearest_bud([], (0.0, 0.0, 0.0), 1, GRID, 10.0) is None
