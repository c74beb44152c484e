"""How objects print: a title, and a branch for each part."""

from collections.abc import Sequence

WIDTH = 100
"""The longest line, in characters."""


def tree(title: str, branches: Sequence[tuple[str, str]]) -> str:
    """``title`` and below it a line for each of the ``branches`` (name, text). Long lines are cut.

    >>> print(tree("house", [("walls", "4"), ("roof", "red")]))
    house
    ├─ walls: 4
    └─ roof: red
    """
    marks = ["├─"] * (len(branches) - 1) + ["└─"]
    return "\n".join([title, *(cut(f"{mark} {name}: {text}") for mark, (name, text) in zip(marks, branches))])


def cut(line: str) -> str:
    """``line``, or its beginning where it is longer than WIDTH."""
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}\N{HORIZONTAL ELLIPSIS}"
