"""A reservoir that gives area at a held tension: tube, sphere of held volume, books of both phases, a membrane that
leaves."""

from dataclasses import replace
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from membrane.builder import build
from membrane.config import ConfigError, load
from membrane.energy import Lipids
from membrane.lattice.grid import Grid
from membrane.vesicle import Membrane, Relaxation, Reservoir, VesicleState, detect_events, initial, surface
from membrane.vesicle.rows import series_row

RIGIDITY = 85.6
BUD = Path(__file__).parents[2] / "configs" / "vesicle_bud.yaml"
BOX = Grid((27, 30, 32), (94.5, 105.0, 112.0), "float64")

pytestmark = pytest.mark.usefixtures("fast_compilation")


def membrane(grid: Grid, eps: float, sigma: float, *, line_tension=1e-4, curvature=(0.0, 0.0), **others) -> Membrane:
    """A material with a reservoir of Ld at the tension ``sigma`` (pN/nm)."""
    return Membrane(
        grid,
        interface_width=eps,
        bending_rigidity=(RIGIDITY, RIGIDITY),
        spontaneous_curvature=curvature,
        lipids=Lipids.from_wall(line_tension=line_tension, interface_width=eps),
        area_modulus=240.0,
        reservoir=Reservoir(sigma, (-1.0,)),
        **others,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("sigma", "start"), [(0.045, 28.0), (0.055, 33.0)])
def test_radius_and_force_of_a_tube(sigma, start):
    """A periodic tube gives area back until r = sqrt(kappa/(2 sigma)). The force, the derivative of F with respect to
    the length of the box, is 2 pi sqrt(2 kappa sigma). Both to 1 % at r = 9 eps and more."""
    eps, spacing = 3.2, 2.5
    grid = Grid((9, 44, 45), (9 * spacing, 44 * spacing, 45 * spacing), "float64")
    model = membrane(grid, eps, sigma)
    psi, phi = initial.profile(initial.cylinder(grid, start), eps, grid), -np.ones(grid.shape)
    conserved = model.conserved(psi, phi)
    state = VesicleState.at_rest(model, psi, phi, conserved)
    state, report = Relaxation(3.5 * eps).run(model, state, np.asarray(400))
    assert float(report.energy) < float(report.first_energy)
    radius = float(np.sqrt(surface.volume(state.psi, grid) / (np.pi * grid.extent[0])))
    assert radius == pytest.approx(np.sqrt(RIGIDITY / (2 * sigma)), rel=0.01)

    def energy(stretch):
        longer = Grid(grid.shape, (grid.extent[0] * stretch, *grid.extent[1:]), "float64")
        terms = membrane(longer, eps, sigma).terms(surface.derivatives(state.psi, longer), state.fields, conserved)
        return float(terms.bending + terms.stretch)

    force = (energy(1.001) - energy(0.999)) / (0.002 * grid.extent[0])
    assert force == pytest.approx(2 * np.pi * np.sqrt(2 * RIGIDITY * sigma), rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("sigma", "curvature", "growth"), [(0.05, 0.0, 1.03), (0.02, -0.02, 0.97), (0.1, 0.02, 1.0)])
def test_pressure_in_a_sphere_of_held_volume(sigma, curvature, growth):
    """p = 2 sigma/R + kappa c0 (2 + c0 R)/R^2, from F = 2 pi kappa (2 + c0 R)^2 + 4 pi sigma R^2 and p 4 pi R^2 =
    dF/dR. The sphere has grown to the volume asked for, with area from the reservoir: 4 pi R^2. To 2 % of 2 sigma/R at
    R = 8 eps. All of it is Ld."""
    grid, eps, start = Grid((36, 36, 36), (108.0, 108.0, 108.0), "float64"), 4.2, 34.0
    rest = 4 * np.pi / 3 * (start * growth) ** 3
    model = membrane(grid, eps, sigma, curvature=(curvature, 0.0), osmotic=(5.0, rest))
    psi, phi = initial.profile(initial.sphere(grid, start), eps, grid), -jnp.ones(grid.shape)
    conserved = model.conserved(psi, phi)
    state = VesicleState.at_rest(model, psi, phi, conserved)
    state, _ = Relaxation(3 * eps).run(model, state, jnp.asarray(150))
    near = surface.derivatives(state.psi, grid)
    enclosed = float(surface.volume(state.psi, grid))
    pressure, radius = 5.0 * (rest - enclosed) / rest, (3 * enclosed / (4 * np.pi)) ** (1 / 3)
    bent = RIGIDITY * curvature * (2 + curvature * radius) / radius**2
    assert pressure == pytest.approx(2 * sigma / radius + bent, abs=0.02 * 2 * sigma / radius)
    drawn = float(model.drawn(near, conserved)[0])
    assert drawn == pytest.approx(4 * np.pi * (radius**2 - start**2), abs=30.0)
    assert float(jnp.max(jnp.abs(state.phi + 1))) < 1e-3


