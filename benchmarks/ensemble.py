"""Ensembles: members and ILVs per core-hour, several jobs at a time, and what it takes to collect ten thousand members.

python benchmarks/ensemble.py [--endosomes N] [--members N] [--jobs 1 2 ...] [--collect N ...]

The members are those of configs/ceramide.yaml with a few endosomes. What is collected is one archive of the size that
a member of ten endosomes leaves (events and series; fields are not read), under as many names as there are members.
"""

import argparse
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
from membrane.event_table import EVENT_DTYPE
from membrane.sweep import read_sweep
from membrane.sweep_folder import SweepFolder

CERAMIDE = Path(__file__).parents[1] / "configs" / "ceramide.yaml"
TENSION = "membrane.tension_uN_per_m"


def sweep(folder: Path, name: str, members: int, **values) -> Path:
    """A sweep of as many tensions, near to that of the base."""
    vary = {"latin_hypercube": {"samples": members, "ranges": {TENSION: {"low": 0.9, "high": 1.1}}}}
    content = {"name": name, "base": str(CERAMIDE), "set": values, "vary": vary}
    (path := folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    return path


def command(folder: Path, program: str, *arguments) -> float:
    """Seconds that one of the commands takes."""
    begun = time.monotonic()
    words = [sys.executable, "-m", f"membrane.{program}", *map(str, arguments), "--quiet"]
    subprocess.run(words, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def run(folder: Path, members: int, endosomes: int, jobs: list[int]) -> None:
    """Wall and core time of the same members, so many at a time."""
    print("jobs  wall (s)  core (s)  members/core-h  endosomes/core-h  ILVs/core-h  bytes/member")
    for number in jobs:
        path = sweep(folder, f"jobs-{number}", members, endosomes=endosomes)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall = command(folder, "ensemble", path, "--jobs", number)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        core = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        archives = sorted((folder / "runs" / f"jobs-{number}").glob("*.h5"))
        ilvs = sum(len(read(archive).ilvs) for archive in archives)
        size = np.mean([archive.stat().st_size for archive in archives])
        rates = [3600 * count / core for count in (members, members * endosomes, ilvs)]
        print(
            f"{number:4d}  {wall:8.0f}  {core:8.0f}  {rates[0]:14.1f}  {rates[1]:16.0f}  {rates[2]:11.0f}  {size:12.3g}"
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
        wall = command(folder, "collect", path)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        size = (folder / "runs" / f"{path.stem}.h5").stat().st_size / 1e6
        print(f"{number:7d}  {expand:10.1f}  {wall:11.1f}  {1e3 * wall / number:9.1f}  {peak:17.0f}  {size:12.1f}")


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--endosomes", type=int, default=2)
    parser.add_argument("--jobs", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--collect", type=int, nargs="*", default=[100, 1000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        # First, for the memory of children is that of the largest.
        collect(Path(temporary), options.collect)
        if options.jobs:
            run(Path(temporary), options.members, options.endosomes, options.jobs)


if __name__ == "__main__":
    main()
