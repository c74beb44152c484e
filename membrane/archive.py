"""What a run leaves behind: one HDF5 file, written whole. While the run lasts, its files live beside it in a folder.

The folder ``<output>.partial/`` holds a lock, a header, the last two checkpoints (generations) and the frames. Every
file in it, and in the end the archive itself, is written under a temporary name, forced to disk and then renamed, so
whatever can be seen is whole at every instant. docs/archive.md describes the schema.
"""

import hashlib
import io
import json
import os
import platform
import shutil
import socket
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np
import yaml

from membrane.events import EVENT_DTYPE, is_ilv
from membrane.sizes import size_distribution

SCHEMA_VERSION = "1.1"
SUMMARY = ("n", "mean_nm", "sd_nm", "median_nm", "q25_nm", "q75_nm", "fraction_40_100_nm")
"""Scalars of a size distribution, kept as attributes of its group."""

_HEADER = ("config_yaml", "name", "seed", "created_utc", "versions")
_PACKAGES = ("membrane", "jax", "jaxlib", "numpy", "h5py")
_NOT_FIELDS = ("time_s", "index")
_STORAGE = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
_SEAL_BYTES = 512


class ArchiveError(RuntimeError):
    """An archive that cannot be written, read or owned; the message says what to do."""


class Archive:
    """The files of one run while it lasts. Made by `create` or `resume`; a context manager that frees the lock."""

    def __init__(self, path: Path, header: dict):
        self.path, self.header = path, header
        self._partial = _partial(path)
        self._held = True

    @classmethod
    def create(cls, path, *, config_yaml: str, name: str, seed: int, overwrite: bool = False) -> "Archive":
        """Start a run that will leave its archive at ``path``.

        With ``overwrite`` an unfinished run there is discarded at once, a finished archive only when the new one
        takes its place. Raises ArchiveError where something exists and may not be replaced, where another process
        is writing, or where the folder cannot be written.
        """
        path = Path(path)
        partial = _partial(path)
        if path.is_dir():
            raise ArchiveError(f"{path} is a folder; give --output the name of a file, such as {path / 'run.h5'}")
        if path.exists() and not overwrite:
            raise ArchiveError(
                f"{path} exists; extend it with --resume, replace it with --overwrite, or rename --output"
            )
        if partial.exists():
            if not overwrite:
                raise ArchiveError(
                    f"{partial} holds an unfinished run; continue it with --resume or discard it with --overwrite"
                )
            with _explained(partial):
                _lock(partial)
                _discard(partial)
        versions = {package: version(package) for package in _PACKAGES} | {"python": platform.python_version()}
        header = dict(zip(_HEADER, (config_yaml, name, int(seed), _now(), versions), strict=True))
        with _new_partial(path) as folder:
            _write_json(folder / "header.json", header)
        return cls(path, header)

    @classmethod
    def resume(cls, path) -> "Archive":
        """Continue the run of ``path``: the unfinished one if there is one, else the finished archive is reopened.

        Raises ArchiveError where there is neither, where the header or archive is unreadable, or where another
        process is writing.
        """
        path = Path(path)
        partial = _partial(path)
        if partial.is_dir():
            with _explained(partial):
                _lock(partial)
                try:
                    header = _read_header(partial)
                except ArchiveError:
                    (partial / "lock").unlink()
                    raise
                for leftover in partial.glob("*.tmp"):
                    leftover.unlink()
            return cls(path, header)
        if not path.is_file():
            raise ArchiveError(f"nothing to resume: neither {path} nor {partial} exists; start without --resume")
        with _opened(path) as file, _new_partial(path) as folder:
            header = {key: _plain(file.attrs[key]) for key in _HEADER}
            header["versions"] = json.loads(header["versions"])
            _write_json(folder / "header.json", header)
            if "checkpoint" in file:
                content = {"events": file["events"][()], "series": _read(file["series"])}
                content["states"] = _read(file["checkpoint/states"])
                _write_generation(folder / "generation-000000.h5", content, file["checkpoint"].attrs["scalars"])
            frames = file["frames"]
            for row, index in enumerate(frames["index"]):
                with _replacing(folder / f"frame-{index:06d}.h5") as temporary, _new_hdf5(temporary) as segment:
                    _gather([(frames, row)], 1, segment)
        return cls(path, header)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Free the lock; the files stay."""
        if self._held:
            (self._partial / "lock").unlink(missing_ok=True)
            self._held = False

    def checkpoint(self, states: list, scalars: dict, events: np.ndarray, series: dict):
        """Write one generation; the one before is kept, older ones are deleted.

        ``states``: one dict of arrays (any numeric type) an endosome. ``scalars``: anything JSON can say.
        ``events``: rows of EVENT_DTYPE. ``series``: ``time_s`` (time,), the others (time, endosome).
        Raises ArchiveError where it cannot be written (the generations before stay), ValueError for other events.
        """
        self._writable()
        if events.dtype != EVENT_DTYPE:
            raise ValueError(f"events have the columns {events.dtype.names}; they must be rows of events.EVENT_DTYPE")
        content = {"states": {f"{i:06d}": state for i, state in enumerate(states)}, "events": events, "series": series}
        before = _numbered(self._partial, "generation")
        number = _number(before[-1]) + 1 if before else 0
        _write_generation(self._partial / f"generation-{number:06d}.h5", content, json.dumps(scalars))
        for old in before[:-1]:
            old.unlink(missing_ok=True)

    def latest(self) -> tuple[list, dict, np.ndarray, dict] | None:
        """(states, scalars, events, series) of the newest readable generation; None before the first.

        A damaged one is passed over with a warning. Raises ArchiveError where all are damaged.
        """
        return _latest(self._partial)

    def add_frame(self, index: int, time_s: float, fields: dict):
        """Keep the fields (endosome, [z,] y, x) at ``time_s`` as frame ``index``, float32; the same index replaces."""
        self._writable()
        with _replacing(self._partial / f"frame-{index:06d}.h5") as temporary, _new_hdf5(temporary) as file:
            file["time_s"], file["index"] = np.array([time_s], float), np.array([index], np.int64)
            for name, values in fields.items():
                values = np.asarray(values, np.float32)[None]
                _create_field(file, name, values.shape)[...] = values

    def drop_frames_after(self, index: int):
        """Remove the frames with a larger index, which a resumed run will write anew."""
        self._writable()
        for file in _numbered(self._partial, "frame"):
            if _number(file) > index:
                file.unlink()

    def finish(
        self,
        *,
        status: str,
        wall_time_s: float,
        units: dict,
        grid_spacing_nm: tuple,
        number_of_endosomes: int,
        attributes: dict | None = None,
    ) -> Path:
        """Assemble the archive from the last generation, the frames and the header; the folder then goes.

        ``status``: complete, failed or partial. ``units``: unit of each series and field by name ("" if absent).
        ``grid_spacing_nm``: ([dz,] dy, dx). ``attributes``: further root attributes, which may replace those of the
        header. Raises ArchiveError where it cannot be written: the folder then stays and nothing is lost.
        """
        self._writable()
        states, scalars, events, series = self.latest() or ([], {}, np.zeros(0, EVENT_DTYPE), {})
        with (
            _replacing(self.path, self._partial / "archive.h5.tmp") as temporary,
            _new_hdf5(temporary) as file,
        ):
            header = self.header | {"versions": json.dumps(self.header["versions"])}
            file.attrs.update(
                {"schema_version": SCHEMA_VERSION, "membrane_version": version("membrane"), "status": status}
                | {"wall_time_s": float(wall_time_s), "number_of_endosomes": number_of_endosomes}
                | header
                | (attributes or {})
            )
            file["events"] = events
            sizes = _sizes(events, number_of_endosomes)
            group = file.create_group("size_distribution")
            group.attrs.update({key: sizes.pop(key) for key in SUMMARY})
            _write(group, sizes)
            _write_series(file.create_group("series"), series, units)
            _write_frames(file.create_group("frames"), _numbered(self._partial, "frame"), units, grid_spacing_nm)
            if states:
                group = file.create_group("checkpoint")
                group.attrs["scalars"] = json.dumps(scalars)
                _write(group, {"states": {f"{i:06d}": state for i, state in enumerate(states)}})
        self._held = False
        _discard(self._partial)
        return self.path

    def _writable(self):
        if not self._held:
            raise ArchiveError(f"the run of {self.path} is closed; reopen it with Archive.resume")


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
    ``grid_spacing_nm``).
    """

    path: Path
    attributes: dict
    events: np.ndarray
    series: dict
    size_distribution: dict
    frames: Frames
    spacing_nm: tuple | None

    @property
    def ilvs(self) -> np.ndarray:
        """The events that made an intraluminal vesicle."""
        return self.events[is_ilv(self.events)]

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
        with _opened(path) as file:
            return _finished(path, file)
    partial = path if path.suffix == ".partial" else _partial(path)
    if not partial.is_dir():
        raise ArchiveError(f"{path} does not exist, finished or unfinished; check the name")
    return _unfinished(partial)


