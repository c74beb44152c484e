"""Random displacements: closed-form variance (3 %), no divergence, kept area (0.5 %) and means, exact
translations, drift of a disc."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import j1

from membrane.energy import Helfrich, Lipids, Mixture
from membrane.lattice import fft
from membrane.lattice.grid import Grid
from membrane.sheet.agitation import ThermalFlow
from membrane.sheet.hydrodynamics import MembraneFlow
from membrane.sheet.noise import FilteredNoise
from membrane.sheet.plane import Sheet
from membrane.sheet.stepper import Bdf2

pytestmark = pytest.mark.fast_compilation

KT = 4.2821
FLOW = MembraneFlow(membrane_viscosity=3e-6, solvent_viscosity=2e-9)
GRID = Grid((54, 60), (216.0, 240.0), "float64")
CUTOFF = 0.1


def agitation(interval: int = 64, grid: Grid = GRID) -> ThermalFlow:
    """Displacements of the shipped kind over ``interval`` us, q < 1/(2 xi) with xi = 5."""
    return ThermalFlow(
        flow=FLOW, noise=FilteredNoise(grid, cutoff=CUTOFF, thermal_energy=KT), interval_ticks=interval, tick_s=1e-6
    )


def disc(radius: float, grid: Grid = GRID) -> np.ndarray:
    """phi of a Lo disc in the middle."""
    y, x = grid.points
    distance = np.hypot(y - grid.extent[0] / 2, x - grid.extent[1] / 2)
    return np.tanh((radius - distance) / (np.sqrt(2) * 5))


def full_modes(grid: Grid = GRID):
    """|q| of all modes 0 < |q| < cutoff of the full transform."""
    ky = 2 * np.pi / grid.extent[0] * np.arange(-20, 21)[:, None]
    kx = 2 * np.pi / grid.extent[1] * np.arange(-20, 21)[None, :]
    q = np.hypot(ky, kx)
    return q[(q > 0) & (q < CUTOFF)]


def many(thermal: ThermalFlow, function, count: int, seed: int):
    """A function of the displacement for many draws."""
    keys = jax.random.split(jax.random.key(seed), count)
    return np.asarray(jax.jit(lambda ks: jax.lax.map(lambda k: function(thermal.displacement(k)), ks))(keys))


def test_displacement_has_the_variance_of_the_mode_sum():
    """<d^2> = (2 kT T/A) sum over q of 1/(eta_m q^2 + eta q), half of it in each direction but for the box; 3 %."""
    thermal = agitation()
    hy, hx = GRID.spacing
    squares = many(thermal, lambda d: jnp.stack([jnp.mean((hy * d[0]) ** 2), jnp.mean((hx * d[1]) ** 2)]), 4000, 1)
    q = full_modes()
    expected = 2 * KT * 64e-6 / GRID.area * np.sum(1 / FLOW.drag(q))
    error = squares.sum(axis=1).std() / np.sqrt(len(squares))
    assert error < 0.01 * expected
    assert abs(squares.sum(axis=1).mean() - expected) < 3 * error
    assert abs(squares.sum(axis=1).mean() / expected - 1) < 0.03
    # The longest waves run along x: they move the membrane along y.
    assert squares[:, 0].mean() > squares[:, 1].mean()


def test_displacement_is_free_of_divergence_and_of_drift():
    """i k . d_q = 0 for every mode to rounding and d_0 = 0: a curl; modes beyond the cutoff are empty."""
    thermal = agitation()
    d = np.asarray(jax.jit(thermal.displacement)(jax.random.key(2)))
    hat = np.fft.rfft2(d)
    ky, kx = GRID.k
    hy, hx = GRID.spacing
    largest = np.abs(hat).max()
    assert np.abs(ky * hy * hat[0] + kx * hx * hat[1]).max() < 1e-12 * CUTOFF * largest * max(hy, hx)
    assert np.abs(hat[:, 0, 0]).max() < 1e-12 * largest
    assert np.abs(hat[:, GRID.k2 >= CUTOFF**2]).max() < 1e-12 * largest


def test_area_of_a_disc_is_kept():
    """Area phi > 0 (and the integral of phi^2) of a disc of R = 60 nm after 20 displacements of 64 us: 0.5 % (2 %)."""
    thermal = agitation()
    step = jax.jit(lambda f, k: thermal.carry(f, thermal.displacement(k)))
    phi = jnp.asarray(disc(60.0))[None]
    area = lambda f: np.mean(np.clip(np.asarray(f[0]) / 0.4, -0.5, 0.5)) + 0.5
    before, square = area(phi), float(jnp.mean(phi**2))
    for key in jax.random.split(jax.random.key(3), 20):
        phi = step(phi, key)
    assert abs(area(phi) / before - 1) < 5e-3
    assert abs(float(jnp.mean(phi**2)) / square - 1) < 2e-2
    # It did move: the fields differ in a good part of the wall.
    assert float(jnp.max(jnp.abs(phi[0] - disc(60.0)))) > 1.0


def test_uniform_translation_by_whole_points_is_exact():
    """d = (2, -3) points everywhere: every field rolled by (2, -3), to rounding."""
    fields = jnp.asarray(np.random.default_rng(4).normal(size=(3, *GRID.shape)))
    shift = jnp.broadcast_to(jnp.array([2.0, -3.0])[:, None, None], (2, *GRID.shape))
    moved = jax.jit(agitation().carry)(fields, shift)
    assert np.max(np.abs(moved - jnp.roll(fields, (2, -3), axis=(1, 2)))) < 1e-13


def test_uniform_translation_by_half_points_is_of_fourth_order():
    """Cubic interpolation: sin(k x) moved by half a point is off by (3/128) (k h)^4 at most, within 15 %."""
    x = np.arange(GRID.shape[1])[None, :] * np.ones(GRID.shape)
    carry = jax.jit(agitation().carry)
    moved = lambda k: carry(jnp.asarray(np.sin(k * x))[None], jnp.full((2, *GRID.shape), 0.5))[0]
    for mode in (2, 4):
        k = 2 * np.pi * mode / GRID.shape[1]
        error = np.max(np.abs(np.asarray(moved(k)) - np.sin(k * (x - 0.5))))
        assert abs(error / (3 / 128 * k**4) - 1) < 0.15


def test_means_are_kept():
    """Means of all fields after a displacement: 1e-14."""
    thermal = agitation()
    fields = jnp.asarray(np.stack([disc(60.0), 0.08 + 0.05 * disc(40.0)]))
    moved = jax.jit(lambda k: thermal.carry(fields, thermal.displacement(k)))(jax.random.key(5))
    assert np.max(np.abs(np.mean(np.asarray(moved - fields), axis=(1, 2)))) < 1e-14


def test_centroid_of_a_disc_diffuses_like_an_inclusion():
    """<d_c^2> = (2 kT T/A) sum over q of [2 J1(qR)/(qR)]^2/(eta_m q^2 + eta q) within 3 sigma of 1500 draws
    (sigma 2.6 %)."""
    thermal, radius = agitation(16), 30.0
    y, x = GRID.points
    phi = jnp.asarray(0.5 * (1 + disc(radius)))
    total = jnp.sum(phi)

    def displaced(d):
        moved = thermal.carry(phi[None], d)[0]
        return jnp.stack([jnp.sum(moved * (y - 108)) / total, jnp.sum(moved * (x - 120)) / total])

    centre = many(thermal, displaced, 1500, 6)
    squares = np.sum(centre**2, axis=1)
    q = full_modes()
    # The wall of finite width: exp(-(q w)^2/2) with w^2 = pi^2 xi^2/6, the variance of sech^2(x/(sqrt2 xi)).
    form = 2 * j1(q * radius) / (q * radius) * (1 - (np.pi * 5 * q) ** 2 / 12)
    expected = 2 * KT * 16e-6 / GRID.area * np.sum(form**2 / FLOW.drag(q))
    error = squares.std() / np.sqrt(len(squares))
    assert error < 0.03 * expected
    assert abs(squares.mean() - expected) < 3 * error


def test_agitation_falls_on_its_ticks_only():
    """Fields move at ticks that the interval divides and stay untouched at others."""
    sheet = membrane_sheet()
    fields = jnp.asarray(disc(60.0))[None]
    hat = fft.forward(sheet.projected(fields))
    agitate = jax.jit(lambda tick: sheet.agitate(fields, hat, jax.random.key(7), tick)[0])
    at = lambda tick: agitate(jnp.asarray(tick, jnp.int32))
    assert np.array_equal(at(5), fields)
    assert float(jnp.max(jnp.abs(at(64) - fields))) > 0.01
    assert np.array_equal(at(64), at(128))


def membrane_sheet() -> Sheet:
    """phi with flow, agitation and a curvature that phi brings, so that the bending force acts."""
    return Sheet(
        GRID,
        mixture=Mixture(Lipids.from_wall(line_tension=1.0, interface_width=5.0)),
        diffusion={"phi": (1e6, 3e5)},
        mean_fields={"phi": -0.4},
        helfrich=Helfrich(bending_rigidity=20 * KT, tension=0.05, coefficients={"phi": 0.02}),
        flow=FLOW,
        noise=FilteredNoise(GRID, cutoff=CUTOFF, thermal_energy=KT),
        thermal_flow=agitation(64),
    )


def test_bending_force_follows_the_displaced_membrane():
    """A chunk of twelve agitated steps is twelve chunks of one, to 1e-9: no transform of the undisplaced
    fields lingers."""
    sheet, stepper = membrane_sheet(), Bdf2(tick_s=1e-6, max_exponent=6, tolerance=1.0)
    start = sheet.state_of(jnp.asarray(disc(60.0))[None], jax.random.key(8), 16)
    count = lambda n: jnp.asarray(n, jnp.int32)
    once, _ = stepper.chunk(sheet, start, count(12))
    steps = start
    for _ in range(12):
        steps, _ = stepper.chunk(sheet, steps, count(1))
    assert np.max(np.abs(np.asarray(once.fields - steps.fields))) < 1e-9
    # The bending force is there to be got wrong.
    force = fft.forward(sheet.projected(start.fields))
    rates = eqx.filter_jit(lambda f: sheet.rates(start.fields, f)[0])
    bent = rates(force) - rates(0 * force)
    assert float(jnp.max(jnp.abs(bent))) > 0
