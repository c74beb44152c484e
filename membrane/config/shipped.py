"""The configurations and sweeps that come with the package."""

import difflib
import logging
from os import PathLike
from pathlib import Path

from membrane.config.text import ConfigError

log = logging.getLogger("membrane")

FOLDER = Path(__file__).parents[1] / "shipped"
"""In a checkout a link to the folder configs; in an installed package a folder of its own."""

CONFIG_HELP = "a YAML file, or the name of a shipped configuration (membrane configs lists them)"
SWEEP_HELP = "a YAML file, or the name of a shipped sweep (membrane configs lists them)"


def files() -> dict[str, Path]:
    """The shipped YAML files by name, sweeps included, in alphabetical order."""
    return {file.stem: file for file in sorted(FOLDER.glob("*.yaml"))}


def near(name: str) -> str:
    """The shipped name most like ``name``, or all of them, as a hint for an error message."""
    known = files()
    found = difflib.get_close_matches(name, known, 1)
    return f"did you mean {found[0]!r}?" if found else f"shipped are {', '.join(known)}"


def config_file(given: str | PathLike[str]) -> Path:
    """The YAML file that a user means by ``given``: this path, or the shipped file of this name.

    A bare word, without an ending and without a folder, is a name. A file ``NAME`` or ``NAME.yaml`` in the current
    folder comes before a shipped one; the log says which of the two it is. Raises ConfigError where there is neither.
    """
    path = Path(given).expanduser()
    name, here, known = path.name, Path(f"{path.name}.yaml"), files()
    if path.exists() or path.suffix or len(path.parts) != 1:
        return path
    if here.exists():
        other = ", not the shipped configuration of that name" if name in known else ""
        log.info("%s is the file %s of this folder%s", name, here, other)
        return here
    if name not in known:
        raise ConfigError(f"{name} is no file here and no shipped configuration; {near(name)}")
    log.info("%s is the shipped configuration %s", name, known[name])
    return known[name]
