"""The books of a sheet: what of each species it began with, gained, lost and was given."""

from dataclasses import dataclass

import numpy as np


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
        return cls(**{name: np.asarray(arrays[f"books_{name}"]) for name in cls.__dataclass_fields__})


def content(fields, cell_area: float) -> np.ndarray:
    """Integral of each field (species, n_y, n_x) over the sheet, float64, nm^2."""
    return np.asarray(fields).sum(axis=(1, 2), dtype=np.float64) * cell_area
