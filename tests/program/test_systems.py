"""What README says of Python versions and of systems, against the files that decide it and against what runs."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
from test_console import WINDOWS

from membrane.archive import Archive

ROOT = Path(__file__).parents[2]
README = " ".join((ROOT / "README.md").read_text().split())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def version(text):
    """A Python version such as "3.11" as numbers."""
    return tuple(map(int, text.split(".")))


def test_oldest_python():
    """README names the version that pip demands, wherever it names one, and this suite runs on no older one."""
    named = set(re.findall(r"Python (3\.\d+) or newer", README))
    assert named == {PROJECT["requires-python"].removeprefix(">=")}
    assert sys.version_info[:2] >= version(*named)


def test_newest_python():
    """What make test-newest looks for is what README says that it looks for."""
    (said,) = re.findall(r"the newest Python that it finds \((3\.\d+) or (3\.\d+)\b", README)
    makefile = (ROOT / "Makefile").read_text().split("PYTHON_NEWEST ?= ")[1].split("\n\n")[0]
    assert set(said) == set(re.findall(r"python(3\.\d+)", makefile))


def test_classifiers():
    """PyPI is told of the Pythons between the oldest and the newest that are tested, and of Linux alone."""
    last_words = lambda start: {c.split(" :: ")[-1] for c in PROJECT["classifiers"] if c.startswith(start)}
    pythons = {version(v) for v in last_words("Programming Language :: Python :: 3.")}
    oldest = version(PROJECT["requires-python"].removeprefix(">="))
    newest = max(map(version, re.findall(r"finds \((3\.\d+)", README)))
    assert pythons == {(3, minor) for minor in range(oldest[1], newest[1] + 1)}
    assert last_words("Operating System") == {"Linux"}
    assert "Linux is supported" in README


LACKING = "import matplotlib.animation, matplotlib.font_manager\n" + WINDOWS.split("from membrane")[0]
"""Takes away on Linux what Windows lacks, once the libraries are imported: they would look for what Windows has."""

DRAWN_AND_PREDICTED = """
from membrane.archive import read
from membrane.commands import predict
from membrane.figures import sheet
from membrane.figures.style import save
print(*(path.name for path in save(sheet.summary_figure(read("a.h5")), "a")))
print(predict.main(["absent.yaml"]))
"""


def test_what_works_on_windows(tmp_path):
    """Archives are drawn and predict starts, as README says: what it misses is the configuration, not Linux."""
    assert "On Windows, archives can be read and drawn and `predict` and `collect` start" in README
    with Archive.create(tmp_path / "a.h5", config_yaml="duration_s: 1.0", name="mine", seed=0) as run:
        run.add_frame(0, 0.0, {"phi": np.zeros((1, 8, 8))})
        run.finish(status="complete", wall_time_s=1.0, units={}, grid_spacing_nm=(1.0, 1.0), number_of_endosomes=1)
    done = subprocess.run(
        [sys.executable, "-c", LACKING + DRAWN_AND_PREDICTED],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "a.png a.pdf\n2\n", done.stderr
    assert "absent.yaml" in done.stderr
    assert "WSL" not in done.stderr
