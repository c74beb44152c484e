import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from membrane import archive
from membrane.archive import Archive, ArchiveError, read
from membrane.archive.ownership import temporary_name
from membrane.archive.seals import seal
from membrane.outcome.table import EVENT_DTYPE, is_ilv

CONFIG = "name: trial\nduration_s: 0.5\n"
UNITS = {"tension": "uN/m", "phi": "1", "height": "nm"}
SPACING_NM = (4.0, 3.0)
FINISH = {
    "status": "complete",
    "wall_time_s": 12.5,
    "units": UNITS,
    "grid_spacing_nm": SPACING_NM,
    "number_of_endosomes": 3,
}


def make_events(count, seed=0):
    rng = np.random.default_rng(seed)
    events = np.zeros(count, EVENT_DTYPE)
    for name in EVENT_DTYPE.names:
        kind = EVENT_DTYPE[name].kind
        events[name] = rng.uniform(40, 90, count) if kind == "f" else rng.integers(0, 2, count)
    events["event_id"] = np.arange(count)
    events["endosome"] = np.arange(count) % 3
    events["direction"] = 2 * events["direction"] - 1
    events["z_nm"] = np.nan
    return events


def make_states(seed=0):
    rng = np.random.default_rng(seed)
    return [
        {
            "fields": rng.normal(size=(2, 8, 8)).astype(np.float32),
            "rate_hat": (rng.normal(size=(2, 8, 5)) + 1j).astype(np.complex64),
            "key": rng.integers(0, 2**32, 2, dtype=np.uint32),
            "tick": np.asarray(7, np.int64),
            "running": np.array([True, False]),
            "nothing": np.zeros((0, 3)),
        }
        for _ in range(3)
    ]


def make_series(count):
    return {
        "time_s": np.linspace(0, 0.4, count),
        "tension": np.arange(3.0 * count).reshape(count, 3),
        "ilvs": np.zeros((count, 3), np.int64),
    }


def make_fields(index):
    rng = np.random.default_rng(index)
    return {"phi": rng.normal(size=(3, 8, 12)), "height": rng.normal(size=(3, 8, 12))}


def start(path, checkpoints=1, frames=3, events=20, **options):
    run = Archive.create(path, config_yaml=CONFIG, name="trial", seed=5, **options)
    for number in range(checkpoints):
        run.checkpoint(make_states(number), {"chunk": number}, make_events(events), make_series(4))
    for index in range(frames):
        run.add_frame(index, 0.1 * index, make_fields(index))
    return run


def assert_same(left, right):
    assert left.keys() == right.keys()
    for name in left:
        a, b = np.asarray(left[name]), np.asarray(right[name])
        assert (a.dtype, a.shape) == (b.dtype, b.shape), name
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.h5"


# The finished file


