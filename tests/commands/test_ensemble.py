"""The command membrane ensemble: what runs, what is left alone, what is said of failures, and that nothing is
lost."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from test_archive import FINISH, make_events, make_series, make_states
from test_run import CONFIG

from membrane.archive import Archive, read
from membrane.commands import ensemble, run
from membrane.sweep.local import Local, default_jobs

SWEEP = """
name: trial
base: tiny.yaml
set: {endosomes: 1, duration_s: 0.001024}
vary:
  points:
    - {membrane.tension_uN_per_m: 1.0, numerics.tick_us: 1.0, numerics.error_tolerance: 0.1}
    - {membrane.tension_uN_per_m: 1.0, numerics.tick_us: 16.0, numerics.error_tolerance: 1.0e-9}
    - {membrane.tension_uN_per_m: 5.0, numerics.tick_us: 1.0, numerics.error_tolerance: 0.1}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the sweep, its base, and a cache of compiled programs of our own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    return tmp_path


def start(*options):
    """Exit code of the command in this process."""
    return ensemble.main(["sweep.yaml", "--quiet", *map(str, options)])


def test_real_members(here, capsys, settings_of_main):
    """Each in a process of its own: one is complete and equal to the same run by hand, one fails with its reason and
    stops nobody; the same command has nothing left to do."""
    (here / "sweep.yaml").write_text("\n".join(SWEEP.splitlines()[:-1]))
    assert start("--jobs", 1) == 3
    said = capsys.readouterr().out
    assert "trial: 1 of 2 members complete in " in said
    assert re.search(r"member 000001 failed: the smallest step of 1.6e-05 s does not suffice .*numerics\.tick_us", said)
    folder = here / "runs" / "trial"
    assert {p.name for p in folder.iterdir()} == {*("kept", "000000.h5", "000000.log", "000001.h5", "000001.log")}
    assert [read(folder / f"00000{i}.h5").attributes["status"] for i in range(2)] == ["complete", "failed"]
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    assert start("--jobs", 1) == 3
    assert {p.name: p.stat().st_mtime_ns for p in folder.iterdir()} == before
    # The log says how to repeat a member by hand.
    command = shlex.split((folder / "000000.log").read_text().splitlines()[1].removeprefix("$ "))
    by_hand = [word if word != str(folder / "000000.h5") else str(here / "hand.h5") for word in command[3:]]
    assert run.main(by_hand) == 0
    hand, member = read(here / "hand.h5"), read(folder / "000000.h5")
    assert hand.events.tobytes() == member.events.tobytes()
    assert hand.series.keys() == member.series.keys()
    assert all(hand.series[name].tobytes() == member.series[name].tobytes() for name in hand.series)
    assert hand.frames.frame("phi", -1).tobytes() == member.frames.frame("phi", -1).tobytes()
    assert hand.attributes["config_yaml"] == member.attributes["config_yaml"]


WAITS = """
import os, signal, sys, time
from pathlib import Path
from membrane.archive import Archive
sys.path.insert(0, {tests!r})
from test_archive import make_events, make_series, make_states
output, config = Path(sys.argv[1]), sys.argv[2]
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(1))
archive = Archive.create(output, config_yaml=config, name="x", seed=0)
archive.checkpoint(make_states(), {{}}, make_events(3), make_series(4))
while not told:
    time.sleep(0.01)
archive.close()
sys.exit(75)
"""
"""A member that begins, saves where it is told to stop, and ends so."""

ENDS = {
    "": 'mv "$0" "$1" && rm -rf "$1.partial" && echo "$CUDA_VISIBLE_DEVICES $2"',
    "die late": 'mv "$0" "$1" && kill -9 $$',
    "die": "kill -9 $$",
    "refuse": "echo 'membrane run: there are no two phases' >&2; exit 2",
}
"""How other members end, in words of the shell. $0 is an archive that is complete, $1 its place, $2 the threads."""


