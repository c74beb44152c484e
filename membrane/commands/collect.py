"""The command ``membrane collect``: the members of a sweep in one archive.

Exit codes: 0 an archive was written (what is missing is listed), 2 bad input or nothing to collect, 3 disk failure,
75 interrupted: nothing was written, and what was there before is left.
"""

import argparse
import json
import logging
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tqdm import tqdm

from membrane.archive import ArchiveError, Collection, RunExtent, RunStatus, common_times, prune, read, run_extent
from membrane.config import ConfigError
from membrane.config.shipped import SWEEP_HELP, chosen
from membrane.outcome.table import EVENT_DTYPE
from membrane.paths import PathError, all_differ, archive_name, may_write, path, resolve_link, same
from membrane.program.console import BAD_INPUT, COMPLETE, FAILED, command, set_up_logging
from membrane.program.stop import Stop
from membrane.sweep.folder import SweepFolder
from membrane.sweep.members import Member, read_sweep

log = logging.getLogger("membrane")


def main(argv: list[str]) -> int:
    """Collect one sweep; returns the exit code."""
    return command("membrane collect", lambda: _main(argv))


def _main(argv: list[str]) -> int:
    arguments = _parser().parse_args(argv)
    set_up_logging(arguments.quiet)
    with Stop() as stop:
        try:
            arguments.sweep = chosen(arguments.sweep)
            sweep = read_sweep(arguments.sweep)
            folder = SweepFolder(arguments.folder or Path("runs") / sweep.config.name, sweep)
            output = _output(folder, arguments)
            # HDF5 is not to be interrupted in the middle of a file.
            stop.begin()
            lines = _collect(folder, output, arguments, stop)
        except (ConfigError, PathError) as error:
            print(f"membrane collect: {error}", file=sys.stderr)
            return BAD_INPUT
        except (ArchiveError, OSError) as error:
            print(f"membrane collect: {error}", file=sys.stderr)
            return FAILED
    print("\n".join(lines))
    return COMPLETE


def _output(folder: SweepFolder, arguments) -> Path:
    """The archive that will be written. Raises PathError where it would take the place of what is read."""
    output = resolve_link(archive_name(arguments.output or folder.path.with_name(f"{folder.path.name}.h5")))
    # Whether it is a collected archive is known once it can be opened, as a pipe cannot.
    may_write(output, ours=lambda _: True, remedy="give another --output")
    all_differ({"the collected archive": output}, [arguments.sweep, folder.kept_base, folder.kept_sweep])
    if same(output.parent, folder.path) and output.name in {folder.archive(m).name for m in folder.sweep.members}:
        raise PathError(f"--output {output} is the name of a member; give another")
    return output


