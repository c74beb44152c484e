"""What a configuration's times and sizes may be together, so that counts of ticks, rows and points stay countable."""

from collections.abc import Mapping

MOST_TICKS = 2**31
"""Time is counted in 32 bits."""

MOST_INTERVAL_TICKS = 2**30
"""An interval added to a time is still counted in 32 bits."""

MOST_ROWS = 100_000_000
"""Rows of /series of all endosomes together: some ten gigabytes."""

MOST_FRAMES = 1_000_000

MOST_POINTS_TOGETHER = 2**32
"""Points of all endosomes together: one field of them takes 16 GiB."""


def time_faults(times: Mapping[str, tuple[float, float]], tick_key: str, tick: float, tick_s: float) -> list[str]:
    """Times that hold too many ticks. ``times``: {key: (as given, in s)}; a tick as it is given, and in s."""
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
    """More rows, frames or points than can be kept. ``step_s``: the shortest time between two rows; ``points`` of the
    grid of one endosome."""
    output, faults = config.output, []
    rows = config.endosomes * config.duration_s / max(output.series_interval_ms * 1e-3, step_s)
    if rows > MOST_ROWS:
        faults.append(
            f"duration_s {config.duration_s:g} with output.series_interval_ms {output.series_interval_ms:g} makes "
            f"{rows:.3g} rows of {config.endosomes} endosomes; {MOST_ROWS:.3g} are the most: take a longer interval"
        )
    frames = config.duration_s / max(output.frame_interval_ms * 1e-3, step_s)
    if frames > MOST_FRAMES:
        faults.append(
            f"duration_s {config.duration_s:g} with output.frame_interval_ms {output.frame_interval_ms:g} makes "
            f"{frames:.3g} frames; {MOST_FRAMES:.3g} are the most: take a longer interval"
        )
    if config.endosomes * points > MOST_POINTS_TOGETHER:
        faults.append(
            f"endosomes {config.endosomes} of {points:.3g} points each (geometry.box_nm, geometry.spacing_nm) are "
            f"{config.endosomes * points:.3g} points; {MOST_POINTS_TOGETHER:.3g} are the most: take fewer endosomes or "
            "a coarser grid"
        )
    return faults
