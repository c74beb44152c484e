"""A job array on Slurm: a plain sbatch script, or the same tasks through submitit.

A task runs ``membrane.ensemble`` on its share of the members. Before its time is up, or when it is preempted, it saves
checkpoints, exits with 75 and goes back into the queue.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from membrane.paths import SIGN, path
from membrane.program.console import count, positive

MOST_TASKS = 1000
"""Slurm's MaxArraySize is 1001 unless a cluster raises it."""

WARNING_S = 180
"""Seconds before the end of a task's time at which it is told to save."""


class ClusterError(RuntimeError):
    """What Slurm, or its absence, does not allow; the message says what to do."""


def add_options(group) -> None:
    """The options of a submission."""
    group.add_argument("--script", type=path, metavar="FILE", help="write a script for sbatch; submit nothing")
    group.add_argument("--slurm", action="store_true", help="submit through submitit (extra [cluster])")
    group.add_argument("--partition", help="partition to run in")
    group.add_argument("--gpus-per-job", type=count, metavar="N", help="GPUs of a task (default: none)")
    group.add_argument("--cpus-per-job", type=positive, metavar="N", help="cores of a task (default: 1)")
    group.add_argument("--memory-per-job", metavar="SIZE", help="memory of a task, such as 4G")
    group.add_argument(
        "--time", metavar="LIMIT", help="time limit of a task as Slurm writes it: minutes, HH:MM:SS, D-HH"
    )
    group.add_argument("--array-limit", type=positive, metavar="N", help="tasks that run at the same time, at most")
    group.add_argument("--sbatch", action="append", metavar="OPTION", help="one further option, --account=x say")


def refuse_idle(arguments) -> None:
    """Raises ClusterError where an option would be passed over."""
    if arguments.script and arguments.slurm:
        raise ClusterError("--script writes what --slurm would submit; give one of the two")
    names = "partition", "gpus_per_job", "cpus_per_job", "memory_per_job", "time", "array_limit", "sbatch"
    idle = ", ".join(f"--{name.replace('_', '-')}" for name in names if getattr(arguments, name) is not None)
    if idle and not (arguments.script or arguments.slurm):
        raise ClusterError(f"{idle}: of the tasks of a cluster; add --script FILE or --slurm, or leave it out")
    if arguments.max_wall_time is not None and (arguments.script or arguments.slurm):
        raise ClusterError("--max-wall-time is for runs on this machine; tasks are told to save before --time is up")


