"""Files on disk, HDF5 or text: each is there as a whole or not at all, and errors of the disk become ArchiveErrors."""

import errno
import io
import logging
import os
from contextlib import contextmanager
from functools import cache

import h5py

log = logging.getLogger("membrane")

SCHEMA_VERSION = "1.4"


class ArchiveError(RuntimeError):
    """An archive cannot be written or read, or another process is writing it. The message says what to do."""


class _Sink(io.FileIO):
    """A file for HDF5 to write to, whose writes never fail; `check` raises the error afterwards.

    HDF5 would end the whole process where a full disk makes a write fail.
    """

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
def new_hdf5(path, **options):
    """A new HDF5 file, open within the block. Raises OSError, and never crashes, where the disk refuses it.

    From HDF5 1.10 on (2016) the tables of the file itself have checksums, too, so that HDF5 follows no damaged table.
    """
    with _Sink(path, "w+b") as sink:
        try:
            with h5py.File(sink, "w", libver="v110", **options) as file:
                yield file
        finally:
            sink.check()


@contextmanager
def translate_write_errors(path):
    """Turn an OSError of the block into an ArchiveError which says that ``path`` cannot be written."""
    try:
        yield
    except OSError as error:
        raise ArchiveError(
            f"cannot write {path}: {error}; check permissions, free space and quota, or choose another --output"
        ) from error


@contextmanager
def replacing(path, temporary=None):
    """The name of a temporary file, which takes the place of ``path`` when the block has succeeded.

    It is forced to disk first. Where the block fails, the temporary file is removed and ``path`` stays as it was.
    """
    temporary = temporary or path.with_name(path.name + ".tmp")
    with translate_write_errors(path):
        try:
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
            sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def sync_folder(folder):
    """Force the names in a folder to disk. Where the file system cannot do that, a warning says so once a process."""
    # Windows opens no folder.
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF):
            raise
        _warn_unsynced(error.strerror)
    finally:
        os.close(descriptor)


@cache
def _warn_unsynced(why):
    log.warning(
        "the file system cannot force the names in a folder to disk (%s): after a power failure the last "
        "checkpoints may be missing, and the run goes on from one before",
        why,
    )
