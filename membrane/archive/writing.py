"""What a run leaves behind: one HDF5 file, written whole. While the run lasts, its files live beside it in a folder.

The folder ``<output>.partial/`` holds a lock, a header, the last two checkpoints (generations) and the frames. Every
file in it, and in the end the archive itself, is written under a temporary name, forced to disk and then renamed, so
whatever can be seen is whole at every instant. docs/archive.md describes the schema.
"""

import json
import platform
from pathlib import Path

import numpy as np

from membrane.archive.files import SCHEMA_VERSION, ArchiveError, explained, new_hdf5, opened, replacing
from membrane.archive.folder import (
    HEADER,
    frame_files,
    latest,
    number_of,
    numbered,
    read_header,
    segments,
    write_generation,
    write_header,
)
from membrane.archive.ownership import discard, new_partial, now, own, partial_of
from membrane.archive.tables import (
    SUMMARY,
    create_field,
    gather,
    plain,
    read,
    sizes_of,
    write,
    write_frames,
    write_series,
)
from membrane.event_table import EVENT_DTYPE
from membrane.version import version

_PACKAGES = ("membrane", "jax", "jaxlib", "numpy", "h5py")


class Archive:
    """The files of one run while it lasts. Made by `create` or `resume`; a context manager that frees the lock."""

    def __init__(self, path: Path, header: dict):
        self.path, self.header = path, header
        self._partial = partial_of(path)
        self._held = True

    @classmethod
    def create(cls, path, *, config_yaml: str, name: str, seed: int, overwrite: bool = False) -> "Archive":
        """Start a run that will leave its archive at ``path``.

        With ``overwrite`` an unfinished run there is discarded at once, a finished archive only when the new one
        takes its place. Raises ArchiveError where something exists and may not be replaced, where another process
        is writing, or where the folder cannot be written.
        """
        path = Path(path)
        partial = partial_of(path)
        with explained(path):
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
                own(partial)
                discard(path)
        versions = {package: version(package) for package in _PACKAGES} | {"python": platform.python_version()}
        header = dict(zip(HEADER, (config_yaml, name, int(seed), now(), versions), strict=True))
        with new_partial(path) as folder:
            write_header(folder, header)
        return cls(path, header)

    @classmethod
    def resume(cls, path) -> "Archive":
        """Continue the run of ``path``: the unfinished one if there is one, else the finished archive is reopened.

        Raises ArchiveError where there is neither, where the header or archive is unreadable, or where another
        process is writing.
        """
        path = Path(path)
        partial = partial_of(path)
        if partial.is_dir():
            with explained(partial):
                own(partial)
                try:
                    header = read_header(partial)
                except ArchiveError:
                    (partial / "lock").unlink()
                    raise
                # But for those of locks: who tries to take this one needs its own.
                for leftover in partial.glob("*.h5.tmp"):
                    leftover.unlink(missing_ok=True)
            return cls(path, header)
        if not path.is_file():
            raise ArchiveError(f"nothing to resume: neither {path} nor {partial} exists; start without --resume")
        with opened(path) as file, new_partial(path) as folder:
            header = {key: plain(file.attrs[key]) for key in HEADER}
            header["versions"] = json.loads(header["versions"])
            write_header(folder, header)
            if "checkpoint" in file:
                content = {"events": file["events"][()], "series": read(file["series"])}
                content["states"] = read(file["checkpoint/states"])
                write_generation(folder / "generation-000000.h5", content, file["checkpoint"].attrs["scalars"])
            frames = file["frames"]
            for row, index in enumerate(frames["index"]):
                with replacing(folder / f"frame-{index:06d}.h5") as temporary, new_hdf5(temporary) as segment:
                    gather([(frames, row)], 1, segment)
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
            raise ValueError(f"events have the columns {events.dtype.names}; they must be rows of EVENT_DTYPE")
        content = {"states": {f"{i:06d}": state for i, state in enumerate(states)}, "events": events, "series": series}
        before = numbered(self._partial, "generation")
        number = number_of(before[-1]) + 1 if before else 0
        write_generation(self._partial / f"generation-{number:06d}.h5", content, json.dumps(scalars))
        for old in before[:-1]:
            old.unlink(missing_ok=True)

    def latest(self) -> tuple[list, dict, np.ndarray, dict] | None:
        """(states, scalars, events, series) of the newest readable generation; None before the first.

        A damaged one is passed over with a warning. Raises ArchiveError where all are damaged.
        """
        return latest(self._partial)

    def add_frame(self, index: int, time_s: float, fields: dict):
        """Keep the fields (endosome, [z,] y, x) at ``time_s`` as frame ``index``, float32; the same index replaces."""
        self._writable()
        with replacing(self._partial / f"frame-{index:06d}.h5") as temporary, new_hdf5(temporary) as file:
            file["time_s"], file["index"] = np.array([time_s], float), np.array([index], np.int64)
            for name, values in fields.items():
                values = np.asarray(values, np.float32)[None]
                create_field(file, name, values.shape)[...] = values

    def drop_frames_after(self, time_s: float):
        """Remove the frames later than the state that the run goes on from; they will be written anew."""
        self._writable()
        for file, time in zip(*frame_files(self._partial), strict=True):
            if time > time_s:
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
            replacing(self.path, self._partial / "archive.h5.tmp") as temporary,
            new_hdf5(temporary) as file,
        ):
            header = self.header | {"versions": json.dumps(self.header["versions"])}
            file.attrs.update(
                {"schema_version": SCHEMA_VERSION, "membrane_version": version("membrane"), "status": status}
                | {"wall_time_s": float(wall_time_s), "number_of_endosomes": number_of_endosomes}
                | header
                | (attributes or {})
            )
            file["events"] = events
            sizes = sizes_of(events, number_of_endosomes)
            group = file.create_group("size_distribution")
            group.attrs.update({key: sizes.pop(key) for key in SUMMARY})
            write(group, sizes)
            write_series(file.create_group("series"), series, units)
            files, _ = frame_files(self._partial)
            write_frames(file.create_group("frames"), segments(files), len(files), units, grid_spacing_nm)
            if states:
                group = file.create_group("checkpoint")
                group.attrs["scalars"] = json.dumps(scalars)
                write(group, {"states": {f"{i:06d}": state for i, state in enumerate(states)}})
        self._held = False
        discard(self.path)
        return self.path

    def _writable(self):
        if not self._held:
            raise ArchiveError(f"the run of {self.path} is closed; reopen it with Archive.resume")
