"""How long it takes until the first answer: python benchmarks/start.py [--cores N] [--times N]

Each row is a fresh process, from its start to its end: the median over --times of them, in seconds, and the CPU time of
the last one. The floor is a Python that does nothing. "cold" begins with an empty cache of compiled programs, "warm"
follows it with the same cache. The rows are

    import            import membrane
    help              --help of the slowest command
    predict           membrane predict ceramide
    first step        a run of ceramide.yaml of one look: build, compile, the first steps and the first row
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMANDS = "run", "predict", "ensemble", "collect", "figure", "movie", "table", "export", "configs", "info", "compare"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=1, help="on which the processes run (default 1)")
    parser.add_argument("--times", type=int, default=3, help="processes of each row (default 3)")
    options = parser.parse_args()
    # macOS binds no process to cores.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-options.cores :])
    membrane = [sys.executable, "-m", "membrane"]
    print(f"{'':24s}{'s':>8s}{'CPU s':>8s}")
    row("floor", [sys.executable, "-c", ""], options.times)
    row("import", [sys.executable, "-c", "import membrane"], options.times)
    helps = {name: timed([*membrane, name, "--help"])[0] for name in COMMANDS}
    slowest = max(helps, key=helps.get)
    row(f"help ({slowest})", [*membrane, slowest, "--help"], options.times)
    with tempfile.TemporaryDirectory() as folder:
        short = ["--set", "duration_s=0.001", "--set", "endosomes=1", "--quiet", "--overwrite", "--no-picture"]
        first = [*membrane, "run", "ceramide", *short, "--output", str(Path(folder, "first.h5"))]
        for name, command in (("predict", [*membrane, "predict", "ceramide"]), ("first step", first)):
            row(f"{name}, cold", command, options.times, folder, cold=True)
            row(f"{name}, warm", command, options.times, folder)
    return 0


def row(name: str, command: list[str], times: int, folder: str | None = None, cold: bool = False) -> None:
    """Measures a command and prints its row.

    Arguments:
        name: of the row.
        command: what is run.
        times: how often.
        folder: of the caches of compiled programs; None: the user's.
        cold: whether every process begins with an empty cache.
    """
    found = []
    for n in range(times):
        cache = None if folder is None else Path(folder, f"{name.partition(',')[0]}-{n if cold else times - 1}")
        found.append(timed(command, cache))
    print(f"{name:24s}{statistics.median(t for t, _ in found):8.2f}{found[-1][1]:8.2f}", flush=True)


def timed(command: list[str], cache: Path | None = None) -> tuple[float, float]:
    """(wall seconds, CPU seconds) of one process; ``cache``: its folder of compiled programs."""
    environment = dict(os.environ)
    if cache is not None:
        environment["JAX_COMPILATION_CACHE_DIR"] = str(cache)
    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    cpu, begin = used(), time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-500:]}")
    return seconds, used() - cpu


if __name__ == "__main__":
    sys.exit(main())
