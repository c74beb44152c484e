"""Files on disk: whole or not there at all, for HDF5 as for text; and what is wrong with one is an ArchiveError."""

import errno
import io
import logging
import os
from contextlib import contextmanager
from functools import cache

import h5py

log = logging.getLogger("membrane")

SCHEMA_VERSION = "1.3"


class ArchiveError(RuntimeError):
    """An archive that cannot be written, read or owned; the message says what to do."""


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
def new_hdf5(path, **options):
    """A new HDF5 file; OSError, never a crash, where the disk refuses it.

    From HDF5 1.10 on (2016) HDF5 keeps checksums of its own tables too, so that it does not follow damaged ones.
    """
    with _Sink(path, "w+b") as sink:
        try:
            with h5py.File(sink, "w", libver="v110", **options) as file:
                yield file
        finally:
            sink.check()


@contextmanager
def explained(path):
    """Turn what the file system refuses into an ArchiveError."""
    try:
        yield
    except OSError as error:
        raise ArchiveError(
            f"cannot write {path}: {error}; check permissions, free space and quota, or choose another --output"
        ) from error


@contextmanager
def replacing(path, temporary=None):
    """A temporary file that takes the place of ``path``, durably, once the block has succeeded."""
    temporary = temporary or path.with_name(path.name + ".tmp")
    with explained(path):
        try:
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
            sync(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def sync(folder):
    """Force the names in a folder to disk; with a warning, once a process, where the file system cannot do that."""
    # Windows opens no folder.
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF):
            raise
        _unsynced(error.strerror)
    finally:
        os.close(descriptor)


@cache
def _unsynced(why):
    log.warning(
        "the file system cannot force the names in a folder to disk (%s): after a power failure the last "
        "checkpoints may be missing, and the run goes on from one before",
        why,
    )
