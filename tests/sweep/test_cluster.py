"""Job arrays: the script and its submission, what tasks do when they are told to save, and what is refused."""

import os
import shlex
import signal
import subprocess
import sys
from argparse import ArgumentParser

import pytest

from membrane.sweep import cluster
from membrane.sweep.cluster import SCRIPT, Array, ClusterError, minutes, ranges


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
    assert f"{sys.executable} -m membrane.ensemble {tmp_path}/kept/sweep.yaml --folder {tmp_path} " in script
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
    (script := tmp_path / "job.sh").write_text(SCRIPT.format(sign="", options="", command=command))
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


def commands_of_slurm(folder, queued="", answer="echo 17", code=0):
    """A folder with an ``sbatch`` and a ``squeue`` of our own, which keep what they were given."""
    scripts = {
        "sbatch": f'echo "$@" > {folder}/options\ncat > {folder}/script\n{answer}\nexit {code}\n',
        "squeue": f'echo "$@" > {folder}/asked\necho {queued}\n',
    }
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}")
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.parametrize("answer", ["echo 17", "echo '17;north'"])
def test_submission(tmp_path, monkeypatch, answer):
    """sbatch gets the very script that --script writes; the number of the job comes back alone."""
    monkeypatch.setenv("PATH", commands_of_slurm(tmp_path, answer=answer))
    options = ["--partition", "gpu", "--time", "4:00:00", "--sbatch=--account=lab"]
    assert array(tmp_path, *options).submit() == "17"
    assert (tmp_path / "script").read_text() == array(tmp_path, *options).script()
    assert (tmp_path / "options").read_text().split() == ["--parsable"]
    assert "--name=membrane-trial" in (tmp_path / "asked").read_text().split()


def test_submissions_that_are_refused(tmp_path, monkeypatch):
    """A sweep that is in the queue is not submitted again; what sbatch says against it is told."""
    monkeypatch.setenv("PATH", commands_of_slurm(tmp_path, queued="'23\n23'"))
    with pytest.raises(ClusterError, match=r"membrane-trial is in the queue already \(job 23\)"):
        array(tmp_path).submit()
    assert not (tmp_path / "script").exists()
    monkeypatch.setenv("PATH", commands_of_slurm(tmp_path, answer="echo no such partition >&2", code=1))
    with pytest.raises(ClusterError, match="Slurm refuses: no such partition"):
        array(tmp_path).submit()
    monkeypatch.setenv("PATH", commands_of_slurm(tmp_path, answer="", code=5))
    with pytest.raises(ClusterError, match="Slurm refuses: sbatch ended with 5"):
        array(tmp_path).submit()


MARKS = ("\n", "\r", "\0", "\x1b", "\u2028")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--time", "soon"], "--time soon is no time limit"),
        (["--time", "3"], "--time 3 is too short"),
        *(
            ([option, f"a{mark}rm -rf x"], "printable")
            for option in ("--partition", "--memory-per-job")
            for mark in MARKS
        ),
        *(([f"--sbatch=--account=a{mark}rm -rf x"], "printable") for mark in MARKS),
        (["--sbatch", "account=a"], "is no option"),
        (["--time", "10\nrm -rf x"], "no time limit"),
    ],
)
def test_refusals(tmp_path, options, words):
    """Said before anything is submitted."""
    with pytest.raises(ClusterError, match=words):
        array(tmp_path, *options)


@pytest.mark.parametrize(
    "name", ["a b", "a'b", 'a"b', "a$HOME`id`", "SLURM_ARRAY_TASK_ID", "a%jb%%", "a;b&c", "-a", "{options}", "ä"]
)
def test_script_of_a_folder_of_any_name(tmp_path, name):
    """The shell hands the task the folder as it is called, and its number; what Slurm reads is one word, which names
    the folder. Partition, memory and further options likewise."""
    (folder := tmp_path / name).mkdir()
    options = [f"--partition={name}", f"--memory-per-job={name}", f"--sbatch=--comment={name}"]
    script = array(folder, *options).script()
    # The shell reads the command as it stands, with this Python replaced by one that prints its words.
    line = next(line for line in script.splitlines() if "membrane.ensemble" in line and line.endswith(" &"))
    told = f"{sys.executable} -c 'import sys; print(*sys.argv[1:], sep=chr(10))' {line[:-2]}"
    environment = {**os.environ, "SLURM_ARRAY_TASK_ID": "4"}
    words = subprocess.run(["bash", "-c", told], env=environment, capture_output=True, text=True, check=True).stdout
    expected = ["-m", "membrane.ensemble", f"{folder}/kept/sweep.yaml", "--folder", str(folder), "--task", "4"]
    assert words.splitlines()[1:] == [*expected, "--tasks", "6", "--jobs", "1"]
    given = [shlex.split(line.removeprefix("#SBATCH ")) for line in script.splitlines() if line.startswith("#SBATCH ")]
    assert all(len(words) == 1 for words in given)
    found = dict(words[0].removeprefix("--").partition("=")[::2] for words in given)
    assert found["output"].replace("%%", "%") == f"{folder}/slurm/%A_%a.out"
    assert (found["partition"], found["mem"], found["comment"]) == (name, name, name)


@pytest.mark.parametrize("mark", MARKS)
def test_script_of_a_folder_that_would_be_a_command(tmp_path, mark):
    """Refused before anything is written."""
    cluster.add_options(parser := ArgumentParser())
    (arguments := parser.parse_args([])).jobs = None
    with pytest.raises(ClusterError, match="printable"):
        Array.from_arguments(tmp_path / f"a{mark}touch b", "trial", [0], 1, arguments)


def test_no_slurm_here(tmp_path, monkeypatch):
    """Without sbatch the message says what to do."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match=r"no sbatch here; log in to the cluster, or write a script with --script"):
        array(tmp_path).submit()
