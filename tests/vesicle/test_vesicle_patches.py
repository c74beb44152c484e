"""Patches: where they lie, what they hold, and that a Lo domain keeps its content when the membrane moves elsewhere."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from test_vesicle_species import BOX, KT, LIPIDS, membrane, quotient, ripples

from membrane.energy import Ceramide
from membrane.lattice.grid import Grid
from membrane.vesicle import Membrane, Relaxation, Reservoir, Transport, VesicleState, evolve, initial, surface
from membrane.vesicle.correction import correction_shapes
from membrane.vesicle.division import PADDING, divided, undivided

RADIUS = 36.0
NORTH, SOUTH = 2600.0, 1500.0
RESERVE = Reservoir(0.02, (-1.0, 0.05, 0.04, 0.03, 0.01))

pytestmark = pytest.mark.fast_compilation


def two_caps(model: Membrane, south=SOUTH):
    """psi and fields of a sphere with a Lo cap on each of its poles, of different areas, rich in all solutes."""
    grid = model.grid
    psi = initial.profile(initial.sphere(grid, RADIUS), model.interface_width, grid)
    middle = tuple(0.5 * length for length in grid.extent)
    z = jnp.asarray(grid.points[0] - middle[0])
    north = initial.profile(initial.cap(grid, RADIUS, NORTH), 4.5, grid)
    # The cap lies on the side of +z; its image in the equator is that of the other.
    other = initial.profile(initial.cap(grid, RADIUS, south), 4.5, grid)
    flipped = jnp.roll(other[::-1], 1, 0) if abs(grid.points[0][0, 0, 0]) < 1e-9 else other[::-1]
    phi = jnp.where(z > 0, north, flipped)
    ld, lo = (0.05, 0.04, 0.03, 0.01), (0.2, 0.06, 0.06, 0.3)
    return psi, jnp.stack(
        [phi, *(a + 0.5 * (b - a) * (1 + phi) for a, b in zip(ld, lo, strict=True))][: len(model.species)]
    )


def lo_area(model, psi, phi, conserved):
    """Area of Lo in nm^2 in each patch: int W (1 + phi)/2."""
    near = surface.derivatives(psi, model.grid)
    return np.asarray(conserved.patches.total(model.weight(near) * 0.5 * (1 + phi)) * model.grid.cell_volume)


def pushed(psi, grid, height):
    """psi with the membrane moved outwards by up to ``height`` (nm) around the north pole, along its normals."""
    z, y, x = (p - 0.5 * length for p, length in zip(grid.points, grid.extent, strict=True))
    cosine = z / np.sqrt(x**2 + y**2 + z**2 + 1e-9)
    distance = RADIUS + height * np.exp((cosine - 1) / 0.15) - np.sqrt(x**2 + y**2 + z**2)
    return initial.profile(jnp.asarray(distance), 4.5, grid)


def test_patches_are_the_points_nearest_to_each_domain():
    """Two caps: the membrane is cut at the same distance from both rims, so the areas are those of a sphere cut there:
    to 1.5 %. The contents are those of the fields, and their number is padded. One domain makes no patches."""
    model = membrane()
    psi, fields = two_caps(model)
    kept = model.conserved(psi, fields)
    cut = divided(model, psi, fields, kept)
    area = np.asarray(cut.patches.area)
    assert cut.patches.owner.shape == (PADDING,)
    assert not area[2:].any()
    # A cap of area a has the height a/(2 pi R); rims at angles t1, t2 from their poles, halfway between them in a line.
    heights = np.array([NORTH, SOUTH]) / (2 * np.pi * RADIUS**2)
    first, second = np.arccos(1 - heights)
    border = 0.5 * (first + np.pi - second)
    share = 0.5 * (1 - np.cos(border))
    assert area[:2].max() / area.sum() == pytest.approx(share, abs=0.015)
    assert np.asarray(cut.patches.content).sum(1) == pytest.approx(np.asarray(kept.content)[:, 0], rel=1e-12)
    one = divided(model, psi, fields.at[0].set(jnp.where(jnp.asarray(BOX.points[0]) > 52.0, fields[0], -1.0)), kept)
    assert one.patches is None
    assert undivided(cut).patches is None


@pytest.mark.parametrize("reserve", [None, RESERVE])
@pytest.mark.parametrize("height", [-6.0, 4.0, 12.0])
def test_patches_of_a_membrane_hold_what_it_holds(reserve, height):
    """The sum over the patches is the content of the membrane at its area, to rounding: strained in all phases alike,
    or with what the reserve has given."""
    model = membrane(reservoir=reserve)
    psi, fields = two_caps(model)
    whole = model.conserved(psi, fields)
    cut = divided(model, psi, fields, whole)
    moved = surface.derivatives(pushed(psi, BOX, height), BOX)
    ours, theirs = (np.asarray(model._held(moved, kept)) for kept in (cut, whole))
    assert ours.sum(1) == pytest.approx(theirs[:, 0], rel=1e-12)
    settled = model.corrected(moved, fields, cut)
    found = [np.asarray(cut.patches.total(model.weight(moved) * field) * BOX.cell_volume)[:2] for field in settled]
    assert np.stack(found) == pytest.approx(ours[:, :2], rel=1e-11)


@pytest.mark.parametrize("reserve", [pytest.param(None, marks=pytest.mark.slow), RESERVE])
def test_shape_derivative_is_that_of_the_free_energy(reserve):
    """dF/dpsi with patches against difference quotients: 1e-7."""
    model = membrane(reservoir=reserve)
    psi, fields = two_caps(model)
    cut = divided(model, psi, fields, model.conserved(psi, fields))
    near, (first, second) = surface.derivatives(psi, BOX), ripples(BOX)
    fields = eqx.filter_jit(model.corrected)(near, fields.at[1:].multiply(1 + 0.1 * second), cut)
    value, force, settled = eqx.filter_jit(model.shape_derivative)(near, fields, cut)
    free_energy = eqx.filter_jit(model.free_energy)
    assert float(value) == pytest.approx(float(free_energy(psi, fields, cut)), rel=1e-12)
    assert np.allclose(jnp.stack(settled), fields, atol=1e-12)
    ripple = (1 - psi**2) * first
    found = float(jnp.vdot(force, ripple)) * BOX.cell_volume
    assert quotient(lambda s: float(free_energy(psi + s * ripple, fields, cut)), 1e-4) == pytest.approx(found, rel=1e-7)


@pytest.mark.parametrize("height", [4.0, 8.0])
def test_a_domain_pays_for_its_own_bulge(height):
    """The north cap is pushed outwards and grows in place. With patches the Lo of both caps stays as it was, to 2 nm^2
    of 1500 and more. Kept as a whole, the south cap loses a part of its Lo that is at least twenty times larger."""
    model = membrane(ceramide=None, cargo=None, coefficients={}, reservoir=Reservoir(0.02, (-1.0,)))
    psi, fields = two_caps(model)
    whole = model.conserved(psi, fields)
    cut = divided(model, psi, fields, whole)
    before = lo_area(model, psi, fields[0], cut)[:2]
    moved = pushed(psi, BOX, height)
    near = surface.derivatives(moved, BOX)
    local, even = (lo_area(model, moved, model.corrected(near, fields, kept)[0], cut)[:2] for kept in (cut, whole))
    south = int(np.argmin(before))
    assert local == pytest.approx(before, abs=2.0)
    assert before[south] - even[south] > 20 * abs(before[south] - local[south])
    assert even[1 - south] - before[1 - south] > 40.0


@pytest.mark.parametrize("affinity", [0.5, 1.5])
def test_ceramide_goes_along_with_a_wall(affinity):
    """On ceramide at equal chemical potential, c/(1 - c) = A exp(chi p), a small motion of the wall of phi leaves it at
    that chemical potential: c follows phi to second order in the motion."""
    ceramide = Ceramide(thermal_energy=KT, patch_area=10.0, affinity=affinity)
    model = membrane(ceramide=ceramide, cargo=None, coefficients={})
    phi = jnp.linspace(-0.999, 0.999, 41)
    order = lambda phi: 0.5 * (3 * phi - phi**3)
    settled = lambda phi: 1 / (1 + jnp.exp(-affinity * order(phi)) / 0.05)
    fields = (phi, settled(phi), settled(phi))
    (shift, *follow), _ = correction_shapes(model.mixture, fields)
    walls = 1 - phi**2
    misfit = [float(jnp.max(jnp.abs(settled(phi + a * walls) - fields[1] - a * follow[0]))) for a in (2e-2, 1e-2)]
    assert misfit[0] / misfit[1] == pytest.approx(4.0, rel=0.05)
    assert np.allclose(shift - walls, 0.01)
    assert np.allclose(follow[0], follow[1])


@pytest.mark.slow
def test_domains_keep_their_lo_through_rounds_of_the_shape():
    """Two caps that bend into the lumen with a reserve at hand and lipids that hardly diffuse: after 60 steps the Lo of
    each is within 0.5 % of what it was, while the membrane has drawn more than a tenth of a cap's area."""
    grid = Grid((30, 32, 35), (105.0, 112.0, 122.5), "float64")
    reserve = Reservoir(0.01, (-1.0,))
    model = Membrane(
        grid,
        interface_width=4.5,
        bending_rigidity=(85.6, 85.6),
        spontaneous_curvature=(0.0, 0.06),
        lipids=LIPIDS,
        area_modulus=240.0,
        reservoir=reserve,
        osmotic=(0.1, 4 / 3 * np.pi * RADIUS**3),
    )
    psi, fields = two_caps(model, south=2000.0)
    start = model.conserved(psi, fields)
    cut = divided(model, psi, fields, start)
    before = np.sort(lo_area(model, psi, fields[0], cut)[:2])
    state = VesicleState.at_rest(model, psi, fields[0], start)
    slow = Transport(1.0)
    *_, last = evolve(model, Relaxation(13.5), slow, state, rounds=3, trials=20, dt=1e-6)
    near = surface.derivatives(last.state.psi, grid)
    now = divided(model, last.state.psi, last.state.fields, last.state.conserved)
    after = np.sort(lo_area(model, last.state.psi, last.state.phi, now)[:2])
    assert after == pytest.approx(before, rel=5e-3)
    assert float(model.drawn(near, start)[0]) > 200.0
