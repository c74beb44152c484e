"""Bounds of times and sizes together: ticks, rows and points stay so few that they can be counted and kept."""

from collections.abc import Mapping

MOST_TICKS = 2**31
"""Ticks of a run. Time is counted in integers of 32 bits."""

MOST_INTERVAL_TICKS = 2**30
"""Ticks of an interval. An interval added to a time is still counted in 32 bits."""

MOST_ROWS = 100_000_000
"""Rows of /series of all endosomes together. They take some ten gigabytes."""

MOST_FRAMES = 1_000_000
"""Frames of a run."""

MOST_POINTS_TOGETHER = 2**32
"""Grid points of all endosomes together. One field of them takes 16 GiB."""


def time_faults(times: Mapping[str, tuple[float, float]], tick_key: str, tick: float, tick_s: float) -> list[str]:
    """A sentence for each time that holds too many ticks.

    ``times``: for each key its value as given, and the same time in s.
    ``tick_key``: the key of the tick.
    ``tick``: the tick as given, in the unit of its key.
    ``tick_s``: the tick in s.
    """
    faults = []
    for key, (given, seconds) in times.items():
        most = MOST_TICKS if key == "duration_s" else MOST_INTERVAL_TICKS
        if seconds >= most * tick_s:
            faults.append(
                f"{key} {given:g} is more than {most:.3g} times {tick_key} {tick:g}: take a longer {tick_key} or a "
                f"shorter {key}"
            )
    return faults


def count_faults(config, step_s: float, points: float) -> list[str]:
    """A sentence for each number (of rows, frames or points) that is larger than can be kept.

    ``config``: a configuration of a run.
    ``step_s``: the shortest time between two rows, s.
    ``points``: grid points of one endosome.
    """
    output, faults = config.output, []
    rows = config.endosomes * config.duration_s / max(output.series_interval_ms * 1e-3, step_s)
    if rows > MOST_ROWS:
        faults.append(
            f"duration_s {config.duration_s:g} with output.series_interval_ms {output.series_interval_ms:g} makes "
            f"{rows:.3g} rows of {config.endosomes} endosomes; {MOST_ROWS:.3g} are the most: take a longer interval"
        )
    interval = getattr(output, "frame_interval_ms", None)
    frames = config.duration_s / max(interval * 1e-3, step_s) if interval else 0
    if frames > MOST_FRAMES:
        faults.append(
            f"duration_s {config.duration_s:g} with output.frame_interval_ms {interval:g} makes "
            f"{frames:.3g} frames; {MOST_FRAMES:.3g} are the most: take a longer interval"
        )
    if config.endosomes * points > MOST_POINTS_TOGETHER:
        faults.append(
            f"endosomes {config.endosomes} of {points:.3g} points each (geometry.box_nm, geometry.spacing_nm) are "
            f"{config.endosomes * points:.3g} points; {MOST_POINTS_TOGETHER:.3g} are the most: take fewer endosomes or "
            "a coarser grid"
        )
    return faults