@dataclass(frozen=True)
class Array:
    """A job array: ``indices`` of those of ``tasks`` that have something left to do in ``folder``."""

    folder: Path
    name: str
    indices: list[int]
    tasks: int
    jobs: int | None
    partition: str | None
    gpus: int
    cpus: int
    memory: str | None
    time: str | None
    limit: int | None
    further: tuple[str, ...]

    @classmethod
    def from_arguments(cls, folder: Path, name: str, indices: list[int], tasks: int, arguments) -> "Array":
        """From the options of `add_options`. Raises ClusterError where one makes no sense."""
        limit = minutes(arguments.time)
        # 0 is no limit.
        if limit and 60 * limit <= WARNING_S:
            raise ClusterError(
                f"--time {arguments.time} is too short: tasks are told to save {WARNING_S} s before the end"
            )
        further = tuple(arguments.sbatch or ())
        given = {"--folder": str(folder), "the Python of this environment": sys.executable}
        given |= {"--partition": arguments.partition, "--memory-per-job": arguments.memory_per_job}
        for what, text in [*given.items(), *(("--sbatch", option) for option in further)]:
            # A line break would end the line of the script, and begin one that is run.
            if text and not text.isprintable():
                raise ClusterError(f"{what} {text!r}: a job script takes printable characters only")
        for option in further:
            if not re.match(r"--?[A-Za-z]", option):
                raise ClusterError(f"--sbatch {option!r} is no option; write it as --sbatch=--account=x")
        gpus, cpus = arguments.gpus_per_job or 0, arguments.cpus_per_job or 1
        resources = arguments.partition, gpus, cpus, arguments.memory_per_job
        limits = arguments.time, arguments.array_limit, further
        return cls(folder, f"membrane-{name}", indices, tasks, arguments.jobs, *resources, *limits)

    def command(self, index: int) -> list[str]:
        """What task ``index`` runs."""
        return [*self._sweep, "--task", str(index), *self._share]

    @property
    def _sweep(self) -> list[str]:
        sweep = self.folder / "kept" / "sweep.yaml"
        return [sys.executable, "-m", "membrane.ensemble", str(sweep), "--folder", str(self.folder)]

    @property
    def _share(self) -> list[str]:
        return ["--tasks", str(self.tasks), "--jobs", str(self.jobs or self.gpus or self.cpus)]

    def script(self) -> str:
        """For sbatch; it needs nothing but this package."""
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
        command = f'{shlex.join(self._sweep)} --task "$SLURM_ARRAY_TASK_ID" {shlex.join(self._share)}'
        return SCRIPT.format(sign=SIGN, options=lines, command=command)

    def submit(self) -> str:
        """Submit through submitit; returns the number of the job. Raises ClusterError where that is not possible."""
        try:
            import submitit
        except ImportError:
            raise ClusterError(
                "--slurm needs submitit: pip install submitit, or write a script with --script"
            ) from None
        if shutil.which("sbatch") is None:
            raise ClusterError("--slurm needs Slurm, but there is no sbatch here; log in to the cluster")
        self._refuse_twice()
        executor = submitit.AutoExecutor(
            folder=self.folder / "slurm" / "%j", cluster="slurm", slurm_max_num_timeout=1_000_000
        )
        parameters = {
            "name": self.name,
            "cpus_per_task": self.cpus,
            "gpus_per_node": self.gpus or None,
            "slurm_mem": self.memory,
            "timeout_min": minutes(self.time),
            "slurm_partition": self.partition,
            "slurm_array_parallelism": self.limit or len(self.indices),
            "slurm_signal_delay_s": WARNING_S,
            "slurm_additional_parameters": dict(map(_parameter, self.further)),
        }
        executor.update_parameters(**{key: value for key, value in parameters.items() if value is not None})
        try:
            with executor.batch():
                jobs = [executor.submit(Task(self.command(index))) for index in self.indices]
        except submitit.core.utils.FailedJobError as error:
            raise ClusterError(f"Slurm refuses: {error}") from None
        return jobs[0].job_id.partition("_")[0]

    def _refuse_twice(self) -> None:
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


class Task:
    """A task as submitit runs it: a call, and what happens when it is told to save."""

    def __init__(self, command: list[str]):
        self.command = command

    def __call__(self) -> str:
        """Raises RuntimeError where members have failed, so that Slurm says so."""
        self.process = os.spawnv(os.P_NOWAIT, self.command[0], self.command)
        code = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        if code:
            raise RuntimeError(f"{shlex.join(self.command)} ended with {code}; what it said stands above")
        return "complete"

    def checkpoint(self):
        """Called in the middle of the call, by a signal; what is returned goes back into the queue."""
        from submitit.helpers import DelayedSubmission

        os.kill(self.process, signal.SIGUSR1)
        os.waitpid(self.process, 0)
        return DelayedSubmission(Task(self.command))


def ranges(indices: list[int]) -> str:
    """0,1,2,5 as 0-2,5."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][-1] + 1:
            runs[-1][1:] = [index]
        else:
            runs.append([index])
    return ",".join("-".join(map(str, run)) for run in runs)


def minutes(time: str | None) -> int | None:
    """Slurm's time limits in minutes, rounded up: MM, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS."""
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


def _parameter(option: str) -> tuple[str, str | bool]:
    name, equals, value = option.removeprefix("--").partition("=")
    return name, value if equals else True
