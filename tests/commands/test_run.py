"""The command membrane run: exit codes, refusals, interruption and resumption to the bit, what it leaves
behind."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from membrane.archive import Archive, read
from membrane.archive.folder import latest
from membrane.commands import run
from membrane.program import launch

CONFIG = """
name: tiny
seed: 3
endosomes: 2
duration_s: 0.004096
geometry: {box_nm: [96.0, 80.0], spacing_nm: 4.0}
lipids:
  line_tension_pN: 2.0
  interface_width_nm: 5.0
  mean_order: -0.4
  diffusion_ld_um2_per_s: 5.0
  diffusion_lo_um2_per_s: 2.0
  area_per_lipid_ld_nm2: 0.65
  area_per_lipid_lo_nm2: 0.42
membrane:
  bending_rigidity_ld_kBT: 5.0
  bending_rigidity_lo_kBT: 5.0
  gaussian_modulus_contrast_kBT: 0.0
  tension_uN_per_m: 1.0
ceramide:
  cytosolic_fraction: 0.1
  luminal_fraction: 0.003
  patch_area_nm2: 10.0
  affinity_lo: 0.5
  monolayer_curvature_ceramide_per_nm: -3.0
  monolayer_curvature_sphingomyelin_per_nm: -0.13
  diffusion_ld_um2_per_s: 1.0
  diffusion_lo_um2_per_s: 0.3
  turnover_rate_per_s: 0.1
  flip_flop_rate_per_s: 1.0
hydrodynamics: {membrane_viscosity_nPa_s_m: 3.0, cytosol_viscosity_mPa_s: 2.0, lumen_viscosity_mPa_s: 1.0}
budding:
  law: cap
  neck_radius_nm: 2.0
  look_interval_ms: 0.256
  shell_density_g_per_ml: 1.16
  lumen_density_g_per_ml: 1.06
supply: {reserve_fraction: 2.0, fusion_rate_per_s: 0.0, fusion_diameter_nm: 60.0}
output: {series_interval_ms: 0.512, frame_interval_ms: 1.024, checkpoint_interval_ms: 1.024}
"""
"""Two endosomes of 24 x 20 points for 4 ms, artificial enough to bud within the first."""


pytestmark = pytest.mark.usefixtures("remembered_walls")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Path of the tiny configuration."""
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(CONFIG)
    return path


def start(config, output, *options, picture=False):
    """Exit code of main() in this process. Most tests are not about the picture, which takes longer than the run."""
    options = options if picture else (*options, "--no-picture")
    return run.main([str(config), "--output", str(output), "--quiet", *map(str, options)])


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    """The archive of the uninterrupted run."""
    output = tmp_path_factory.mktemp("whole") / "new" / "folder" / "whole.h5"
    assert start(config, output, picture=True) == 0
    return output


def everything(path):
    """{name: array} of all that a run decides: checkpoint, events, series, frames, size distribution."""
    found = {}
    with h5py.File(path) as file:

        def keep(name, node):
            if isinstance(node, h5py.Dataset):
                found[name] = node[()]

        file.visititems(keep)
    return found


def assert_bitwise_equal(path, reference):
    """Every data set of two archives has the same bytes."""
    found, expected = everything(path), everything(reference)
    assert found.keys() == expected.keys()
    assert {"checkpoint/states/000001/fields", "events", "series/free_energy_pN_nm", "frames/phi"} < found.keys()
    different = [name for name in found if found[name].tobytes() != expected[name].tobytes()]
    assert different == []


def interrupt_after(monkeypatch, number, action):
    """Calls ``action`` once the checkpoint ``number`` (0 is that of the start) has been written."""
    count, write = iter(range(1000)), Archive.checkpoint

    def checkpoint(self, *content):
        write(self, *content)
        if next(count) == number:
            action()

    monkeypatch.setattr(Archive, "checkpoint", checkpoint)


