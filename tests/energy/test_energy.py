"""Chemical potentials against derivations by hand and against the gradient of F (1e-10), chemical equilibria
in closed form."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

from membrane.builder.sheet import build_sheet
from membrane.config import load
from membrane.energy import Cargo, Ceramide, Helfrich, Lipids, Mixture, Oligomers, lo_order
from membrane.energy.mixing import DILUTE, entropy, log_activity, logarithmic_mean, occupied
from membrane.lattice import fft
from membrane.lattice.grid import Grid
from membrane.sheet.plane import Sheet
from membrane.sheet.stepper import Bdf2

pytestmark = pytest.mark.fast_compilation

KT = 4.2821
CYT, LUM, MONOMER, OLIGOMER = "ceramide_cytosolic", "ceramide_luminal", "cargo_monomer", "cargo_oligomer"
SPECIES = ("phi", CYT, LUM, MONOMER, OLIGOMER)
GRID = Grid((18, 25), (61.0, 93.0), "float64")
LIPIDS = Lipids.from_wall(line_tension=0.8, interface_width=5.0)
CERAMIDE = Ceramide(thermal_energy=KT, patch_area=10.0, affinity=0.5)
CARGO = Cargo(
    thermal_energy=KT,
    site_area=12.0,
    affinity=0.7,
    oligomers=Oligomers(size=6, bond_energy=4.5, affinity=1.6, dissociation_rate=40.0),
)
HELFRICH = Helfrich(
    bending_rigidity=25 * KT, tension=0.05, coefficients={CYT: 0.185, LUM: -0.185, OLIGOMER: 0.2}, offset=0.01
)


def five_fields(helfrich: Helfrich | None = HELFRICH, ceramide: Ceramide = CERAMIDE, grid: Grid = GRID) -> Sheet:
    """All species with unequal mobilities in Lo and Ld."""
    means = dict(zip(SPECIES, (-0.4, 0.08, 0.05, 0.06, 0.04), strict=True))
    diffusion = dict.fromkeys(SPECIES, (1000000.0, 300000.0))
    return Sheet(
        grid,
        mixture=Mixture(LIPIDS, ceramide, CARGO),
        diffusion=diffusion,
        mean_fields=means,
        helfrich=helfrich,
    )


def random_fields(seed: int, grid: Grid = GRID):
    """White admissible fields: phi in [-1.2, 1.2], the fractions in [0.01, 0.3]."""
    rng = np.random.default_rng(seed)
    phi = rng.uniform(-1.2, 1.2, grid.shape)
    return jnp.stack([phi, *rng.uniform(0.01, 0.3, (4, *grid.shape))])


def seen(sheet: Sheet, fields):
    """The transforms that rates and potentials are given beside the fields."""
    return fft.forward(sheet.projected(fields))


def distance(got, expected) -> float:
    """Largest deviation relative to the largest value."""
    return float(np.max(np.abs(np.asarray(got) - expected)) / np.max(np.abs(expected)))


def bending_by_hand(helfrich: Helfrich, c0, grid: Grid) -> np.ndarray:
    """The field with the transform kappa sigma/(kappa q^2 + sigma) c0_q, 0 at q = 0; full complex transform of
    numpy."""
    q2 = sum(
        np.meshgrid(
            *[(2 * np.pi * np.fft.fftfreq(n, length / n)) ** 2 for n, length in zip(grid.shape, grid.extent)],
            indexing="ij",
        )
    )
    kappa, sigma = helfrich.bending_rigidity, helfrich.tension
    stiffness = kappa * sigma / (kappa * q2 + sigma)
    stiffness[0, 0] = 0.0
    return np.fft.ifft2(stiffness * np.fft.fft2(np.asarray(c0))).real


def test_local_potentials_are_those_derived_by_hand():
    """b (phi^3 - phi), ln c/(1-c) - chi p, ln u1/u0 - chi_1 p, (ln un + 1)/n - ln u0 - 1 - ...: to 1e-12 of
    the largest."""
    sheet, fields = five_fields(), random_fields(1)
    phi, cyt, lum, u1, un = np.asarray(fields)
    p = np.where(np.abs(phi) < 1, (3 * phi - phi**3) / 2, np.sign(phi))
    slope = np.where(np.abs(phi) < 1, 1.5 * (1 - phi**2), 0.0)
    per_patch, per_site, n, u0 = KT / 10.0, KT / 12.0, 6, 1 - u1 - un
    pull = per_patch * 0.5 * (cyt + lum) + per_site * (0.7 * u1 + 1.6 / n * un)
    expected = {
        "phi": LIPIDS.well * (phi**3 - phi) - pull * slope,
        CYT: per_patch * (np.log(cyt / (1 - cyt)) - 0.5 * p),
        LUM: per_patch * (np.log(lum / (1 - lum)) - 0.5 * p),
        MONOMER: per_site * (np.log(u1 / u0) - 0.7 * p),
        OLIGOMER: per_site * ((np.log(un) + 1) / n - np.log(u0) - 1 - (n - 1) / n * 4.5 - 1.6 / n * p),
    }
    got = sheet.local_potentials(sheet.named(fields))
    for name in SPECIES:
        assert distance(got[name], expected[name]) < 1e-12, name


def test_bending_potential_is_the_relaxed_stiffness_pulled_back_by_each_coefficient():
    """mu_i(with Helfrich) - mu_i(without) = C_i [kappa sigma/(kappa q^2 + sigma)] c0, and exactly 0 for
    species without C_i."""
    fields = random_fields(2)
    bent, flat = five_fields(), five_fields(None)
    with_bending = bent.chemical_potentials(bent.named(fields), seen(bent, fields))
    without = flat.chemical_potentials(flat.named(fields), seen(flat, fields))
    bending = bending_by_hand(HELFRICH, HELFRICH.spontaneous_curvature(bent.named(fields)), GRID)
    for name in SPECIES:
        expected = HELFRICH.coefficients.get(name, 0.0) * bending
        assert np.max(np.abs(with_bending[name] - without[name] - expected)) < 1e-11 * np.max(np.abs(bending)), name
    assert np.max(np.abs(bending)) > 1e-4


@pytest.mark.parametrize("seed", [3, 4])
def test_chemical_potentials_are_the_gradient_of_the_free_energy(seed):
    """mu_i = dF/dX_i per cell area to 1e-10 for all five species on random fields, all terms and the gradient
    energy on."""
    sheet, fields = five_fields(), random_fields(seed)
    mu = sheet.chemical_potentials(sheet.named(fields), seen(sheet, fields))
    gradient = jax.grad(sheet.free_energy)(fields) / GRID.cell_area
    for i, name in enumerate(sheet.species):
        assert distance(mu[name], np.asarray(gradient[i])) < 1e-10, name


def test_gradient_of_the_free_energy_is_its_finite_difference():
    """Directional derivative of F against the extrapolated difference of F to 1e-9: the automatic derivative
    is one of F."""
    sheet, fields = five_fields(), random_fields(5)
    fields = fields.at[0].multiply(0.8)
    direction = jnp.asarray(np.random.default_rng(6).normal(size=fields.shape)) * 1e-2
    central = lambda e: (
        (sheet.free_energy(fields + e * direction) - sheet.free_energy(fields - e * direction)) / (2 * e)
    )
    difference = (4 * central(0.003) - central(0.006)) / 3
    automatic = jnp.sum(jax.grad(sheet.free_energy)(fields) * direction)
    assert float(difference) == pytest.approx(float(automatic), rel=1e-9)


def test_diagonal_rates_are_the_conserved_gradient_flow_of_the_free_energy():
    """One field of constant mobility: rate_q = -M q^2 (dF/dphi)_q to 1e-12 with M = D/(2b)."""
    helfrich = Helfrich(bending_rigidity=25 * KT, tension=0.05, coefficients={"phi": 0.01})
    sheet = Sheet(
        GRID, mixture=Mixture(LIPIDS), diffusion={"phi": (1e6, 1e6)}, mean_fields={"phi": 0.0}, helfrich=helfrich
    )
    assert sheet.is_diagonal
    fields = random_fields(7)[:1]
    rate_hat, advection = sheet.rates(fields, seen(sheet, fields))
    mu_hat = np.fft.rfft2(np.asarray(jax.grad(sheet.free_energy)(fields)[0]) / GRID.cell_area)
    assert distance(rate_hat[0], -1e6 / (2 * LIPIDS.well) * GRID.k2 * mu_hat) < 1e-12
    assert float(advection) == 0.0


def test_order_weight_has_zero_slope_in_both_pure_phases():
    """p(+-1) = +-1, p'(+-1) = 0, p'(0) = 3/2, flat beyond."""
    slope = jax.vmap(jax.grad(lo_order))
    assert np.asarray(lo_order(jnp.array([-2.0, -1.0, 0.0, 1.0, 2.0]))).tolist() == [-1, -1, 0, 1, 1]
    at = jnp.array([-1.5, -1.0, -1 + 1e-7, 0.0, 1 - 1e-7, 1.0, 1.5])
    assert np.asarray(slope(at)) == pytest.approx([0, 0, 0, 1.5, 0, 0, 0], abs=1e-6)


def test_lipids_round_trip_and_the_wall_they_stand_for():
    """from_wall returns lambda and xi to rounding; lambda = integral of sqrt(2 K f) over the wall."""
    for tension, width in ((0.3, 3.0), (1.0, 5.0), (7.0, 12.5)):
        lipids = Lipids.from_wall(line_tension=tension, interface_width=width)
        assert lipids.line_tension == pytest.approx(tension, rel=1e-14)
        assert lipids.interface_width == pytest.approx(width, rel=1e-14)
        phi = jnp.linspace(-1, 1, 4001)
        integral = np.trapezoid(np.sqrt(2 * lipids.gradient * np.asarray(lipids.density({"phi": phi}))), phi)
        assert integral == pytest.approx(tension, rel=1e-6)
    for bad in ({"line_tension": 0.0, "interface_width": 1.0}, {"line_tension": 1.0, "interface_width": -1.0}):
        with pytest.raises(ValueError, match="must be positive"):
            Lipids.from_wall(**bad)


def test_entropy_is_c_ln_c_and_continued_with_two_derivatives_below_dilute():
    """c ln c above DILUTE; value, slope and curvature continuous at it; curvature 1/DILUTE and finite through zero."""
    first, second = jax.grad(entropy), jax.grad(jax.grad(entropy))
    for c in (2e-4, 0.01, 0.3, 0.9, 1.0):
        assert float(entropy(c)) == pytest.approx(c * np.log(c), rel=1e-14, abs=1e-18)
        assert float(first(c)) == pytest.approx(np.log(c) + 1, rel=1e-13, abs=1e-13)
        assert float(second(c)) == pytest.approx(1 / c, rel=1e-12)
    below, above = DILUTE * (1 - 1e-9), DILUTE * (1 + 1e-9)
    for function, tolerance in ((entropy, 1e-8), (first, 1e-8), (second, 1e-8)):
        assert float(function(below)) == pytest.approx(float(function(above)), rel=tolerance)
    for c in (-1e-5, 0.0, 0.3e-4, 0.99e-4):
        assert float(second(c)) == pytest.approx(1 / DILUTE, rel=1e-12)
        # The hand-made derivative is the derivative of the value.
        step = 1e-8
        slope = (float(entropy(c + step)) - float(entropy(c - step))) / (2 * step)
        assert float(first(c)) == pytest.approx(slope, rel=1e-6)
        assert float(first(c)) == pytest.approx(float(log_activity(c)) + 1, rel=1e-14)
        assert float(occupied(c)) * float(second(c)) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_logarithmic_mean_turns_a_difference_of_activities_into_one_of_fractions(dtype):
    """mean (ln a - ln b) = a - b above DILUTE, below it and below 0; between equals it is ``occupied``, with a finite
    gradient."""
    accuracy = {"float64": 1e-5, "float32": 1e-4}[dtype]
    values = [0.3, 0.299, 0.295, 0.29, 0.2, 0.02, 2e-3, 1.1e-4, 0.9e-4, 1e-5, 0.0, -1e-4, -0.02]
    a, b = (np.ravel(v) for v in np.meshgrid(values, values))
    mean = logarithmic_mean(*(jnp.asarray(v, dtype) for v in (a, b, *map(exact_activity, (a, b)))))
    assert mean.dtype == dtype
    np.testing.assert_allclose(mean * (exact_activity(a) - exact_activity(b)), a - b, rtol=accuracy, atol=1e-12)
    least, most = np.minimum(np.maximum(a, DILUTE), np.maximum(b, DILUTE)), np.maximum(np.maximum(a, b), DILUTE)
    assert np.all((mean >= least * (1 - accuracy)) & (mean <= most * (1 + accuracy)))
    equal = a == b
    np.testing.assert_allclose(mean[equal], np.maximum(a, DILUTE)[equal], rtol=1e-6)
    of = lambda c, d: logarithmic_mean(c, d, log_activity(c), log_activity(d))
    # Between equals the slope towards either of them is 1/2.
    assert float(jax.grad(of)(0.2, 0.2)) == pytest.approx(0.5, rel=1e-12)


def exact_activity(c):
    """ln c, below DILUTE continued by its tangent there."""
    return np.where(c > DILUTE, np.log(np.maximum(c, DILUTE)), np.log(DILUTE) + c / DILUTE - 1)


def equilibrium_oligomers(sheet: Sheet, fields):
    """Fixed point un = u1^n exp[(n-1)(1+eps) + (chi_n - n chi_1) p - n (a_1/kT) C_n B], B by numpy alone."""
    n, eps, chi_n, chi_1 = 6, 4.5, 1.6, 0.7
    phi, u1 = np.asarray(fields[0]), np.asarray(fields[3])
    p = np.asarray(lo_order(fields[0]))
    flat = u1**n * np.exp((n - 1) * (1 + eps) + (chi_n - n * chi_1) * p)
    un = flat
    for _ in range(200):
        c0 = HELFRICH.spontaneous_curvature(sheet.named(fields.at[4].set(un)))
        bending = bending_by_hand(HELFRICH, c0, GRID)
        un = flat * np.exp(-n * 12.0 / KT * HELFRICH.coefficients[OLIGOMER] * bending)
    assert phi.shape == un.shape
    return un, flat


def test_reaction_vanishes_at_the_full_equilibrium_and_has_the_right_sign_beside_it():
    """R = 0 to 1e-10 k_off un at the closed-form un, curvature included; n-mers form below it and decay above it."""
    sheet, fields = five_fields(), random_fields(8)
    rng = np.random.default_rng(9)
    fields = fields.at[3].set(rng.uniform(0.003, 0.0055, GRID.shape))
    un, flat = equilibrium_oligomers(sheet, fields)
    # Curvature matters here, all is above the continuation of the logarithm and no site is overfull.
    assert np.max(np.abs(un / flat - 1)) > 1e-3
    fields = fields.at[4].set(un)
    named = sheet.named(fields)
    above = un > DILUTE
    assert above.sum() > 50

    def reaction(factor):
        potentials = sheet.chemical_potentials(named, seen(sheet, fields))
        return CARGO.reaction(named | {OLIGOMER: factor * fields[4]}, potentials_at(factor, potentials))

    def potentials_at(factor, potentials):
        # Curvature held: the local part alone answers to the factor.
        local = sheet.local_potentials(named | {OLIGOMER: factor * fields[4]})
        before = sheet.local_potentials(named)
        return {name: potentials[name] + local[name] - before[name] for name in potentials}

    at_rest = {name: np.asarray(r)[above] for name, r in reaction(1.0).items()}
    assert np.max(np.abs(at_rest[OLIGOMER]) / (40.0 * un[above])) < 1e-10
    assert set(at_rest) == {MONOMER, OLIGOMER}
    fewer, more = reaction(0.9), reaction(1.1)
    high = un > 2 * DILUTE
    assert np.all(np.asarray(fewer[OLIGOMER])[high] > 0)
    assert np.all(np.asarray(more[OLIGOMER])[high] < 0)
    for rates in (fewer, more):
        assert np.array_equal(rates[MONOMER], -rates[OLIGOMER])


def test_reaction_rate_is_mass_action_on_a_flat_membrane():
    """du_n/dt = k_off (u1^n e^g - un) with g = (n-1)(1+eps) + (chi_n - n chi_1) p, to 1e-12; the back rate is
    k_off un."""
    named = {
        "phi": jnp.array([-1.0, 0.2, 1.0]),
        MONOMER: jnp.array([0.01, 0.02, 0.03]),
        OLIGOMER: jnp.array([0.1, 0.02, 0.3]),
    }
    potentials = jax.grad(lambda f: jnp.sum(CARGO.density(f)))(named)
    p = np.asarray(lo_order(named["phi"]))
    gain = 5 * 5.5 + (1.6 - 6 * 0.7) * p
    expected = 40.0 * (np.asarray(named[MONOMER]) ** 6 * np.exp(gain) - np.asarray(named[OLIGOMER]))
    assert distance(CARGO.reaction(named, potentials)[OLIGOMER], expected) < 1e-12


@pytest.mark.parametrize(("cyt", "lum", "sign"), [(0.2, 0.05, 1), (0.05, 0.2, -1), (0.2, 0.2, 0)])
def test_leaflet_of_ceramide_is_the_sign_of_curvature(cyt, lum, sign):
    """A patch of cytosolic ceramide has c0 = +0.185 (c_cyt - c_lum) and dips into the lumen (h < 0), luminal
    the reverse, symmetric none."""
    helfrich = Helfrich(bending_rigidity=25 * KT, tension=0.05, coefficients={CYT: 0.185, LUM: -0.185})
    sheet = five_fields(helfrich)
    y, x = GRID.points
    bump = np.exp(-((y - 30) ** 2 + (x - 45) ** 2) / (2 * 8.0**2))
    fields = random_fields(10).at[1].set(0.05 + (cyt - 0.05) * bump).at[2].set(0.05 + (lum - 0.05) * bump)
    c0 = np.asarray(helfrich.spontaneous_curvature(sheet.named(fields)))
    assert c0 == pytest.approx(0.185 * (cyt - lum) * bump, abs=1e-15)
    centre = np.unravel_index(np.argmax(bump), GRID.shape)
    height = np.asarray(sheet.height(fields))
    assert np.sign(np.round(c0[centre], 15)) == sign
    if sign:
        assert np.sign(height[centre]) == -sign
        assert abs(height[centre]) > 0.1
    else:
        assert np.max(np.abs(height)) < 1e-12


def test_shipped_curvatures_give_the_leaflets_their_signs():
    """|J_cer - J_SM|/2 = 0.185/nm per unit of cytosolic ceramide in the shipped configuration, -0.185 luminal."""
    path = Path(__file__).parents[2] / "configs" / "ceramide.yaml"
    shipped = build_sheet(load(path)).helfrich.coefficients
    assert shipped[CYT] == pytest.approx(0.185)
    assert shipped[LUM] == pytest.approx(-0.185)


@pytest.mark.parametrize("leaflet", [CYT, LUM])
def test_ceramide_runs_into_its_closed_steady_state(leaflet):
    """Uniform Lo: c = k_s c_sat/(k_s + k_d + f k_d/(k_d + f)) with the enzyme, f c/(k_d + f) across; 1e-9
    after a run."""
    synthesis, saturation, turnover, flip = 30.0, 0.4, 12.0, 20.0
    ceramide = Ceramide(
        thermal_energy=KT,
        patch_area=10.0,
        affinity=0.5,
        synthesis_rate=synthesis,
        saturation=saturation,
        turnover_rate=turnover,
        flip_flop_rate=flip,
        enzyme_leaflet=leaflet,
    )
    grid = Grid((9, 12), (30.0, 44.0), "float64")
    means = {"phi": 1.0, CYT: 0.08, LUM: 0.05}
    sheet = Sheet(
        grid,
        mixture=Mixture(LIPIDS, ceramide),
        diffusion=dict.fromkeys(means, (1000000.0, 300000.0)),
        mean_fields=means,
        initial_noise=0.0,
    )
    state, _ = Bdf2(tick_s=1e-3, max_exponent=0, tolerance=1.0).chunk(
        sheet, sheet.initial_state(jax.random.key(0), 1), jnp.asarray(3000, jnp.int32)
    )
    made = synthesis * saturation / (synthesis + turnover + flip * turnover / (turnover + flip))
    crossed = flip * made / (turnover + flip)
    expected = (made, crossed) if leaflet == CYT else (crossed, made)
    for i, value in ((1, expected[0]), (2, expected[1])):
        assert np.asarray(state.fields[i]) == pytest.approx(value, rel=1e-9)
    # The closed form is the root of the rates themselves.
    rates = lambda c, other: synthesis * (saturation - c) - turnover * c - flip * (c - other)
    assert brentq(lambda c: rates(c, flip * c / (turnover + flip)), 0, 1, xtol=1e-14) == pytest.approx(made, rel=1e-10)


def test_enzyme_and_oligomers_refuse_what_they_cannot_be():
    """An unknown leaflet and an n-mer of one are errors that name the remedy."""
    with pytest.raises(ValueError, match="enzyme leaflet"):
        Ceramide(thermal_energy=KT, patch_area=10.0, affinity=0.5, enzyme_leaflet="outer")
    with pytest.raises(ValueError, match="at least 2"):
        Oligomers(size=1, bond_energy=4.5, affinity=1.0, dissociation_rate=40.0)


def test_cargo_without_oligomers_has_no_oligomer_terms():
    """Monomers alone: f a_1/kT = u1 ln u1 + (1-u1) ln(1-u1) - chi_1 u1 p, to rounding."""
    alone = eqx.tree_at(lambda c: c.oligomers, CARGO, None)
    u1, phi = jnp.linspace(0.01, 0.9, 7), jnp.linspace(-1, 1, 7)
    p = np.asarray(lo_order(phi))
    u = np.asarray(u1)
    expected = KT / 12.0 * (u * np.log(u) + (1 - u) * np.log(1 - u) - 0.7 * u * p)
    assert np.asarray(alone.density({"phi": phi, MONOMER: u1})) == pytest.approx(expected, rel=1e-13)
