"""What differs between two configurations."""

from membrane.config.sections import RunConfig

FREE_TO_CHANGE = ("duration_s", "numerics.devices", "output.keep_checkpoint")
"""Keys that may be others when a run goes on: it may last longer; another number of devices changes rounding only; what
stays of the last state changes nothing before the end."""


def changes(before: RunConfig, now: RunConfig) -> list[str]:
    """A line a key that differs, with both values; FREE_TO_CHANGE are left out."""
    old, new = _flat(before.model_dump()), _flat(now.model_dump())
    changed = [k for k in sorted(old | new) if old.get(k) != new.get(k) and k not in FREE_TO_CHANGE]
    return [f"  {k}: {old.get(k)!r} in the archive, {new.get(k)!r} now" for k in changed]


def _flat(tree: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
