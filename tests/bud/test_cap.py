"""The cap law of one domain: its closed forms (Lipowsky 1992, 1993), its rate and its drag."""

# ruff: noqa: E741
import warnings

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq

from membrane.bud.cap import CapLaw, cap_energy, scaled
from membrane.bud.landscape import Domain, Gate, Host

KT = 4.2821
KAPPA = 20 * KT
LINE_TENSION = 1.0
MEMBRANE_VISCOSITY, SOLVENT_VISCOSITY = 3e-6, 3e-9


def law(neck_radius=1.0):
    return CapLaw(
        Gate(neck_radius=neck_radius, thermal_energy=KT),
        membrane_viscosity=MEMBRANE_VISCOSITY,
        solvent_viscosity=SOLVENT_VISCOSITY,
    )


def domain(size, curvature=0.0, line_tension=LINE_TENSION, kappa=KAPPA, contrast=0.0):
    """Domains of flat radius ``size`` (nm), all other properties alike or arrays of the same shape."""
    size = np.atleast_1d(np.asarray(size, float))
    full = lambda value: np.broadcast_to(np.asarray(value, float), size.shape).copy()
    return Domain(
        area=np.pi * size**2,
        spontaneous_curvature=full(curvature),
        line_tension=full(line_tension),
        bending_rigidity=full(kappa),
        gaussian_modulus_contrast=full(contrast),
    )


def flat_host(tension=0.0, kappa=KAPPA, curvature=0.0):
    return Host(tension=tension, bending_rigidity=kappa, spontaneous_curvature=curvature)


def stationary_states(k, c, l):
    """(y of the dimple, y of the barrier) of the cap, arrays; both 0 where there is no barrier.

    With y = sin t they solve 2 k sin t - 2 c = l tan t. The left side less the right side has its maximum at
    cos^3 t = l/(2k); the dimple lies below it, the barrier above. Both are found by bisection.
    """
    k, c, l = np.broadcast_arrays(*(np.asarray(v, float) for v in (k, c, l)))
    slope = lambda t: 2 * k * np.sin(t) - 2 * c - l * np.tan(t)
    with np.errstate(invalid="ignore", divide="ignore"):
        crest = np.arccos(np.clip(np.where(k > 0, l / (2 * k), 1.0), 0, 1) ** (1 / 3))
    held = (k > 0) & (slope(crest) > 0)
    roots = []
    for lower, upper, rising in ((np.zeros_like(k), crest, True), (crest, np.full_like(k, np.pi / 2), False)):
        for _ in range(60):
            middle = 0.5 * (lower + upper)
            go_up = (slope(middle) < 0) == rising
            lower, upper = np.where(go_up, middle, lower), np.where(go_up, upper, middle)
        roots.append(np.where(held, np.sin(0.5 * (lower + upper)), 0.0))
    return tuple(roots)


def closing_energy(domain, host):
    """Energy of the closed bud (y = 1) less that of the dimple, pN nm."""
    l, c, k = scaled(domain, host)
    dimple = stationary_states(k, c, l)[0]
    return 2 * np.pi * domain.bending_rigidity * (cap_energy(1.0, k, c, l) - cap_energy(dimple, k, c, l))


def brute_energy(y, k, c, l):
    """The energy in other words: bending of a cap, tension times lost area, rim and Gaussian term, over 2 pi kappa."""
    s_and_g = k - 4
    bending = 0.25 * (4 * y - c) ** 2
    return bending + s_and_g * y**2 + l * np.sqrt(1 - y**2)


def test_energy_is_bending_plus_tension_plus_rim():
    """E/(2 pi kappa) = (4y - c)^2/4 + (k - 4) y^2 + l sqrt(1 - y^2): the sphere of curvature 2y/L, with c0 = c/L."""
    y = np.linspace(0, 1, 41)
    for k, c, l in ((4.0, 0.0, 3.0), (5.5, 1.3, 6.0), (3.1, 2.0, 0.2)):
        np.testing.assert_allclose(cap_energy(y, k, c, l), brute_energy(y, k, c, l), rtol=1e-13, atol=1e-13)


