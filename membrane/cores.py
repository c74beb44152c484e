"""How many cores this process may use."""

import os


def cores() -> int:
    """Those of a Slurm task where there is one, which need not be bound to them, else those it may run on."""
    given = os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_CPUS_ON_NODE")
    if given:
        return int(given)
    # macOS binds no process to cores.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