def test_complete_run(whole):
    """Exit 0 leaves an archive (its folder made), status complete, a picture, no partial folder; all intervals are
    kept."""
    assert sorted(p.name for p in whole.parent.iterdir()) == ["whole.h5", "whole.png"]
    record = read(whole)
    assert record.attributes["status"] == "complete"
    assert record.attributes["seed"] == 3
    assert record.config["numerics"]["tick_us"] == 1.0
    np.testing.assert_allclose(record.series["time_s"], np.arange(9) * 512e-6, atol=1e-12)
    np.testing.assert_allclose(record.frames.frame_times_s, np.arange(5) * 1024e-6, atol=1e-12)
    assert record.frames.field_names == ("ceramide_cytosolic", "ceramide_luminal", "height", "phi")
    assert record.frames.frame("phi", -1, 1).shape == (20, 24)
    assert record.series["free_energy_pN_nm"].shape == (9, 2)


def test_events_are_in_order_and_in_the_series(whole):
    """The run buds; ids count up, times do not fall and lie on looks; ilv_count ends at the number of events; books
    close."""
    record = read(whole)
    events, series = record.events, record.series
    assert len(events) >= 2
    assert events["event_id"].tolist() == list(range(len(events)))
    assert np.all(np.diff(events["time_s"]) >= 0)
    np.testing.assert_allclose(events["time_s"] / 256e-6, np.round(events["time_s"] / 256e-6), atol=1e-6)
    for endosome in (0, 1):
        own = events[events["endosome"] == endosome]
        assert series["ilv_count"][-1, endosome] == np.sum(own["direction"] == 1)
        spent = series["membrane_area_nm2"][0, endosome] - series["membrane_area_nm2"][-1, endosome]
        assert spent == pytest.approx(own["area_nm2"].sum(), rel=1e-9)
    for name in ("balance_phi", "balance_ceramide_cytosolic", "balance_ceramide_luminal"):
        assert np.max(np.abs(series[name])) < 2e-6
    for name in ("balance_area", "balance_volume"):
        assert np.max(np.abs(series[name])) < 1e-13


