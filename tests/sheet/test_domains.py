"""Domains on a periodic plane: area, perimeter, centre and roundness of known shapes, percolation, and removal
masks."""

import numpy as np
import pytest

from membrane.lattice.grid import Grid
from membrane.sheet.domains import find_domains, removal_masks

WIDTH = 5.0
GRID = Grid((90, 110), (360.0, 385.0), "float64")


def nearest(grid, centre):
    """(y, x) of every point relative to ``centre``, through the nearest image."""
    return tuple((p - c + 0.5 * e) % e - 0.5 * e for p, c, e in zip(grid.points, centre, grid.extent, strict=True))


def profile(distance):
    """The Cahn-Hilliard wall at signed distance d (nm) from the rim, positive inside."""
    return np.tanh(distance / (np.sqrt(2) * WIDTH))


def disc(grid, centre, radius):
    y, x = nearest(grid, centre)
    return profile(radius - np.hypot(y, x))


def around(found, expected, extent):
    """Distance of two points in the periodic box."""
    gap = (np.asarray(found) - expected + 0.5 * np.asarray(extent)) % extent - 0.5 * np.asarray(extent)
    return float(np.hypot(*gap))


CENTRES = {
    "middle": (180.3, 191.0),
    "corner": (0.0, 0.0),
    "near the corner": (357.1, 3.3),
    "lower edge": (1.2, 200.4),
    "left edge": (100.7, 383.9),
}


@pytest.mark.parametrize("centre", CENTRES.values(), ids=CENTRES.keys())
@pytest.mark.parametrize("radius", [32.0, 45.0, 60.5, 100.0])
def test_disc(radius, centre):
    """A disc anywhere: area pi R^2 within 1 %, perimeter 2 pi R within 2 %, centre within half a pixel, circularity 1
    within 1 %."""
    domains = find_domains(disc(GRID, centre, radius), GRID)
    assert len(domains) == 1
    assert domains.area[0] == pytest.approx(np.pi * radius**2, rel=0.01)
    assert domains.perimeter[0] == pytest.approx(2 * np.pi * radius, rel=0.02)
    assert around(domains.centroid[0], centre, GRID.extent) < 0.5 * min(GRID.spacing)
    assert np.all((domains.centroid[0] >= 0) & (domains.centroid[0] < GRID.extent))
    assert domains.circularity[0] == pytest.approx(1, abs=0.01)
    assert not domains.percolating[0]


@pytest.mark.parametrize("radius", [14.0, 20.0])
def test_small_disc(radius):
    """A disc of four to five pixels radius keeps its area within 3 % (averaged over its place within 1 %) and is one
    domain."""
    areas = []
    for shift in np.random.default_rng(0).uniform(0, 4, (12, 2)):
        domains = find_domains(disc(GRID, 100 + shift, radius), GRID)
        assert len(domains) == 1
        assert domains.area[0] == pytest.approx(np.pi * radius**2, rel=0.03)
        areas.append(domains.area[0])
    assert np.mean(areas) == pytest.approx(np.pi * radius**2, rel=0.01)


@pytest.mark.parametrize(("a", "b"), [(60.0, 60.0), (80.0, 50.0), (90.0, 30.0)])
def test_ellipse(a, b):
    """An ellipse of semi-axes a, b, tilted and across the corner: circularity 2ab/(a^2+b^2) and area pi a b within 1
    %."""
    y, x = nearest(GRID, (5.0, 380.0))
    tilt = 0.4
    u, v = np.cos(tilt) * x + np.sin(tilt) * y, -np.sin(tilt) * x + np.cos(tilt) * y
    norm = np.hypot(u / a, v / b)
    # Distance from the rim to first order: (1 - f)/|grad f|.
    slope = np.hypot(u / a**2, v / b**2) / np.maximum(norm, 1e-9)
    domains = find_domains(profile((1 - norm) / np.maximum(slope, 1e-3)), GRID)
    assert len(domains) == 1
    assert domains.circularity[0] == pytest.approx(2 * a * b / (a**2 + b**2), rel=0.01)
    assert domains.area[0] == pytest.approx(np.pi * a * b, rel=0.01)


def stripe(grid, winding, half_width=40.0):
    """A straight stripe that runs ``winding`` = (n_y, n_x) times through the box in each direction before it closes."""
    y, x = grid.points
    ny, nx = winding
    normal = np.array([nx / grid.extent[0], -ny / grid.extent[1]])
    phase = (normal[0] * y + normal[1] * x + 0.5) % 1 - 0.5
    return profile(half_width - np.abs(phase) / np.hypot(*normal))


@pytest.mark.parametrize("winding", [(0, 1), (1, 0), (1, 1), (1, -1)])
def test_stripe_percolates(winding):
    """A stripe along x, along y or round both ways is one percolating domain without centre; its area and perimeter
    are known."""
    half = 40.0
    domains = find_domains(stripe(GRID, winding, half), GRID)
    assert domains.percolating.tolist() == [True]
    assert np.all(np.isnan(domains.centroid[0]))
    assert np.isnan(domains.circularity[0])
    length = np.hypot(winding[0] * GRID.extent[0], winding[1] * GRID.extent[1])
    assert domains.area[0] == pytest.approx(2 * half * length, rel=0.01)


def test_nearly_percolating_stripe_does_not():
    """A stripe cut by one row of Ld is a long domain that does not percolate."""
    phi = stripe(GRID, (0, 1))
    phi[:, 50] = -1.0
    domains = find_domains(phi, GRID)
    assert domains.percolating.tolist() == [False]
    assert domains.circularity[0] < 0.5


