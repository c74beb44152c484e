"""A reserve that gives area at a held tension: tube, sphere of held volume, flat patch, books of both phases, a
membrane that leaves, and what follows once the reserve is spent."""

from dataclasses import replace
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from membrane.builder import build
from membrane.config import ConfigError, load
from membrane.endosome.budget import Account, Endosome
from membrane.endosome.tension import TensionLaw
from membrane.energy import Ceramide, Helfrich, Lipids
from membrane.lattice.grid import Grid
from membrane.vesicle import Membrane, Relaxation, Reservoir, Stretching, VesicleState, detect_events, initial, surface
from membrane.vesicle.rows import series_row

RIGIDITY = 85.6
BUD = Path(__file__).parents[2] / "configs" / "vesicle_bud.yaml"
BOX = Grid((27, 30, 32), (94.5, 105.0, 112.0), "float64")

pytestmark = pytest.mark.fast_compilation


LAW = TensionLaw(
    bending_rigidity=RIGIDITY,
    thermal_energy=4.2821,
    area_modulus=240.0,
    shortest_length=5.0,
    rest_tension=0.05,
    lysis_tension=7.0,
)
LIPIDS_ALONE = Lipids.from_wall(line_tension=1e-4, interface_width=4.5)
LAW_OF_A_SPENT_RESERVE = Stretching.through(*LAW.beyond_rest(15000.0))


def membrane(
    grid: Grid, eps: float, sigma: float, *, line_tension=1e-4, curvature=(0.0, 0.0), stretching=None, **others
) -> Membrane:
    """A material with a reserve of Ld at the tension ``sigma`` (pN/nm)."""
    return Membrane(
        grid,
        interface_width=eps,
        bending_rigidity=(RIGIDITY, RIGIDITY),
        spontaneous_curvature=curvature,
        lipids=Lipids.from_wall(line_tension=line_tension, interface_width=eps),
        area_modulus=240.0,
        reservoir=Reservoir(sigma, (-1.0,), stretching),
        **others,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sigma", "curvature", "start", "spacing"),
    [(0.045, 0.0, 28.0, 2.5), (0.055, 0.0, 33.0, 2.5), (0.05, 0.02, 28.0, 2.0), (0.05, -0.02, 31.0, 2.0)],
)
def test_radius_and_force_of_a_tube(sigma, curvature, start, spacing):
    """A periodic tube gives area back until r = sqrt(kappa/(2 sigma)), whatever its c0 is, for sigma is the whole cost
    of area. The force, the derivative of F with respect to the length of the box, is 2 pi sqrt(2 kappa sigma) + 2 pi
    kappa c0 (c0 > 0 bends into the lumen, a tube around the lumen the other way). Both to 1 % at r = 9 eps and more."""
    eps, (y, x) = 1.28 * spacing, (round(110.0 / spacing), round(112.0 / spacing))
    grid = Grid((9, y, x), (9 * spacing, y * spacing, x * spacing), "float64")
    model = membrane(grid, eps, sigma, curvature=(curvature, 0.0))
    psi, phi = initial.profile(initial.cylinder(grid, start), eps, grid), -np.ones(grid.shape)
    conserved = model.conserved(psi, phi)
    state = VesicleState.at_rest(model, psi, phi, conserved)
    state, report = Relaxation(3.5 * eps).run(model, state, np.asarray(400))
    assert float(report.energy) < float(report.first_energy)
    radius = float(np.sqrt(surface.volume(state.psi, grid) / (np.pi * grid.extent[0])))
    assert radius == pytest.approx(np.sqrt(RIGIDITY / (2 * sigma)), rel=0.01)

    def energy(stretch):
        longer = Grid(grid.shape, (grid.extent[0] * stretch, *grid.extent[1:]), "float64")
        longer_tube = membrane(longer, eps, sigma, curvature=(curvature, 0.0))
        terms = longer_tube.terms(surface.derivatives(state.psi, longer), state.fields, conserved)
        return float(terms.bending + terms.stretch)

    force = (energy(1.001) - energy(0.999)) / (0.002 * grid.extent[0])
    assert force == pytest.approx(2 * np.pi * (np.sqrt(2 * RIGIDITY * sigma) + RIGIDITY * curvature), rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("sigma", "curvature", "growth"), [(0.05, 0.0, 1.03), (0.02, -0.02, 0.97), (0.1, 0.02, 1.0)])
