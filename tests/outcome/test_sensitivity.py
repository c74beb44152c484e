"""First-order indices against functions whose indices are known exactly, and how often their intervals hold them."""

import sys

import numpy as np
import pytest
from scipy.stats import qmc

from membrane.outcome.sensitivity import LEAST_FOR_INDEX, first_order_indices, partial_rank_correlations


def ishigami(u):
    """sin a + 7 sin^2 b + 0.1 c^4 sin a, each uniform between -pi and pi (Ishigami & Homma 1990)."""
    a, b, c = ((2 * u - 1) * np.pi).T
    return np.sin(a) + 7 * np.sin(b) ** 2 + 0.1 * c**4 * np.sin(a)


def _indices_of_ishigami():
    of_a, of_b = 0.5 * (1 + 0.1 * np.pi**4 / 5) ** 2, 7**2 / 8
    whole = of_b + 0.1 * np.pi**4 / 5 + 0.1**2 * np.pi**8 / 18 + 0.5
    return of_a / whole, of_b / whole, 0.0


def window(u):
    """1 in the middle half of a, 0 outside, and b: variances 1/4 and 1/12."""
    return (abs(u[:, 0] - 0.5) < 0.25) + u[:, 1]


def threshold(u):
    """1 where a exceeds 0.7, and 0.3 b: variances 0.21 and 0.0075."""
    return 1.0 * (u[:, 0] > 0.7) + 0.3 * u[:, 1]


def both(u):
    """1 where a and b exceed 1/2: a variance of 3/16, of which each explains 1/16 alone."""
    return 1.0 * ((u[:, 0] > 0.5) & (u[:, 1] > 0.5))


def linear(u):
    """4 a + 2 b + c: variances as 16 to 4 to 1."""
    return u @ np.array([4.0, 2.0, 1.0])


TRUTHS = {
    ishigami: _indices_of_ishigami(),
    window: (0.75, 0.25, 0.0),
    threshold: (0.21 / 0.2175, 0.0075 / 0.2175, 0.0),
    both: (1 / 3, 1 / 3, 0.0),
    linear: (16 / 21, 4 / 21, 1 / 21),
}

DESIGNS = {
    "random": lambda n, seed: np.random.default_rng(seed).random((n, 3)),
    "latin hypercube": lambda n, seed: qmc.LatinHypercube(3, seed=seed).random(n),
    "sobol": lambda n, seed: qmc.Sobol(3, seed=seed).random(n),
}


@pytest.mark.parametrize("function", TRUTHS, ids=lambda function: function.__name__)
def test_known_indices(function):
    """At 2048 points the indices are those of the function, to a hundredth for what is smooth, and to what a jump loses
    beyond its first 256 waves."""
    u = DESIGNS["latin hypercube"](2048, 1)
    found = first_order_indices(u, function(u), np.arange(len(u)))
    np.testing.assert_allclose([of.value for of in found], TRUTHS[function], atol=0.03)
    assert all(of.low <= of.value <= of.high for of in found)


@pytest.mark.parametrize("design", ["latin hypercube", "sobol"])
@pytest.mark.parametrize("function", [window, threshold, both], ids=lambda function: function.__name__)
def test_intervals_hold_the_truth(function, design):
    """Of 20 designs of 64 points at least 18 hold the true index of each parameter."""
    trials, held = 20, np.zeros(3)
    for seed in range(trials):
        u = DESIGNS[design](64, seed)
        found = first_order_indices(u, function(u), np.arange(64))
        held += [of.low - 1e-12 <= truth <= of.high + 1e-12 for of, truth in zip(found, TRUTHS[function])]
    assert (held >= 18).all()


def test_what_rank_correlations_miss():
    """An outcome that is there only in the middle of a range has no rank correlation with the parameter, but the
    parameter explains all of it."""
    u = DESIGNS["sobol"](128, 3)
    y = 1.0 * (abs(u[:, 0] - 0.5) < 0.25)
    points = np.arange(128)
    rank, index = partial_rank_correlations(u, y, points)[0], first_order_indices(u, y, points)[0]
    assert rank.low < 0 < rank.high
    assert abs(rank.value) < 0.1
    assert index.low > 0.6
    assert index.value > 0.85


def test_tables_and_replicas():
    """Values of a table are equal in many points. Replicas count as the mean of their point; NaN is left out."""
    a, b = (axis.ravel() for axis in np.meshgrid(np.arange(8.0), np.arange(8.0)))
    x, points = np.column_stack([a, b]), np.arange(64)
    found = first_order_indices(x, 1.0 * (a >= 4) + 0.5 * (b >= 4), points)
    assert found[0].low <= 0.8 <= found[0].high
    assert found[1].low <= 0.2 <= found[1].high
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.1, 64)
    doubled = np.concatenate([a + noise, a - noise, np.full(64, np.nan)])
    of_means = first_order_indices(np.tile(x, (3, 1)), doubled, np.tile(points, 3))
    assert of_means == first_order_indices(x, a, points)


def test_too_little_is_nan():
    """Too few points, an outcome or a parameter that does not vary, and shapes that do not fit."""
    u = DESIGNS["random"](64, 0)
    few = slice(LEAST_FOR_INDEX - 1)
    assert np.isnan(first_order_indices(u[few], u[few, 0], np.arange(64)[few])[0].value)
    assert np.isnan(first_order_indices(u, u[:, 0], np.arange(64) % 30)[0].value)
    assert np.isnan(first_order_indices(u, np.ones(64), np.arange(64))[0].low)
    same = np.column_stack([u[:, 0], np.ones(64)])
    found = first_order_indices(same, u[:, 0], np.arange(64))
    assert found[0].value > 0.9
    assert np.isnan(found[1].value)
    with pytest.raises(ValueError, match="do not fit"):
        first_order_indices(u, np.ones(63), np.arange(64))


def test_without_salib(monkeypatch):
    """What is missing is said, with the command that installs it."""
    monkeypatch.setitem(sys.modules, "SALib.analyze.rbd_fast", None)
    u = DESIGNS["random"](64, 0)
    with pytest.raises(ImportError, match=r"pip install 'membrane-exosomes\[analysis\]'"):
        first_order_indices(u, u[:, 0], np.arange(64))
