"""Medians and distances of histograms against closed forms and scipy, and by how often intervals hold the truth."""

import numpy as np
import pytest
from scipy import stats

from membrane.outcome.binned import (
    distance_intervals,
    distances,
    median_of_groups,
    median_of_particles,
    quantile,
    share_of_groups,
)
from membrane.outcome.intervals import median_interval, wilson_interval


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("end", [37.0, 240.0])
def test_quantiles_of_a_ramp(share, end):
    """A density that grows as the diameter has the quantile end sqrt(share); bins need not be even."""
    edges = end * np.linspace(0, 1, 301) ** 1.5
    assert quantile(edges, np.diff(edges**2), share) == pytest.approx(end * np.sqrt(share), rel=1e-4)


@pytest.mark.parametrize("groups", [3, 5, 12, 40])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_median_of_groups_is_that_of_single_vesicles(groups, seed):
    """Vesicles in narrow bins have the interval of vesicles that are known by themselves, to the width of a bin."""
    rng = np.random.default_rng(seed)
    number = rng.integers(8, 30, groups)
    owner = np.repeat(np.arange(groups), number)
    diameter = rng.normal(60, 9, owner.size) + rng.normal(0, 4, groups)[owner]
    edges = np.arange(0, 120.1, 0.25)
    values = np.array([np.histogram(diameter[owner == one], edges)[0] for one in range(groups)])
    expected = median_interval(diameter, owner, groups)
    np.testing.assert_allclose(median_of_groups(edges, values), expected, atol=0.26)
    np.testing.assert_allclose(median_of_groups(edges, 0.37 * values), expected, atol=0.26)


def test_few_groups_have_no_interval():
    assert np.isnan(median_of_groups([0, 50, 100], [[1, 2], [2, 1]])).all()
    assert np.isnan(np.array(share_of_groups([[1, 2], [2, 1]]))).all()


@pytest.mark.parametrize("n", [10, 101, 5000])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_median_of_particles_of_a_uniform_distribution(n, level):
    """Its quantiles are its diameters: 1/2 -+ z/(2 sqrt(n)) of the range."""
    edges = np.linspace(30, 130, 28)
    reach = 100 * stats.norm.ppf((1 + level) / 2) / (2 * np.sqrt(n))
    np.testing.assert_allclose(median_of_particles(edges, np.ones(27), n, level=level), (80 - reach, 80 + reach))
    assert np.isnan(median_of_particles(edges, np.ones(27), 1)).all()


@pytest.mark.parametrize("count", [0, 1, 7, 30])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_is_scipys(count, level):
    found = stats.binomtest(count, 30).proportion_ci(level, method="wilson")
    np.testing.assert_allclose(wilson_interval(count, 30, level=level), (found.low, found.high), atol=1e-12)


@pytest.mark.parametrize("bins", [7, 50, 333])
def test_distances_are_scipys(bins):
    """Of particles at the centres of bins of any width."""
    rng = np.random.default_rng(bins)
    edges = np.concatenate([[0], np.cumsum(rng.uniform(0.5, 6, bins))])
    one, other = rng.uniform(size=(2, bins))
    centres = (edges[1:] + edges[:-1]) / 2
    largest, way = distances(edges, one, other)
    assert way == pytest.approx(stats.wasserstein_distance(centres, centres, one, other))
    ecdf = [np.cumsum(values / values.sum()) for values in (one, other)]
    assert largest == pytest.approx(np.max(np.abs(ecdf[0] - ecdf[1])))


@pytest.mark.parametrize("shift", [1, 3, 11])
@pytest.mark.parametrize("width", [0.5, 4.0])
def test_a_shift_is_its_wasserstein_distance(shift, width):
    """Whatever the shape; a uniform one of b bins has the Kolmogorov-Smirnov distance shift/b."""
    edges = width * np.arange(61)
    shape = np.zeros(60)
    shape[10:30] = 1.0
    largest, way = distances(edges, shape, np.roll(shape, shift))
    assert way == pytest.approx(shift * width)
    assert largest == pytest.approx(shift / 20)
    assert distances(edges, shape, 7 * shape) == (0.0, pytest.approx(0.0))


