"""python -m membrane.run on a vesicle: what it leaves behind, resumption to the bit, a fission and a fusion in the
event table, failure with the last good state."""

import importlib.util
import os
import signal
import warnings
from dataclasses import replace
from pathlib import Path

import equinox as eqx
import h5py
import numpy as np
import pytest

from membrane.archive import Archive, read
from membrane.builder import build
from membrane.builder import vesicle as build_vesicle
from membrane.commands import run
from membrane.config import parse
from membrane.outcome.table import KINDS
from membrane.program import launch
from membrane.vesicle import detect_events, initial
from membrane.vesicle import replica as vesicle_replica
from membrane.vesicle.replica import VesicleReplica

CONFIG = """
name: tiny
kind: vesicle
seed: 3
endosomes: 1
duration_s: 3.2e-5
geometry:
  box_nm: [128.0, 128.0, 128.0]
  spacing_nm: 4.0
  shape: {kind: sphere, diameter_nm: 80.0}
composition: {quench: {mean_order: -0.4, noise: 0.3}}
lipids:
  line_tension_pN: 1.0
  interface_width_nm: 4.8
  diffusion_ld_um2_per_s: 1.0
  diffusion_lo_um2_per_s: 1.0
  area_per_lipid_ld_nm2: 0.65
  area_per_lipid_lo_nm2: 0.42
membrane:
  interface_width_nm: 4.8
  bending_rigidity_ld_kBT: 10.0
  bending_rigidity_lo_kBT: 10.0
  spontaneous_curvature_lo_per_nm: 0.01
numerics: {shape_steps: 2}
output: {series_interval_ms: 0.008, frame_interval_ms: 0.016, checkpoint_interval_ms: 0.008}
"""
"""A mixed sphere of 80 nm on 32^3 points: eight rounds of two shape steps."""

RADIUS, ILV, GAP = 40.0, 16.0, 14.0
"""Of the sphere, of a vesicle in it where one is put there, and what lies between them at the pole; nm."""


@pytest.fixture(scope="module", autouse=True)
def _no_pictures(settings_of_main):
    """Pictures are tested elsewhere."""
    settings_of_main.setattr(launch, "summarise", lambda output, picture: None)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Path of the tiny configuration."""
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(CONFIG)
    return path


def with_an_ilv(gap):
    """In place of the initial distance: a sphere with another in it, ``gap`` nm below its north pole."""

    def distance(_, grid):
        z, y, x = initial.centred(grid)
        inner = np.sqrt((z - (RADIUS - ILV - gap)) ** 2 + y**2 + x**2) - ILV
        return np.minimum(initial.sphere(grid, RADIUS), inner)

    return distance


@pytest.fixture
def parting(monkeypatch):
    """Runs start with an ILV that has just separated and is not known yet: the first look finds it."""
    monkeypatch.setattr(build_vesicle, "_distance", with_an_ilv(GAP))


def start(config, output, *options):
    """Exit code of main() in this process."""
    return run.main([str(config), "--output", str(output), "--quiet", *map(str, options)])


def everything(path):
    """{name: array} of all data sets of an archive."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, node: found.update({name: node[()]} if isinstance(node, h5py.Dataset) else {}))
    return found


def assert_bitwise_equal(path, reference):
    """Every data set of two archives has the same bytes."""
    found, expected = everything(path), everything(reference)
    assert found.keys() == expected.keys()
    assert {"checkpoint/states/000000/velocity_hat", "events", "series/free_energy_pN_nm", "frames/psi"} < found.keys()
    assert [name for name in found if found[name].tobytes() != expected[name].tobytes()] == []


def interrupt_after(monkeypatch, round_number, number=signal.SIGTERM):
    """Sends this process a signal while the round with that number is under way."""
    count, move = iter(range(1, 1000)), vesicle_replica.transported

    def transported(*arguments):
        if next(count) == round_number:
            os.kill(os.getpid(), number)
        return move(*arguments)

    monkeypatch.setattr(vesicle_replica, "transported", transported)


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    """The archive of the uninterrupted run without a fission."""
    output = tmp_path_factory.mktemp("whole") / "whole.h5"
    assert start(config, output) == 0
    return output


