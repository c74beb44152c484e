"""ExperimentSummary.csv of NanoSight (NTA 3.2, 3.3, 3.4), as exported or saved again by a spreadsheet.

The layout was learnt from public files of these versions. Of a capture, each bin of 1 nm has a concentration in
particles per ml, which the analysis FTLA has smoothed: it is no count. Bins are named by their centres. Lines are
found by their labels, because their numbers differ between files.
"""

from pathlib import Path

import numpy as np

from membrane.measured.grid import MeasuredError, Rows, is_number, label, numbers, row_of
from membrane.measured.histogram import Measured

FIRST = "nta experiment summary"
CENTRES = "bin centre (nm)"


def is_nanosight(rows: Rows) -> bool:
    """Whether rows are of an experiment summary of NanoSight."""
    return row_of(rows, FIRST) is not None or None not in (row_of(rows, CENTRES), row_of(rows, "weighting"))


def read_nanosight(rows: Rows, path: Path) -> Measured:
    """The block with number weighting of an experiment summary: the mean of its captures, with n from Valid Tracks.

    Raises MeasuredError where there is no such block, or where it is not whole.
    """
    block = _number_block(rows, path)
    head = row_of(block, CENTRES)
    if head is None:
        raise MeasuredError(
            f"{path}: the block of number weighting has no line 'Bin centre (nm)'; expected its table of "
            "concentrations. Percentiles alone are no distribution: export the size distribution"
        )
    chosen = _captures(block[head], path)
    table = _table(block, head, path)
    centres = numbers([row[0] for row in table], f"{path}, bin centres")
    captures = np.array([_column(table, at, block[head][at], path) for at in chosen])
    silent = [number for number, capture in enumerate(captures) if not capture.any()]
    if silent:
        raise MeasuredError(f"{path}: capture {silent[0] + 1} has no particle in any bin; export without it")
    tracks, dilution, missing = _tracks(block, chosen), _dilution(rows), _missing(rows, chosen, captures)
    assumed = [
        "values are the mean of the captures, smoothed by the analysis FTLA; they are no counts",
        "n is the number of valid tracks"
        if tracks
        else "the file tells no number of valid tracks, so that n is unknown",
    ]
    if dilution is None:
        assumed.append("the dilution was not recorded: concentrations are as the file has them; shares do not depend")
    if missing:
        assumed.append(f"the bins hold {missing} the concentration that the file states; was it edited?")
    return Measured(
        edges_nm=_edges(centres, path),
        values=captures.mean(axis=0),
        what="concentration",
        n_effective=tracks,
        instrument="nta",
        assumed=tuple(assumed),
        source=path,
        captures=captures,
        dilution=dilution,
    )


def _number_block(rows: Rows, path: Path) -> Rows:
    """The rows from 'Weighting,Number' to the next weighting, of sizes and not of diffusion coefficients."""
    starts = [i for i, row in enumerate(rows) if row and label(row[0]) == "weighting"]
    blocks = [rows[start:end] for start, end in zip(starts, [*starts[1:], len(rows)])]
    blocks = [block for block in blocks if row_of(block, "bin centre (e4") is None]
    found = [label(block[0][1]) if len(block[0]) > 1 else "" for block in blocks]
    if found.count("number") != 1:
        told = ", ".join(found) or "none"
        raise MeasuredError(
            f"{path}: weightings found: {told}; expected one block 'Weighting,Number'. Export one experiment with "
            "number weighting"
        )
    return blocks[found.index("number")]


def _captures(head: list[str], path: Path) -> list[int]:
    """The columns of the single captures; those of the average and its error are left out."""
    labels = [label(cell) for cell in head]
    chosen = [at for at, name in enumerate(labels) if name.startswith("concentration (particles")]
    if not chosen:
        raise MeasuredError(
            f"{path}: columns found: {', '.join(filter(None, head))}; expected 'Concentration (particles / ml)'"
        )
    return chosen


def _table(block: Rows, head: int, path: Path) -> Rows:
    """The rows below the heading, up to the first that does not begin with a number."""
    table = []
    for row in block[head + 1 :]:
        if not row or not is_number(row[0]):
            break
        table.append(row)
    after = head + 1 + len(table)
    if len(table) < 2 or (after == len(block) and _ends_high(table)):
        raise MeasuredError(f"{path}: the table ends after {len(table)} bins, in the middle; export the file again")
    if after < len(block) and block[after] and label(block[after][0]) != "percentile":
        raise MeasuredError(
            f"{path}: {block[after][0]!r} follows bin {table[-1][0]} nm; expected a number or an empty line"
        )
    return table


def _ends_high(table: Rows) -> bool:
    """Whether the last bin still has particles, so that more bins must follow."""
    return any(cell not in ("0", "0.0", "") for cell in table[-1][1:])


def _column(table: Rows, at: int, name: str, path: Path) -> np.ndarray:
    short = next((row for row in table if len(row) <= at), None)
    if short is not None:
        raise MeasuredError(f"{path}: the row of bin {short[0]} nm has {len(short)} cells; expected {at + 1} or more")
    return numbers([row[at] for row in table], f"{path}, {name}")


def _edges(centres: np.ndarray, path: Path) -> np.ndarray:
    width = np.diff(centres)
    if not (np.all(width > 0) and np.allclose(width, width[0])):
        raise MeasuredError(
            f"{path}: bin centres do not rise by even steps ({centres[0]:g} to {centres[-1]:g} nm); expected 0.5, "
            "1.5, ... Export the file again"
        )
    return np.append(centres - width[0] / 2, centres[-1] + width[0] / 2)


def _tracks(block: Rows, chosen: list[int]) -> float | None:
    """The valid tracks of all captures together."""
    at = row_of(block, "valid tracks")
    cells = [block[at][column] for column in chosen if column < len(block[at])] if at is not None else []
    found = [float(cell.replace(",", ".")) for cell in cells if is_number(cell)]
    return sum(found) if len(found) == len(chosen) and sum(found) > 0 else None


def _missing(rows: Rows, chosen: list[int], captures: np.ndarray) -> str:
    """How much of the stated concentration the bins hold, in words, where they do not hold all of it."""
    at = row_of(rows, "concentration (particles")
    cells = [rows[at][column] for column in chosen if column < len(rows[at])] if at is not None else []
    if len(cells) < len(chosen) or not all(map(is_number, cells)):
        return ""
    stated = np.array([float(cell.replace(",", ".")) for cell in cells])
    share = captures.sum(axis=1).sum() / stated.sum() if stated.sum() else 1.0
    return "" if abs(share - 1) < 0.02 else f"{100 * share:.0f} % of"


def _dilution(rows: Rows) -> float | None:
    """The factor of dilution, where it was recorded and is the same for all captures."""
    at = row_of(rows, "dilution factor")
    cells = rows[at][1:] if at is not None else []
    found = {float(cell.replace(",", ".")) for cell in cells if is_number(cell)}
    return found.pop() if len(found) == 1 else None