def test_flat_and_bud_have_equal_energy_at_four_xi():
    """c0 = sigma = 0: a closed bud costs as much as the flat domain at L = 4 kappa/lambda."""
    xi = KAPPA / LINE_TENSION
    energy = closing_energy(domain([3.99 * xi, 4 * xi, 4.01 * xi]), flat_host())
    assert energy[0] > 0 > energy[2]
    assert energy[1] == pytest.approx(0, abs=1e-9 * 8 * np.pi * KAPPA)


def test_flat_loses_stability_at_eight_xi():
    """c0 = sigma = 0: the barrier is gone at L = 8 kappa/lambda and not before."""
    xi = KAPPA / LINE_TENSION
    barrier = law()(domain([7.99 * xi, 8.001 * xi]), flat_host()).barrier_kBT
    assert barrier[0] > 0
    assert barrier[1] == 0


@pytest.mark.parametrize("ratio", [1.0, 3.0, 4.0, 5.5, 7.0])
def test_barrier_from_flat(ratio):
    """dF = 8 pi kappa (1 - L/8xi)^2, 2 pi kappa at L = 4 xi, at every size below 8 xi."""
    size = ratio * KAPPA / LINE_TENSION
    exact = 8 * np.pi * KAPPA * (1 - ratio / 8) ** 2
    k, c, l = 4.0, 0.0, ratio
    top = stationary_states(k, c, l)[1]
    found = 2 * np.pi * KAPPA * (cap_energy(top, k, c, l) - cap_energy(0.0, k, c, l))
    assert found == pytest.approx(exact, rel=1e-9)
    # 400 points from flat to a neck of 1e-3 nm.
    answer = law(neck_radius=1e-3)(domain(size), flat_host())
    assert answer.barrier_kBT[0] == pytest.approx(exact / KT, rel=1e-3)
    assert answer.diameter_nm[0] == pytest.approx(size)


@pytest.mark.parametrize("fraction", [0.2, 0.9])
def test_equal_energy_under_tension(fraction):
    """L/(4 xi) = 1 + s', s' = sigma L^2/(8 kappa), the smaller root of it being the first size that may bud."""
    tension = fraction * LINE_TENSION**2 / (8 * KAPPA)
    roots = np.sort(np.roots([tension / (8 * KAPPA), -LINE_TENSION / (4 * KAPPA), 1.0]).real)
    energy = closing_energy(domain(roots), flat_host(tension))
    np.testing.assert_allclose(energy, 0, atol=1e-9 * 8 * np.pi * KAPPA)
    sides = domain([0.98 * roots[0], 1.02 * roots[0], 0.98 * roots[1], 1.02 * roots[1]])
    assert np.sign(closing_energy(sides, flat_host(tension))).tolist() == [1, -1, -1, 1]


def test_tension_limit_of_budding():
    """A bud is lower than the flat domain at some size only if sigma < lambda^2/(8 kappa)."""
    limit = LINE_TENSION**2 / (8 * KAPPA)
    sizes = np.linspace(10, 5000, 20001)
    assert closing_energy(domain(sizes), flat_host(0.999 * limit)).min() < 0
    assert closing_energy(domain(sizes), flat_host(1.001 * limit)).min() > 0


def test_tension_limit_of_the_spinodal():
    """The barrier vanishes at some size only if sigma < lambda^2/(32 kappa)."""
    limit = LINE_TENSION**2 / (32 * KAPPA)
    sizes = np.linspace(10, 5000, 20001)
    k = lambda sigma: 4 + 0.5 * sigma * sizes**2 / KAPPA
    held = lambda sigma: stationary_states(k(sigma), np.zeros_like(sizes), LINE_TENSION * sizes / KAPPA)[1] > 0
    assert not held(0.999 * limit).all()
    assert held(1.001 * limit).all()
    assert (law()(domain(sizes[::200]), flat_host(1.001 * limit)).barrier_kBT > 0).all()


