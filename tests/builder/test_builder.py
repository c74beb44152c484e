"""One door for every kind: what it gives fits the protocols of a run, keeps its precision, and measures its wall."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from membrane.builder import build
from membrane.config import load
from membrane.replica import Physics, Replica, Schedule

DOUBLE = "numerics.precision=float64"
CONFIGS = Path(__file__).parents[2] / "configs"
SHEET = CONFIGS / "ceramide.yaml", ["geometry.box_nm=[128, 96]", "budding.law=cap"]
VESICLE = (
    CONFIGS / "vesicle_bud.yaml",
    [
        "geometry.box_nm=[128, 136, 144]",
        "geometry.spacing_nm=4.0",
        "geometry.shape.diameter_nm=78",
        "lipids.interface_width_nm=4.9",
        "membrane.interface_width_nm=4.9",
    ],
)


@pytest.fixture(scope="module", params=[SHEET, VESICLE], ids=["sheet", "vesicle"])
def physics(request):
    """What the door gives for a small configuration of each kind."""
    path, changes = request.param
    return build(load(path, [*changes, DOUBLE]))


def test_physics_and_its_endosomes_fit_the_protocols(physics):
    """All that a run asks for is there, every column of the series and every field has its unit or is a pure number,
    and an endosome made from a checkpoint is the one that was saved."""
    assert isinstance(physics, Physics)
    endosome = physics.endosome(0)
    assert isinstance(endosome, Replica)
    assert (endosome.tick, endosome.events) == (0, [])
    assert endosome.columns[0] == "time_s"
    assert len(endosome.rows) == len(endosome.frames) == 1
    saved = endosome.arrays()
    again = physics.endosome(0, saved).arrays()
    assert again.keys() == saved.keys()
    assert all(np.asarray(again[name]).tobytes() == np.asarray(saved[name]).tobytes() for name in saved)
    assert set(physics.attributes) == {"measured_line_tension_pN"}


def test_endosomes_begin_differently_where_they_begin_with_noise(physics):
    """A sheet begins with noise of its own in every endosome; a cap on a sphere begins alike."""
    first, second = (physics.endosome(index).arrays()["fields"] for index in (0, 1))
    assert np.array_equal(first, second) == hasattr(physics, "membrane")


def test_last_boundary():
    """The last multiple of the boundary interval within the duration."""
    times = {"tick_s": 1e-6, "look_ticks": 8, "series_ticks": 8, "frame_ticks": 8, "checkpoint_ticks": 8}
    last = lambda duration, boundary: Schedule(duration_ticks=duration, boundary_ticks=boundary, **times).last_boundary
    assert [last(31, 8), last(32, 8), last(33, 8), last(7, 8), last(7, 1)] == [24, 32, 32, 0, 7]


def test_wall_of_a_vesicle_is_measured():
    """Of lipids alone it has the line tension of the configuration, to 0.1 %; ceramide that prefers Lo raises it to
    that of a sheet of the same mixture; where there are no two phases it is NaN, and the vesicle is built all the
    same."""
    path, changes = VESICLE
    plain = build(load(path, [*changes, "lipids.line_tension_pN=1.7"]))
    assert plain.line_tension == pytest.approx(1.7, rel=1e-3)
    small = CONFIGS / "vesicle_ceramide_small.yaml"
    vesicle = build(load(small))
    config = load(small)
    same = [
        f"lipids.line_tension_pN={config.lipids.line_tension_pN}",
        f"lipids.interface_width_nm={config.lipids.interface_width_nm}",
        f"lipids.mean_order={config.composition.quench.mean_order}",
        f"ceramide={config.ceramide.model_dump_json()}",
        "cargo=null",
        f"temperature_C={config.temperature_C}",
    ]
    sheet = build(load(SHEET[0], [*SHEET[1], *same, DOUBLE]))
    assert vesicle.line_tension == pytest.approx(sheet.wall.line_tension, rel=1e-12)
    assert vesicle.line_tension > 1.2 * config.lipids.line_tension_pN


PRECISION = """
import warnings
from membrane.builder import build
from membrane.config import load
# jax says so where it makes single precision of double.
warnings.filterwarnings("error", message=".*float64.*")
for precision in ("float32", "float64"):
    for path, changes in {cases!r}:
        physics = build(load(path, [*changes, "numerics.precision=" + precision]))
        print(precision, physics.grid.dtype.name, physics.endosome(0).arrays()["fields"].dtype)
"""


def test_precision_is_honoured_where_nobody_has_set_jax_up():
    """As in a notebook: a process in which nothing but ``build`` was called, first with single, then with double
    precision."""
    code = PRECISION.format(cases=[(str(path), changes) for path, changes in (SHEET, VESICLE)])
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert told == 6 * ["float32"] + 6 * ["float64"]
