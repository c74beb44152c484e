"""The ledger of a limiting membrane: how much of each species it began with, gained, lost and was given."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Ledger:
    """Contents of the membrane, arrays (species,) in nm^2, in float64. A content is the integral of a field.

    Attributes:
        initial: at the start.
        reacted: gained by reactions.
        removed: lost to vesicles.
        supplied: given by new membrane.
        recycled: lost with host that was recycled.
    """

    initial: np.ndarray
    reacted: np.ndarray
    removed: np.ndarray
    supplied: np.ndarray
    recycled: np.ndarray

    @classmethod
    def open(cls, content: np.ndarray) -> "Ledger":
        """The ledger of a membrane that holds ``content`` (species,) at the start."""
        zero = np.zeros_like(content)
        return cls(content.copy(), *(zero.copy() for _ in range(4)))

    def residual(self, content: np.ndarray) -> np.ndarray:
        """content - (initial + reacted + supplied - removed - recycled) in nm^2: 0 but for rounding."""
        return content - (self.initial + self.reacted + self.supplied - self.removed - self.recycled)

    def as_arrays(self) -> dict[str, np.ndarray]:
        """Arrays for a checkpoint, which calls them books."""
        return {f"books_{name}": np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Ledger":
        """Inverse of :meth:`as_arrays`."""
        return cls(**{name: np.asarray(arrays[f"books_{name}"]) for name in cls.__dataclass_fields__})
