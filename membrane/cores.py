"""How many cores this process may use."""

import os


def cores() -> int:
    """Those of a Slurm task where there is one, which need not be bound to them, else those it may run on."""
    given = os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_CPUS_ON_NODE")
    return int(given) if given else len(os.sched_getaffinity(0))
