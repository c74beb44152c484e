"""The command ``membrane compare``: the ILVs of an archive, as an instrument sees them, beside a measured file.

Exit codes: 0 compared, 2 bad input. A picture that cannot be drawn is told and changes no exit code. No archive is
changed.
"""

import argparse
import logging
import sys
from pathlib import Path

from membrane.archive import ArchiveError, read
from membrane.commands import drawing
from membrane.measured import read_measured
from membrane.measured.columns import DIAMETERS
from membrane.measured.histogram import VALUES
from membrane.outcome.density import SHELL_THICKNESS_NM
from membrane.paths import path, require_distinct_paths, require_new_file
from membrane.program.console import BAD_INPUT, COMPLETE, command, quiet_xla, set_up_logging
from membrane.program.stop import let_interrupt_raise

log = logging.getLogger("membrane")


def main(argv: list[str]) -> int:
    """Compare one archive with one file; returns the exit code."""
    return command("membrane compare", lambda: _main(argv))


def _main(argv: list[str]) -> int:
    arguments, settings = _parse(argv)
    set_up_logging(quiet=False)
    try:
        stem = _check_outputs(arguments)
        record = read(arguments.archive)
        if record.members:
            raise ValueError(f"{arguments.archive} is a collected sweep, whose runs differ; give the archive of a run")
        measured = read_measured(
            arguments.measured,
            column=arguments.column,
            diameters=arguments.diameters,
            values=arguments.values,
            particles=arguments.particles,
            bead=arguments.bead,
        )
        quiet_xla()
        # jax takes seconds, which neither --help nor a file that cannot be read waits for.
        from membrane.comparison.compare import compare_sizes
        from membrane.comparison.words import as_json, report
        from membrane.program.backend import BackendError, set_up_environment, set_up_jax

        set_up_environment()
        try:
            set_up_jax(float64=True, cache_from_s=1.0)
        except BackendError as error:
            raise ValueError(error) from error
        comparison = compare_sizes(
            record.ilvs["diameter_nm"],
            record.ilvs["endosome"],
            int(record.attributes["number_of_endosomes"]),
            measured,
            instrument=arguments.instrument,
            settings=settings,
            thickness_nm=arguments.thickness_nm,
        )
        text, table = report(comparison), as_json(comparison, str(arguments.archive))
        if arguments.json == Path("-"):
            sys.stdout.write(table)
        else:
            print(text)
            if arguments.json:
                with arguments.json.open("x", encoding="utf-8") as file:
                    file.write(table)
    except (ArchiveError, ValueError, OSError, ImportError) as error:
        print(f"membrane compare: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    if stem:
        log.info("%s", _picture(comparison, str(record.attributes["name"]), stem))
    return COMPLETE


def _check_outputs(arguments) -> Path | None:
    """Returns where the picture goes, without suffix. Raises PathError before anything is computed where a file may
    not be written."""
    inputs = [arguments.archive, arguments.measured]
    stem = drawing.stem(arguments.picture, inputs) if arguments.picture else None
    if arguments.json and arguments.json != Path("-"):
        pictures = {s: stem.with_name(stem.name + s) for s in (".png", ".pdf")} if stem else {}
        require_distinct_paths({"--json": arguments.json, **pictures}, inputs)
        require_new_file(arguments.json)
    return stem


def _picture(comparison, name: str, stem: Path) -> str:
    """Draws the picture; returns a line that says where it is, or why there is none."""
    try:
        # Imported only now: a comparison must not stop where matplotlib cannot be imported.
        from membrane.figures.compare import comparison_figure
        from membrane.figures.style import save

        let_interrupt_raise()
        return "picture " + ", ".join(map(str, save(comparison_figure(comparison, name), stem)))
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        return f"no picture ({why})"


def _parse(argv: list[str]) -> tuple[argparse.Namespace, dict[str, float]]:
    """The arguments, and the settings of the instrument among them.

    Which settings there are is known with the instruments, which need jax: each option that is not ours is taken for
    one, and checked later.
    """
    parser = _parser()
    own = set(vars(parser.parse_args(["a", "b"])))
    words = {word.partition("=")[0] for word in argv if word.startswith("--") and len(word) > 2}
    settings = sorted(word for word in words if word[2:].replace("-", "_") not in own | {"help"})
    for word in settings:
        parser.add_argument(word, type=float, dest=f"setting {word}", metavar="VALUE")
    arguments = parser.parse_args(argv)
    given = {word: getattr(arguments, f"setting {word}") for word in settings}
    return arguments, {word[2:].replace("-", "_"): value for word, value in given.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="membrane compare",
        usage="membrane compare ARCHIVE MEASURED [options] [--SETTING VALUE ...]",
        description="The ILVs of an archive, as an instrument sees them, beside a measured size distribution:\n"
        "medians, distances, what the instrument cannot see.",
        epilog="Every setting of the instrument is an option, such as --section-nm 70, --cap-angle-deg 41,\n"
        "--limit-nm 70 or --steps 20 (docs/instruments.md; a wrong name lists them).",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("archive", metavar="ARCHIVE", type=path, help="of a run")
    parser.add_argument(
        "measured",
        metavar="MEASURED",
        type=path,
        help="of NanoSight (ExperimentSummary.csv), ZetaView (.txt), a qNano; a list of diameters or a histogram as "
        "text or .xlsx",
    )
    parser.add_argument(
        "--instrument", metavar="NAME", help="thin_section, nta, trps, ... (default: as the file tells)"
    )
    parser.add_argument(
        "--thickness-nm",
        metavar="NM",
        type=float,
        default=SHELL_THICKNESS_NM,
        help=f"of the membrane: outer less mid-plane (default {SHELL_THICKNESS_NM:g})",
    )
    parser.add_argument("--column", metavar="HEADING", help="of the diameters, where each row is one vesicle")
    parser.add_argument("--diameters", choices=DIAMETERS, help="of a histogram (default: as its heading tells)")
    parser.add_argument("--values", choices=VALUES, help="of a histogram (default: as its heading tells)")
    parser.add_argument(
        "--particles", metavar="N", type=float, help="how many were measured, if the file does not tell"
    )
    parser.add_argument(
        "--bead", metavar=("NM", "NA"), nargs=2, type=float, help="diameter and mean blockade of a bead, for a qNano"
    )
    parser.add_argument("--picture", metavar="STEM", type=path, help="draw STEM.png and STEM.pdf")
    parser.add_argument(
        "--json", metavar="FILE", type=path, help="write the numbers to a new file; - : to the terminal"
    )
    return parser
