"""The differences between two configurations."""

from membrane.config.sections import RunConfig

FREE_TO_CHANGE = ("duration_s", "numerics.devices", "output.keep_checkpoint")
"""Keys that may have another value when a run goes on. A run may last longer. Another number of devices changes
rounding only. Whether the last state is kept changes nothing before the end."""


def changes(before: RunConfig, now: RunConfig) -> list[str]:
    """A line for each key that differs, with both values. The keys FREE_TO_CHANGE are left out.

    ``before``: the configuration of the archive.
    ``now``: the configuration that the run is to go on with.
    """
    old, new = _flat(before.model_dump()), _flat(now.model_dump())
    changed = [k for k in sorted(old | new) if old.get(k) != new.get(k) and k not in FREE_TO_CHANGE]
    return [f"  {k}: {old.get(k)!r} in the archive, {new.get(k)!r} now" for k in changed]


def _flat(tree: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
