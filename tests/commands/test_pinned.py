"""The beginning of a run of every kind, number by number: what changes no physics changes none of them.

A change of physics or of numerics that is meant to move them writes them anew and says so:
``python tests/commands/test_pinned.py --write``.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from test_run import CONFIG as TINY

from membrane.archive import read
from membrane.commands.run import main

PINNED = Path(__file__).with_name("pinned.json")
CONFIGS = Path(__file__).parents[2] / "configs"
DOUBLE = "numerics.precision=float64"
BEGINNINGS = {
    # Small enough to bud at once: a law in closed form, noise, flow, ceramide, removal, books.
    "tiny": (TINY, [DOUBLE, "duration_s=0.005"]),
    # What is shipped, on a smaller membrane: n-mers, the exact law, a sphingomyelinase.
    "ceramide": (
        (CONFIGS / "ceramide.yaml").read_text(),
        [DOUBLE, "duration_s=0.005", "endosomes=1", "geometry.box_nm=[192, 160]"],
    ),
    # A cap on a sphere: its shape and its lipids, with lipids that flow.
    "vesicle": (
        (CONFIGS / "vesicle_bud.yaml").read_text(),
        [
            DOUBLE,
            "duration_s=2.4e-5",
            "geometry.box_nm=[128, 136, 144]",
            "geometry.spacing_nm=4.0",
            "geometry.shape.diameter_nm=78",
            "lipids.interface_width_nm=4.9",
            "membrane.interface_width_nm=4.9",
        ],
    ),
}
ACCURACY = 1e-7
"""Of a column, over its largest value: another compiler, or another processor, rounds otherwise."""
BALANCE = 1e-12
"""What a relative balance may differ by in double precision."""


def begin(name, folder) -> dict[str, dict[str, list]]:
    """Runs a beginning; its series, its events and the sums of its last frame."""
    text, changes = BEGINNINGS[name]
    config, output = folder / f"{name}.yaml", folder / f"{name}.h5"
    config.write_text(text)
    changes = [word for change in changes for word in ("--set", change)]
    assert main([str(config), "--output", str(output), "--quiet", "--no-picture", *changes]) == 0
    record = read(output)
    frames = {field: record.frames.frame(field, -1) for field in record.frames.field_names}
    return {
        "series": {column: np.asarray(record.series[column], float).ravel().tolist() for column in record.series},
        "events": {column: record.events[column].astype(float).tolist() for column in record.events.dtype.names},
        "frame": {field: [float(np.sum(x)), float(np.sum(x**2))] for field, x in frames.items()},
    }


@pytest.mark.parametrize("name", BEGINNINGS)
def test_beginning(name, tmp_path, settings_of_main):
    """Every number of the series, of the events and of the last frame is what it was."""
    found, pinned = begin(name, tmp_path), json.loads(PINNED.read_text())[name]
    assert {part: list(found[part]) for part in found} == {part: list(pinned[part]) for part in pinned}
    for part in pinned:
        for column, before in pinned[part].items():
            # Balances of what is conserved are relative, and nothing but rounding.
            least = BALANCE / ACCURACY if column.startswith("balance_") else 1e-300
            scale = np.nanmax(np.abs(before), initial=least)
            np.testing.assert_allclose(
                found[part][column], before, rtol=0, atol=ACCURACY * scale, err_msg=f"{name}: {part}.{column}"
            )


if __name__ == "__main__" and "--write" in sys.argv:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        PINNED.write_text(json.dumps({name: begin(name, Path(folder)) for name in BEGINNINGS}, indent=1) + "\n")
