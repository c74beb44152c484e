"""Reading an archive: the record of a run, finished or not."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
import yaml

from membrane.archive import schema
from membrane.archive.border import open_archive, shortened, translate_read_errors, warn
from membrane.archive.files import SCHEMA_VERSION, ArchiveError
from membrane.archive.folder import attributes_of, frame_files, latest, read_header
from membrane.archive.ownership import partial_of
from membrane.archive.seals import Seals
from membrane.archive.tables import field_names, plain, sizes_of
from membrane.outcome.table import EVENT_DTYPE, is_ilv


class Frames:
    """The frames of a run. A field is read from the file when it is asked for.

    ``rows``: for each frame its file, the group in it, and the row there.
    ``frame_times_s``: the time of each frame (frame,), s.
    ``field_names``: the names of the fields.
    ``intact``: returns the numbers of the frames that have not changed since they were written. It is called when
        frames are first asked for; all others are left out. Without it all frames are kept.
    """

    def __init__(
        self, rows: list, frame_times_s: np.ndarray, field_names: tuple, intact: Callable[[], list[int]] | None = None
    ):
        self._rows, self._times, self.field_names, self._intact = rows, frame_times_s, field_names, intact

    @cached_property
    def _kept(self) -> list[int]:
        return self._intact() if self._intact else list(range(len(self._times)))

    @property
    def frame_times_s(self) -> np.ndarray:
        """The time of each frame (frame,), s."""
        return self._times[self._kept]

    def __len__(self):
        return len(self._kept)

    def frame(self, name: str, index: int, endosome: int = 0) -> np.ndarray:
        """One field ([z,] y, x) of one endosome, float32. It is NaN where the frame lacks the field.

        ``name``: the field, one of `field_names`.
        ``index``: the frame, counted from 0; a negative one counts from the end.
        ``endosome``: the endosome, counted from 0.

        Raises ValueError where the field, the frame or the endosome does not exist, and ArchiveError where the file can
        no longer be read.
        """
        if name not in self.field_names:
            raise ValueError(f"no field {name!r} in the frames; there are {', '.join(self.field_names) or 'none'}")
        if not -len(self) <= index < len(self):
            raise ValueError(f"no frame {index}; there are {len(self)}, counted from 0")
        path, group, row = self._rows[self._kept[index]]
        with translate_read_errors(path), h5py.File(path) as file:
            here = file[group]
            values = here[name if name in here else field_names(here)[0]]
            endosomes = values.shape[1]
            if 0 <= endosome < endosomes:
                found = values[row, endosome]
                return found if name in here else np.full_like(found, np.nan)
        raise ValueError(f"no endosome {endosome}; there are {endosomes}, counted from 0")


@dataclass(frozen=True)
class RunRecord:
    """What an archive holds of a run. It cannot be changed. Made by `read`.

    ``path``: the archive, or the ``.partial`` folder of an unfinished run.
    ``attributes``: the root attributes by name.
    ``events``: a row for each event.
    ``series``: the series by name: ``time_s`` (time,) in s, all others (time, endosome).
    ``size_distribution``: the histogram of the ILVs' diameters and its numbers, by name.
    ``frames``: the frames, whose fields are read when they are asked for.
    ``spacing_nm``: the spacing of the grid of the frames ([dz,] dy, dx), nm; None where it is not known.
    ``members``: the table of a collected archive, columns by name.
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
        """The events that made an intraluminal vesicle (ILV)."""
        return self.events[is_ilv(self.events)]

    @cached_property
    def units(self) -> dict:
        """The unit of each series by name. Those of an unfinished run are not known yet."""
        if not self.path.is_file():
            return {}
        with open_archive(self.path) as file:
            units = {name: plain(values.attrs.get("units", "")) for name, values in file["series"].items()}
            return {name: unit if isinstance(unit, str) else "" for name, unit in units.items() if name != "endosome"}

    @cached_property
    def config(self) -> dict:
        """The configuration of the run, with all defaults. Raises ArchiveError where its text is no configuration."""
        try:
            found = yaml.safe_load(self.attributes["config_yaml"])
        # PyYAML raises these, too: for a date of month 13, a number of 5000 digits, ten thousand brackets.
        except (yaml.YAMLError, ValueError, TypeError, RecursionError, AttributeError) as error:
            raise ArchiveError(f"{self.path} is unreadable: its config_yaml is no YAML ({shortened(error)})") from error
        if not isinstance(found, dict):
            raise ArchiveError(f"{self.path} is unreadable: its config_yaml holds no keys")
        return found