def test_every_documented_part_comes_back(path):
    assert start(path).finish(**FINISH, attributes={"note": "kept"}) == path
    assert list(path.parent.iterdir()) == [path]
    events, series = make_events(20), make_series(4)
    with h5py.File(path) as file:
        assert set(file) == {"event", "events", "size_distribution", "series", "frames", "checkpoint"}
        attributes = dict(file.attrs)
        assert attributes["schema_version"] == "1.4"
        assert (attributes["name"], attributes["seed"], attributes["status"]) == ("trial", 5, "complete")
        assert (attributes["config_yaml"], attributes["wall_time_s"]) == (CONFIG, 12.5)
        assert (attributes["number_of_endosomes"], attributes["note"]) == (3, "kept")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", attributes["created_utc"])
        versions = json.loads(attributes["versions"])
        assert set(versions) == {"membrane", "jax", "jaxlib", "numpy", "h5py", "python", "XLA_FLAGS"}
        assert versions["numpy"] == np.__version__
        assert attributes["membrane_version"] == versions["membrane"]
        assert file["events"].dtype == EVENT_DTYPE
        for name in EVENT_DTYPE.names:
            np.testing.assert_array_equal(file["events"][name], events[name])
        for name, values in series.items():
            np.testing.assert_array_equal(file["series"][name], values)
        assert file["series/time_s"].is_scale
        assert file["series/tension"].dims[0][0] == file["series/time_s"]
        units = {name: values.attrs["units"] for name, values in file["series"].items()}
        assert units == {"time_s": "s", "endosome": "", "tension": "uN/m", "ilvs": ""}
        np.testing.assert_allclose(file["frames/time_s"], [0, 0.1, 0.2])
        phi = file["frames/phi"]
        assert (phi.shape, phi.dtype, phi.chunks, phi.compression) == ((3, 3, 8, 12), "f4", (1, 1, 8, 12), "gzip")
        assert phi.attrs["units"] == "1"
        np.testing.assert_array_equal(phi.attrs["spacing_nm"], SPACING_NM)
        for index in range(3):
            np.testing.assert_array_equal(phi[index], make_fields(index)["phi"].astype(np.float32))
        sizes = file["size_distribution"]
        histogram = {"bin_edges_nm", "bin_centre_nm", "count", "probability_density_per_nm", "ci_low", "ci_high"}
        assert set(sizes) == histogram
        assert set(sizes.attrs) == {*archive.SUMMARY, *archive.INTERVALS}
        ilvs = events[is_ilv(events)]
        assert 0 < len(ilvs) < 20
        assert sizes.attrs["n"] == sizes["count"][()].sum() == len(ilvs)
        assert sizes.attrs["median_nm"] == np.median(ilvs["diameter_nm"])


def test_record(path):
    start(path).finish(**FINISH)
    record = read(path)
    assert record.attributes["seed"] == 5
    assert record.config == {"name": "trial", "duration_s": 0.5}
    assert record.spacing_nm == SPACING_NM
    assert len(record.events) == 20
    assert np.all(is_ilv(record.ilvs))
    assert record.size_distribution["n"] == len(record.ilvs)
    assert_same(record.series, make_series(4))
    frames = record.frames
    assert (len(frames), set(frames.field_names)) == (3, {"phi", "height"})
    np.testing.assert_array_equal(frames.frame("phi", -1, 2), make_fields(2)["phi"][2].astype(np.float32))
    for arguments in (("psi", 0, 0), ("phi", 3, 0), ("phi", 0, 3), ("phi", 0, -1)):
        with pytest.raises(ValueError, match=r"no (field|frame|endosome)"):
            frames.frame(*arguments)


def test_documented_example_runs(path, monkeypatch, capsys):
    monkeypatch.chdir(path.parent)
    start(Path("runs/ceramide.h5")).finish(**FINISH)
    text = (Path(__file__).parents[2] / "docs" / "archive.md").read_text().partition("## Collected archives")[0]
    examples = [block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "pandas" not in block]
    assert len(examples) == 2
    for example in examples:
        exec(example, {})
    assert "complete" in capsys.readouterr().out


def test_every_column_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "archive.md").read_text()
    missing = [name for name in (*EVENT_DTYPE.names, *archive.SUMMARY, *archive.INTERVALS) if f"`{name}`" not in text]
    assert not missing


def test_nothing_happened(path):
    with Archive.create(path, config_yaml=CONFIG, name="idle", seed=0) as run:
        assert run.latest() is None
        run.finish(**FINISH | {"status": "failed"})
    record = read(path)
    assert (len(record.events), len(record.frames), record.size_distribution["n"]) == (0, 0, 0)
    assert np.isnan(record.size_distribution["median_nm"])
    assert record.spacing_nm == SPACING_NM
    with Archive.resume(path) as run:
        assert run.latest() is None


def test_fields_absent_from_a_frame_are_nan(path):
    run = start(path, frames=1)
    run.add_frame(1, 0.1, {"phi": np.ones((3, 8, 12))})
    run.finish(**FINISH)
    assert np.isnan(read(path).frames.frame("height", 1, 0)).all()


