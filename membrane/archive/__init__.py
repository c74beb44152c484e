"""What a run leaves behind: the only place that knows HDF5. docs/archive.md describes the schema."""

from membrane.archive.collected import MEMBER_DTYPE, Collection, common_times
from membrane.archive.files import SCHEMA_VERSION, ArchiveError
from membrane.archive.ownership import clear, owner_here
from membrane.archive.pruning import prune
from membrane.archive.record import Frames, Glance, Outline, RunRecord, glance, outline, read
from membrane.archive.tables import INTERVALS, SUMMARY
from membrane.archive.writing import Archive

__all__ = [
    "INTERVALS",
    "MEMBER_DTYPE",
    "SCHEMA_VERSION",
    "SUMMARY",
    "Archive",
    "ArchiveError",
    "Collection",
    "Frames",
    "Glance",
    "Outline",
    "RunRecord",
    "clear",
    "common_times",
    "glance",
    "outline",
    "owner_here",
    "prune",
    "read",
]