def test_archive_reads_with_h5py_alone(whole):
    """No line of this package is needed: attributes, events, series with units and scales, frames, checkpoint."""
    script = textwrap.dedent(
        f"""
        import sys, h5py
        with h5py.File({str(whole)!r}) as file:
            assert file.attrs["schema_version"] == "1.4" and file.attrs["status"] == "complete"
            assert file.attrs["number_of_endosomes"] == 2 and "duration_s" in file.attrs["config_yaml"]
            assert file["events"]["diameter_nm"].min() > 0
            assert file["series/tension_uN_per_m"].attrs["units"] == "uN/m"
            assert file["series/tension_uN_per_m"].dims[0][0].name == "/series/time_s"
            assert file["frames/phi"].shape == (5, 2, 20, 24) and file["frames/phi"].dtype == "float32"
            assert file["size_distribution"].attrs["n"] == len(file["events"])
            assert file["checkpoint/states/000000/fields"].shape == (3, 20, 24)
        assert "membrane" not in sys.modules
        """
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_same_seed_same_run(config, whole, tmp_path):
    """A second run gives every bit of the first; its two endosomes differ from each other."""
    assert start(config, tmp_path / "again.h5") == 0
    assert_bitwise_equal(tmp_path / "again.h5", whole)
    found = everything(whole)
    for name in ("fields", "key"):
        assert not np.array_equal(found[f"checkpoint/states/000000/{name}"], found[f"checkpoint/states/000001/{name}"])


def test_other_seed_other_run(config, whole, tmp_path):
    """Another seed changes the fields of both endosomes; the number of endosomes does not change those of the first."""
    assert start(config, tmp_path / "seed.h5", "--set", "seed=4", "--set", "duration_s=0.001024") == 0
    assert start(config, tmp_path / "one.h5", "--set", "endosomes=1", "--set", "duration_s=0.001024") == 0
    first, other, alone = (read(p).frames.frame for p in (whole, tmp_path / "seed.h5", tmp_path / "one.h5"))
    for endosome in (0, 1):
        assert np.abs(first("phi", 1, endosome) - other("phi", 1, endosome)).max() > 1e-2
    assert np.array_equal(first("phi", 1, 0), alone("phi", 1, 0))


def test_check_writes_nothing(config, tmp_path, monkeypatch, capsys):
    """--check: exit 0, species, memory and measured line tension in words, and not one file."""
    monkeypatch.chdir(tmp_path)
    assert run.main([str(config), "--check"]) == 0
    assert list(tmp_path.iterdir()) == []
    said = capsys.readouterr().out
    for words in (
        "2 endosomes of 24 x 20 points, float32",
        "species: phi, ceramide_cytosolic",
        "MiB an endosome",
        "is valid",
    ):
        assert words in said
    assert "(bare wall 2.000 pN)" in said


def test_trial_estimates_without_running(config, tmp_path, monkeypatch, capsys):
    """--check --trial: a bound in core seconds, the memory of the process, a time in words; no file. Alone it is
    refused. A run that is over within the trial is timed as a whole."""
    monkeypatch.chdir(tmp_path)
    long = ("--set", "duration_s=60", "--set", "endosomes=3")
    assert run.main([str(config), "--check", "--trial", "0.5", *long]) == 0
    said = capsys.readouterr().out
    found = re.search(r"estimate: at most (\S+) core s, (\d+) MiB; about (\S+) (s|min|h|days) on \d+ core", said)
    assert found, said
    assert 10 < float(found[1]) < 1e5
    whole = re.search(r"memory of the process: about (\d+) MiB", said)
    # This process, compilers and all.
    assert 100 < int(whole[1]) <= int(found[2])
    # Over sooner than the trial, and shorter than the time between two looks.
    assert run.main([str(config), "--check", "--trial", "30", "--set", "duration_s=0.0003"]) == 0
    assert "one endosome was run to 0.32 ms" in capsys.readouterr().out
    assert run.main([str(config), "--check", "--trial", "30", "--set", "duration_s=0.0001"]) == 0
    assert re.search(r"estimate: at most .*one endosome was run to 0.128 ms", capsys.readouterr().out)
    assert run.main([str(config), "--trial", "1"]) == 2
    assert "--trial 1 needs --check" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_failing_endosome_stops_the_others(config, tmp_path, monkeypatch):
    """Nobody waits for four endosomes that could go on for a minute: they stop at their next chunk."""
    from membrane.replica import NumericalFailure
    from membrane.sheet import replica as sheet_replica

    simulate, longest = sheet_replica.simulate, []

    def fails(model, stepper, state, *, should_stop, **how):
        if not longest:
            longest.append(None)
            raise NumericalFailure("on purpose", state)
        new = simulate(model, stepper, state, should_stop=should_stop, **how)
        longest.append(int(new.tick))
        return new

    monkeypatch.setattr(sheet_replica, "simulate", fails)
    options = ["--set", "duration_s=60", "--set", "endosomes=5", "--set", "output.checkpoint_interval_ms=6e4"]
    assert start(config, tmp_path / "run.h5", "--threads", 2, *options) == 3
    assert max(tick for tick in longest if tick is not None) < 1e6
    assert read(tmp_path / "run.h5").attributes["failure"] == "on purpose"


def test_default_output(config, tmp_path, monkeypatch, capsys):
    """Without --output the archive is runs/<name>.h5, its picture beside it, and the summary names both; no ILV is
    said so."""
    monkeypatch.chdir(tmp_path)
    options = ["--set", "duration_s=0.001024", "--set", "name=short", "--set", "supply.reserve_fraction=0"]
    assert run.main([str(config), *options, "--quiet"]) == 0
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["short.h5", "short.png"]
    said = capsys.readouterr().out
    assert "short: complete" in said
    assert "no budding into the lumen" in said
    assert "archive runs/short.h5" in said
    assert "picture runs/short.png" in said


def test_summary_of_a_run_that_buds(config, whole, tmp_path, capsys):
    """Number, median, quartiles and share in 40-100 nm stand in the summary; of two endosomes there is no interval."""
    assert start(config, tmp_path / "out.h5") == 0
    said, sizes = capsys.readouterr().out, read(whole).size_distribution
    assert f"{sizes['n']} ILVs from " in said
    assert f"median {sizes['median_nm']:.1f} nm (no interval, 2 endosomes: too few)" in said
    assert f"IQR {sizes['q25_nm']:.1f}-{sizes['q75_nm']:.1f} nm" in said
    assert "% in 40-100 nm" in said


def bad_input(config, tmp_path, case):
    """(arguments, words expected) of one way to be refused."""
    occupied = tmp_path / "occupied"
    occupied.write_text("a file, not a folder")
    (tmp_path / "broken.h5").write_bytes(b"no HDF5")
    (tmp_path / "foreign.png").write_bytes(b"a picture of another program")
    (tmp_path / "folder.png").mkdir()
    with h5py.File(tmp_path / "later.h5", "w") as file:
        file.attrs["schema_version"] = "2.0"
    cases = {
        "absent configuration": ([tmp_path / "absent.yaml"], "cannot be read"),
        "bad key": ([config, "--set", "lipids.line_tensionpN=1"], "did you mean 'line_tension_pN'?"),
        "two bad values": ([config, "--set", "duration_s=-1", "--set", "endosomes=0"], "2 faults"),
        "bad override": ([config, "--set", "duration_s"], "dotted.key=VALUE"),
        "output is a picture": ([config, "--output", tmp_path / "x.png"], "ends in .h5"),
        "output is the configuration": ([config, "--output", "same", "--overwrite"], "reads"),
        "picture of another": ([config, "--output", tmp_path / "foreign.h5"], "foreign.png exists and was not made by"),
        "picture is a folder": ([config, "--output", tmp_path / "folder.h5"], "folder.png is a folder"),
        "output is a folder": ([config, "--output", tmp_path], "is a folder"),
        "folder cannot be made": ([config, "--output", occupied / "run.h5"], "cannot write"),
        "output on a file system without files": ([config, "--output", "/proc/run.h5"], "cannot write"),
        "resume of another schema": ([config, "--output", tmp_path / "later.h5", "--resume"], "schema_version 2.0"),
        "resume of no archive": ([config, "--output", tmp_path / "broken.h5", "--resume"], "no readable archive"),
    }
    return cases[case]


BAD_INPUTS = (
    "absent configuration",
    "bad key",
    "two bad values",
    "bad override",
    "output is a picture",
    "output is the configuration",
    "picture of another",
    "picture is a folder",
    "output is a folder",
    "folder cannot be made",
    "output on a file system without files",
    "resume of no archive",
    "resume of another schema",
)


@pytest.mark.parametrize("case", BAD_INPUTS)
def test_bad_input(config, tmp_path, case, capsys):
    """Exit 2, one message on the error stream that names the fault, no traceback, nothing on the output stream."""
    arguments, words = bad_input(config, tmp_path, case)
    if "same" in arguments:
        (own := tmp_path / "own").write_text(CONFIG)
        arguments = [own if word in (config, "same") else word for word in arguments]
    before = sorted(tmp_path.rglob("*"))
    assert run.main([str(a) for a in arguments]) == 2
    said = capsys.readouterr()
    # What comes before are warnings of values outside their documented range.
    assert sum(line.startswith("membrane run: ") for line in said.err.splitlines()) == 1
    assert "Traceback" not in said.err
    assert words in said.err
    assert said.out == ""
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "options",
    [
        ["--no-such-option"],
        *(["--max-wall-time", value] for value in ("nan", "-1", "inf", "soon", "1e999")),
        *(["--trial", value] for value in ("nan", "-1", "inf")),
        *([option, value] for option in ("--threads", "--batch") for value in ("0", "-1", "1.5", "nan", "many")),
        ["--output", ""],
    ],
)
def test_wrong_options(options, capsys):
    """What is no option, or no number that it can mean, exits with 2, before anything is read."""
    with pytest.raises(SystemExit) as caught:
        run.main(["x.yaml", *options])
    assert caught.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_only_what_is_ours_is_replaced(config, tmp_path, capsys):
    """--overwrite leaves every foreign file, and every special one, byte for byte; of links it looks at the target."""
    (tmp_path / "letter").write_bytes(b"PK a letter, no archive")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["mine"] = 1.0
    (tmp_path / "link.h5").symlink_to("data.h5")
    (tmp_path / "null.h5").symlink_to("/dev/null")
    os.mkfifo(tmp_path / "pipe.h5")
    (tmp_path / "run.h5.partial").mkdir()
    (tmp_path / "run.h5.partial" / "thesis.txt").write_text("all of it")
    files = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    for name in ("letter", "data.h5", "link.h5", "null.h5", "pipe.h5", "run.h5"):
        for options in (["--overwrite"], []):
            assert start(config, tmp_path / name, *options) == 2, name
    assert "was not made by membrane" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == files
    assert (tmp_path / "link.h5").is_symlink()


