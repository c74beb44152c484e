"""Writing an archive: one HDF5 file, which appears as a whole. While a run lasts, its files lie in a folder beside it.

The folder ``<output>.partial/`` holds a lock, a header, the last two checkpoints (generations) and the frames. Every
file in it, and in the end the archive itself, is written under a temporary name, forced to disk and then renamed. So
every file that can be seen is complete at any instant. docs/archive.md describes the schema.
"""

import json
from pathlib import Path

import numpy as np

from membrane.archive import schema
from membrane.archive.border import open_archive, warn
from membrane.archive.files import SCHEMA_VERSION, ArchiveError, new_hdf5, replacing, translate_write_errors
from membrane.archive.folder import (
    attributes_of,
    environment,
    frame_files,
    header_of,
    latest,
    newest_intact,
    number_of,
    numbered,
    read_header,
    rename_foreign_entries,
    resumed,
    segments,
    write_frame,
    write_generation,
    write_header,
)
from membrane.archive.ownership import discard, new_partial, now, partial_of, refuse_foreign, take_lock
from membrane.archive.record import intact_rows
from membrane.archive.schema import HEADER
from membrane.archive.seals import Seals, seal
from membrane.archive.tables import (
    field_names,
    label_events,
    put,
    sizes_of,
    write_frames,
    write_series,
    write_sizes,
    write_states,
)
from membrane.outcome.table import EVENT_DTYPE
from membrane.paths import resolve_link
from membrane.version import version


