"""The command ``membrane export``: surfaces of a run of kind vesicle for ParaView.

It writes one .vtp a frame, with the fields, the mean curvature and the number of the vesicle at the points, and a .pvd
that ParaView opens as a series in time (s). Exit codes: 0 written, 2 bad input, 3 not written. No archive is changed.
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
    """Export one archive; returns the exit code."""
    return command("membrane export", lambda: _main(argv))


def _main(argv: list[str]) -> int:
    arguments = _parser().parse_args(argv)
    return drawing.draw("membrane export", lambda: _write(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="membrane export",
        description="Surfaces of a run of kind vesicle for ParaView: one .vtp a frame, with the fields, mean curvature "
        "and number of the vesicle at the points, and a .pvd that ParaView opens as a series in time (s).",
    )
    parser.add_argument("archive", metavar="ARCHIVE", type=path)
    parser.add_argument("-o", "--output", metavar="DIR", type=path, help="default: the archive's name with -surfaces")
    parser.add_argument("--endosome", metavar="N", type=int, default=0, help="counted from 0 (default 0)")
    return parser


def _write(arguments) -> Iterable[Path]:
    """Writes all surfaces; returns their table."""
    # Numerical libraries, which --help does not wait for.
    from membrane.figures.frame import VesicleFrame
    from membrane.figures.mesh import surface_mesh
    from membrane.figures.vtp import write_pvd, write_vtp

    let_interrupt_raise()
    folder = arguments.output or picture_beside(arguments.archive, "-surfaces")
    record = archive.read(arguments.archive)
    times = record.frames.frame_times_s
    if not len(times):
        raise ValueError(
            f"{arguments.archive} holds no frames: kinetics has none; for other kinds see output.frame_interval_ms"
        )
    stem = picture_beside(arguments.archive, f"-{arguments.endosome}" if arguments.endosome else "").name
    table, files = folder / f"{stem}.pvd", [folder / f"{stem}-{index:06d}.vtp" for index in range(len(times))]
    drawing.check_outputs({file.name: file for file in (table, *files)}, [arguments.archive])
    for index, file in enumerate(files):
        write_vtp(file, surface_mesh(VesicleFrame(record, index, arguments.endosome)))
    return [write_pvd(table, times, files)]
