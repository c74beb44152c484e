"""What an archive holds, as tables of pandas and arrays of xarray with names, coordinates and units."""

from typing import TYPE_CHECKING, Any

import numpy as np

from membrane.archive import Frames, RunRecord
from membrane.extras import needed
from membrane.notebook.folder import TemporaryFolder
from membrane.outcome.table import WORDS

if TYPE_CHECKING:
    import pandas
    import xarray


def event_table(events: np.ndarray) -> "pandas.DataFrame":
    """Events as a DataFrame, one row an event. Raises ImportError where pandas is not installed."""
    with needed("analysis"):
        import pandas
    table = pandas.DataFrame({name: events[name] for name in events.dtype.names})
    for name, words in WORDS.items():
        table[name] = table[name].map(words)
    return table


def series_dataset(record: RunRecord) -> "xarray.Dataset":
    """The series (time, endosome) of a run, with units. Raises ImportError where xarray is not installed."""
    with needed("analysis"):
        import xarray
    units, series = record.units, record.series
    endosomes = int(record.attributes["number_of_endosomes"])
    return xarray.Dataset(
        {
            name: (("time_s", "endosome"), values, {"units": units.get(name, "")})
            for name, values in series.items()
            if name != "time_s"
        },
        coords={"time_s": ("time_s", series["time_s"], {"units": "s"}), "endosome": np.arange(endosomes)},
    )


def frames_dataset(record: RunRecord, folder: TemporaryFolder | None) -> "xarray.Dataset":
    """The fields (time, endosome, [z,] y, x) of a run; each is read from the archive when it is used.

    ``folder``: where the archive lives, if it is not kept; it stays as long as the fields.

    Raises ImportError where xarray is not installed, and ValueError where the run has no frames.
    """
    with needed("analysis"):
        import xarray
    frames = record.frames
    if not len(frames):
        raise ValueError(
            f"{record.path} holds no frames: they were pruned or damaged, or the run has not yet written any"
        )
    endosomes = int(record.attributes["number_of_endosomes"])
    points = frames.frame(frames.field_names[0], 0).shape
    axes = ("z_nm", "y_nm", "x_nm")[-len(points) :]
    coordinates: dict[str, Any] = {
        "time_s": ("time_s", frames.frame_times_s, {"units": "s"}),
        "endosome": np.arange(endosomes),
    }
    # An unfinished run may not yet tell its grid spacing.
    for axis, count, spacing in zip(axes, points, record.spacing_nm or ()):
        coordinates[axis] = (axis, spacing * np.arange(count), {"units": "nm"})
    shape = (len(frames), endosomes, *points)
    return xarray.Dataset(
        {
            name: (("time_s", "endosome", *axes), _lazy(frames, name, shape, folder), {"units": _field_unit(name)})
            for name in frames.field_names
        },
        coords=coordinates,
    )


def _field_unit(name: str) -> str:
    """Of a field: the height is a length, all others are order parameters and area fractions."""
    return "nm" if name == "height" else "1"


def _lazy(frames: Frames, name: str, shape: tuple[int, ...], folder: TemporaryFolder | None) -> Any:
    """One field of all frames as an array of xarray that reads what is asked for."""
    from xarray.backends import BackendArray
    from xarray.core import indexing

    class Field(BackendArray):
        """A field as xarray reads it: picture by picture."""

        def __init__(self):
            self.shape, self.dtype, self.folder = shape, np.dtype(np.float32), folder

        def __getitem__(self, key):
            return indexing.explicit_indexing_adapter(key, shape, indexing.IndexingSupport.BASIC, self._read)

        def _read(self, key):
            whens, whose = np.arange(shape[0])[key[0]], np.arange(shape[1])[key[1]]
            inner = key[2:]
            if not whens.size or not whose.size:
                return np.empty(shape, np.float32)[key]
            pictures = [
                [frames.frame(name, int(when), int(one))[inner] for one in np.atleast_1d(whose)]
                for when in np.atleast_1d(whens)
            ]
            found = np.array(pictures, np.float32)
            return found.reshape(whens.shape + whose.shape + found.shape[2:])

    return indexing.LazilyIndexedArray(Field())


def member_table(record: RunRecord) -> "pandas.DataFrame":
    """The members of a collected sweep as a DataFrame. Raises ImportError where pandas is not installed."""
    with needed("analysis"):
        import pandas
    return pandas.DataFrame(dict(record.members))


def sensitivity_table(record: RunRecord) -> "pandas.DataFrame":
    """Which parameter of a sweep decides, as a DataFrame. Raises ImportError where pandas is not installed."""
    with needed("analysis"):
        import pandas
    from membrane.figures.sweep import screening

    return pandas.DataFrame(screening(record).rows)
