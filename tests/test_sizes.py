from math import erf

import numpy as np
import pytest

from membrane.sizes import (
    median_interval,
    shell_density,
    size_distribution,
    size_distribution_of,
    thin_section_mean,
)

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


def test_parts_are_as_good_as_the_whole():
    """Any partition, empty parts and repeated values included; quartiles are numpy's to the bit."""
    rng = np.random.default_rng(4)
    for n in (1, 2, 3, 10, 1001):
        diameter, endosome = rng.lognormal(4, 1, n).round(rng.integers(0, 6)) + 1, rng.integers(0, 7, n)
        cuts = np.sort(rng.integers(0, n + 1, 5))
        parts = list(zip(np.split(diameter, cuts), np.split(endosome, cuts)))
        whole, found = size_distribution(diameter, endosome, 7), size_distribution_of(lambda p=parts: p, 7)
        assert whole.keys() == found.keys()
        for name in whole:
            np.testing.assert_allclose(found[name], whole[name], rtol=1e-12, err_msg=name)
        quartiles = [found[name] for name in ("q25_nm", "median_nm", "q75_nm")]
        assert quartiles == np.percentile(diameter, [25, 50, 75]).tolist()


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
    assert np.isnan(median_interval([], [], 4)).all()


def test_unknown_diameters_are_left_out_and_one_endosome_has_no_interval():
    sizes = size_distribution([50.0, np.nan, 60.0], [0, 0, 0], 1)
    assert sizes["n"] == 2
    assert np.isnan(sizes["ci_high"]).all()


def test_interval_covers_and_knows_that_ilvs_of_one_endosome_resemble_each_other():
    rng = np.random.default_rng(3)
    endosome = np.repeat(np.arange(12), 10)
    covered_density = covered_median = 0
    widths, independent = [], []
    for trial in range(40):
        shift = rng.normal(0, 6, 12)[endosome]
        diameter = 60 + shift + rng.normal(0, 6, endosome.size)
        low, high = median_interval(diameter, endosome, 12, resamples=200, seed=trial)
        covered_median += low <= 60 <= high
        widths.append(high - low)
        low, high = median_interval(rng.permutation(diameter), endosome, 12, resamples=200, seed=trial)
        independent.append(high - low)
        sizes = size_distribution(diameter, endosome, 12, bin_width_nm=20.0, resamples=200, seed=trial)
        truth = _normal_share(60, 80, 60, np.hypot(6, 6)) / 20
        covered_density += sizes["ci_low"][3] <= truth <= sizes["ci_high"][3]
    assert covered_median >= 32
    assert covered_density >= 32
    assert np.mean(widths) > 1.3 * np.mean(independent)


def _normal_share(low, high, mean, sd):
    return 0.5 * (erf((high - mean) / sd / 2**0.5) - erf((low - mean) / sd / 2**0.5))


def test_same_seed_same_interval():
    rng = np.random.default_rng(0)
    diameter, endosome = rng.normal(60, 10, 80), rng.integers(0, 9, 80)
    first, again, other = (size_distribution(diameter, endosome, 9, seed=seed)["ci_high"] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


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


def test_thin_section_mean_is_that_of_random_cuts():
    height = np.random.default_rng(0).uniform(0, 30, 20000)
    assert thin_section_mean(60.0) == pytest.approx(np.mean(2 * np.sqrt(30**2 - height**2)), rel=0.01)
