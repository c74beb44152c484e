"""Growth of caps on a sphere: exact diffusion, Gibbs-Thomson, ripening, mass and order."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq

from membrane.kinetics.growth import Growth, conductance

pytestmark = pytest.mark.fast_compilation

GROWTH = Growth(area=5.9e5, diffusion=1e6, phi_flat=-1.05, phi_domain=0.95, length=1.1)
PLACES = 24
disc = lambda *radii: np.pi * np.array(radii) ** 2


@jax.jit
def _follow(growth, areas, content, duration, steps):
    return jax.lax.fori_loop(0, steps, lambda _, a: growth.advance(a, content, duration / steps), areas)


def follow(growth, areas, content, duration, steps):
    """Areas after equal steps. All tests share one program, in which the places without a domain stay empty."""
    padded = np.concatenate([areas, np.zeros(PLACES - len(areas))])
    found = np.asarray(_follow(growth, padded, float(content), float(duration), steps))
    assert not np.any(found[len(areas) :])
    return found[: len(areas)]


def advance(growth, areas, content, duration):
    """Areas after one step."""
    return follow(growth, areas, content, duration, 1)


@pytest.mark.parametrize("theta_0", [0.03, 0.3, 1.0, 2.0])
def test_conductance(theta_0):
    """The flow through the rim of the profile that solves the equation on the sphere with a sink that is even."""
    height = math.pi - theta_0

    def turn(s, y):
        """phi and its slope at the angle s from the far pole: (sin s phi')'/sin s = -1."""
        return [y[1], -1 - y[1] / math.tan(s)]

    s = 1e-6
    # phi is 0 at the far pole at first; then its value at the rim is taken away.
    solved = solve_ivp(turn, (s, height), [-(s**2) / 4, -s / 2], rtol=1e-11, atol=1e-13, dense_output=True)
    at_rim, slope = solved.y[:, -1]
    outside = 1 + math.cos(theta_0)
    mean = quad(lambda t: (solved.sol(t)[0] - at_rim) * math.sin(t), s, height, epsabs=1e-12)[0] / outside
    flow = -2 * math.pi * math.sin(theta_0) * slope
    assert float(conductance(math.sin(theta_0 / 2) ** 2)) == pytest.approx(flow / mean, rel=1e-7)


def test_small_caps():
    """g approaches 2 pi/ln(d/r) with d = 2 R exp(-1/2); r = 2 R sqrt(u)."""
    for u in (1e-6, 1e-9):
        assert float(conductance(u)) == pytest.approx(-2 * math.pi / (math.log(u) / 2 + 0.5), rel=10 * u)


@pytest.mark.parametrize("radius", [5.0, 15.0, 40.0])
def test_slowest_mode_of_one_cap(radius):
    """For a small cap D g over the host's area is the least eigenvalue of diffusion outside it."""
    u = float(disc(radius)[0] / GROWTH.area)
    theta_0 = 2 * math.asin(math.sqrt(u))

    def at_rim(eigenvalue):
        """phi at the rim of the solution that is regular at the far pole: 1 - eigenvalue s^2/4 there."""
        turn = lambda s, y: [y[1], -eigenvalue * y[0] - y[1] / math.tan(s)]
        s = 1e-4
        end = [1 - eigenvalue * s**2 / 4, -eigenvalue * s / 2]
        return solve_ivp(turn, (s, math.pi - theta_0), end, rtol=1e-10, atol=1e-12).y[0, -1]

    exact = brentq(at_rim, 1e-3, 1.0, xtol=1e-10)
    # In units of D/R^2. A profile that follows at once leaves out an error of second order.
    rate = float(conductance(u)) / (4 * math.pi * (1 - u))
    assert 0 < rate / exact - 1 < 1.1 * exact**2


@pytest.mark.parametrize("radius", [20.0, 45.0])
def test_relaxation_of_one_domain(radius):
    """Near equilibrium the host relaxes at D g (phi_domain - phi_host)/[(phi_domain - phi_eq) (A - a)], less the rise
    of phi_eq by evaporation, for steps far shorter and far longer than that."""
    area = disc(radius)
    balance = float(GROWTH.equilibrium(area)[0])
    content = GROWTH.content(area, balance)
    jump = GROWTH.phi_domain - balance
    g = float(GROWTH.uptake(area)[0])
    rate = g / (GROWTH.area - area[0]) - g / jump * GROWTH.length / (2 * radius * area[0])
    small = 1e-6 * area
    for duration in (0.01 / rate, 0.5 / rate):
        moved = follow(GROWTH, area + small, content, duration, 200)
        assert float((moved - area)[0] / small[0]) == pytest.approx(math.exp(-rate * duration), rel=1e-4)
    assert float(advance(GROWTH, area + small, content, 1e4 / rate)[0]) == pytest.approx(float(area[0]), rel=1e-6)


def test_gibbs_thomson_sign():
    """A host between phi_eq of a small and of a large domain feeds the large one from the small one."""
    areas = disc(10.0, 40.0)
    content = GROWTH.content(areas, -1.05 + 1.1 / 20)
    change = np.asarray(advance(GROWTH, areas, content, 1e-6) - areas)
    assert change[0] < 0 < change[1]


def exact(growth, areas, content, duration):
    """The same by an integrator with small steps."""

    def rates(_, a):
        equilibrium = growth.phi_flat + growth.length * np.sqrt(np.pi / a)
        u = a / growth.area
        g = 4 * np.pi * (1 - u) / (-1 - np.log(u) / (1 - u))
        host = (content - growth.phi_domain * a.sum()) / (growth.area - a.sum())
        return growth.diffusion * g * (host - equilibrium) / (growth.phi_domain - equilibrium)

    return solve_ivp(rates, (0, duration), np.asarray(areas), rtol=1e-11, atol=1e-9, method="LSODA").y[:, -1]


@pytest.mark.parametrize("supersaturation", [0.0, 0.15])
def test_second_order(supersaturation):
    """Halved steps leave a quarter of the error, against an integrator that shares no line with the code."""
    areas = disc(12.0, 25.0, 31.0)
    content = GROWTH.content(areas, -1.01 + supersaturation)
    # Until the first domain is well smaller, and the host has relaxed where it was supersaturated.
    duration = 0.003 if supersaturation == 0 else 0.1
    target = exact(GROWTH, areas, float(content), duration)
    assert np.max(np.abs(target - np.asarray(areas))) > 50
    errors = [np.max(np.abs(np.asarray(follow(GROWTH, areas, content, duration, n)) - target)) for n in (20, 40, 80)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.2)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.2)


