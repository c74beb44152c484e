"""The table of scripts/robustness.py: shifts in standard errors, rows that are left out, runs that are kept."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t as student

from membrane.archive import Archive, read
from membrane.config import load
from membrane.outcome.table import EVENT_DTYPE

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("robustness", ROOT / "scripts/robustness.py")
robustness = importlib.util.module_from_spec(spec)
spec.loader.exec_module(robustness)

CONFIG = "geometry: {box_nm: [%g, 100.0]}\nbudding: {look_interval_ms: 1.2}\nduration_s: 0.02\n"


def record(path, diameters, owners, endosomes, *, box=100.0, time_s=0.01):
    """A finished run whose ILVs have these diameters, on a box of so many nm by 100."""
    events = np.zeros(len(diameters), EVENT_DTYPE)
    events["diameter_nm"], events["direction"], events["endosome"] = diameters, 1, owners
    events["time_s"] = time_s
    shared = {"units": {}, "grid_spacing_nm": (1.0, 1.0), "number_of_endosomes": endosomes}
    with Archive.create(path, config_yaml=CONFIG % box, name="x", seed=0) as run:
        run.checkpoint([{}] * endosomes, {}, events, {"time_s": np.array([0.0]), "open_buds": np.zeros((1, endosomes))})
        run.finish(status="complete", wall_time_s=1.0, **shared)
    return read(path)


@pytest.mark.parametrize("shift", [0.0, 3.0, 12.0])
@pytest.mark.parametrize("endosomes", [5, 12])
def test_shift_of_the_median_is_in_standard_errors_of_both(tmp_path, shift, endosomes):
    """Normal diameters of equal spread in both: the shift is the distance over sqrt(2) sd sqrt(pi/2)/sqrt(n), the
    error of a median, within 40 % of one (endosomes differ by chance); it is bold beyond two."""
    rng, each, sd = np.random.default_rng(3), 200, 6.0
    owners = np.repeat(np.arange(endosomes), each)
    one, two = (
        record(tmp_path / f"{i}.h5", rng.normal(60 + i * shift, sd, owners.size), owners, endosomes) for i in (0, 1)
    )
    base, here = (robustness.measures(r, 1e4) for r in (one, two))
    error = sd * np.sqrt(np.pi / 2 / owners.size)
    name = "median diameter (nm)"
    assert base[name].value == pytest.approx(60, abs=4 * error)
    assert 0.5 * error < base[name].error < 1.6 * error
    found = robustness.shift(here[name], base[name])
    assert found == pytest.approx((here[name].value - base[name].value) / np.hypot(here[name].error, base[name].error))
    assert ("**" in robustness.cells(here, base)[1]) == (abs(found) > 2) == (shift > 0)
    # All leave at one time and as many from each: no shift, whatever the error.
    assert robustness.shift(here["median time (ms)"], base["median time (ms)"]) == 0
    assert base["median time (ms)"].error == pytest.approx(1.2 / np.sqrt(12))


@pytest.mark.parametrize("box", [100.0, 200.0, 50.0])
def test_ilvs_are_counted_per_area_of_the_base(tmp_path, box):
    """Numbers 2, 4, 6 on a box of another area: their mean and its standard error, times the share of the areas."""
    owners = np.repeat([0, 1, 2], [2, 4, 6])
    found = robustness.measures(record(tmp_path / "a.h5", np.full(12, 50.0), owners, 3, box=box), 1e4)
    of = found["ILVs an endosome"]
    share = 100.0 / box
    assert of.value == pytest.approx(4 * share)
    # The interval is m exp(+- t s/m).
    reach = student.ppf(0.975, 2) * 2 / np.sqrt(3) / 4
    assert (of.low, of.high) == pytest.approx((4 * share * np.exp(-reach), 4 * share * np.exp(reach)))


def test_rows_that_are_not_allowed_are_left_out_with_a_reason():
    """A spacing beyond the width of the wall, a precision that is there already, a number that is not there."""
    config = load(ROOT / "configs/ceramide.yaml", ["numerics.precision=float64"])
    assert robustness.changed_value(config, robustness.ROWS["spacing-finer"]) == pytest.approx(3.2)
    assert robustness.changed_value(config, robustness.ROWS["box-smaller"]) == [576.0, 576.0]
    assert robustness.changed_value(config, robustness.ROWS["circularity-higher"]) == 0.954
    assert robustness.changed_value(config, robustness.ROWS["gaussian-less"]) == -20
    for row, why in (
        (robustness.ROWS["precision"], "it is float64 already"),
        (robustness.Row("geometry.spacing_nm", robustness.times(1.3)), "does not resolve lipids.interface_width_nm"),
        (robustness.Row("budding.scission_aid.waiting_time_s", robustness.times(2)), "has no such number"),
    ):
        with pytest.raises(robustness.LeftOut, match=why):
            robustness.changed_value(config, row)


@pytest.mark.slow
def test_table_of_tiny_runs_and_of_runs_that_are_kept(tmp_path, capfd):
    """A row a change, each with its --set and three shifts; what is kept is not run again; another base is refused."""
    config, output = tmp_path / "tiny.yaml", tmp_path / "table.md"
    text = (ROOT / "configs/ceramide.yaml").read_text()
    config.write_text(text.replace("box_nm: [768.0, 768.0]", "box_nm: [80.0, 80.0]"))
    arguments = [str(config), "--endosomes", "3", "--duration_s", "0.001024", "--folder", str(tmp_path / "kept")]
    arguments += ["--rows", "look-shorter", "seed", "--output", str(output)]
    assert robustness.main(arguments) == 0
    lines = output.read_text().splitlines()
    assert lines[0].startswith("ceramide, 3 endosomes, 1.024 ms")
    assert [line.split(" | ")[0] for line in lines[4:]] == ["| base", "| look-shorter", "| seed"]
    assert "`budding.look_interval_ms=0.512`" in lines[5]
    assert "`seed=1001`" in lines[6]
    assert len({line.count(" | ") for line in lines[2:]}) == 1
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").glob("*.h5")}
    assert robustness.main(arguments) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").glob("*.h5")} == before
    capfd.readouterr()
    arguments[2] = "4"
    assert robustness.main(arguments) == 2
    assert "made with another configuration" in capfd.readouterr().err


def test_other_kinds_are_refused(capsys):
    assert robustness.main([str(ROOT / "configs/vesicle_bud.yaml"), "--endosomes", "1"]) == 2
    assert "give a configuration of kind sheet" in capsys.readouterr().err
