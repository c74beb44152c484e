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

from membrane.archive.files import ArchiveError, sync_folder, translate_write_errors
from membrane.paths import PathError, require_own_file

try:
    import fcntl
except ImportError:
    # Windows, where archives are read but not made.
    fcntl = None

log = logging.getLogger("membrane")

UNSUPPORTED = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENOLCK, errno.EPERM, errno.EMLINK}
"""Errors of file systems that have no locks or no hard links."""

YOUNG_LOCK_S = 60.0
"""A lock younger than this may be half written."""

_RUN_FILES = re.compile(r"header\.json.*|lock.*|(generation|frame)-.*|archive\.h5\.tmp")


def partial_of(path):
    """The folder of an unfinished run. It lies beside the archive ``path``, or beside the target of a symbolic link."""
    # Links that lead in a circle are found when the archive is written.
    path = Path(os.path.realpath(path)) if os.path.islink(path) else path
    return path.with_name(path.name + ".partial")


def refuse_foreign(path):
    """Raise ArchiveError where ``path`` or its ``.partial`` folder exists and was not made by this package."""
    partial = partial_of(path)
    try:
        require_own_file(path, ours=is_archive, remedy="give another --output")
        if partial.is_symlink() or (partial.exists() and not is_partial(partial)):
            raise PathError(f"{partial} was not made by membrane, so it is not replaced; give another --output")
    except PathError as error:
        raise ArchiveError(str(error)) from None


def is_archive(path):
    """Whether the attributes of a file say that it is a finished archive of this package. Its data may be damaged."""
    try:
        with h5py.File(path) as file:
            return "schema_version" in file.attrs and "membrane_version" in file.attrs
    except (OSError, KeyError, RuntimeError):
        return False


def is_partial(folder):
    """Whether a folder is that of an unfinished run: it holds nothing but what a run writes there."""
    return folder.is_dir() and all(_RUN_FILES.fullmatch(entry.name) for entry in folder.iterdir())


def now():
    """The time as text: UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def temporary_name(path, kind):
    """A name beside ``path`` that no other process uses.

    ``kind``: "new" for what is being made there, "old" for what is being removed. `remove_leftovers` knows both.
    """
    return path.with_name(f"{path.name}.{kind}-{socket.gethostname()}-{os.getpid()}")


def remove_leftovers(path):
    """Remove from beside ``path`` what killed processes of this host have left under temporary names.

    These are folders that were being made or removed, and half a collected archive. Raises OSError where that is
    refused.
    """
    names = tuple(f"{path.name}.{kind}-{socket.gethostname()}-" for kind in ("new", "old"))
    for found in path.parent.iterdir() if path.parent.is_dir() else ():
        pid = found.name.rpartition("-")[2]
        if found.name.startswith(names) and pid.isdigit() and _start_of_process(int(pid)) is None:
            shutil.rmtree(found, ignore_errors=True) if found.is_dir() else found.unlink(missing_ok=True)


@contextmanager
def new_partial(path):
    """A new folder, locked, for the block to fill. At the end of the block it becomes the ``.partial`` of ``path``."""
    folder, partial = temporary_name(path, "new"), partial_of(path)
    with translate_write_errors(partial):
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            take_lock(folder)
            yield folder
            os.rename(folder, partial)
            sync_folder(partial.parent)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def discard(path):
    """Remove the ``.partial`` folder of ``path``.

    It is renamed first and so vanishes at once: nobody resumes from half a folder.
    """
    removed = temporary_name(path, "old")
    # A killed process of the same number may have left it.
    shutil.rmtree(removed, ignore_errors=True)
    os.rename(partial_of(path), removed)
    shutil.rmtree(removed, ignore_errors=True)


def take_lock(folder):
    """Lock a folder for this process.

    A lock whose owner was a process of this host and is dead is replaced. Raises ArchiveError where the owner lives, or
    where that cannot be known.
    """
    if fcntl is None:
        raise ArchiveError(f"{folder} cannot be locked: archives are not made on Windows; use WSL")
    lock, pid = folder / "lock", os.getpid()
    owner = {"host": socket.gethostname(), "pid": pid, "born": _start_of_process(pid), "started_utc": now()}
    owner |= {"slurm_job": os.environ.get("SLURM_JOB_ID"), "slurm_restart": _slurm_restart()}
    draft = folder / f"lock-{socket.gethostname()}-{pid}.tmp"
    locked = False
    while not locked:
        # A killed process of the same number may have left it as a second name of the lock.
        draft.unlink(missing_ok=True)
        draft.write_text(json.dumps(owner))
        try:
            _place_lock(draft, lock)
            locked = True
        except FileExistsError:
            locked = _replace_dead_lock(lock, draft)
        finally:
            draft.unlink(missing_ok=True)


def owner_pid(path):
    """The number of the living process of this host that has locked the ``.partial`` of ``path``; None without one."""
    try:
        owner = json.loads((partial_of(path) / "lock").read_text())
        host, pid = owner["host"], owner["pid"]
        start = _start_of_process(pid) if host == socket.gethostname() and type(pid) is int and pid > 0 else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None if start is None or (start and owner.get("born") and start != owner["born"]) else pid


def _place_lock(draft, lock):
    """Give ``draft`` the name ``lock`` as well. Raises FileExistsError where that name is taken."""
    try:
        # The lock is not created and then filled: a process killed in between would leave a lock that names nobody.
        os.link(draft, lock)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        _warn_weaker_guarantee(
            f"the file system has no hard links ({error.strerror}): a run that is killed just when it "
            "begins may leave a lock that has to be deleted by hand"
        )
        with open(lock, "x") as file:
            file.write(draft.read_text())


def _hold_flock(file):
    """Hold an open file with flock until it is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        _warn_weaker_guarantee(
            f"the file system has no flock ({error.strerror}): do not start two processes at once that "
            "go on with the same killed run"
        )


