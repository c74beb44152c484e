"""The free energy of membrane and lipids: line tension of a rim, derivatives against difference quotients, contents."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from membrane.energy import Lipids
from membrane.lattice.grid import Grid
from membrane.vesicle import Membrane, initial, surface

BOX = Grid((27, 30, 32), (94.5, 105.0, 112.0), "float64")

pytestmark = pytest.mark.fast_compilation


def two_phases(grid: Grid, eps: float = 4.5, xi: float = 4.5, **others) -> Membrane:
    """Lo stiffer than Ld and curved."""
    lipids = Lipids.from_wall(line_tension=5.0, interface_width=xi)
    constants = dict(bending_rigidity=(85.6, 120.0), spontaneous_curvature=(0.0, 0.05), area_modulus=240.0)
    return Membrane(grid, interface_width=eps, lipids=lipids, **(constants | others))


def capped(grid: Grid, model: Membrane, radius: float = 33.0, area: float = 4000.0):
    """psi and phi of a sphere with a cap, and what it keeps."""
    psi = initial.profile(initial.sphere(grid, radius), model.interface_width, grid)
    phi = initial.profile(initial.cap(grid, radius, area), model.lipids.interface_width, grid)
    return psi, phi, model.conserved(psi, phi)


def test_energy_of_a_rim_is_line_tension_times_its_length():
    """int W [f + K/2 |grad phi|^2] of a cap is 2 pi R sin(theta) lambda: 1 % at 2.2 points a wall, and of second order
    in the spacing (faces of second order)."""
    exact = 2 * np.pi * 40.0 * np.sin(np.arccos(1 - 5000.0 / (2 * np.pi * 40.0**2))) * 5.0
    found = []
    for n in (30, 36, 60):
        grid = Grid((n, n + 2, n), (120.0, 120.0 * (n + 2) / n, 120.0), "float64")
        model = two_phases(grid, eps=6.0, xi=6.0)
        psi, phi, conserved = capped(grid, model, 40.0, 5000.0)
        found.append(float(eqx.filter_jit(model.terms)(surface.derivatives(psi, grid), phi, conserved).lipids))
    limit = found[2] + (found[2] - found[1]) / ((60 / 36) ** 2 - 1)
    assert limit == pytest.approx(exact, rel=0.01)
    assert found[1] == pytest.approx(limit, rel=0.02)
    order = np.log((limit - found[0]) / (limit - found[2])) / np.log(2)
    assert order == pytest.approx(2.0, abs=0.3)


@pytest.mark.parametrize("vesicles", [1, 2])
def test_shape_derivative_is_that_of_the_free_energy(vesicles):
    """dF/dpsi, the correction of phi and all terms included, against difference quotients: 1e-7."""
    model = two_phases(BOX, osmotic=(0.02, 1.4e5), pressure=0.01)
    psi, phi, conserved = capped(BOX, model)
    if vesicles == 2:
        labels = np.broadcast_to(BOX.points[0] > 60.0, BOX.shape)
        conserved = model.conserved(psi, phi, labels, 2)
    conserved = eqx.tree_at(lambda b: (b.area, b.content), conserved, (0.97 * conserved.area, conserved.content + 60.0))
    z, y, x = (2 * np.pi * p / length for p, length in zip(BOX.points, BOX.extent, strict=True))
    ripple = jnp.asarray((1 - psi**2) * (np.sin(2 * x + y) + np.cos(z) * np.cos(3 * y)))
    phi = phi + 0.05 * jnp.asarray(np.cos(x) * np.cos(2 * z) * np.ones_like(y))
    near = surface.derivatives(psi, BOX)
    phi = eqx.filter_jit(model.corrected)(near, phi, conserved)
    value, force, _ = eqx.filter_jit(model.shape_derivative)(near, phi, conserved)
    free_energy = eqx.filter_jit(model.free_energy)
    assert float(value) == pytest.approx(float(free_energy(psi, phi, conserved)), rel=1e-12)
    step = 1e-4
    along = lambda s: float(free_energy(psi + s * ripple, phi, conserved))
    difference = (8 * (along(step) - along(-step)) - along(2 * step) + along(-2 * step)) / (12 * step)
    assert difference == pytest.approx(float(jnp.vdot(force, ripple)) * BOX.cell_volume, rel=1e-7)


def test_chemical_potential_is_that_of_the_free_energy():
    """W mu per volume against difference quotients of the energy at fixed psi: 1e-7."""
    model = two_phases(BOX)
    psi, phi, conserved = capped(BOX, model)
    near = surface.derivatives(psi, BOX)
    z, y, x = (2 * np.pi * p / length for p, length in zip(BOX.points, BOX.extent, strict=True))
    ripple = jnp.asarray(np.sin(2 * x + y) + np.cos(z) * np.cos(3 * y))
    phi = 0.9 * phi
    terms = eqx.filter_jit(model.terms)
    along = lambda s: float(sum(terms(near, phi + s * ripple, conserved)))
    step = 1e-3
    difference = (8 * (along(step) - along(-step)) - along(2 * step) + along(-2 * step)) / (12 * step)
    mu = eqx.filter_jit(model.chemical_potential)(near, phi, conserved)
    found = float(jnp.vdot(mu * model.weight(near), ripple)) * BOX.cell_volume
    assert difference == pytest.approx(found, rel=1e-7)


def test_lipids_are_kept_on_a_membrane_that_moves():
    """On any psi the corrected phi has the int W phi that each membrane keeps, times its strain, to rounding. Where
    nothing has moved it is phi itself."""
    model = two_phases(BOX)
    psi, phi, conserved = capped(BOX, model)
    assert np.allclose(model.corrected(surface.derivatives(psi, BOX), phi, conserved), phi, rtol=0, atol=1e-12)
    labels = np.broadcast_to(BOX.points[0] > 60.0, BOX.shape)
    conserved = model.conserved(psi, phi, labels, 2)
    moved = surface.derivatives(initial.profile(initial.sphere(BOX, 33.4, (46.0, 52.5, 56.0)), 4.5, BOX), BOX)
    settled = model.corrected(moved, phi, conserved)
    kept = model.conserved(moved.value, settled, labels, 2)
    strained = np.asarray(conserved.lo * kept.area / conserved.area)
    assert np.asarray(kept.lo) == pytest.approx(strained, rel=1e-12)
    assert np.asarray(model.relaxed_content(moved, settled, conserved)[0]) == pytest.approx(
        np.asarray(conserved.lo), rel=1e-12
    )
    assert float(jnp.max(jnp.abs(settled - phi))) > 1e-3


@pytest.mark.parametrize(("ratio", "area"), [(0.94, 1500.0), (0.97, 4000.0), (1.02, 4000.0), (1.02, 9000.0)])
def test_a_strain_is_shared_by_both_phases(ratio, area):
    """A sphere with a cap that is strained evenly needs no correction of phi: the cap takes its share of the strain.
    To 3e-3, which is what the width of the rim adds; a content kept in nm^2 would move phi by 0.1 and more there."""
    model, radius = two_phases(BOX), 33.0
    psi, phi, conserved = capped(BOX, model, radius, area)
    pure = -jnp.ones(BOX.shape)
    moved, cap, _ = capped(BOX, model, radius * ratio, area * ratio**2)
    near = surface.derivatives(moved, BOX)
    change = model.corrected(near, cap, conserved) - cap
    assert float(jnp.max(jnp.abs(change))) < 0.02
    share = lambda near, phi: float(jnp.sum(model.weight(near) * (1 + phi)) / jnp.sum(model.weight(near)) / 2)
    settled = share(near, model.corrected(near, cap, conserved)[0])
    assert settled == pytest.approx(share(surface.derivatives(psi, BOX), phi), rel=1e-4)
    assert float(jnp.max(jnp.abs(model.corrected(near, pure, model.conserved(psi, pure)) - pure))) < 1e-4


def test_curvature_does_not_move_the_pure_phases():
    """mu from bending vanishes at phi = +-1, where p has no slope, although both phases are bent the wrong way."""
    model = two_phases(BOX, spontaneous_curvature=(-0.03, 0.08))
    psi, _, _ = capped(BOX, model)
    near = surface.derivatives(psi, BOX)
    potential = eqx.filter_jit(model.chemical_potential)
    for phase in (-1.0, 1.0):
        phi = jnp.full(BOX.shape, phase)
        assert float(jnp.max(jnp.abs(potential(near, phi, model.conserved(psi, phi))))) < 1e-12
    between = jnp.zeros(BOX.shape)
    mu = potential(near, between, model.conserved(psi, between))
    assert float(jnp.max(jnp.abs(mu) * (near.value**2 < 0.9))) > 0.01


def test_tension_is_the_strain_of_each_vesicle():
    """K_A (A - A0)/A0, and k a a of ``stiff_modes`` is its second variation: K_A/A0 for area, K_V/V0 for volume."""
    model = two_phases(BOX, osmotic=(0.02, 1.4e5))
    psi, phi, conserved = capped(BOX, model)
    near = surface.derivatives(psi, BOX)
    strained = eqx.tree_at(lambda b: b.area, conserved, conserved.area / 1.01)
    assert float(model.stretch_tension(near, strained)[0]) == pytest.approx(240.0 * 0.01, rel=1e-9)
    assert float(model.terms(near, phi, strained).stretch) == pytest.approx(
        0.5 * 240.0 * 0.01**2 * float(strained.area[0]), rel=1e-9
    )
    variations, moduli = model.stiff_modes(near, conserved)
    assert np.asarray(moduli) == pytest.approx([240.0 / float(conserved.area[0]), 0.02 / 1.4e5], rel=1e-12)
    # A displacement u changes area by -int 2H u (2H = -2/R) and volume by int u.
    shift = near.slope
    assert float(jnp.vdot(variations[0], shift)) * BOX.cell_volume == pytest.approx(8 * np.pi * 33.0, rel=2e-3)
    assert float(jnp.vdot(variations[1], shift)) * BOX.cell_volume == pytest.approx(4 * np.pi * 33.0**2, rel=2e-3)