def test_pressure_in_a_sphere_of_held_volume(sigma, curvature, growth):
    """p = 2 sigma/R + 2 kappa c0/R^2, from p 4 pi R^2 = dF/dR and F = 2 pi kappa (2 + c0 R)^2 + 4 pi (sigma - kappa
    c0^2/2) R^2. The sphere has grown to the volume asked for, with area from the reserve: 4 pi R^2. To 2 % of 2
    sigma/R at R = 8 eps. All of it is Ld."""
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
    bent = 2 * RIGIDITY * curvature / radius**2
    assert pressure == pytest.approx(2 * sigma / radius + bent, abs=0.02 * 2 * sigma / radius)
    drawn = float(model.drawn(near, conserved)[0])
    assert drawn == pytest.approx(4 * np.pi * (radius**2 - start**2), abs=30.0)
    assert float(jnp.max(jnp.abs(state.phi + 1))) < 1e-3


@pytest.mark.parametrize(("count", "most"), [(1, np.inf), (2, np.inf), (1, 1.2), (1, 0.99), (2, 0.985)])
def test_shape_derivative_is_that_of_the_free_energy(count, most):
    """dF/dpsi against difference quotients: 1e-7, also where a second membrane has no reserve, and where the reserve is
    spent (``most``: the area at rest tension over the present one)."""
    spent = LAW_OF_A_SPENT_RESERVE if np.isfinite(most) else None
    model = membrane(BOX, 4.5, 0.05, line_tension=5.0, curvature=(0.01, 0.05), stretching=spent, osmotic=(0.02, 1.4e5))
    psi = initial.profile(initial.sphere(BOX, 33.0), 4.5, BOX)
    phi = initial.profile(initial.cap(BOX, 33.0, 4000.0), 4.5, BOX)
    labels = np.broadcast_to(BOX.points[0] > 60.0, BOX.shape) if count == 2 else None
    conserved = model.conserved(psi, phi, labels, count)
    present = most * conserved.area[0]
    conserved = eqx.tree_at(
        lambda b: (b.area, b.content, b.most), conserved, (0.97 * conserved.area, conserved.content + 60.0, present)
    )
    z, y, x = (2 * np.pi * p / length for p, length in zip(BOX.points, BOX.extent, strict=True))
    ripple = jnp.asarray((1 - psi**2) * (np.sin(2 * x + y) + np.cos(z) * np.cos(3 * y)))
    near = surface.derivatives(psi, BOX)
    fields = model.corrected(near, phi, conserved)
    _, force, _ = eqx.filter_jit(model.shape_derivative)(near, fields, conserved)
    energy = eqx.filter_jit(lambda step: model.free_energy(psi + step * ripple, fields, conserved))
    h = 1e-4
    quotient = (8 * (energy(h) - energy(-h)) - energy(2 * h) + energy(-2 * h)) / (12 * h)
    assert float(jnp.vdot(force, ripple)) * BOX.cell_volume == pytest.approx(float(quotient), rel=1e-7)


@pytest.mark.parametrize("curvature", [0.0, 0.02, -0.03])
@pytest.mark.parametrize("sigma", [0.02, 0.06])
def test_a_flat_patch_costs_its_tension(sigma, curvature):
    """A ripple a cos(q x) of a flat patch costs (a^2/4)(kappa q^4 + sigma q^2) an area, whatever c0 it has everywhere:
    sigma is read off it to 4 %. On the sheet the height that a ripple of c0 makes, kappa c0/(kappa q^2 + sigma), reads
    the same sigma, and so does its energy."""
    eps, h, a, wavelength = 4.5, 3.0, 2.0, 216.0
    grid = Grid((48, 8, 72), (48 * h, 8 * h, wavelength), "float64")
    model = membrane(grid, eps, sigma, curvature=(curvature, 0.0))
    z, _, x = initial.centred(grid)
    q = 2 * np.pi / wavelength
    flat = 12 * h - np.abs(z) + 0 * x + np.zeros(grid.shape)
    bent = (flat + a * np.sign(z) * np.cos(q * x)) / np.sqrt(1 + (q * a * np.sin(q * x)) ** 2)
    phi = -np.ones(grid.shape)
    start = model.conserved(initial.profile(flat, eps, grid), phi)
    cost = lambda distance: float(model.free_energy(initial.profile(distance, eps, grid), phi, start))
    area = 2 * 8 * h * wavelength
    found = (cost(bent) - cost(flat)) / (area * a**2 / 4) / q**2 - RIGIDITY * q**2
    assert found == pytest.approx(sigma, rel=0.04)
    near = surface.derivatives(initial.profile(flat, eps, grid), grid)
    assert float(model.tension(near, model.stacked(phi), start)[0]) == pytest.approx(sigma, rel=1e-12)
    sheet = Helfrich(bending_rigidity=RIGIDITY, tension=sigma, coefficients={}, offset=curvature)
    assert -RIGIDITY / float(sheet.height_per_curvature(q**2)) - RIGIDITY * q**2 == pytest.approx(sigma, rel=1e-9)
    stiff = float(sheet.stiffness(q**2))
    assert stiff * RIGIDITY * q**2 / (RIGIDITY - stiff) == pytest.approx(sigma, rel=1e-9)