def test_a_link_is_followed(config, tmp_path):
    """--output that is a symbolic link: the target becomes the archive, the link stays, unfinished and finished."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "run.h5").symlink_to("disk/real.h5")
    assert start(config, tmp_path / "run.h5", "--max-wall-time", 0) == 75
    assert read(tmp_path / "run.h5").attributes["status"] == "partial"
    assert start(config, tmp_path / "run.h5", "--resume") == 0
    assert start(config, tmp_path / "run.h5", "--overwrite") == 0
    assert (tmp_path / "run.h5").is_symlink()
    assert [p.name for p in (tmp_path / "disk").iterdir()] == ["real.h5"]
    assert read(tmp_path / "run.h5").attributes["status"] == "complete"


def test_existing_output_is_refused(config, whole, tmp_path, capsys):
    """A finished archive, or an unfinished run, is replaced with --overwrite only: exit 2, and not a byte is
    touched."""
    output = tmp_path / "run.h5"
    shutil.copy(whole, output)
    before = output.read_bytes()
    assert start(config, output) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert output.read_bytes() == before
    short = ("--set", "duration_s=0.001024", "--set", "name=short")
    assert start(config, output, "--overwrite", *short) == 0
    assert read(output).attributes["name"] == "short"
    other = tmp_path / "other.h5"
    assert start(config, other, "--max-wall-time", 0) == 75
    assert start(config, other) == 2
    assert "unfinished run" in capsys.readouterr().err
    assert start(config, other, "--overwrite", *short) == 0
    assert not (tmp_path / "other.h5.partial").exists()


def test_no_wall_time_then_resume(config, whole, tmp_path):
    """--max-wall-time 0: exit 75, no archive yet, a readable checkpoint; --resume then gives every bit of the whole
    run."""
    output = tmp_path / "run.h5"
    assert start(config, output, "--max-wall-time", 0) == 75
    assert not output.exists()
    record = read(output)
    assert record.attributes["status"] == "partial"
    assert not (tmp_path / "run.h5.partial" / "lock").exists()
    assert start(config, output, "--resume", picture=True) == 0
    assert_bitwise_equal(output, whole)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.h5", "run.png"]


@pytest.mark.parametrize("number", run.Stop.signals)
def test_signal_then_resume(config, whole, tmp_path, monkeypatch, number):
    """Each signal in the middle: exit 75 with a checkpoint, handlers put back, and the resumed run equals the whole
    one."""
    output, handler = tmp_path / "run.h5", signal.getsignal(number)
    if handler == signal.SIG_IGN:
        pytest.skip("the suite was started with this signal ignored (nohup)")
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2, lambda: os.kill(os.getpid(), number))
        assert start(config, output) == 75
    assert signal.getsignal(number) == handler
    states, *_ = latest(tmp_path / "run.h5.partial")
    assert 0 < min(int(s["tick"]) for s in states) < 4096
    assert start(config, output, "--resume") == 0
    assert_bitwise_equal(output, whole)


def test_fallen_back_to_an_earlier_checkpoint(config, whole, tmp_path, monkeypatch):
    """The newest checkpoint damaged: resumed from the one before, with a warning, and stopped at once, there is no
    frame that is later than it; resumed again, it equals the whole run."""
    output = tmp_path / "run.h5"
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert start(config, output) == 75
    newest = max((tmp_path / "run.h5.partial").glob("generation-*.h5"))
    newest.write_bytes(newest.read_bytes()[:-100])
    assert len(read(output).frames) == 4
    with pytest.warns(UserWarning, match="damaged"):
        assert start(config, output, "--resume", "--max-wall-time", 0) == 75
    record = read(output)
    np.testing.assert_allclose(record.frames.frame_times_s, np.arange(3) * 1024e-6, atol=1e-12)
    assert record.series["time_s"][-1] == record.frames.frame_times_s[-1]
    assert start(config, output, "--resume") == 0
    assert_bitwise_equal(output, whole)


def test_signal_before_the_run_begins(config, tmp_path, monkeypatch, capsys):
    """While the physics is still being built: exit 75 at once, and nothing was written; --check likewise."""
    output = tmp_path / "run.h5"

    def told(config):
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("not heard")

    monkeypatch.setattr(launch, "build", told)
    for options in ([], ["--check"]):
        assert start(config, output, *options) == 75
        assert capsys.readouterr().err.endswith("membrane run: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_outside_the_main_thread(config, tmp_path):
    """main() runs there, without signals."""
    codes = []
    options = ["--set", "duration_s=0.000512"]
    thread = threading.Thread(target=lambda: codes.append(start(config, tmp_path / "run.h5", *options)))
    thread.start()
    thread.join()
    assert codes == [0]


def test_interruption_between_looks(config, whole, tmp_path, monkeypatch):
    """Stopped at the first chunk boundary again and again, endosomes at different ticks: still every bit of the whole
    run."""
    output, calls = tmp_path / "run.h5", []

    def stops_soon(self):
        calls.append(None)
        if len(calls) % 11 == 0:
            self.received = signal.SIGTERM
        return self.received is not None

    with monkeypatch.context() as patch:
        patch.setattr(run.Stop, "__call__", stops_soon)
        codes, ticks = [], set()
        for _ in range(100):
            codes.append(start(config, output, "--resume"))
            if codes[-1] != 75:
                break
            states, *_ = latest(tmp_path / "run.h5.partial")
            ticks.add(tuple(int(s["tick"]) for s in states))
    assert codes[-1] == 0
    assert len(codes) > 3
    assert any(a != b for a, b in ticks), "no interruption left the endosomes at different ticks; change the 11"
    assert_bitwise_equal(output, whole)


@pytest.mark.parametrize("first_s", [0.002048, 0.0015])
def test_longer_duration_extends_a_finished_run(config, whole, tmp_path, first_s):
    """Part of the duration, then --resume with all of it, equals the whole run: also where the part is no whole
    checkpoint."""
    output = tmp_path / "run.h5"
    assert start(config, output, "--set", f"duration_s={first_s}") == 0
    assert read(output).attributes["status"] == "complete"
    assert start(config, output, "--resume") == 0
    assert_bitwise_equal(output, whole)
    assert read(output).config["duration_s"] == 0.004096


def test_refusals_survive_an_interruption(config, tmp_path, monkeypatch):
    """Domains refused for want of membrane, counted at looks, rows of /series between looks: resumed equals
    uninterrupted."""
    options = ["--set", "supply.reserve_fraction=0", "--set", "budding.look_interval_ms=0.512"]
    options += ["--set", "output.series_interval_ms=0.256", "--set", "duration_s=0.002048"]
    assert start(config, tmp_path / "whole.h5", *options) == 0
    assert read(tmp_path / "whole.h5").series["refused_without_membrane"].max() > 0
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert start(config, tmp_path / "run.h5", *options) == 75
    assert start(config, tmp_path / "run.h5", "--resume", *options) == 0
    assert_bitwise_equal(tmp_path / "run.h5", tmp_path / "whole.h5")


def test_finished_run_has_nothing_to_resume(config, whole, tmp_path):
    """--resume of a complete archive: exit 0, said so, file untouched; --resume of nothing starts anew."""
    output = tmp_path / "run.h5"
    shutil.copy(whole, output)
    before = output.read_bytes()
    # What a process left that was killed after the archive was whole goes.
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    (tmp_path / f"run.h5.old-{socket.gethostname()}-{child.pid}").mkdir()
    assert start(config, output, "--resume") == 0
    assert output.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]
    fresh = tmp_path / "fresh.h5"
    assert start(config, fresh, "--resume", "--set", "duration_s=0.001024") == 0
    assert read(fresh).attributes["status"] == "complete"


def test_resume_with_another_configuration_is_refused(config, whole, tmp_path, capsys):
    """Every changed key is named with both values, exit 2, of finished and unfinished runs; a shorter duration too."""
    finished, unfinished = tmp_path / "finished.h5", tmp_path / "unfinished.h5"
    shutil.copy(whole, finished)
    assert start(config, unfinished, "--max-wall-time", 0) == 75
    for output in (finished, unfinished):
        changes = ("--set", "lipids.mean_order=-0.3", "--set", "seed=9")
        assert start(config, output, "--resume", *changes) == 2
        said = capsys.readouterr().err
        assert "lipids.mean_order: -0.4 in the archive, -0.3 now" in said
        assert "seed: 3 in the archive, 9 now" in said
        assert "line_tension" not in said
        assert start(config, output, "--resume", "--set", "duration_s=0.001") == 2
        assert "shorter" in capsys.readouterr().err
    assert finished.read_bytes() == whole.read_bytes()
    assert start(config, unfinished, "--resume") == 0
    assert_bitwise_equal(unfinished, whole)


def test_numerical_failure_keeps_the_last_good_state(config, tmp_path, capsys):
    """A tolerance that growing domains overstep: exit 3, archive of status failed, finite fields at a tick before the
    failure."""
    output = tmp_path / "run.h5"
    options = ["--set", "numerics.error_tolerance=1e-4", "--set", "numerics.thermal_noise=false"]
    options += ["--set", "numerics.initial_noise=1e-4", "--set", "numerics.tick_us=16"]
    assert start(config, output, *options, picture=True) == 3
    record = read(output)
    assert record.attributes["status"] == "failed"
    assert "the smallest step of 1.6e-05 s does not suffice" in record.attributes["failure"]
    assert not (tmp_path / "run.h5.partial").exists()
    with h5py.File(output) as file:
        state = file["checkpoint/states/000000"]
        assert np.all(np.isfinite(state["fields"][()]))
        tick = int(state["tick"][()])
    assert 0 < tick < record.config["duration_s"] / 16e-6
    assert len(record.series["time_s"]) >= 1
    said = capsys.readouterr()
    assert "the smallest step of 1.6e-05 s does not suffice" in said.err
    assert "numerics.tick_us" in said.err
    assert "tiny: failed" in said.out


def test_full_disk_is_a_failure_not_a_traceback(config, tmp_path, monkeypatch, capsys):
    """A checkpoint that cannot be written: exit 3 in words, the generation before it stays and resumes."""
    output, replace = tmp_path / "run.h5", os.replace

    def full(source, target):
        if str(target).endswith("generation-000002.h5"):
            raise OSError(28, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        assert start(config, output) == 3
    assert "No space left on device" in capsys.readouterr().err
    assert read(output).attributes["status"] == "partial"
    assert start(config, output, "--resume") == 0


def command(config, output, *options):
    """The command line in a process of its own, with the environment of the tests."""
    return [sys.executable, "-m", "membrane.run", str(config), "--output", str(output), *options]


def test_sigterm_to_a_process(config, tmp_path):
    """The real command gets a real SIGTERM: exit 75, one line that says how to go on, and a checkpoint of finite
    fields."""
    output = tmp_path / "run.h5"
    partial = tmp_path / "run.h5.partial"
    long = ("--set", "duration_s=60")
    # jax has lowered the level of this process; what the compiler says would fill a pipe that nobody reads.
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    pipes = dict(stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process = subprocess.Popen(command(config, output, *long), env=environment, **pipes)
    try:
        deadline = time.monotonic() + 120
        # The two latest are kept; that of the start has number 0.
        while not any(int(p.stem[-6:]) > 0 for p in partial.glob("generation-*.h5")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 75
    assert "signal SIGTERM: checkpoint saved" in err
    assert "--resume" in err
    assert "Traceback" not in err
    assert out == ""
    states, *_ = latest(tmp_path / "run.h5.partial")
    assert all(np.all(np.isfinite(s["fields"])) for s in states)


KILLER = """
import os, signal, sys
from pathlib import Path
import hashlib

from membrane.commands import run

seal = hashlib.file_digest
def die(file, name):
    if "generation-000002" in str(file.name):
        file.truncate(3000)
        os.kill(os.getpid(), signal.SIGKILL)
    return seal(file, name)
hashlib.file_digest = die
sys.exit(run.main(sys.argv[1:]))
"""


def test_kill_in_the_middle_of_writing(config, whole, tmp_path):
    """SIGKILL with a checkpoint half written: the one before is readable, and --resume gives every bit of the whole
    run."""
    output = tmp_path / "run.h5"
    arguments = [str(config), "--output", str(output), "--quiet"]
    killed = subprocess.run([sys.executable, "-c", KILLER, *arguments], capture_output=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    partial = tmp_path / "run.h5.partial"
    names = {p.name for p in partial.iterdir()}
    assert {"lock", "generation-000000.h5", "generation-000001.h5", "generation-000002.h5.tmp"} <= names
    assert read(output).attributes["status"] == "partial"
    states, *_ = latest(partial)
    assert [int(s["tick"]) for s in states] == [1024, 1024]
    assert start(config, output, "--resume") == 0
    assert_bitwise_equal(output, whole)
    assert Path(output).exists()
