"""Who may write: the lock of a folder, and the folder ``.partial`` of an unfinished run."""

import errno
import json
import logging
import os
import re
import shutil
import socket
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import h5py

from membrane.archive.files import ArchiveError, explained, sync
from membrane.paths import PathError, may_write

try:
    import fcntl
except ImportError:
    # Windows, where archives are read but not made.
    fcntl = None

log = logging.getLogger("membrane")

UNABLE = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENOLCK, errno.EPERM, errno.EMLINK}
"""What file systems answer that know no locks or no second names of a file."""

_OURS = re.compile(r"header\.json.*|lock.*|(generation|frame)-.*|archive\.h5\.tmp")


YOUNG_S = 60.0
"""Age of a lock up to which it may be half written."""


def partial_of(path):
    """The folder of an unfinished run beside its archive; of a symbolic link, beside its target."""
    # A circle of links is found where it is written to.
    path = Path(os.path.realpath(path)) if os.path.islink(path) else path
    return path.with_name(path.name + ".partial")


def refuse_foreign(path):
    """ArchiveError unless what is at ``path``, and its ``.partial`` folder, are free or made by this package."""
    partial = partial_of(path)
    try:
        may_write(path, ours=is_archive, remedy="give another --output")
        if partial.is_symlink() or (partial.exists() and not is_partial(partial)):
            raise PathError(f"{partial} was not made by membrane, so it is not replaced; give another --output")
    except PathError as error:
        raise ArchiveError(str(error)) from None


def is_archive(path):
    """Whether a file is an archive of this package, finished and perhaps damaged inside; by its attributes."""
    try:
        with h5py.File(path) as file:
            return "schema_version" in file.attrs and "membrane_version" in file.attrs
    except (OSError, KeyError, RuntimeError):
        return False


def is_partial(folder):
    """Whether a folder is that of an unfinished run: it holds nothing but what a run writes there."""
    return folder.is_dir() and all(_OURS.fullmatch(entry.name) for entry in folder.iterdir())


def now():
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def passing(path, kind):
    """A name beside ``path`` for what this process makes or removes there; `clear` knows it."""
    return path.with_name(f"{path.name}.{kind}-{socket.gethostname()}-{os.getpid()}")


def clear(path):
    """Remove what processes of this host that were killed left beside ``path``: folders that they were making or
    discarding, half a collected archive. OSError where that is refused."""
    names = tuple(f"{path.name}.{kind}-{socket.gethostname()}-" for kind in ("new", "old"))
    for found in path.parent.iterdir() if path.parent.is_dir() else ():
        pid = found.name.rpartition("-")[2]
        if found.name.startswith(names) and pid.isdigit() and _born(int(pid)) is None:
            shutil.rmtree(found, ignore_errors=True) if found.is_dir() else found.unlink(missing_ok=True)


@contextmanager
def new_partial(path):
    """A folder, locked, that becomes the ``.partial`` of ``path`` once the block has filled it."""
    folder, partial = passing(path, "new"), partial_of(path)
    with explained(partial):
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            own(folder)
            yield folder
            os.rename(folder, partial)
            sync(partial.parent)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def discard(path):
    """Remove the ``.partial`` of ``path``; the rename makes it vanish at once, so that nobody resumes from half."""
    doomed = passing(path, "old")
    # Of a process of the same number that was killed here.
    shutil.rmtree(doomed, ignore_errors=True)
    os.rename(partial_of(path), doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def own(folder):
    """Own a folder, taking over the lock of a process of this host that has died; ArchiveError if it is held."""
    if fcntl is None:
        raise ArchiveError(f"{folder} cannot be locked: archives are not made on Windows; use WSL")
    lock = folder / "lock"
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "born": _born(os.getpid()), "started_utc": now()}
    owner |= {"slurm_job": os.environ.get("SLURM_JOB_ID"), "slurm_restart": _slurm_restart()}
    written = folder / f"lock-{socket.gethostname()}-{os.getpid()}.tmp"
    owned = False
    while not owned:
        # A killed process of the same number may have left it as a second name of the lock.
        written.unlink(missing_ok=True)
        written.write_text(json.dumps(owner))
        try:
            _put(written, lock)
            owned = True
        except FileExistsError:
            owned = _taken_over(lock, written)
        finally:
            written.unlink(missing_ok=True)


