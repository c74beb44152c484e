"""A run beside a measured histogram, against what is known without it: an instrument that changes nothing, a membrane
of known thickness, a limit of detection, and samples that were drawn from what is seen."""

import doctest
import json
from importlib import import_module

import numpy as np
import pytest
from scipy import stats

from membrane.comparison.compare import compare_sizes
from membrane.comparison.seen import view_of, wide_edges
from membrane.comparison.words import as_dict, as_json, headline, report
from membrane.measured import Measured


def run_of(seed, endosomes, each=14, mean=60.0):
    """Diameters of ILVs and their endosomes."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(endosomes), each)
    return rng.normal(mean, 6, owner.size) + rng.normal(0, 3, endosomes)[owner], owner, endosomes


def histogram(diameter, edges, **more):
    values = np.histogram(diameter, edges)[0]
    return Measured(np.asarray(edges, float), values, "count", float(values.sum()), **more)


@pytest.mark.parametrize("name", ["seen", "compare"])
def test_examples(name):
    failed, _ = doctest.testmod(import_module(f"membrane.comparison.{name}"))
    assert failed == 0


@pytest.mark.parametrize("width", [0.5, 2.0, 7.0])
@pytest.mark.parametrize("thickness_nm", [0.0, 4.0, 5.5])
def test_what_changes_nothing(width, thickness_nm):
    """Cryo-EM without an error shows outer diameters: those of the run itself, measured, are no distance away."""
    diameter, owner, endosomes = run_of(1, 4)
    edges = 20 + width * np.arange(int(100 / width))
    measured = histogram(diameter + thickness_nm, edges)
    found = compare_sizes(
        diameter, owner, endosomes, measured, instrument="cryo_em", thickness_nm=thickness_nm, settings={"error_nm": 0}
    )
    assert found.distances == {"kolmogorov_smirnov": pytest.approx(0), "wasserstein_nm": pytest.approx(0)}
    assert found.medians_nm["seen"] == pytest.approx(found.medians_nm["measured"])
    assert found.medians_nm["outer"] == pytest.approx(np.median(diameter) + thickness_nm)
    assert abs(found.medians_nm["seen"] - found.medians_nm["outer"]) < width
    assert (found.unseen, found.outside) == (pytest.approx(0), pytest.approx(0, abs=1e-12))
    assert min(low for low, _ in found.distance_intervals.values()) == 0
    np.testing.assert_array_equal(found.predicted.sum(axis=1), np.bincount(owner))


@pytest.mark.parametrize("shift", [-10.0, 4.0, 31.0])
def test_a_thicker_membrane_is_a_shift(shift):
    """What is measured of the same vesicles with a membrane that is thicker lies that far away, also beyond the bins
    of the file."""
    diameter, owner, endosomes = run_of(2, 3)
    outer = diameter + 5 + shift
    edges = np.arange(np.floor(outer.min()), np.ceil(outer.max()) + 1)
    found = compare_sizes(diameter, owner, endosomes, histogram(outer, edges), instrument="cryo_em")
    assert found.distances["wasserstein_nm"] == pytest.approx(abs(shift), abs=1e-6)
    assert found.medians_nm["measured"] - found.medians_nm["seen"] == pytest.approx(shift, abs=1)
    expected = np.mean((diameter + 5 < edges[0]) | (diameter + 5 >= edges[-1]))
    assert found.outside == pytest.approx(expected)


@pytest.mark.parametrize(("low", "high"), [(65.0, 75.0), (50.0, 54.0)])
@pytest.mark.parametrize("outer", [52.0, 65.0, 70.0, 75.0])
def test_a_limit_of_detection(low, high, outer):
    """Resistive pulses record Phi((D - middle)/half a width) of vesicles of one size."""
    diameter = np.full(6, outer - 5)
    measured = histogram([80.0, 81.0], np.arange(20.0, 100.0))
    found = compare_sizes(
        diameter,
        np.arange(6) % 3,
        3,
        measured,
        instrument="mrps",
        settings={"limit_low_nm": low, "limit_high_nm": high},
    )
    middle, half = (low + high) / 2, (high - low) / 2
    assert found.unseen == pytest.approx(stats.norm.cdf((middle - outer) / half), abs=0.01)
    assert found.blind_below_nm["half"] == pytest.approx(middle, abs=1)
    assert found.blind_below_nm["twentieth"] == pytest.approx(middle - 1.645 * half, abs=1)


def test_sections_have_no_limit():
    """Their kernel counts profiles, whose number is no share of vesicles."""
    diameter, owner, endosomes = run_of(3, 3)
    measured = histogram(diameter, np.arange(20.0, 100.0))
    found = compare_sizes(diameter, owner, endosomes, measured, instrument="thin_section")
    assert found.unseen is None
    assert found.blind_below_nm == {"half": None, "twentieth": None}


@pytest.mark.parametrize("thickness_nm", [4.0, 6.0])
def test_what_moves_the_median(thickness_nm):
    """Where only the thickness of the membrane counts, a tenth of it moves the median by as much."""
    diameter = np.arange(50.05, 70, 0.1)
    owner, endosomes, measured = np.arange(len(diameter)) % 3, 3, histogram(diameter, np.arange(20.0, 120.0))
    found = compare_sizes(diameter, owner, endosomes, measured, instrument="cryo_em", thickness_nm=thickness_nm)
    assert found.moves_nm == {"thickness_nm": pytest.approx(thickness_nm / 10, abs=0.02)}
    assert f"thickness_nm {thickness_nm:g} nm, by" in headline(found)
    nta = compare_sizes(diameter, owner, endosomes, measured, instrument="nta")
    moved = list(nta.moves_nm.items())
    assert moved[0][0] == "limit_nm"
    assert moved == sorted(moved, key=lambda item: -item[1])


@pytest.mark.parametrize("instrument", ["nta", "thin_section"])
def test_a_sample_of_what_is_seen_agrees(instrument):
    """Samples that were drawn from what an instrument sees of other endosomes of the same kind are told apart in few
    cases; those of larger vesicles are."""
    edges, agree, trials = np.arange(0.0, 200.0, 4.0), 0, 12
    many = stats.norm.ppf((np.arange(84) + 0.5) / 84, 60, np.hypot(6, 3))
    truth = compare_sizes(many, np.zeros(84, int), 1, histogram([80.0, 90.0], edges), instrument=instrument)
    share = truth.predicted.sum(axis=0)[: len(edges) - 1]
    for trial in range(trials):
        counts = np.random.default_rng(trial).multinomial(150, share / share.sum())
        sample = Measured(edges, counts, "count", 150)
        found = compare_sizes(*run_of(trial, 6), sample, instrument=instrument)
        low, high = found.median_intervals_nm["seen"]
        assert low <= found.medians_nm["seen"] <= high
        agree += min(low for low, _ in found.distance_intervals.values()) == 0
    assert agree >= 11
    larger = compare_sizes(*run_of(1, 6, mean=90.0), sample, instrument=instrument)
    assert min(low for low, _ in larger.distance_intervals.values()) > 0


def test_captures_and_particles():
    """Captures that differ widen the interval of the median beyond that of the particles; alike ones do not."""
    edges = np.arange(0.0, 301.0)
    bell = lambda mean: np.diff(stats.norm.cdf(edges, mean, 20))
    ends = {}
    for name, means in (("differ", (98, 100, 102)), ("alike", (100, 100, 100))):
        captures = np.array([bell(mean) for mean in means])
        measured = Measured(edges, captures.mean(axis=0), "concentration", 900, captures=captures)
        found = compare_sizes(*run_of(5, 3), measured, instrument="nta")
        ends[name] = np.ptp(found.median_intervals_nm["measured"])
    # The error of the median of n particles of a Gaussian is sqrt(pi/2) sd/sqrt(n).
    assert ends["alike"] == pytest.approx(2 * 1.96 * np.sqrt(np.pi / 2) * 20 / 30, rel=0.02)
    # Three means 2 nm apart: 2 t(0.975; 2) 2/sqrt(3).
    assert ends["differ"] == pytest.approx(2 * 4.303 * 2 / np.sqrt(3), rel=0.03)


def test_captures_that_two_are():
    """Of two captures nothing is known of their error: n decides, or nobody."""
    edges, captures = np.arange(0.0, 301.0), np.ones((2, 300))
    for n in (None, 400):
        measured = Measured(edges, captures.mean(axis=0), "concentration", n, captures=captures)
        found = compare_sizes(*run_of(5, 3), measured, instrument="nta")
        assert found.captures is None
        assert np.isnan(found.median_intervals_nm["measured"]).all() == (n is None)
        assert np.isnan(found.distance_intervals["wasserstein_nm"]).all() == (n is None)
        assert ("--particles tells it" in headline(found)) == (n is None)


def test_numbers_and_words():
    """JSON holds what the report says, NaN becomes null, and shares of all bins are 1 together."""
    diameter, owner, endosomes = run_of(6, 2)
    measured = histogram(diameter, np.arange(20.0, 100.0), assumed=("nothing",))
    found = compare_sizes(np.append(diameter, np.nan), np.append(owner, 0), endosomes, measured, instrument="nta")
    numbers = json.loads(as_json(found, "a.h5"))
    assert numbers["archive"] == "a.h5"
    assert numbers["ilvs"] == 28
    assert numbers["median_nm"]["seen_low"] is None
    assert numbers["distance"]["wasserstein_nm_high"] is None
    for side in ("predicted", "measured"):
        assert sum(row[f"{side}_share"] for row in numbers["rows"]) == pytest.approx(1)
    assert numbers["settings"] == view_of("nta").settings
    told = report(found)
    for words in (
        f"median is {numbers['median_nm']['seen']:.1f} nm (no interval, 2 endosomes: too few)",
        f"measured it is {numbers['median_nm']['measured']:.1f} nm (95 %: ",
        f"Wasserstein {numbers['distance']['wasserstein_nm']:.1f} nm (no interval",
        f"{100 * numbers['share_not_recorded']:.0f} % of the ILVs are not recorded",
        "assumed    nothing",
    ):
        assert words in told
    assert as_dict(found)["rows"] == numbers["rows"]


def test_joined_bins():
    """Bins that are put together keep the particles and their order."""
    diameter, owner, endosomes = run_of(7, 5)
    measured = histogram(diameter, np.arange(20.0, 101.0))
    found = compare_sizes(diameter, owner, endosomes, measured, instrument="cryo_em")
    one, seven = found.shares(), found.shares(7)
    for side in ("predicted", "measured"):
        np.testing.assert_allclose(np.add.reduceat(one[side], np.arange(0, len(one[side]), 7)), seven[side], atol=1e-12)
        assert np.all(seven[f"{side}_low"] <= seven[side])
        assert np.all(seven[side] <= seven[f"{side}_high"])
    np.testing.assert_array_equal(seven["edges_nm"][:-1], one["edges_nm"][:-1][::7])


@pytest.mark.parametrize("edges", [[0.0, 1.0, 2.0], [37.5, 40.0, 42.5], [10.0, 20.0, 50.0], [3.0, 3.1, 3.2]])
def test_wide_edges_hold_the_narrow_ones(edges):
    wide, before = wide_edges(edges, 90.0)
    np.testing.assert_array_equal(wide[before : before + 3], edges)
    assert wide[0] == 0
    assert wide[-1] >= 360
    assert np.all(np.diff(wide) > 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "the file does not tell its instrument; --instrument may be thin_section, cryo_em"),
        ({"instrument": "nat"}, "there is no instrument 'nat'; did you mean 'nta'?"),
        ({"instrument": "isopycnic"}, "isopycnic reports density and no diameter"),
        ({"instrument": "nta", "settings": {"section_nm": 70}}, "unknown setting section_nm; known are spread_cv"),
        ({"instrument": "negative_stain"}, "setting shrinkage must be given"),
        ({"instrument": "thin_section", "settings": {"cap_angle_deg": 95}}, "allowed is 0 to 89 deg"),
        ({"instrument": "nta", "thickness_nm": -1}, "thickness of the membrane is -1 nm"),
        ({"instrument": "trps"}, "trps records none of the 42 ILVs, .* fewer than half of the vesicles up to 122 nm"),
    ],
)
def test_what_cannot_be_compared(options, words):
    measured = histogram([60.0, 70.0], np.arange(20.0, 100.0))
    with pytest.raises(ValueError, match=words.replace("?", r"\?")):
        compare_sizes(*run_of(8, 3), measured, **options)
    with pytest.raises(ValueError, match="no ILV of known size"):
        compare_sizes([np.nan], [0], 1, measured, instrument="nta")