def test_complete_run(whole):
    """Status, intervals, frames of both fields in three dimensions with their spacing, units; energy falls, lipids and
    area stay, and nothing has happened."""
    record = read(whole)
    assert record.attributes["status"] == "complete"
    assert record.config["numerics"]["look_rounds"] == 2
    assert record.frames.field_names == ("phi", "psi")
    assert record.frames.frame("psi", -1).shape == (32, 32, 32)
    assert record.frames.frame("psi", 0).dtype == np.float32
    assert record.spacing_nm == (4.0, 4.0, 4.0)
    np.testing.assert_allclose(record.frames.frame_times_s, np.arange(3) * 16e-6, atol=1e-12)
    series = {name: values if name == "time_s" else values[:, 0] for name, values in record.series.items()}
    np.testing.assert_allclose(series["time_s"], np.arange(5) * 8e-6, atol=1e-12)
    assert np.all(np.diff(series["free_energy_pN_nm"]) < 0)
    parts = sum(series[f"{name}_energy_pN_nm"] for name in ("bending", "lipids", "stretch", "osmosis"))
    np.testing.assert_allclose(series["free_energy_pN_nm"], parts)
    np.testing.assert_allclose(series["lo_content_nm2"], series["lo_content_nm2"][0], atol=1e-4 * np.pi * 80**2)
    np.testing.assert_allclose(series["membrane_area_nm2"], np.pi * 80**2, rtol=5e-3)
    np.testing.assert_allclose(series["reduced_volume"], 1, rtol=5e-3)
    np.testing.assert_allclose(series["euler_characteristic"], 2, rtol=2e-2)
    assert series["shape_steps"].tolist() == [0, 4, 8, 12, 16]
    assert not series["ilv_count"].any()
    assert len(record.events) == 0
    with h5py.File(whole) as file:
        assert file["series/bending_energy_pN_nm"].attrs["units"] == "pN nm"
        assert file["frames/psi"].shape == (3, 1, 32, 32, 32)
        assert all(file["series"][name].attrs["units"] for name in file["series"] if name != "endosome")


def test_the_fluid_is_resumed_like_the_rest(config, tmp_path, monkeypatch):
    """With mobility stokes, and a slab in place of a sphere: as many steps as the time takes; interrupted and resumed
    it equals the uninterrupted run to the bit."""
    fluid = ["numerics.mobility=stokes", "numerics.viscosity_mPa_s=1", "numerics.transport_step_us=0.04"]
    fluid += ["duration_s=1.6e-7", "output.checkpoint_interval_ms=0.00008", "output.series_interval_ms=0.00008"]
    fluid += ["output.frame_interval_ms=0.00016", "geometry.shape={kind: slab, thickness_nm: 64}"]
    options = [word for override in fluid for word in ("--set", override)]
    once, twice = tmp_path / "once.h5", tmp_path / "twice.h5"
    assert start(config, once, *options) == 0
    steps = read(once).series["shape_steps"][:, 0]
    assert steps[0] == 0
    assert np.all(np.diff(steps) > 4)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        assert start(config, twice, *options) == 75
    assert start(config, twice, "--resume", *options) == 0
    assert_bitwise_equal(twice, once)


def test_check_writes_nothing(config, tmp_path, monkeypatch, capsys):
    """--check: exit 0, points, membrane, rounds and memory in words, and not one file."""
    monkeypatch.chdir(tmp_path)
    assert run.main([str(config), "--check"]) == 0
    assert list(tmp_path.iterdir()) == []
    said = capsys.readouterr().out
    for words in ("of 32 x 32 x 32 points, float32", "diameter 80", "8 of 2 shape steps and 4 us", "MiB", "is valid"):
        assert words in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_then_resume(config, whole, tmp_path, monkeypatch, number):
    """Stopped in the middle, between looks and between checkpoints: exit 75, and the resumed run has every bit of the
    whole one."""
    output = tmp_path / "run.h5"
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3, number)
        assert start(config, output) == 75
    assert len(read(output).frames) == 1
    assert start(config, output, "--resume") == 0
    assert_bitwise_equal(output, whole)