def _finished(path, file):
    attributes = {key: _plain(value) for key, value in file.attrs.items()}
    group = file["size_distribution"]
    sizes = _read(group) | {key: _plain(value) for key, value in group.attrs.items()}
    frames = file["frames"]
    times = frames["time_s"][()]
    fields = Frames([(path, "frames", row) for row in range(len(times))], times, _field_names(frames))
    spacing = tuple(frames.attrs["spacing_nm"].tolist())
    return RunRecord(path, attributes, file["events"][()], _read(file["series"]), sizes, fields, spacing)


def _unfinished(partial):
    header = _read_header(partial)
    states, scalars, events, series = _latest(partial) or ([], {}, np.zeros(0, EVENT_DTYPE), {"time_s": np.zeros(0)})
    endosomes = max(len(states), 1)
    files, times, names = _numbered(partial, "frame"), [], ()
    for segment in files:
        with _opened(segment, schema=False) as file:
            times.append(file["time_s"][0])
            names = _field_names(file)
    attributes = header | {
        "versions": json.dumps(header["versions"]),
        "schema_version": SCHEMA_VERSION,
        "membrane_version": header["versions"]["membrane"],
        "status": "partial",
        "number_of_endosomes": endosomes,
    }
    frames = Frames([(segment, "/", 0) for segment in files], np.array(times), names)
    spacing = scalars.get("grid_spacing_nm")
    sizes = _sizes(events, endosomes)
    return RunRecord(partial, attributes, events, series, sizes, frames, tuple(spacing) if spacing else None)


