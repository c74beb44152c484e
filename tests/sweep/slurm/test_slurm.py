"""A real Slurm on this machine: job arrays whose tasks are interrupted and come back give the result of a local run.

make slurm; it needs root, and Debian's packages or access to them.
"""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest
from test_run import CONFIG

pytestmark = pytest.mark.slurm

HERE = Path(__file__).parent

SWEEP = """
name: cluster
base: base.yaml
set:
  endosomes: 1
  duration_s: 0.48
  output: {series_interval_ms: 4.096, frame_interval_ms: 16.384, checkpoint_interval_ms: 8.192}
vary:
  grid: {membrane.tension_uN_per_m: [1.0, 3.0, 10.0]}
replicas: 2
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A running Slurm; SLURM_CONF tells its commands where."""
    folder = tmp_path_factory.mktemp("slurm")
    subprocess.run([HERE / "loopback.sh", "start", folder], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        patch.setenv("PYTHONPATH", str(HERE.parents[2]))
        # jax, which this process has imported, sets it.
        patch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
        yield
        subprocess.run(["scancel", "--user", "root"])
        subprocess.run([HERE / "loopback.sh", "stop", folder])


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with the sweep and, in ``local``, what it gives without a cluster."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "base.yaml").write_text(CONFIG)
    (folder / "sweep.yaml").write_text(SWEEP)
    command(folder, "ensemble", "--folder", "local", "--jobs", "2")
    command(folder, "collect", "--folder", "local")
    return folder


def command(here, program, *options):
    """One of our commands; what it said."""
    done = subprocess.run(
        [sys.executable, "-m", f"membrane.{program}", "sweep.yaml", *options], cwd=here, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def said(*words):
    """What one of Slurm's commands says."""
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def until(condition, what, seconds=600):
    """Wait."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}\n{said('squeue')}"
        time.sleep(0.2)


def begun(folder, number):
    """Whether a member has come to its third checkpoint."""
    return lambda: any(int(p.stem[-6:]) > 1 for p in (folder / f"{number:06d}.h5.partial").glob("generation-*.h5"))


def starts(folder, number):
    """How often a member was started."""
    return sum(line.startswith("$ # ") for line in (folder / f"{number:06d}.log").read_text().splitlines())


def tell(*words):
    """A signal to a task. Slurm 22.05 delivers it, and then may say for minutes that the job cannot be altered now."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(["scancel", *words], capture_output=True, timeout=4)


def finish(job):
    """Wait for the last task; a task in the queue again would be held back for two minutes."""

    def empty():
        for line in said("squeue", "--noheader", "--array", "--format=%i %T %r", f"--jobs={job}").splitlines():
            name, state, why = line.split(maxsplit=2)
            if state == "PENDING" and why == "BeginTime":
                subprocess.run(["scontrol", "update", f"jobid={name}", "StartTime=now"])
        return not said("squeue", "--noheader", f"--name={NAME}").strip()

    until(empty, "the queue does not empty")


NAME = "membrane-cluster"


def contents(path):
    """All that a collected archive says, but for the time it took."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, node: found.update({name: node[()]}) if isinstance(node, h5py.Dataset) else None)
    return {name: values for name, values in found.items() if name != "members/wall_time_s"}


def assert_equal_to_local(here, folder):
    """Bit for bit."""
    command(here, "collect", "--folder", folder)
    found, expected = contents(here / f"{folder}.h5"), contents(here / "local.h5")
    assert found.keys() == expected.keys()
    assert set(found["members/status"]) == {b"complete"}
    # Bytes, for NaN is not equal to itself; texts are objects.
    plain = lambda values: values.tolist() if values.dtype == object else values.tobytes()
    assert [name for name in expected if plain(found[name]) != plain(expected[name])] == []
    assert len(found["events"])


def test_array_with_interruptions(slurm, here):
    """Six tasks: one is told that its time is up, one is taken off its node; both come back, and nothing differs."""
    folder = here / "array"
    command(here, "ensemble", "--folder", "array", "--script", "job.sh", "--array-limit", "2", "--time", "30")
    job = said("sbatch", "--parsable", str(here / "job.sh")).strip()
    until(begun(folder, 1), "member 1 does not begin")
    tell("--batch", "--signal=USR1", f"{job}_1")
    until(begun(folder, 3), "member 3 does not begin")
    said("scontrol", "requeue", f"{job}_3")
    finish(job)
    assert [starts(folder, number) for number in range(6)] == [1, 2, 1, 2, 1, 1]
    assert_equal_to_local(here, "array")
    assert "nothing is left to do" in command(here, "ensemble", "--folder", "array", "--script", "job.sh")


def test_submission(slurm, here):
    """The same with --slurm: a task that is told by a signal goes on in the same array; while the array is queued,
    nothing is submitted twice."""
    folder = here / "submitted"
    options = ["--folder", "submitted", "--slurm", "--tasks", "3", "--time", "30"]
    job = command(here, "ensemble", *options).split("job ")[1].split(";")[0]
    refused = subprocess.run(
        [sys.executable, "-m", "membrane.ensemble", "sweep.yaml", *options], cwd=here, capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert f"is in the queue already (job {job}" in refused.stderr
    until(begun(folder, 1), "member 1 does not begin")
    tell("--batch", "--signal=USR1", f"{job}_1")
    finish(job)
    assert starts(folder, 1) == 2
    assert_equal_to_local(here, "submitted")
    assert "nothing is left to do" in command(here, "ensemble", *options)
