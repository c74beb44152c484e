"""The command ``membrane ensemble``: all members of a sweep, here or on a cluster.

Exit codes: 0 all complete (or submitted), 2 bad input, 3 members that failed, 75 interrupted, with checkpoints saved.
The same command goes on where it stopped.
"""

import argparse
import logging
import re
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from membrane.config import ConfigError, log_remarks
from membrane.config.shipped import SWEEP_HELP, config_file
from membrane.paths import PathError, path, require_distinct_paths, require_own_file
from membrane.program.console import (
    BAD_INPUT,
    COMPLETE,
    FAILED,
    INTERRUPTED,
    UNSUPPORTED,
    command,
    count,
    positive,
    seconds,
    set_up_logging,
)
from membrane.program.cores import cores
from membrane.program.stop import Stop
from membrane.sweep import cluster
from membrane.sweep.folder import SweepFolder
from membrane.sweep.local import Ended, Local, default_jobs
from membrane.sweep.members import Member, read_sweep

log = logging.getLogger("membrane")


def main(argv: list[str]) -> int:
    """Run, list or submit one sweep; returns the exit code."""
    return command("membrane ensemble", lambda: _main(argv))


def _main(argv: list[str]) -> int:
    arguments = _parser().parse_args(argv)
    set_up_logging(arguments.quiet)
    if sys.platform == "win32":
        print(f"membrane ensemble: {UNSUPPORTED}", file=sys.stderr)
        return BAD_INPUT
    with Stop(arguments.max_wall_time) as stop:
        try:
            cluster.refuse_unused_options(arguments)
            arguments.sweep = config_file(arguments.sweep)
            sweep = read_sweep(arguments.sweep)
            folder = SweepFolder(arguments.folder or Path("runs") / sweep.config.name, sweep)
            members = _share(sweep.members, arguments)
            log_remarks(sweep.base, arguments.sweep)
            if arguments.dry_run:
                return _list(folder, members, arguments)
            if arguments.script:
                require_own_file(arguments.script, remedy="give another --script")
                kept = {"the copy of the base": folder.kept_base, "the copy of the sweep": folder.kept_sweep}
                require_distinct_paths(kept | {"the script": arguments.script})
            folder.keep()
            if arguments.script or arguments.slurm:
                return _submit(folder, members, arguments)
        except (ConfigError, PathError, cluster.ClusterError, OSError) as error:
            print(f"membrane ensemble: {error}", file=sys.stderr)
            return BAD_INPUT
        stop.begin()
        return _run(folder, members, arguments, stop)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="membrane ensemble", description="All members of a sweep, here or on a cluster."
    )
    parser.add_argument("sweep", metavar="SWEEP", type=path, help=SWEEP_HELP)
    parser.add_argument("--folder", type=path, help="where members are kept (default: runs/<name>)")
    parser.add_argument("--dry-run", action="store_true", help="list members, their state, time and memory; run none")
    parser.add_argument(
        "--trial", type=seconds, default=10.0, metavar="S", help="seconds of a dry run's trial, 0 for none"
    )
    parser.add_argument(
        "--jobs", type=positive, metavar="N", help="members at a time (default: one a core, or one a GPU)"
    )
    parser.add_argument("--max-wall-time", type=seconds, metavar="S", help="stop with checkpoints after S seconds")
    parser.add_argument("--quiet", action="store_true", help="no progress, only warnings")
    parser.add_argument("--task", type=count, metavar="I", help="only the members that task I of --tasks is to run")
    parser.add_argument("--tasks", type=positive, metavar="N", help="number of tasks that share the members")
    cluster.add_options(parser.add_argument_group("on a cluster that Slurm runs"))
    return parser


def _share(members: list[Member], arguments) -> list[Member]:
    """The members that this task is to run; all of them without --task. Raises ConfigError where --tasks is missing."""
    if arguments.task is None:
        if arguments.tasks is not None and not (arguments.script or arguments.slurm):
            raise ConfigError(
                f"--tasks {arguments.tasks} needs --task, --script or --slurm: here all members would run"
            )
        return members
    if arguments.tasks is None or not 0 <= arguments.task < arguments.tasks:
        raise ConfigError(f"--task {arguments.task} needs --tasks with a larger number: tasks are counted from 0")
    return members[arguments.task :: arguments.tasks]


def _run(folder: SweepFolder, members: list[Member], arguments, stop: Stop) -> int:
    """Runs on this machine what is not complete yet; returns the exit code."""
    states = {member.number: folder.state(member) for member in members}
    # A numerical failure would come again, bit for bit, and an archive that cannot be read stays for the user to see.
    failed = {n: f"failed: {state.reason}" for n, state in states.items() if state.status == "failed"}
    failed |= {n: state.reason for n, state in states.items() if state.status == "unreadable"}
    left = [m for m in members if m.number not in failed and states[m.number].status != "complete"]
    jobs = min(arguments.jobs or default_jobs(len(left)), max(1, len(left)))
    tally = _Tally(folder, len(members), len(left), failed, stop, arguments.quiet)
    Local(folder, jobs, stop).run(left, tally.ended)
    tally.bar.close()
    print("\n".join(tally.report()))
    return INTERRUPTED if tally.unfinished else FAILED if failed else COMPLETE


