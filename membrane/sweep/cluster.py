"""A job array on Slurm: one plain sbatch script, which is written to a file or handed to ``sbatch`` at once.

A task of the array runs ``membrane.ensemble`` on its share of the members. Slurm sends a signal before the time of the
task is up, or when the task is preempted. The task then saves checkpoints, exits with 75 and goes back into the queue.
"""

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from membrane.paths import SIGN, path
from membrane.program.console import count, positive

MOST_TASKS = 1000
"""Default limit of tasks in one array. Slurm's MaxArraySize is 1001 unless a cluster raises it."""

WARNING_S = 180
"""Slurm tells a task to save so many seconds before the end of its time."""


class ClusterError(RuntimeError):
    """The array cannot be written or submitted. The message says why and what to do."""


def add_options(group) -> None:
    """Add the options of a job array to ``group``, a parser of argparse or one of its groups."""
    group.add_argument("--script", type=path, metavar="FILE", help="write a script for sbatch; submit nothing")
    group.add_argument("--slurm", action="store_true", help="submit the same script with sbatch")
    group.add_argument("--partition", help="partition to run in")
    group.add_argument("--gpus-per-job", type=count, metavar="N", help="GPUs of a task (default: none)")
    group.add_argument("--cpus-per-job", type=positive, metavar="N", help="cores of a task (default: 1)")
    group.add_argument("--memory-per-job", metavar="SIZE", help="memory of a task, such as 4G")
    group.add_argument(
        "--time", metavar="LIMIT", help="time limit of a task as Slurm writes it: minutes, HH:MM:SS, D-HH"
    )
    group.add_argument("--array-limit", type=positive, metavar="N", help="tasks that run at the same time, at most")
    group.add_argument("--sbatch", action="append", metavar="OPTION", help="one further option, such as --account=x")


def refuse_unused_options(arguments) -> None:
    """Raise ClusterError where an option of the array would have no effect."""
    if arguments.script and arguments.slurm:
        raise ClusterError("--script writes what --slurm would submit; give one of the two")
    names = "partition", "gpus_per_job", "cpus_per_job", "memory_per_job", "time", "array_limit", "sbatch"
    unused = ", ".join(f"--{name.replace('_', '-')}" for name in names if getattr(arguments, name) is not None)
    if unused and not (arguments.script or arguments.slurm):
        raise ClusterError(f"{unused}: of the tasks of a cluster; add --script FILE or --slurm, or leave it out")
    if arguments.max_wall_time is not None and (arguments.script or arguments.slurm):
        raise ClusterError("--max-wall-time is for runs on this machine; tasks are told to save before --time is up")


@dataclass(frozen=True, kw_only=True)
class Array:
    """A job array, as Slurm is asked for it. Made by `from_arguments`.

    ``folder``: the folder of the sweep.
    ``name``: the name of the job in the queue.
    ``indices``: the tasks that have something left to do, of those numbered from 0.
    ``tasks``: the number of tasks that share the members.
    ``jobs``: members that a task runs at a time; None: one a GPU, or one a core.
    ``gpus``, ``cpus``: GPUs and cores of a task.
    ``partition``, ``memory``, ``time``: as Slurm writes them; None leaves the choice to Slurm.
    ``limit``: tasks that run at the same time, at most; None: no limit.
    ``further``: further options of sbatch, each such as ``--account=x``.
    """

    folder: Path
    name: str
    indices: list[int]
    tasks: int
    jobs: int | None
    gpus: int
    cpus: int
    partition: str | None
    memory: str | None
    time: str | None
    limit: int | None
    further: tuple[str, ...]

    @classmethod
    def from_arguments(cls, folder: Path, name: str, indices: list[int], tasks: int, arguments) -> "Array":
        """The array that the options of `add_options` describe. Raises ClusterError where one makes no sense."""
        further = tuple(arguments.sbatch or ())
        _refuse_short_time(arguments.time)
        _refuse_control_characters(folder, arguments, further)
        for option in further:
            if not re.match(r"--?[A-Za-z]", option):
                raise ClusterError(f"--sbatch {option!r} is no option; write it as --sbatch=--account=x")
        return cls(
            folder=folder,
            name=f"membrane-{name}",
            indices=indices,
            tasks=tasks,
            jobs=arguments.jobs,
            gpus=arguments.gpus_per_job or 0,
            cpus=arguments.cpus_per_job or 1,
            partition=arguments.partition,
            memory=arguments.memory_per_job,
            time=arguments.time,
            limit=arguments.array_limit,
            further=further,
        )

    @property
    def command(self) -> str:
        """The command of a task, for the shell; Slurm gives each task its number in a variable of the environment."""
        sweep = self.folder / "kept" / "sweep.yaml"
        words = [sys.executable, "-m", "membrane.ensemble", str(sweep), "--folder", str(self.folder)]
        share = ["--tasks", str(self.tasks), "--jobs", str(self.jobs or self.gpus or self.cpus)]
        return f'{shlex.join(words)} --task "$SLURM_ARRAY_TASK_ID" {shlex.join(share)}'

    def script(self) -> str:
        """The script for sbatch. Makes the folder of the logs, for Slurm makes none."""
        (self.folder / "slurm").mkdir(exist_ok=True)
        limit = f"%{self.limit}" if self.limit else ""
        options = [
            f"--job-name={self.name}",
            f"--array={ranges(self.indices)}{limit}",
            # A single % would begin a number that Slurm puts in.
            f"--output={str(self.folder / 'slurm').replace('%', '%%')}/%A_%a.out",
            "--open-mode=append",
            "--requeue",
            f"--signal=B:USR1@{WARNING_S}",
            "--nodes=1",
            "--ntasks=1",
            f"--cpus-per-task={self.cpus}",
        ]
        named = {"partition": self.partition, "mem": self.memory, "time": self.time, "gpus": self.gpus}
        options += [f"--{name}={value}" for name, value in named.items() if value]
        lines = "\n".join(f"#SBATCH {shlex.quote(option)}" for option in [*options, *self.further])
        return SCRIPT.format(sign=SIGN, options=lines, command=self.command)

    def submit(self) -> str:
        """Hand the script to sbatch and return the number of the job.

        Raises ClusterError where there is no Slurm, where the sweep is in the queue already, or where Slurm refuses.
        """
        if shutil.which("sbatch") is None:
            raise ClusterError(
                "--slurm needs Slurm, but there is no sbatch here; log in to the cluster, or write a script with "
                "--script FILE and submit it there"
            )
        self._refuse_second_submission()
        done = subprocess.run(["sbatch", "--parsable"], input=self.script(), capture_output=True, text=True)
        if done.returncode:
            raise ClusterError(f"Slurm refuses: {done.stderr.strip() or f'sbatch ended with {done.returncode}'}")
        # Where several clusters are served, the name of the cluster follows.
        return done.stdout.strip().partition(";")[0]

    def _refuse_second_submission(self) -> None:
        found = subprocess.run(
            ["squeue", "--noheader", "--format=%A", f"--name={self.name}"], capture_output=True, text=True
        )
        if queued := sorted(set(found.stdout.split())):
            raise ClusterError(
                f"{self.name} is in the queue already (job {', '.join(queued)}); wait for it, or scancel it first"
            )


