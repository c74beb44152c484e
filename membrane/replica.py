"""What a run asks of one endosome, whatever its geometry, and what both geometries share of it."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np


class NumericalFailure(RuntimeError):
    """No step is small enough; ``state`` is the last good one."""

    def __init__(self, message: str, state: eqx.Module):
        super().__init__(message)
        self.state = state


_TICKS, _FIELD = "frame_ticks", "frame_field_"


def restored(saved: dict[str, np.ndarray], name: str, like):
    """The array ``name``, of the shape and type of ``like``. Raises KeyError where it is absent, ValueError where it is
    of another shape or kind: it was made for other physics, or by nobody."""
    found = np.asarray(saved[name])
    if found.shape != like.shape or found.dtype.kind != np.dtype(like.dtype).kind:
        raise ValueError(f"{name} is {found.dtype}{list(found.shape)}, not {like.dtype}{list(like.shape)}")
    return jnp.asarray(found, like.dtype)


def frame_arrays(frames: dict[int, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Frames that one endosome has reached and others have not yet, {tick: fields by name}, as arrays with the frames
    along their first axis; none without frames."""
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