@pytest.mark.parametrize("m", [0.0, 0.005, 0.01, 0.02])
def test_equal_energy_with_spontaneous_curvature(m):
    """The closed bud of radius R = L/2 equals the flat domain in energy at 1/R = 2m + lambda/(2 kappa), m = c0/2."""
    size = 2 / (2 * m + LINE_TENSION / (2 * KAPPA))
    c, l = 2 * m * size, LINE_TENSION * size / KAPPA
    assert cap_energy(1.0, 4.0, c, l) == pytest.approx(cap_energy(0.0, 4.0, c, l), rel=1e-12)
    # Radii from this rule at 20 kT and 1 pN.
    table_radius_nm = {0.0: 171, 0.005: 63, 0.01: 39, 0.02: 22}
    assert size / 2 == pytest.approx(table_radius_nm[m], abs=0.6)


@pytest.mark.parametrize(("k", "c"), [(4.0, 0.3), (4.0, 1.5), (4.0, 3.5), (6.2, 1.0), (2.6, 0.8)])
def test_instability_with_curvature(k, c):
    """The dimple disappears at (l/2k)^(2/3) + (c/k)^(2/3) = 1, found here by bisection in l."""
    low, high = 0.0, 4 * k
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if stationary_states(k, c, middle)[1] > 0 else (low, middle)
    assert (low / (2 * k)) ** (2 / 3) + (c / k) ** (2 / 3) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("c0", "contrast"), [(0.004, 0.0), (0.02, 0.0), (0.04, 0.0), (0.01, 0.5 * KAPPA)])
def test_bud_equals_dimple(c0, contrast):
    """The closed bud equals the dimple in energy at l = k (1-y) sqrt(1-y^2), y = (sqrt(1+8c/k)-1)/2, where y is the
    dimple."""
    size, tension = 60.0, 0.002
    k = 4 + 0.5 * tension * size**2 / KAPPA + 2 * contrast / KAPPA
    c = c0 * size
    y = (np.sqrt(1 + 8 * c / k) - 1) / 2
    l = k * (1 - y) * np.sqrt(1 - y**2)
    energy = closing_energy(domain(size, c0, l * KAPPA / size, KAPPA, contrast), flat_host(tension))
    assert energy[0] == pytest.approx(0, abs=1e-9 * 8 * np.pi * KAPPA)
    assert stationary_states(k, c, l)[0] == pytest.approx(y, abs=1e-9)


@pytest.mark.parametrize("c", [0.0, 1.0, 3.0])
def test_energy_of_the_closed_bud(c):
    """pi (4-c)^2/2 + pi s + 4 pi g in units of kappa, and flat 2 pi l + pi c^2/2."""
    s, g, l = 0.7, -0.4, 1.9
    k = 4 + s / 2 + 2 * g
    assert 2 * np.pi * cap_energy(1.0, k, c, l) == pytest.approx(np.pi * (4 - c) ** 2 / 2 + np.pi * s + 4 * np.pi * g)
    assert 2 * np.pi * cap_energy(0.0, k, c, l) == pytest.approx(2 * np.pi * l + np.pi * c**2 / 2)


def test_stationary_states_are_stationary():
    """Dimple: dE/dy = 0 and E'' > 0; barrier: dE/dy = 0 and E'' < 0, by finite differences of the energy."""
    rng = np.random.default_rng(4)
    k, c = rng.uniform(2, 9, 400), rng.uniform(0, 6, 400)
    l = rng.uniform(0, 2, 400) * k
    found = stationary_states(k, c, l)
    held = found[1] > 0
    exists = (l / (2 * k)) ** (2 / 3) + np.minimum(c / k, 9) ** (2 / 3) < 1
    assert np.array_equal(held, exists)
    assert 50 < held.sum() < 350
    for y, sign in ((found[0], 1), (found[1], -1)):
        y, kk, cc, ll = y[held], k[held], c[held], l[held]
        h = 1e-4 * np.minimum(y, 1 - y)
        below, at, above = (brute_energy(y + d, kk, cc, ll) for d in (-h, 0 * h, h))
        curvature = (above - 2 * at + below) / h**2
        # The distance by which the root is missed, Newton's own measure of it.
        assert np.max(np.abs((above - below) / (2 * h) / curvature)) < 1e-5
        assert np.all(sign * curvature > 0)
    assert np.all(found[0][held] < found[1][held])
    assert np.all(found[0][~held] == 0)