@pytest.fixture
def behave(here, monkeypatch, tmp_path_factory):
    """Members that do as told, in place of real ones: behaviour by number, else complete."""
    how, made = {}, tmp_path_factory.mktemp("made")

    def command(self, member):
        output, config = self.folder.archive(member), member.config.to_yaml()
        begun = output.with_name(output.name + ".partial").exists()
        if (behaviour := how.get(member.number, "")) == "wait" and not begun:
            code = WAITS.format(tests=str(Path(__file__).parents[1] / "archive"))
            return [sys.executable, "-c", code, str(output), config]
        archive = Archive.create(made / output.name, config_yaml=config, name="x", seed=0, overwrite=True)
        archive.checkpoint(make_states(), {}, make_events(3), make_series(4))
        archive.finish(**FINISH)
        end = ENDS["" if behaviour == "wait" else behaviour]
        return ["sh", "-c", end, str(made / output.name), str(output), str(self.threads)]

    monkeypatch.setattr(Local, "command", command)
    return how


def test_what_is_missing(behave, here, capsys):
    """Killed and refused members are reported, and tried again by the same command; complete ones are not touched."""
    behave |= {0: "die late", 1: "die", 2: "refuse"}
    assert start("--jobs", 2) == 3
    said = capsys.readouterr().out
    assert "1 of 3 members complete" in said
    assert "member 000001 was killed by signal 9; the same command goes on" in said
    assert "member 000002 failed: membrane run: there are no two phases" in said
    before = (here / "runs/trial/000000.h5").stat().st_mtime_ns
    behave.clear()
    assert start("--jobs", 2) == 0
    assert "3 of 3 members complete" in capsys.readouterr().out
    assert (here / "runs/trial/000000.h5").stat().st_mtime_ns == before


@pytest.mark.parametrize("number", ensemble.Stop.signals)
def test_signals(behave, here, capsys, number):
    """Running members save, others do not start, exit 75; the same command resumes what was begun."""
    behave |= {0: "wait", 1: "wait"}
    partial = here / "runs/trial/000000.h5.partial"

    def tell():
        while not list(partial.glob("generation*")):
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    threading.Thread(target=tell).start()
    assert start("--jobs", 1) == 75
    assert f"signal {number.name}: 3 members are unfinished; the same command goes on" in capsys.readouterr().out
    assert not (here / "runs/trial/000002.log").exists()
    del behave[1]
    assert start("--jobs", 1) == 0


def test_wall_time(behave, here, capsys):
    """--max-wall-time is a signal that comes by itself."""
    behave |= {0: "wait", 1: "wait", 2: "wait"}
    assert start("--jobs", 3, "--max-wall-time", 3) == 75
    assert "--max-wall-time reached: 3 members are unfinished" in capsys.readouterr().out
    # On a busy machine a member may have been stopped before it had a checkpoint; it would wait again.
    behave.clear()
    assert start("--jobs", 3) == 0


def test_told_before_it_listens(here, capsys, monkeypatch):
    """A member that a signal ends while it still imports is unfinished, not failed: 75, so that a cluster requeues."""
    monkeypatch.setattr(Local, "command", lambda *_: [sys.executable, "-c", "import time; time.sleep(60)"])
    assert start("--jobs", 3, "--max-wall-time", 2) == 75
    assert "3 members are unfinished" in capsys.readouterr().out


def test_a_member_that_cannot_be_started(behave, here, capsys):
    """Said, and the others are run."""
    (here / "runs/trial/000001.log").mkdir(parents=True)
    assert start("--jobs", 1) == 3
    said = capsys.readouterr().out
    assert "2 of 3 members complete" in said
    assert "member 000001 could not be started" in said


def test_shares(behave, here, capsys):
    """Tasks share the members: together all, none twice."""
    assert start("--task", 1, "--tasks", 2) == 0
    assert "1 of 1 member complete" in capsys.readouterr().out
    assert [p.name for p in sorted((here / "runs/trial").glob("*.h5"))] == ["000001.h5"]
    assert start("--task", 0, "--tasks", 2) == 0
    assert len(list((here / "runs/trial").glob("*.h5"))) == 3
    assert start("--task", 2, "--tasks", 2) == 2
    assert "tasks are counted from 0" in capsys.readouterr().err


