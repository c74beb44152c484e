"""What intervals of 95 % over endosomes do cover, measured on truths of known median, yield, share and density."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from membrane.outcome.intervals import LEAST_ENDOSOMES, MEASURED, mean_interval, median_interval, share_interval, words
from membrane.outcome.sensitivity import partial_rank_correlations
from membrane.outcome.sizes import size_distribution

MOST = 60
"""ILVs an endosome, at most."""


def alike(rng, shape):
    """Poisson numbers about 14, sizes normal about an endosome's own mean."""
    return rng.poisson(14, shape), 60 + 4 * rng.normal(size=(*shape, 1)) + 8 * rng.normal(size=(*shape, MOST))


def skewed(rng, shape):
    """Poisson numbers about 8, sizes of a long tail in and between endosomes."""
    scale = 0.2 * rng.normal(size=(*shape, 1)) + 0.3 * rng.normal(size=(*shape, MOST))
    return rng.poisson(8, shape), 60 * np.exp(scale)


def even(rng, shape):
    """As the main run: 14.4 ILVs with a variance of 2.9, none below 45 nm, a long tail."""
    own = np.exp(0.1 * rng.normal(size=(*shape, 1)))
    return np.round(14.4 + 1.7 * rng.normal(size=shape)).astype(int), 45 + own * rng.gamma(1.6, 10, (*shape, MOST))


def sparse(rng, shape):
    """Poisson numbers about 2.5, half of the ILVs beyond 100 nm."""
    return rng.poisson(2.5, shape), 100 + 5 * rng.normal(size=(*shape, 1)) + 10 * rng.normal(size=(*shape, MOST))


def crowded(rng, shape):
    """The more ILVs, the smaller: the membrane of an endosome is shared."""
    number = rng.poisson(20, shape)
    return number, 80 - 0.8 * number[..., None] + rng.gamma(2.0, 7.0, (*shape, MOST))


def clustered(rng, shape):
    """Negative binomial numbers, a quarter of the endosomes without any; sizes between endosomes exponential."""
    number = rng.poisson(rng.gamma(1.0, 3.0, shape))
    return number, 40 + 8 * rng.exponential(1, (*shape, 1)) + rng.gamma(2.0, 6.0, (*shape, MOST))


TRUTHS = (alike, skewed, even, sparse, crowded, clustered)


def drawn(truth, endosomes, trials, seed):
    """(numbers (trials, endosomes), diameters (trials, endosomes, MOST), NaN beyond the number)."""
    number, diameter = truth(np.random.default_rng(seed), (trials, endosomes))
    number = np.clip(number, 0, MOST)
    return number, np.where(np.arange(MOST) < number[..., None], diameter, np.nan)


def flat(number, diameter):
    """The ILVs of one trial as lists: diameters and owners."""
    return diameter[np.isfinite(diameter)], np.repeat(np.arange(len(number)), number)


@pytest.fixture(scope="module")
def population():
    """Of each truth: mean number, median, share in 40-100 nm, densities in bins of 5 nm."""
    found = {}
    for truth in TRUTHS:
        number, diameter = drawn(truth, 20000, 1, 99)
        known = diameter[np.isfinite(diameter)]
        share = np.mean((known >= 40) & (known <= 100))
        shares = np.histogram(known, np.arange(0, 405, 5))[0] / len(known)
        found[truth] = number.mean(), np.median(known), share, shares
    return found