def dissipation(y, size):
    """Drag against dy/dt by quadrature: 2 eta_m e:e over the strained cap and the host around it, and the disc's
    Stokes drag.

    A ring of the flat domain at radius r goes to polar angle psi, 2 R sin(psi/2) = r (areas), where its circumference
    is
    2 pi R sin(psi), R = L/(2y): a stretch R sin(psi)/r along, and its inverse across. The host flows in as rho rho'/r.
    """
    h = 1e-6 * (1 - y)

    def log_stretch(r, at):
        radius = size / (2 * at)
        return np.log(radius * np.sin(2 * np.arcsin(r / (2 * radius))) / r)

    strain = lambda r: (log_stretch(r, y + h) - log_stretch(r, y - h)) / (2 * h)
    power = lambda e: 2 * MEMBRANE_VISCOSITY * (e**2 + e**2)
    cap = quad(lambda r: power(strain(r)) * 2 * np.pi * r, 1e-6 * size, size, limit=200, epsrel=1e-9)[0]
    rim = lambda at: size * np.sqrt(1 - at**2)
    rim_speed = (rim(y + h) - rim(y - h)) / (2 * h)
    host = quad(lambda r: power(rim(y) * rim_speed / r**2) * 2 * np.pi * r, rim(y), np.inf, epsrel=1e-9)[0]
    apex = lambda at: size / (2 * at) * (1 - np.cos(2 * np.arcsin(at)))
    speed = 0.5 * (apex(y + h) - apex(y - h)) / (2 * h)
    # A disc moving broadside: 16 eta L, half of it from either side.
    return cap + host + 8 * SOLVENT_VISCOSITY * size * speed**2


@pytest.mark.parametrize("y", [0.03, 0.09, 0.11, 0.5, 0.9, 0.995])
def test_drag_is_the_stated_dissipation(y):
    """gamma(y) dy/dt^2 is the power lost in cap, host and solvents, each integrated numerically; 1e-5."""
    size = 45.0
    found = law()._drag(np.array([[y]]), np.array([[size]]))[0, 0]
    assert found == pytest.approx(dissipation(y, size), rel=1e-5)


@pytest.mark.parametrize(
    ("size", "c0", "neck"), [(60.0, 0.05, 5.0), (60.0, 0.06, 5.0), (90.0, 0.045, 5.0), (90.0, 0.045, 2.0)]
)
def test_rate_is_the_inverse_of_the_escape_time(size, c0, neck):
    """The law's rate against independent adaptive integration of energy and drag from dimple to scission, 2 %."""
    k, c, l = 4.0, c0 * size, LINE_TENSION * size / KAPPA
    beta = lambda y: 2 * np.pi * KAPPA * brute_energy(y, k, c, l) / KT
    end = np.sqrt(1 - (neck / size) ** 2)
    slope = lambda y: 2 * k * y - 2 * c - l * y / np.sqrt(1 - y**2)
    crest = np.sqrt(max(1 - (l / (2 * k)) ** (2 / 3), 0))
    dimple = brentq(slope, 0, crest) if slope(crest) > 0 else 0.0
    offset = beta(dimple)

    def length(y):
        a = y**2
        shear = quad(lambda u: u**2 / (1 - a * u) ** 2, 0, 1)[0]
        drag = 4 * np.pi * MEMBRANE_VISCOSITY * size**2 * (a * shear + a / (1 - a)) + 2 * SOLVENT_VISCOSITY * size**3
        return np.sqrt(drag / KT)

    def ode(y, values):
        return [length(y) * np.exp(offset - beta(y)), length(y) * np.exp(beta(y) - offset) * values[0]]

    options = {"rtol": 1e-8, "atol": 1e-12, "max_step": 0.005}
    inner = (
        solve_ivp(lambda y, v: [length(y) * np.exp(offset - beta(y))], (0, dimple), [0], **options).y[0, -1]
        if dimple
        else 0.0
    )
    time = solve_ivp(ode, (dimple, end), [inner, 0], **options).y[1, -1]
    answer = law(neck)(domain(size, c0), flat_host())
    assert answer.rate_per_s[0] == pytest.approx(1 / time, rel=0.02)