def test_longer_duration_extends_a_finished_run(config, whole, tmp_path):
    """Half the duration, then --resume with all of it, equals the whole run; a shorter one and another value are
    refused."""
    output = tmp_path / "run.h5"
    assert start(config, output, "--set", "duration_s=1.6e-5") == 0
    assert start(config, output, "--resume", "--set", "lipids.line_tension_pN=2") == 2
    assert start(config, output, "--resume") == 0
    assert_bitwise_equal(output, whole)


@pytest.mark.parametrize("output", ["checkpoint_interval_ms=1", "frame_interval_ms=0.004", "series_interval_ms=1"])
def test_output_settings_do_not_touch_the_run(config, whole, tmp_path, output):
    """Other intervals of checkpoints, frames and rows: the last state, row and frame are the same bits; frames keep
    their own cadence."""
    path = tmp_path / "run.h5"
    assert start(config, path, "--set", f"output.{output}") == 0
    found, expected = everything(path), everything(whole)
    states = [name for name in expected if name.startswith("checkpoint/states/") and not name.endswith("/series")]
    assert [name for name in states if found[name].tobytes() != expected[name].tobytes()] == []
    last = [name for name in expected if name.startswith(("series/", "frames/")) and not name.endswith("index")]
    assert [name for name in last if found[name][-1].tobytes() != expected[name][-1].tobytes()] == []
    if output.startswith("frame"):
        np.testing.assert_allclose(found["frames/time_s"], np.arange(9) * 4e-6, atol=1e-15)


def test_the_end_is_where_it_was_asked(config, whole, tmp_path):
    """After any round, between looks, too: the archive says so, the last row and frame are of the end, and extended it
    is the run that was long from the start."""
    path = tmp_path / "run.h5"
    assert start(config, path, "--set", "duration_s=1.1e-5") == 0
    record = read(path)
    assert record.attributes["simulated_time_s"] == pytest.approx(1.2e-5, abs=1e-15)
    assert record.series["time_s"][-1] == record.frames.frame_times_s[-1] == record.attributes["simulated_time_s"]
    assert start(config, path, "--resume") == 0
    assert_bitwise_equal(path, whole)


def test_several_endosomes_differ_and_do_not_depend_on_their_number(config, whole, tmp_path):
    """Two endosomes side by side: the first is that of the run with one, the second has other noise."""
    output = tmp_path / "two.h5"
    assert start(config, output, "--set", "endosomes=2", "--set", "duration_s=1.6e-5") == 0
    alone, both = read(whole).frames.frame, read(output).frames.frame
    assert np.array_equal(alone("phi", 1, 0), both("phi", 1, 0))
    assert np.abs(both("phi", 1, 1) - both("phi", 1, 0)).max() > 0.01
    assert read(output).series["free_energy_pN_nm"].shape == (3, 2)


@pytest.mark.usefixtures("parting")
def test_a_fission_is_one_row_and_survives_interruptions(config, tmp_path, monkeypatch):
    """One ILV once: time of the look, place, both diameters, content; the vesicle then counts in the series; a run cut
    before, in and after that look equals the uninterrupted one to the bit."""
    options = ("--set", "composition.quench.noise=0.01", "--set", "duration_s=2.4e-5")
    assert start(config, tmp_path / "whole.h5", *options) == 0
    record = read(tmp_path / "whole.h5")
    (event,) = record.ilvs
    assert len(record.events) == 1
    assert event["time_s"] == pytest.approx(8e-6)
    assert event["diameter_nm"] == pytest.approx(2 * ILV, rel=0.05)
    assert event["diameter_from_volume_nm"] == pytest.approx(2 * ILV, rel=0.05)
    assert event["area_nm2"] == pytest.approx(np.pi * event["diameter_nm"] ** 2)
    assert (event["x_nm"], event["y_nm"]) == (pytest.approx(64, abs=0.5), pytest.approx(64, abs=0.5))
    assert event["z_nm"] == pytest.approx(64 + RADIUS - ILV - GAP, abs=2)
    share = event["lo_fraction"]
    assert share == pytest.approx(0.3, abs=0.03)
    assert event["lipid_copies"] == pytest.approx(2 * event["area_nm2"] * (share / 0.42 + (1 - share) / 0.65))
    assert 0 < event["spontaneous_curvature_per_nm"] < 0.01
    assert (event["direction"], event["mechanism"], event["barrier_kBT"]) == (1, 2, 0)
    assert np.isnan(event["cargo_monomer_copies"])
    assert record.series["vesicle_number"][-1, 0] == 2
    assert record.series["ilv_count"][:, 0].tolist() == [0, 1, 1, 1]
    assert record.series["ilv_area_nm2"][1, 0] == pytest.approx(event["area_nm2"], rel=0.02)
    assert record.size_distribution["n"] == 1
    output = tmp_path / "cut.h5"
    for round_number in (1, 1, 3):
        with monkeypatch.context() as patch:
            interrupt_after(patch, round_number)
            assert start(config, output, "--resume", *options) == 75
    assert start(config, output, "--resume", *options) == 0
    assert_bitwise_equal(output, tmp_path / "whole.h5")


