"""Who may write: the lock of a folder, and the folder ``.partial`` of an unfinished run."""

import fcntl
import json
import os
import shutil
import socket
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from membrane.archive.files import ArchiveError, explained, sync


def partial_of(path):
    """The folder of an unfinished run beside its archive."""
    return path.with_name(path.name + ".partial")


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
            # Not created and then filled: whoever is killed in between would leave a lock that nobody can judge.
            os.link(written, lock)
            owned = True
        except FileExistsError:
            owned = _taken_over(lock, written)
        finally:
            written.unlink(missing_ok=True)


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
        fcntl.flock(file, fcntl.LOCK_EX)
        _judge(lock, file.read())
        try:
            same = os.path.samestat(os.fstat(file.fileno()), os.stat(lock))
        except FileNotFoundError:
            return False
        if same:
            os.replace(written, lock)
        return same


def _judge(lock, text):
    """ArchiveError unless the owner that the text of a lock names is dead, as far as can be judged from here."""
    try:
        owner = json.loads(text)
        host, pid, started = owner["host"], owner["pid"], owner["started_utc"]
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveError(f"{lock} is unreadable; delete it if no process is writing there") from error
    # Slurm starts a requeued job again, on whatever host, only when nothing of its last start is left.
    if owner.get("slurm_job") and owner["slurm_job"] == os.environ.get("SLURM_JOB_ID"):
        if owner["slurm_restart"] < _slurm_restart():
            return
    born = _born(pid) if host == socket.gethostname() else ""
    if born is None or (born and owner.get("born") and born != owner["born"]):
        return
    raise ArchiveError(
        f"{lock.parent} is in use by process {pid} on host {host} since {started}; "
        f"wait for it or stop it, and delete {lock} only if it is gone"
    )


def _slurm_restart():
    return int(os.environ.get("SLURM_RESTART_COUNT", 0))


def _born(pid):
    """When a living process started, in the kernel's count ("" where the system does not tell); None if dead.

    Process numbers are used again, and in containers soon: the birth tells an owner from its successor.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return None if status[0] in "ZX" else status[19]
