"""The command ``membrane figure``: a figure of what archives hold, as STEM.png and STEM.pdf.

Exit codes: 0 drawn, 2 bad input, 3 not drawn. No archive is changed.
"""

import argparse
import logging
from collections.abc import Iterable
from pathlib import Path

from membrane import archive
from membrane.commands import drawing
from membrane.paths import path
from membrane.program.console import command, set_up_logging
from membrane.program.stop import let_interrupt_raise

log = logging.getLogger("membrane")

KINDS = {
    "sizes": "size distributions of the ILVs of one or several archives, overlaid",
    "membrane": "the membrane of one endosome of a sheet at up to four times, field by field",
    "vesicle": "one endosome of kind vesicle at up to five times, cut open and in section",
    "sweep": "what comes out of a collected sweep over one or two of its keys, with 95 %% intervals",
    "sensitivity": "which parameter of a collected sweep decides",
}

DEFAULT = "sweep of a collected archive, vesicle of a run of kind vesicle, else sizes"

OPTIONS = {"endosome": ("membrane", "vesicle"), "frames": ("vesicle",), "over": ("sweep",)}
"""Options, and the kinds that they belong to."""


def main(argv: list[str]) -> int:
    """Draw one figure; returns the exit code."""
    return command("membrane figure", lambda: _main(argv))


def _main(argv: list[str]) -> int:
    # Intermixed: archives may stand on both sides of the options.
    arguments = _parser().parse_intermixed_args(argv)
    set_up_logging(quiet=False)
    return drawing.draw("membrane figure", lambda: _draw(arguments))


def _parser() -> argparse.ArgumentParser:
    lines = "; ".join(f"{kind}: {what}" for kind, what in KINDS.items())
    parser = argparse.ArgumentParser(
        prog="membrane figure", description="A figure of what archives hold, as STEM.png and STEM.pdf."
    )
    parser.add_argument("archives", metavar="ARCHIVE", nargs="+", type=path, help="several are for --kind sizes")
    parser.add_argument(
        "--kind",
        choices=KINDS,
        help=f"{lines}. Default: {DEFAULT}",
    )
    parser.add_argument("--endosome", metavar="N", type=int, help="counted from 0 (default 0)")
    parser.add_argument("--frames", metavar="N", type=int, nargs="+", help="of a vesicle; default: up to five")
    parser.add_argument(
        "--over", metavar="KEY", nargs="+", help="one or two varied keys of a sweep (default: the first two)"
    )
    parser.add_argument("--output", metavar="STEM", type=path, help="default: the archive's name with -KIND")
    return parser


def _draw(arguments) -> Iterable[Path]:
    """Draws and writes the figure; returns its files."""
    # matplotlib takes a second, which --help does not wait for.
    from membrane.figures import sheet, sizes, sweep, vesicle
    from membrane.figures.style import save

    let_interrupt_raise()
    records = [archive.read(one) for one in arguments.archives]
    record, kind = records[0], arguments.kind or _kind(records)
    _refuse_unused(arguments, kind)
    stem = drawing.stem(arguments.output, arguments.archives, f"-{kind}")
    endosome = arguments.endosome or 0
    match kind:
        case "sizes":
            return save(sizes.size_distribution_figure(records), stem)
        case "membrane":
            # Sixteen fields are large: at 300 dpi the PNG is above 1 MB.
            return save(sheet.membrane_figure(record, endosome), stem, dpi=240)
        case "vesicle":
            return save(vesicle.vesicle_figure(record, endosome, arguments.frames), stem)
        case "sweep":
            return save(sweep.sweep_figure(record, arguments.over or sweep.varied(record)[:2]), stem)
        case "sensitivity":
            return save(sweep.sensitivity_figure(record), stem)


def _kind(records: list[archive.RunRecord]) -> str:
    """The figure that suits what was read; says so."""
    record = records[0]
    if len(records) == 1 and record.members:
        kind = "sweep"
    elif len(records) == 1 and "psi" in record.frames.field_names:
        kind = "vesicle"
    else:
        kind = "sizes"
    log.info("--kind %s; the others are %s", kind, ", ".join(other for other in KINDS if other != kind))
    return kind


def _refuse_unused(arguments, kind: str) -> None:
    """Raises ValueError where an option, or an archive, would be passed over."""
    if kind != "sizes" and len(arguments.archives) > 1:
        raise ValueError(f"--kind {kind} draws one archive; {len(arguments.archives)} were given")
    for name, kinds in OPTIONS.items():
        if getattr(arguments, name) is not None and kind not in kinds:
            raise ValueError(f"--{name} is of --kind {' or '.join(kinds)}; the figure is of --kind {kind}")
