"""kill -9 at any instant: every file that is left can be read, and what goes on from it is bitwise the whole run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from test_run import CONFIG, assert_bitwise_equal

from membrane.archive import read
from membrane.archive.folder import read_generation

KILLS = 100

OPTIONS = ["--set", "duration_s=0.002048", "--set", "output.checkpoint_interval_ms=0.128"]
OPTIONS += ["--set", "output.series_interval_ms=0.128", "--set", "output.frame_interval_ms=0.256"]


SERVER = """
import os, pickle, sys
from pathlib import Path
from membrane.builder import sheet as build
from membrane.commands import run

measure, kept = build.measure_wall, Path(sys.argv[1])

def remembered(*mixture):
    # The wall compiles for seconds and is the same in every run here.
    if not kept.exists():
        kept.write_bytes(pickle.dumps(measure(*mixture)))
    return pickle.loads(kept.read_bytes())

build.measure_wall = remembered
for line in sys.stdin:
    if not (pid := os.fork()):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(run.main(line.split()))
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
"""Has imported everything, and no jax has started a thread yet: each run is a process forked off here."""


class Command:
    """The command, in processes of its own, which goes on if there is something to go on from."""

    def __init__(self, folder):
        (folder / "tiny.yaml").write_text(CONFIG)
        self.folder, arguments = folder, [sys.executable, "-c", SERVER, folder / "wall"]
        self.server = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self, output):
        """Its process number, once it owns its folder."""
        arguments = [self.folder / "tiny.yaml", "--output", output, "--resume", "--quiet", "--no-picture", *OPTIONS]
        print(*arguments, file=self.server.stdin, flush=True)
        pid = int(self.server.stdout.readline())
        lock = output.with_name(output.name + ".partial") / "lock"
        while not _holds(lock, f'"pid": {pid},') and not _dead(pid):
            time.sleep(0.001)
        return pid

    def end(self):
        """Its exit code."""
        return int(self.server.stdout.readline())


def _dead(pid):
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def _holds(path, words):
    try:
        return words in path.read_text()
    except OSError:
        return False


def check_files(output):
    """Whatever can be seen is whole: header, generations with their seals, frames, archive."""
    if output.exists():
        assert read(output).attributes["status"] == "complete"
    partial = output.with_name(output.name + ".partial")
    if partial.is_dir():
        assert read(partial).attributes["seed"] == 3
        for path in partial.glob("generation-*.h5"):
            read_generation(path)
        for path in partial.glob("frame-*.h5"):
            with h5py.File(path) as file:
                assert np.isfinite(file["phi"][()]).all()


@pytest.mark.slow
def test_kill_at_random_instants(tmp_path, settings_of_main):
    """A hundred kills, evenly over the time from the first file to the last; each run then ends as if never killed."""
    command, whole = Command(tmp_path), tmp_path / "whole.h5"
    for _ in range(2):  # the second time without compilation
        whole.unlink(missing_ok=True)
        command.begin(whole)
        begun = time.monotonic()
        assert command.end() == 0
        lasts = time.monotonic() - begun
    generator, kills, late = np.random.default_rng(1), 0, 0
    while kills < KILLS:
        output = tmp_path / "run.h5"
        pid = command.begin(output)
        time.sleep(generator.uniform(0, lasts))
        if not _dead(pid):
            os.kill(pid, signal.SIGKILL)
        killed = command.end() == -signal.SIGKILL
        kills, late = kills + killed, late + (not killed)
        assert late < KILLS
        check_files(output)
        command.begin(output)
        assert command.end() == 0
        assert_bitwise_equal(output, whole)
        # What its killed predecessor had under way is gone as well.
        assert {p.name for p in tmp_path.iterdir()} == {"tiny.yaml", "wall", "whole.h5", output.name}
        output.unlink()
    command.server.stdin.close()
    assert command.server.wait() == 0
