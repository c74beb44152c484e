"""The membrane that an endosome has to spend: what vesicles take, what fusing vesicles bring, and the books."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Supply:
    """Membrane for new vesicles: a ``reserve`` in hand at the start (nm^2) and a ``rate`` of arrival (nm^2/s).

    ``composition`` (species,) is that of the membrane which fills the hole a vesicle leaves. A vesicle can leave only
    while reserve + rate t covers all area taken so far, its own included.
    """

    reserve: float
    rate: float
    composition: np.ndarray

    def available(self, time: float, taken: float) -> float:
        """Area left to spend at ``time`` (s) after ``taken`` (nm^2)."""
        return self.reserve + self.rate * time - taken


@dataclass
class Books:
    """Content of the sheet in float64, species x nm^2: what it began with, gained by reactions, lost to vesicles,
    was given.

    ``residual`` closes to rounding: content now - (initial + reacted + supplied - removed).
    """

    initial: np.ndarray
    reacted: np.ndarray
    removed: np.ndarray
    supplied: np.ndarray
    area_taken: float = 0.0

    @classmethod
    def open(cls, content: np.ndarray) -> "Books":
        """Books of a sheet that holds ``content`` (species,)."""
        zero = np.zeros_like(content)
        return cls(content.copy(), zero.copy(), zero.copy(), zero.copy())

    def residual(self, content: np.ndarray) -> np.ndarray:
        """What is unaccounted for, species x nm^2."""
        return content - (self.initial + self.reacted + self.supplied - self.removed)

    def as_arrays(self) -> dict[str, np.ndarray]:
        """For a checkpoint."""
        return {f"books_{name}": np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Books":
        """Inverse of :meth:`as_arrays`."""
        values = {name: np.asarray(arrays[f"books_{name}"]) for name in cls.__dataclass_fields__}
        return cls(**values | {"area_taken": float(values["area_taken"])})


def content(fields, cell_area: float) -> np.ndarray:
    """Integral of each field (species, n_y, n_x) over the sheet, float64, nm^2."""
    return np.asarray(fields).sum(axis=(1, 2), dtype=np.float64) * cell_area
