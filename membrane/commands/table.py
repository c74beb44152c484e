"""The command ``membrane table``: the ILVs of an archive as CSV, one row a vesicle.

The columns are those of the events (docs/archive.md), each with its unit in its name; kind and mechanism are words. A
cell is empty where the model cannot know the value. Exit codes: 0 written, 2 bad input, 3 the output was lost.
"""

import argparse
import csv
import sys
from contextlib import nullcontext

import numpy as np

from membrane.archive import ArchiveError, read
from membrane.outcome.table import WORDS
from membrane.paths import path
from membrane.program.console import BAD_INPUT, COMPLETE, command


def main(argv: list[str]) -> int:
    """Write one table; returns the exit code."""
    return command("membrane table", lambda: _main(argv))


def _main(argv: list[str]) -> int:
    arguments = _parser().parse_args(argv)
    try:
        record = read(arguments.archive)
        events = record.events if arguments.all else record.ilvs
        output = arguments.output
        # "x": a CSV file carries no sign of who made it, so that none is ever replaced.
        with open(output, "x", newline="", encoding="utf-8") if output else nullcontext(sys.stdout) as file:
            write(events, file)
    except FileExistsError:
        print(f"membrane table: {output} exists and is not replaced; give another --output", file=sys.stderr)
        return BAD_INPUT
    except (ArchiveError, OSError) as error:
        print(f"membrane table: {error}", file=sys.stderr)
        return BAD_INPUT
    return COMPLETE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="membrane table",
        description="The ILVs of an archive as CSV, one row a vesicle, with the unit in the name of each column. "
        "An empty cell: the model cannot know the value.",
    )
    parser.add_argument("archive", metavar="ARCHIVE", type=path)
    parser.add_argument(
        "--all", action="store_true", help="all events: fusions, and buds that left away from the lumen, as well"
    )
    parser.add_argument("--output", metavar="FILE", type=path, help="a new file (default: the standard output)")
    return parser


def write(events: np.ndarray, file) -> None:
    """Writes a table of events as CSV, a header first.

    ``events``: rows of the type ``EVENT_DTYPE`` (n,), or of a collected archive, which names the member as well.
    ``file``: a stream of text.
    """
    writer = csv.writer(file, lineterminator="\n")
    names = events.dtype.names
    writer.writerow(names)
    writer.writerows(map(_cell, names, row) for row in events.tolist())


def _cell(name: str, number: int | float) -> str | int | float:
    """A number as it stands in the table: as a word, in full precision, or as nothing where it is NaN."""
    if name in WORDS:
        return WORDS[name].get(number, number)
    return "" if number != number else number
