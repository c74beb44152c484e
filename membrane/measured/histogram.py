"""A measured size distribution: a histogram with what is known of its error."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from membrane.extras import needed
from membrane.measured.grid import MeasuredError
from membrane.outcome.binned import quantile

if TYPE_CHECKING:
    import pandas

VALUES = ("count", "concentration", "density")
"""What the values of a histogram may be."""

SIZES_NM = (5.0, 20000.0)
"""Medians outside of this range are not of vesicles: no bilayer closes below it, and no cell is larger."""


@dataclass(frozen=True, eq=False)
class Measured:
    """A measured size distribution.

    ``edges_nm`` (bins + 1,): edges of the bins of the diameter in nm, rising.
    ``values`` (bins,): what was measured in each bin, not negative.
    ``what``: ``count`` (particles), ``concentration`` (particles per ml in a bin) or ``density`` (particles per nm, in
        any unit).
    ``n_effective``: how many particles stand behind the values; None where the file does not tell.
    ``instrument``: ``nta``, ``trps`` or None where the file does not tell.
    ``assumed``: what was assumed to read the file, in sentences.
    ``source``: the file.
    ``weighting``: what each particle counts by, ``number``.
    ``captures`` (captures, bins): the single measurements whose mean the values are, or None.
    ``dilution``: the factor by which the sample was diluted, or None.

    Raises MeasuredError where the edges do not rise, or where values are negative, not finite or all zero.

    >>> import numpy as np
    >>> sizes = Measured(np.array([40, 60, 80]), np.array([3, 1]), what="count", n_effective=4)
    >>> sizes.probability.tolist(), sizes.median_nm
    ([0.75, 0.25], 53.333333333333336)
    """

    edges_nm: np.ndarray
    values: np.ndarray
    what: Literal["count", "concentration", "density"]
    n_effective: int | float | None = None
    instrument: str | None = None
    assumed: tuple[str, ...] = ()
    source: Path | None = None
    weighting: str = "number"
    captures: np.ndarray | None = None
    dilution: float | None = None

    def __post_init__(self):
        for name in ("edges_nm", "values", "captures"):
            if getattr(self, name) is not None:
                array = np.array(getattr(self, name), dtype=float)
                array.setflags(write=False)
                object.__setattr__(self, name, array)
        edges, values, where = self.edges_nm, self.values, self.source or "sizes"
        if self.what not in VALUES:
            raise MeasuredError(f"{where}: values are {self.what!r}; they may be {', '.join(VALUES)}")
        if edges.ndim != 1 or values.shape != (len(edges) - 1,):
            raise MeasuredError(f"{where}: {edges.shape} edges and {values.shape} values; n + 1 edges enclose n values")
        if not (np.all(np.isfinite(edges)) and np.all(np.diff(edges) > 0) and edges[0] >= 0):
            raise MeasuredError(f"{where}: the edges of the bins must rise, from 0 or more on; sort the rows by size")
        if not (np.all(np.isfinite(values)) and np.all(values >= 0)):
            raise MeasuredError(f"{where}: a value is negative or no number; give the values as they were measured")
        if not values.any():
            raise MeasuredError(f"{where}: all values are zero; a distribution needs at least one particle")
        if self.n_effective is not None and not 0 < self.n_effective < np.inf:
            raise MeasuredError(f"{where}: {self.n_effective} particles; their number must be positive and finite")
        low, high = SIZES_NM
        if not low <= self.median_nm <= high:
            raise MeasuredError(
                f"{where}: the median is {self.median_nm:g} nm, which no vesicle has; are the sizes in another unit, "
                "such as um? Sizes must be diameters in nm"
            )

    @property
    def probability(self) -> np.ndarray:
        """The share of the particles in each bin, (bins,); their sum is 1."""
        return shares(self.values, self.edges_nm, self.what)

    @property
    def median_nm(self) -> float:
        """The median of the diameter in nm, for a uniform density within each bin."""
        return quantile(self.edges_nm, self.probability, 0.5)

    def table(self) -> "pandas.DataFrame":
        """The histogram, a row for each bin: its edges in nm, its value, and the share of the particles in it.

        Raises ImportError where pandas is not installed.
        """
        with needed("analysis"):
            import pandas
        columns = {"from_nm": self.edges_nm[:-1], "to_nm": self.edges_nm[1:]}
        return pandas.DataFrame(columns | {self.what: self.values, "share": self.probability})

    def __repr__(self) -> str:
        n = "an unknown number of" if self.n_effective is None else f"{self.n_effective:.0f}"
        device = f" by {self.instrument}" if self.instrument else ""
        lines = [
            f"{self.source.name if self.source else 'sizes'}: {self.what} of {n} particles{device}, "
            f"{len(self.values)} bins from {self.edges_nm[0]:g} to {self.edges_nm[-1]:g} nm, "
            f"median {self.median_nm:.1f} nm"
        ]
        return "\n".join([*lines, *(f"assumed: {sentence}" for sentence in self.assumed)])


def shares(values: np.ndarray, edges_nm: np.ndarray, what: str) -> np.ndarray:
    """The share of the particles in each bin of ``values`` (..., bins)."""
    amounts = values * np.diff(edges_nm) if what == "density" else values
    return amounts / amounts.sum(axis=-1, keepdims=True)
