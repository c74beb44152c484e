"""When a domain becomes a bud: the drawn times against true first passages, which are solved on a grid."""

import numpy as np
import pytest
from scipy.linalg import eigh_tridiagonal, solve_banded

from membrane.bud.landscape import mean_escape_time, passage_variation
from membrane.sheet.fate import DomainAnswer, Fate, budding_probability, fate_of_domain

Q = np.linspace(0, 1, 601)
"""The way in units of its length; times are in units of length^2 over the diffusion coefficient kT/gamma."""


def hill(height_kT):
    """A well at 0 and a hill of this height at 2/3, from which F falls to the end."""
    return height_kT * (3 * (1.5 * Q) ** 2 - 2 * (1.5 * Q) ** 3)


def hill_and_cliff(height_kT):
    """A well at 0, a hill at 1/2, and a fall by 20 kT a length behind it."""
    return np.where(Q < 0.5, 0.5 * height_kT * (1 - np.cos(2 * np.pi * Q)), height_kT - 20 * (Q - 0.5))


def bend(slope_kT, q=Q):
    """F falls everywhere, slowest at 0.4; with a negative slope a dimple lies before 0.4, and a hill behind."""
    return -60 * (q - 0.4) ** 3 - slope_kT * q


LANDSCAPES = {
    **{f"slope of {k} kT": -k * Q for k in (0, 2, 5, 10, 30)},
    **{f"hill of {k} kT": hill(k) for k in (1, 3, 8)},
    **{f"hill of {k} kT and cliff": hill_and_cliff(k) for k in (1, 3, 8)},
    **{f"bend of {k} kT": bend(k) for k in (-5, 0, 3)},
}


def dimple(energy):
    """Index of the first minimum; 0 where F only falls."""
    return int(np.argmax(np.append(np.diff(energy) > 0, True))) % (len(energy) - 1)


def hops(energy):
    """Rates of hops up and down between the points of a way that is as long as 1, (points - 1,) each."""
    spacing, half = 1 / (len(energy) - 1), 0.5 * np.diff(energy)
    return np.exp(-half) / spacing**2, np.exp(half) / spacing**2


def true_shares(energy, times):
    """Share of paths from the dimple that have not reached the last point at ``times``; the wall at 0 reflects."""
    (up, down), start = hops(energy), dimple(energy)
    diagonal = -up - np.append(0, down[:-1])
    rates, modes = eigh_tridiagonal(diagonal, np.sqrt(up[:-1] * down[:-1]))
    weight = np.exp(-0.5 * (energy[:-1] - energy[start]))
    return np.exp(np.outer(times, rates)) @ ((weight @ modes) * modes[start])


def law_of(energy):
    """Mean time and variation from the dimple, by the quadratures of the law."""
    q, start = np.linspace(0, 1, len(energy)), dimple(energy)
    flat = np.ones_like(energy)
    return float(mean_escape_time(q, energy, flat, start)), float(passage_variation(q, energy, flat, start))


def drawn_shares(steps, variations):
    """Share of domains that are no bud yet after each look, which adds ``steps`` to the progress."""
    shares, progress = [1.0], 0.0
    for step, variation in zip(steps, variations, strict=True):
        shares.append(shares[-1] * (1 - budding_probability(progress, step, variation)))
        progress += step
    return np.array(shares)


def distances(name):
    """Largest distances of the drawn shares from the true ones (Kolmogorov): as drawn, and of an exponential wait."""
    energy = LANDSCAPES[name]
    mean, variation = law_of(energy)
    looks = np.linspace(0, 6, 601)
    true, steps = true_shares(energy, looks * mean), np.diff(looks)
    drawn = drawn_shares(steps, np.full(len(steps), variation))
    return np.max(np.abs(drawn - true)), np.max(np.abs(np.exp(-looks) - true))


def test_drawn_times_are_close_to_true_first_passages():
    """Gamma against the truth, Kolmogorov distance: 0.067 at most, where an exponential wait is up to 0.42 off; nowhere
    further off than that; 0.003 before hills of 8 kT (mostly that of the grid), 0.02 on a steep slope."""
    found = {name: distances(name) for name in LANDSCAPES}
    gamma, exponential = np.array(list(found.values())).T
    assert gamma.max() == pytest.approx(0.067, abs=0.001)
    assert exponential.max() == pytest.approx(0.42, abs=0.01)
    assert np.all(gamma < exponential)
    assert found["hill of 8 kT"][0] < 0.003
    assert found["slope of 30 kT"][0] < 0.02