@pytest.mark.parametrize(("most", "radius"), [(1.1, 33.2), (1.0, 33.3), (0.99, 33.2), (0.97, 33.4)])
def test_tension_and_work_are_those_of_the_law(most, radius):
    """A sphere of the box whose area at rest tension is ``most`` of 4 pi 33^2: its tension is the law's of that relaxed
    area and of its radius, and F between two radii differs by int sigma dA (both 1e-4, of the area on the grid)."""
    at_rest = most * 4 * np.pi * 33.0**2
    relaxed = float(LAW.needed_area(np.sqrt(at_rest / (4 * np.pi)), LAW.rest_tension))
    model = membrane(BOX, 4.5, 0.05, stretching=Stretching.through(*LAW.beyond_rest(relaxed)))
    shape = lambda r: initial.profile(initial.sphere(BOX, r), 4.5, BOX)
    phi = -np.ones(BOX.shape)
    start = model.conserved(shape(33.0), phi)
    of = lambda a: float(LAW.tension(relaxed, np.sqrt(a * at_rest / float(start.most) / (4 * np.pi))))
    start = eqx.tree_at(lambda kept: kept.most, start, most * start.area[0])
    near = surface.derivatives(shape(radius), BOX)
    area = float(model.areas(near, start)[0])
    assert float(model.stretch_tension(near, start)[0]) == pytest.approx(of(area), rel=1e-4)
    work = lambda psi: float(model.terms(surface.derivatives(psi, BOX), phi[None], start).stretch)
    stretch = work(shape(radius)) - work(shape(33.0))
    first = float(start.area[0])
    expected = quad(of, first, area, points=[min(max(float(start.most), first), area)], epsabs=1e-9)[0]
    assert stretch == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("most", [1.05, 0.99, 0.98])
def test_area_costs_its_tension_with_ceramide_too(most):
    """Ceramide has an energy of mixing, here below -40 uN/m. Growing a sphere of host costs sigma dA beside bending,
    before and beyond the end of the reserve (1e-3). sigma is what is reported: what is drawn brings its own energy."""
    ceramide = Ceramide(thermal_energy=4.2821, patch_area=10.0, affinity=0.5)
    share = 0.02
    model = Membrane(
        BOX,
        interface_width=4.5,
        bending_rigidity=(RIGIDITY, RIGIDITY),
        spontaneous_curvature=(0.0, 0.0),
        lipids=LIPIDS_ALONE,
        area_modulus=240.0,
        ceramide=ceramide,
        reservoir=Reservoir(0.05, (-1.0, share, share), LAW_OF_A_SPENT_RESERVE),
    )
    assert float(model.mixture.density(model.named(jnp.array([-1.0, share, share])))) < -0.04
    shape = lambda r: initial.profile(initial.sphere(BOX, r), 4.5, BOX)
    fields = jnp.stack([-np.ones(BOX.shape), *2 * [np.full(BOX.shape, share)]])
    start = model.conserved(shape(33.0), fields)
    start = eqx.tree_at(lambda kept: kept.most, start, most * start.area[0])

    def grown(radius):
        near = surface.derivatives(shape(radius), BOX)
        terms = model.terms(near, model.corrected(near, fields, start), start)
        return float(terms.lipids + terms.stretch), float(model.areas(near, start)[0])

    (low, less), (high, more) = grown(32.99), grown(33.01)
    near = surface.derivatives(shape(33.0), BOX)
    reported = float(model.tension(near, fields, start)[0])
    assert (reported > 0.051) == (most < 1)
    assert (high - low) / (more - less) == pytest.approx(reported, rel=1e-3)


