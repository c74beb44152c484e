"""What ``--check`` says of a run before it is made: shapes, memory, and, after a trial, time."""

import resource
import sys
import time

import numpy as np

from membrane.config import Config
from membrane.console import COMPLETE, FAILED
from membrane.event_table import EVENT_DTYPE
from membrane.geometries import REPLICAS
from membrane.simulate import NumericalFailure


def check(config: Config, physics, trial_s: float | None) -> int:
    """Shapes, memory and what is known of the start, without a step; with one endosome on trial, time as well."""
    points = " x ".join(str(n) for n in physics.grid.shape[::-1])
    print(f"{config.name}: {config.endosomes} endosomes of {points} points, {physics.grid.dtype}")
    print(*REPLICAS[config.kind][1].check(physics), sep="\n")
    if trial_s is not None:
        try:
            print(_trial(config, physics, trial_s))
        except NumericalFailure as failure:
            print(f"membrane.run: {failure}", file=sys.stderr)
            return FAILED
    print("configuration is valid")
    return COMPLETE


def _trial(config: Config, physics, seconds: float) -> str:
    """What the run will take at the pace of one endosome after ``seconds``, in words: steps grow longer as domains do,
    so it is a bound."""
    start = time.process_time()
    endosome = REPLICAS[config.kind][1](physics, config.seed, 0, None, np.zeros(0, EVENT_DTYPE))
    middle, end = (time.monotonic() + share * seconds for share in (0.5, 1.0))
    endosome.advance(physics.duration_ticks, lambda: time.monotonic() > middle)
    begun, spent = endosome.tick, time.process_time()
    once = iter([False])
    endosome.advance(physics.duration_ticks, lambda: next(once, True) and time.monotonic() > end)
    ticks, spent = endosome.tick - begun, time.process_time() - spent
    core_s = start + (config.endosomes * physics.duration_ticks * spent / ticks if ticks else 0.0)
    state = sum(value.nbytes for value in endosome.arrays().values())
    # Linux counts in KiB.
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + (config.endosomes - 1) * state
    reached = endosome.tick * physics.tick_s * 1e3
    return f"estimate: at most {core_s:.3g} core s, {memory / 2**20:.0f} MiB (one endosome was run to {reached:.3g} ms)"
