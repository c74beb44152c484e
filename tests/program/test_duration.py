"""How long a run lasts, and that nothing that is recorded of it has a part in what it does."""

import math
import os
import signal

import h5py
import numpy as np
import pytest
from test_run import CONFIG, assert_bitwise_equal, everything, interrupt_after, start

from membrane.archive import read
from membrane.archive.folder import latest
from membrane.builder import build
from membrane.commands import run
from membrane.config import load
from membrane.sheet.series import Cadence

LARGEST_STEP_S = 64e-6

pytestmark = pytest.mark.usefixtures("remembered_walls")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Path of the tiny configuration."""
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(CONFIG)
    return path


def run_for(config, output, duration_s, *options, **intervals):
    """The archive of a run of that duration with other intervals of its output (ms)."""
    settings = {"duration_s": duration_s} | {f"output.{name}_interval_ms": value for name, value in intervals.items()}
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    assert start(config, output, "--no-picture", *words, *options) == 0
    return output


@pytest.fixture(scope="module")
def reference(config, tmp_path_factory):
    """A run of 3.3 ms with the intervals of the configuration; its end is no look, no row and no frame of a cadence."""
    return run_for(config, tmp_path_factory.mktemp("reference") / "run.h5", 0.0033)


@pytest.mark.parametrize(
    "intervals",
    [
        {"series": 0.064},
        {"series": 0.7, "frame": 0.13, "checkpoint": 0.5},
        {"checkpoint": 100.0},
        {"frame": 50.0, "series": 50.0},
    ],
    ids=lambda intervals: "-".join(f"{name}{value:g}" for name, value in intervals.items()),
)
def test_output_settings_do_not_touch_the_run(config, reference, tmp_path, intervals):
    """Other intervals of series, frames and checkpoints: events, the state and the last row are the same bits."""
    output = run_for(config, tmp_path / "run.h5", 0.0033, **intervals)
    found, expected = everything(output), everything(reference)
    assert len(expected["events"]) >= 2
    states = [name for name in expected if name.startswith("checkpoint/states/") and not name.endswith("/series")]
    assert [n for n in ["events", *states] if found[n].tobytes() != expected[n].tobytes()] == []
    rows = [name for name in expected if name.startswith("series/")]
    assert [n for n in rows if found[n][-1].tobytes() != expected[n][-1].tobytes()] == []
    for record, cadence in ((read(output), intervals), (read(reference), {})):
        of = {"series": 0.512, "frame": 1.024} | cadence
        for times, name in ((record.series["time_s"], "series"), (record.frames.frame_times_s, "frame")):
            interval = math.ceil(of[name] * 1e-3 / LARGEST_STEP_S - 1e-9) * LARGEST_STEP_S
            expected_times = [*np.arange(0, 0.0033, interval), 52 * LARGEST_STEP_S]
            np.testing.assert_allclose(times, np.unique(np.round(expected_times, 9)), atol=1e-12)


@pytest.mark.parametrize("duration_s", [0.0001, 0.0007, 0.001024, 0.002])
def test_the_end_is_where_it_was_asked(config, tmp_path, duration_s):
    """To a step, whatever the checkpoints: the archive says so, nothing in it is later, and the last row and frame are
    of the end."""
    output = run_for(config, tmp_path / "run.h5", duration_s, checkpoint=6.0)
    record = read(output)
    simulated = record.attributes["simulated_time_s"]
    assert duration_s - 1e-12 <= simulated < duration_s + LARGEST_STEP_S
    assert record.series["time_s"][-1] == record.frames.frame_times_s[-1] == simulated
    assert np.all(record.events["time_s"] <= simulated)
    assert [record.series[name][-1].tolist() for name in ("balance_phi", "balance_area")] == pytest.approx(
        np.zeros((2, 2)), abs=2e-6
    )
    with h5py.File(output) as file:
        assert int(file["checkpoint/states/000000/tick"][()]) * 1e-6 <= simulated


def test_longer_runs_say_what_shorter_ones_said(config, reference, tmp_path):
    """What a run of 2 ms says is the beginning of what one of 3.3 ms says, its last row and frame apart; extended, it
    is that run, also where it was interrupted on its way and ends between looks twice."""
    output = run_for(config, tmp_path / "run.h5", 0.002)
    short, long = read(output), read(reference)
    assert short.events.tobytes() == long.events[long.events["time_s"] <= 0.00205].tobytes()
    for name, values in short.series.items():
        assert values[:-1].tobytes() == long.series[name][: len(values) - 1].tobytes(), name
    for index in range(len(short.frames) - 1):
        assert np.array_equal(short.frames.frame("phi", index, 1), long.frames.frame("phi", index, 1))
    run_for(config, output, 0.0027, "--resume")
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, 0, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert start(config, output, "--no-picture", "--resume", "--set", "duration_s=0.0033") == 75
    run_for(config, output, 0.0033, "--resume")
    assert_bitwise_equal(output, reference)


def test_interrupted_with_frames_that_others_have_not_reached(config, tmp_path, monkeypatch):
    """Frames finer than looks, stopped again and again at chunk boundaries, endosomes apart: every bit of the whole
    run, frames of the one that was ahead among them."""
    fine = {"frame": 0.064, "checkpoint": 0.5}
    whole = run_for(config, tmp_path / "whole.h5", 0.0014, **fine)
    calls = []

    def stops_soon(self):
        calls.append(None)
        if len(calls) % 5 == 0:
            self.received = 15
        return self.received is not None

    words = [w for k, v in fine.items() for w in ("--set", f"output.{k}_interval_ms={v}")]
    words += ["--set", "duration_s=0.0014", "--no-picture", "--resume"]
    with monkeypatch.context() as patch:
        patch.setattr(run.Stop, "__call__", stops_soon)
        patch.setattr(run.Stop, "reason", "asked")
        codes, waiting = [], 0
        while not codes or codes[-1] == 75:
            codes.append(start(config, tmp_path / "run.h5", *words))
            assert len(codes) < 100
            if codes[-1] == 75:
                states, *_ = latest(tmp_path / "run.h5.partial")
                waiting += sum("frame_ticks" in state for state in states)
    assert codes[-1] == 0
    assert len(codes) > 3
    assert waiting, "no interruption left one endosome ahead by a frame; change the 5"
    assert_bitwise_equal(tmp_path / "run.h5", whole)


def test_a_state_that_does_not_fit_is_refused(config):
    """An array of another shape or kind, or none: said in words before a step is taken."""
    physics = build(load(config))
    whole = physics.endosome(0).arrays()
    assert physics.endosome(0, whole).tick == 0
    for name in ("fields", "increment_hat", "wiener", "tick"):
        rest = {key: value for key, value in whole.items() if key != name}
        for wrong in (rest, rest | {name: np.stack([whole[name]] * 2)}, rest | {name: whole[name].astype("S8")}):
            with pytest.raises((KeyError, ValueError), match=name):
                physics.endosome(0, wrong)


@pytest.mark.parametrize(
    ("after", "until", "last", "expected"),
    [
        (0, 10, None, [4, 8]),
        (4, 8, None, [8]),
        (0, 10, 6, [4, 6]),
        (0, 10, 8, [4, 8]),
        (8, 20, 9, [9]),
        (9, 20, 9, []),
        (0, 3, 9, []),
    ],
)
def test_cadence(after, until, last, expected):
    """Whole multiples later than `after`, up to `until`, none beyond the last, which is one itself."""
    assert Cadence(4, last).due(after, until) == expected