SCRIPT = """\
#!/bin/bash
# {sign}.ensemble wrote this, and writes it anew.
{options}

# Told that its time is up, or preempted, a task saves checkpoints, exits with 75 and goes back into the queue.
trap 'told=1; kill -USR1 "$pid" 2>/dev/null' USR1 TERM
{command} &
pid=$!
# Told between the trap and here.
if [ "$told" ]; then kill -USR1 "$pid" 2>/dev/null; fi
# A trapped signal ends a wait before the process has ended.
while kill -0 "$pid" 2>/dev/null; do wait "$pid"; done
wait "$pid"
code=$?
# Ended by SIGUSR1 or SIGTERM before it listened: interrupted, too.
if [ "$code" -eq 138 ] || [ "$code" -eq 143 ]; then code=75; fi
if [ "$code" -eq 75 ]; then
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
fi
exit "$code"
"""


def _refuse_short_time(time: str | None) -> None:
    limit = minutes(time)
    # Slurm takes 0 for no limit.
    if limit and 60 * limit <= WARNING_S:
        raise ClusterError(f"--time {time} is too short: tasks are told to save {WARNING_S} s before the end")


def _refuse_control_characters(folder: Path, arguments, further: tuple[str, ...]) -> None:
    """A line break would end a line of the script, and the shell would run what follows."""
    given = [("--folder", str(folder)), ("the Python of this environment", sys.executable)]
    given += [("--partition", arguments.partition), ("--memory-per-job", arguments.memory_per_job)]
    given += [("--sbatch", option) for option in further]
    for what, text in given:
        if text and not text.isprintable():
            raise ClusterError(f"{what} {text!r}: a job script takes printable characters only")


def ranges(indices: list[int]) -> str:
    """Ascending numbers as Slurm writes them: neighbours are joined.

    >>> ranges([0, 1, 2, 5])
    '0-2,5'
    """
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][-1] + 1:
            runs[-1][1:] = [index]
        else:
            runs.append([index])
    return ",".join("-".join(map(str, run)) for run in runs)


def minutes(time: str | None) -> int | None:
    """A time limit of Slurm in minutes, rounded up; None stays None.

    ``time`` is one of MM, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS. Raises ClusterError where it is none of them.

    >>> minutes("1-00:30")
    1470
    """
    if time is None:
        return None
    if not re.fullmatch(r"\d+-\d+(:\d+){0,2}|\d+(:\d+){0,2}", time):
        raise ClusterError(f"--time {time} is no time limit; write minutes, HH:MM:SS or D-HH:MM:SS")
    days, dash, rest = time.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if dash:
        hours, mins, seconds = (*parts, 0, 0)[:3]
    else:
        hours, mins, seconds = {1: (0, *parts, 0), 2: (0, *parts), 3: tuple(parts)}[len(parts)]
    return 1440 * int(days or 0) + 60 * hours + mins + (seconds > 0)
