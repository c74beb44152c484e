"""The membrane moves with the fluid: exact relaxation rates, no drift, volume and energy, one clock with the lipids."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import eval_legendre, spherical_jn

from membrane.energy import Lipids
from membrane.lattice.grid import Grid
from membrane.vesicle import Membrane, StokesFlow, Transport, VesicleState, describe, evolve, initial, surface
from membrane.vesicle.topology import find_topology

RIGIDITY, VISCOSITY, RADIUS, SIDE = 85.6, 1e-9, 32.0, 112.0
LIPIDS = Lipids.from_wall(line_tension=5.0, interface_width=4.5)
CAPILLARY = VISCOSITY * RADIUS**3 / RIGIDITY
"""eta R^3/kappa in seconds."""

pytestmark = pytest.mark.fast_compilation


def exact_rate(degree: int) -> float:
    """Rate of a harmonic of a sphere in the periodic box, in kappa/(eta R^3), without local inextensibility.

    A normal displacement a P_l is resisted by the pressure kappa (l-1) l (l+1) (l+2) a P_l/R^4. The fluid answers a
    normal force P_l delta(r - R) with <f, M f>, whose part across k is j_l(kR)/(kR) dP_l/dtheta. Summed over k it is
    m_l R/eta, with m_l = 2 l (l+1)/((2l-1)(2l+1)(2l+3)) in an infinite box.
    """
    n = 40
    k = np.stack(np.meshgrid(*[2 * np.pi / SIDE * np.arange(-n, n + 1)] * 3, indexing="ij")).reshape(3, -1)
    size = np.linalg.norm(k, axis=0)
    k, size = k[:, size > 0], size[size > 0]
    cosine, x = k[0] / size, size * RADIUS
    slope = np.polynomial.legendre.Legendre.basis(degree).deriv()(cosine) * np.sqrt(1 - cosine**2)
    answer = np.sum((spherical_jn(degree, x) / x * slope / size) ** 2) * 4 * np.pi * RADIUS * (2 * degree + 1) / SIDE**3
    return answer * (degree - 1) * degree * (degree + 1) * (degree + 2)


def found_rate(degree: int, eps: float, duration: float) -> float:
    """The rate of a sphere that is deformed by 0.5 nm, over the second half of ``duration``, in the same unit."""
    n = round(SIDE / (eps / 1.366))
    grid = Grid((n, n, n), (SIDE,) * 3, "float64")
    model = Membrane(
        grid,
        interface_width=eps,
        bending_rigidity=(RIGIDITY, RIGIDITY),
        spontaneous_curvature=(0.0, 0.0),
        lipids=LIPIDS,
        area_modulus=1.0,
    )
    z, y, x = initial.centred(grid)
    r = np.maximum(np.sqrt(z**2 + y**2 + x**2), 1e-9)
    harmonic = eval_legendre(degree, z / r)
    psi, phi = initial.profile(RADIUS + 0.5 * harmonic - r, eps, grid), -jnp.ones(grid.shape)
    start = VesicleState.at_rest(model, psi, phi, model.conserved(psi, phi), 1e-3 * CAPILLARY)
    flow, near = StokesFlow(VISCOSITY), jnp.asarray(harmonic * (np.abs(r - RADIUS) < 4 * eps))
    # As arrays, which are no part of the compiled program: both degrees share one.
    trials, half = jnp.asarray(10**6), jnp.asarray(0.5 * duration * CAPILLARY)
    middle, first = flow.run(model, start, trials, half)
    end, last = flow.run(model, middle, trials, half)
    assert first.complete
    assert last.complete
    return float(jnp.log(jnp.vdot(near, middle.psi) / jnp.vdot(near, end.psi))) / (0.5 * duration)


def test_exact_rates_of_a_large_box():
    """Without the periodic images: m_l = 2 l (l+1)/((2l-1)(2l+1)(2l+3)) by quadrature, 4/35 and 8/105."""
    x = np.linspace(1e-6, 4000, 2_000_001)
    for degree, exact in ((2, 4 / 35), (3, 8 / 105)):
        density = degree * (degree + 1) * (spherical_jn(degree, x) / x) ** 2
        assert 2 / np.pi * np.sum(density) * (x[1] - x[0]) == pytest.approx(exact, rel=1e-6)


def test_a_deformed_sphere_relaxes_at_its_rate():
    """l = 2 and 3 at eps = R/7 to 7 %."""
    assert found_rate(2, 4.5, 0.1) == pytest.approx(exact_rate(2), rel=0.07)
    assert found_rate(3, 4.5, 0.04) == pytest.approx(exact_rate(3), rel=0.07)


@pytest.mark.slow
def test_rates_converge_with_the_interface_width():
    """l = 2 at R/7, R/10 and R/14: within 7, 5 and 4 %, each nearer than the last."""
    errors = [found_rate(2, eps, 0.1) / exact_rate(2) - 1 for eps in (4.5, 3.2, 2.3)]
    assert np.all(np.abs(errors) < (0.07, 0.05, 0.04))
    assert np.all(np.diff(np.abs(errors)) < 0)


def budding(dtype="float64") -> tuple[Membrane, VesicleState]:
    """A sphere whose cap wants to bud, off the centre of a box that is neither cubic nor a power of two."""
    grid = Grid((30, 27, 28), (126.0, 113.4, 117.6), dtype)
    model = Membrane(
        grid,
        interface_width=5.1,
        bending_rigidity=(RIGIDITY, 120.0),
        spontaneous_curvature=(0.0, 0.06),
        lipids=LIPIDS,
        area_modulus=1000.0,
    )
    centre = (60.0, 57.0, 61.0)
    psi = initial.profile(initial.sphere(grid, 35.0, centre), 5.1, grid)
    phi = initial.profile(initial.cap(grid, 35.0, 4000.0, centre), 4.5, grid)
    return model, VesicleState.at_rest(model, psi, phi, model.conserved(psi, phi), 1e-9)


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
def test_energy_falls_and_what_is_enclosed_stays(dtype):
    """50 steps, one by one. F falls, up to 64 units of its rounding error. Without osmosis the volume is kept to
    1e-3 while the shape moves. The area is kept to 2e-3, which is tension over K_A."""
    model, state = budding(dtype)
    flow, first, rounding = StokesFlow(VISCOSITY), state, 128 * np.finfo(dtype).eps
    energies, taken = [], 0
    for _ in range(50):
        state, report = flow.run(model, state, jnp.asarray(1))
        energies.append(float(report.energy))
        assert float(report.energy) <= float(report.first_energy) * (1 + rounding)
        taken += int(report.taken)
    assert taken > 35
    assert energies[-1] < energies[0] - 50
    volume = lambda state: float(surface.volume(state.psi, model.grid))
    area = lambda state: float(model.conserved(state.psi, state.phi).area[0])
    assert volume(state) == pytest.approx(volume(first), rel=1e-3)
    assert area(state) == pytest.approx(area(first), rel=2e-3)
    assert float(jnp.abs(state.psi - first.psi).max()) > 0.1


def test_without_force_nothing_moves():
    """A sphere anywhere on the grid, for as long as l = 2 needs to relax: centre and diameter by volume to 0.01 nm, by
    area to 0.05 nm."""
    grid = Grid((27, 26, 28), (113.4, 109.2, 117.6), "float64")
    model = Membrane(
        grid,
        interface_width=5.1,
        bending_rigidity=(RIGIDITY, RIGIDITY),
        spontaneous_curvature=(0.0, 0.0),
        lipids=LIPIDS,
        area_modulus=1000.0,
    )
    centre = (55.3, 57.1, 61.7)
    psi, phi = initial.profile(initial.sphere(grid, 33.0, centre), 5.1, grid), -jnp.ones(grid.shape)
    start = VesicleState.at_rest(model, psi, phi, model.conserved(psi, phi), 1e-9)
    state, report = StokesFlow(VISCOSITY).run(model, start, 10**6, 0.4 * CAPILLARY)
    assert report.complete
    (before,), (after,) = (describe(model, s, find_topology(s.psi, grid, 5.1)) for s in (start, state))
    assert after.centre == pytest.approx(before.centre, abs=0.01)
    assert after.centre == pytest.approx(centre, abs=0.02)
    assert after.diameter == pytest.approx(before.diameter, abs=0.05)
    assert after.diameter_from_volume == pytest.approx(before.diameter_from_volume, abs=0.01)


@pytest.mark.slow
def test_time_is_viscosity():
    """Twice the viscosity takes twice the time to one and the same shape; the lipids' clock is the shape's."""
    model, state = budding()
    shapes = []
    for factor in (1.0, 2.0):
        start = VesicleState.at_rest(model, state.psi, state.fields, state.conserved, 1e-9 * factor)
        flow, dt = StokesFlow(factor * VISCOSITY), 4e-8 * factor
        *_, last = evolve(model, flow, Transport(1e6 / factor), start, rounds=2, dt=dt)
        assert last.time == pytest.approx(2 * dt)
        shapes.append(np.asarray(last.state.psi))
    assert np.abs(shapes[1] - shapes[0]).max() < 1e-9
    assert np.abs(shapes[0] - np.asarray(state.psi)).max() > 0.1


def test_a_shape_that_cannot_move_says_so():
    """A field that is not finite: no step is taken, the round is not complete, evolve raises."""
    model, state = budding()
    broken = VesicleState.at_rest(model, state.psi.at[3, 4, 5].set(jnp.nan), state.fields, state.conserved, 1e-9)
    # With arrays, as evolve gives them: both run one compiled program.
    _, report = StokesFlow(VISCOSITY).round(model, broken, jnp.asarray(10), jnp.asarray(1e-7))
    assert not report.complete
    with pytest.raises(RuntimeError, match="round 1: the shape refuses its shortest step"):
        list(evolve(model, StokesFlow(VISCOSITY), Transport(1e6), broken, rounds=1, dt=1e-7))


@pytest.mark.slow
def test_a_neck_closes_in_the_fluid():
    """An oblate vesicle (200 nm, v = 0.87) with a domain of L = 50 nm on its upper pole, at 1 mPa s: one ILV of D = L
    to 4 % within 8 us, and the lumen keeps its volume to 1e-3 from first to last, without osmosis."""
    eps, spacing = 6.0, 5.0
    polar, equatorial = initial.spheroid_axes(np.pi * 200.0**2, 0.87, prolate=False)
    grid = Grid((38, 62, 62), (38 * spacing, 62 * spacing, 62 * spacing), "float32")
    lipids = Lipids.from_wall(line_tension=8.0, interface_width=eps)
    model = Membrane(
        grid,
        interface_width=eps,
        bending_rigidity=(RIGIDITY, RIGIDITY),
        spontaneous_curvature=(0.0, 0.08),
        lipids=lipids,
        area_modulus=1000.0,
    )
    psi = initial.profile(initial.spheroid(grid, polar, equatorial), eps, grid)
    phi = initial.profile(initial.disc(grid, np.pi * 50.0**2), eps, grid)
    state = VesicleState.at_rest(model, psi, phi, model.conserved(psi, phi), 1e-9)
    lumen, first = [float(surface.volume(psi, grid))], None
    for last in evolve(model, StokesFlow(VISCOSITY), Transport(1e6), state, rounds=16, dt=5e-7, look_every=1):
        lumen.append(float(surface.volume(last.state.psi, grid)))
        if last.events:
            (first,) = last.events
            break
    assert first is not None
    assert first.daughter.is_ilv
    assert first.daughter.diameter == pytest.approx(50.0, rel=0.04)
    assert first.daughter.lo_fraction > 0.9
    assert lumen == pytest.approx([lumen[0]] * len(lumen), rel=1e-3)
