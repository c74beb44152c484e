"""The command ``membrane collect``: the members of a sweep in one archive.

Exit codes: 0 an archive was written (what is missing is listed), 2 bad input or nothing to collect, 3 disk failure,
75 interrupted: nothing was written, and what was there before is left.
"""

import argparse
import json
import logging
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tqdm import tqdm

from membrane.archive import ArchiveError, Collection, RunExtent, RunStatus, common_times, prune, read, run_extent
from membrane.config import ConfigError
from membrane.config.shipped import SWEEP_HELP, config_file
from membrane.outcome.table import EVENT_DTYPE
from membrane.paths import PathError, archive_name, path, require_distinct_paths, require_own_file, resolve_link, same
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
            arguments.sweep = config_file(arguments.sweep)
            sweep = read_sweep(arguments.sweep)
            folder = SweepFolder(arguments.folder or Path("runs") / sweep.config.name, sweep)
            output = _output(folder, arguments)
            # From here on a signal is only noted, for HDF5 must not be interrupted in the middle of a file.
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
    require_own_file(output, ours=lambda _: True, remedy="give another --output")
    require_distinct_paths({"the collected archive": output}, [arguments.sweep, folder.kept_base, folder.kept_sweep])
    if same(output.parent, folder.path) and output.name in {folder.archive(m).name for m in folder.sweep.members}:
        raise PathError(f"--output {output} is the name of a member; give another")
    return output


def _until_stopped(stop: Stop, rows: Iterable):
    """``rows``, one by one. Raises KeyboardInterrupt where ``stop`` says so."""
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
    """Writes the archive; returns what to say of it.

    Raises ConfigError where there is nothing to collect, ArchiveError where the archive cannot be written, and
    KeyboardInterrupt where ``stop`` says so.
    """
    members = folder.sweep.members
    wanted = ("complete", "failed", "partial") if arguments.unfinished else ("complete",)
    states, extents = _survey(folder, wanted, stop)
    if not extents:
        raise ConfigError(f"no member of {folder.path} is {' or '.join(wanted)}: run membrane ensemble first")
    with Collection(
        output,
        attributes=_attributes(folder, states, extents),
        times_s=common_times([o.times_s for o in extents.values()]),
        members=_table(folder, states, extents),
        endosomes=sum(o.endosomes for o in extents.values()),
    ) as collection:
        bar = tqdm(extents, desc="collect", unit=" members", disable=True if arguments.quiet else None)
        for row in _until_stopped(stop, bar):
            states[row] = _add(collection, row, folder.archive(members[row]), states[row], extents[row])
    collected = [row for row in extents if states[row].status != "unreadable"]
    lines = _report(members, states, len(collected), output)
    if arguments.prune:
        complete = [members[row] for row in collected if states[row].status == "complete"]
        lines.append(_prune(folder, output, complete))
    return lines


def _survey(folder: SweepFolder, wanted: tuple[str, ...], stop: Stop) -> tuple[list[RunStatus], dict[int, RunExtent]]:
    """The states of all members, and the extents, by row, of the runs whose status is ``wanted``."""
    members, extents = folder.sweep.members, {}
    states = [folder.state(member) for member in _until_stopped(stop, members)]
    for row in _until_stopped(stop, range(len(members))):
        if states[row].status in wanted:
            try:
                found = run_extent(folder.archive(members[row]))
                # Nothing is known of a run without a checkpoint, not even that nothing came of it.
                if states[row].status != "partial" or len(found.times_s):
                    extents[row] = found
            except (ArchiveError, OSError) as error:
                states[row] = RunStatus("unreadable", str(error))
    return states, extents


def _attributes(folder: SweepFolder, states: list[RunStatus], extents: dict[int, RunExtent]) -> dict[str, Any]:
    """What the collected archive says of itself."""
    sweep = folder.sweep
    return {
        "name": sweep.config.name,
        "status": "complete" if all(state.status == "complete" for state in states) else "partial",
        "seed": sweep.config.seed,
        "config_yaml": sweep.base.to_yaml(),
        "sweep_yaml": yaml.safe_dump(sweep.config.model_dump(mode="json"), sort_keys=False),
        "wall_time_s": float(np.nansum([o.wall_time_s for o in extents.values()])),
    }


def _add(collection: Collection, row: int, archive: Path, state: RunStatus, found: RunExtent) -> RunStatus:
    """Adds the member of ``row`` to a collection, or leaves it out where it cannot be read; returns its state."""
    try:
        record = read(archive)
        if record.attributes["number_of_endosomes"] != found.endosomes:
            raise ArchiveError("it has changed while the members were collected")
    except (ArchiveError, OSError) as error:
        state = RunStatus("unreadable", " ".join(str(error).split()))
        collection.leave_out(row, state.status, state.reason)
    else:
        collection.add(row, record)
    return state


def _report(members: list[Member], states: list[RunStatus], collected: int, output: Path) -> list[str]:
    """What was collected, and every member that is not complete, line by line."""
    counted = ", ".join(f"{n} {status}" for status, n in Counter(state.status for state in states).items())
    ending = "" if len(members) == 1 else "s"
    lines = [f"{collected} of {len(members)} member{ending} collected in {output} ({counted})"]
    return lines + [
        f"  member {member.number:06d} {state.status}: {state.reason}"
        for member, state in zip(members, states, strict=True)
        if state.status != "complete"
    ]


def _prune(folder: SweepFolder, output: Path, members: list[Member]) -> str:
    """Removes checkpoints and frames of complete members; says what was done.

    The collected archive is read back first. Raises ArchiveError where it does not hold every event of a member.
    """
    collected = read(output)
    table = {int(number): row for row, number in enumerate(collected.members["member"])}
    # A collection gives other numbers to events and endosomes.
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


def _table(folder: SweepFolder, states: list[RunStatus], extents: dict[int, RunExtent]) -> dict[str, list]:
    """The table of all members, column by column, from what is known before their runs are read."""
    members = folder.sweep.members
    none = RunExtent(times_s=np.zeros(0), endosomes=0, wall_time_s=float("nan"))
    rows = [extents.get(row, none) for row in range(len(members))]
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
    # The key endosomes may vary as well: its column then says how many were collected.
    return {key: _column([member.varied[key] for member in members]) for key in members[0].varied} | table


def _column(values: list[Any]) -> list[float] | list[str]:
    """Numbers where all are, else texts."""
    try:
        return [float(value) for value in values]
    except (TypeError, ValueError):
        return [json.dumps(value) if not isinstance(value, str) else value for value in values]