class Archive:
    """The files of one run while it lasts. A context manager, which frees the lock. Made by `create` or `resume`.

    ``path``: the archive that the run will leave.
    ``header``: what is known of the run at its start, by name.
    """

    def __init__(self, path: Path, header: dict):
        self.path, self.header = path, header
        self._partial = partial_of(path)
        self._locked, self._unused = True, False

    @classmethod
    def create(cls, path, *, config_yaml: str, name: str, seed: int, overwrite: bool = False) -> "Archive":
        """Start a run.

        ``path``: the archive that the run will leave. A symbolic link stands for its target.
        ``config_yaml``: the complete configuration, with all defaults.
        ``name``: the name of the run.
        ``seed``: the seed of all random numbers.
        ``overwrite``: whether a run that is there may be replaced: an unfinished one at once, a finished archive when
            the new one is complete. What this package did not make is never replaced.

        Raises ArchiveError where something exists and may not be replaced, where another process is writing, or where
        the folder cannot be written.
        """
        path = resolve_link(Path(path))
        partial = partial_of(path)
        with translate_write_errors(path):
            if path.is_dir():
                raise ArchiveError(f"{path} is a folder; give --output the name of a file, such as {path / 'run.h5'}")
            if overwrite:
                refuse_foreign(path)
            elif path.exists() and not path.is_file():
                raise ArchiveError(f"{path} is no ordinary file; choose another --output")
            elif path.exists():
                raise ArchiveError(
                    f"{path} exists; extend it with --resume, replace it with --overwrite, or rename --output"
                )
            if partial.exists():
                if not overwrite:
                    raise ArchiveError(
                        f"{partial} holds an unfinished run; continue it with --resume or discard it with --overwrite"
                    )
                take_lock(partial)
                discard(path)
        header = dict(zip(HEADER, (config_yaml, name, int(seed), now(), environment()), strict=True))
        with new_partial(path) as folder:
            write_header(folder, header)
        return cls(path, header)

    @classmethod
    def resume(cls, path) -> "Archive":
        """Go on with the run of ``path``: with the unfinished one if there is one, else with the finished archive.

        Where jax, numpy, this package or the flags of the compiler are not those of before, there is a warning, and the
        archive names both. Raises ArchiveError where there is neither run nor archive, where the header or the archive
        cannot be read or has no intact checkpoint, or where another process is writing.
        """
        path = resolve_link(Path(path))
        partial = partial_of(path)
        if partial.is_dir():
            with translate_write_errors(partial):
                take_lock(partial)
                try:
                    before = read_header(partial)
                    header = resumed(before, now())
                    if header != before:
                        write_header(partial, header)
                    rename_foreign_entries(partial)
                    # Drafts of locks stay: another process that tries to take the lock needs its own.
                    for leftover in partial.glob("*.h5.tmp"):
                        leftover.unlink(missing_ok=True)
                except BaseException:
                    (partial / "lock").unlink(missing_ok=True)
                    raise
            return cls(path, header)
        if not path.is_file():
            raise ArchiveError(f"nothing to resume: neither {path} nor {partial} exists; start without --resume")
        with open_archive(path) as file, new_partial(path) as folder:
            header = cls._reopen(path, file, folder)
        run = cls(path, header)
        run._unused = True
        return run

    @classmethod
    def _reopen(cls, path, file, folder):
        """Fill a folder with all that a finished archive holds; returns the header."""
        seals, attributes = Seals(file), schema.attributes(file)
        header = resumed(header_of(attributes), now())
        write_header(folder, header)
        endosomes = attributes["number_of_endosomes"]
        for part in ("events", "series", "checkpoint"):
            seals.verify(part)
        events = schema.events(file, endosomes)
        series = schema.series(schema.child(file, "series"), endosomes)
        if "checkpoint" in file:
            states = schema.states(schema.child(file, "checkpoint/states"))
            if len(states) != endosomes:
                raise ArchiveError(f"its checkpoint holds {len(states)} endosomes of {endosomes}")
            scalars = json.dumps(schema.scalars(file["checkpoint"].attrs["scalars"]))
            write_generation(folder / "generation-000000.h5", states, scalars, events, series)
        elif len(series["time_s"]):
            raise ArchiveError(
                f"{path} keeps no checkpoint (output.keep_checkpoint was false, or membrane.collect --prune removed "
                "it), so that it cannot be extended; run it anew with --overwrite"
            )
        cls._reopen_frames(path, file, seals, folder, endosomes)
        return header

    @staticmethod
    def _reopen_frames(path, file, seals, folder, endosomes):
        """Write every intact frame of a finished archive to a file in the folder."""
        frames = schema.child(file, "frames")
        try:
            seals.verify("frames")
            schema.fields(frames, field_names(frames), len(schema.times(frames)), endosomes)
            rows = intact_rows(path, file, seals)
        except ArchiveError as error:
            warn(f"{path}: the frames are damaged ({error}); they are left out")
            rows = []
        index = schema.array(frames, "index", (1,), "iu") if rows else ()
        for row in rows:
            fields = {name: frames[name][row] for name in field_names(frames)}
            # A field that is NaN everywhere was absent from its frame.
            known = {name: values for name, values in fields.items() if not np.isnan(values).all()}
            number = int(index[row])
            write_frame(folder / f"frame-{number:06d}.h5", number, float(frames["time_s"][row]), known)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Free the lock. The files stay, except those of a reopened archive to which nothing was added."""
        if self._locked:
            self._locked = False
            if self._unused:
                discard(self.path)
            else:
                (self._partial / "lock").unlink(missing_ok=True)

    def checkpoint(self, states: list, scalars: dict, events: np.ndarray, series: dict):
        """Write a checkpoint. The newest intact one before it is kept, all others are deleted.

        ``states``: for each endosome its arrays, of any numeric type, by name.
        ``scalars``: anything that JSON can hold, by name.
        ``events``: rows of EVENT_DTYPE.
        ``series``: ``time_s`` (time,) in s and the others (time, endosome), by name.

        Raises ValueError where events have other columns, and ArchiveError where the checkpoint cannot be written or
        could not be read again; the checkpoints before it stay.
        """
        self._writable()
        if events.dtype != EVENT_DTYPE:
            raise ValueError(f"events have the columns {events.dtype.names}; they must be rows of EVENT_DTYPE")
        schema.checked_events(events, max(len(states), 1))
        before = numbered(self._partial, "generation")
        number = number_of(before[-1]) + 1 if before else 0
        path = self._partial / f"generation-{number:06d}.h5"
        write_generation(path, states, json.dumps(scalars), events, series)
        self._unused = False
        kept = newest_intact(before)
        for old in before:
            if old != kept:
                old.unlink(missing_ok=True)

    def latest(self) -> tuple[list, dict, np.ndarray, dict] | None:
        """The newest checkpoint that can be read: (states, scalars, events, series); None before the first.

        A damaged one is left out with a warning. Raises ArchiveError where all are damaged.
        """
        return latest(self._partial)

    def add_frame(self, index: int, time_s: float, fields: dict):
        """Write frame ``index`` at ``time_s`` (s), or replace it: fields (endosome, [z,] y, x) by name, as float32."""
        self._writable()
        write_frame(self._partial / f"frame-{index:06d}.h5", index, time_s, fields)
        self._unused = False

    def drop_frames_after(self, time_s: float):
        """Remove the frames later than ``time_s`` (s), the time of the state that the run goes on from."""
        self._writable()
        for file, time in zip(*frame_files(self._partial)[:2], strict=True):
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
        keep_checkpoint: bool = True,
    ) -> Path:
        """Put the archive together from the last checkpoint, the frames and the header, and remove the folder.

        ``status``: complete, failed or partial.
        ``wall_time_s``: the time that the run took on the clock, s.
        ``units``: the unit of each series and field by name; "" where a name is absent.
        ``grid_spacing_nm``: the spacing of the grid ([dz,] dy, dx), nm.
        ``number_of_endosomes``: the number of endosomes.
        ``attributes``: further root attributes, which may replace those of the header.
        ``keep_checkpoint``: False makes the archive of a complete run smaller, and the run cannot be extended.

        Raises ArchiveError where the archive cannot be written. The folder then stays and nothing is lost.
        """
        self._writable()
        states, scalars, events, series = self.latest() or ([], {}, np.zeros(0, EVENT_DTYPE), {})
        root = {"schema_version": SCHEMA_VERSION, "membrane_version": version("membrane"), "status": status}
        root |= {"wall_time_s": float(wall_time_s), "number_of_endosomes": number_of_endosomes}
        temporary = self._partial / "archive.h5.tmp"
        with replacing(self.path, temporary), new_hdf5(temporary) as file:
            file.attrs.update(root | attributes_of(self.header) | (attributes or {}))
            put(file, "events", events)
            label_events(file)
            write_sizes(file.create_group("size_distribution"), sizes_of(events, number_of_endosomes))
            write_series(file.create_group("series"), series, units, number_of_endosomes)
            files, *_ = frame_files(self._partial)
            write_frames(file.create_group("frames"), segments(files), len(files), units, grid_spacing_nm)
            if states and (keep_checkpoint or status != "complete"):
                write_states(file.create_group("checkpoint"), states, json.dumps(scalars))
            seal(file)
        self._locked = False
        discard(self.path)
        return self.path

    def _writable(self):
        """Raise ArchiveError where the run is closed."""
        if not self._locked:
            raise ArchiveError(f"the run of {self.path} is closed; reopen it with Archive.resume")