def test_huge_barriers_give_rate_zero_without_warnings():
    """Barriers of thousands of kT: rate exactly or nearly 0, finite barrier, no overflow reported."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer = law()(domain([40.0, 200.0], kappa=np.array([1e4, 1e5])), flat_host(0.1))
    assert np.all(answer.barrier_kBT > 1e3)
    assert np.all(np.isfinite(answer.barrier_kBT))
    assert np.all(answer.rate_per_s < 1e-300)


def test_negative_curvature_buds_away_from_the_lumen():
    """-c0 gives direction -1 and the same barrier, rate and diameter; +c0 and 0 give +1."""
    answer = law()(domain([60.0, 60.0, 60.0], np.array([0.03, -0.03, 0.0])), flat_host(1e-3))
    assert answer.direction.tolist() == [1, -1, 1]
    for name in ("barrier_kBT", "rate_per_s", "diameter_nm"):
        values = getattr(answer, name)
        assert values[0] == values[1]
        assert np.isfinite(values[0])
    assert answer.barrier_kBT[2] > answer.barrier_kBT[0]


def test_curvature_of_the_host_counts_with_the_ratio_of_rigidities():
    """c0_in in a host of c0_out is c0_in - (kappa_out/kappa_in) c0_out in a host of none."""
    size, ratio = 55.0, 0.5
    inside, outside = 0.04, 0.03
    with_host = law()(domain(size, inside), flat_host(1e-3, ratio * KAPPA, outside))
    alone = law()(domain(size, inside - ratio * outside), flat_host(1e-3, ratio * KAPPA, 0.0))
    for name in ("barrier_kBT", "rate_per_s"):
        assert getattr(with_host, name)[0] == pytest.approx(getattr(alone, name)[0], rel=1e-12)
    assert law()(domain(size, 0.01), flat_host(0.0, KAPPA, 0.03)).direction[0] == -1


def test_domains_below_twice_the_neck_never_bud():
    """L <= 2 neck radius: rate 0, barrier out of reach, neck open, whatever the curvature; just above, a rate."""
    answer = law(neck_radius=5.0)(domain([3.0, 9.99, 10.0, 10.01], 0.5), flat_host())
    assert answer.rate_per_s[:3].tolist() == [0, 0, 0]
    assert np.all(np.isinf(answer.barrier_kBT[:3]))
    assert answer.neck_closed[:3].tolist() == [False, False, False]
    assert answer.rate_per_s[3] > 0


@pytest.mark.parametrize("neck", [0.5, 5.0])
def test_negative_control(neck):
    """Line tension 0.5 pN, kappa 20 kT, no curvature, tension 10 uN/m: from 10 to 1000 nm no bud below the dimple, no
    rate."""
    sizes = np.arange(10.0, 1000.5, 0.5)
    answer = law(neck)(domain(sizes, line_tension=0.5), flat_host(0.01))
    assert np.all(closing_energy(domain(sizes, line_tension=0.5), flat_host(0.01)) > 0)
    assert np.max(answer.rate_per_s) < 1e-30
    below = closing_energy(domain(sizes, line_tension=0.5), flat_host(0.3e-3))
    assert np.min(below) < 0, "sigma* is 0.365 uN/m: at 0.3 a bud must exist, else this control says nothing"
