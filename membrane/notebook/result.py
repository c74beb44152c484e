"""A run as a notebook sees it: tables, arrays, sizes and pictures of one archive."""

import shutil
from collections.abc import Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from membrane.archive import ArchiveError, RunRecord
from membrane.archive import read as read_archive
from membrane.notebook import tables
from membrane.notebook.config import Face, from_text
from membrane.notebook.folder import TemporaryFolder
from membrane.notebook.sizes import Sizes
from membrane.notebook.tree import tree

if TYPE_CHECKING:
    import pandas
    import pyvista
    import xarray

    import membrane.figures.canvas


class Result:
    """What a run has left behind. :func:`membrane.run` and :func:`membrane.read` give one.

    ``events``, ``ilvs``: tables (pandas); ``series``, ``frames``: arrays (xarray); ``sizes``: the size distribution;
    ``config``, ``attributes``, ``path``; ``summary()`` in words; ``plot()``, ``plot_membrane()`` as pictures.
    """

    def __init__(self, record: RunRecord, folder: TemporaryFolder | None = None):
        # A run that is not kept lives in a temporary folder, which goes when nothing refers to it any more.
        self._record, self._folder = record, folder

    @property
    def path(self) -> Path | None:
        """The archive; None where the run was not kept."""
        return None if self._folder else self._record.path

    @property
    def attributes(self) -> dict[str, Any]:
        """What the archive says of the run: name, status, seed, versions, time of creation, wall time and more
        (docs/archive.md)."""
        return dict(self._record.attributes)

    @cached_property
    def config(self) -> Face:
        """The configuration of the run, defaults included.

        Raises ConfigError where the archive was made by a version with other keys.
        """
        return from_text(self._record.attributes["config_yaml"], str(self._record.path))

    @cached_property
    def events(self) -> "pandas.DataFrame":
        """All events, one row each: ILVs, buds that left away from the lumen, fusions. Columns: docs/archive.md.

        ``kind`` and ``mechanism`` are words. A value that the model cannot know is NaN. Raises ImportError where pandas
        is not installed.
        """
        return tables.event_table(self._record.events)

    @cached_property
    def ilvs(self) -> "pandas.DataFrame":
        """The events that made an intraluminal vesicle (ILV), one row each, with the columns of ``events``."""
        return tables.event_table(self._record.ilvs)

    @cached_property
    def series(self) -> "xarray.Dataset":
        """Observables in time, each (time_s, endosome); the attribute ``units`` of each says its unit.

        Raises ImportError where xarray is not installed.
        """
        return tables.series_dataset(self._record)

    @cached_property
    def frames(self) -> "xarray.Dataset":
        """Fields on the membrane, each (time_s, endosome, [z_nm,] y_nm, x_nm). Each is read when it is used.

        Raises ImportError where xarray is not installed, and ValueError where the run has no frames.
        """
        return tables.frames_dataset(self._record, self._folder)

    @cached_property
    def members(self) -> "pandas.DataFrame":
        """The members of a collected sweep, one row each: what varies, status, ILVs. Empty for a single run."""
        return tables.member_table(self._record)

    @cached_property
    def sensitivity(self) -> "pandas.DataFrame":
        """Which parameter of a collected sweep decides: one row for each parameter, outcome and measure.

        ``partial_rank_correlation``, -1 to 1, says in which direction a parameter acts, if in one only;
        ``first_order_index``, 0 to 1, which share of the variance it explains alone, in whatever way it acts. ``low``
        and ``high`` are the ends of the 95 % interval over points.

        Raises ImportError where pandas is not installed, and ValueError where this is no collected sweep, nothing
        varies or there are too few points.
        """
        return tables.sensitivity_table(self._record)

    @cached_property
    def sizes(self) -> Sizes:
        """The size distribution of the ILVs, with 95 % intervals over endosomes."""
        ilvs, count = self._record.ilvs, int(self._record.attributes["number_of_endosomes"])
        return Sizes(self._record.size_distribution, ilvs["diameter_nm"], ilvs["endosome"], count)

    def summary(self) -> str:
        """What came out, in words, as the command prints it."""
        from membrane.program.summary import summary_lines

        return "\n".join(summary_lines(self._record))

    def save(self, path: str | PathLike[str]) -> Path:
        """Keep a run that was made without ``output``: its archive is copied to ``path``. Returns the path.

        Raises FileExistsError where a file is in the way.
        """
        path = Path(path).expanduser()
        with open(self._record.path, "rb") as source, open(path, "xb") as target:
            shutil.copyfileobj(source, target)
        return path

    def plot(
        self, axes: "membrane.figures.canvas.Axes | None" = None, *, beside: Sequence["Result"] = ()
    ) -> "membrane.figures.canvas.Axes":
        """Draw the size distribution of the ILVs, with its 95 % band over endosomes. Returns the axes.

        ``axes``: of matplotlib, to draw into; by default those of a new figure.
        ``beside``: further results to draw in other colours, a control for instance.
        """
        from membrane.figures.sizes import size_distribution_axes

        return size_distribution_axes([self._record, *(other._record for other in beside)], axes)

    def plot_membrane(self, endosome: int = 0, frames: list[int] | None = None) -> "membrane.figures.canvas.Figure":
        """Draw the membrane of one endosome at several times. Returns a figure of matplotlib.

        ``endosome``: its number, from 0 on.
        ``frames``: numbers of the frames, from 0 on; by default up to four that tell most of the ILVs.

        Raises ValueError where there are no frames, or no such frame or endosome.
        """
        from membrane.figures import sheet, vesicle

        draw = vesicle.vesicle_figure if self._record.config["kind"] == "vesicle" else sheet.membrane_figure
        return draw(self._record, endosome, frames)

    def view(self, frame: int = -1, endosome: int = 0) -> "pyvista.Plotter":
        """The membrane of one endosome as a surface to be turned: ``result.view().show()``. Returns a scene of pyvista.

        ``frame``: its number, from 0 on; a negative one counts from the end.
        ``endosome``: its number, from 0 on.

        Colours are the Lo/Ld order. The limiting membrane of a vesicle is seen through. Raises ImportError where
        pyvista is not installed, and ValueError where there is no such frame or endosome.
        """
        from membrane.notebook.view import scene_of

        return scene_of(self._record, frame, endosome)

    def plot_sweep(self, *keys: str) -> "membrane.figures.canvas.Figure":
        """Draw what came out of a collected sweep over one or two of its parameters. Returns a figure of matplotlib.

        ``keys``: dotted keys that vary, such as ``"membrane.tension_uN_per_m"``.

        Raises ValueError where this is no collected sweep, or where ``keys`` are not one or two that vary.
        """
        from membrane.figures.sweep import sweep_figure

        return sweep_figure(self._record, list(keys))

    def plot_sensitivity(self) -> "membrane.figures.canvas.Figure":
        """Draw which parameter of a collected sweep decides, as :attr:`sensitivity` says. Returns a figure of
        matplotlib.

        Raises ValueError where this is no collected sweep, nothing varies or there are too few points.
        """
        from membrane.figures.sweep import sensitivity_figure

        return sensitivity_figure(self._record)

    def __repr__(self) -> str:
        record, about = self._record, self._record.attributes
        endosomes = int(about["number_of_endosomes"])
        reached = record.series["time_s"][-1:] * 1e3
        branches = [
            ("events", f"{len(record.events)}, of which {len(record.ilvs)} made an ILV"),
            ("sizes", " ".join(repr(self.sizes).split("\n")[1:]) or repr(self.sizes)),
            ("series", f"{len(record.series['time_s'])} times, {len(record.series) - 1} observables"),
            ("frames", ", ".join(record.frames.field_names) or "none"),
        ]
        if record.members:
            branches.append(("members", f"{len(record.members['member'])}"))
        branches.append(("archive", "not kept; save(path) keeps it" if self._folder else str(record.path)))
        return tree(
            f"{about['name']}: {self._kind}, {about['status']}, {endosomes} endosome{'' if endosomes == 1 else 's'}, "
            f"{reached[0] if reached.size else 0:.4g} ms",
            branches,
        )

    @property
    def _kind(self) -> str:
        """What the archive is of, in words."""
        if self._record.members:
            return "a collected sweep"
        try:
            return f"a {self._record.config.get('kind', 'sheet')}"
        except ArchiveError:
            return "a run of unknown kind"


def read(path: str | PathLike[str]) -> Result:
    """Read an archive, finished or not, of a single run or of a collected sweep.

    ``path``: the archive, an HDF5 file. Of an unfinished run, what it has saved so far is read.

    Raises ArchiveError where there is no such archive, where the file is no archive, and where it is damaged.

    >>> import membrane as mb
    >>> small = {"endosomes": 1, "duration_s": 0.003, "box_nm": [96, 96], "law": "cap"}
    >>> path = mb.run("ceramide", output="small.h5", progress=False, **small).path
    >>> dict(mb.read(path).frames.phi.sizes)
    {'time_s': 2, 'endosome': 1, 'y_nm': 24, 'x_nm': 24}
    """
    path = Path(path).expanduser()
    try:
        return Result(read_archive(path))
    except ArchiveError as error:
        if path.suffix.lower() in (".yaml", ".yml"):
            raise ArchiveError(
                f"{path} is a configuration, not an archive: membrane.run({str(path)!r}) runs it"
            ) from error
        raise
