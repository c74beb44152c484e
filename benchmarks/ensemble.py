"""Ensembles: members and ILVs per core-hour and device-hour, over the number of members, of jobs at a time and of
devices, and what it takes to collect ten thousand members.

python benchmarks/ensemble.py [--members N ...] [--jobs N ...] [--devices N ...] [--collect N ...]

Members are those of configs/ceramide.yaml with ``--endosomes`` each, for ``--duration`` seconds. Over devices it is
one run of ``--batch`` endosomes that one program advances together; where there is no GPU, the CPU is cut into as many
devices, which share its cores. Core seconds are those of the processor, which other processes disturb little; seconds
on the clock are those of the machine as it is. What is collected is one archive of the size that a member of ten
endosomes leaves (events and series; fields are not read), under as many names as there are members.
"""

import argparse
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

from membrane.archive import Archive, read
from membrane.outcome.table import EVENT_DTYPE
from membrane.sweep.folder import SweepFolder
from membrane.sweep.members import read_sweep

CERAMIDE = Path(__file__).parents[1] / "configs" / "ceramide.yaml"
TENSION = "membrane.tension_uN_per_m"


def sweep(folder: Path, name: str, members: int, **values) -> Path:
    """A sweep of as many tensions, near to that of the base."""
    vary = {"latin_hypercube": {"samples": members, "ranges": {TENSION: {"low": 0.9, "high": 1.1}}}}
    content = {"name": name, "base": str(CERAMIDE), "set": values, "vary": vary}
    (path := folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    return path


def command(folder: Path, program: str, *arguments, **environment) -> tuple[float, float]:
    """Seconds on the clock and of the processor that one of the commands takes."""
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    words = [sys.executable, "-m", f"membrane.{program}", *map(str, arguments), "--quiet"]
    subprocess.run(words, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=os.environ | environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - begun, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(folder: Path, members: list[int], jobs: list[int], **values) -> None:
    """Wall and core time of so many members, so many at a time."""
    print("members  jobs  wall (s)  core (s)  core (s)/member  members/core-h  ILVs  ILVs/core-h  bytes/member")
    for count, number in itertools.product(members, jobs):
        path = sweep(folder, f"members-{count}-jobs-{number}", count, **values)
        wall, core = command(folder, "ensemble", path, "--jobs", number)
        archives = sorted((folder / "runs" / path.stem).glob("*.h5"))
        ilvs = sum(len(read(archive).ilvs) for archive in archives)
        size = np.mean([archive.stat().st_size for archive in archives])
        print(
            f"{count:7d}  {number:4d}  {wall:8.0f}  {core:8.0f}  {core / count:15.1f}  {3600 * count / core:14.1f}  "
            f"{ilvs:4d}  {3600 * ilvs / core:11.0f}  {size:12.3g}",
            flush=True,
        )


def spread(folder: Path, devices: list[int], batch: int, **values) -> None:
    """Wall and core time of one run whose endosomes are advanced together on so many devices."""
    print("devices  endosomes  wall (s)  core (s)  endosomes/core-h  ILVs  ILVs/core-h  ILVs/device-h")
    settings = [word for key, value in (values | {"endosomes": batch}).items() for word in ("--set", f"{key}={value}")]
    for number in devices:
        output = folder / f"devices-{number}.h5"
        flags = f"--xla_force_host_platform_device_count={number} --xla_cpu_multi_thread_eigen=false"
        # The one is of no effect on a GPU, the other on a CPU.
        seen = {"XLA_FLAGS": flags, "CUDA_VISIBLE_DEVICES": ",".join(map(str, range(number)))}
        options = ["--output", output, "--batch", batch, "--no-picture"]
        wall, core = command(folder, "run", CERAMIDE, *options, *settings, **seen)
        ilvs = len(read(output).ilvs)
        print(
            f"{number:7d}  {batch:9d}  {wall:8.0f}  {core:8.0f}  {3600 * batch / core:16.0f}  {ilvs:4d}  "
            f"{3600 * ilvs / core:11.0f}  {3600 * ilvs / wall / number:13.0f}",
            flush=True,
        )


def synthetic(path: Path, endosomes: int = 10, ilvs: int = 120, rows: int = 61, columns: int = 35) -> None:
    """An archive as a member leaves it, of random numbers."""
    rng = np.random.default_rng(0)
    events = np.zeros(ilvs, EVENT_DTYPE)
    for name in EVENT_DTYPE.names:
        events[name] = rng.uniform(40, 90, ilvs) if EVENT_DTYPE[name].kind == "f" else 0
    events["direction"], events["endosome"] = 1, rng.integers(0, endosomes, ilvs)
    series = {f"column_{i}": rng.normal(size=(rows, endosomes)) for i in range(columns)}
    finish = dict(
        status="complete", wall_time_s=1.0, units={}, grid_spacing_nm=(4.0, 4.0), number_of_endosomes=endosomes
    )
    with Archive.create(path, config_yaml="duration_s: 0.06\n", name="synthetic", seed=0) as archive:
        archive.checkpoint([{}] * endosomes, {}, events, {"time_s": 0.001 * np.arange(rows)} | series)
        archive.finish(**finish)


def collect(folder: Path, numbers: list[int]) -> None:
    """Time and peak memory of collecting."""
    synthetic(one := folder / "one.h5")
    print("members  expand (s)  collect (s)  ms/member  peak memory (MiB)  archive (MB)")
    for number in numbers:
        path = sweep(folder, f"members-{number}", number)
        begun = time.monotonic()
        kept = SweepFolder(folder / "runs" / path.stem, read_sweep(path))
        kept.keep()
        expand = time.monotonic() - begun
        for member in kept.sweep.members:
            os.link(one, kept.archive(member))
        # The largest of all children so far: numbers must rise.
        wall, _ = command(folder, "collect", path)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        size = (folder / "runs" / f"{path.stem}.h5").stat().st_size / 1e6
        print(f"{number:7d}  {expand:10.1f}  {wall:11.1f}  {1e3 * wall / number:9.1f}  {peak:17.0f}  {size:12.1f}")


def main() -> None:
    """Prints the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, nargs="*", default=[4])
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--devices", type=int, nargs="*", default=[])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--endosomes", type=int, default=2)
    parser.add_argument("--duration", type=float, default=0.06)
    parser.add_argument("--collect", type=int, nargs="*", default=[100, 1000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        # First, for the memory of children is that of the largest.
        if options.collect:
            collect(Path(temporary), options.collect)
        if options.members:
            run(
                Path(temporary),
                options.members,
                options.jobs,
                endosomes=options.endosomes,
                duration_s=options.duration,
            )
        if options.devices:
            spread(Path(temporary), options.devices, options.batch, duration_s=options.duration)


if __name__ == "__main__":
    main()
