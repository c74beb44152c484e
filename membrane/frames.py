"""Frames that one endosome has reached and others have not yet, in a checkpoint."""

import numpy as np

_TICKS, _FIELD = "frame_ticks", "frame_field_"


def frame_arrays(frames: dict[int, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """``frames``, {tick: fields by name}, as arrays with the frames along their first axis; none without frames."""
    if not frames:
        return {}
    ticks = sorted(frames)
    fields = {f"{_FIELD}{name}": np.stack([frames[t][name] for t in ticks]) for name in frames[ticks[0]]}
    return {_TICKS: np.array(ticks)} | fields


def waiting_frames(arrays: dict[str, np.ndarray]) -> dict[int, dict[str, np.ndarray]]:
    """Inverse of :func:`frame_arrays`, among the other arrays of a checkpoint."""
    names = [name.removeprefix(_FIELD) for name in arrays if name.startswith(_FIELD)]
    ticks = arrays[_TICKS] if names else ()
    return {int(t): {name: arrays[_FIELD + name][i] for name in names} for i, t in enumerate(ticks)}