@pytest.mark.parametrize("n", [30, 300, 9000])
def test_errors_of_particles_are_kolmogorovs(n):
    """Endosomes that are all alike have no error. What is left is that of n particles, whose 95 % quantile is that of
    Kolmogorov's distribution, 1.358/sqrt(n)."""
    edges, shape = np.linspace(0, 100, 301), np.ones(300)
    low, high = distance_intervals(edges, np.ones((4, 300)), shape, n=n, samples=3000)["kolmogorov_smirnov"]
    assert low == 0
    assert high == pytest.approx(stats.kstwo.ppf(0.95, n), rel=0.05)


def test_an_unknown_error_gives_no_interval():
    """With two endosomes, and with neither captures nor a number of particles; two captures are none."""
    edges, shape = np.linspace(0, 100, 11), np.ones(10)
    for groups, options in (
        (2, {"n": 50}),
        (4, {}),
        (4, {"captures": np.ones((2, 10))}),
    ):
        found = distance_intervals(edges, np.ones((groups, 10)), shape, **options)
        assert np.isnan(list(found.values())).all()
    assert np.isfinite(
        list(distance_intervals(edges, np.ones((3, 10)), shape, captures=np.ones((3, 10))).values())
    ).all()


EDGES = np.linspace(0, 160, 65)


def shares_of(mean, sd):
    return np.diff(stats.norm.cdf(EDGES, mean, sd))


def drawn(rng, groups, per_group, between):
    """Histograms of vesicles of endosomes that differ by ``between`` in their means."""
    number = rng.poisson(per_group, groups) + 1
    means = rng.normal(60, between, groups)
    return np.array([np.histogram(rng.normal(mean, 8, one), EDGES)[0] for mean, one in zip(means, number)])


@pytest.mark.parametrize("groups", [3, 6, 20])
@pytest.mark.parametrize("apart", [0.0, 3.0, 25.0])
def test_intervals_of_distances_hold_the_true_one(groups, apart):
    """At least 90 of 100 intervals do, of equal distributions and of others, with few endosomes and with many. They
    are no empty promise: with many endosomes a difference is found."""
    between, trials = 4.0, 100
    true = shares_of(60, np.hypot(8, between))
    measured = shares_of(60 + apart, np.hypot(8, between))
    expected = dict(zip(("kolmogorov_smirnov", "wasserstein_nm"), distances(EDGES, true, measured)))
    held, found = dict.fromkeys(expected, 0), 0
    for trial in range(trials):
        rng = np.random.default_rng([groups, int(apart), trial])
        counted = rng.multinomial(200, measured / measured.sum())
        ends = distance_intervals(EDGES, drawn(rng, groups, 15, between), counted, n=200, samples=200)
        for name, (low, high) in ends.items():
            held[name] += low <= expected[name] <= high
        found += min(low for low, _ in ends.values()) > 0
    assert min(held.values()) >= 0.9 * trials, held
    if apart == 0:
        assert found <= 0.1 * trials
    if apart == 25:
        assert found >= (0.9 if groups > 3 else 0.5) * trials


@pytest.mark.parametrize("groups", [3, 6, 20])
def test_intervals_of_shares_hold_the_true_ones(groups):
    """In the middle bins, where a linear error is a good one."""
    true, trials, held = shares_of(60, np.hypot(8, 4.0)), 300, 0
    middle = slice(20, 28)
    for trial in range(trials):
        low, high = share_of_groups(drawn(np.random.default_rng([groups, trial]), groups, 60, 4.0))
        held += np.mean((low[middle] <= true[middle]) & (true[middle] <= high[middle]))
    assert held >= 0.90 * trials
