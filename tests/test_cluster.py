"""Job arrays: the script that is written, what its tasks do when they are told to save, and what is refused."""

import os
import shlex
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser

import pytest

from membrane import cluster
from membrane.cluster import SCRIPT, Array, ClusterError, Task, minutes, ranges


def array(tmp_path, *options, indices=(0, 1, 2, 5)):
    """A job array of six tasks."""
    cluster.add_options(parser := ArgumentParser())
    arguments = parser.parse_args(options)
    arguments.jobs = None
    return Array.from_arguments(tmp_path, "trial", list(indices), 6, arguments)


def test_ranges():
    """Neighbours are joined."""
    assert ranges([0, 1, 2, 5, 7, 8]) == "0-2,5,7-8"
    assert ranges([3]) == "3"


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (None, None),
        ("90", 90),
        ("90:30", 91),
        ("02:00:00", 120),
        ("1:0:1", 61),
        ("2-12", 3600),
        ("1-00:30", 1470),
        ("1-0:0:5", 1441),
    ],
)
def test_minutes(time, expected):
    """Slurm's ways to write a limit (man sbatch), rounded up."""
    assert minutes(time) == expected


def test_script(tmp_path):
    """Every option stands in it, the shell can read it, and it runs this very package."""
    options = ["--partition", "gpu", "--gpus-per-job", "2", "--cpus-per-job", "8", "--memory-per-job", "16G"]
    options += ["--time", "4:00:00", "--array-limit", "3", "--sbatch=--account=lab"]
    script = array(tmp_path, *options).script()
    for option in (
        "job-name=membrane-trial",
        "array=0-2,5%3",
        "requeue",
        "signal=B:USR1@180",
        "partition=gpu",
        "gpus=2",
        "cpus-per-task=8",
        "mem=16G",
        "time=4:00:00",
        "account=lab",
    ):
        assert f"#SBATCH --{option}\n" in script
    assert f"{sys.executable} -m membrane.ensemble {tmp_path}/sweep.yaml --folder {tmp_path} " in script
    assert '--task "$SLURM_ARRAY_TASK_ID" --tasks 6 --jobs 2 &' in script
    assert (tmp_path / "slurm").is_dir()
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    assert "--time" not in array(tmp_path).script()


TASK = """
import signal, sys, time
signal.signal(signal.SIGUSR1, signal.SIG_DFL if len(sys.argv) > 3 else lambda *_: (time.sleep(0.3), sys.exit(75)))
print("ready", flush=True)
time.sleep(float(sys.argv[1]))
sys.exit(int(sys.argv[2]))
"""


@pytest.mark.parametrize(
    ("told", "seconds", "code", "expected"),
    [(None, 0, 0, 0), (None, 0, 3, 3), ("USR1", 60, 0, 75), ("TERM", 60, 0, 75), ("USR1", 60, "0 deaf", 75)],
)
def test_script_requeues_what_was_interrupted(tmp_path, told, seconds, code, expected):
    """The shell hands the signal on, waits for the checkpoint, asks for the queue on 75 only, and exits as the task."""
    asked = tmp_path / "asked"
    (scontrol := tmp_path / "scontrol").write_text(f'#!/bin/sh\necho "$@" > {asked}\n')
    scontrol.chmod(0o755)
    command = shlex.join([sys.executable, "-c", TASK, str(seconds), *str(code).split()])
    (script := tmp_path / "job.sh").write_text(SCRIPT.format(options="", command=command))
    environment = {**os.environ, "SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "4"}
    environment["PATH"] = f"{tmp_path}:{environment['PATH']}"
    process = subprocess.Popen(["bash", str(script)], stdout=subprocess.PIPE, env=environment)
    assert process.stdout.readline() == b"ready\n"
    if told:
        process.send_signal(getattr(signal, f"SIG{told}"))
    assert process.wait(30) == expected
    process.stdout.close()
    assert asked.exists() == (expected == 75)
    assert not told or asked.read_text() == "requeue 17_4\n"


def test_task_of_submitit(tmp_path):
    """It is complete or says with which code it ended; told to save, it waits and comes back as the same task."""
    pytest.importorskip("submitit")
    command = lambda seconds, code: [sys.executable, "-c", TASK, str(seconds), str(code)]
    assert Task(command(0, 0))() == "complete"
    with pytest.raises(RuntimeError, match="ended with 3"):
        Task(command(0, 3))()
    task = Task(command(60, 0))
    task.process = os.spawnv(os.P_NOWAIT, sys.executable, task.command)
    time.sleep(1.0)
    again = task.checkpoint()
    assert again.function.command == task.command
    with pytest.raises(ChildProcessError):
        os.waitpid(task.process, os.WNOHANG)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--time", "soon"], "--time soon is no time limit"),
        (["--time", "3"], "--time 3 is too short"),
        (["--cpus-per-job", "0"], "--cpus-per-job 0 is too few"),
        (["--gpus-per-job", "-1"], "--gpus-per-job -1 is too few"),
        (["--array-limit", "0"], "--array-limit 0 is too few"),
    ],
)
def test_refusals(tmp_path, options, words):
    """Said before anything is submitted."""
    with pytest.raises(ClusterError, match=words):
        array(tmp_path, *options)


def test_further_options():
    """As submitit takes them: a flag is True."""
    assert dict(map(cluster._parameter, ["--account=lab", "--exclusive"])) == {"account": "lab", "exclusive": True}


def test_no_slurm_here(tmp_path, monkeypatch):
    """Without sbatch, and without submitit, the message says what to do."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match=r"no sbatch here|pip install submitit"):
        array(tmp_path).submit()
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ClusterError, match=r"pip install submitit"):
        array(tmp_path).submit()
