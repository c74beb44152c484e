"""The bud law of a run: its resolution, the domains that it does not solve, and what it makes of a path."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.integrate import cumulative_trapezoid

from membrane.bud import exact as bud
from membrane.bud.exact_law import ExactLaw
from membrane.bud.landscape import Domain, Gate, Host, highest_climb
from membrane.bud.route import RESOLUTION, PathStates, route, solve_path
from membrane.endosome.budget import Endosome
from membrane.endosome.tension import TensionLaw
from membrane.units import thermal_energy

pytestmark = pytest.mark.fast_compilation

KT = thermal_energy(37.0)
KAPPA_LO, KAPPA_LD = 40 * KT, 20 * KT
GATE = Gate(neck_radius=5.0, thermal_energy=KT)
X = bud.coordinate(RESOLUTION)


def law(**options):
    return ExactLaw(GATE, membrane_viscosity=3e-6, solvent_viscosity=3e-9, **options)


def domains(diameter, curvature, line_tension=1.17):
    values = np.broadcast_arrays(*(np.asarray(v, float) for v in (diameter, curvature, line_tension, KAPPA_LO, 0.0)))
    names = ("spontaneous_curvature", "line_tension", "bending_rigidity", "gaussian_modulus_contrast")
    return Domain(area=np.pi * values[0] ** 2, **dict(zip(names, values[1:], strict=True)))


def host_of(tension, curvature, radius=np.inf):
    """A host of the rigidity of Ld; tension in pN/nm, curvature in 1/nm, radius in nm."""
    return Host(tension=tension, bending_rigidity=KAPPA_LD, spontaneous_curvature=curvature, radius=radius)


FINER = bud.Resolution(inner=18, outer=32, step=0.1, least_rim=0.045, backward=5)


def drawn(count, seed, sizes=(25, 120), curvatures=(0.015, 0.055), tensions=8):
    """``count`` domains of sizes L (nm) and c0 (1/nm), each at several line tensions."""
    rng = np.random.default_rng(seed)
    size, curvature = rng.uniform(*sizes, count), rng.uniform(*curvatures, count)
    return domains(
        np.repeat(size, tensions), np.repeat(curvature, tensions), np.tile(np.linspace(0.8, 3, tensions), count)
    )


def compare(host, given):
    """Hills below 60 kT, beyond which nothing buds in any run: within 0.3 kT of a finer solution's; the same states and
    necks, but for minima less than 0.1 kT deep; rates within a factor 4, for the time of a snap depends on where the
    path is left and met again, and within 1.5 where no state is missing."""
    laws = law(search_limit_kT=np.inf), law(search_limit_kT=np.inf, resolution=FINER)
    (found, exact), answers = zip(
        *((highest_climb(one.landscape(given, host), GATE), one(given, host)) for one in laws), strict=True
    )
    low = np.minimum(found, exact) < 60
    assert ((exact > 0.1) & low).sum() > len(low) / 16
    assert np.max(np.abs(found - exact)[low]) < 0.3
    for name in ("neck_closed", "neck_radius_nm"):
        states = [np.isfinite(getattr(a, name)) & (getattr(a, name) > 0) for a in answers]
        plain = low & (np.maximum(found, exact) > 0.1)
        np.testing.assert_array_equal(states[0][plain], states[1][plain])
    rates = np.stack([a.rate_per_s for a in answers])
    factor = np.abs(np.log(rates[0] / rates[1], where=low & (rates.min(0) > 0), out=np.zeros_like(rates[0])))
    assert factor.max() < np.log(4)
    whole = np.array(
        [not one.above.size for one in map(partial(branches_of, host), given.size, given.spontaneous_curvature)]
    )
    assert whole.mean() > 0.2
    assert factor[whole].max() < np.log(1.5)


def branches_of(host, size, curvature):
    values = curvature * size, host.spontaneous_curvature * size, host.tension * size**2 / KAPPA_LO, 0.5, 0.0
    return solve_path(bud.Problem.of([*map(float, values), -float(size) / host.radius]), FINER)


@pytest.mark.slow
def test_resolution_flat_host():
    compare(host_of(1e-3, 0.008), drawn(6, 1, sizes=(25, 100)))


HOSTS = {
    "ceramide": host_of(1e-3, 0.008, 216.0),
    "rich in ceramide": host_of(1e-3, 0.013, 216.0),
    "small and tense": host_of(2e-2, 0.006, 180.0),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("host", "domains"),
    [
        ("ceramide", drawn(60, 2, sizes=(25, 105))),
        # What ceramide.yaml asks for once c0_out has risen; larger domains are long gone by then.
        ("rich in ceramide", drawn(60, 2, sizes=(30, 50), curvatures=(0.04, 0.057))),
        ("small and tense", drawn(60, 2, sizes=(25, 100))),
    ],
    ids=HOSTS,
)
def test_resolution_spherical_host(host, domains):
    """The host of ceramide.yaml, early in its run and later, and a smaller and tenser one."""
    compare(HOSTS[host], domains)


@pytest.mark.slow
@pytest.mark.parametrize("curvature", [0.03, 0.04, 0.05])
def test_diameter(curvature):
    """The diameter at which the hill falls to 20 kT, 1 %, in the host of ceramide.yaml."""
    host, sizes = host_of(1e-3, 0.011, 216.0), np.arange(30.0, 90.0, 1.5)
    laws = law(), law(resolution=FINER)
    hills = [highest_climb(one.landscape(domains(sizes, curvature), host), GATE) for one in laws]
    first = [int(np.argmax(h < 20)) for h in hills]
    crossed = [np.interp(20, h[[i, i - 1]], sizes[[i, i - 1]]) for h, i in zip(hills, first, strict=True)]
    assert crossed[0] == pytest.approx(crossed[1], rel=0.01)


@pytest.mark.parametrize("host", [host_of(1e-3, 0.008), *HOSTS.values(), host_of(0.2, 0.008, 216.0)])
def test_domains_beyond_the_search_limit_do_not_bud(host):
    """Domains whose gate lies above 80 kT climb at least 0.9 of that when they are solved, and some would, some would
    not be solved."""
    given = drawn(25, 4, sizes=(15, 60), curvatures=(0.01, 0.055), tensions=1)
    left_out = np.isinf(law().landscape(given, host).energy).all(-1)
    hill = highest_climb(law(search_limit_kT=np.inf).landscape(given, host), GATE)
    assert 0 < left_out.sum() < 25 or host.tension > 0.1
    assert np.isfinite(hill[left_out]).sum() >= 5
    # nan: no path at all.
    assert not (hill[left_out] <= 72).any()


def test_open_buds_are_always_solved():
    """A bud keeps its landscape, however far up its gate has come to lie."""
    host = host_of(0.05, 0.008, 216.0)
    domain = domains([60.0, 60.0], 0.02)
    known = replace(domain, open_bud=np.array([False, True]))
    there = np.isfinite(law().landscape(known, host).energy).any(-1)
    np.testing.assert_array_equal(there, [False, True])
    whole = law(search_limit_kT=np.inf)(domain, host)
    assert law()(known, host).barrier_kBT[1] == whole.barrier_kBT[1]


# Against exact barriers ------------------------------------------------------------------------------------------


def hills(size, c0, line_tension, *, rigidity=20 * KT, host, contrast=0.0, **options):
    """The law's answer for domains of these sizes (nm); c0 in 1/nm, line tension in pN, rigidity and contrast in
    pN nm. Options are those of the law."""
    values = np.broadcast_arrays(*(np.asarray(v, float) for v in (size, c0, line_tension, rigidity, contrast)))
    names = ("spontaneous_curvature", "line_tension", "bending_rigidity", "gaussian_modulus_contrast")
    domain = Domain(area=np.pi * values[0] ** 2, **dict(zip(names, values[1:], strict=True)))
    return law(search_limit_kT=np.inf, **options)(domain, host)


@pytest.mark.parametrize("c0", [0.0, 1e-7, -1e-7])
def test_line_tension_alone(c0):
    """The exact barriers of a flat domain without spontaneous curvature (tests/bud/test_exact.py), and none above its
    instability l = 5.783. A trace of curvature decides the side and nothing else."""
    table = {4.5: 1.169, 5.0: 0.429, 5.25: 0.197, 5.5: 0.055, 5.9: 0, 6.5: 0, 8.0: 0, 9.5: 0}
    size = np.array(list(table)) * 20 * KT / 10.0
    found = hills(size, c0, 10.0, host=host_of(0.0, 0.0))
    np.testing.assert_allclose(found.barrier_kBT / 20, list(table.values()), atol=2e-3)
    np.testing.assert_array_equal(found.direction, -1 if c0 < 0 else 1)


def test_line_tension_alone_buds_outward_from_a_sphere():
    """The curvature of the host decides for the domain that has none: away from the lumen."""
    found = hills([46.0, 60.0, 78.0], 0.0, 10.0, host=host_of(1e-3, 0.0, 216.0))
    np.testing.assert_array_equal(found.direction, -1)
    np.testing.assert_array_equal(found.barrier_kBT, 0)


@pytest.mark.parametrize(("c0", "barrier", "close"), [(0.02, 103.5, 0.4), (0.03, 39.0, 0.2), (0.04, 0.9, 0.1)])
def test_a_small_host_bends_the_domain_outward_first(c0, barrier, close):
    """Values of an independent solver to their digits, and to 0.4 % the first (all in kT). R 75 nm, L 54 nm, 5 pN: the
    dimple lies outward, and the bud goes inward over the hill between."""
    found = hills([54.0], c0, 5.0, host=host_of(1e-5, 0.0, 75.0))
    assert found.direction[0] == 1
    assert found.contact_angle_rad[0] < 0
    assert found.barrier_kBT[0] == pytest.approx(barrier, abs=close)


def test_gaussian_contrast_is_resolved():
    """45.36 kT of an independent solver, c = 1, g = -0.5, l = 1.1306: the neck lies off the rim, so that the path is
    solved with more polynomials. The barrier does not depend on the resolution that it begins with."""
    size, kappa = 60.0, 20 * KT
    given = dict(host=Host(tension=0.0, bending_rigidity=kappa), contrast=-0.5 * kappa)
    for resolution in (RESOLUTION, RESOLUTION._replace(inner=24, outer=40)):
        found = hills([size], 1 / size, 1.1306 * kappa / size, resolution=resolution, **given)
        assert found.barrier_kBT[0] == pytest.approx(45.36, abs=0.02)


def test_an_unresolved_path_ends():
    """States of wide necks are kept, narrower ones than asked for as well; beyond the first that is needed and not
    resolved even by the finest, there is none."""
    given = bud.Problem.of([2.0, 0.0, 0.0, 1.0, -1.0, 0.0])
    wide, whole = solve_path(given, least_neck=0.3), solve_path(given)
    assert whole.below.shape[1] < wide.below.shape[1]
    np.testing.assert_allclose(whole.below[:3, :4], wide.below[:3, :4], rtol=1e-3, atol=1e-3)


def synthetic(x, energy, slope, bend):
    """States whose neck is their rim, of drag one."""
    return np.stack([x, energy, slope, bend, -np.log(np.cosh(x)), 0 * x, 0 * x])


def falling(x):
    """G, G', G'' of l* = 2 - x/2, G by quadrature."""
    fine = np.linspace(0, x[-1], 40001)
    pull = lambda x: 2 * np.pi * np.tanh(x) / np.cosh(x)
    alpha, held = 1 / np.cosh(x), 2 - 0.5 * x
    energy = np.interp(x, fine, cumulative_trapezoid(pull(fine) * (2 - 0.5 * fine), fine, initial=0))
    return energy, pull(x) * held, 2 * np.pi * alpha * (2 * alpha**2 - 1) * held - 0.5 * pull(x)