@pytest.mark.parametrize("steps", [1, 7, 100])
@pytest.mark.parametrize("radii", [(20.0, 30.0), (29.0, 30.0, 8.0)])
def test_the_largest_takes_all(steps, radii):
    """Ripening ends with one domain, at equilibrium with its host, in few long steps or many short ones."""
    areas = np.concatenate([disc(*radii), np.zeros(2)])
    content = GROWTH.content(areas, -1.0)
    end = areas
    for _ in range(12):
        end = follow(GROWTH, end, content, 50.0, steps)
    survivor = int(np.argmax(areas))
    assert np.count_nonzero(end) == 1
    assert float(end[survivor]) > float(areas[survivor])
    host = GROWTH.host(end, content)
    assert float(host) == pytest.approx(float(GROWTH.equilibrium(end[survivor])), rel=1e-9)
    assert float(GROWTH.content(end, host)) == pytest.approx(float(content), rel=1e-14)


@pytest.mark.parametrize("duration", [1e-7, 1e-3, 0.1, 1e3])
def test_any_step(duration):
    """Mass is kept, no area is negative, absent domains stay absent, and the host stays between its bounds."""
    generator = np.random.default_rng(3)
    for excess in (-0.05, 0.0, 0.2):
        radii = generator.uniform(3, 45, PLACES)
        areas = disc(*radii) * (np.arange(PLACES) % 3 > 0)
        content = GROWTH.content(areas, -1.02 + excess)
        moved = advance(GROWTH, areas, content, duration)
        host = float(GROWTH.host(moved, content))
        assert np.all(np.asarray(moved) >= 0)
        assert not np.any(moved[::3])
        assert float(GROWTH.content(moved, host)) == pytest.approx(float(content), rel=1e-13)
        start = float(GROWTH.host(areas, content))
        lowest = min(start, float(GROWTH.equilibrium(np.max(moved) + 1e-9)))
        assert min(lowest, -1.05) - 1e-6 <= host <= max(start, float(GROWTH.equilibrium(disc(3.0))[0]))


def test_dissolves_whole():
    """In a host below phi_flat everything evaporates, and the content lies in the host."""
    areas = disc(5.0, 10.0, 15.0)
    content = GROWTH.content(areas, -1.08)
    assert float(GROWTH.host(np.zeros(3), content)) < -1.05
    for steps in (1, 100):
        end = follow(GROWTH, areas, content, 5.0, steps)
        assert not np.any(end)


def test_vectorised_in_single_precision():
    """Under vmap and in float32 the same, to that precision."""
    areas = np.stack([disc(12.0, 25.0, 31.0), disc(30.0, 20.0, 40.0)])
    contents = np.asarray(GROWTH.content(areas, -1.0))
    many = jax.jit(jax.vmap(lambda a, c: GROWTH.advance(a, c, 1e-3)))
    found = many(areas.astype(np.float32), contents.astype(np.float32))
    assert found.dtype == jnp.float32
    for row, start, content in zip(found, areas, contents, strict=True):
        assert np.asarray(row) == pytest.approx(advance(GROWTH, start, content, 1e-3), rel=1e-3)
