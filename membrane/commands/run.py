"""The command ``membrane run``: from a composition to an archive of ILVs.

Exit codes: 0 complete, 2 bad input, 3 numerical or disk failure (last good state kept), 75 interrupted with a
checkpoint saved.
"""

import argparse
import sys

from membrane.config import ConfigError
from membrane.config.shipped import CONFIG_HELP, config_file
from membrane.paths import path
from membrane.program.console import BAD_INPUT, UNSUPPORTED, command, positive, quiet_xla, seconds, set_up_logging
from membrane.program.cores import cores
from membrane.program.stop import Stop


def main(argv: list[str]) -> int:
    """Run one configuration; returns the exit code."""
    return command("membrane run", lambda: _main(argv))


def _main(argv: list[str]) -> int:
    arguments = _parser().parse_args(argv)
    set_up_logging(arguments.quiet)
    if arguments.trial is not None and not arguments.check:
        print(
            f"membrane run: --trial {arguments.trial:g} needs --check: it estimates a run without making it",
            file=sys.stderr,
        )
        return BAD_INPUT
    if sys.platform == "win32":
        print(f"membrane run: {UNSUPPORTED}", file=sys.stderr)
        return BAD_INPUT
    with Stop(arguments.max_wall_time) as stop:
        try:
            arguments.config = config_file(arguments.config)
        except ConfigError as error:
            print(f"membrane run: {error}", file=sys.stderr)
            return BAD_INPUT
        quiet_xla()
        # jax takes seconds, which --help does not wait for.
        from membrane.program.launch import launch

        return launch(arguments, stop)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="membrane run", description="From a composition to an archive of ILVs.")
    parser.add_argument("config", metavar="CONFIG", type=path, help=CONFIG_HELP)
    parser.add_argument("--output", type=path, help="archive to write (default: runs/<name>.h5)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one dotted key")
    parser.add_argument(
        "--check", action="store_true", help="validate configuration, memory and compilation; do not run"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint, or extend a finished run"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an archive or unfinished run of membrane")
    parser.add_argument("--max-wall-time", type=seconds, metavar="S", help="stop with a checkpoint after S seconds")
    parser.add_argument(
        "--trial",
        type=seconds,
        metavar="S",
        help="with --check: run one endosome for S seconds to estimate the time",
    )
    parser.add_argument(
        "--threads", type=positive, metavar="N", default=cores(), help="endosomes advanced side by side on a CPU"
    )
    parser.add_argument(
        "--batch",
        type=positive,
        metavar="N",
        help="endosomes of a sheet that one program advances on all devices (default: 64 a GPU, none on a CPU)",
    )
    parser.add_argument("--no-picture", action="store_true", help="do not draw the summary beside the archive")
    parser.add_argument("--quiet", action="store_true", help="no progress, only warnings")
    return parser
