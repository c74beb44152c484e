"""The command ``membrane info``: what an archive holds, as a short tree.

Exit codes: 0 told, 2 bad input.
"""

import argparse
import sys
import textwrap
from collections import Counter

import numpy as np

from membrane.archive import ArchiveError, RunRecord, read
from membrane.outcome.intervals import median_interval, words
from membrane.outcome.table import KINDS, is_ilv
from membrane.paths import path
from membrane.program.console import BAD_INPUT, COMPLETE, command


def main(argv: list[str]) -> int:
    """Describe archives; returns the exit code."""
    return command("membrane info", lambda: _main(argv))


def _main(argv: list[str]) -> int:
    arguments = _parser().parse_args(argv)
    try:
        for archive in arguments.archives:
            print(tree(read(archive)))
    except (ArchiveError, OSError) as error:
        print(f"membrane info: {error}", file=sys.stderr)
        return BAD_INPUT
    return COMPLETE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="membrane info", description="What an archive holds, as a short tree.")
    parser.add_argument(
        "archives", metavar="ARCHIVE", nargs="+", type=path, help="of a run, finished or not, or collected"
    )
    return parser


def tree(record: RunRecord) -> str:
    """A run, or a collected sweep, in a few lines."""
    lines = {
        "made": _made(record),
        "status": _status(record),
        "endosomes": str(record.attributes["number_of_endosomes"]),
        "time": _time(record),
        "events": _events(record),
        "sizes": _sizes(record),
        "series": _listed([name for name in record.series if name != "time_s"], len(record.series["time_s"])),
        "frames": _frames(record),
    }
    if record.members:
        counted = Counter(map(str, record.members["status"]))
        lines = {"members": ", ".join(f"{number} {status}" for status, number in counted.items())} | lines
    what = "collected sweep" if record.members else f"run of kind {record.config.get('kind', 'sheet')}"
    branches = ["├─"] * (len(lines) - 1) + ["└─"]
    told = [f"{branch} {name:<10} {text}" for branch, (name, text) in zip(branches, lines.items(), strict=True)]
    return "\n".join([f"{record.path}: {record.attributes['name']}, a {what}", *told])


def _made(record: RunRecord) -> str:
    about = record.attributes
    return (
        f"{about.get('created_utc', 'at an unknown time')}, by membrane {about['membrane_version']}, "
        f"schema {about['schema_version']}, seed {about['seed']}"
    )


def _status(record: RunRecord) -> str:
    status, failure = record.attributes["status"], record.attributes.get("failure", "")
    return f"{status}: {failure}" if failure else status


def _time(record: RunRecord) -> str:
    """The simulated time, and how long the computation took."""
    rows = record.series["time_s"]
    simulated = record.attributes.get("simulated_time_s", rows[-1] if len(rows) else 0.0)
    duration = record.config.get("duration_s")
    whole = f" of {duration:g} s" if isinstance(duration, int | float) else " s"
    wall = record.attributes.get("wall_time_s", np.nan)
    return f"{float(simulated):g}{whole} simulated" + (f", in {wall:.0f} s on the clock" if np.isfinite(wall) else "")


def _events(record: RunRecord) -> str:
    events, names = record.events, {number: name for name, number in KINDS.items()}
    found = Counter(names.get(kind, f"kind {kind}") for kind in events["kind"].tolist())
    kinds = ", ".join(f"{number} {name}" for name, number in found.items())
    return f"{len(events)}{f' ({kinds})' if kinds else ''}; {np.count_nonzero(is_ilv(events))} ILVs"


def _sizes(record: RunRecord) -> str:
    """Sizes of the ILVs; with the interval of the median, but not where a sweep mixes what is not alike."""
    sizes, ilvs = record.size_distribution, record.ilvs
    if not sizes["n"]:
        return "of no ILV"
    interval = ""
    if not record.members:
        endosomes = int(record.attributes["number_of_endosomes"])
        interval = f" ({words(*median_interval(ilvs['diameter_nm'], ilvs['endosome'], endosomes), endosomes, '.1f')})"
    return (
        f"of {sizes['n']} ILVs: median {sizes['median_nm']:.1f} nm{interval}, quartiles {sizes['q25_nm']:.1f}-"
        f"{sizes['q75_nm']:.1f} nm, {100 * sizes['fraction_40_100_nm']:.0f} % in 40-100 nm"
    )


def _frames(record: RunRecord) -> str:
    frames = record.frames
    if not len(frames):
        return "none"
    points = " x ".join(map(str, frames.frame(frames.field_names[0], 0).shape[::-1]))
    spacing = " x ".join(f"{side:g}" for side in record.spacing_nm[::-1]) if record.spacing_nm else "unknown"
    return f"{_listed(frames.field_names, len(frames))}; {points} points of {spacing} nm"


def _listed(names, times: int) -> str:
    """Columns or fields: how many there are, at how many times, and as many names as a line takes."""
    shown = textwrap.shorten(", ".join(names), 90, placeholder=" ...") or "none"
    return f"{len(names)} at {times} times: {shown}"