@pytest.mark.parametrize("truth", TRUTHS)
@pytest.mark.parametrize("endosomes", [3, 5, 10, 30])
def test_coverage(truth, endosomes, population):
    """Of 400 draws the intervals hold the true median, yield, share and densities in the share stated, give or take
    three standard errors (0.033 at 0.95); densities and shares near 0 or 1 may hold it more often, never less."""
    trials, (mean, median, share, shares) = 400, population[truth]
    number, diameter = drawn(truth, endosomes, trials, endosomes)
    inside = ((diameter >= 40) & (diameter <= 100)).sum(axis=2)
    holds = lambda ends, true: ends[0] <= true <= ends[1]
    medians = [median_interval(*flat(*of), endosomes) for of in zip(number, diameter)]
    given = [ends for ends in medians if np.isfinite(ends).all()]
    covered = {
        "median": [holds(ends, median) for ends in given],
        "yield": [holds(mean_interval(n), mean) for n in number],
        "share": [holds(share_interval(*of), share) for of in zip(inside, number) if of[1].any()],
    }
    low, high = MEASURED
    for name, of in covered.items():
        if len(of) > 100:
            assert np.mean(of) > low - 0.033, (name, np.mean(of))
            assert name == "share" or np.mean(of) < high + 0.01, (name, np.mean(of))
    # Every histogram reaches to 200 nm.
    occupied = np.flatnonzero(shares[:40] > 2e-3)
    bins = []
    for of in zip(number[:100], diameter[:100]):
        sizes = size_distribution(*flat(*of), endosomes)
        low_end, high_end = (5 * sizes[name][occupied] for name in ("ci_low", "ci_high"))
        if sizes["n"]:
            bins.append(np.mean((low_end <= shares[occupied]) & (shares[occupied] <= high_end)))
    assert np.mean(bins) > low - 0.02, np.mean(bins)


def test_ilvs_of_one_endosome_resemble_each_other():
    """The same diameters dealt to the endosomes at random have a much narrower median: what is alike is seen."""
    number, diameter = drawn(skewed, 12, 60, 7)
    rng, widths = np.random.default_rng(0), []
    for of in zip(number, diameter):
        size, owner = flat(*of)
        ends = (median_interval(size, owner, 12), median_interval(rng.permutation(size), owner, 12))
        widths.append([high - low for low, high in ends])
    together, dealt = np.mean(widths, axis=0)
    assert together > 1.25 * dealt


def by_hand(diameter, endosome, endosomes):
    """The definition of the median's interval: every place between two values is tried."""
    values = np.sort(diameter)
    passes = []
    for below in range(1, len(values)):
        x = 0.5 * (values[below - 1] + values[below])
        off = [np.sum(diameter[endosome == i] < x) - np.sum(endosome == i) / 2 for i in range(endosomes)]
        passes.append(ttest_1samp(off, 0).pvalue >= 0.05)
    accepted = np.flatnonzero(passes) + 1
    return values[accepted[0] - 1], values[accepted[-1]]


@pytest.mark.parametrize("seed", range(4))
def test_median_is_that_of_its_definition(seed):
    """A t test at each place, by scipy."""
    number, diameter = drawn(alike, 7, 1, seed)
    given = flat(number[0], diameter[0])
    assert median_interval(*given, 7) == by_hand(*given, 7)
    shuffled = np.random.default_rng(seed).permutation(len(given[0]))
    assert median_interval(given[0][shuffled], given[1][shuffled], 7) == median_interval(*given, 7)


def test_too_few_say_so():
    """Fewer than three endosomes, no ILV, one ILV: no interval, and words that say why."""
    assert LEAST_ENDOSOMES == 3
    for endosomes in (1, 2):
        assert np.isnan(median_interval([50.0, 60.0, 70.0], [0, 0, endosomes - 1], endosomes)).all()
        assert np.isnan(mean_interval([4] * endosomes)).all()
        assert np.isnan(share_interval([2] * endosomes, [4] * endosomes)).all()
        assert np.isnan(size_distribution([50.0], [0], endosomes)["ci_high"]).all()
    assert np.isnan(median_interval([], [], 5)).all()
    assert np.isnan(median_interval([57.2], [0], 5)).all()
    assert np.isnan(share_interval([0, 0, 0], [0, 0, 0])).all()
    assert words(np.nan, np.nan, 2) == "no interval, 2 endosomes: too few"
    assert words(np.nan, np.nan, 1) == "no interval, 1 endosome: too few"
    assert words(np.nan, np.nan, 8) == "no interval, too few ILVs in 8 endosomes"
    assert words(55.81, 61.3, 8, ".1f") == "95 %: 55.8-61.3"