def test_touching_only_across_the_boundary_is_one_domain():
    """Two rectangles that meet only across the edge of the box are one domain, of the area of both, centred on the
    edge."""
    phi = np.full(GRID.shape, -1.0)
    phi[40:60, :10] = phi[40:60, -14:] = 1.0
    domains = find_domains(phi, GRID)
    assert len(domains) == 1
    assert not domains.percolating[0]
    dy, dx = GRID.spacing
    # Pixel rows 40..59 and columns -14..9.
    assert around(domains.centroid[0], (49.5 * dy, -2.5 * dx), GRID.extent) < 1e-9
    assert set(np.unique(domains.labels)) == {0, 1}


def test_pieces_that_join_twice_are_one():
    """A ring of four rectangles linked through both edges and the corner carries one label and does not percolate."""
    phi = np.full(GRID.shape, -1.0)
    for rows in (slice(0, 8), slice(-8, None)):
        for columns in (slice(0, 8), slice(-8, None)):
            phi[rows, columns] = 1.0
    domains = find_domains(phi, GRID)
    assert len(domains) == 1
    assert not domains.percolating[0]
    assert domains.circularity[0] > 0.9


def test_diagonal_neighbours_are_apart():
    """Pixels that touch at a corner only are two domains (4-neighbours), also across the corner of the box."""
    phi = np.full(GRID.shape, -1.0)
    phi[10:14, 10:14] = phi[14:18, 14:18] = 1.0
    phi[:4, :4] = phi[-4:, -4:] = 1.0
    assert len(find_domains(phi, GRID)) == 4


def test_several_domains_keep_their_own():
    """Three discs of different sizes: areas in order of the labels, and `mean` of a field over each."""
    places = {(90.0, 90.0): 30.0, (90.0, 290.0): 50.0, (270.0, 5.0): 40.0}
    phi = np.maximum.reduce([disc(GRID, centre, radius) for centre, radius in places.items()])
    domains = find_domains(phi, GRID)
    assert len(domains) == 3
    field = np.zeros(GRID.shape)
    for (centre, radius), value in zip(places.items(), (1.0, 2.0, 3.0), strict=True):
        field[disc(GRID, centre, radius + 3 * WIDTH) > 0] = value
    for area, value in zip(domains.area, domains.mean(field), strict=True):
        radius = dict(zip((1.0, 2.0, 3.0), places.values(), strict=True))[value]
        assert area == pytest.approx(np.pi * radius**2, rel=0.01)


def test_empty_and_full_fields():
    """All Ld: no domain and empty arrays. All Lo: one percolating domain of the area of the box."""
    empty = find_domains(np.full(GRID.shape, -1.0), GRID)
    assert len(empty) == 0
    assert empty.centroid.shape == (0, 2)
    assert empty.mean(np.ones(GRID.shape)).shape == (0,)
    assert not empty.labels.any()
    full = find_domains(np.ones(GRID.shape), GRID)
    assert full.percolating.tolist() == [True]
    assert full.area[0] == pytest.approx(GRID.area)
    assert full.perimeter[0] == 0


@pytest.mark.parametrize("centre", [CENTRES["middle"], CENTRES["near the corner"]], ids=["middle", "corner"])
@pytest.mark.parametrize("radius", [20.0, 45.0, 60.5])
def test_removal_masks(radius, centre):
    """The vesicle mask integrates to the domain's area, 1e-6; 0 <= vesicle <= hole <= 1; the hole reaches 2.5 xi
    further."""
    phi = disc(GRID, centre, radius)
    domains = find_domains(phi, GRID)
    vesicle, hole = removal_masks(domains, 0, GRID, WIDTH)
    assert vesicle.sum() * GRID.cell_area == pytest.approx(domains.area[0], rel=1e-6)
    assert vesicle.min() >= 0
    assert hole.max() <= 1
    assert np.all(vesicle <= hole)
    y, x = nearest(GRID, centre)
    distance = np.hypot(y, x)
    assert vesicle[distance < radius - 2 * WIDTH].min() > 0.95
    assert hole[distance < radius].min() > 0.95
    assert hole[distance > radius + 6 * WIDTH].max() < 0.01
    grown = np.sqrt(hole.sum() * GRID.cell_area / np.pi)
    assert grown == pytest.approx(radius + 2.5 * WIDTH, abs=0.5 * max(GRID.spacing))


def test_masks_wrap_across_the_boundary():
    """Shifting the field by any number of points shifts both masks by as many: the boundary is nowhere."""
    phi = disc(GRID, (180.0, 192.5), 45.0)
    reference = removal_masks(find_domains(phi, GRID), 0, GRID, WIDTH)
    for shift in ((45, 0), (0, 55), (-43, 52)):
        moved = removal_masks(find_domains(np.roll(phi, shift, (0, 1)), GRID), 0, GRID, WIDTH)
        for mask, expected in zip(moved, reference, strict=True):
            np.testing.assert_allclose(mask, np.roll(expected, shift, (0, 1)), atol=1e-9)


def test_mask_takes_only_its_own_domain():
    """Of two discs 60 nm apart rim to rim only the asked one is taken."""
    phi = np.maximum(disc(GRID, (180.0, 80.0), 40.0), disc(GRID, (180.0, 220.0), 40.0))
    domains = find_domains(phi, GRID)
    vesicle, hole = removal_masks(domains, 0, GRID, WIDTH)
    other = domains.labels == 2
    assert vesicle[domains.labels == 1].mean() > 0.9
    assert hole[other].max() < 1e-3
