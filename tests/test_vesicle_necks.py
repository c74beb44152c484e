"""Necks of buds: tubes of known radius, and what is no neck."""

import numpy as np
import pytest

from membrane.grid import Grid
from membrane.vesicle import initial
from membrane.vesicle.necks import Neck, followed, nearest, necks
from membrane.vesicle.topology import find

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
    """Necks of psi."""
    return necks(psi, GRID, EPS, find(psi, GRID, EPS, 1))


@pytest.mark.parametrize("tube", [6.0, 9.0, 14.0])
@pytest.mark.parametrize("direction", [(1, 0, 0), (0, 1, 0.3), (1, 1, -1)])
def test_a_tube_has_its_radius(tube, direction):
    """A bud of 48 nm behind a tube: one neck of its radius to a tenth of a spacing, in any direction; the bud's deepest
    point is its centre to two spacings."""
    (neck,) = measured(endosome((direction, 42.0, tube)))
    assert neck.radius == neck.last == pytest.approx(tube, abs=0.4)
    centre = 96 + (RADIUS - 42.0) * np.array(direction) / np.linalg.norm(direction)
    assert np.linalg.norm(np.array(neck.bud) - centre) < 2 * 4.0


def test_what_is_no_neck():
    """A sphere, a dimple as wide as its mouth, and a free vesicle have none."""
    assert measured(endosome()) == []
    assert measured(endosome(((1, 0, 0), 5.0, None))) == []
    psi = endosome(((1, 0, 0), 60.0, None))
    assert find(psi, GRID, EPS, 1).vesicles == 2
    assert measured(psi) == []


def test_a_bud_that_has_closed_but_not_parted():
    """psi = 0 closes it while what lies between is not open yet: radius 0, and the radius it was last seen with."""
    psi = endosome(((1, 0, 0), BUD + 5.0, None))
    assert find(psi, GRID, EPS, 1).vesicles == 1
    (closed,) = measured(psi)
    assert closed.radius == 0
    assert np.isnan(closed.last)
    (before,) = measured(endosome(((1, 0, 0), 42.0, 6.0)))
    (after,) = followed([before], [closed], GRID, 4 * EPS)
    assert (after.radius, after.last, after.bud) == (0, before.radius, closed.bud)


def test_several_buds_narrowest_first():
    """Each has its own neck."""
    found = measured(endosome(((1, 0, 0), 42.0, 10.0), ((-1, 0, 0), 42.0, 7.0)))
    assert [neck.radius for neck in found] == [pytest.approx(7, abs=0.4), pytest.approx(10, abs=0.4)]


def test_nearest_looks_across_the_sides_of_the_box():
    """A point near one side finds a bud near the other; beyond reach there is none."""
    buds = [Neck(3.0, 3.0, (1.0, 96.0, 96.0)), Neck(4.0, 4.0, (60.0, 96.0, 96.0))]
    assert nearest(buds, (190.0, 96.0, 96.0), GRID, 10.0) is buds[0]
    assert nearest(buds, (150.0, 96.0, 96.0), GRID, 10.0) is None
    assert nearest([], (0.0, 0.0, 0.0), GRID, 10.0) is None
