"""What ``membrane run --check`` says of a run before it is made: shapes, memory and, after a trial, time."""

import sys
import time

from membrane.config import Config
from membrane.program.console import COMPLETE, FAILED
from membrane.program.cores import cores
from membrane.replica import NumericalFailure

MIB = 2**20


def check(config: Config, physics, trial_s: float | None) -> int:
    """Print what is known of a run before its first step; returns the exit code.

    ``trial_s``: seconds for which one endosome is advanced, to estimate the time that the run takes; None: no estimate.
    """
    points = " x ".join(str(n) for n in physics.grid.shape[::-1])
    of_points = f" of {points} points" if points else ""
    print(f"{config.name}: {config.endosomes} endosomes{of_points}, {physics.grid.dtype}")
    print(*physics.check(), sep="\n")
    endosome = physics.endosome(0)
    print(f"memory of the process: about {_memory(endosome, config) / MIB:.0f} MiB with all endosomes")
    if trial_s is not None:
        try:
            print(_trial(endosome, config, physics, trial_s))
        except NumericalFailure as failure:
            print(f"membrane run: {failure}", file=sys.stderr)
            return FAILED
    print("configuration is valid")
    return COMPLETE


def _trial(endosome, config: Config, physics, seconds: float) -> str:
    """What the run will take, estimated from one endosome, in words.

    All programs are compiled first. Then the endosome is advanced for ``seconds`` on the clock. The estimate rests on
    the second half of that time, or on the whole run of this endosome if it ends sooner. Steps grow longer as domains
    do, so that the run takes at most what is estimated.
    """
    physics.compile_all()
    schedule = physics.schedule
    once, start = time.process_time(), time.monotonic()
    marks = [(endosome.tick, once)]
    for share in (0.5, 1.0):
        # At least one chunk, even if it lasts longer.
        endosome.advance(
            schedule.last_boundary,
            lambda begun=endosome.tick, end=start + share * seconds: (
                endosome.reached > begun and time.monotonic() > end
            ),
        )
        marks.append((endosome.tick, time.process_time()))
    if endosome.tick == schedule.last_boundary:
        endosome.ending(schedule.duration_ticks, lambda: False)
        marks = [marks[0], (schedule.duration_ticks, time.process_time())]
    ticks, spent = (after - before for before, after in zip(*marks[-2:]))
    reached = f"one endosome was run to {marks[-1][0] * schedule.tick_s * 1e3:.3g} ms"
    core_s = once + config.endosomes * schedule.duration_ticks * spent / ticks
    each = once + -(-config.endosomes // cores()) * schedule.duration_ticks * spent / ticks
    memory = _memory(endosome, config) / MIB
    number = f"{cores()} core{'' if cores() == 1 else 's'}"
    return f"estimate: at most {core_s:.3g} core s, {memory:.0f} MiB; about {_words(each)} on {number} ({reached})"


def _words(seconds: float) -> str:
    """A time in a unit in which it is easy to read."""
    units = ((86400, "days"), (3600, "h"), (60, "min"), (1, "s"))
    scale, unit = next(((s, u) for s, u in units if seconds >= 2 * s), units[-1])
    return f"{seconds / scale:.2g} {unit}" if seconds < 10 * scale else f"{seconds / scale:.0f} {unit}"


def _memory(endosome, config: Config) -> float:
    """Memory in bytes: the most that this process has used so far, compilers included, and what the states of the other
    endosomes will take. NaN where the system does not say."""
    try:
        import resource
    except ImportError:
        return float("nan")
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    state = sum(value.nbytes for value in endosome.arrays().values())
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit + (config.endosomes - 1) * state)
