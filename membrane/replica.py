"""What a run asks of a geometry and of one endosome in it, and the schedule that all endosomes of a run keep.

A run knows no geometry. It is given :class:`Physics`, asks it for its endosomes (:class:`Replica`), and advances them
from boundary to boundary of the :class:`Schedule`. Sheet, vesicle and kinetics fit these two protocols.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
import numpy as np


class NumericalFailure(RuntimeError):
    """No step is small enough; ``state`` is the last good one."""

    def __init__(self, message: str, state: eqx.Module):
        super().__init__(message)
        self.state = state


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When a run does what. Time is counted in ticks, whole numbers, so that it carries no rounding error.

    Attributes:
        tick_s: length of a tick, in s.
        duration_ticks: length of the run.
        look_ticks: interval between two looks for vesicles that leave or fuse.
        boundary_ticks: interval between two ticks at which the run may stand still; checkpoints lie only there.
        series_ticks: interval between two rows of the time series.
        frame_ticks: interval between two frames.
        checkpoint_ticks: interval between two checkpoints, a multiple of ``boundary_ticks``.
    """

    tick_s: float
    duration_ticks: int
    look_ticks: int
    boundary_ticks: int
    series_ticks: int
    frame_ticks: int
    checkpoint_ticks: int

    @property
    def last_boundary(self) -> int:
        """The last tick within the duration at which a run may stand still. A longer run goes on from there."""
        return self.duration_ticks // self.boundary_ticks * self.boundary_ticks


@runtime_checkable
class Replica(Protocol):
    """One endosome of a run: its state, what has been recorded of it, and how it goes to a checkpoint and back."""

    @property
    def tick(self) -> int:
        """The tick that the state has reached."""

    @property
    def reached(self) -> int:
        """The tick reached so far while :meth:`advance` is under way; for the display of progress."""

    @property
    def events(self) -> list[np.ndarray]:
        """Rows of the event table (``outcome.table.EVENT_DTYPE``) so far."""

    @property
    def columns(self) -> list[str]:
        """Names of the columns of ``rows``; the first is ``time_s``."""

    @property
    def rows(self) -> list[np.ndarray]:
        """Rows of the time series so far, one every ``series_ticks``."""

    @property
    def frames(self) -> dict[int, dict[str, np.ndarray]]:
        """Fields by name of every frame so far, by its tick. The run takes out those that it has written."""

    def advance(self, until_tick: int, should_stop: Callable[[], bool]) -> None:
        """Go on to ``until_tick``, a boundary, or to an earlier one after ``should_stop`` has answered True.

        Raises NumericalFailure; the state is then the last good one.
        """

    def ending(self, last_tick: int, should_stop: Callable[[], bool]) -> tuple[list, dict] | None:
        """Rows and frames after ``tick`` up to ``last_tick``, which need not be a boundary and has one of each.

        The state of the endosome stays where it is. None where ``should_stop`` has answered True on the way.
        """

    def arrays(self) -> dict[str, np.ndarray]:
        """All that a checkpoint keeps of this endosome, by name."""


@runtime_checkable
class Physics(Protocol):
    """All that the endosomes of a run share, and the maker of them. ``membrane.builder.build`` gives one."""

    schedule: Schedule

    @property
    def grid(self):
        """The plane or the box on which the fields live (``lattice.grid.Grid``)."""

    @property
    def units(self) -> dict[str, str]:
        """Units of the columns of the time series and of the fields, by name."""

    @property
    def attributes(self) -> dict[str, float]:
        """What the archive notes of the physics."""

    def endosome(self, index: int, saved: dict | None = None, events: np.ndarray | None = None) -> Replica:
        """Endosome number ``index``, at its beginning or as a checkpoint has it.

        Arguments:
            saved: what :meth:`Replica.arrays` has given, or None for the beginning.
            events: rows of the event table so far, of all endosomes.
        """

    def check(self) -> list[str]:
        """What can be said of a run without a step of it, in words: shapes and memory."""

    def compile_all(self) -> None:
        """Compile the programs of a run, which are otherwise compiled when they are first asked for."""


_TICKS, _FIELD = "frame_ticks", "frame_field_"


def restored(saved: dict[str, np.ndarray], name: str, like):
    """The array ``name`` of a checkpoint, in the precision of ``like``, an array of the shape that it must have.

    Raises KeyError where it is absent, and ValueError where its shape or kind is another: the checkpoint then belongs
    to other physics.
    """
    found = np.asarray(saved[name])
    if found.shape != like.shape or found.dtype.kind != np.dtype(like.dtype).kind:
        raise ValueError(f"{name} is {found.dtype}{list(found.shape)}, not {like.dtype}{list(like.shape)}")
    return jnp.asarray(found, like.dtype)


def frame_arrays(frames: dict[int, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Frames that are not written yet, as arrays for a checkpoint; none without frames.

    Arguments:
        frames: fields by name, by tick. The arrays have the frames along their first axis.
    """
    if not frames:
        return {}
    ticks = sorted(frames)
    fields = {f"{_FIELD}{name}": np.stack([frames[t][name] for t in ticks]) for name in frames[ticks[0]]}
    return {_TICKS: np.array(ticks)} | fields


def waiting_frames(arrays: dict[str, np.ndarray]) -> dict[int, dict[str, np.ndarray]]:
    """Inverse of :func:`frame_arrays`; ``arrays`` are all those of a checkpoint."""
    names = [name.removeprefix(_FIELD) for name in arrays if name.startswith(_FIELD)]
    ticks = arrays[_TICKS] if names else ()
    return {int(t): {name: arrays[_FIELD + name][i] for name in names} for i, t in enumerate(ticks)}
