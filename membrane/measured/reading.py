"""The one door for files of laboratories: what a file is, is found out from its content."""

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from membrane.measured.columns import read_columns
from membrane.measured.grid import MeasuredError, read_rows
from membrane.measured.histogram import Measured
from membrane.measured.nanosight import is_nanosight, read_nanosight
from membrane.measured.zetaview import is_zetaview, read_zetaview


def read_measured(
    path: str | PathLike[str],
    *,
    column: str | None = None,
    diameters: str | None = None,
    values: str | None = None,
    particles: int | float | None = None,
    bead: Sequence[int | float] | None = None,
) -> Measured:
    """Read a measured size distribution.

    ``path``: an ExperimentSummary.csv of NanoSight, a size file (.txt) of a ZetaView, the blockades of a qNano, a list
        of diameters or a histogram of two columns (diameter in nm; count, concentration or density), as text or as a
        spreadsheet (.xlsx).
    ``column``: the heading of the column of diameters, where each row of a wider table is one vesicle.
    ``diameters``: of a histogram, ``centres`` or ``lower_edges`` of its bins; without it the heading decides.
    ``values``: of a histogram, ``count``, ``concentration`` (per bin) or ``density`` (per nm); without it the heading
        decides.
    ``particles``: how many particles were measured, where the file does not tell.
    ``bead``: of blockades, the diameter (nm) and the mean blockade (nA) of a bead.

    Whatever had to be concluded stands in ``assumed`` of the result.

    Raises MeasuredError where the file is not what is expected: it says what was found. Raises OSError where it cannot
    be read, and ImportError where a spreadsheet needs a library that is not installed.

    >>> with open("grids.csv", "w") as file:
    ...     _ = file.write("diameter_nm;count\\n40;3\\n50;9\\n60;4\\n")
    >>> read_measured("grids.csv")
    grids.csv: count of 16 particles, 3 bins from 35 to 65 nm, median 50.6 nm
    assumed: diameters are the centres of the bins, which the file does not tell
    """
    path = Path(path).expanduser()
    if particles is not None and not 0 < particles < float("inf"):
        raise MeasuredError(f"particles {particles}: their number must be positive and finite")
    rows = read_rows(path)
    plain = {"column": column, "diameters": diameters, "values": values, "bead": bead}
    for known, read in ((is_nanosight, read_nanosight), (is_zetaview, read_zetaview)):
        if known(rows):
            unused = [name for name, given in plain.items() if given is not None]
            if unused:
                raise MeasuredError(f"{path} tells by itself what it holds; leave {', '.join(unused)} out")
            found = read(rows, path)
            break
    else:
        found = read_columns(rows, path, **plain)
    if particles is None:
        return found
    if found.n_effective is not None:
        raise MeasuredError(f"{path} tells the number of particles, {found.n_effective:g}; leave particles out")
    return replace(found, n_effective=float(particles), assumed=(*found.assumed, f"n is {particles:g}, as was said"))