def owner_here(path):
    """Number of the living process of this host that owns the ``.partial`` of ``path``; None where there is none."""
    try:
        owner = json.loads((partial_of(path) / "lock").read_text())
        host, pid = owner["host"], owner["pid"]
        born = _born(pid) if host == socket.gethostname() and type(pid) is int and pid > 0 else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None if born is None or (born and owner.get("born") and born != owner["born"]) else pid


def _put(written, lock):
    """``written`` as ``lock``; FileExistsError where there is one."""
    try:
        # Not created and then filled: whoever is killed in between would leave a lock that nobody can judge.
        os.link(written, lock)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in UNABLE:
            raise
        _weaker(
            f"the file system has no hard links ({error.strerror}): a run that is killed just when it "
            "begins may leave a lock that has to be deleted by hand"
        )
        with open(lock, "x") as file:
            file.write(written.read_text())


def _lock(file):
    """Hold an open file with flock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in UNABLE:
            raise
        _weaker(
            f"the file system has no flock ({error.strerror}): do not start two processes at once that "
            "go on with the same killed run"
        )


@cache
def _weaker(text):
    """A guarantee that does not hold here, said once a process."""
    log.warning("%s", text)


def _taken_over(lock, written):
    """Whether ``written`` is now in the place of a lock whose owner is dead; ArchiveError where it lives.

    Not so where the lock has gone or been replaced meanwhile. Who finds an owner dead holds that very file with flock
    until it is replaced. Then nobody else can replace it, for that takes the same flock, nor put one in its place, for
    the name is taken; and its owner, found dead before the name was looked at, cannot free it any more. All who may
    judge it run on its host, whose kernel keeps the flock on any file system; but for a requeued job of Slurm, which
    relies on a file system that shares it.
    """
    try:
        file = open(lock, "r+")
    except FileNotFoundError:
        return False
    with file:
        _lock(file)
        _judge(lock, file.read(), time.time() - os.fstat(file.fileno()).st_mtime)
        try:
            same = os.path.samestat(os.fstat(file.fileno()), os.stat(lock))
        except FileNotFoundError:
            return False
        if same:
            os.replace(written, lock)
        return same


def _judge(lock, text, age_s):
    """ArchiveError unless the owner that the text of a lock names is dead, as far as can be judged from here.

    A text that names no process is none of ours, for ours are put in place whole. Only where there are no hard links
    may one be half written, for an instant: a lock of less than YOUNG_S is refused, an older one is passed over.
    """
    try:
        owner = json.loads(text)
        host, pid, started = owner["host"], owner["pid"], owner["started_utc"]
        if type(pid) is not int or pid < 1:
            raise ValueError(f"process {pid!r}")
    except (ValueError, KeyError, TypeError) as error:
        if age_s < YOUNG_S:
            raise ArchiveError(
                f"{lock} names no process ({error}) and is younger than {YOUNG_S:g} s; try again in a minute, or "
                "delete it if none is writing there"
            ) from error
        log.warning("%s names no process (%s); it is passed over", lock, error)
        return
    # Slurm starts a requeued job again, on whatever host, only when nothing of its last start is left.
    if owner.get("slurm_job") and owner["slurm_job"] == os.environ.get("SLURM_JOB_ID"):
        before = owner.get("slurm_restart")
        if type(before) is int and before < _slurm_restart():
            return
    born = _born(pid) if host == socket.gethostname() else ""
    if born is None or (born and owner.get("born") and born != owner["born"]):
        return
    raise ArchiveError(
        f"{lock.parent} is in use by process {pid} on host {host} since {started}; "
        f"wait for it or stop it, and delete {lock} only if it is gone"
    )


def _slurm_restart():
    given = os.environ.get("SLURM_RESTART_COUNT", "").strip() or "0"
    if not re.fullmatch(r"\d{1,9}", given):
        _weaker(f"SLURM_RESTART_COUNT={given} is no number; it is passed over")
        return 0
    return int(given)


def _born(pid):
    """When a living process started, in the kernel's count ("" where the system does not tell); None if dead.

    Process numbers are used again, and in containers soon: the birth tells an owner from its successor.
    """
    if fcntl is None:
        # Windows would end the process.
        return ""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except PermissionError:
        pass
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return None if status[0] in "ZX" else status[19]
