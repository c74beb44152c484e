"""Membranes are told apart on analytic shapes; fission and fusion are reported once, and nothing is lost."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from membrane.energy import Lipids
from membrane.lattice.grid import Grid
from membrane.vesicle import (
    FissionEvent,
    FusionEvent,
    Membrane,
    VesicleState,
    describe,
    detect_events,
    initial,
    surface,
)
from membrane.vesicle.topology import components, find_topology, room, smallest_vesicle

BOX = Grid((40, 44, 45), (140.0, 154.0, 157.5), "float64")
EPS = 4.5
HOST, ILV = (50.0, (70.0, 77.0, 78.0)), (20.0, (75.0, 82.0, 71.0))
MODEL = Membrane(
    BOX,
    interface_width=EPS,
    bending_rigidity=(85.6, 85.6),
    spontaneous_curvature=(0.0, 0.05),
    lipids=Lipids.from_wall(line_tension=5.0, interface_width=4.5),
    area_modulus=240.0,
)


pytestmark = pytest.mark.fast_compilation


def nested(host=HOST, ilv=ILV):
    """Signed distance of a sphere of lumen with a sphere of cytosol in it."""
    return np.minimum(initial.sphere(BOX, *host), -initial.sphere(BOX, *ilv))


def test_components_join_through_the_periodic_faces_only_where_they_touch():
    """A ball across a corner of the box is one part, not eight; two slabs that do not touch are two."""
    corner = np.asarray(initial.sphere(BOX, 30.0, (0.0, 0.0, 0.0)) > 0)
    labels, count = components(corner)
    assert count == 1
    assert np.array_equal(labels > 0, corner)
    slabs = np.zeros((8, 9, 10), bool)
    slabs[1:3], slabs[5:6] = True, True
    assert components(slabs)[1] == 2
    slabs[:, 4, 4] = True
    assert components(slabs)[1] == 1
    slabs[:, 4, 4] = False
    slabs[0], slabs[7] = True, True
    assert components(slabs)[1] == 2


@pytest.mark.parametrize("shift", [(0, 0, 0), (17, 20, 25)])
def test_an_endosome_and_its_ilv(shift):
    """Two vesicles, the limiting membrane first; area, volume, place and content of each, to 0.5 %, anywhere."""
    psi = initial.profile(nested(), EPS, BOX)
    phi = jnp.where(jnp.asarray(initial.sphere(BOX, 32.0, ILV[1]) > 0), 1.0, -1.0)
    psi, phi = (jnp.roll(f, shift, (0, 1, 2)) for f in (psi, phi))
    topology = find_topology(psi, BOX, EPS)
    assert topology.encloses_lumen.tolist() == [1, -1]
    state = VesicleState.at_rest(MODEL, psi, phi, MODEL.conserved(psi, phi, topology.labels, 2))
    host, ilv = describe(MODEL, state, topology)
    assert (host.is_ilv, ilv.is_ilv) == (False, True)
    for found, (radius, centre) in ((host, HOST), (ilv, ILV)):
        assert found.diameter == pytest.approx(2 * radius, rel=0.005)
        if found.is_ilv:
            assert found.diameter_from_volume == pytest.approx(2 * radius, rel=0.01)
            moved = [
                (c + s * h) % length for c, s, h, length in zip(centre, shift, BOX.spacing, BOX.extent, strict=True)
            ]
            assert found.centre == pytest.approx(moved, abs=0.5)
    assert host.volume == pytest.approx(4 * np.pi / 3 * (50.0**3 - 20.0**3), rel=0.005)
    assert ilv.lo_fraction == pytest.approx(1.0, abs=0.03)
    assert host.lo_fraction == pytest.approx(0.0, abs=0.03)
    total = MODEL.conserved(psi, phi)
    spread = 8 * np.pi * surface.SECOND_MOMENT * EPS**2
    assert host.area + ilv.area + spread == pytest.approx(float(total.area[0]), rel=1e-9)


def test_which_side_is_inside():
    """Two endosomes, an ILV in the larger and a vesicle of lumen inside that ILV: limiting membranes first, by size."""
    grid = Grid((60, 36, 36), (270.0, 162.0, 162.0), "float64")
    large, small = initial.sphere(grid, 66.0, (85.0, 81.0, 81.0)), initial.sphere(grid, 35.0, (215.0, 81.0, 81.0))
    ilv, inner = initial.sphere(grid, 45.0, (85.0, 81.0, 81.0)), initial.sphere(grid, 22.0, (85.0, 81.0, 81.0))
    distance = np.maximum(np.maximum(np.minimum(large, -ilv), inner), small)
    topology = find_topology(initial.profile(distance, 5.5, grid), grid, 5.5)
    assert topology.encloses_lumen.tolist() == [1, 1, 1, -1]
    label = lambda d: int(np.bincount(topology.labels[np.abs(d) < 3.0]).argmax())
    assert {label(large), label(small), label(inner)} == {0, 1, 2}
    assert label(ilv) == 3


def test_specks_are_no_vesicles_and_nothing_is_no_endosome():
    """A bubble of 1.5 eps is ignored, one of 3 eps counts; a box without membrane is an error."""
    for radius, count in ((1.5 * EPS, 1), (3.0 * EPS, 2)):
        psi = initial.profile(nested(ilv=(radius, ILV[1])), EPS, BOX)
        assert find_topology(psi, BOX, EPS).count == count
    with pytest.raises(ValueError, match="no membrane"):
        find_topology(jnp.full(BOX.shape, -1.0), BOX, EPS)


def test_a_fission_is_booked_once_and_nothing_is_lost():
    """The state knows one membrane, its fields show two: one fission. Sums of area and lipids are kept exactly, both
    have the tension of before, and F stays where phi is the same on both. The same state again is no event, nor is one
    whose ILV has moved."""
    psi = initial.profile(nested(), EPS, BOX)
    phi = jnp.where(jnp.asarray(initial.sphere(BOX, 30.0, ILV[1]) > 0), 0.97, -0.98)
    whole = MODEL.conserved(psi, phi)
    whole = eqx.tree_at(lambda b: b.area, whole, whole.area / 1.002)
    state, events = detect_events(MODEL, VesicleState.at_rest(MODEL, psi, phi, whole))
    assert [type(e) for e in events] == [FissionEvent]
    assert events[0].mother == 0
    assert events[0].daughter.is_ilv
    assert events[0].daughter.diameter == pytest.approx(40.0, rel=0.005)
    assert float(state.conserved.area.sum()) == pytest.approx(float(whole.area[0]), rel=1e-12)
    assert float(state.conserved.lo.sum()) == pytest.approx(float(whole.lo[0]), rel=1e-12)
    near = surface.derivatives(psi, BOX)
    assert np.asarray(MODEL.stretch_tension(near, state.conserved)) == pytest.approx([240 * 0.002] * 2, rel=1e-6)
    even = jnp.full(BOX.shape, 0.4)
    one = MODEL.conserved(psi, even)
    one = eqx.tree_at(lambda b: (b.area, b.content), one, (whole.area, one.content / 1.002))
    two, _ = detect_events(MODEL, VesicleState.at_rest(MODEL, psi, even, one))
    before = float(MODEL.free_energy(psi, even, one))
    assert float(MODEL.free_energy(psi, even, two.conserved)) == pytest.approx(before, rel=1e-9)
    again, nothing = detect_events(MODEL, state)
    assert nothing == []
    aside = eqx.tree_at(lambda s: s.psi, again, initial.profile(nested(ilv=(20.0, (73.0, 80.0, 74.0))), EPS, BOX))
    track_necks, nothing = detect_events(MODEL, aside)
    assert nothing == []
    # A border takes a tail along, and no more.
    assert np.asarray(track_necks.conserved.area) == pytest.approx(np.asarray(state.conserved.area), rel=2e-3)
    assert float(track_necks.conserved.area.sum()) == pytest.approx(float(whole.area[0]), rel=1e-12)
    assert not np.array_equal(track_necks.conserved.labels, state.conserved.labels)


def test_a_vesicle_that_fuses_back_is_an_event():
    """The ILV opens to the outside through a wide neck: one fusion of both, and one membrane is left."""
    psi = initial.profile(nested(), EPS, BOX)
    phi = jnp.where(jnp.asarray(initial.sphere(BOX, 30.0, ILV[1]) > 0), 0.97, -0.98)
    apart, _ = detect_events(MODEL, VesicleState.at_rest(MODEL, psi, phi, MODEL.conserved(psi, phi)))
    z, y, x = initial.centred(BOX, ILV[1])
    channel = 12.0 - np.sqrt(y**2 + x**2) + 0 * z
    channel = np.minimum(channel, z + 0 * channel)
    joined = initial.profile(np.minimum(nested(), -channel), EPS, BOX)
    state, events = detect_events(MODEL, eqx.tree_at(lambda s: s.psi, apart, joined))
    assert [type(e) for e in events] == [FusionEvent]
    assert events[0].merged == (0, 1)
    assert state.conserved.count == 1
    assert float(state.conserved.lo[0]) == pytest.approx(float(apart.conserved.lo.sum()), rel=1e-12)


@pytest.mark.parametrize("eps", [4.0, 5.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_smallest_vesicle_that_is_told_apart(eps, sign):
    """A vesicle 4 % larger than smallest_vesicle becomes a membrane of its own, one 4 % smaller never does; into the
    lumen and away from it."""
    grid, found = Grid((64, 64, 64), (128.0, 128.0, 128.0)), []
    for share in (0.96, 1.04):
        radius = 0.5 * share * smallest_vesicle(eps)
        if sign > 0:
            distance = np.minimum(initial.sphere(grid, 52.0), -initial.sphere(grid, radius))
        else:
            host, bud = (62.0, 62.0, 44.0), (62.0, 62.0, 104.0)
            distance = np.maximum(initial.sphere(grid, 30.0, host), initial.sphere(grid, radius, bud))
        psi = initial.profile(distance, eps, grid)
        found.append(find_topology(psi, grid, eps, known=1).count)
    assert found == [1, 2]


def test_room_to_the_image():
    """The box less what the membrane reaches along each axis, also across a side of the box; 0 along planes."""
    grid = Grid((48, 50, 54), (96.0, 100.0, 108.0))
    for centre in (None, (5.0, 90.0, 50.0)):
        psi = initial.profile(initial.sphere(grid, 30.0, centre), 4.0, grid)
        assert room(psi, grid.spacing) == pytest.approx([36.0, 40.0, 48.0], abs=2.0)
    psi = initial.profile(initial.slab(grid, 40.0), 4.0, grid)
    assert room(psi, grid.spacing) == pytest.approx([56.0, 0.0, 0.0], abs=2.0)


@pytest.mark.parametrize("shift", [3.0, 1.5, -1.5])
def test_a_border_that_moves_changes_neither_energy_nor_sums(shift):
    """An ILV of Lo close below a host of Ld. At the look the border between their regions moves. What lay there before
    would raise F by its steps of phi; F changes by less than a tenth of that. Sums of area
    and content are kept exactly, which shifts strains by up to 2e-5."""
    ilv = (20.0, (87.0, 77.0, 78.0))
    psi = initial.profile(nested(ilv=ilv), EPS, BOX)
    topology = find_topology(psi, BOX, EPS)
    # The border as it was at the look before.
    border = -initial.sphere(BOX, ilv[0] + 6.5 + shift, ilv[1])
    labels = np.where(border < 0, 1, 0)
    phi = jnp.asarray(np.where(labels == 1, 1.0, -1.0))
    conserved = MODEL.conserved(psi, phi, labels, 2)
    conserved = eqx.tree_at(lambda b: b.area, conserved, conserved.area * jnp.asarray([0.9995, 1.0004]))
    before = VesicleState.at_rest(MODEL, psi, phi, conserved)
    after, events = detect_events(MODEL, before, topology)
    assert not events
    assert np.any(np.asarray(after.conserved.labels) != labels)
    near = surface.derivatives(psi, BOX)
    energy = lambda state: float(MODEL.free_energy(psi, state.fields, state.conserved))
    left = eqx.tree_at(lambda s: s.fields, after, before.fields)
    assert abs(energy(after) - energy(before)) < 0.1 * (energy(left) - energy(before))
    tension = [np.asarray(MODEL.stretch_tension(near, s.conserved)) for s in (before, after)]
    assert tension[1] == pytest.approx(tension[0], abs=2e-5 * MODEL.area_modulus)
    for name in ("area", "content"):
        sums = [float(getattr(s.conserved, name).sum()) for s in (before, after)]
        assert sums[1] == pytest.approx(sums[0], rel=1e-12)
