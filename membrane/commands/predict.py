"""The command ``membrane predict``: will a domain bud, at which diameter, over which barrier, how soon.

One domain of the Lo phase in its Ld host, both of the composition that coexists in the mixture, is put to the bud law
at one diameter after the other; nothing is simulated. Exit codes: 0 answered, 2 bad input.
"""

import argparse
import sys
from pathlib import Path

from membrane.bud.situation import DIAMETERS_NM
from membrane.bud.words import as_csv, as_json, report
from membrane.config import ConfigError, SheetConfig, load, log_remarks
from membrane.config.shipped import CONFIG_HELP, config_file
from membrane.paths import path, require_new_file
from membrane.program.console import BAD_INPUT, COMPLETE, command, quiet_xla, set_up_logging

WRITERS = {"csv": as_csv, "json": as_json}


def main(argv: list[str]) -> int:
    """Answer one configuration; returns the exit code."""
    return command("membrane predict", lambda: _main(argv))


def _main(argv: list[str]) -> int:
    arguments = _parser().parse_args(argv)
    set_up_logging(quiet=False)
    quiet_xla()
    # jax takes seconds, which --help does not wait for.
    from membrane.builder.prediction import predict
    from membrane.program.backend import BackendError, set_up_environment, set_up_jax

    wanted = {name: given for name in WRITERS if (given := getattr(arguments, name))}
    try:
        _check_outputs(list(wanted.values()))
        arguments.config = config_file(arguments.config)
        config = load(arguments.config, arguments.set)
        if not isinstance(config, SheetConfig):
            raise ConfigError(
                f"{arguments.config}: predict asks the bud law of a sheet, but the kind is {config.kind}; give a "
                "configuration of kind sheet"
            )
        set_up_environment()
        set_up_jax(cache_from_s=1.0)
        prediction = predict(config, arguments.diameters)
        log_remarks(config, arguments.config)
        if "-" not in wanted.values():
            print(report(prediction))
        for name, given in wanted.items():
            if given == "-":
                WRITERS[name](prediction, sys.stdout)
                continue
            with Path(given).expanduser().open("x", newline="", encoding="utf-8") as file:
                WRITERS[name](prediction, file)
    except (ConfigError, BackendError, ValueError, OSError) as error:
        print(f"membrane predict: {error}", file=sys.stderr)
        return BAD_INPUT
    return COMPLETE


def _check_outputs(paths: list[str]) -> None:
    """Raises ValueError before anything is computed where a file is named twice, exists, or has no folder."""
    if len(set(paths)) < len(paths):
        raise ValueError(f"--csv and --json both go to {paths[0]}: give two names")
    for given in paths:
        if given != "-":
            require_new_file(Path(given).expanduser())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="membrane predict",
        description="Will a domain bud, at which diameter, over which barrier, how soon.",
    )
    parser.add_argument("config", metavar="CONFIG", type=path, help=CONFIG_HELP)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one dotted key")
    parser.add_argument(
        "--diameters",
        type=_list,
        default=DIAMETERS_NM,
        metavar="NM,NM,...",
        help="of the vesicles (default: 20 to 160)",
    )
    for name in WRITERS:
        parser.add_argument(
            f"--{name}", metavar="FILE", help=f"write the numbers as {name.upper()} to a new file; - : to the terminal"
        )
    return parser


def _list(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers; write it as 40,60,80") from None
