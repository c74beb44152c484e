"""Members of a sweep on this machine: each is a process, and a given number runs at a time."""

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

from membrane.archive import owner_pid
from membrane.paths import PathError
from membrane.program.console import BAD_INPUT
from membrane.program.cores import cores, devices
from membrane.sweep.folder import SweepFolder
from membrane.sweep.members import Member

log = logging.getLogger("membrane")


def default_jobs(members: int) -> int:
    """How many members run at a time unless the user says otherwise: one a GPU, or one a core where there is no GPU."""
    return max(1, min(len(devices()) or cores(), members))


Ended = int | OSError | PathError | None
"""How a member ended: its exit code; None where it was stopped before its start; the error where it could not start."""


class Local:
    """Runs members as processes, which share the cores; each takes a GPU where there are GPUs.

    ``folder``: the folder of the sweep.
    ``jobs``: the number of processes at a time.
    ``stop``: says whether all is to stop. It is called every quarter of a second. Once it returns True no further
        member starts, and those that run are told to save.

    A member that another process of this host still runs, left over from an ensemble that died, is waited for.
    """

    def __init__(self, folder: SweepFolder, jobs: int, stop: Callable[[], bool]):
        self.folder, self.jobs, self.stop = folder, jobs, stop
        self.threads = max(1, cores() // jobs)
        self._slots: SimpleQueue[int] = SimpleQueue()
        for slot in range(jobs):
            self._slots.put(slot)
        self._running: set[subprocess.Popen] = set()
        self._signalled: set[subprocess.Popen] = set()
        self._lock = threading.Lock()

    def run(self, members: Sequence[Member], ended: Callable[[Member, Ended], None]) -> None:
        """Run all ``members``. ``ended`` is called with each of them and how it ended."""
        with ThreadPoolExecutor(self.jobs) as pool:
            pending = {pool.submit(self._run_member, member): member for member in members}
            while pending:
                done, _ = wait(pending, timeout=0.25, return_when=FIRST_COMPLETED)
                if self.stop():
                    self._stop_running()
                for future in done:
                    ended(pending.pop(future), future.result())

    def command(self, member: Member) -> list[str]:
        """The command that runs a member."""
        base, output = self.folder.kept_base, self.folder.archive(member)
        command = [sys.executable, "-m", "membrane.run", str(base), "--output", str(output), "--resume"]
        command += ["--quiet", "--no-picture", "--threads", str(self.threads)]
        return command + [word for setting in member.settings for word in ("--set", setting)]

    def _run_member(self, member: Member) -> Ended:
        """Run a member in a free slot. It is run again where another process had taken it first."""
        slot = self._slots.get()
        try:
            while True:
                self._wait_for_owner(member)
                if self.stop():
                    return None
                code = self._process(member, slot)
                # Another process has taken the member meanwhile; it is waited for in the next round.
                if code != BAD_INPUT or owner_pid(self.folder.archive(member)) is None:
                    return code
        except (OSError, PathError) as error:
            return error
        finally:
            self._slots.put(slot)

    def _wait_for_owner(self, member: Member) -> None:
        """Wait until no other process runs the member, or all is to stop."""
        owner = owner_pid(self.folder.archive(member))
        if owner is not None:
            log.info("member %06d is run by process %d; waiting for it", member.number, owner)
        while owner is not None and not self.stop():
            time.sleep(0.25)
            owner = owner_pid(self.folder.archive(member))

    def _process(self, member: Member, slot: int) -> int:
        """Run the process of a member and return its exit code. What it prints goes to the log of the member."""
        command, gpus = self.command(member), devices()
        environment = {**os.environ, **({"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]} if gpus else {})}
        with self.folder.open_log(member) as output:
            print(f"$ # {datetime.now(UTC).isoformat(timespec='seconds')}", file=output)
            print(f"$ {shlex.join(command)}", file=output, flush=True)
            # In a session of its own, the process does not get the Ctrl-C of the terminal as well.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
            )
            with self._lock:
                self._running.add(process)
            code = process.wait()
            with self._lock:
                self._running.discard(process)
        return code

    def _stop_running(self) -> None:
        """Tell each running process once to save and end."""
        with self._lock:
            for process in self._running - self._signalled:
                process.send_signal(signal.SIGTERM)
                self._signalled.add(process)