def test_a_longer_duration_is_missing_again(behave, here, capsys):
    """Members that are complete to less than is asked for now are begun again, as --resume does."""
    assert start() == 0
    (here / "sweep.yaml").write_text(SWEEP.replace("0.001024", "0.002048"))
    assert start("--dry-run", "--trial", 0) == 0
    assert capsys.readouterr().out.count(" partial ") == 3


def test_gpus_and_threads(behave, here, monkeypatch):
    """A GPU each, in turn; the cores are shared out."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "9")
    assert default_jobs(3) == 2
    assert default_jobs(1) == 1
    assert start() == 0
    said = [(here / f"runs/trial/00000{i}.log").read_text().splitlines()[-1] for i in range(3)]
    assert {words.split()[0] for words in said} == {"4", "7"}
    assert {words.split()[1] for words in said} == {"4"}
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert default_jobs(100) == 9


def test_dry_run_lists_and_writes_nothing(here, capsys):
    """Number, state, seed and what varies, a line a member."""
    before = sorted(here.rglob("*"))
    assert start("--dry-run", "--trial", 0) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert re.match(
        r"000002  missing +seed \d+ +membrane.tension_uN_per_m = 5, numerics.tick_us = 1, numerics.error_tol", lines[2]
    )
    assert lines[3].endswith("3 missing")
    assert sorted(here.rglob("*")) == before


def test_estimate(here, capsys, settings_of_main):
    """A dry run tries the median member for a moment and tells time and memory of the whole; of one that fails, why."""
    assert start("--dry-run", "--trial", 100) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert re.match(r"no estimate: member 000001 membrane run: the smallest step .*numerics.tick_us", said)
    (here / "sweep.yaml").write_text(SWEEP.replace("1.0e-9", "0.1"))
    assert start("--dry-run", "--trial", 0.5, "--jobs", 3) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    found = re.match(
        r"a member takes at most about (\S+) core s and (\d+) MiB; what is left at most (\S+) core h, \S+ h on "
        r"\d+ cores; 3 at a time take (\d+) MiB",
        said,
    )
    assert found, said
    each, memory, hours, together = map(float, found.groups())
    assert hours == pytest.approx(3 * each / 3600, rel=0.01)
    assert together == 3 * memory
    assert memory > 100


def test_an_unreadable_member_is_reported(behave, here, capsys):
    """Garbage in place of an archive is neither overwritten nor an obstacle."""
    assert start() == 0
    (here / "runs/trial/000001.h5").write_bytes(b"garbage")
    assert start() == 3
    assert "member 000001 " in (said := capsys.readouterr().out)
    assert "is it the right file?" in said
    assert (here / "runs/trial/000001.h5").read_bytes() == b"garbage"


def test_script_names_only_what_is_left(behave, here, capsys):
    """The array has no task for what is complete; with nothing left, nothing is written."""
    assert start("--task", 1, "--tasks", 3) == 0
    assert start("--script", "job.sh") == 0
    assert "#SBATCH --array=0,2\n" in (here / "job.sh").read_text()
    assert "sbatch job.sh    # 2 tasks, 1 member complete already" in capsys.readouterr().out
    assert start() == 0
    (here / "job.sh").unlink()
    assert start("--script", "job.sh") == 0
    assert "nothing is left to do" in capsys.readouterr().out
    assert not (here / "job.sh").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--script", "sweep.yaml"], "was not made by membrane"),
        (["--script", "."], "is a folder"),
        (["--task", "1"], "--task 1 needs --tasks"),
        (["--folder", "tiny.yaml"], "tiny.yaml"),
        (["--tasks", "3"], "--tasks 3 needs --task, --script or --slurm"),
        (["--script", "job.sh", "--time", "later"], "no time limit"),
        (["--script", "job.sh", "--slurm"], "give one of the two"),
        (["--script", "job.sh", "--max-wall-time", "60"], "--max-wall-time is for runs on this machine"),
        (["--partition", "long", "--time", "60"], "--partition, --time: of the tasks of a cluster; add --script"),
        (["--gpus-per-job", "0", "--sbatch=--account=x"], "--gpus-per-job, --sbatch: of the tasks of a cluster"),
    ],
)
def test_bad_options(here, capsys, options, words):
    """Exit 2 and words; nothing is written."""
    assert start(*options) == 2
    assert words in capsys.readouterr().err
    assert not (here / "job.sh").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [(option, value) for option in ("--jobs", "--tasks") for value in ("0", "-1", "1.5", "nan")]
    + [(option, value) for option in ("--max-wall-time", "--trial") for value in ("nan", "inf", "-1")]
    + [("--gpus-per-job", "-1"), ("--cpus-per-job", "0"), ("--array-limit", "0"), ("--task", "-1")],
)
def test_options_that_are_no_numbers(here, option, value, capsys):
    """Exit 2 with the option's name."""
    with pytest.raises(SystemExit) as caught:
        start(option, value)
    assert caught.value.code == 2
    assert f"argument {option}: {value!r}" in capsys.readouterr().err


