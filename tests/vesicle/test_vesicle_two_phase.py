"""Vesicles of two phases beyond closed forms: necks off the boundary, and a domain that pinches off."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.fft import next_fast_len

from membrane.energy import Lipids
from membrane.lattice.grid import Grid
from membrane.vesicle import FissionEvent, Membrane, Relaxation, Transport, VesicleState, evolve, initial

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scripts():
    """(figure_baumgart, vesicle_against_bud)."""
    folder = str(Path(__file__).parents[2] / "scripts")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        import figure_baumgart
        import vesicle_against_bud

        yield figure_baumgart, vesicle_against_bud
    for name in ("figure_baumgart", "vesicle_against_bud"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("number", [0, 1])
def test_where_the_neck_is(scripts, number):
    """Two necked vesicles of Baumgart et al. 2005 at eps = R/10. With kappa_G,Ld - kappa_G,Lo = 3.6 kappa_Ld the neck
    lies more than 0.1 R off the boundary, in Ld, with equal kappa_G within 0.05 R of it; both to 0.06 R of the exact
    axisymmetric distance, energies to 3.5 %."""
    script, _ = scripts
    for contrast in (0.0, script.CONTRAST):
        case = script.Case(*script.CASES[number], contrast)
        ideal = script.exact(case)
        membrane, state = script.vesicle(case, 10.0)
        found = script.measured(membrane, script.relaxed(membrane, state, 1500)[0])
        assert (found.offset > 0.1) == (contrast > 0)
        assert contrast > 0 or abs(found.offset) < 0.05
        assert found.offset == pytest.approx(ideal.offset, abs=0.06)
        assert found.energy == pytest.approx(ideal.energy, rel=0.035)
        assert script.apart(found, ideal) < 0.04


def test_a_vesicle_with_a_small_cap_has_no_neck(scripts):
    """(0.98, 0.89): neither in three dimensions nor in the exact shape does it narrow; outlines within 0.015 R."""
    script, _ = scripts
    case = script.Case(*script.CASES[2], script.CONTRAST)
    ideal = script.exact(case)
    membrane, state = script.vesicle(case, 10.0)
    found = script.measured(membrane, script.relaxed(membrane, state, 1000)[0])
    assert np.isnan(ideal.neck)
    assert np.isnan(found.neck)
    assert found.energy == pytest.approx(ideal.energy, rel=0.03)
    assert script.apart(found, ideal) < 0.015


@pytest.mark.parametrize("number", [0, 1, 2])
def test_buds_converge_to_the_exact_ones(scripts, number):
    """One kappa, three points of (lambda, c0), all from one shape that is none of theirs, eps = R/9 and R/13. Errors
    of energy, rim and neck fall as eps does or faster, that of the contact angle, too, where c0 is not zero, else it
    falls or is none (1e-3). Extrapolated: energy to 0.3 %, angle to 0.005, rim and neck to 0.003 R."""
    _, script = scripts
    fineness = (9.0, 13.0)
    pairs = [pair for _, _, pair, _, _ in script.compared([script.POINTS[number]], fineness)]
    coarse, fine = (np.abs(pair[0] - pair[1]) for pair in pairs)
    assert np.all(fine[[0, 2, 3]] < 9 / 13 * coarse[[0, 2, 3]])
    assert fine[1] < max(coarse[1], 1e-3)
    assert script.POINTS[number][1] == 0 or fine[1] < 9 / 13 * coarse[1]
    left = np.abs(script.extrapolated(fineness, pairs))
    assert np.all(left < [0.003 * pairs[0][1][0], 0.005, 0.003, 0.003])


def test_one_measure_for_both(scripts):
    """A phase field made from the exact meridian is measured as that itself: angle to 2e-3, rim and neck to 3e-4 R; and
    the exact meridian's rim and neck are what the solver says."""
    _, script = scripts
    (state,) = script.exact([script.BEGIN])
    line = script.meridian(state)
    found, ideal = script.follow(*script.vesicle(script.POINTS[0], line, 9.0)).measured(), line.measured()
    assert np.allclose(found, ideal, rtol=0, atol=[2e-3, 3e-4, 3e-4])
    told = np.array([1 / np.cosh(float(state.x)), script.bud.waist(state, script.RESOLUTION).radius])
    assert np.allclose(ideal[1:], told / float(state.radius), rtol=0, atol=1e-4)
    assert ideal[0] == pytest.approx(float(state.contact_angle(script.RESOLUTION)), abs=2e-3)


def parted(curvature: float, most: int):
    """(share of the whole area, vesicle) of what leaves a nearly spherical vesicle (reduced volume 0.98 at the start,
    then free) with a domain of 6.7 % of its area, c0 L = ``curvature``, within ``most`` steps; None: nothing does."""
    share, kappa, size, eps = 0.067, 20.0, 54.0, 5.4
    radius = size / (2 * share**0.5)
    area, axes = 4 * np.pi * radius**2, initial.spheroid_axes(4 * np.pi * radius**2, 0.98, prolate=False)
    spacing = eps / 1.286
    shape = tuple(next_fast_len(int(np.ceil((2 * a + 10 * eps) / spacing)), True) for a in (*axes, axes[1]))
    grid = Grid(shape, tuple(spacing * n for n in shape), "float32")
    membrane = Membrane(
        grid,
        interface_width=eps,
        bending_rigidity=(kappa, 5 * kappa),
        spontaneous_curvature=(0.0, curvature / size),
        lipids=Lipids.from_wall(line_tension=30 * kappa / radius, interface_width=eps),
        area_modulus=500.0,
        gaussian_rigidity=(0.0, -3.6 * kappa),
    )
    psi = initial.profile(initial.spheroid(grid, *axes), eps, grid)
    phi = initial.profile(initial.spheroid_cap(grid, *axes, share * area), eps, grid)
    state = VesicleState.at_rest(membrane, psi, phi, membrane.conserved(psi, phi))
    relaxation, transport = Relaxation(3 * eps), Transport(1e6)
    rounds = dict(rounds=most // 50, trials=50, dt=4e-6, look_every=1)
    for step in evolve(membrane, relaxation, transport, state, **rounds):
        assert float(step.report.energy) <= float(step.report.first_energy)
        if step.events:
            (event,) = step.events
            assert isinstance(event, FissionEvent)
            return event.daughter.area / area, event.daughter
    return None


def test_a_domain_of_seven_per_cent_pinches_off():
    """kappa 1 and 5, lambda 30 kappa_Ld/R, contrast 3.6, c0 = 2/L in the domain: one vesicle leaves into the lumen with
    6.7 % of the area, to a tenth (a rim of Ld goes along), at eps = L/10."""
    share, vesicle = parted(2.0, 600)
    assert share == pytest.approx(0.067, rel=0.1)
    assert vesicle.is_ilv
    assert vesicle.lo_fraction > 0.9
    assert vesicle.diameter_from_volume == pytest.approx(vesicle.diameter, rel=0.01)


def test_without_spontaneous_curvature_it_stays():
    """The exact dimple then stands behind a barrier of 2.6 kappa_Lo: nothing has left when with c0 it has."""
    assert parted(0.0, 300) is None
