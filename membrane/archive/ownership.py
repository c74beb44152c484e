"""Who may write: the lock of a folder, and the folder ``.partial`` of an unfinished run."""

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


@contextmanager
def new_partial(path):
    """A folder, locked, that becomes the ``.partial`` of ``path`` once the block has filled it."""
    folder = path.with_name(f"{path.name}.new-{os.getpid()}")
    partial = partial_of(path)
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


def discard(partial):
    """Remove a folder; the rename makes it vanish at once, so that nobody resumes from half of it."""
    doomed = partial.with_name(f"{partial.name}.old-{os.getpid()}")
    # Of a process of the same number that was killed here.
    shutil.rmtree(doomed, ignore_errors=True)
    os.rename(partial, doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def own(folder):
    """Own a folder, taking over the lock of a process of this host that has died; ArchiveError if it is held."""
    lock = folder / "lock"
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "born": _born(os.getpid()), "started_utc": now()}
    owner |= {"slurm_job": os.environ.get("SLURM_JOB_ID"), "slurm_restart": _slurm_restart()}
    written = folder / f"lock-{socket.gethostname()}-{os.getpid()}.new.tmp"
    while True:
        written.write_text(json.dumps(owner))
        try:
            # Not created and then filled: whoever is killed in between would leave a lock that nobody can judge.
            os.link(written, lock)
            return
        except FileExistsError:
            found = _stale(lock)
        finally:
            written.unlink(missing_ok=True)
        # Of two processes that find the same stale lock only one may take it: the other's rename meets a fresh one.
        aside = folder / f"lock-{socket.gethostname()}-{os.getpid()}.tmp"
        os.replace(lock, aside)
        if aside.read_text() != found:
            os.replace(aside, lock)
            raise ArchiveError(f"{folder} has just been taken by another process; wait for it or stop it")
        aside.unlink()


def _stale(lock):
    """The text of a lock whose owner is dead; ArchiveError where it lives or cannot be judged from here."""
    text = lock.read_text()
    try:
        owner = json.loads(text)
        host, pid, started = owner["host"], owner["pid"], owner["started_utc"]
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveError(f"{lock} is unreadable; delete it if no process is writing there") from error
    # Slurm starts a requeued job again, on whatever host, only when nothing of its last start is left.
    if owner.get("slurm_job") and owner["slurm_job"] == os.environ.get("SLURM_JOB_ID"):
        if owner["slurm_restart"] < _slurm_restart():
            return text
    born = _born(pid) if host == socket.gethostname() else ""
    if born is None or (born and owner.get("born") and born != owner["born"]):
        return text
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
