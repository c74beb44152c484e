"""A finished archive without what only its own run needs again: the last state and the frames."""

from pathlib import Path

import numpy as np

from membrane.archive import schema
from membrane.archive.border import opened
from membrane.archive.files import SCHEMA_VERSION, ArchiveError, new_hdf5, replacing
from membrane.archive.ownership import partial_of
from membrane.archive.record import read
from membrane.archive.seals import Seals, seal
from membrane.archive.tables import label_events, put, sizes_of, write_frames, write_series, write_sizes


def prune(path) -> int:
    """Remove checkpoint and frames from the archive at ``path``; returns how many bytes that frees.

    Events, series, size distribution and attributes stay, and an attribute ``pruned`` names what is gone: the run can
    no longer be extended, nor its fields be drawn. The smaller archive takes the place of the other once it is whole.
    Raises ArchiveError where the archive is damaged, unfinished or collected, or where it cannot be written.
    """
    path = Path(path)
    before, record = path.stat().st_size, read(path)
    if record.members or partial_of(path).exists():
        raise ArchiveError(f"{path} is a collected archive or is being extended; only finished runs are pruned")
    with opened(path) as file:
        Seals(file)
        kept = {name: file.attrs[name] for name in file.attrs if name != "seals"}
        gone = [name for name in ("checkpoint", "frames") if name == "frames" or name in file]
        spacing = schema.spacing(file["frames"].attrs["spacing_nm"])
    with replacing(path) as temporary, new_hdf5(temporary) as file:
        file.attrs.update(kept | {"schema_version": SCHEMA_VERSION, "pruned": ", ".join(gone)})
        put(file, "events", record.events)
        label_events(file)
        endosomes = record.attributes["number_of_endosomes"]
        # Not as it stands: one of an older schema lacks what intervals rest on.
        write_sizes(file.create_group("size_distribution"), sizes_of(record.events, max(1, endosomes)))
        write_series(file.create_group("series"), record.series, record.units, endosomes)
        write_frames(file.create_group("frames"), [], 0, {}, np.array(spacing))
        seal(file)
    return before - path.stat().st_size
