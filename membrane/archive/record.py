"""Reading: a run as its archive tells it, or as far as it has come."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
import yaml

from membrane.archive import schema
from membrane.archive.border import opened, shortened, understood, warn
from membrane.archive.files import SCHEMA_VERSION, ArchiveError
from membrane.archive.folder import attributes_of, frame_files, latest, read_header
from membrane.archive.ownership import partial_of
from membrane.archive.seals import Seals
from membrane.archive.tables import field_names, plain, sizes_of
from membrane.outcome.table import EVENT_DTYPE, is_ilv


class Frames:
    """The frames of a run, read when asked for.

    ``frame_times_s`` (frames,); ``field_names``, a tuple; ``frame(name, index, endosome)``, one field. Frames that
    have changed since they were written are none of them: ``sound`` tells, when frames are first asked for, which
    numbers of ``rows`` are left.
    """

    def __init__(
        self, rows: list, frame_times_s: np.ndarray, field_names: tuple, sound: Callable[[], list[int]] | None = None
    ):
        self._rows, self._times, self.field_names, self._sound = rows, frame_times_s, field_names, sound

    @cached_property
    def _kept(self) -> list[int]:
        return self._sound() if self._sound else list(range(len(self._times)))

    @property
    def frame_times_s(self) -> np.ndarray:
        """Time of each frame in s."""
        return self._times[self._kept]

    def __len__(self):
        return len(self._kept)

    def frame(self, name: str, index: int, endosome: int = 0) -> np.ndarray:
        """Field ``name`` ([z,] y, x), float32, of one endosome; a negative ``index`` counts from the end; NaN where
        this frame lacks the field.

        Raises ValueError where the field, the frame or the endosome does not exist, ArchiveError where it cannot be
        read any more.
        """
        if name not in self.field_names:
            raise ValueError(f"no field {name!r} in the frames; there are {', '.join(self.field_names) or 'none'}")
        if not -len(self) <= index < len(self):
            raise ValueError(f"no frame {index}; there are {len(self)}, counted from 0")
        path, group, row = self._rows[self._kept[index]]
        with understood(path), h5py.File(path) as file:
            here = file[group]
            values = here[name if name in here else field_names(here)[0]]
            endosomes = values.shape[1]
            if 0 <= endosome < endosomes:
                found = values[row, endosome]
                return found if name in here else np.full_like(found, np.nan)
        raise ValueError(f"no endosome {endosome}; there are {endosomes}, counted from 0")


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
            units = {name: plain(values.attrs.get("units", "")) for name, values in file["series"].items()}
            return {name: unit if isinstance(unit, str) else "" for name, unit in units.items() if name != "endosome"}

    @cached_property
    def config(self) -> dict:
        """The configuration with its defaults. ArchiveError where its text says something else."""
        try:
            found = yaml.safe_load(self.attributes["config_yaml"])
        # What is no YAML tells with any of these: a date of month 13, a number of 5000 digits, ten thousand brackets.
        except (yaml.YAMLError, ValueError, TypeError, RecursionError, AttributeError) as error:
            raise ArchiveError(f"{self.path} is unreadable: its config_yaml is no YAML ({shortened(error)})") from error
        if not isinstance(found, dict):
            raise ArchiveError(f"{self.path} is unreadable: its config_yaml holds no keys")
        return found


def read(path) -> RunRecord:
    """The run that left its archive at ``path``; of an unfinished one, what it has saved so far.

    Where a finished archive is being extended or replaced, it is the finished one that is read; give the name of
    the ``.partial`` folder for the other. Raises ArchiveError where there is nothing to read, the file is no archive,
    its schema is not 1.x, or its attributes, events or series do not fit their seals or are not what they must be. A
    damaged frame is left out, and a damaged size distribution made anew from the events, each with a warning.
    """
    path = Path(path)
    if path.is_file():
        with opened(path) as file:
            return _finished(path, file)
    partial = path if path.suffix == ".partial" else partial_of(path)
    if not partial.is_dir():
        if path.exists():
            raise ArchiveError(f"{path} is no file; give the name of an archive")
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
            Seals(file)
            attributes = schema.attributes(file)
    except ArchiveError as error:
        return Glance("unreadable", str(error))
    return Glance(attributes["status"], attributes.get("failure", ""), _duration(attributes["config_yaml"]))


def _duration(config_yaml: str) -> float:
    found = re.search(r"^duration_s: (\S+)", config_yaml, re.MULTILINE)
    try:
        return float(found[1]) if found else float("nan")
    except ValueError:
        return float("nan")


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
            Seals(file)
            attributes = schema.attributes(file)
            times = schema.times(schema.child(file, "series"))
            return Outline(times, attributes["number_of_endosomes"], float(attributes["wall_time_s"]))
    record = read(path)
    return Outline(record.series["time_s"], int(record.attributes["number_of_endosomes"]), float("nan"))


def _finished(path, file):
    seals, attributes = Seals(file), schema.attributes(file)
    endosomes = attributes["number_of_endosomes"]
    for part in ("events", "series", "members"):
        seals.verify(part)
    events = schema.events(file, endosomes)
    series = schema.series(schema.child(file, "series"), endosomes)
    members = schema.members(schema.child(file, "members")) if "members" in file else {}
    try:
        seals.verify("size_distribution")
        sizes = schema.sizes(schema.child(file, "size_distribution"))
    except (ArchiveError, OSError, RuntimeError) as error:
        warn(f"{path}: the size distribution is damaged ({error}); it is made anew from the events")
        sizes = sizes_of(events, max(1, endosomes))
    frames, spacing = _frames_of(path, file, seals, endosomes)
    return RunRecord(path, attributes, events, series, sizes, frames, spacing, members)


def _frames_of(path, file, seals, endosomes):
    """Frames and grid spacing; none, and a warning, where what all frames share is damaged."""
    try:
        group = schema.child(file, "frames")
        seals.verify("frames")
        times, names = schema.times(group), field_names(group)
        spacing = schema.spacing(group.attrs["spacing_nm"])
        if schema.array(group, "index", (1,), "iuf").shape != times.shape:
            raise ArchiveError("/frames has not a number a time")
        schema.fields(group, names, len(times), endosomes)
        if names and group[names[0]].ndim != 2 + len(spacing):
            raise ArchiveError("/frames have other axes than their grid spacing")
    except (ArchiveError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        warn(f"{path}: the frames are damaged ({error}); they are left out")
        return Frames([], np.zeros(0), ()), None
    rows = [(path, "frames", row) for row in range(len(times))]
    return Frames(rows, times, names, lambda: sound_frames(path)), spacing


def sound_frames(path) -> list[int]:
    """Numbers of the frames of a finished archive that fit their seals, with a warning for each that does not."""
    with opened(path) as file:
        return sound_rows(path, file, Seals(file))


def sound_rows(path, file, seals) -> list[int]:
    """As `sound_frames`, of an open archive."""
    kept = []
    for row in range(len(file["frames/time_s"])):
        try:
            seals.verify_frame(row)
            kept.append(row)
        except ArchiveError as error:
            warn(f"{path}: {error}; it is left out")
    return kept


def _unfinished(partial):
    header = read_header(partial)
    states, scalars, events, series = latest(partial) or ([], {}, np.zeros(0, EVENT_DTYPE), {})
    endosomes = max(len(states), 1)
    files, times, names = frame_files(partial)
    attributes = attributes_of(header) | {
        "schema_version": SCHEMA_VERSION,
        "membrane_version": header["versions"]["membrane"],
        "status": "partial",
        "number_of_endosomes": endosomes,
    }
    frames = Frames([(segment, "/", 0) for segment in files], np.array(times), names[-1] if names else ())
    spacing = schema.spacing(scalars.get("grid_spacing_nm") or ())
    series = {"time_s": np.zeros(0)} | series
    return RunRecord(partial, attributes, events, series, sizes_of(events, endosomes), frames, spacing or None)