def _sizes(events, number_of_endosomes):
    ilvs = events[is_ilv(events)]
    return size_distribution(ilvs["diameter_nm"], ilvs["endosome"], number_of_endosomes)


# Groups and data sets


def _write(group, content):
    for name, value in content.items():
        if isinstance(value, Mapping):
            _write(group.create_group(name), value)
        else:
            group[name] = np.asarray(value)


def _read(node):
    if isinstance(node, h5py.Group):
        return {name: _read(child) for name, child in node.items()}
    return np.asarray(node[()])


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value


def _write_series(group, series, units):
    _write(group, {"time_s": np.zeros(0)} | series)
    time = group["time_s"]
    time.make_scale("time_s")
    for name, values in group.items():
        values.attrs["units"] = units.get(name, "s" if name == "time_s" else "")
        if name != "time_s":
            values.dims[0].attach_scale(time)


def _write_frames(group, files, units, spacing_nm):
    _gather(_segments(files), len(files), group)
    group.attrs["spacing_nm"] = np.array(spacing_nm, float)
    time = group["time_s"]
    time.make_scale("time_s")
    time.attrs["units"] = "s"
    for name in _field_names(group):
        field = group[name]
        field.attrs.update({"units": units.get(name, ""), "spacing_nm": np.array(spacing_nm, float)})
        field.dims[0].attach_scale(time)