def test_the_user_keeps_his_files(behave, here):
    """A sweep and its base inside the folder of the members, comments and all, are not touched."""
    (own := here / "own").mkdir()
    for name in ("tiny.yaml", "sweep.yaml"):
        (here / name).rename(own / name)
    (own / "base.yaml").write_text("# a comment of mine\nnever: read")
    before = {p.name: p.read_bytes() for p in own.iterdir()}
    assert ensemble.main([str(own / "sweep.yaml"), "--folder", str(own), "--quiet"]) == 0
    assert ensemble.main([str(own / "kept" / "sweep.yaml"), "--folder", str(own), "--quiet"]) == 0
    assert {p.name: p.read_bytes() for p in own.iterdir() if p.suffix == ".yaml"} == before


@pytest.mark.parametrize("name", ["kept/base.yaml", "kept/sweep.yaml", "000001.log"])
def test_foreign_files_in_the_folder(behave, here, capsys, name):
    """Where a copy or a log is to be written: refused, and not a byte of it is changed."""
    (foreign := here / "runs" / "trial" / name).parent.mkdir(parents=True)
    foreign.write_text("name: mine")
    assert start("--jobs", 1) == (3 if name.endswith("log") else 2)
    said = capsys.readouterr()
    assert "was not made by membrane" in said.err + said.out
    assert foreign.read_text() == "name: mine"


@pytest.mark.parametrize("moment", ["before", "meanwhile"])
def test_members_of_a_dead_ensemble_are_waited_for(behave, here, capsys, monkeypatch, moment):
    """A member that another process still runs is neither begun a second time nor called failed: once it has ended,
    complete or not, what is left is done; told to stop meanwhile, the rest is unfinished."""
    (folder := here / "runs" / "trial").mkdir(parents=True)
    (partial := folder / "000001.h5.partial").mkdir()
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    owner = {"host": socket.gethostname(), "pid": other.pid, "born": None, "started_utc": "now"}
    lock = lambda: (partial / "lock").write_text(json.dumps(owner))
    if moment == "before":
        lock()
    else:
        # It had not come as far as its lock when we looked, was faster then, and the member we began is refused.
        behave[1] = "refuse"
        process = Local._process

        def meanwhile(self, member, slot):
            if behave and member.number == 1:
                lock()
            return process(self, member, slot)

        monkeypatch.setattr(Local, "_process", meanwhile)
    assert start("--jobs", 1, "--max-wall-time", 6) == 75
    assert "1 of 3 members complete" in capsys.readouterr().out
    behave.clear()
    threading.Timer(1.0, lambda: (other.kill(), other.wait(), shutil.rmtree(partial))).start()
    assert start("--jobs", 1) == 0
    assert "3 of 3 members complete" in capsys.readouterr().out


def test_signals_while_a_sweep_is_read(here, capsys, monkeypatch):
    """Before anything runs a signal ends the command at once: 75, and nothing was written."""
    monkeypatch.setattr(ensemble, "read_sweep", lambda _: (os.kill(os.getpid(), signal.SIGINT), time.sleep(60)))
    assert start() == 75
    assert capsys.readouterr().err == "membrane ensemble: interrupted\n"
    assert not (here / "runs").exists()
