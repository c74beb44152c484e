"""Reading: a run as its archive tells it, or as far as it has come."""

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
import yaml

from membrane.archive.files import SCHEMA_VERSION, ArchiveError, opened
from membrane.archive.folder import frame_files, latest, read_header, segments
from membrane.archive.ownership import partial_of
from membrane.archive.tables import field_names, plain, sizes_of
from membrane.archive.tables import read as read_group
from membrane.event_table import EVENT_DTYPE, is_ilv


class Frames:
    """The frames of a run, read when asked for.

    ``frame_times_s`` (frames,); ``field_names``, a tuple; ``frame(name, index, endosome)``, one field.
    """

    def __init__(self, rows: list, frame_times_s: np.ndarray, field_names: tuple):
        self._rows, self.frame_times_s, self.field_names = rows, frame_times_s, field_names

    def __len__(self):
        return len(self._rows)

    def frame(self, name: str, index: int, endosome: int = 0) -> np.ndarray:
        """Field ``name`` ([z,] y, x), float32, of one endosome; a negative ``index`` counts from the end.

        Raises ValueError where the field, the frame or the endosome does not exist.
        """
        if name not in self.field_names:
            raise ValueError(f"no field {name!r} in the frames; there are {', '.join(self.field_names) or 'none'}")
        if not -len(self) <= index < len(self):
            raise ValueError(f"no frame {index}; there are {len(self)}, counted from 0")
        path, group, row = self._rows[index]
        with h5py.File(path) as file:
            values = file[group][name]
            if not 0 <= endosome < values.shape[1]:
                raise ValueError(f"no endosome {endosome}; there are {values.shape[1]}, counted from 0")
            return values[row, endosome]


@dataclass(frozen=True)
class RunRecord:
    """A run as its archive tells it, for reading only.

    ``spacing_nm`` is ([dz,] dy, dx) of the frames; None for an unfinished run whose checkpoints do not name it (scalar
    ``grid_spacing_nm``). ``members``: the table of a collected archive, columns by name.
    """

    path: Path
    attributes: dict
    events: np.ndarray
    series: dict
    size_distribution: dict
    frames: Frames
    spacing_nm: tuple | None
    members: dict = field(default_factory=dict)

    @property
    def ilvs(self) -> np.ndarray:
        """The events that made an intraluminal vesicle."""
        return self.events[is_ilv(self.events)]

    @cached_property
    def units(self) -> dict:
        """Of the series, by name; of an unfinished run they are not known yet."""
        if not self.path.is_file():
            return {}
        with opened(self.path) as file:
            return {name: values.attrs.get("units", "") for name, values in file["series"].items()}

    @cached_property
    def config(self) -> dict:
        """The configuration with its defaults."""
        return yaml.safe_load(self.attributes["config_yaml"])


def read(path) -> RunRecord:
    """The run that left its archive at ``path``; of an unfinished one, what it has saved so far.

    Where a finished archive is being extended or replaced, it is the finished one that is read; give the name of
    the ``.partial`` folder for the other. Raises ArchiveError where there is nothing to read, the file is no archive,
    or its schema is not 1.x.
    """
    path = Path(path)
    if path.is_file():
        with opened(path) as file:
            return _finished(path, file)
    partial = path if path.suffix == ".partial" else partial_of(path)
    if not partial.is_dir():
        raise ArchiveError(f"{path} does not exist, finished or unfinished; check the name")
    return _unfinished(partial)


@dataclass(frozen=True)
class Glance:
    """How far a run has come: ``status`` complete, failed, partial, missing or unreadable, ``reason`` why it is not
    complete, ``duration_s`` that it was made for (NaN where it is not known)."""

    status: str
    reason: str = ""
    duration_s: float = float("nan")


def glance(path) -> Glance:
    """The state of a run, from attributes alone; raises nothing."""
    path = Path(path)
    if partial_of(path).is_dir():
        return Glance("partial", "unfinished; --resume goes on from its last checkpoint")
    if not path.exists():
        return Glance("missing", "nothing was saved yet")
    try:
        with opened(path) as file:
            duration = re.search(r"^duration_s: (\S+)", file.attrs["config_yaml"], re.MULTILINE)
            reason = str(file.attrs.get("failure", ""))
            return Glance(str(file.attrs["status"]), reason, float(duration[1]) if duration else float("nan"))
    except ArchiveError as error:
        return Glance("unreadable", str(error))


@dataclass(frozen=True)
class Outline:
    """What has to be known of a run before it is collected."""

    times_s: np.ndarray
    endosomes: int
    wall_time_s: float


def outline(path) -> Outline:
    """Times of the series, number of endosomes and wall time; raises as `read`."""
    path = Path(path)
    if path.is_file():
        with opened(path) as file:
            attributes = file.attrs
            numbers = int(attributes["number_of_endosomes"]), float(attributes["wall_time_s"])
            return Outline(file["series/time_s"][()], *numbers)
    record = read(path)
    return Outline(record.series["time_s"], int(record.attributes["number_of_endosomes"]), float("nan"))


def _finished(path, file):
    attributes = {key: plain(value) for key, value in file.attrs.items()}
    group = file["size_distribution"]
    sizes = read_group(group) | {key: plain(value) for key, value in group.attrs.items()}
    frames = file["frames"]
    times = frames["time_s"][()]
    fields = Frames([(path, "frames", row) for row in range(len(times))], times, field_names(frames))
    spacing = tuple(frames.attrs["spacing_nm"].tolist())
    members = {name: v.asstr()[()] if v.dtype == object else v[()] for name, v in file.get("members", {}).items()}
    return RunRecord(path, attributes, file["events"][()], read_group(file["series"]), sizes, fields, spacing, members)


def _unfinished(partial):
    header = read_header(partial)
    states, scalars, events, series = latest(partial) or ([], {}, np.zeros(0, EVENT_DTYPE), {"time_s": np.zeros(0)})
    endosomes = max(len(states), 1)
    files, times = frame_files(partial)
    names = next((field_names(segment) for segment, _ in segments(files[-1:])), ())
    attributes = header | {
        "versions": json.dumps(header["versions"]),
        "schema_version": SCHEMA_VERSION,
        "membrane_version": header["versions"]["membrane"],
        "status": "partial",
        "number_of_endosomes": endosomes,
    }
    frames = Frames([(segment, "/", 0) for segment in files], np.array(times), names)
    spacing = scalars.get("grid_spacing_nm")
    sizes = sizes_of(events, endosomes)
    return RunRecord(partial, attributes, events, series, sizes, frames, tuple(spacing) if spacing else None)