@pytest.mark.usefixtures("parting")
def test_a_fusion_is_a_row_about_the_vesicle_that_was_lost(monkeypatch):
    """An ILV whose lumen side meets the limiting membrane: kind 1, direction -1, with the sizes it was last seen with;
    the number of ILVs falls, the count of those that ever left does not."""
    replica, joined = parted()
    vesicle = replica.membranes[1]
    # Of itself it would part again.
    monkeypatch.setattr(VesicleReplica, "_round", lambda self: (self.state, 1, 0))
    replica.state = eqx.tree_at(lambda s: s.psi, replica.state, joined)
    replica.advance(replica.tick + 2, lambda: False)
    scission, fusion = replica.events
    assert (fusion["kind"], fusion["direction"], fusion["mechanism"]) == (KINDS["back_fusion"], -1, 2)
    assert fusion["diameter_nm"] == vesicle.diameter
    assert fusion["time_s"] > scission["time_s"]
    assert (fusion["z_nm"], fusion["lo_fraction"]) == (vesicle.centre[0], vesicle.lo_fraction)
    row = replica._row()
    assert (row["vesicle_number"], row["ilv_number"]) == (1, 0)
    assert (row["ilv_count"], row["fusion_count"], row["outward_count"]) == (1, 1, 0)


def parted():
    """A replica that has seen its fission, and the psi of a vesicle that touches the wall."""
    physics = build(parse(CONFIG))
    replica = physics.endosome(0)
    replica.advance(2, lambda: False)
    distance = with_an_ilv(2.0)(None, physics.grid)
    return replica, initial.profile(distance, physics.membrane.interface_width, physics.grid)


@pytest.mark.usefixtures("parting")
@pytest.mark.parametrize(("kinds", "expected"), [((1, 1), ("ilv_fusion", 0)), ((0, 0), ("back_fusion", 1))])
def test_other_fusions(monkeypatch, kinds, expected):
    """Two ILVs that become one: kind 2, direction 0; an outer vesicle that goes back: its content enters, direction 1.
    The smaller is the lost one."""
    replica, _ = parted()
    large, small = replica.membranes
    ilv = [bool(kind) for kind in kinds]
    replica.membranes = [replace(v, lo_fraction=0.3, is_ilv=k) for v, k in zip((large, small), ilv)]
    merged = replace(large, lo_fraction=0.3, is_ilv=ilv[0])
    event = vesicle_replica.FusionEvent(product=merged, merged=(0, 1))
    monkeypatch.setattr(
        vesicle_replica, "detect_events", lambda membrane, state, _: (detect_events(membrane, state)[0], [event])
    )
    replica._look_for_events()
    row = replica.events[-1]
    assert (row["kind"], row["direction"]) == (KINDS[expected[0]], expected[1])
    assert row["diameter_nm"] == small.diameter


