"""What a run leaves behind: the only place that knows HDF5. docs/archive.md describes the schema."""

from membrane.archive.files import SCHEMA_VERSION, ArchiveError
from membrane.archive.record import Frames, RunRecord, read
from membrane.archive.tables import SUMMARY
from membrane.archive.writing import Archive

__all__ = ["SCHEMA_VERSION", "SUMMARY", "Archive", "ArchiveError", "Frames", "RunRecord", "read"]
