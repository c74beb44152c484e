"""Pruning: a finished archive is made smaller by removing its last state and its frames."""

from pathlib import Path

import numpy as np

from membrane.archive import schema
from membrane.archive.border import open_archive
from membrane.archive.files import SCHEMA_VERSION, ArchiveError, new_hdf5, replacing
from membrane.archive.ownership import partial_of
from membrane.archive.record import read
from membrane.archive.seals import Seals, seal
from membrane.archive.tables import label_events, put, sizes_of, write_frames, write_series, write_sizes


def prune(path) -> int:
    """Remove the checkpoint and the frames from the archive at ``path``; returns the number of bytes that this frees.

    Events, series, size distribution and attributes stay. The attribute ``pruned`` names what was removed: the run can
    no longer be extended, nor can its fields be drawn. The smaller archive replaces the other when it is complete.

    Raises ArchiveError where the archive is damaged, unfinished or collected, or where it cannot be written.
    """
    path = Path(path)
    before, record = path.stat().st_size, read(path)
    if record.members or partial_of(path).exists():
        raise ArchiveError(f"{path} is a collected archive or is being extended; only finished runs are pruned")
    with open_archive(path) as file:
        Seals(file)
        kept = {name: file.attrs[name] for name in file.attrs if name != "seals"}
        gone = [name for name in ("checkpoint", "frames") if name == "frames" or name in file]
        spacing = schema.spacing(file["frames"].attrs["spacing_nm"])
    with replacing(path) as temporary, new_hdf5(temporary) as file:
        file.attrs.update(kept | {"schema_version": SCHEMA_VERSION, "pruned": ", ".join(gone)})
        put(file, "events", record.events)
        label_events(file)
        endosomes = record.attributes["number_of_endosomes"]
        # The size distribution is made anew: one of an older schema lacks the attributes of its intervals.
        write_sizes(file.create_group("size_distribution"), sizes_of(record.events, max(1, endosomes)))
        write_series(file.create_group("series"), record.series, record.units, endosomes)
        write_frames(file.create_group("frames"), [], 0, {}, np.array(spacing))
        seal(file)
    return before - path.stat().st_size
