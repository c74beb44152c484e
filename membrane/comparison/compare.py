"""The comparison of a run with a measured size distribution."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from membrane.comparison.seen import View, view_of, wide_edges
from membrane.measured import Measured
from membrane.outcome.binned import (
    LEAST_GROUPS,
    distance_intervals,
    distances,
    median_of_groups,
    median_of_particles,
    quantile,
    share_of_groups,
)
from membrane.outcome.density import SHELL_THICKNESS_NM
from membrane.outcome.intervals import UNKNOWN, wilson_interval


@dataclass(frozen=True, eq=False)
class Comparison:
    """A predicted size distribution as an instrument sees it, and a measured one, in the same bins.

    ``measured``: the measured histogram.
    ``view``: the instrument with its settings, and the thickness of the membrane.
    ``mid_plane_nm``, ``endosome`` (n,): diameters of the mid-plane of the ILVs in nm, and the endosome of each.
    ``endosomes``: how many endosomes there are, those without ILVs included.
    ``edges_nm`` (bins + 1,): edges of the bins of both, those of the file continued to both sides.
    ``predicted`` (endosomes, bins): how many ILVs of each endosome are seen in each bin, which need not be whole.
    ``before``: how many bins come before those of the file.
    """

    measured: Measured
    view: View
    mid_plane_nm: np.ndarray
    endosome: np.ndarray
    endosomes: int
    edges_nm: np.ndarray
    predicted: np.ndarray
    before: int

    @property
    def n(self) -> int:
        """How many ILVs there are."""
        return len(self.mid_plane_nm)

    @cached_property
    def observed(self) -> np.ndarray:
        """The share of the measured particles in each bin, (bins,)."""
        return self._in_place(self.measured.probability)

    @cached_property
    def captures(self) -> np.ndarray | None:
        """The single captures of the file, (captures, bins); None where there are fewer than three."""
        captures = self.measured.captures
        return None if captures is None or len(captures) < LEAST_GROUPS else self._in_place(captures)

    def _in_place(self, values: np.ndarray) -> np.ndarray:
        """What the file has in its bins, in those of this comparison: nothing elsewhere."""
        placed = np.zeros((*values.shape[:-1], len(self.edges_nm) - 1))
        placed[..., self.before : self.before + values.shape[-1]] = values
        return placed

    @cached_property
    def medians_nm(self) -> dict[str, float]:
        """Medians in nm: of the ``mid_plane``, of the ``outer`` diameter, as ``seen``, and as ``measured``."""
        mid_plane = float(np.median(self.mid_plane_nm))
        return {
            "mid_plane": mid_plane,
            "outer": mid_plane + self.view.thickness_nm,
            "seen": quantile(self.edges_nm, self.predicted.sum(axis=0), 0.5),
            "measured": self.measured.median_nm,
        }

    @cached_property
    def median_intervals_nm(self) -> dict[str, tuple[float, float]]:
        """The 95 % intervals (low, high) of the medians as ``seen`` and as ``measured``, in nm.

        That of the median as seen is over endosomes. The measured one is over captures or over particles, whichever is
        wider. It is (NaN, NaN) where there are fewer than three captures and the number of particles is unknown.
        """
        found = []
        if self.captures is not None:
            found.append(median_of_groups(self.edges_nm, self.captures))
        if self.measured.n_effective is not None:
            found.append(median_of_particles(self.edges_nm, self.observed, self.measured.n_effective))
        widest = max(found, key=lambda ends: np.nan_to_num(ends[1] - ends[0], nan=np.inf), default=UNKNOWN)
        return {"seen": median_of_groups(self.edges_nm, self.predicted), "measured": widest}

    @cached_property
    def distances(self) -> dict[str, float]:
        """``kolmogorov_smirnov``, the largest difference of the cumulative shares, and ``wasserstein_nm``, the mean way
        by which particles would have to be moved."""
        found = distances(self.edges_nm, self.predicted.sum(axis=0), self.observed)
        return dict(zip(("kolmogorov_smirnov", "wasserstein_nm"), found))

    @cached_property
    def distance_intervals(self) -> dict[str, tuple[float, float]]:
        """The 95 % intervals (low, high) of the distances; see
        :func:`membrane.outcome.binned.distance_intervals`. A lower end of 0: errors alone may explain the distance."""
        return distance_intervals(
            self.edges_nm, self.predicted, self.observed, captures=self.captures, n=self.measured.n_effective
        )

    @cached_property
    def unseen(self) -> float | None:
        """The share of the ILVs that the instrument does not record; None where its kernel tells no shares."""
        return None if self.view.detected is None else max(0.0, 1 - self.view.recorded(self.mid_plane_nm))

    @cached_property
    def outside(self) -> float:
        """The share of what is seen of the ILVs that lies outside of the bins of the file."""
        inside = self.predicted[:, self.before : self.before + len(self.measured.values)].sum()
        return max(0.0, 1 - float(inside / self.predicted.sum()))

    @cached_property
    def blind_below_nm(self) -> dict[str, float | None]:
        """Outer diameters in nm up to which fewer than ``half``, and fewer than a ``twentieth``, of the vesicles are
        recorded; None where there are none."""
        return {"half": self.view.blind_below_nm(0.5), "twentieth": self.view.blind_below_nm(0.05)}

    @cached_property
    def moves_nm(self) -> dict[str, float]:
        """How far each setting, changed by a tenth of itself, moves the median as seen, in nm; the largest first."""
        return self.view.moves(self.edges_nm, self.mid_plane_nm)

    def shares(self, join: int = 1) -> dict[str, np.ndarray]:
        """Both distributions as shares of the particles in a bin, with 95 % intervals.

        ``join``: how many bins are put together to one.

        The predicted intervals are over endosomes; the measured ones over captures or particles, whichever are wider.
        Returns ``edges_nm`` (bins + 1,), and ``predicted``, ``predicted_low``, ``predicted_high``, ``measured``,
        ``measured_low``, ``measured_high`` (bins,). Ends are NaN where the error is unknown.
        """
        starts = np.arange(0, len(self.edges_nm) - 1, join)
        joined = lambda values: np.add.reduceat(values, starts, axis=-1)
        predicted, observed = joined(self.predicted), joined(self.observed)
        low, high = share_of_groups(predicted)
        known = [np.full((2, len(observed)), np.nan)]
        if self.captures is not None:
            known.append(np.array(share_of_groups(joined(self.captures))))
        if self.measured.n_effective is not None:
            n = self.measured.n_effective
            known.append(np.array(wilson_interval(observed * n, n)))
        return {
            "edges_nm": np.append(self.edges_nm[starts], self.edges_nm[-1]),
            "predicted": predicted.sum(axis=0) / predicted.sum(),
            "predicted_low": low,
            "predicted_high": high,
            "measured": observed,
            "measured_low": np.fmin.reduce(known)[0],
            "measured_high": np.fmax.reduce(known)[1],
        }


def compare_sizes(
    diameter_nm,
    endosome,
    endosomes: int,
    measured: Measured,
    *,
    instrument: str | None = None,
    settings: Mapping[str, int | float] | None = None,
    thickness_nm: int | float = SHELL_THICKNESS_NM,
) -> Comparison:
    """Compare the ILVs of a run with a measured size distribution.

    Arguments:
        diameter_nm: diameters of the mid-plane of the ILVs in nm, (n,). NaN, an unknown diameter, is left out.
        endosome: the endosome that each ILV belongs to, (n,), from 0 on.
        endosomes: how many endosomes there are, those without ILVs included.
        measured: the measured histogram.
        instrument: the name of the instrument; by default the one that the file tells.
        settings: values of settings of the instrument; the others have their defaults.
        thickness_nm: thickness of the membrane in nm.

    Both sides are normalised: only their shapes are compared. Raises ValueError where there is no ILV of known size,
    where the instrument or a setting does not exist, and where nothing would be seen of the ILVs.
    """
    view = view_of(instrument or measured.instrument, settings, thickness_nm)
    diameter, owner = np.asarray(diameter_nm, dtype=float), np.asarray(endosome, dtype=np.int64)
    known = np.isfinite(diameter)
    diameter, owner = diameter[known], owner[known]
    if not len(diameter):
        raise ValueError("no ILV of known size came of this run, so that there is nothing to compare")
    edges, before = wide_edges(measured.edges_nm, float(view.outer_nm(diameter).max()))
    seen = view.seen(edges, diameter, owner, endosomes)
    if not seen.sum() > 1e-9 * len(diameter):
        outer = view.outer_nm(diameter)
        raise ValueError(
            f"{view.name} records none of the {len(diameter)} ILVs, of {outer.min():.0f} to {outer.max():.0f} nm; "
            f"it records fewer than half of the vesicles up to {view.blind_below_nm(0.5) or 0:.0f} nm"
        )
    return Comparison(measured, view, diameter, owner, endosomes, edges, seen, before)