# Going on


def test_resume_of_an_unfinished_run(path):
    with start(path, checkpoints=3):
        pass
    (path.with_name("run.h5.partial") / "frame-000007.h5.tmp").write_text("left by a killed writer")
    run = Archive.resume(path)
    assert run.header["config_yaml"] == CONFIG
    states, scalars, events, series = run.latest()
    for state, expected in zip(states, make_states(2), strict=True):
        assert_same(state, expected)
    assert scalars == {"chunk": 2}
    assert events.tobytes() == make_events(20).tobytes()
    assert_same(series, make_series(4))
    run.drop_frames_after(0.0)
    run.add_frame(1, 9.0, make_fields(8))
    run.finish(**FINISH)
    assert read(path).frames.frame_times_s.tolist() == [0.0, 9.0]
    assert list(path.parent.iterdir()) == [path]


def test_resume_of_a_finished_run(path):
    start(path).finish(**FINISH)
    before = read(path)
    run = Archive.resume(path)
    assert run.header["versions"]["numpy"] == np.__version__
    assert path.is_file()
    states, scalars, events, series = run.latest()
    for state, expected in zip(states, make_states(0), strict=True):
        assert_same(state, expected)
    assert scalars == {"chunk": 0}
    run.add_frame(3, 0.3, make_fields(3))
    run.checkpoint(states, {"chunk": 1}, np.concatenate([events, make_events(2)]), series)
    run.finish(**FINISH)
    after = read(path)
    assert len(after.events) == 22
    assert after.attributes["created_utc"] == before.attributes["created_utc"]
    np.testing.assert_allclose(after.frames.frame_times_s, [0, 0.1, 0.2, 0.3])
    for index in range(4):
        np.testing.assert_array_equal(after.frames.frame("phi", index, 1), make_fields(index)["phi"][1].astype("f4"))


def test_frames_stored_otherwise_survive_a_resume(path):
    start(path).finish(**FINISH)
    with h5py.File(path, "a") as file:
        values = file["frames/phi"][()]
        del file["frames/phi"]
        file["frames/phi"] = values
    Archive.resume(path).finish(**FINISH)
    np.testing.assert_array_equal(read(path).frames.frame("phi", 1, 1), values[1, 1])


