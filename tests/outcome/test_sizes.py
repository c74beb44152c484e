import numpy as np
import pytest

from membrane.outcome.density import shell_density
from membrane.outcome.intervals import share_interval
from membrane.outcome.sizes import size_distribution

DIAMETERS_NM = [30, 40, 50, 80, 100, 200]


def test_histogram_and_moments():
    sizes = size_distribution([40.0, 44.9, 45.0, 100.0, 130.0], [0, 0, 1, 1, 2], 3)
    edges, width = sizes["bin_edges_nm"], 5.0
    assert edges[0] == 0
    assert edges[-1] == 200
    assert np.all(np.diff(edges) == width)
    occupied = {int(edges[i]): int(sizes["count"][i]) for i in np.flatnonzero(sizes["count"])}
    assert occupied == {40: 2, 45: 1, 100: 1, 130: 1}
    assert np.sum(sizes["probability_density_per_nm"]) * width == pytest.approx(1)
    assert sizes["n"] == 5
    assert sizes["median_nm"] == 45
    assert sizes["fraction_40_100_nm"] == pytest.approx(0.8)
    assert sizes["sd_nm"] == pytest.approx(np.std([40, 44.9, 45, 100, 130], ddof=1))
    assert (sizes["q25_nm"], sizes["q75_nm"]) == (44.9, 100)


def test_quartiles_are_numpys():
    """To the bit, of repeated values too."""
    rng = np.random.default_rng(4)
    for n in (1, 2, 3, 10, 1001):
        diameter = rng.lognormal(4, 1, n).round(rng.integers(0, 6)) + 1
        found = size_distribution(diameter, rng.integers(0, 7, n), 7)
        assert [found[f"{q}_nm"] for q in ("q25", "median", "q75")] == np.percentile(diameter, [25, 50, 75]).tolist()


def test_range_grows_with_the_largest():
    sizes = size_distribution([10.0, 205.0, 333.0], [0, 0, 0], 1, bin_width_nm=10.0)
    assert sizes["bin_edges_nm"][-1] == 340
    assert sizes["count"][-1] == 1
    assert sizes["count"].sum() == 3


def test_no_ilvs():
    sizes = size_distribution([], [], 4)
    assert sizes["n"] == 0
    assert sizes["bin_edges_nm"][-1] == 200
    assert not sizes["count"].any()
    for name in ("mean_nm", "sd_nm", "median_nm", "q25_nm", "q75_nm", "fraction_40_100_nm"):
        assert np.isnan(sizes[name])
    assert np.isnan(sizes["ci_low"]).all()
    assert np.isnan(sizes["probability_density_per_nm"]).all()


def test_unknown_diameters_are_left_out():
    sizes = size_distribution([50.0, np.nan, 60.0], [0, 0, 0], 1)
    assert sizes["n"] == 2


def test_intervals_say_what_they_rest_on():
    """Number of endosomes, level and method stand beside the ends, which are those of shares over the width."""
    diameter, endosome = np.random.default_rng(0).normal(60, 10, 80), np.arange(80) % 9
    sizes = size_distribution(diameter, endosome, 9)
    assert (sizes["endosomes"], sizes["interval_level"]) == (9, 0.95)
    assert "over endosomes" in sizes["interval_method"]
    low, high = share_interval(np.bincount(endosome[(diameter >= 60) & (diameter < 65)], minlength=9), [9] * 8 + [8])
    assert (sizes["ci_low"][12], sizes["ci_high"][12]) == pytest.approx((low / 5, high / 5))
    assert (sizes["ci_low"] <= sizes["probability_density_per_nm"]).all()
    assert (sizes["probability_density_per_nm"] <= sizes["ci_high"]).all()


@pytest.mark.parametrize(
    ("diameter", "endosome", "message"),
    [([50.0, 60.0], [0], "one length"), ([-1.0], [0], "positive"), ([np.inf], [0], "finite"), ([50.0], [2], "0 to 1")],
)
def test_bad_input(diameter, endosome, message):
    with pytest.raises(ValueError, match=message):
        size_distribution(diameter, endosome, 2)


@pytest.mark.parametrize(
    ("shell", "lumen", "table"),
    [
        (1.16, 1.06, [1.130, 1.118, 1.109, 1.093, 1.087, 1.074]),
        (1.20, 1.06, [1.159, 1.141, 1.128, 1.106, 1.098, 1.080]),
        (1.08, 1.15, [1.101, 1.110, 1.116, 1.127, 1.131, 1.140]),
    ],
)
def test_shell_density_table(shell, lumen, table):
    density = shell_density(DIAMETERS_NM, shell_g_per_ml=shell, lumen_g_per_ml=lumen)
    np.testing.assert_allclose(density, table, atol=6e-4)


def test_shell_without_lumen():
    with pytest.raises(ValueError, match="exceed 10 nm"):
        shell_density([50.0, 10.0], shell_g_per_ml=1.16, lumen_g_per_ml=1.06)
