"""The command ``membrane movie``: the membrane of one endosome over time, as a GIF, or as an MP4 where ffmpeg is
installed.

Exit codes: 0 drawn, 2 bad input, 3 not drawn. No archive is changed.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

from membrane import archive
from membrane.commands import drawing
from membrane.paths import path, picture_beside
from membrane.program.console import command
from membrane.program.stop import let_interrupt_raise


def main(argv: list[str]) -> int:
    """Draw one movie; returns the exit code."""
    return command("membrane movie", lambda: _main(argv))


def _main(argv: list[str]) -> int:
    arguments = _parser().parse_args(argv)
    return drawing.draw("membrane movie", lambda: _draw(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="membrane movie",
        description="The membrane of one endosome over time: a GIF, or an MP4 where ffmpeg is installed.",
    )
    parser.add_argument("archive", metavar="ARCHIVE", type=path)
    parser.add_argument("--endosome", metavar="N", type=int, default=0, help="counted from 0 (default 0)")
    parser.add_argument(
        "--fps", metavar="N", type=float, default=10, help="frames a second (default 10); at least 5 s in all"
    )
    parser.add_argument("--output", metavar="FILE", type=path, help="default: the archive's name with .gif")
    return parser


def _draw(arguments) -> Iterable[Path]:
    """Draws and writes the movie; returns its file."""
    # matplotlib takes a second, which --help does not wait for.
    from membrane.figures import sheet, vesicle

    let_interrupt_raise()
    output = arguments.output or picture_beside(arguments.archive, ".gif")
    drawing.check_outputs({"the movie": output}, [arguments.archive])
    record = archive.read(arguments.archive)
    geometry = vesicle if "psi" in record.frames.field_names else sheet
    return [geometry.movie(record, output, arguments.endosome, arguments.fps)]
