"""Ceramide and cargo on a closed membrane: derivatives, conservation where it moves, diffusion, reactions."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import eigh_tridiagonal
from scipy.special import eval_legendre
from test_vesicle_composition import energy, stepped

from membrane.energy import Cargo, Ceramide, Lipids, Oligomers
from membrane.energy.cargo import MONOMER, OLIGOMER
from membrane.energy.ceramide import CYTOSOLIC, LUMINAL
from membrane.lattice.grid import Grid
from membrane.vesicle import Membrane, Relaxation, Transport, VesicleState, describe, initial, surface
from membrane.vesicle.composition import reacted
from membrane.vesicle.evolve import transported
from membrane.vesicle.topology import find_topology

KT = 4.2821
BOX = Grid((27, 30, 32), (94.5, 105.0, 112.0), "float64")
LIPIDS = Lipids.from_wall(line_tension=5.0, interface_width=4.5)
CERAMIDE = Ceramide(thermal_energy=KT, patch_area=10.0, affinity=0.5)
CARGO = Cargo(
    thermal_energy=KT,
    site_area=10.0,
    affinity=1.0,
    oligomers=Oligomers(size=6, bond_energy=2.0, affinity=3.0, dissociation_rate=1000.0),
)
BENT = {CYTOSOLIC: 0.185, LUMINAL: -0.185, OLIGOMER: 0.2}
SLIGHTLY = {CYTOSOLIC: 0.03, LUMINAL: -0.03, OLIGOMER: 0.01}


def membrane(grid=BOX, eps=4.5, ceramide=CERAMIDE, cargo=CARGO, coefficients=BENT, **others) -> Membrane:
    """Lo stiffer than Ld; curvature from ceramide and oligomers only."""
    constants = dict(
        bending_rigidity=(85.6, 120.0), spontaneous_curvature=(0.0, 0.0), lipids=LIPIDS, area_modulus=240.0
    )
    return Membrane(
        grid, interface_width=eps, ceramide=ceramide, cargo=cargo, coefficients=coefficients, **(constants | others)
    )


def capped(model: Membrane, radius=33.0, area=4000.0):
    """psi and fields of a sphere with a cap that holds most of everything."""
    grid = model.grid
    psi = initial.profile(initial.sphere(grid, radius), model.interface_width, grid)
    phi = initial.profile(initial.cap(grid, radius, area), 4.5, grid)
    ld, lo = (0.05, 0.04, 0.03, 0.01), (0.2, 0.06, 0.06, 0.3)
    return psi, jnp.stack([phi, *(a + 0.5 * (b - a) * (1 + phi) for a, b in zip(ld, lo, strict=True))])


def ripples(grid):
    """Two smooth fields without symmetry."""
    z, y, x = (2 * np.pi * p / length for p, length in zip(grid.points, grid.extent, strict=True))
    return jnp.asarray(np.sin(2 * x + y) + np.cos(z) * np.cos(3 * y)), jnp.asarray(np.cos(x + y) * np.cos(2 * z))


def content(model, state):
    """int W X of every species at the relaxed area."""
    near = surface.derivatives(state.psi, model.grid)
    return np.asarray(model.relaxed_content(near, tuple(state.fields), state.conserved).sum(1))


def quotient(energy, step):
    """Derivative at zero by a difference quotient of fourth order."""
    return (8 * (energy(step) - energy(-step)) - energy(2 * step) + energy(-2 * step)) / (12 * step)


@pytest.mark.fast_compilation
@pytest.mark.parametrize("vesicles", [1, 2])
def test_shape_derivative_is_that_of_the_free_energy(vesicles):
    """dF/dpsi with five species, each corrected so that it is kept, against difference quotients: 1e-7."""
    model = membrane()
    psi, fields = capped(model)
    labels = np.broadcast_to(BOX.points[0] > 60.0, BOX.shape) if vesicles == 2 else None
    conserved = model.conserved(psi, fields, labels, vesicles)
    conserved = eqx.tree_at(lambda b: (b.area, b.content), conserved, (0.97 * conserved.area, 1.02 * conserved.content))
    near = surface.derivatives(psi, BOX)
    first, second = ripples(BOX)
    fields = eqx.filter_jit(model.corrected)(near, fields.at[1:].multiply(1 + 0.1 * second), conserved)
    value, force, settled = eqx.filter_jit(model.shape_derivative)(near, fields, conserved)
    free_energy = eqx.filter_jit(model.free_energy)
    assert float(value) == pytest.approx(float(free_energy(psi, fields, conserved)), rel=1e-12)
    assert np.allclose(jnp.stack(settled), fields, atol=1e-12)
    ripple = (1 - psi**2) * first
    found = float(jnp.vdot(force, ripple)) * BOX.cell_volume
    assert quotient(lambda s: float(free_energy(psi + s * ripple, fields, conserved)), 1e-4) == pytest.approx(
        found, rel=1e-7
    )


@pytest.mark.fast_compilation
def test_chemical_potentials_are_those_of_the_free_energy():
    """W mu per volume of every species against difference quotients of the energy at fixed psi: 1e-7."""
    model = membrane()
    psi, fields = capped(model)
    near, conserved = surface.derivatives(psi, BOX), model.conserved(psi, fields)
    ripple, _ = ripples(BOX)
    fields = fields.at[0].multiply(0.9)
    potential = eqx.filter_jit(model.chemical_potential)
    for i, name in enumerate(model.species):
        mu = potential(near, fields, conserved, name)
        along = lambda s, i=i: float(energy(model, near, fields.at[i].add(s * ripple), conserved))
        found = float(jnp.vdot(mu * model.weight(near), ripple)) * BOX.cell_volume
        assert quotient(along, 2e-4) == pytest.approx(found, rel=1e-7), name


@pytest.mark.fast_compilation
def test_every_species_is_kept_on_a_membrane_that_moves():
    """On another psi the corrected fields have the content that each membrane keeps of each species, times its strain,
    to rounding. Fractions stay between 0 and 1, even where a species is rare."""
    model = membrane()
    psi, fields = capped(model)
    fields = fields.at[3].set(jnp.where(fields[0] > 0, 1e-5, 0.0))
    labels = np.broadcast_to(BOX.points[0] > 60.0, BOX.shape)
    conserved = model.conserved(psi, fields, labels, 2)
    moved = surface.derivatives(initial.profile(initial.sphere(BOX, 33.8, (46.0, 52.5, 56.0)), 4.5, BOX), BOX)
    settled = model.corrected(moved, fields, conserved)
    kept = model.conserved(moved.value, settled, labels, 2)
    strained = np.asarray(conserved.content * kept.area / conserved.area)
    assert np.asarray(kept.content) == pytest.approx(strained, rel=1e-12)
    assert float(jnp.max(jnp.abs(settled[1] - fields[1]))) > 1e-4
    assert float(jnp.min(settled[1:])) > -1e-5
    assert float(jnp.max(settled[1:])) < 1


def test_only_asymmetric_ceramide_bends():
    """c0 = sum_i C_i X_i: as much ceramide in both leaflets bends nothing; in the luminal one the other way."""
    model = membrane()
    psi, fields = capped(model)
    near = surface.derivatives(psi, BOX)
    fields = fields.at[4].set(0.0)
    even = fields.at[1:3].set(0.2)
    bare = membrane(ceramide=None, cargo=None, coefficients={})
    assert np.allclose(model.bending_density(near, even), bare.bending_density(near, fields[:1]), rtol=1e-12)
    one, other = fields.at[2].set(0.0), fields.at[2].set(fields[1]).at[1].set(0.0)
    assert np.allclose(model.preferred_curvature(one), 0.185 * fields[1])
    assert np.allclose(model.preferred_curvature(other), -model.preferred_curvature(one))


def sphere(model_of, spacing=3.0, eps=4.5, radius=40.0):
    """(model, psi with derivatives, cosine with an oblique axis) in a box without symmetry."""
    n = int(124 / spacing)
    shape = (n, n + 1, n + 2)
    grid = Grid(shape, tuple(spacing * m for m in shape), "float64")
    centre = (60.3, 61.1, 62.4)
    psi = surface.derivatives(initial.profile(initial.sphere(grid, radius, centre), eps, grid), grid)
    z, y, x = initial.centred(grid, centre)
    return model_of(grid, eps), psi, jnp.asarray((0.6 * x + 0.64 * y + 0.48 * z) / np.sqrt(x**2 + y**2 + z**2))


@pytest.mark.fast_compilation
def test_what_is_dilute_diffuses_as_on_the_sphere():
    """Harmonics l = 1, 2, 3 of a dilute species decay with D l(l+1)/R^2: 1.5 % at eps = R/9, D that of the phase."""
    model, psi, cosine = sphere(lambda grid, eps: membrane(grid, eps, cargo=None, coefficients={}))
    transport = Transport(
        {"phi": (1e6, 1e6), CYTOSOLIC: (2e6, 0.4e6), LUMINAL: (1e6, 1e6)}, tolerance=1e-8, iterations=300
    )
    dt = jnp.asarray(2e-6)
    for degree, phase, diffusion in ((1, -1.0, 2e6), (2, -1.0, 2e6), (3, 1.0, 0.4e6)):
        harmonic = jnp.asarray(eval_legendre(degree, cosine))
        fields = model.composed(jnp.full(model.grid.shape, phase), {CYTOSOLIC: 1e-3, LUMINAL: 1e-3})
        fields = fields.at[1].add(1e-4 * harmonic)
        conserved = model.conserved(psi.value, fields)
        step = lambda f, conserved=conserved: stepped(transport, model, psi, f, conserved, dt)
        amplitude = lambda f, h=harmonic: float(jnp.vdot(h, model.weight(psi) * (f[1] - 1e-3)))
        for _ in range(4):
            fields = step(fields)
        before, after = amplitude(fields), amplitude(step(fields))
        # One implicit step divides by 1 + rate dt.
        rate = (before / after - 1) / dt
        assert rate == pytest.approx(diffusion * degree * (degree + 1) / 40.0**2, rel=0.015), degree


def test_transport_comes_to_equilibrium():
    """From an even start, with curvature and with both ceramide and cargo: F falls at every step, and contents are
    kept to rounding. In the end every mu is the same all over the membrane. Ceramide is partitioned by more than
    exp(2 chi), because it fits the curvature of neither phase."""
    model = membrane(coefficients=SLIGHTLY)
    psi, fields = capped(model)
    near = surface.derivatives(psi, BOX)
    fields = model.composed(fields[0], {CYTOSOLIC: 0.08, LUMINAL: 0.08, MONOMER: 0.03, OLIGOMER: 0.05})
    conserved = model.conserved(psi, fields)
    transport = Transport(1e6, tolerance=1e-4, iterations=200)
    first, before = np.asarray(conserved.content), float(energy(model, near, fields, conserved))
    for dt in [*[1e-6] * 3, *[1e-5] * 5, *[1e-4] * 40]:
        fields = stepped(transport, model, near, fields, conserved, jnp.asarray(dt))
        after = float(energy(model, near, fields, conserved))
        assert after < before, dt
        before = after
    content = model.relaxed_content(near, list(fields), conserved)
    assert np.asarray(content) == pytest.approx(first, rel=1e-11)
    on = np.asarray(near.value) ** 2 < 0.8
    potential = eqx.filter_jit(model.chemical_potential)
    for name in model.species[1:]:
        mu = np.asarray(potential(near, fields, conserved, name))[on]
        assert np.std(mu) < 0.01 * KT / 10.0, name
    lo, ld = (np.asarray(fields[2])[on & (np.asarray(fields[0]) * s > 0.95)].mean() for s in (1, -1))
    # The luminal leaflet's ceramide gains kappa C (2H - c0), too: both phases are spheres of one radius.
    ratio = lo / (1 - lo) * (1 - ld) / ld
    assert ratio > 1.5


@pytest.mark.fast_compilation
def test_diffusion_differs_between_the_phases():
    """A sphere half Lo, half Ld with D five times smaller: the slowest decay of a dilute species is that of the exact
    problem (1/sin) d(sin D dc/d theta) = -rate R^2 c, found on a fine line: 2 %."""
    model, psi, cosine = sphere(
        lambda grid, eps: membrane(grid, eps, Ceramide(thermal_energy=KT, patch_area=10.0, affinity=0.0), None, {})
    )
    theta = np.arccos(np.clip(np.asarray(cosine), -1, 1))
    xi = 4.5
    wall = lambda angle: np.tanh(40.0 * (np.pi / 2 - angle) / (2**0.5 * xi))
    phi = jnp.asarray(wall(theta))
    ld, lo = 2e6, 0.4e6
    order = lambda phi: 0.5 * phi * (3 - phi**2)
    n = 2000
    edge = np.pi * np.arange(n + 1) / n
    middle = 0.5 * (edge[1:] + edge[:-1])
    conductance = np.sin(edge) * (ld + 0.5 * (lo - ld) * (1 + order(wall(edge)))) / (np.pi / n) ** 2
    root = 1 / np.sqrt(np.sin(middle))
    values = eigh_tridiagonal(
        (conductance[1:] + conductance[:-1]) * root**2, -conductance[1:-1] * root[1:] * root[:-1], eigvals_only=True
    )
    exact = values[1] / 40.0**2
    transport = Transport({"phi": (0.0, 0.0), CYTOSOLIC: (ld, lo), LUMINAL: (0.0, 0.0)}, tolerance=1e-8, iterations=400)
    fields = model.composed(phi, {CYTOSOLIC: 1e-3, LUMINAL: 1e-3}).at[1].add(1e-4 * cosine)
    conserved = model.conserved(psi.value, fields)
    dt, weight = 1e-4, model.weight(psi)
    # What is large is given, for the compiler computes with what is enclosed.
    change = eqx.filter_jit(lambda *large: transport._dissolved(model, *large, CYTOSOLIC, dt))
    c = fields[1]
    amplitude = lambda c: float(jnp.sqrt(jnp.sum(weight * (c - 1e-3) ** 2)))
    for _ in range(12):
        before, c = c, c + change(psi, tuple(fields.at[1].set(c)), conserved, weight)
    assert (amplitude(before) / amplitude(c) - 1) / dt == pytest.approx(exact, rel=0.02)


@pytest.mark.fast_compilation
def test_oligomers_come_to_detailed_balance():
    """Reactions alone: un = u1^n exp[(n-1)(1+eps) + (chi_n - n chi_1) p + curvature] at every point in the end; total
    cargo of every vesicle kept to rounding, in the fields and in the contents kept; F falls."""
    model = membrane(ceramide=None, coefficients={OLIGOMER: 0.01})
    psi, fields = capped(model)
    fields = fields[jnp.asarray([0, 3, 4])]
    near = surface.derivatives(psi, BOX)
    labels = np.broadcast_to(BOX.points[0] > 60.0, BOX.shape)
    conserved = model.conserved(psi, fields, labels, 2)
    total = np.asarray(conserved.content[1] + conserved.content[2])
    step = eqx.filter_jit(reacted)
    before = float(energy(model, near, fields, conserved))
    for dt in [*[1e-5] * 5, *[1e-3] * 100]:
        fields, conserved = step(model, near, fields, conserved, jnp.asarray(dt))
        after = float(energy(model, near, fields, conserved))
        assert after <= before + 1e-9 * abs(before)
        before = after
    assert np.asarray(conserved.content[1] + conserved.content[2]) == pytest.approx(total, rel=1e-12)
    held = model.relaxed_content(near, list(fields), conserved)
    assert np.asarray(held) == pytest.approx(np.asarray(conserved.content), rel=1e-10)
    excess = surface.curvature(near, 4.5) - 0.01 * fields[2] * (1 - psi**2) / 2**0.5
    gain = surface.SCALE / 4.5 * model.mixed((85.6, 120.0), fields[0]) * excess * (1 - psi**2) / 2**0.5 * 0.01
    curvature = 6 * 10.0 / KT * np.asarray(gain / model.weight(near))
    order = 0.5 * np.asarray(fields[0] * (3 - fields[0] ** 2))
    exact = 6 * np.log(np.asarray(fields[1])) + 5 * (1 + 2.0) + (3.0 - 6 * 1.0) * order + curvature
    on = (np.asarray(psi) ** 2 < 0.9) & (np.asarray(fields[1:]).min(0) > 1e-3)
    assert on.sum() > 1000
    assert np.log(np.asarray(fields[2]))[on] == pytest.approx(exact[on], abs=1e-6)


def test_ceramide_is_made_moved_and_removed():
    """Flip-flop keeps the sum of both leaflets; turnover removes k_d dt of it; the enzyme makes it on its own leaflet,
    in Lo only; the contents kept follow the fields."""
    active = Ceramide(thermal_energy=KT, patch_area=10.0, affinity=0.5, flip_flop_rate=100.0)
    for ceramide in (active, eqx.tree_at(lambda c: c.turnover_rate, active, 50.0)):
        model = membrane(ceramide=ceramide, cargo=None, coefficients={})
        psi, fields = capped(model)
        fields, near = fields[:3], surface.derivatives(psi, BOX)
        conserved = model.conserved(psi, fields)
        after, kept = reacted(model, near, fields, conserved, 1e-4)
        share = 1 - ceramide.turnover_rate * 1e-4
        assert float(kept.content[1:].sum()) == pytest.approx(share * float(conserved.content[1:].sum()), rel=1e-12)
        assert np.asarray(model.relaxed_content(near, list(after), conserved)) == pytest.approx(
            np.asarray(kept.content)
        )
        assert float(kept.content[1, 0]) < float(conserved.content[1, 0])
    made = membrane(
        ceramide=Ceramide(thermal_energy=KT, patch_area=10.0, affinity=0.5, synthesis_rate=10.0, saturation=0.3),
        cargo=None,
        coefficients={},
    )
    change = reacted(made, near, fields, conserved, 1e-4)[0] - fields
    assert np.allclose(change[2], 0)
    lo, ld = (np.asarray(fields[0]) * s > 0.999 for s in (1, -1))
    assert np.asarray(change[1])[lo] == pytest.approx(10.0 * 1e-4 * (0.3 - np.asarray(fields[1])[lo]), rel=1e-3)
    assert np.abs(np.asarray(change[1])[ld]).max() < 1e-8


@pytest.mark.fast_compilation
@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
def test_every_step_lowers_the_energy_and_keeps_every_species(dtype):
    """40 trials, with transport and reactions after every ten: F falls with each step taken; what does not react is
    kept to rounding, ceramide and all cargo together."""
    grid = Grid(BOX.shape, BOX.extent, dtype)
    model = membrane(grid, area_modulus=1000.0)
    psi, fields = capped(model)
    state = VesicleState.at_rest(model, psi, fields, model.conserved(psi, fields))
    first = content(model, state)
    relaxation, transport, taken = Relaxation(14.0), Transport(1e6), 0
    for n in range(40):
        state, report = relaxation.run(model, state, jnp.asarray(1))
        assert (float(report.energy) < float(report.first_energy)) == bool(report.taken)
        taken += int(report.taken)
        if n % 10 == 9:
            state = transported(model, transport, state, jnp.asarray(1e-6, grid.dtype))
    assert taken > 25
    found, rounding = content(model, state), 1e-11 if dtype == "float64" else 1e-5
    assert found[:3] == pytest.approx(first[:3], rel=rounding)
    assert found[3:].sum() == pytest.approx(first[3:].sum(), rel=rounding)
    assert np.abs(found[3] / first[3] - 1) > 1e-4
    (whole,) = describe(model, state, find_topology(state.psi, grid, 4.5))
    assert set(whole.fractions) == {CYTOSOLIC, LUMINAL, MONOMER, OLIGOMER}
    delta = np.asarray(surface.delta(surface.derivatives(state.psi, grid), 4.5))
    for i, name in enumerate(model.species[1:], 1):
        mean = np.sum(delta * np.asarray(state.fields[i])) / np.sum(delta)
        assert whole.content[name] == pytest.approx(mean * whole.area, rel=1e-4)


def test_wrong_species_are_refused():
    """A coefficient of what is not there, fields or fractions that do not match, a diffusion coefficient left out."""
    with pytest.raises(ValueError, match="beside phi there is"):
        membrane(cargo=None)
    model = membrane()
    psi, fields = capped(model)
    with pytest.raises(ValueError, match=r"1 field\(s\) given, but the species"):
        model.conserved(psi, fields[0])
    with pytest.raises(ValueError, match="fractions name"):
        model.composed(fields[0], {CYTOSOLIC: 0.1})
    with pytest.raises(ValueError, match="no diffusion coefficient for 'phi'"):
        Transport({CYTOSOLIC: (1.0, 1.0)}).coefficient("phi")


@pytest.mark.fast_compilation
@pytest.mark.parametrize("precision", [pytest.param("float64", marks=pytest.mark.slow), "float32"])
def test_transport_keeps_fractions_between_close_membranes(precision):
    """An ILV 10 nm below the limiting membrane, where W has a saddle between them and the curvature is extreme. Over
    six steps with D that differs between the phases, ceramide stays between 0 and 1 everywhere in the box, phi
    within its wells, and int W X is kept. (Conservation alone does not show this: the residual of a solver over W is
    conserved, too.)"""
    grid = Grid((40, 36, 42), (140.0, 126.0, 147.0), precision)
    coefficients = {CYTOSOLIC: 0.185, LUMINAL: -0.185}
    model = membrane(
        grid, ceramide=Ceramide(thermal_energy=KT, patch_area=10.0, affinity=2.0), cargo=None, coefficients=coefficients
    )
    z, y, x = initial.centred(grid)
    ilv = np.sqrt((z - 17.0) ** 2 + y**2 + x**2) - 18.0
    psi = initial.profile(np.minimum(initial.sphere(grid, 45.0), ilv), 4.5, grid)
    phi = initial.profile(initial.cap(grid, 45.0, 8000.0), 4.5, grid)
    fields = jnp.stack([phi, 0.05 + 0.25 * (1 + phi), 0.03 + 0 * phi])
    conserved, near = model.conserved(psi, fields), surface.derivatives(psi, grid)
    transport = Transport(dict.fromkeys(model.species, (1e6, 3e5)))
    step = lambda fields: stepped(transport, model, near, fields, conserved, jnp.asarray(4e-6, grid.dtype))
    before = np.asarray(conserved.content)
    for _ in range(6):
        fields = step(fields)
        assert 0 < float(fields[1:].min())
        assert float(fields[1:].max()) < 1
        assert float(jnp.abs(fields[0]).max()) < 1.5
    after = np.asarray(model.conserved(psi, fields).content)
    np.testing.assert_allclose(after, before, rtol=1e-12 if precision == "float64" else 1e-5)
