"""The command membrane run with kind: kinetics: its archive, and an extended run beside one that was long from the
start."""

import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from membrane.archive import read
from membrane.builder import kinetics as builder
from membrane.commands import info, run

sys.path.append(str(Path(__file__).parents[1] / "kinetics"))
from laws import SharpLaw

pytestmark = [pytest.mark.usefixtures("settings_of_main"), pytest.mark.fast_compilation]

LIFE = Path(__file__).parents[2] / "configs" / "life.yaml"
SETTINGS = ("endosomes=2", "acceleration=400", "numerics.max_step_ms=20", "numerics.travel_step=0.5")
SETTINGS += ("numerics.growth_tolerance=0.05", "output.series_interval_ms=60", "output.checkpoint_interval_ms=100")


def command(path, duration, *more):
    """The exit code of a run of this duration in s."""
    settings = [part for setting in (*SETTINGS, f"duration_s={duration}") for part in ("--set", setting)]
    return run.main([str(LIFE), *settings, "--output", str(path), "--quiet", *more])


def test_a_run_and_its_extension(tmp_path, monkeypatch, capsys):
    """The archive is whole, a picture lies beside it, and resuming it changes no number."""
    monkeypatch.setattr(builder, "bud_table", lambda *_: SharpLaw(jnp.asarray(44.0), jnp.asarray(jnp.inf)))
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    assert command(whole, 0.5) == 0
    assert "ILVs from" in capsys.readouterr().out
    assert whole.with_suffix(".png").exists()
    assert command(parts, 0.29, "--no-picture") == 0
    assert command(parts, 0.5, "--no-picture", "--resume") == 0
    long, extended = read(whole), read(parts)
    assert long.attributes["status"] == "complete"
    assert (len(long.frames), long.config["kind"]) == (0, "kinetics")
    assert len(long.ilvs) > 1
    assert set(long.ilvs["endosome"]) == {0, 1}
    assert long.events.tobytes() == extended.events.tobytes()
    same = np.isin(extended.series["time_s"], long.series["time_s"])
    for name, values in long.series.items():
        assert np.array_equal(extended.series[name][same], values, equal_nan=True), name
    capsys.readouterr()
    assert info.main([str(whole)]) == 0
    assert "run of kind kinetics" in capsys.readouterr().out
