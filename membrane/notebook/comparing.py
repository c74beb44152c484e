"""What a measured file and a run have in common, from a notebook."""

from os import PathLike
from typing import TYPE_CHECKING, Any

from membrane.extras import needed
from membrane.measured import Measured, read_measured
from membrane.notebook.result import Result, read
from membrane.outcome.density import SHELL_THICKNESS_NM
from membrane.program.console import quiet_xla

if TYPE_CHECKING:
    import pandas

    import membrane.figures.canvas


class Comparison:
    """A run as an instrument sees it, beside a measured size distribution. It prints as ``membrane compare`` does.

    ``numbers``: all numbers, as a dictionary: medians, distances with their 95 % intervals, what is not seen.
    ``table``: both distributions, a DataFrame.
    ``plot()``: both distributions as a picture.
    """

    def __init__(self, found: Any, name: str, report: str, numbers: dict[str, Any]):
        self._found, self._name, self._report = found, name, report
        self._rows, self.numbers = numbers.pop("rows"), numbers

    @property
    def table(self) -> "pandas.DataFrame":
        """A row for each bin, with the shares of both sides and the ends of their 95 % intervals; NaN where the error
        is unknown.

        Raises ImportError where pandas is not installed.
        """
        with needed("analysis"):
            import pandas
        return pandas.DataFrame(self._rows, dtype=float)

    def plot(self) -> "membrane.figures.canvas.Figure":
        """Draw both distributions: densities and cumulative shares. Returns a figure of matplotlib."""
        from membrane.figures.compare import comparison_figure

        return comparison_figure(self._found, self._name)

    def __repr__(self) -> str:
        return self._report


def compare(
    result: Result | str | PathLike[str],
    measured: Measured | str | PathLike[str],
    *,
    instrument: str | None = None,
    thickness_nm: int | float = SHELL_THICKNESS_NM,
    **settings: int | float,
) -> Comparison:
    """Compare the ILVs of a run, as an instrument sees them, with a measured size distribution.

    ``result``: of a run, or the path of its archive.
    ``measured``: what :func:`membrane.read_measured` gives, or the path of a file that tells by itself what it holds.
    ``instrument``: its name, such as ``thin_section`` or ``nta``; by default the one that the file tells.
    ``thickness_nm``: thickness of the membrane in nm, by which outer diameters exceed those of the mid-plane.
    ``settings``: of the instrument, such as ``section_nm=70``; the others have their defaults.

    Raises ValueError where the archive is a collected sweep, where no ILV has a known size or can be seen, and where
    there is no such instrument or setting; MeasuredError and ArchiveError where a file cannot be read.

    >>> import membrane as mb
    >>> run = mb.run("ceramide", endosomes=1, duration_s=0.003, box_nm=[96, 96], law="cap", progress=False)
    >>> with open("grids.csv", "w") as file:
    ...     _ = file.write("lower_edge_nm;count\\n40;3\\n50;9\\n60;4\\n")
    >>> mb.compare(run, "grids.csv", instrument="thin_section", section_nm=70)
    Traceback (most recent call last):
    ...
    ValueError: no ILV of known size came of this run, so that there is nothing to compare
    """
    result = result if isinstance(result, Result) else read(result)
    record = result._record
    if record.members:
        raise ValueError("this is a collected sweep, whose runs differ; compare the archive of a run")
    measured = measured if isinstance(measured, Measured) else read_measured(measured)
    quiet_xla()
    # Seconds, which an import of this file does not wait for.
    from membrane.comparison.compare import compare_sizes
    from membrane.comparison.words import as_dict, report
    from membrane.notebook.settings import jax_set_up

    with jax_set_up(float64=True, cache_from_s=1.0):
        found = compare_sizes(
            record.ilvs["diameter_nm"],
            record.ilvs["endosome"],
            int(record.attributes["number_of_endosomes"]),
            measured,
            instrument=instrument,
            settings=settings,
            thickness_nm=thickness_nm,
        )
        return Comparison(found, str(record.attributes["name"]), report(found), as_dict(found))
