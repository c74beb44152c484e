"""Plain tables: a list of diameters, a histogram of two columns, and the events of a pore (TRPS).

Headings tell what a column is, where there are any. What is not told is asked of the caller, or concluded and said.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from membrane.measured.grid import MeasuredError, Rows, is_number, label, numbers
from membrane.measured.histogram import VALUES, Measured

DIAMETERS = ("centres", "lower_edges")
"""What the diameters of a histogram may be."""

LEAST_DIAMETERS = 2
"""A list of fewer diameters is no distribution."""

LIST_BIN_NM = 1.0
"""Width of the bins of a list, which is below what any instrument resolves."""

EVENT_COLUMNS, MAGNITUDE = 18, 7
"""Columns of a list of blockades of a qNano without a heading, and the number of the one that holds their magnitude."""

_SIZE_WORDS = ("diameter", "size", "nm")
_COUNT_WORDS = ("count", "number", "frequency", "particles", "events")
_OTHER_UNITS = ("um", "µm", "μm", "micron", "microns", "angstrom", "å", "mm", "pm")


def read_columns(
    rows: Rows,
    path: Path,
    *,
    column: str | None = None,
    diameters: str | None = None,
    values: str | None = None,
    bead: Sequence[int | float] | None = None,
) -> Measured:
    """A table of columns. Arguments as of :func:`membrane.measured.read_measured`.

    Raises MeasuredError where it is not clear what the table holds, or where it is not whole.
    """
    head, table = _split(rows, path)
    if column is not None:
        return _list(_named(head, table, column, path), path, (f"each row of {column!r} is one vesicle",))
    width = max(map(len, table))
    if width == EVENT_COLUMNS and not head:
        return _events(table, path, bead)
    if bead is not None:
        raise MeasuredError(
            f"{path} has {width} columns{' and a heading' if head else ''}; a bead calibrates a list of blockades of "
            f"{EVENT_COLUMNS} columns without a heading. Leave the bead out"
        )
    if width == 1:
        _check_unit(head, path)
        return _list(numbers([row[0] for row in table], f"{path}, diameters"), path, ("each row is one vesicle",))
    if width == 2:
        return _histogram(head, table, path, diameters, values)
    names = ", ".join(head) or f"{width} without a heading"
    raise MeasuredError(
        f"{path}: columns found: {names}; expected one (diameters) or two (diameter and number). Name the column of "
        "diameters, if each row is one vesicle (--column), or save the two columns alone"
    )


def _split(rows: Rows, path: Path) -> tuple[list[str], Rows]:
    """The heading, if there is one, and the rows of numbers below it; empty rows and remarks (#) are left out."""
    filled = [row for row in rows if row and not row[0].startswith("#")]
    first = next((i for i, row in enumerate(filled) if any(map(is_number, row))), None)
    if first is None:
        raise MeasuredError(f"{path} has no row of numbers; expected a table of sizes")
    # A remark has one cell above a wider table.
    width = len(filled[first])
    heads = [row for row in filled[:first] if len(row) >= min(width, 2)] if width > 1 else filled[:first]
    if len(heads) > 1:
        told = " | ".join(", ".join(row) for row in heads[:2])
        raise MeasuredError(f"{path} has two headings ({told}); expected one. Leave the line with the units out")
    return (heads[0] if heads else []), filled[first:]


def _named(head: list[str], table: Rows, column: str, path: Path) -> np.ndarray:
    """The numbers of one column; rows without a number in it are left out."""
    labels = [label(cell) for cell in head]
    if label(column) not in labels:
        found = ", ".join(head) or "no heading"
        raise MeasuredError(f"{path} has no column {column!r}; found: {found}")
    at = labels.index(label(column))
    _check_unit([head[at]], path)
    return numbers([row[at] for row in table if len(row) > at and row[at]], f"{path}, {column}")


def _words(heading: str) -> list[str]:
    """The words of a heading, in small letters."""
    return label(heading).translate(str.maketrans("()[]_", "     ")).split()


def _check_unit(head: list[str], path: Path) -> None:
    words = {word for cell in head for word in _words(cell)}
    other = sorted(words & set(_OTHER_UNITS))
    if other:
        raise MeasuredError(f"{path}: a heading says {other[0]}; sizes must be diameters in nm. Convert them first")
    if "radius" in words:
        raise MeasuredError(f"{path}: a heading says radius; sizes must be diameters in nm. Double them first")


def _list(diameter: np.ndarray, path: Path, assumed: tuple[str, ...], instrument: str | None = None) -> Measured:
    if len(diameter) < LEAST_DIAMETERS:
        raise MeasuredError(f"{path} has {len(diameter)} diameter; expected a list of at least {LEAST_DIAMETERS}")
    if not np.all(diameter > 0):
        raise MeasuredError(f"{path}: a diameter is 0; remove the rows without a vesicle")
    if diameter.max() > 1e6:
        raise MeasuredError(f"{path}: a diameter is {diameter.max():g} nm; sizes must be diameters in nm")
    # Bins are centred on whole numbers, so that rounded diameters are not shifted.
    low, high = np.floor(diameter.min() + 0.5) - 0.5, np.floor(diameter.max() + 0.5) + 0.5
    edges = np.append(low + LIST_BIN_NM * np.arange(round((high - low) / LIST_BIN_NM)), high)
    return Measured(
        edges_nm=np.maximum(edges, 0),
        values=np.histogram(diameter, edges)[0],
        what="count",
        n_effective=float(len(diameter)),
        instrument=instrument,
        assumed=(*assumed, f"they were counted in bins of {LIST_BIN_NM:g} nm"),
        source=path,
    )


def _events(table: Rows, path: Path, bead: Sequence[int | float] | None) -> Measured:
    """Blockades of a pore: D = D_bead (m/m_bead)^(1/3), because a small sphere displaces current by its volume."""
    if any(len(row) != EVENT_COLUMNS for row in table):
        raise MeasuredError(f"{path}: a row has not {EVENT_COLUMNS} cells as the others have; export the file again")
    magnitude = numbers([row[MAGNITUDE] for row in table], f"{path}, magnitudes of the blockades")
    if bead is None:
        raise MeasuredError(
            f"{path} holds blockades in nA and no diameters; give the diameter of a bead and its mean blockade, "
            "measured with the same pore and settings (--bead NM NA)"
        )
    if not (bead[0] > 0 and bead[1] > 0):
        raise MeasuredError(f"the bead has {bead[0]:g} nm and a blockade of {bead[1]:g} nA; both must be positive")
    assumed = (
        "blockades grow with the volume of a particle, as those of the bead of "
        f"{bead[0]:g} nm and {bead[1]:g} nA, with one pore and one setting",
    )
    return _list(bead[0] * np.cbrt(magnitude / bead[1]), path, assumed, "trps")


def _histogram(head, table, path, diameters, values) -> Measured:
    if any(len(row) != 2 for row in table):
        raise MeasuredError(f"{path}: a row has not two cells as the others have; complete or remove it")
    _check_unit(head[:1], path)
    size = numbers([row[0] for row in table], f"{path}, diameters")
    value = numbers([row[1] for row in table], f"{path}, values")
    if not np.all(np.diff(size) > 0):
        raise MeasuredError(
            f"{path}: the diameters of the first column do not rise, so that this is no histogram. If each row is one "
            "vesicle, name the column of diameters (--column); if commas are decimal marks, save with semicolons"
        )
    if len(size) < 2:
        raise MeasuredError(f"{path} has one bin; a histogram needs at least two")
    # A heading of several words has several cells where blanks separate columns.
    names, assumed = [" ".join(head[:1]), " ".join(head[1:])], []
    placed = _told(diameters, DIAMETERS, "diameters") or _placed(label(names[0]), size, assumed)
    edges = _edges(size, placed, path)
    what = _told(values, VALUES, "values") or _what(names[1], value, edges, path, assumed)
    n = (float(value.sum()) or None) if what == "count" else None
    return Measured(edges, value, what, n, None, tuple(assumed), path)


def _told(given: str | None, allowed: tuple[str, ...], what: str) -> str | None:
    if given is not None and given not in allowed:
        raise MeasuredError(f"{what} {given!r}: expected {' or '.join(allowed)}")
    return given


def _placed(name: str, size: np.ndarray, assumed: list[str]) -> str:
    """Whether diameters are centres or lower edges, by their heading, else by whether they begin at 0."""
    if any(word in name for word in ("centre", "center", "mid", "mean")):
        return "centres"
    if any(word in name for word in ("low", "from", "left", "start", "edge")):
        return "lower_edges"
    placed = "lower_edges" if size[0] == 0 else "centres"
    assumed.append(f"diameters are the {placed.replace('_', ' ')} of the bins, which the file does not tell")
    return placed


def _edges(size: np.ndarray, placed: str, path: Path) -> np.ndarray:
    """Edges of bins of even width, or of even ratio."""
    step = np.diff(size)
    # Exporters round sizes to a few digits.
    if np.allclose(step, step.mean(), rtol=1e-2, atol=0):
        width = step.mean()
        edges = size if placed == "lower_edges" else size - width / 2
        edges = np.append(edges, edges[-1] + width)
    elif size[0] > 0 and np.allclose(size[1:] / size[:-1], np.mean(size[1:] / size[:-1]), rtol=1e-2, atol=0):
        ratio = np.exp(np.log(size[-1] / size[0]) / (len(size) - 1))
        edges = size if placed == "lower_edges" else size / np.sqrt(ratio)
        edges = np.append(edges, edges[-1] * ratio)
    elif placed == "lower_edges":
        edges = np.append(size, size[-1] + step[-1])
    else:
        raise MeasuredError(
            f"{path}: the steps between the diameters are neither even nor of one ratio, so that centres do not tell "
            "the bins; give their lower edges (--diameters lower_edges)"
        )
    if edges[0] < 0:
        raise MeasuredError(
            f"{path}: with {size[0]:g} nm as a centre the first bin would begin at {edges[0]:g} nm; the diameters are "
            "lower edges (--diameters lower_edges)"
        )
    return edges


def _what(name: str, value: np.ndarray, edges: np.ndarray, path: Path, assumed: list[str]) -> str:
    """What the values are, by their heading, else by whether they are whole numbers."""
    words = _words(name)
    if any(word.startswith("conc") or "/ml" in word for word in words) or "ml" in words:
        return "concentration"
    if any(word.startswith(("densit", "pdf")) or word in ("1/nm", "/nm", "nm-1") for word in words):
        return "density"
    whole = np.all(value == np.round(value))
    if whole and any(word.startswith(_COUNT_WORDS) or word == "n" for word in words):
        return "count"
    if any(word in _SIZE_WORDS for word in words):
        raise MeasuredError(
            f"{path}: the second column ({name}) seems to hold sizes; expected diameters and then what was measured of "
            "each. If each row is one vesicle, name the column of diameters (--column); else say --values"
        )
    if whole:
        assumed.append("values are counts, because they are whole numbers")
        return "count"
    width = np.diff(edges)
    if not np.allclose(width, width[0]):
        raise MeasuredError(
            f"{path}: the bins differ in width and the file does not tell what its values are; say whether they are "
            f"{', '.join(VALUES)} (--values)"
        )
    assumed.append("values are concentrations in bins of one width, because they are no whole numbers; n is unknown")
    return "concentration"