@cache
def _warn_weaker_guarantee(text):
    """Warn, once a process, of a guarantee that does not hold here."""
    log.warning("%s", text)


def _replace_dead_lock(lock, draft):
    """Put ``draft`` in the place of a lock whose owner is dead, and return whether that was done.

    It was not done where the lock has gone or been replaced meanwhile. Raises ArchiveError where the owner lives.

    Only one of several processes can succeed. The process that finds the owner dead holds the very file of the lock
    with flock until it has replaced it. Until then no other process can replace the lock, for that takes the same
    flock; none can put another lock there, for the name is taken; and the dead owner cannot free it. All processes that
    may find an owner dead run on the owner's host, whose kernel keeps the flock on any file system. The one exception
    is a requeued job of Slurm on another host; it relies on a file system that shares the flock.
    """
    try:
        file = open(lock, "r+")
    except FileNotFoundError:
        return False
    with file:
        _hold_flock(file)
        _refuse_living_owner(lock, file.read(), time.time() - os.fstat(file.fileno()).st_mtime)
        try:
            same = os.path.samestat(os.fstat(file.fileno()), os.stat(lock))
        except FileNotFoundError:
            return False
        if same:
            os.replace(draft, lock)
        return same


def _refuse_living_owner(lock, text, age_s):
    """Raise ArchiveError unless the owner that a lock names is known to be dead.

    ``lock``: the file.
    ``text``: what it holds.
    ``age_s``: its age, s.

    This package puts its locks in place whole. Only where a file system has no hard links may a lock be half written,
    for an instant. So a text that names no process is refused while the lock is young, and ignored when it is older.
    """
    try:
        owner = json.loads(text)
        host, pid, started = owner["host"], owner["pid"], owner["started_utc"]
        if type(pid) is not int or pid < 1:
            raise ValueError(f"process {pid!r}")
    except (ValueError, KeyError, TypeError) as error:
        if age_s < YOUNG_LOCK_S:
            raise ArchiveError(
                f"{lock} names no process ({error}) and is younger than {YOUNG_LOCK_S:g} s; try again in a minute, or "
                "delete it if none is writing there"
            ) from error
        log.warning("%s names no process (%s); it is passed over", lock, error)
        return
    # Slurm starts a requeued job again, on any host, only when nothing of its last start is left.
    if owner.get("slurm_job") and owner["slurm_job"] == os.environ.get("SLURM_JOB_ID"):
        before = owner.get("slurm_restart")
        if type(before) is int and before < _slurm_restart():
            return
    start = _start_of_process(pid) if host == socket.gethostname() else ""
    if start is None or (start and owner.get("born") and start != owner["born"]):
        return
    raise ArchiveError(
        f"{lock.parent} is in use by process {pid} on host {host} since {started}; "
        f"wait for it or stop it, and delete {lock} only if it is gone"
    )


def _slurm_restart():
    """How often Slurm has started this job anew."""
    given = os.environ.get("SLURM_RESTART_COUNT", "").strip() or "0"
    if not re.fullmatch(r"\d{1,9}", given):
        _warn_weaker_guarantee(f"SLURM_RESTART_COUNT={given} is no number; it is passed over")
        return 0
    return int(given)


def _start_of_process(pid):
    """When a process started, in the count of the kernel; "" where the system does not say, None where it is dead.

    Numbers of processes are used again, in containers soon. The start tells an owner from a later process of the same
    number.
    """
    if fcntl is None:
        # On Windows the call below would end the process.
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
