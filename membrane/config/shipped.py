"""The configurations and sweeps that come with the package."""

import difflib
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "shipped"
"""In a checkout a link to the folder configs; in an installed package a folder of its own."""


def files() -> dict[str, Path]:
    """The shipped YAML files by name, sweeps included, in alphabetical order."""
    return {file.stem: file for file in sorted(FOLDER.glob("*.yaml"))}


def near(name: str) -> str:
    """The shipped name most like ``name``, or all of them, as a hint for an error message."""
    known = files()
    found = difflib.get_close_matches(name, known, 1)
    return f"did you mean {found[0]!r}?" if found else f"shipped are {', '.join(known)}"