class _Tally:
    """How the members of a sweep ended, and the bar that shows it.

    ``members``, ``left``: how many there are, and how many of them are to be run.
    ``failed``: why, by the number of the member; those that fail are added to it.
    """

    def __init__(self, folder: SweepFolder, members: int, left: int, failed: dict[int, str], stop: Stop, quiet: bool):
        self.folder, self.members, self.left, self.failed, self.stop = folder, members, left, failed, stop
        self.codes = Counter()
        self.bar = tqdm(
            total=members,
            initial=members - left,
            desc=folder.sweep.config.name,
            unit=" members",
            disable=True if quiet else None,
        )

    def ended(self, member: Member, code: Ended) -> None:
        """Counts a member that has ended, as :meth:`Local.run` calls it."""
        if code not in (COMPLETE, None) and self.folder.state(member).status == "complete":
            # It was killed when all was written.
            code = COMPLETE
        elif isinstance(code, int) and -code in Stop.signals and self.stop():
            # It was told to save before it could listen.
            code = INTERRUPTED
        self.codes[code] += 1
        if code not in (COMPLETE, INTERRUPTED, None):
            self.failed[member.number] = _why(self.folder, member, code)
            log.warning("member %06d %s", member.number, self.failed[member.number])
        self.bar.set_postfix_str(f"{len(self.failed)} failed")
        if code not in (INTERRUPTED, None):
            self.bar.update()
        if self.bar.disable and code == COMPLETE:
            log.info("member %06d complete, %d of %d", member.number, self.codes[COMPLETE], self.left)

    @property
    def unfinished(self) -> int:
        """Members that were stopped, or not even started."""
        return self.codes[INTERRUPTED] + self.codes[None]

    def report(self) -> list[str]:
        """What came out, line by line."""
        name, complete = self.folder.sweep.config.name, self.members - self.unfinished - len(self.failed)
        lines = [f"{name}: {complete} of {_counted(self.members)} complete in {self.folder.path}"]
        lines += [f"  member {number:06d} {reason}" for number, reason in sorted(self.failed.items())]
        if self.unfinished:
            why = f"{self.stop.reason}: " if self.stop() else ""
            are = "is" if self.unfinished == 1 else "are"
            lines.append(f"{why}{_counted(self.unfinished)} {are} unfinished; the same command goes on")
        return lines


def _counted(number: int, what: str = "member") -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _why(folder: SweepFolder, member: Member, code: Ended) -> str:
    """Why a member has failed, in words, from its exit code and from its log."""
    if not isinstance(code, int):
        return f"could not be started ({code}); the same command tries again"
    if code < 0:
        return f"was killed by signal {-code}; the same command goes on from its last checkpoint"
    state = folder.state(member)
    return f"failed: {state.reason if state.status == 'failed' else folder.reason(member)}"


def _list(folder: SweepFolder, members: list[Member], arguments) -> int:
    """Prints the members with their states, and what is left to do takes; returns the exit code."""
    folder.check()
    states = [folder.state(member).status for member in members]
    for member, status in zip(members, states, strict=True):
        print(f"{member.number:06d}  {status:<9} seed {member.seed:<10} {member.description}")
    counted = ", ".join(f"{number} {status}" for status, number in Counter(states).items())
    print(f"{_counted(len(members))} in {folder.path}: {counted}")
    if arguments.trial > 0:
        print(_estimate(folder, members, states, arguments))
    return COMPLETE


def _estimate(folder: SweepFolder, members: list[Member], states: list[str], arguments) -> str:
    """What is left to do takes, in words: a trial of the median member, the others in proportion to their work."""
    work = np.array([_work(member) for member in members])
    median = members[int(np.argsort(work)[len(work) // 2])]
    with tempfile.TemporaryDirectory() as temporary:
        (base := Path(temporary, "base.yaml")).write_text(folder.sweep.base.to_yaml())
        words = [sys.executable, "-m", "membrane.run", str(base), "--check", "--trial", str(arguments.trial)]
        words += [word for setting in median.settings for word in ("--set", setting)]
        done = subprocess.run(words, capture_output=True, text=True)
    found = re.search(r"estimate: at most (\S+) core s, (\d+) MiB", done.stdout)
    if not found:
        said = done.stderr.strip().splitlines()
        return f"no estimate: member {median.number:06d} {said[-1] if said else 'gave none'}"
    left = work[[status not in ("complete", "failed") for status in states]].sum() / _work(median)
    jobs, each = arguments.jobs or default_jobs(len(members)), float(found[1])
    hours, memory = each * left / 3600, jobs * int(found[2])
    return (
        f"a member takes at most about {each:.3g} core s and {found[2]} MiB; what is left at most {hours:.3g} core h, "
        f"{hours / cores():.3g} h on {cores()} cores; {jobs} at a time take {memory} MiB"
    )


def _work(member: Member) -> float:
    """The work of a member, to which its time is proportional: grid points times endosomes times duration."""
    config = member.config
    points = np.prod([side / config.geometry.spacing_nm for side in config.geometry.box_nm])
    return float(points * config.endosomes * config.duration_s)


def _submit(folder: SweepFolder, members: list[Member], arguments) -> int:
    """Submits as one job array the tasks that have something left to do, or writes its script.

    Returns the exit code.
    """
    tasks = arguments.tasks or min(len(members), cluster.MOST_TASKS)
    states = [folder.state(member).status for member in members]
    left = {m.number % tasks for m, status in zip(members, states, strict=True) if status not in ("complete", "failed")}
    if not left:
        print(f"{folder.sweep.config.name}: nothing is left to do in {folder.path}")
        return COMPLETE
    array = cluster.Array.from_arguments(folder.path, folder.sweep.config.name, sorted(left), tasks, arguments)
    if arguments.script:
        arguments.script.write_text(array.script())
        done = f"{_counted(states.count('complete'))} complete already"
        print(f"sbatch {shlex.quote(str(arguments.script))}    # {_counted(len(left), 'task')}, {done}")
    else:
        job = f"{_counted(len(left), 'task')} as job {array.submit()}"
        print(f"submitted {job}; the same command goes on with what is missing")
    return COMPLETE
