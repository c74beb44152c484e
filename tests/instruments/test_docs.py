"""The numbers of docs/instruments.md are those of the code."""

import re
from pathlib import Path

import numpy as np
import pytest

from membrane.instruments.registry import INSTRUMENTS
from membrane.instruments.thin_section import mean_profile
from membrane.outcome.density import shell_density

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/instruments.md").read_text()


def test_the_examples_print_what_the_page_shows(capsys, monkeypatch):
    """Each block of Python, followed by what it prints."""
    monkeypatch.chdir(ROOT)
    examples = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.S)
    assert len(examples) == 2
    for code, printed in examples:
        exec(compile(code, "docs/instruments.md", "exec"), {})
        assert capsys.readouterr().out == printed


def test_mono_disperse_in():
    rows = [line.strip("|").split("|") for line in PAGE.split("## Mono-disperse in")[1].splitlines() if line[:1] == "|"]
    table = {row[0].strip(): np.array([float(cell) for cell in row[1:]]) for row in rows if row[0].strip("- ")}
    diameters = table.pop("true outer diameter (nm)")
    edges = np.linspace(0, 4000, 40_001)
    middle = (edges[1:] + edges[:-1]) / 2
    kernels = {
        name: np.asarray(INSTRUMENTS[name].matrix(edges, diameters, **settings))
        for name, settings in {"nta_tracks": {"steps": 10}, "nta": {}, "mrps": {}, "trps": {}, "dls": {}}.items()
    }
    kept = {name: kernel.sum(axis=0) for name, kernel in kernels.items()}
    expected = {
        "mean profile, 65-nm section, 41 deg (nm)": mean_profile(diameters),
        "mean profile, pi/4 (nm)": np.pi / 4 * diameters,
        "mean of tracks of 10 steps (nm)": middle @ kernels["nta_tracks"] / kept["nta_tracks"],
        "detected by tracking (%)": 100 * kept["nta"],
        "detected by MRPS (%)": 100 * kept["mrps"],
        "detected by TRPS (%)": 100 * kept["trps"],
        "weight by DLS, thin shell at 173 deg": kept["dls"],
        "density (g/ml)": shell_density(diameters, shell_g_per_ml=1.16, lumen_g_per_ml=1.06),
    }
    assert set(table) == set(expected)
    for name, row in table.items():
        digits = 3 if row.max() < 3 else 1
        np.testing.assert_allclose(row, expected[name], atol=0.6 * 10.0**-digits, err_msg=name)


def test_every_instrument_is_on_the_page():
    below = PAGE.split("## Kernels")[1].split("## Mono")[0]
    named = set(re.findall(r"^\| (`[\w`, ]+) \|", below, re.M))
    assert {name for cell in named for name in re.findall(r"`(\w+)`", cell)} == set(INSTRUMENTS)


@pytest.mark.parametrize(("angle", "row"), [(0, "phi = 0"), (41, "phi = 41 deg")])
def test_table_of_mean_profiles(angle, row):
    ratios, means = (
        np.array([float(x) for x in re.search(rf"^\| {name} \|(.*)\|$", PAGE, re.M)[1].split("|")])
        for name in ("T/D", row)
    )
    found = [float(mean_profile(1.0, section_nm=ratio, cap_angle_deg=angle)) for ratio in ratios]
    np.testing.assert_allclose(found, means, atol=6e-4)