def _field_names(group):
    return tuple(name for name in group if name not in _NOT_FIELDS)


def _create_field(group, name, shape):
    return group.create_dataset(name, shape, "f4", chunks=(1, 1, *shape[2:]), fillvalue=np.nan, **_STORAGE)


def _segments(files):
    for path in files:
        with h5py.File(path) as segment:
            yield segment, 0


def _gather(rows, count, group):
    """Copy ``count`` frames, each a (group, row) of equal layout, into a new group; fields absent from one are NaN."""
    times, indices = np.zeros(count), np.zeros(count, np.int64)
    for target_row, (source, row) in enumerate(rows):
        times[target_row], indices[target_row] = source["time_s"][row], source["index"][row]
        for name in _field_names(source):
            if name not in group:
                _create_field(group, name, (count, *source[name].shape[1:]))
            _copy_row(source[name], row, group[name], target_row)
    group["time_s"], group["index"] = times, indices


def _copy_row(source, row, target, target_row):
    # Chunks stored alike travel compressed: unpacking and packing them again would take longer than all else.
    alike = ("chunks", "dtype", "compression", "compression_opts", "shuffle", "fletcher32", "scaleoffset")
    if any(getattr(source, key) != getattr(target, key) for key in alike):
        target[target_row] = source[row]
        return
    rest = (0,) * (source.ndim - 2)
    for endosome in range(source.shape[1]):
        mask, chunk = source.id.read_direct_chunk((row, endosome, *rest))
        target.id.write_direct_chunk((target_row, endosome, *rest), chunk, mask)


# Files of the folder


def _partial(path):
    return path.with_name(path.name + ".partial")


def _numbered(partial, kind):
    return sorted(partial.glob(f"{kind}-*.h5"), key=_number)


def _number(file):
    return int(file.stem.partition("-")[2])


def _write_generation(path, content, scalars):
    """HDF5 ignores a block in front of its own: there stands the SHA-256 of all that follows."""
    with _replacing(path) as temporary:
        with _new_hdf5(temporary, userblock_size=_SEAL_BYTES) as file:
            _write(file, content)
            file.attrs["scalars"] = scalars
        with open(temporary, "rb+") as raw:
            raw.seek(_SEAL_BYTES)
            seal = hashlib.file_digest(raw, "sha256").hexdigest()
            raw.seek(0)
            raw.write(seal.encode())


def _read_generation(path):
    with open(path, "rb") as raw:
        seal = raw.read(_SEAL_BYTES).rstrip(b"\0").decode(errors="replace")
        if seal != hashlib.file_digest(raw, "sha256").hexdigest():
            raise OSError("its checksum does not fit")
    with h5py.File(path) as file:
        content = _read(file)
        scalars = json.loads(file.attrs["scalars"])
    states = [content["states"][name] for name in sorted(content["states"])]
    return states, scalars, content["events"], content["series"]


def _latest(partial):
    generations = _numbered(partial, "generation")
    for path in reversed(generations):
        try:
            return _read_generation(path)
        except OSError as error:
            warnings.warn(f"{path} is damaged ({error}); falling back to the checkpoint before it", stacklevel=3)
    if generations:
        raise ArchiveError(f"no checkpoint in {partial} is readable; start anew with --overwrite")
    return None


def _read_header(partial):
    try:
        return json.loads((partial / "header.json").read_text())
    except (OSError, ValueError) as error:
        raise ArchiveError(f"{partial} has no readable header ({error}); start anew with --overwrite") from error


def _write_json(path, content):
    with _replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2))


def _now():
    return datetime.now(UTC).isoformat(timespec="seconds")


# Durability and ownership


