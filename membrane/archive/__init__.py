"""The archive that a run leaves: written, read, collected. Only here is HDF5 known; docs/archive.md has the schema."""

from membrane.archive.collected import MEMBER_DTYPE, Collection, common_times
from membrane.archive.files import SCHEMA_VERSION, ArchiveError
from membrane.archive.ownership import owner_pid, remove_leftovers
from membrane.archive.pruning import prune
from membrane.archive.record import Frames, RunExtent, RunRecord, RunStatus, read, run_extent, run_status
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
    "RunExtent",
    "RunRecord",
    "RunStatus",
    "common_times",
    "owner_pid",
    "prune",
    "read",
    "remove_leftovers",
    "run_extent",
    "run_status",
]
