"""The size distribution of the ILVs of a run, as a notebook sees it."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from membrane.extras import needed
from membrane.outcome.intervals import median_interval, share_interval, words
from membrane.outcome.sizes import EXOSOME_RANGE_NM

if TYPE_CHECKING:
    import pandas


class Sizes:
    """Sizes of the ILVs of a run. Values are NaN where no ILV has a known size.

    ``n``: number of ILVs of known size.
    ``endosomes``: number of endosomes that they come from.
    ``median_nm``, ``mean_nm``, ``sd_nm``, ``q25_nm``, ``q75_nm``: of the diameter, in nm.
    ``interval``: the 95 % interval of the median over endosomes (low, high), in nm; NaN with fewer than three
        endosomes.
    ``fraction_40_100_nm``: share of the ILVs in the size range of exosomes, 0 to 1; ``fraction_interval``: its 95 %
        interval (low, high).
    ``table``: the histogram, a DataFrame.
    """

    def __init__(self, distribution: dict, diameter_nm: np.ndarray, endosome: np.ndarray, endosomes: int):
        self._distribution, self._diameter, self._endosome = distribution, diameter_nm, endosome
        self.n, self.endosomes = int(distribution["n"]), endosomes
        self.median_nm, self.mean_nm = float(distribution["median_nm"]), float(distribution["mean_nm"])
        self.sd_nm = float(distribution["sd_nm"])
        self.q25_nm, self.q75_nm = float(distribution["q25_nm"]), float(distribution["q75_nm"])
        self.fraction_40_100_nm = float(distribution["fraction_40_100_nm"])

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the median diameter over endosomes, nm."""
        return median_interval(self._diameter, self._endosome, self.endosomes)

    @cached_property
    def fraction_interval(self) -> tuple[float, float]:
        """The 95 % interval of the share in 40-100 nm over endosomes, 0 to 1."""
        low, high = EXOSOME_RANGE_NM
        inside = (self._diameter >= low) & (self._diameter <= high)
        count = lambda chosen: np.bincount(self._endosome[chosen], minlength=self.endosomes)
        ends = share_interval(count(inside), count(np.isfinite(self._diameter)))
        return float(ends[0]), float(ends[1])

    @property
    def table(self) -> "pandas.DataFrame":
        """The histogram: a row for each bin of the diameter, with its 95 % interval over endosomes.

        Raises ImportError where pandas is not installed.
        """
        with needed("analysis"):
            import pandas
        of, edges = self._distribution, self._distribution["bin_edges_nm"]
        names = ("count", "probability_density_per_nm", "ci_low", "ci_high")
        unit = {"ci_low": "ci_low_per_nm", "ci_high": "ci_high_per_nm"}
        columns = {"from_nm": edges[:-1], "to_nm": edges[1:]} | {unit.get(name, name): of[name] for name in names}
        return pandas.DataFrame(columns)

    def __repr__(self) -> str:
        endosomes = f"{self.endosomes} endosome{'' if self.endosomes == 1 else 's'}"
        if not self.n:
            return f"no ILV of known size from {endosomes}"
        share = [100 * end for end in self.fraction_interval]
        return (
            f"{self.n} ILV{'' if self.n == 1 else 's'} of known size from {endosomes}\n"
            f"median {self.median_nm:.1f} nm ({words(*self.interval, self.endosomes, '.1f')}), "
            f"quartiles {self.q25_nm:.1f} and {self.q75_nm:.1f} nm\n"
            f"{100 * self.fraction_40_100_nm:.0f} % in 40-100 nm ({words(*share, self.endosomes, '.0f')})"
        )