@pytest.mark.parametrize(
    ("slopes", "duration", "most"),
    [((-10, 5), 0.1, 0.1), ((-10, 5), 1.0, 0.03), ((0, 20), 0.1, 0.06), ((5, -15), 0.3, 0.12), ((10, -5), 0.1, 0.16)],
)
def test_progress_in_a_landscape_that_changes(slopes, duration, most):
    """Where barriers come or go during the passage, in 0.3 to 10 times the time of the slide, the drawn shares stay
    within ``most`` of the true ones, and an exponential wait is further off."""
    looks, points = 800, 201
    q, dt = np.linspace(0, 1, points), duration / looks
    slope = lambda k: slopes[0] + (slopes[1] - slopes[0]) * (k + 0.5) / looks
    share = np.zeros(points - 1)
    share[dimple(bend(slopes[0], q))] = 1
    true, means, variations = [1.0], [], []
    for k in range(looks):
        energy = bend(slope(k), q)
        up, down = hops(energy)
        banded = np.zeros((3, points - 1))
        banded[0, 1:], banded[2, :-1] = -dt * down[:-1], -dt * up[:-1]
        banded[1] = 1 + dt * (up + np.append(0, down[:-1]))
        share = solve_banded((1, 1), banded, share)
        true.append(share.sum())
        mean, variation = law_of(energy)
        means.append(mean)
        variations.append(variation)
    steps = dt / np.array(means)
    gamma = np.max(np.abs(drawn_shares(steps, variations) - true))
    assert gamma < most
    assert gamma < np.max(np.abs(np.exp(-np.append(0, np.cumsum(steps))) - true))


def test_before_a_high_barrier_nothing_is_remembered():
    """With variation 1 the probability is 1 - exp(-k dt), whatever the progress; 1e-12."""
    for progress in (0.0, 0.3, 2.0, 9.0):
        for step in (1e-6, 0.1, 1.0, 7.0):
            assert budding_probability(progress, step, 1.0) == pytest.approx(-np.expm1(-step), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("variation", [0.02, 0.3, 0.8, 1.0, 1.3])
def test_more_looks_change_nothing(variation):
    """The share that is left after a time does not depend on how many looks there were; 1e-9."""
    for until in (0.5, 1.0, 1.1):
        once = drawn_shares([until], [variation])[-1]
        often = drawn_shares(np.full(40, until / 40), [variation] * 40)[-1]
        assert often == pytest.approx(once, rel=1e-9, abs=1e-12)


def test_limits_of_the_probability():
    """A rate of inf is certain and one of 0 impossible; a sharp time ends at 1; who is overdue beyond all numbers
    leaves."""
    for variation in (0.0, 0.1, 1.0):
        assert budding_probability(0.0, np.inf, variation) == 1
        assert budding_probability(0.4, 0.0, variation) == 0
    assert budding_probability(0.5, 0.49, 0.0) == 0
    assert budding_probability(0.5, 0.5, 0.0) == 1
    assert budding_probability(50.0, 0.01, 0.05) == 1


def answer_of(mean_s, variation):
    usual = dict.fromkeys(DomainAnswer.__dataclass_fields__, 0.0) | {"neck_closed": True, "direction": 1}
    return DomainAnswer(**usual | {"rate_per_s": 1 / mean_s, "passage_variation": variation})


@pytest.mark.parametrize("variation", [0.2, 0.57, 0.82, 1.0])
@pytest.mark.parametrize("looks_a_mean", [1.5, 5, 20])
def test_mean_and_spread_of_the_drawn_times(variation, looks_a_mean):
    """1500 domains: the mean is that of the law and half a look, whatever the look, within a tenth of a look. The
    variance is that of the law and of a look, where that is half the spread at most. Four standard errors each."""
    mean_s, domains = 2e-3, 1500
    answer, dt, rng = answer_of(mean_s, variation), mean_s / looks_a_mean, np.random.default_rng(8)
    times = []
    for _ in range(domains):
        progress, looks = 0.0, 1
        while fate_of_domain(answer, dt, rng.random(2), progress) is Fate.UNCHANGED:
            progress, looks = progress + dt / mean_s, looks + 1
        times.append(looks * dt)
    spread = np.sqrt((variation * mean_s) ** 2 + dt**2 / 12)
    assert np.mean(times) == pytest.approx(mean_s + 0.5 * dt, abs=4 * spread / np.sqrt(domains) + 0.1 * dt)
    if variation * looks_a_mean >= 2:
        # The excess kurtosis of a Gamma distribution is 6 variation^2.
        assert np.var(times) == pytest.approx(spread**2, rel=4 * np.sqrt((2 + 6 * variation**2) / domains))
