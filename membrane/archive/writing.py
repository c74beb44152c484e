"""What a run leaves behind: one HDF5 file, written whole. While the run lasts, its files live beside it in a folder.

The folder ``<output>.partial/`` holds a lock, a header, the last two checkpoints (generations) and the frames. Every
file in it, and in the end the archive itself, is written under a temporary name, forced to disk and then renamed, so
whatever can be seen is whole at every instant. docs/archive.md describes the schema.
"""

import json
from pathlib import Path

import numpy as np

from membrane.archive import schema
from membrane.archive.border import opened, warn
from membrane.archive.files import SCHEMA_VERSION, ArchiveError, explained, new_hdf5, replacing
from membrane.archive.folder import (
    attributes_of,
    environment,
    frame_files,
    header_of,
    latest,
    newest_sound,
    number_of,
    numbered,
    read_header,
    resumed,
    segments,
    set_aside,
    write_frame,
    write_generation,
    write_header,
)
from membrane.archive.ownership import discard, new_partial, now, own, partial_of, refuse_foreign
from membrane.archive.record import sound_rows
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
from membrane.paths import followed
from membrane.version import version


class Archive:
    """The files of one run while it lasts. Made by `create` or `resume`; a context manager that frees the lock."""

    def __init__(self, path: Path, header: dict):
        self.path, self.header = path, header
        self._partial = partial_of(path)
        self._held, self._spare = True, False

    @classmethod
    def create(cls, path, *, config_yaml: str, name: str, seed: int, overwrite: bool = False) -> "Archive":
        """Start a run that will leave its archive at ``path``.

        With ``overwrite`` an unfinished run there is discarded at once, a finished archive only when the new one
        takes its place; what this package did not make is never replaced. A symbolic link stands for its target.
        Raises ArchiveError where something exists and may not be replaced, where another process is writing, or where
        the folder cannot be written.
        """
        path = followed(Path(path))
        partial = partial_of(path)
        with explained(path):
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
                own(partial)
                discard(path)
        header = dict(zip(HEADER, (config_yaml, name, int(seed), now(), environment()), strict=True))
        with new_partial(path) as folder:
            write_header(folder, header)
        return cls(path, header)

    @classmethod
    def resume(cls, path) -> "Archive":
        """Continue the run of ``path``: the unfinished one if there is one, else the finished archive is reopened.

        A warning tells where jax, numpy, this package or the flags of the compiler are others than before; the archive
        keeps both. Raises ArchiveError where there is neither, where the header or archive is unreadable, where the
        archive has no sound checkpoint, or where another process is writing.
        """
        path = followed(Path(path))
        partial = partial_of(path)
        if partial.is_dir():
            with explained(partial):
                own(partial)
                try:
                    before = read_header(partial)
                    header = resumed(before, now())
                    if header != before:
                        write_header(partial, header)
                    set_aside(partial)
                    # But for those of locks: who tries to take this one needs its own.
                    for leftover in partial.glob("*.h5.tmp"):
                        leftover.unlink(missing_ok=True)
                except BaseException:
                    (partial / "lock").unlink(missing_ok=True)
                    raise
            return cls(path, header)
        if not path.is_file():
            raise ArchiveError(f"nothing to resume: neither {path} nor {partial} exists; start without --resume")
        with opened(path) as file, new_partial(path) as folder:
            header = cls._reopen(path, file, folder)
        run = cls(path, header)
        run._spare = True
        return run

    @staticmethod
    def _reopen(path, file, folder):
        """Fill a folder with what a finished archive holds; returns its header."""
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
        frames = schema.child(file, "frames")
        try:
            seals.verify("frames")
            schema.fields(frames, field_names(frames), len(schema.times(frames)), endosomes)
            rows = sound_rows(path, file, seals)
        except ArchiveError as error:
            warn(f"{path}: the frames are damaged ({error}); they are left out")
            rows = []
        index = schema.array(frames, "index", (1,), "iu") if rows else ()
        for row in rows:
            fields = {name: frames[name][row] for name in field_names(frames)}
            # Where a frame had no such field.
            known = {name: values for name, values in fields.items() if not np.isnan(values).all()}
            number = int(index[row])
            write_frame(folder / f"frame-{number:06d}.h5", number, float(frames["time_s"][row]), known)
        return header

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Free the lock; the files stay, but for those of a reopened archive to which nothing was added."""
        if self._held:
            self._held = False
            if self._spare:
                discard(self.path)
            else:
                (self._partial / "lock").unlink(missing_ok=True)

    def checkpoint(self, states: list, scalars: dict, events: np.ndarray, series: dict):
        """Write one generation; the newest sound one before is kept, all others are deleted.

        ``states``: one dict of arrays (any numeric type) an endosome. ``scalars``: anything JSON can say.
        ``events``: rows of EVENT_DTYPE. ``series``: ``time_s`` (time,), the others (time, endosome).
        Raises ArchiveError where it cannot be written, or holds what would be refused when it is read (the generations
        before stay), ValueError for other events.
        """
        self._writable()
        if events.dtype != EVENT_DTYPE:
            raise ValueError(f"events have the columns {events.dtype.names}; they must be rows of EVENT_DTYPE")
        schema.checked_events(events, max(len(states), 1))
        before = numbered(self._partial, "generation")
        number = number_of(before[-1]) + 1 if before else 0
        path = self._partial / f"generation-{number:06d}.h5"
        write_generation(path, states, json.dumps(scalars), events, series)
        self._spare = False
        kept = newest_sound(before)
        for old in before:
            if old != kept:
                old.unlink(missing_ok=True)

    def latest(self) -> tuple[list, dict, np.ndarray, dict] | None:
        """(states, scalars, events, series) of the newest readable generation; None before the first.

        A damaged one is passed over with a warning. Raises ArchiveError where all are damaged.
        """
        return latest(self._partial)

    def add_frame(self, index: int, time_s: float, fields: dict):
        """Keep the fields (endosome, [z,] y, x) at ``time_s`` as frame ``index``, float32; the same index replaces."""
        self._writable()
        write_frame(self._partial / f"frame-{index:06d}.h5", index, time_s, fields)
        self._spare = False

    def drop_frames_after(self, time_s: float):
        """Remove the frames later than the state that the run goes on from; they will be written anew."""
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
        """Assemble the archive from the last generation, the frames and the header; the folder then goes.

        ``status``: complete, failed or partial. ``units``: unit of each series and field by name ("" if absent).
        ``grid_spacing_nm``: ([dz,] dy, dx). ``attributes``: further root attributes, which may replace those of the
        header. ``keep_checkpoint``: without it the archive of a complete run is smaller and cannot be extended. Raises
        ArchiveError where it cannot be written: the folder then stays and nothing is lost.
        """
        self._writable()
        states, scalars, events, series = self.latest() or ([], {}, np.zeros(0, EVENT_DTYPE), {})
        with (
            replacing(self.path, self._partial / "archive.h5.tmp") as temporary,
            new_hdf5(temporary) as file,
        ):
            file.attrs.update(
                {"schema_version": SCHEMA_VERSION, "membrane_version": version("membrane"), "status": status}
                | {"wall_time_s": float(wall_time_s), "number_of_endosomes": number_of_endosomes}
                | attributes_of(self.header)
                | (attributes or {})
            )
            put(file, "events", events)
            label_events(file)
            write_sizes(file.create_group("size_distribution"), sizes_of(events, number_of_endosomes))
            write_series(file.create_group("series"), series, units, number_of_endosomes)
            files, *_ = frame_files(self._partial)
            write_frames(file.create_group("frames"), segments(files), len(files), units, grid_spacing_nm)
            if states and (keep_checkpoint or status != "complete"):
                write_states(file.create_group("checkpoint"), states, json.dumps(scalars))
            seal(file)
        self._held = False
        discard(self.path)
        return self.path

    def _writable(self):
        if not self._held:
            raise ArchiveError(f"the run of {self.path} is closed; reopen it with Archive.resume")
