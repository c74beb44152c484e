"""The tables of docs/controls.md are made of archives, and put where they belong."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from membrane.archive import Archive
from membrane.outcome.table import EVENT_DTYPE

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("controls_table", ROOT / "scripts/controls_table.py")
controls_table = importlib.util.module_from_spec(spec)
spec.loader.exec_module(controls_table)


def archive(path, name, diameters, law="exact", status="complete"):
    """A run of four endosomes."""
    events = np.zeros(len(diameters), EVENT_DTYPE)
    events["diameter_nm"], events["direction"], events["time_s"] = diameters, 1, 0.01
    events["endosome"], events["barrier_kBT"] = np.arange(len(diameters)) % 4, 0.0
    series = {"time_s": np.array([0.0, 0.06])} | {n: np.ones((2, 4)) for n in ("open_buds", "tension_uN_per_m")}
    shared = {"units": {}, "grid_spacing_nm": (1.0, 1.0), "number_of_endosomes": 4}
    with Archive.create(path, config_yaml=f"budding: {{law: {law}}}", name=name, seed=0) as run:
        run.checkpoint([{}] * 4, {}, events, series)
        run.finish(status=status, wall_time_s=1.0, **shared)
    return str(path)


def test_tables(tmp_path, capsys):
    """A row a configuration, a column a law, each number with its interval; the document's text around is kept."""
    rng = np.random.default_rng(0)
    given = [
        archive(tmp_path / "a.h5", "ceramide", rng.normal(58, 6, 40)),
        archive(tmp_path / "b.h5", "ceramide", rng.normal(78, 6, 24), law="cap"),
        archive(tmp_path / "c.h5", "high_tension", []),
    ]
    document = tmp_path / "controls.md"
    document.write_text((ROOT / "docs/controls.md").read_text())
    before = document.read_text()
    assert controls_table.main([*given, "--write", str(document)]) == 0
    first, second, besides = capsys.readouterr().out.strip().split("\n\n")
    assert first.splitlines()[2].startswith("| ceramide | ILVs of 40-100 nm | 4 | 40 | 10.0 (")
    assert "| high_tension | fewer, or none | 4 | 0 | 0.0 (0.0-0.9) | - | - |" in first
    assert "| ILVs | 40 | 24 |" in second
    assert besides.startswith("main run: 10 to 10 ILVs an endosome, variance 0.0 about 10.0")
    after = document.read_text()
    assert first in after
    assert second in after
    assert after.split("<!-- end laws -->")[1] == before.split("<!-- end laws -->")[1]
    assert controls_table.main([*given, "--write", str(document)]) == 0
    assert document.read_text() == after


@pytest.mark.parametrize("case", ["unfinished", "another", "absent", "no marks"])
def test_refused(case, tmp_path, capsys):
    """What is none of the runs, or not whole, and a document without marks: exit 2, nothing written."""
    document = tmp_path / "text.md"
    document.write_text("no marks")
    path, words = tmp_path / "a.h5", {"unfinished": "is failed", "another": "is 'mine'", "no marks": "no lines"}
    if case != "absent":
        archive(
            path,
            "mine" if case == "another" else "ceramide",
            [50.0] * 8,
            status="failed" if case == "unfinished" else "complete",
        )
    assert controls_table.main([str(path), "--write", str(document)]) == 2
    assert words.get(case, "does not exist") in capsys.readouterr().err
    assert document.read_text() == "no marks"