def test_killed_while_reopening_loses_nothing(path, monkeypatch):
    start(path).finish(**FINISH)

    def die(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", die)
    with pytest.raises(KeyboardInterrupt):
        Archive.resume(path)
    monkeypatch.undo()
    assert list(path.parent.iterdir()) == [path]
    assert Archive.resume(path).latest()[1] == {"chunk": 0}


def test_nothing_to_resume(path):
    with pytest.raises(ArchiveError, match="without --resume"):
        Archive.resume(path)


def test_two_generations_are_kept(path):
    start(path, checkpoints=5)
    kept = sorted(file.name for file in path.with_name("run.h5.partial").glob("generation*"))
    assert kept == ["generation-000003.h5", "generation-000004.h5"]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_damaged_generations(path, damage):
    run = start(path, checkpoints=2)
    generations = sorted(path.with_name("run.h5.partial").glob("generation*"))

    def spoil(file):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes({"truncated": content[: len(content) // 2], "flipped": content, "empty": b""}[damage])

    spoil(generations[1])
    with pytest.warns(UserWarning, match="damaged"):
        assert run.latest()[1] == {"chunk": 0}
    spoil(generations[0])
    with pytest.warns(UserWarning, match="damaged"), pytest.raises(ArchiveError, match="--overwrite"):
        run.latest()


def test_damaged_frames_are_left_out(path):
    """With a warning: the others and all else are read, and make an archive."""
    run = start(path)
    frame = path.with_name("run.h5.partial") / "frame-000001.h5"
    frame.write_bytes(frame.read_bytes()[:1000])
    with pytest.warns(UserWarning, match=r"frame-000001.h5 is damaged"):
        assert len(read(path).frames) == 2
    with pytest.warns(UserWarning, match=r"frame-000001.h5 is damaged"):
        run.finish(**FINISH)
    np.testing.assert_allclose(read(path).frames.frame_times_s, [0, 0.2])


@pytest.mark.parametrize("folder", [".", "/"])
def test_a_folder_without_a_name_is_no_archive(folder):
    with pytest.raises(ArchiveError, match="is a folder; give the archive of a run"):
        read(folder)


def test_unfinished_run_can_be_read(path):
    run = start(path)
    run.checkpoint(make_states(), {"grid_spacing_nm": SPACING_NM}, make_events(20), make_series(4))
    for name in (path, path.with_name("run.h5.partial")):
        record = read(name)
        assert record.attributes["status"] == "partial"
        assert record.attributes["number_of_endosomes"] == 3
        assert (len(record.frames), record.spacing_nm) == (3, SPACING_NM)
        assert record.size_distribution["n"] == len(record.ilvs)
        np.testing.assert_array_equal(record.frames.frame("phi", 1, 1), make_fields(1)["phi"][1].astype("f4"))


# Ownership


def test_overwriting(path):
    start(path).finish(**FINISH)
    with pytest.raises(ArchiveError, match="--overwrite"):
        start(path)
    run = start(path, checkpoints=0, frames=0, overwrite=True)
    assert read(path).attributes["status"] == "complete", "the old archive stays until the new one is whole"
    run.close()
    path.unlink()
    with pytest.raises(ArchiveError, match=r"--resume.*--overwrite"):
        start(path)
    assert start(path, checkpoints=0, frames=0, overwrite=True).latest() is None


def test_held_by_a_live_process(path):
    run = start(path)
    for attempt in (lambda: Archive.resume(path), lambda: start(path, overwrite=True)):
        with pytest.raises(ArchiveError, match=rf"process {os.getpid()} on host {re.escape(socket.gethostname())}"):
            attempt()
    assert run.latest() is not None
    run.close()
    with pytest.raises(ArchiveError, match="closed"):
        run.checkpoint([], {}, make_events(0), {})
    Archive.resume(path)


def _rewrite_lock(path, **changes):
    lock = path.with_name("run.h5.partial") / "lock"
    lock.write_text(json.dumps(json.loads(lock.read_text()) | changes))


def _dead_pid():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def _lock_of(pid):
    return json.dumps({"host": socket.gethostname(), "pid": pid, "born": "1", "started_utc": "2000-01-01T00:00:00"})


def test_stale_locks_are_taken_over(path):
    start(path)
    _rewrite_lock(path, pid=_dead_pid())
    Archive.resume(path)
    if Path("/proc/self/stat").exists():
        _rewrite_lock(path, born="1")  # the number was given to another process since
        Archive.resume(path)
    _rewrite_lock(path, host="elsewhere")
    with pytest.raises(ArchiveError, match="host elsewhere"):
        Archive.resume(path)


def test_whoever_dies_while_it_takes_the_lock_leaves_none_or_a_whole_one(path, monkeypatch):
    """The lock appears with its content."""
    start(path).close()

    def killed(*_):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", killed)
        with pytest.raises(SystemExit):
            Archive.resume(path)
    Archive.resume(path).close()
    # A process of the same number that was killed while it discarded its folder, or had its lock but not yet let go of
    # the other name.
    (temporary_name(path, "old") / "more").mkdir(parents=True)
    partial = path.with_name("run.h5.partial")
    dead = _dead_pid()
    (second := partial / f"lock-{socket.gethostname()}-{os.getpid()}.tmp").write_text(_lock_of(dead))
    os.link(second, partial / "lock")
    with Archive.resume(path) as run:
        run.finish(**FINISH)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


RACER = """
import sys, time
from pathlib import Path
from membrane.archive import ArchiveError
from membrane.archive.ownership import take_lock

print("ready", flush=True)
for line in sys.stdin:
    begin, folder = line.split()
    time.sleep(max(0.0, float(begin) - time.monotonic()))
    try:
        take_lock(Path(folder))
        print("own", flush=True)
    except ArchiveError as error:
        print("in use" if "in use" in str(error) else error, flush=True)
"""


def test_of_many_that_find_a_stale_lock_one_takes_it(tmp_path):
    """Six processes, a hundred locks of a dead one: each has one new owner, whom its lock names; the others are told
    so."""
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    racers = [subprocess.Popen([sys.executable, "-c", RACER], **pipes) for _ in range(6)]
    assert all(racer.stdout.readline() == "ready\n" for racer in racers)
    stale = _lock_of(_dead_pid())
    for number in range(100):
        (folder := tmp_path / str(number)).mkdir()
        (folder / "lock").write_text(stale)
        begin = time.monotonic() + 0.01
        for racer in racers:
            print(begin, folder, file=racer.stdin, flush=True)
        said = [racer.stdout.readline().strip() for racer in racers]
        assert sorted(said) == ["in use"] * 5 + ["own"], said
        assert json.loads((folder / "lock").read_text())["pid"] == racers[said.index("own")].pid
        assert sorted(p.name for p in folder.iterdir()) == ["lock"]
    for racer in racers:
        racer.communicate()


def test_what_killed_processes_left_is_removed(path):
    """Of dead processes of this host, and of the same archive; what living processes, other hosts and other archives
    are at stays."""
    host, dead, alive = socket.gethostname(), _dead_pid(), os.getppid()
    for name in (f"run.h5.new-{host}-{dead}", f"run.h5.old-{host}-{dead}"):
        (path.with_name(name) / "more").mkdir(parents=True)
    temporary_name(path, "new").write_text("of this process")
    kept = [f"run.h5.new-{host}-{alive}", f"run.h5.old-elsewhere-{dead}", f"other.h5.new-{host}-{dead}"]
    for name in kept:
        path.with_name(name).write_text("")
    path.with_name("none").mkdir()
    archive.remove_leftovers(path)
    archive.remove_leftovers(path.with_name("nowhere") / "run.h5")
    assert {p.name for p in path.parent.iterdir()} == {*kept, temporary_name(path, "new").name, "none"}


def test_a_requeued_job_takes_its_own_lock_over(path, monkeypatch):
    # Slurm starts a job again, on whatever host, when nothing of its last start is left; other jobs must keep off.
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    start(path)
    _rewrite_lock(path, host="elsewhere")
    with pytest.raises(ArchiveError, match="host elsewhere"):
        Archive.resume(path)
    monkeypatch.setenv("SLURM_JOB_ID", "18")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    with pytest.raises(ArchiveError, match="host elsewhere"):
        Archive.resume(path)
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert Archive.resume(path).latest() is not None


WRITER = """
import sys
import numpy as np
from membrane.archive import Archive
from membrane.outcome.table import EVENT_DTYPE

run = Archive.create(sys.argv[1], config_yaml="name: x", name="x", seed=0, overwrite=True)
for number in range(10**6):
    events = np.zeros(number, EVENT_DTYPE)
    run.checkpoint([{"a": np.full(50000, number)}], {"number": number}, events, {"time_s": np.arange(float(number))})
    run.add_frame(number % 5, 0.0, {"phi": np.zeros((1, 16, 16))})
    if number == 2:
        print("ready", flush=True)
    if number % 7 == 6:
        run.finish(status="partial", wall_time_s=0.0, units={}, grid_spacing_nm=(1.0, 1.0), number_of_endosomes=1)
        run = Archive.resume(sys.argv[1])
"""


def test_killed_at_any_moment(path):
    for delay in (0.0, 0.017, 0.041):
        child = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE)
        assert child.stdout.readline() == b"ready\n"
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        if path.exists():
            assert read(path).attributes["status"] == "partial"
        with Archive.resume(path) as run:
            states, scalars, events, series = run.latest()
            assert scalars["number"] >= 2
            assert np.all(states[0]["a"] == scalars["number"])
            assert len(events) == len(series["time_s"]) == scalars["number"]


# What the disk refuses


def test_full_disk(path, monkeypatch):
    run = start(path)

    def refuse(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", refuse)
    attempts = [
        lambda: run.checkpoint(make_states(9), {}, make_events(1), make_series(1)),
        lambda: run.add_frame(0, 0.0, make_fields(9)),
        lambda: run.finish(**FINISH),
        lambda: start(path.with_name("other.h5")),
    ]
    for attempt in attempts:
        with pytest.raises(ArchiveError, match=r"(run|other)\.h5.*No space left.*free space"):
            attempt()
    monkeypatch.undo()
    assert [file.name for file in path.parent.iterdir()] == ["run.h5.partial"]
    assert not list((path.parent / "run.h5.partial").glob("*.tmp"))
    run.finish(**FINISH)
    assert len(read(path).events) == 20


def test_writes_that_fail_half_way_do_not_bring_the_process_down(path):
    # A limit on the size of files stands for a full disk: it, too, lets HDF5 write a part only.
    script = textwrap.dedent(
        """
        import resource, sys
        import numpy as np
        from membrane.archive import Archive, ArchiveError
        from membrane.outcome.table import EVENT_DTYPE
        run = Archive.create(sys.argv[1], config_yaml="", name="x", seed=0)
        states = [{"a": np.random.default_rng(0).normal(size=20000)}]
        arguments = states, {}, np.zeros(3, EVENT_DTYPE), {"time_s": np.zeros(2)}
        run.checkpoint(*arguments)
        finish = dict(status="failed", wall_time_s=0.0, units={}, grid_spacing_nm=(1.0, 1.0), number_of_endosomes=1)
        for limit in (100, 4000, 30000, 100000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            for attempt in (lambda: run.checkpoint(*arguments), lambda: run.finish(**finish)):
                try:
                    attempt()
                except ArchiveError as error:
                    assert "free space" in str(error)
                else:
                    sys.exit("no error")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        run.finish(**finish)
        """
    )
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(path.parent.iterdir()) == [path]


def test_read_only_folder(tmp_path):
    folder = tmp_path / "fixed"
    folder.mkdir()
    folder.chmod(0o500)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # root may write anywhere, nobody may not
    try:
        with pytest.raises(ArchiveError, match="permissions"):
            start(folder / "run.h5")
    finally:
        if root:
            os.seteuid(0)
    assert list(folder.iterdir()) == []


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ArchiveError, match="is a folder"):
        start(tmp_path, overwrite=True)


def test_foreign_events_are_refused(path):
    with pytest.raises(ValueError, match="EVENT_DTYPE"):
        start(path).checkpoint([], {}, np.zeros(2), {})


def test_what_is_no_archive(path):
    with pytest.raises(ArchiveError, match="does not exist"):
        read(path)
    path.write_text("diameter_nm\n50\n")
    with pytest.raises(ArchiveError, match="is it the right file"):
        read(path)
    with h5py.File(path, "w") as file:
        file.attrs["schema_version"] = "2.0"
    with pytest.raises(ArchiveError, match=r"schema_version 2\.0.*1\.x"):
        read(path)
    with h5py.File(path, "w") as file:
        file.attrs["schema_version"] = "1.7"
    with pytest.raises(ArchiveError, match="unreadable: its seals are gone"):
        read(path)


def test_later_minor_versions_are_read(path):
    start(path).finish(**FINISH)
    with h5py.File(path, "a") as file:
        file.attrs["schema_version"] = "1.9"
        file["novelty"] = np.zeros(3)
        seal(file)
    assert len(read(path).events) == 20