class _Sink(io.FileIO):
    """A file whose writes never fail to HDF5, which a full disk would bring down with the process; `check` tells."""

    error = None

    def write(self, data):
        rest = memoryview(data).cast("B")
        total = len(rest)
        while rest and not self.error:
            try:
                rest = rest[super().write(rest) :]
            except OSError as error:
                self.error = error
        return total

    def truncate(self, size=None):
        if not self.error:
            try:
                return super().truncate(size)
            except OSError as error:
                self.error = error
        return size

    def check(self):
        if self.error:
            raise self.error


@contextmanager
def _new_hdf5(path, **options):
    with _Sink(path, "w+b") as sink:
        try:
            with h5py.File(sink, "w", **options) as file:
                yield file
        finally:
            sink.check()


@contextmanager
def _explained(path):
    """Turn what the file system refuses into an ArchiveError."""
    try:
        yield
    except OSError as error:
        raise ArchiveError(
            f"cannot write {path}: {error}; check permissions, free space and quota, or choose another --output"
        ) from error


@contextmanager
def _replacing(path, temporary=None):
    """A temporary file that takes the place of ``path``, durably, once the block has succeeded."""
    temporary = temporary or path.with_name(path.name + ".tmp")
    with _explained(path):
        try:
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
            _sync(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _sync(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _new_partial(path):
    """A folder, locked, that becomes the ``.partial`` of ``path`` once the block has filled it."""
    folder = path.with_name(f"{path.name}.new-{os.getpid()}")
    partial = _partial(path)
    with _explained(partial):
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            _lock(folder)
            yield folder
            os.rename(folder, partial)
            _sync(partial.parent)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _discard(partial):
    """Remove a folder; the rename makes it vanish at once, so that nobody resumes from half of it."""
    doomed = partial.with_name(f"{partial.name}.old-{os.getpid()}")
    os.rename(partial, doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _lock(folder):
    """Own a folder, taking over the lock of a process of this host that has died; ArchiveError if it is held."""
    lock = folder / "lock"
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "born": _born(os.getpid()), "started_utc": _now()}
    while True:
        try:
            with open(lock, "x") as file:
                json.dump(owner, file)
            return
        except FileExistsError:
            found = _stale(lock)
        # Of two processes that find the same stale lock only one may take it: the other's rename meets a fresh one.
        aside = folder / f"lock-{os.getpid()}.tmp"
        os.replace(lock, aside)
        if aside.read_text() != found:
            os.replace(aside, lock)
            raise ArchiveError(f"{folder} has just been taken by another process; wait for it or stop it")
        aside.unlink()


def _stale(lock):
    """The text of a lock whose owner is dead; ArchiveError where it lives or cannot be judged from here."""
    text = lock.read_text()
    try:
        owner = json.loads(text)
        host, pid, started = owner["host"], owner["pid"], owner["started_utc"]
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveError(f"{lock} is unreadable; delete it if no process is writing there") from error
    born = _born(pid) if host == socket.gethostname() else ""
    if born is None or (born and owner.get("born") and born != owner["born"]):
        return text
    raise ArchiveError(
        f"{lock.parent} is in use by process {pid} on host {host} since {started}; "
        f"wait for it or stop it, and delete {lock} only if it is gone"
    )


def _born(pid):
    """When a living process started, in the kernel's count ("" where the system does not tell); None if dead.

    Process numbers are used again, and in containers soon: the birth tells an owner from its successor.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return None if status[0] in "ZX" else status[19]


@contextmanager
def _opened(path, schema=True):
    """An HDF5 file for reading; ArchiveError where it is none, is damaged or follows another schema."""
    try:
        with h5py.File(path) as file:
            found = file.attrs.get("schema_version", "none") if schema else SCHEMA_VERSION
            if str(found).partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
                raise ArchiveError(f"{path} has schema_version {found}; this version of membrane reads 1.x")
            yield file
    except (OSError, KeyError) as error:
        raise ArchiveError(f"{path} is no readable archive of membrane ({error}); is it the right file?") from error
