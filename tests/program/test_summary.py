"""What the summary of a run says, in plain words, of records made by hand."""

from pathlib import Path

import numpy as np
import pytest

from membrane.archive import Frames, RunRecord
from membrane.outcome.sizes import size_distribution
from membrane.outcome.table import EVENT_DTYPE
from membrane.program.summary import summary_lines

CONFIG = "kind: sheet\nmembrane: {gaussian_modulus_contrast_kBT: 0.0}\nbudding: {neck_radius_nm: 5.0}\n"


def record_of(diameters, owners, endosomes, *, open_buds=0, exhausted=0, outward=0, fused=0, time_s=0.06):
    """A run whose ILVs have these diameters (nm) and endosomes, and which ended with such states."""
    events = np.zeros(len(diameters) + outward + fused, EVENT_DTYPE)
    events["diameter_nm"], events["direction"] = 50.0, 1
    events["diameter_nm"][: len(diameters)], events["endosome"][: len(owners)] = diameters, owners
    events["direction"][len(diameters) :] = -1
    events["kind"][len(diameters) + outward :] = 1
    first = np.zeros(endosomes)
    series = {"time_s": np.array([0.0, time_s])}
    for name, value in (("open_buds", open_buds), ("exhausted", exhausted)):
        series[name] = np.array([first, np.append(value, first[1:])])
    attributes = {"name": "x", "status": "complete", "wall_time_s": 1.0, "number_of_endosomes": endosomes}
    attributes |= {"config_yaml": CONFIG}
    sizes = size_distribution(np.array(diameters, float), np.array(owners, int), endosomes)
    return RunRecord(Path("x.h5"), attributes, events, series, sizes, Frames([], np.zeros(0), ()), None)


def test_numbers_stand_with_what_they_rest_on():
    """Yield, median and share: each with its interval and level, and beside them how many ILVs and endosomes."""
    rng = np.random.default_rng(0)
    said = "\n".join(summary_lines(record_of(rng.normal(60, 8, 80).tolist(), np.arange(80) % 8, 8)))
    assert "80 ILVs from 8 of 8 endosomes: 10 an endosome (95 %: " in said
    assert said.count("(95 %: ") == 3
    assert "sizes of 80 ILVs in 8 endosomes" in said
    assert "measured to hold 93-99 % of the time" in said


@pytest.mark.parametrize(("contrast", "neck"), [(0, 5), (-72, 3.5), (20, 4)])
def test_the_largest_assumptions_stand_below_the_median(contrast, neck):
    """Right below the median and its interval, with value and key; what has no gate, a vesicle, names none."""
    record = record_of([55.0, 60.0], [0, 1], 2)
    config = f"membrane: {{gaussian_modulus_contrast_kBT: {contrast}.0}}\nbudding: {{neck_radius_nm: {neck}}}\n"
    record.attributes["config_yaml"] = config
    lines = summary_lines(record)
    below = lines[1 + next(i for i, line in enumerate(lines) if line.startswith("median 57.5 nm"))]
    assert below == (
        f"the assumption that moves it most: a Gaussian contrast of {contrast} kT "
        f"(membrane.gaussian_modulus_contrast_kBT); then a neck that breaks at {neck} nm (budding.neck_radius_nm)"
    )
    record = record_of([55.0, 60.0], [0, 1], 2)
    record.attributes["config_yaml"] = "membrane: {gaussian_modulus_contrast_kBT: 1.0}\n"
    assert "assumption" not in "\n".join(summary_lines(record))


@pytest.mark.parametrize("endosomes", [1, 2])
def test_too_few_endosomes_have_no_interval(endosomes):
    """Nor does one ILV print the width of nothing."""
    said = "\n".join(summary_lines(record_of([57.2], [0], endosomes)))
    assert f"1 ILV from 1 of {endosomes} endosome" in said
    assert said.count(f"no interval, {endosomes} endosome{'s' * (endosomes > 1)}: too few") == 3
    assert "57.2-57.2 nm)" not in said
    assert "measured" not in said


def test_one_ilv_in_many_endosomes():
    said = "\n".join(summary_lines(record_of([57.2], [0], 6)))
    assert "median 57.2 nm (no interval, too few ILVs in 6 endosomes)" in said


@pytest.mark.parametrize("time_s", [0.06, 0.00512])
def test_states_are_of_the_time_that_is_named(time_s):
    """The last row's time, whatever it is; one is written in the singular, more in the plural."""
    one = summary_lines(record_of([], [], 2, open_buds=1, exhausted=1, outward=1, fused=1, time_s=time_s))
    then = f"{1e3 * time_s:g} ms"
    assert one[1:] == [
        f"no budding into the lumen: no domain lost or crossed its barrier within {then}",
        "1 bud left away from the lumen",
        "1 vesicle fused",
        f"1 bud has an open neck at {then}",
        f"1 endosome has no membrane left for any vesicle at {then}",
    ]
    two = summary_lines(record_of([], [], 2, open_buds=2, exhausted=2, outward=2, fused=2, time_s=time_s))
    assert two[2:] == [
        "2 buds left away from the lumen",
        "2 vesicles fused",
        f"2 buds have an open neck at {then}",
        f"2 endosomes have no membrane left for any vesicle at {then}",
    ]
