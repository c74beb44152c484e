"""Size file (.txt) of a ZetaView.

The layout was learnt from public readers of such files, not from a raw file: it is unverified. Lines of the form
``Key:`` come first. A linear table ends with a line of -1; a logarithmic one of the same particles follows and is
left out.
"""

from pathlib import Path

import numpy as np

from membrane.measured.grid import MeasuredError, Rows, is_number, label, numbers, row_of
from membrane.measured.histogram import Measured

TITLE = "size distribution"
SIZES = "size / nm"


def is_zetaview(rows: Rows) -> bool:
    """Whether rows are of a size file of a ZetaView."""
    return row_of(rows, "zetaview") is not None or (
        row_of(rows, SIZES) is not None and row_of(rows, TITLE, "original file") is not None
    )


def read_zetaview(rows: Rows, path: Path) -> Measured:
    """The linear table: counts in bins of even width, named by their centres.

    One particle may be counted in several bins, so that n is at most the number of traces.

    Raises MeasuredError where the table is missing or not whole.
    """
    head = row_of(rows, SIZES)
    if head is None:
        raise MeasuredError(f"{path}: no line 'Size / nm'; expected the table of a size distribution of ZetaView")
    labels = [label(cell) for cell in rows[head]]
    if "number" not in labels:
        raise MeasuredError(f"{path}: columns found: {', '.join(rows[head])}; expected one that is called Number")
    end = next((i for i in range(head + 1, len(rows)) if rows[i] and _is_end(rows[i][0])), None)
    if end is None:
        raise MeasuredError(f"{path}: the linear table does not end with a line of -1; export the file again")
    at, table = labels.index("number"), rows[head + 1 : end]
    if len(table) < 2 or any(len(row) <= at for row in table):
        raise MeasuredError(f"{path}: the linear table has {len(table)} rows, or short ones; export the file again")
    centres = numbers([row[0] for row in table], f"{path}, sizes")
    values = numbers([row[at] for row in table], f"{path}, Number")
    width = np.diff(centres)
    if not (np.all(width > 0) and np.allclose(width, width[0])):
        raise MeasuredError(f"{path}: the sizes of the linear table do not rise by even steps; export the file again")
    n, traces = float(values.sum()), _value(rows, "number of traces")
    assumed = [
        "sizes are the centres of the bins",
        "the layout of ZetaView's files was learnt from other readers, not from a raw file: compare with your software",
    ]
    if traces and traces < n:
        assumed.append(f"the bins hold {n:.0f} counts of {traces:.0f} traces: n is the number of traces")
        n = traces
    return Measured(
        edges_nm=np.append(centres - width[0] / 2, centres[-1] + width[0] / 2),
        values=values,
        what="count",
        n_effective=n or None,
        instrument="nta",
        assumed=tuple(assumed),
        source=path,
        dilution=_value(rows, "dilution:"),
    )


def _is_end(cell: str) -> bool:
    return is_number(cell) and float(cell.replace(",", ".")) == -1


def _value(rows: Rows, key: str) -> float | None:
    """The number that stands behind a key, or None."""
    at = row_of(rows, key)
    cell = rows[at][1] if at is not None and len(rows[at]) > 1 else ""
    return float(cell.replace(",", ".")) if is_number(cell) else None