@pytest.mark.parametrize("tau", [0.01, 3.0])
def test_fluid_leaves_as_from_an_endosome_that_is_a_sphere(tau):
    """What the regulation takes off is what the budget of a sheet takes off, and nothing while there is a reserve."""
    law, dt = LAW, 0.02
    for radius in (60.0, 61.0, 66.0):
        relaxed = float(law.needed_area(61.0, law.rest_tension))
        volume = 4 / 3 * np.pi * radius**3
        budget = Endosome(
            law=law,
            area=relaxed,
            lumen_volume=volume,
            vesicle_volume=0.0,
            area_account=Account(initial=relaxed),
            volume_account=Account(initial=volume),
            regulation_time=tau,
        )
        budget.advance(dt)
        reserve = Reservoir(0.05, (-1.0,), None, tau)
        lost = reserve.drained(*(jnp.asarray(4 * np.pi * r**2) for r in (radius, 61.0)), dt)
        assert float(lost) == pytest.approx(volume - budget.lumen_volume, rel=1e-9, abs=1e-6)
        assert (float(lost) > 0) == (radius > 61.0)
    assert float(Reservoir(0.05, (-1.0,)).drained(jnp.asarray(9e4), jnp.asarray(8e4), dt)) == 0


@pytest.mark.parametrize("most", [0.95, 1.02])
@pytest.mark.parametrize(("radius", "area"), [(30.0, 4000.0), (33.5, 1500.0), (35.0, 6000.0)])
def test_what_is_held_follows_the_reserve_until_it_is_spent(radius, area, most):
    """Up to ``most`` of the area the membrane gains Ld; beyond it both phases are strained alike. What it would hold at
    its relaxed area is what it holds, to rounding."""
    model = membrane(BOX, 4.5, 0.05, line_tension=5.0, stretching=LAW_OF_A_SPENT_RESERVE)
    psi = initial.profile(initial.sphere(BOX, 33.0), 4.5, BOX)
    phi = initial.profile(initial.cap(BOX, 33.0, area), 4.5, BOX)
    conserved = model.conserved(psi, phi)
    conserved = eqx.tree_at(lambda kept: kept.most, conserved, most * conserved.area[0])
    near = surface.derivatives(initial.profile(initial.sphere(BOX, radius), 4.5, BOX), BOX)
    settled = model.corrected(near, phi, conserved)
    held = model.relaxed_content(near, settled, conserved)
    assert np.asarray(held) == pytest.approx(np.asarray(conserved.content), rel=1e-11)
    now, first, limit = float(model.areas(near, conserved)[0]), float(conserved.area[0]), float(conserved.most)
    lo = lambda content, area: (area + content) / 2
    there = float(jnp.sum(model.weight(near) * settled[0]) * BOX.cell_volume)
    share = lo(there, now) / lo(float(conserved.lo[0]), first)
    assert share == pytest.approx(max(now / limit, 1.0), rel=1e-11)
    assert float(model.drawn(near, conserved)[0]) == pytest.approx(min(now, limit) - first, rel=1e-9)


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


