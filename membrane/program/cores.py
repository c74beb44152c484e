"""How many cores this process may use, and which GPUs."""

import logging
import os
import re
from functools import cache

log = logging.getLogger("membrane")


def cores() -> int:
    """The number of cores of the Slurm task where there is one, else of those that the process may run on.

    Slurm need not bind a task to its cores, so that its own variables come first.
    """
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        if given := whole_number(name, least=1):
            return given
    # macOS and Windows bind no process to cores.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def devices() -> list[str]:
    """The GPUs that CUDA_VISIBLE_DEVICES names; none where it is not set.

    As CUDA does, it reads up to the first word that names no GPU. A warning says so, unless the word means "none".
    """
    found: list[str] = []
    given = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    for word in (word.strip() for word in given.split(",") if word.strip()):
        if not re.fullmatch(r"\d+|(GPU|MIG)-\S+", word):
            if word.lower() not in ("-1", "none", "void", "nodevfiles"):
                _warn(f"CUDA_VISIBLE_DEVICES={given}: {word!r} is no GPU; it and what follows are passed over")
            break
        if word not in found:
            found.append(word)
    return found


def whole_number(name: str, *, least: int) -> int | None:
    """The environment variable ``name`` as a number; None where it is not set.

    What is no whole number from ``least`` on gives None as well, with a warning.
    """
    text = os.environ.get(name, "").strip()
    if text and not (re.fullmatch(r"\d{1,9}", text) and int(text) >= least):
        return _warn(f"{name}={text} is no number from {least} on; it is passed over")
    return int(text) if text else None


@cache
def _warn(text: str) -> None:
    """Logs a warning, each text only once in a process."""
    log.warning("%s", text)