def test_missing_ends_are_continued_at_constant_fall():
    """Beyond the last state l* goes on as a straight line, and the neck as the rim."""
    whole = synthetic(X[X > 0], *falling(X[X > 0]))
    none = np.zeros((7, 0)), np.zeros(0), X
    there, cut = route(PathStates(whole, *none), 0.7), route(PathStates(whole[:, :-6], *none), 0.7)
    np.testing.assert_allclose(cut[:5], there[:5], atol=2e-4)
    # The drag of the way to the last state, as the square of the rim.
    np.testing.assert_allclose(cut[5, -1], -2 * np.log(np.cosh(X[-2]) / np.cosh(X[-7])), rtol=1e-9)


def test_a_snap_leads_to_the_nearest_minimum():
    """Two parabolas, the upper one ending beyond the minimum of the lower: from the end of the first straight down to
    that minimum, then up the second; the time across is that of its own drag."""
    first, second = np.arange(0.1, 1.2, 0.2), np.arange(0.3, 3.8, 0.2)
    curve = lambda x, low, shift: synthetic(x, (x - low) ** 2 + shift, 2 * (x - low), 2 + 0 * x)
    below, above = curve(first, 0.5, 0.0), curve(second, 0.7, -5.0)
    drag = 7.0 + np.arange(len(second))
    x, _, energy, _, _, drags = route(PathStates(below, above, drag, second), 0.0)
    assert np.all(np.diff(x) > 0)
    top, bottom = 0.6**2, -5.0
    at = int(np.argmin(energy))
    np.testing.assert_allclose([energy[at - 3], energy[at]], [top, bottom], atol=1e-9)
    # Before the first state the parabola goes on to x = 0.
    assert energy[0] == pytest.approx(0.5**2)
    assert energy[-1] == pytest.approx(3.0**2 - 5, abs=1e-9)
    across = x[at] - x[at - 3]
    assert drags[at - 1] == pytest.approx(np.log(drag[2] / across**2))
    # Where the second begins farther on and rises, the bud lands on its first state.
    late = above[:, 6:]
    assert route(PathStates(below, late, drag[6:], second), 0.0)[2].min() == pytest.approx(late[1, 0])
    # Where its first state lies higher, but the next one within a step lower, it falls on to that: no hill.
    end = below[1, -1]
    steps = np.array([[below[0, -1] + 0.02, below[0, -1] + 0.19], [end + 0.3, end - 0.1]])
    higher = np.hstack([np.vstack([steps, np.zeros((5, 2))]), curve(np.array([1.4, 3.7]), 5.0, -20.0)])
    energy = route(PathStates(below, higher, np.ones(4), second), 0.0)[2]
    assert np.max(energy[np.argmin(np.abs(energy - end)) + 1 :]) < end


