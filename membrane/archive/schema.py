"""What an archive may hold: types, shapes and bounds, which are checked once, as a file is read.

Every function takes what HDF5 or JSON gave and returns plain values and arrays that the rest of the program can trust.
It raises ArchiveError, which names what is wrong.
"""

import math

import h5py
import numpy as np

from membrane.archive.border import MOST_DATASET_BYTES, json_object, shortened
from membrane.archive.files import ArchiveError
from membrane.archive.tables import SUMMARY, is_dimension, plain
from membrane.outcome.table import EVENT_DTYPE, is_ilv

MOST_DIAMETER_NM = 1e5
"""The largest diameter, nm. No vesicle of a cell is as large, and the bins of a histogram reach up to it."""

MOST_ENDOSOMES = 10**8
"""The largest number of endosomes of one archive."""

MOST_TEXT = 2**22
"""The most characters of an attribute."""

STATUS = ("complete", "failed", "partial")


def _text(value):
    return isinstance(value, str) and len(value) <= MOST_TEXT


def _whole(low, high):
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value < high


def _time(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


ATTRIBUTES = {
    "schema_version": (_text, "a text"),
    "membrane_version": (_text, "a text"),
    "name": (_text, "a text"),
    "status": (lambda value: value in STATUS, " or ".join(STATUS)),
    "seed": (_whole(-(2**63), 2**63), "an integer"),
    "config_yaml": (_text, "a text"),
    "versions": (_text, "a text"),
    "created_utc": (_text, "a text"),
    "wall_time_s": (_time, "a number of seconds"),
    "number_of_endosomes": (_whole(0, MOST_ENDOSOMES), "a number of endosomes"),
}
"""The root attributes of every archive: for each the check that it must pass, and what it is in words."""

HEADER = ("config_yaml", "name", "seed", "created_utc", "versions")
"""The root attributes that are known when a run starts."""


def attributes(file, names=tuple(ATTRIBUTES)) -> dict:
    """All root attributes of an open archive, by name.

    Those of ``names`` are checked. Others are left out where they cannot be read.
    """
    found = {}
    for name in file.attrs:
        try:
            found[name] = plain(file.attrs[name])
        except (OSError, TypeError, ValueError) as error:
            if name in names:
                raise ArchiveError(f"the attribute {name} cannot be read ({shortened(error)})") from error
    checked_attributes(found, names)
    json_object(found["versions"], "the attribute versions")
    if not isinstance(found.get("failure", ""), str):
        raise ArchiveError("the attribute failure is no text")
    return found


def checked_attributes(found: dict, names) -> None:
    """Raise ArchiveError where one of ``names`` is absent from the attributes ``found``, or has a value not allowed."""
    for name in names:
        fits, words = ATTRIBUTES[name]
        if name not in found:
            raise ArchiveError(f"it has no attribute {name}")
        try:
            sound = bool(fits(found[name]))
        except (TypeError, ValueError):
            sound = False
        if not sound:
            raise ArchiveError(f"the attribute {name} is {shortened(repr(found[name]), 60)}, not {words}")


def array(group, name: str, ndim: tuple, kinds: str = "fiub") -> np.ndarray:
    """A data set, read as a whole.

    ``group``, ``name``: where it is.
    ``ndim``: the numbers of axes that are allowed.
    ``kinds``: the kinds of types (``dtype.kind`` of numpy) that are allowed.
    """
    return np.asarray(dataset(group, name, ndim, kinds)[()])


def dataset(group, name: str, ndim: tuple, kinds: str = "fiub") -> h5py.Dataset:
    """A data set that `array` would read, not yet read."""
    where = f"{group.name.rstrip('/')}/{name}"
    found = group.get(name)
    if not isinstance(found, h5py.Dataset):
        raise ArchiveError(f"it has no data set {where}")
    if found.ndim not in ndim or found.dtype.kind not in kinds or found.dtype.itemsize > 16:
        raise ArchiveError(f"{where} has type {shortened(found.dtype, 60)} and shape {found.shape}")
    if math.prod(found.shape) * found.dtype.itemsize > MOST_DATASET_BYTES:
        raise ArchiveError(f"{where} is larger than {MOST_DATASET_BYTES} bytes")
    return found


def child(group, name: str) -> h5py.Group:
    """The group ``name`` in a group."""
    found = group.get(name)
    if not isinstance(found, h5py.Group):
        raise ArchiveError(f"it has no group {group.name.rstrip('/')}/{name}")
    return found


def times(group, ndim=(1,)) -> np.ndarray:
    """The data set ``time_s`` of a group, s. Times are not negative and never fall."""
    found = array(group, "time_s", ndim, "fiu").astype(float)
    if not (np.isfinite(found).all() and (found >= 0).all() and (np.diff(found) >= 0).all()):
        raise ArchiveError(f"{group.name.rstrip('/')}/time_s does not rise from 0")
    return found


def events(file, endosomes: int) -> np.ndarray:
    """The rows of the table of events. Columns that a later version has added are kept."""
    found = file.get("events")
    if not isinstance(found, h5py.Dataset) or found.ndim != 1 or not found.dtype.names:
        raise ArchiveError("it has no table /events")
    if len(found) * found.dtype.itemsize > MOST_DATASET_BYTES:
        raise ArchiveError(f"/events is larger than {MOST_DATASET_BYTES} bytes")
    return checked_events(found[()], endosomes)


def checked_events(rows: np.ndarray, endosomes: int) -> np.ndarray:
    """The same ``rows`` of events, after every column was found to have its type and bounds."""
    if not isinstance(rows, np.ndarray) or rows.ndim != 1 or not rows.dtype.names:
        raise ArchiveError("/events is no table")
    for name in EVENT_DTYPE.names:
        if name not in rows.dtype.names or rows.dtype[name] != EVENT_DTYPE[name]:
            raise ArchiveError(f"/events has no column {name} of type {EVENT_DTYPE[name]}")
    diameter = rows["diameter_nm"]
    bounds = {
        "time_s": np.isfinite(rows["time_s"]) & (rows["time_s"] >= 0),
        "endosome": (rows["endosome"] >= 0) & (rows["endosome"] < endosomes),
        "kind": rows["kind"] >= 0,
        "direction": np.abs(rows["direction"].astype(int)) <= 1,
        "diameter_nm": np.isnan(diameter) | ((diameter > 0) | ~is_ilv(rows)) & (diameter <= MOST_DIAMETER_NM),
    }
    for name, sound in bounds.items():
        if not sound.all():
            raise ArchiveError(f"/events has a {name} of {rows[name][~sound][0]}")
    return rows


def series(group, endosomes: int) -> dict[str, np.ndarray]:
    """The series by name: ``time_s`` (time,), all others (time, endosome)."""
    found = {"time_s": times(group)}
    for name in group:
        if name not in ("time_s", "endosome"):
            found[name] = array(group, name, (2,))
            if found[name].shape != (shape := (len(found["time_s"]), endosomes)):
                raise ArchiveError(f"/series/{shortened(name)} has shape {found[name].shape}, not {shape}")
    return found


def sizes(group) -> dict:
    """The size distribution by name: arrays of its histogram, and numbers."""
    scales = ("bin_centre_nm", *(name for name in group if is_dimension(group[name])))
    found = {name: array(group, name, (0, 1, 2)) for name in group if name not in scales}
    edges = found.get("bin_edges_nm", np.zeros(0))
    if edges.ndim != 1 or len(edges) < 2 or not (np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
        raise ArchiveError("/size_distribution/bin_edges_nm does not rise")
    for name in ("count", "probability_density_per_nm", "ci_low", "ci_high"):
        if name not in found or found[name].shape != (len(edges) - 1,):
            raise ArchiveError(f"/size_distribution/{name} has not a value a bin")
    scalars = {name: plain(value) for name, value in group.attrs.items()}
    for name in SUMMARY:
        if not isinstance(scalars.get(name), int | float):
            raise ArchiveError(f"/size_distribution has no number {name}")
    return found | scalars


def members(group) -> dict[str, np.ndarray]:
    """The table of a collected archive: columns of numbers or texts by name, with a row for each member."""
    found = {}
    for name in group:
        column = dataset(group, name, (1,), "fiubOS")
        if column.dtype.kind not in "OS":
            found[name] = np.asarray(column[()])
        elif h5py.check_string_dtype(column.dtype):
            found[name] = column.asstr(errors="replace")[()]
        else:
            raise ArchiveError(f"/members/{shortened(name)} is neither numbers nor texts")
    if len({len(column) for column in found.values()}) != 1 or not {"member", "status"} <= found.keys():
        raise ArchiveError("/members is no table with the columns member and status")
    return found


def spacing(values) -> tuple:
    """The spacing of the grid ([dz,] dy, dx), nm; () where there are no frames."""
    try:
        found = tuple(map(float, np.asarray(values, float).reshape(-1)))
    except (TypeError, ValueError, OverflowError):
        found = (math.nan,)
    if len(found) not in (0, 2, 3) or not all(math.isfinite(h) and h > 0 for h in found):
        raise ArchiveError(f"the grid spacing is {shortened(repr(values), 60)}")
    return found


def fields(group, names, frames: int, endosomes: int) -> None:
    """Raise ArchiveError unless every field of a group of frames is (frame, endosome, [z,] y, x), all on one grid."""
    shapes = {dataset(group, name, (4, 5), "f").shape for name in names}
    if len(shapes) > 1 or any(shape[:2] != (frames, endosomes) or 0 in shape[2:] for shape in shapes):
        raise ArchiveError(
            f"fields have the shapes {shortened(sorted(shapes))}, {frames} frames, {endosomes} endosomes"
        )


def scalars(text) -> dict:
    """The scalars of a checkpoint, from JSON text."""
    found = json_object(text, "the scalars of the checkpoint")
    if not _time(found.get("wall_time_s", 0)):
        raise ArchiveError(f"wall_time_s of the checkpoint is {shortened(repr(found['wall_time_s']), 60)}")
    if found.get("grid_spacing_nm") is not None:
        spacing(found["grid_spacing_nm"])
    return found


def states(group) -> list[dict[str, np.ndarray]]:
    """The states of all endosomes, in their order; each holds arrays by name."""
    if sorted(group) != [f"{number:06d}" for number in range(len(group))]:
        raise ArchiveError("the states of its checkpoint are not numbered from 000000: one is missing")
    every = tuple(range(9))
    return [{n: array(child(group, state), n, every, "fiubc") for n in group[state]} for state in sorted(group)]