@pytest.mark.parametrize("count", [1, 2])
def test_shape_derivative_is_that_of_the_free_energy(count):
    """dF/dpsi against difference quotients: 1e-7, also where a second membrane has no reservoir."""
    model = membrane(BOX, 4.5, 0.05, line_tension=5.0, curvature=(0.01, 0.05), osmotic=(0.02, 1.4e5))
    psi = initial.profile(initial.sphere(BOX, 33.0), 4.5, BOX)
    phi = initial.profile(initial.cap(BOX, 33.0, 4000.0), 4.5, BOX)
    labels = np.broadcast_to(BOX.points[0] > 60.0, BOX.shape) if count == 2 else None
    conserved = model.conserved(psi, phi, labels, count)
    conserved = eqx.tree_at(lambda b: (b.area, b.content), conserved, (0.97 * conserved.area, conserved.content + 60.0))
    z, y, x = (2 * np.pi * p / length for p, length in zip(BOX.points, BOX.extent, strict=True))
    ripple = jnp.asarray((1 - psi**2) * (np.sin(2 * x + y) + np.cos(z) * np.cos(3 * y)))
    near = surface.derivatives(psi, BOX)
    fields = model.corrected(near, phi, conserved)
    _, force, _ = eqx.filter_jit(model.shape_derivative)(near, fields, conserved)
    energy = eqx.filter_jit(lambda step: model.free_energy(psi + step * ripple, fields, conserved))
    h = 1e-4
    quotient = (8 * (energy(h) - energy(-h)) - energy(2 * h) + energy(-2 * h)) / (12 * h)
    assert float(jnp.vdot(force, ripple)) * BOX.cell_volume == pytest.approx(float(quotient), rel=1e-7)


@pytest.mark.parametrize(("radius", "area"), [(30.0, 4000.0), (33.5, 1500.0), (35.0, 6000.0)])
def test_area_drawn_is_ld_and_booked(radius, area):
    """Whatever area the reservoir gives or takes, (A + int delta phi)/2, the area of Lo, stays, to rounding."""
    model = membrane(BOX, 4.5, 0.05, line_tension=5.0)
    psi = initial.profile(initial.sphere(BOX, 33.0), 4.5, BOX)
    phi = initial.profile(initial.cap(BOX, 33.0, area), 4.5, BOX)
    conserved = model.conserved(psi, phi)
    near = surface.derivatives(initial.profile(initial.sphere(BOX, radius), 4.5, BOX), BOX)
    settled = model.corrected(near, phi, conserved)
    lo = lambda near, fields: float(model.areas(near, conserved)[0] + jnp.sum(model.weight(near) * fields[0]) * cell)
    cell = BOX.cell_volume
    assert lo(near, settled) == pytest.approx(lo(surface.derivatives(psi, BOX), phi[None]), rel=1e-11)
    assert np.asarray(model.relaxed_content(near, settled, conserved)) == pytest.approx(
        np.asarray(conserved.content), rel=1e-11
    )


def test_what_has_left_keeps_its_area_and_the_books_add_up():
    """A sphere within a sphere, known as one membrane so far, which has drawn area. At the look it becomes an event.
    The area drawn, the content over both and F (to its stretch at sigma, sigma^2 A/(2 K_A)) are what they were."""
    model = membrane(BOX, 4.5, 0.05, line_tension=5.0)
    z, y, x = initial.centred(BOX)
    inner = np.sqrt((z - 4.0) ** 2 + y**2 + x**2) - 15.0
    psi = initial.profile(np.minimum(initial.sphere(BOX, 40.0), inner), 4.5, BOX)
    phi = initial.profile(np.where(inner < 9.0, 15.0, -15.0), 4.5, BOX)
    conserved = model.conserved(psi, phi)
    taken = jnp.asarray([conserved.area[0] - 700.0]), conserved.content + 700.0
    state = VesicleState.at_rest(model, psi, phi, eqx.tree_at(lambda b: (b.area, b.content), conserved, taken))
    after, events = detect_events(model, state)
    assert len(events) == 1
    assert events[0].daughter.is_ilv
    near = surface.derivatives(psi, BOX)
    drawn = model.drawn(near, after.conserved)
    assert np.asarray(drawn) == pytest.approx([700.0, 0.0], abs=1e-6)
    held = [float(model.relaxed_content(near, s.fields, s.conserved)[0].sum()) for s in (state, after)]
    booked = [float(s.conserved.lo.sum()) for s in (state, after)]
    assert booked[1] == pytest.approx(booked[0], rel=1e-12)
    assert held[1] == pytest.approx(held[0], rel=1e-3)
    before, now = (model.terms(near, s.fields, s.conserved) for s in (state, after))
    assert float(before.stretch) == pytest.approx(0.05 * 700.0, rel=1e-9)
    area = float(after.conserved.area[1])
    assert float(now.stretch) == pytest.approx(0.05 * 700.0 + 0.05**2 / (2 * 240.0) * area, rel=1e-6)
    assert np.asarray(model.tension(near, after.conserved)) == pytest.approx([0.05, 0.05], rel=1e-6)


def test_configuration():
    """The key gives a reservoir of Ld; the series then has the area drawn. A free volume is refused with the remedy."""
    with pytest.raises(ConfigError, match="would make the endosome shrink to nothing"):
        load(BUD, ["membrane.tension_uN_per_m=20"])
    physics = build(load(BUD, ["membrane.tension_uN_per_m=20", "membrane.osmosis.modulus_kPa=1000"]))
    assert physics.membrane.reservoir.tension == pytest.approx(0.02)
    assert physics.membrane.reservoir.fields == (-1.0,)
    endosome = physics.endosome(0)
    row = dict(zip(endosome.columns, endosome.rows[0], strict=True))
    assert row["tension_uN_per_m"] == pytest.approx(20.0)
    assert row["drawn_area_nm2"] == pytest.approx(0.0, abs=1e-2)
    plain = build(load(BUD)).endosome(0)
    assert "drawn_area_nm2" not in plain.columns
    with pytest.raises(ValueError, match="give one number for each"):
        replace(physics.membrane, reservoir=Reservoir(0.02, (-1.0, 0.1)))
    assert "drawn_area_nm2" in series_row(physics.membrane, endosome.state, endosome.membranes, [])