@pytest.mark.usefixtures("parting")
def test_the_script_about_resolution(config, capsys):
    """A row a factor with the size of the first ILV; widths beyond the box and a sheet are refused in words."""
    path = Path(__file__).parents[2] / "scripts" / "vesicle_resolution.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.main([str(config), "--factors", "1", "1", "--set", "composition.quench.noise=0.01"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["factor", "eps", "spacing"]
    assert row.split()[:4] == ["1", "4.8", "4", "32x32x32"]
    assert float(row.split()[4]) == pytest.approx(2 * ILV, rel=0.05)
    assert script.main([str(config), "--factors", "1.5"]) == 2
    assert "geometry.box_nm" in capsys.readouterr().err
    assert script.main([str(path.parents[1] / "configs" / "ceramide.yaml")]) == 2
    assert "kind sheet" in capsys.readouterr().err


def test_numerical_failure_keeps_the_last_good_state(config, tmp_path, monkeypatch, capsys):
    """Fields that become NaN from round 5 on, however small its parts: exit 3 after three halvings, remedies in words,
    an archive of status failed whose state is that of round 4, finite."""
    times, move = [], vesicle_replica.transported

    def transported(membrane, transport, state, dt):
        times.append(float(dt))
        state = move(membrane, transport, state, dt)
        return eqx.tree_at(lambda s: s.psi, state, state.psi * np.nan) if len(times) >= 5 else state

    monkeypatch.setattr(vesicle_replica, "transported", transported)
    assert start(config, tmp_path / "run.h5") == 3
    record = read(tmp_path / "run.h5")
    assert record.attributes["status"] == "failed"
    found = everything(tmp_path / "run.h5")
    assert found["checkpoint/states/000000/tick"] == 4
    np.testing.assert_allclose(times[4:], times[0] / np.array([1, 2, 4, 8]), rtol=1e-6)
    assert np.all(np.isfinite(found["checkpoint/states/000000/psi"]))
    assert "numerics.precision float64" in capsys.readouterr().err


def test_a_round_that_fails_is_done_again_in_halves(config, tmp_path, monkeypatch):
    """NaN once: the round is done in two parts of the same time together, and the run is complete."""
    times, move = [], vesicle_replica.transported

    def transported(membrane, transport, state, dt):
        times.append(float(dt))
        state = move(membrane, transport, state, dt)
        return eqx.tree_at(lambda s: s.psi, state, state.psi * np.nan) if len(times) == 5 else state

    monkeypatch.setattr(vesicle_replica, "transported", transported)
    assert start(config, tmp_path / "run.h5") == 0
    whole = times[0]
    np.testing.assert_allclose(times[3:8], whole * np.array([1, 1, 0.5, 0.5, 1]), rtol=1e-6)
    assert sum(times) - whole == pytest.approx(whole * everything(tmp_path / "run.h5")["checkpoint/states/000000/tick"])


def test_a_membrane_that_vanishes_is_a_failure(config, tmp_path, monkeypatch, capsys):
    """psi of one sign at a look: exit 3 and said so."""
    count, move = iter(range(1, 100)), vesicle_replica.transported

    def transported(*arguments):
        state = move(*arguments)
        return eqx.tree_at(lambda s: s.psi, state, state.psi * 0 - 1) if next(count) == 2 else state

    monkeypatch.setattr(vesicle_replica, "transported", transported)
    assert start(config, tmp_path / "run.h5") == 3
    assert "no membrane" in capsys.readouterr().err
    assert read(tmp_path / "run.h5").attributes["status"] == "failed"


def test_another_bad_seal_is_passed_over(config, whole, tmp_path):
    """The newest checkpoint is damaged: the one before it is taken, and the end is the same to the bit."""
    output = tmp_path / "run.h5"
    stops = iter([False] * 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.Stop, "__call__", lambda self: next(stops, True))
        assert start(config, output) == 75
    newest = sorted((tmp_path / "run.h5.partial").glob("generation-*.h5"))[-1]
    newest.write_bytes(newest.read_bytes()[:-100])
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        assert start(config, output, "--resume") == 0
    assert_bitwise_equal(output, whole)


def test_archives_are_written_by_the_archive_alone(whole):
    """Resume reads what Archive wrote: the finished archive can be opened for going on."""
    with Archive.resume(whole) as archive:
        (state,), *_ = archive.latest()
    assert int(state["tick"]) == 8
    assert state["books.labels"].shape == (32, 32, 32)
