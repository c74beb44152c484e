"""The command ``membrane``: it finds the subcommand, imports it alone, and hands it the rest of the line."""

import argparse
import difflib
import importlib
import sys
from typing import NoReturn

from membrane.program.console import BAD_INPUT, command
from membrane.program.stop import let_interrupt_end_process
from membrane.version import VERSION

COMMANDS = {
    "run": "simulate one configuration; writes an archive of its ILVs",
    "predict": "will a domain bud, at which diameter, how soon: the bud law's answer, without a simulation",
    "ensemble": "run all members of a sweep, on this machine or on a cluster",
    "collect": "put the members of a sweep into one archive",
    "figure": "draw an archive as PNG and PDF: sizes, membrane, vesicle, sweep or sensitivity",
    "compare": "what an instrument would see of the ILVs, beside a measured file: medians, distances, picture",
    "movie": "draw the membrane of one endosome over time as GIF or MP4",
    "table": "write the ILVs of an archive as CSV, one row a vesicle",
    "export": "write the surfaces of a vesicle run for ParaView (VTP)",
    "info": "say what an archive holds",
    "configs": "list the shipped configurations, copy one, or print their JSON schema",
}
"""The subcommands, one file of this folder each, and what they do."""


def start(*words: str) -> NoReturn:
    """The program itself: runs the command line of this process after ``words``, and exits with its code."""
    let_interrupt_end_process()
    sys.exit(main([*words, *sys.argv[1:]]))


def main(argv: list[str]) -> int:
    """Run one command line, without the word ``membrane``; returns the exit code.

    Raises SystemExit as argparse does: with 0 after ``--help`` and ``--version``, with 2 where an argument is wrong.
    """
    name, *rest = argv or [""]
    if name in COMMANDS:
        return importlib.import_module(f"membrane.commands.{name}").main(rest)
    return command("membrane", lambda: _refuse(name))


def _refuse(name: str) -> int:
    """What is no subcommand: ``--help`` and ``--version`` are answered, anything else is refused."""
    if not name:
        _parser().print_help(sys.stderr)
        return BAD_INPUT
    if name.startswith("-"):
        _parser().parse_args([name])
    near = difflib.get_close_matches(name, COMMANDS, 1)
    hint = f"did you mean {near[0]!r}?" if near else "membrane --help lists the commands"
    print(f"membrane: there is no command {name!r}; {hint}", file=sys.stderr)
    return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    lines = [f"  {name:<10}{what}" for name, what in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        prog="membrane",
        usage="membrane COMMAND ...",
        description="How an endosome makes exosomes: simulate, predict, draw.",
        epilog="\n".join(["commands:", *lines, "", "membrane COMMAND --help tells the options of one."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"membrane {VERSION}")
    return parser
