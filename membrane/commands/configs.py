"""The command ``membrane configs``: the shipped configurations, and copies of them to change.

Exit codes: 0 done, 2 bad input, or a file in the way.
"""

import argparse
import json
import re
import sys
import textwrap
from pathlib import Path

from membrane.config import ConfigError, json_schema
from membrane.config.shipped import files, near
from membrane.paths import path
from membrane.program.console import BAD_INPUT, COMPLETE, command


def main(argv: list[str]) -> int:
    """List the shipped configurations, or copy one; returns the exit code."""
    return command("membrane configs", lambda: _main(argv))


def _main(argv: list[str]) -> int:
    arguments = _parser().parse_args(argv)
    try:
        if arguments.schema:
            print(json.dumps(json_schema(), indent=1))
        else:
            print(_copied(*arguments.copy) if arguments.copy else _listed())
    except (ConfigError, OSError) as error:
        print(f"membrane configs: {error}", file=sys.stderr)
        return BAD_INPUT
    return COMPLETE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="membrane configs",
        description="The shipped configurations: membrane run NAME and membrane predict NAME take them by name.",
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--schema", action="store_true", help="print the JSON schema that editors complete keys by")
    either.add_argument(
        "--copy",
        nargs="+",
        type=path,
        metavar=("NAME", "FILE"),
        help="copy one to FILE, to be changed (default: NAME.yaml here); no file is replaced",
    )
    return parser


def _listed() -> str:
    """A line each: its name and the first sentence of its header."""
    known = files()
    width = max(map(len, known))
    return "\n".join(f"{name:<{width}}  {_title(file)}" for name, file in known.items())


def _title(file: Path) -> str:
    """The first sentence of the comment at the head of a file."""
    words = []
    for line in file.read_text(encoding="utf-8").splitlines():
        text = line.removeprefix("#").strip()
        if not line.startswith("#") or (words and not text):
            break
        if not text.startswith("yaml-language-server"):
            words.append(text)
    sentence = re.split(r"\.\s+(?=[A-Z])", " ".join(words))[0].removesuffix(".")
    return textwrap.shorten(sentence, 100, placeholder=" ...")


def _copied(given: Path, *places: Path) -> str:
    """Copies a configuration and returns what the user may do next.

    ``given``: its name, as a path.
    ``places``: nothing, or the file or folder that the copy goes to.

    Raises ConfigError where there is no such configuration, or a file is in the way.
    """
    known, name = files(), str(given)
    if name not in known:
        raise ConfigError(f"there is no shipped configuration {name!r}; {near(name)}")
    if len(places) > 1:
        raise ConfigError(f"--copy takes NAME and, at most, one FILE; given are {len(places)}")
    copy = places[0] if places else Path(f"{name}.yaml")
    if copy.is_dir():
        copy /= f"{name}.yaml"
    try:
        with open(copy, "xb") as file:
            file.write(known[name].read_bytes())
    except FileExistsError:
        raise ConfigError(f"{copy} exists and is not replaced; give another FILE after the name") from None
    command, base = "run", ""
    if found := re.search(r"^base: *(\S+)\.yaml", copy.read_text(encoding="utf-8"), re.MULTILINE):
        command, base = "ensemble", f" (it needs its base beside it: membrane configs --copy {found[1]})"
    return f"{copy}: change it, then membrane {command} {copy}{base}"