@pytest.mark.parametrize("slack", [900.0, -30.0])
def test_what_has_left_keeps_its_area_and_the_books_add_up(slack):
    """A sphere within a sphere, known as one membrane so far, which has drawn area. At the look it becomes an event.
    The area drawn, what is left of the reserve (``slack``, nm^2; below 0 it is spent), the content over both and F (to
    the stretch of what has left, sigma^2 A/(2 K_A)) are what they were."""
    model = membrane(BOX, 4.5, 0.05, line_tension=5.0, stretching=LAW_OF_A_SPENT_RESERVE)
    z, y, x = initial.centred(BOX)
    inner = np.sqrt((z - 4.0) ** 2 + y**2 + x**2) - 15.0
    psi = initial.profile(np.minimum(initial.sphere(BOX, 40.0), inner), 4.5, BOX)
    phi = initial.profile(np.where(inner < 9.0, 15.0, -15.0), 4.5, BOX)
    conserved = model.conserved(psi, phi)
    now = float(conserved.area[0])
    most, stretched = now + slack, max(now / (now + slack), 1.0)
    taken = jnp.asarray([now / stretched - 700.0]), conserved.content / stretched + 700.0, jnp.asarray(most)
    state = VesicleState.at_rest(model, psi, phi, eqx.tree_at(lambda b: (b.area, b.content, b.most), conserved, taken))
    after, events = detect_events(model, state)
    assert len(events) == 1
    assert events[0].daughter.is_ilv
    near = surface.derivatives(psi, BOX)
    assert np.asarray(model.drawn(near, after.conserved)) == pytest.approx([700.0, 0.0], abs=1e-6)
    strain = lambda s: float(model.areas(near, s.conserved)[0] / s.conserved.most)
    left = (float(s.conserved.most - model.areas(near, s.conserved)[0]) for s in (state, after))
    if slack > 0:
        assert list(left) == pytest.approx([slack, slack], rel=1e-9)
    else:
        assert strain(after) == pytest.approx(strain(state), rel=1e-12)
    held = [float(model.relaxed_content(near, s.fields, s.conserved)[0].sum()) for s in (state, after)]
    booked = [float(s.conserved.lo.sum()) for s in (state, after)]
    assert booked[1] == pytest.approx(booked[0], rel=1e-12)
    assert held[1] == pytest.approx(held[0], rel=1e-3)
    tension = [np.asarray(model.stretch_tension(near, s.conserved)) for s in (state, after)]
    assert tension[1] == pytest.approx(np.repeat(tension[0], 2), rel=1e-6)
    before, now = (model.terms(near, s.fields, s.conserved) for s in (state, after))
    strained, gone = float(model.areas(near, after.conserved)[1]), float(after.conserved.area[1])
    sealed = 240.0 / 2 * (strained - gone) ** 2 / gone
    if slack > 0:
        assert float(before.stretch) == pytest.approx(0.05 * 700.0, rel=1e-9)
        assert float(now.stretch) == pytest.approx(0.05 * 700.0 + sealed, rel=1e-6)
    else:
        over = LAW_OF_A_SPENT_RESERVE.work(strain(state) - 1)
        work = [float(s.conserved.most * over) for s in (state, after)]
        assert float(before.stretch) == pytest.approx(0.05 * 700.0 + work[0], rel=1e-9)
        assert float(now.stretch) == pytest.approx(0.05 * 700.0 + work[1] + sealed, rel=1e-6)


def test_configuration():
    """The key gives a reservoir of Ld; the series then has the area drawn. A free volume is refused with the remedy."""
    reserve = "supply.reserve_fraction=0.2"
    held = ["membrane.tension_uN_per_m=20", "membrane.osmosis.modulus_kPa=1000"]
    for given, said in (
        (held[:1], "would make the endosome shrink to nothing"),
        ([reserve], "give membrane.tension_uN_per_m, its tension at rest"),
        (
            [*held, reserve, "endosome.lysis_tension_mN_per_m=0.01"],
            "must lie below endosome.lysis",
        ),
        ([*held, "endosome.volume_regulation_time_s=1"], "give supply.reserve_fraction, membrane.osmosis"),
    ):
        with pytest.raises(ConfigError, match=said):
            load(BUD, given)
    ends = build(
        load(BUD, [*held, "supply={reserve_fraction: 0.2, order: -0.9}", "endosome.volume_regulation_time_s=2"])
    )
    assert (ends.membrane.reservoir.fields, ends.membrane.reservoir.regulation_time) == ((-0.9,), 2.0)
    first = ends.endosome(0)
    row = dict(zip(first.columns, first.rows[0], strict=True))
    # 0.2 of relaxed membrane spans a little less, for a part of it is stored in undulations.
    assert 0.19 < row["reserve_area_nm2"] / row["membrane_area_nm2"] < 0.2
    assert row["drained_volume_nm3"] == 0
    spent = eqx.tree_at(lambda state: state.conserved.most, first.state, first.state.conserved.most * 0.5)
    row = series_row(ends.membrane, spent, first.membranes, [])
    assert row["reserve_area_nm2"] == pytest.approx(
        float(spent.conserved.most) - float(first.state.conserved.area[0]), rel=1e-4
    )
    assert row["reserve_area_nm2"] < 0
    physics = build(load(BUD, held))
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
