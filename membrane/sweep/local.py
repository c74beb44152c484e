"""Members of a sweep on this machine: a process each, so many at a time."""

import logging
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from queue import SimpleQueue

from membrane.archive import owner_here
from membrane.paths import PathError
from membrane.program.console import BAD_INPUT
from membrane.program.cores import cores, devices
from membrane.sweep.folder import SweepFolder
from membrane.sweep.members import Member

log = logging.getLogger("membrane")


def default_jobs(members: int) -> int:
    """One at a time and GPU, else one a core."""
    return max(1, min(len(devices()) or cores(), members))


Ended = int | OSError | PathError | None
"""How a member ended: its exit code, None where it was stopped before its start, the error where it could not start."""


class Local:
    """Runs members with ``jobs`` processes at a time, which share the cores and take a GPU each, as far as there are.

    ``stop`` is asked every quarter of a second: then no member starts, and those that run are told to save. A member
    that another process of this host runs, left over from an ensemble that died, is waited for.
    """

    def __init__(self, folder: SweepFolder, jobs: int, stop: Callable[[], bool]):
        self.folder, self.jobs, self.stop = folder, jobs, stop
        self.threads = max(1, cores() // jobs)
        self._slots: SimpleQueue[int] = SimpleQueue()
        for slot in range(jobs):
            self._slots.put(slot)
        self._running: set[subprocess.Popen] = set()
        self._told: set[subprocess.Popen] = set()
        self._lock = threading.Lock()

    def run(self, members: Sequence[Member], ended: Callable[[Member, Ended], None]) -> None:
        """All ``members``; ``ended`` is called with each and how it ended."""
        with ThreadPoolExecutor(self.jobs) as pool:
            pending = {pool.submit(self._one, member): member for member in members}
            while pending:
                done, _ = wait(pending, timeout=0.25, return_when=FIRST_COMPLETED)
                if self.stop():
                    self._tell()
                for future in done:
                    ended(pending.pop(future), future.result())

    def command(self, member: Member) -> list[str]:
        """What a member runs."""
        base, output = self.folder.kept_base, self.folder.archive(member)
        command = [sys.executable, "-m", "membrane.run", str(base), "--output", str(output), "--resume"]
        command += ["--quiet", "--no-picture", "--threads", str(self.threads)]
        return command + [word for setting in member.settings for word in ("--set", setting)]

    def _one(self, member: Member) -> Ended:
        slot = self._slots.get()
        try:
            while True:
                self._wait(member)
                if self.stop():
                    return None
                code = self._process(member, slot)
                # Another process was faster, and is waited for in its turn.
                if code != BAD_INPUT or owner_here(self.folder.archive(member)) is None:
                    return code
        except (OSError, PathError) as error:
            return error
        finally:
            self._slots.put(slot)

    def _wait(self, member: Member) -> None:
        """Until no other process runs a member, or all is to stop."""
        owner = owner_here(self.folder.archive(member))
        if owner is not None:
            log.info("member %06d is run by process %d; waiting for it", member.number, owner)
        while owner is not None and not self.stop():
            time.sleep(0.25)
            owner = owner_here(self.folder.archive(member))

    def _process(self, member: Member, slot: int) -> int:
        """Its exit code."""
        command, gpus = self.command(member), devices()
        environment = {**os.environ, **({"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]} if gpus else {})}
        with self.folder.open_log(member) as said:
            print(f"$ # {datetime.now(UTC).isoformat(timespec='seconds')}", file=said)
            print(f"$ {shlex.join(command)}", file=said, flush=True)
            # In a session of its own: a Ctrl-C comes to it once, through us.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment, start_new_session=True
            )
            with self._lock:
                self._running.add(process)
            code = process.wait()
            with self._lock:
                self._running.discard(process)
        return code

    def _tell(self) -> None:
        with self._lock:
            for process in self._running - self._told:
                process.send_signal(signal.SIGTERM)
                self._told.add(process)