def _heard(stop: Stop, rows):
    """``rows``, one by one, until told to stop: KeyboardInterrupt."""
    for row in rows:
        if stop():
            raise KeyboardInterrupt
        yield row


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="membrane collect", description="The members of a sweep in one archive.")
    parser.add_argument("sweep", metavar="SWEEP", type=path, help=SWEEP_HELP)
    parser.add_argument("--folder", type=path, help="where members are kept (default: runs/<name>)")
    parser.add_argument("--output", type=path, help="archive to write, or to replace (default: <folder>.h5)")
    parser.add_argument("--unfinished", action="store_true", help="take what failed and unfinished members have so far")
    parser.add_argument(
        "--prune",
        action="store_true",
        help="then remove checkpoints and frames from complete members: they can no longer be extended or drawn",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, only warnings")
    return parser


def _collect(folder: SweepFolder, output: Path, arguments, stop: Stop) -> list[str]:
    """Writes the archive; returns what to say of it."""
    members = folder.sweep.members
    states = [folder.state(member) for member in _heard(stop, members)]
    wanted = ("complete", "failed", "partial") if arguments.unfinished else ("complete",)
    outlines = {}
    for row, (member, state) in enumerate(_heard(stop, zip(members, states, strict=True))):
        if state.status in wanted:
            try:
                found = run_extent(folder.archive(member))
                # Nothing is known of a run without a checkpoint, not even that nothing came of it.
                if state.status != "partial" or len(found.times_s):
                    outlines[row] = found
            except (ArchiveError, OSError) as error:
                states[row] = RunStatus("unreadable", str(error))
    if not outlines:
        raise ConfigError(f"no member of {folder.path} is {' or '.join(wanted)}: run membrane ensemble first")
    whole = all(state.status == "complete" for state in states)
    attributes = {
        "name": folder.sweep.config.name,
        "status": "complete" if whole else "partial",
        "seed": folder.sweep.config.seed,
        "config_yaml": folder.sweep.base.to_yaml(),
        "sweep_yaml": yaml.safe_dump(folder.sweep.config.model_dump(mode="json"), sort_keys=False),
        "wall_time_s": float(np.nansum([o.wall_time_s for o in outlines.values()])),
    }
    times = common_times([o.times_s for o in outlines.values()])
    table = _table(folder, states, outlines)
    with Collection(
        output,
        attributes=attributes,
        times_s=times,
        members=table,
        endosomes=sum(o.endosomes for o in outlines.values()),
    ) as collection:
        for row in tqdm(
            _heard(stop, outlines),
            total=len(outlines),
            desc="collect",
            unit=" members",
            disable=True if arguments.quiet else None,
        ):
            try:
                record = read(folder.archive(members[row]))
                if record.attributes["number_of_endosomes"] != outlines[row].endosomes:
                    raise ArchiveError("it has changed while the members were collected")
            except (ArchiveError, OSError) as error:
                states[row] = RunStatus("unreadable", " ".join(str(error).split()))
                collection.leave_out(row, states[row].status, states[row].reason)
            else:
                collection.add(row, record)
    counted = ", ".join(f"{n} {status}" for status, n in Counter(state.status for state in states).items())
    collected = sum(states[row].status != "unreadable" for row in outlines)
    lines = [
        f"{collected} of {len(members)} member{'' if len(members) == 1 else 's'} collected in {output} ({counted})"
    ]
    lines += [
        f"  member {member.number:06d} {state.status}: {state.reason}"
        for member, state in zip(members, states, strict=True)
        if state.status != "complete"
    ]
    if arguments.prune:
        lines.append(_prune(folder, output, [members[row] for row in outlines if states[row].status == "complete"]))
    return lines


def _prune(folder: SweepFolder, output: Path, members: list[Member]) -> str:
    """Of complete members whose events all are in the collected archive, as it is read back; says what was done."""
    collected = read(output)
    table = {int(number): row for row, number in enumerate(collected.members["member"])}
    # What a collection numbers anew.
    alike = [name for name in EVENT_DTYPE.names if name not in ("event_id", "endosome")]
    freed, pruned = 0, 0
    for member in members:
        row, path = table[member.number], folder.archive(member)
        first, last = np.searchsorted(collected.events["member"], [member.number, member.number + 1])
        held, record = collected.events[first:last], read(path)
        if (
            collected.members["status"][row] != "complete"
            or collected.members["endosomes"][row] != record.attributes["number_of_endosomes"]
            or any(held[name].tobytes() != record.events[name].tobytes() for name in alike)
        ):
            raise ArchiveError(
                f"{output} holds member {member.number:06d} otherwise than {path}; nothing more is pruned"
            )
        if "pruned" not in record.attributes:
            freed, pruned = freed + prune(path), pruned + 1
    return (
        f"{pruned} members pruned, {freed / 1e6:.1f} MB freed: their checkpoints and frames are gone, so that they can "
        "no longer be extended or drawn; their events, series and sizes stay"
    )


def _table(folder: SweepFolder, states: list[RunStatus], outlines: dict[int, RunExtent]) -> dict[str, list]:
    """What is known of members before their runs are read."""
    members = folder.sweep.members
    none = RunExtent(times_s=np.zeros(0), endosomes=0, wall_time_s=float("nan"))
    rows = [outlines.get(row, none) for row in range(len(members))]
    table = {
        "member": [member.number for member in members],
        "point": [member.point for member in members],
        "replica": [member.replica for member in members],
        "seed": [member.seed for member in members],
        "status": [state.status for state in states],
        "reason": [state.reason for state in states],
        "archive": [folder.archive(member).name for member in members],
        "endosomes": [row.endosomes for row in rows],
        "time_s": [float(row.times_s[-1]) if len(row.times_s) else float("nan") for row in rows],
        "wall_time_s": [row.wall_time_s for row in rows],
    }
    # Where the number of endosomes varies, its column says how many were collected.
    return {key: _column([member.varied[key] for member in members]) for key in members[0].varied} | table


def _column(values: list[Any]) -> list[float] | list[str]:
    """Numbers where all are, else texts."""
    try:
        return [float(value) for value in values]
    except (TypeError, ValueError):
        return [json.dumps(value) if not isinstance(value, str) else value for value in values]