def test_energies_between_states_are_of_fifth_degree():
    """A polynomial of fifth degree in x, given by its states, is met between them; line tension adds 2 pi l alpha.
    Before the first state G is the parabola that has its G, G' and G'' there."""
    wave = np.polynomial.Polynomial([0.3, -1.0, 0.5, 0.2, -0.1, 0.05])
    x = X[X > 0]
    states = synthetic(x, *(wave.deriv(n)(x) for n in range(3)))
    at, alpha, energy, *_ = route(PathStates(states, np.zeros((7, 0)), np.zeros(0), X), 0.8)
    assert len(at) > 5 * len(x)
    np.testing.assert_allclose(alpha, 1 / np.cosh(at), rtol=1e-12)
    before, first = at < x[0], x[0]
    begun = np.polynomial.Polynomial([wave(first), wave.deriv()(first), wave.deriv(2)(first) / 2])
    expected = np.where(before, begun(at - first), wave(at)) + 1.6 * np.pi * alpha
    assert at[0] == 0
    np.testing.assert_allclose(energy, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.slow
def test_an_overhanging_branch_is_followed_to_its_minimum():
    """A domain snaps to an open bud below the rim at which its dimple ended: the hill from there to the gate is seen,
    and does not depend on where the points lie."""
    given = domains([46.7], 0.0514, 0.8)
    found = branches_of(HOSTS["rich in ceramide"], 46.7, 0.0514)
    assert found.above[0, 0] < found.below[0, -1] - 0.1
    hills = [
        highest_climb(law(resolution=r).landscape(given, HOSTS["rich in ceramide"]), GATE)[0]
        for r in (RESOLUTION, FINER)
    ]
    assert hills[0] == pytest.approx(hills[1], abs=0.3)


def tension_law(rest_tension):
    return TensionLaw(
        bending_rigidity=KAPPA_LD,
        thermal_energy=KT,
        area_modulus=240.0,
        shortest_length=5.0,
        rest_tension=rest_tension,
        lysis_tension=7.0,
    )


def test_lower_tension_makes_more_ilvs():
    """The sign that Mercier et al. 2020 found. 200 endosomes have 30 domains each, of 45 +- 8 nm and c0 = 0.045 /nm,
    which have 10 ms to bud and find membrane as long as it lasts. From 1 to 20 to 100 uN/m counts fall by many standard
    errors, and at 1 uN/m they are sub-Poisson, because the reserve ends them."""
    sizes, counts = np.linspace(20.0, 80.0, 25), []
    for tension in (1e-3, 2e-2, 1e-1):
        rng, tensions = np.random.default_rng(8), tension_law(tension)
        rate = law()(domains(sizes, 0.045), host_of(tension, 0.008, 216.0)).rate_per_s
        diameter = np.clip(rng.normal(45.0, 8.0, (200, 30)), 20, 80)
        buds = rng.random((200, 30)) < np.interp(diameter, sizes, -np.expm1(-0.01 * rate))
        made = np.zeros(200)
        for i in range(200):
            endosome = Endosome.open(tensions, 216.0, 0.1)
            for d in diameter[i][buds[i]]:
                if endosome.can_release(np.pi * d**2, d, 1):
                    endosome.release(np.pi * d**2, d, 1)
                    made[i] += 1
        counts.append(made)
    means, errors = np.mean(counts, axis=1), np.std(counts, axis=1) / np.sqrt(200)
    assert np.all(means[:-1] - means[1:] > 5 * errors[:-1])
    assert counts[0].var() < 0.5 * means[0]


def test_no_state_is_no_budding():
    """A path without any state at x > 0 keeps nan, and the law answers: no bud."""
    nothing = np.zeros((7, 0))
    assert np.isnan(route(PathStates(nothing, nothing, np.zeros(0), X), 1.0)).all()
    answer = law()(domains([8.0, 6.0], 0.05), host_of(1e-3, 0.0))
    assert np.isinf(answer.barrier_kBT).all()
    assert (answer.rate_per_s == 0).all()


def test_line_tension_enters_through_the_rim_alone():
    """F at two line tensions differs by 2 pi delta-lambda L alpha, to rounding."""
    host = host_of(1e-3, 0.004)
    one, two = (law().landscape(domains([50.0], 0.05, tension), host) for tension in (1.0, 2.5))
    exists = np.isfinite(one.energy[0])
    assert exists.all()
    rim = 2 * np.pi * 1.5 * 50.0 / np.cosh(one.coordinate[0, exists])
    np.testing.assert_allclose(two.energy[0, exists] - one.energy[0, exists], rim, rtol=1e-9, atol=1e-9)


def test_buds_take_the_side_of_their_curvature():
    """A mirrored problem (curvatures of opposite sign, flat host) has the mirrored answer."""
    there = law()(domains([60.0], 0.03), host_of(1e-3, 0.005))
    back = law()(domains([60.0], -0.03), host_of(1e-3, -0.005))
    assert (there.direction[0], back.direction[0]) == (1, -1)
    assert there.barrier_kBT[0] == back.barrier_kBT[0]