def read(path) -> RunRecord:
    """The record of a run; of an unfinished run, what it has saved so far.

    ``path``: the archive, or the ``.partial`` folder of an unfinished run. Where a finished archive is being extended
        or replaced, the name of the archive means the finished one.

    Raises ArchiveError where there is nothing to read, where the file is no archive or its schema is not 1.x, or where
    attributes, events or series are damaged. A damaged frame is left out, and a damaged size distribution is made anew
    from the events, each with a warning.

    >>> run = read("runs/ceramide.h5")
    >>> run.attributes["status"], len(run.ilvs), run.frames.field_names
    ('complete', 6, ('height', 'phi'))
    >>> run.frames.frame("phi", index=-1, endosome=0).shape
    (6, 5)
    """
    path = Path(path)
    if path.is_file():
        with open_archive(path) as file:
            return _finished(path, file)
    if not path.name:
        raise ArchiveError(f"{path} is a folder; give the archive of a run")
    partial = path if path.suffix == ".partial" else partial_of(path)
    if not partial.is_dir():
        if path.exists():
            raise ArchiveError(f"{path} is no file; give the name of an archive")
        raise ArchiveError(f"{path} does not exist, finished or unfinished; check the name")
    return _unfinished(partial)


@dataclass(frozen=True)
class RunStatus:
    """How far a run has come.

    ``status``: complete, failed, partial, missing or unreadable.
    ``reason``: why it is not complete.
    ``duration_s``: the simulated time that the run was to last, s; NaN where it is not known.
    """

    status: str
    reason: str = ""
    duration_s: float = float("nan")


def run_status(path) -> RunStatus:
    """How far the run of ``path`` has come, from attributes alone. Raises nothing.

    >>> run_status("runs/ceramide.h5").status, run_status("runs/other.h5").status
    ('complete', 'missing')
    """
    path = Path(path)
    if partial_of(path).is_dir():
        return RunStatus("partial", "unfinished; --resume goes on from its last checkpoint")
    if not path.exists():
        return RunStatus("missing", "nothing was saved yet")
    try:
        with open_archive(path) as file:
            Seals(file)
            attributes = schema.attributes(file)
    except ArchiveError as error:
        return RunStatus("unreadable", str(error))
    return RunStatus(attributes["status"], attributes.get("failure", ""), _duration(attributes["config_yaml"]))


def _duration(config_yaml: str) -> float:
    found = re.search(r"^duration_s: (\S+)", config_yaml, re.MULTILINE)
    try:
        return float(found[1]) if found else float("nan")
    except ValueError:
        return float("nan")


@dataclass(frozen=True, kw_only=True)
class RunExtent:
    """What has to be known of a run before it is collected.

    ``times_s``: the times of its series (time,), s.
    ``endosomes``: the number of its endosomes.
    ``wall_time_s``: the time that it took on the clock, s; NaN where it is not known.
    """

    times_s: np.ndarray
    endosomes: int
    wall_time_s: float


def run_extent(path) -> RunExtent:
    """The extent of a run, from a small part of its archive. Raises as `read`."""
    path = Path(path)
    if path.is_file():
        with open_archive(path) as file:
            Seals(file)
            attributes = schema.attributes(file)
            times = schema.times(schema.child(file, "series"))
            endosomes, wall_time_s = attributes["number_of_endosomes"], float(attributes["wall_time_s"])
            return RunExtent(times_s=times, endosomes=endosomes, wall_time_s=wall_time_s)
    record = read(path)
    endosomes = int(record.attributes["number_of_endosomes"])
    return RunExtent(times_s=record.series["time_s"], endosomes=endosomes, wall_time_s=float("nan"))


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
    """The frames and the grid spacing. Where what all frames share is damaged, there are none, with a warning."""
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
    return Frames(rows, times, names, lambda: intact_frames(path)), spacing


def intact_frames(path) -> list[int]:
    """Numbers of the frames of a finished archive that fit their seals. A warning names each of the others."""
    with open_archive(path) as file:
        return intact_rows(path, file, Seals(file))


def intact_rows(path, file, seals) -> list[int]:
    """As `intact_frames`, for an open archive."""
    intact = []
    for row in range(len(file["frames/time_s"])):
        try:
            seals.verify_frame(row)
            intact.append(row)
        except ArchiveError as error:
            warn(f"{path}: {error}; it is left out")
    return intact


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