def test_no_interval_has_no_width():
    """Endosomes that are all alike, none or all inside, equal numbers: the ends still differ."""
    low, high = median_interval(np.tile([50.0, 60.0, 70.0], 4), np.repeat(np.arange(4), 3), 4)
    assert low < 60 < high
    for number in ([0, 0, 0], [5, 5, 5], [14] * 10):
        low, high = mean_interval(number)
        assert low <= number[0] < high
        assert high - low > 0
    for inside in (0, 1, 3, 6):
        low, high = share_interval([inside] * 5, [6] * 5)
        assert high - low > 0.05
        assert 0 <= low <= inside / 6 <= high <= 1
    sizes = size_distribution([50.0, 51.0, 62.0], [0, 1, 2], 3)
    assert (sizes["ci_high"] > sizes["ci_low"]).all()


def test_nothing_seen_is_bounded():
    """No ILV in E endosomes: 3.69/E an endosome at most (Poisson, 97.5 %); a bin that none of n ILVs is in: at most
    z^2/(n + z^2) of all (Wilson)."""
    assert mean_interval([0] * 8) == pytest.approx((0, 3.6889 / 8), rel=1e-4)
    low, high = share_interval([0] * 8, [5] * 8)
    assert low == 0
    assert high == pytest.approx(1.96**2 / (40 + 1.96**2), rel=1e-4)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_level(level):
    with pytest.raises(ValueError, match="between 0 and 1"):
        median_interval([50.0], [0], 3, level=level)


RESPONSES = {
    "linear": lambda x, noise: 2 * x[..., 0] + 0.5 * x[..., 1] + 0.7 * noise,
    "bent": lambda x, noise: np.exp(2 * x[..., 0]) + x[..., 1] + noise,
    "uneven": lambda x, noise: x[..., 1] + x[..., 0] * (2 * x[..., 1] + 0.9 * noise),
}


@pytest.mark.parametrize(("response", "points", "replicas"), [("linear", 9, 1), ("bent", 12, 3), ("uneven", 9, 2)])
def test_coverage_of_sensitivities(response, points, replicas):
    """Of 50 designs of three parameters, the third without effect, intervals of each correlation hold the one of a
    design of 4,000 points in at least 0.93, give or take three standard errors of the 150."""
    of, rng = RESPONSES[response], np.random.default_rng(points)

    def design(count):
        x = np.repeat(rng.random((count, 3)), replicas, axis=0)
        return x, of(x, rng.normal(size=len(x))), np.repeat(np.arange(count), replicas)

    x, y, _ = design(4000)
    true = [found.value for found in partial_rank_correlations(x, y, np.arange(len(y)) % 7)]
    held = [
        found.low <= value <= found.high
        for _ in range(50)
        for found, value in zip(partial_rank_correlations(*design(points)), true)
        if np.isfinite(found.low)
    ]
    assert np.mean(held) > 0.93 - 0.06, np.mean(held)


def test_too_few_points_have_no_interval():
    """A correlation from d + 3 points on, its interval from d + 6 on, and then never without width."""
    x, noise = np.random.default_rng(0).random((8, 2)), np.random.default_rng(1).normal(size=8)
    for points in (5, 7):
        found = partial_rank_correlations(x[:points], (x[:, 0] + noise)[:points], np.arange(points))
        assert np.isfinite([of.value for of in found]).all()
        assert np.isnan([(of.low, of.high) for of in found]).all()
    for outcome in (x[:, 0] + noise, x[:, 0] + 1e-3 * noise):
        for of in partial_rank_correlations(x, outcome, np.arange(8)):
            assert np.isnan(of.low) or of.low <= of.value <= of.high
            assert not of.high - of.low < 1e-3
