"""The ILVs of a run as an instrument sees them, on the bins of a measured histogram."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import jax
import numpy as np

from membrane.instruments.registry import INSTRUMENTS, Instrument
from membrane.instruments.thickness import outer_diameter
from membrane.outcome.binned import quantile
from membrane.outcome.density import SHELL_THICKNESS_NM

CHANGE = 0.1
"""By which share of itself a setting is varied to see what it moves."""

_SCAN_NM = np.arange(1.0, 401.0)
"""Outer diameters in nm at which detection is looked at."""

_EVERYTHING_NM = np.array([0.0, 1e7])
_REACH, _LEAST_BIN_NM, _AT_ONCE = 4.0, 0.5, 500


@dataclass(frozen=True, eq=False)
class View:
    """How ILVs are looked at.

    ``name``: of the instrument, see ``membrane.instruments.registry.INSTRUMENTS``.
    ``settings``: all of its settings with their values.
    ``thickness_nm``: of the membrane; outer diameters are larger than those of the mid-plane by it.
    """

    name: str
    settings: dict[str, float]
    thickness_nm: float

    @property
    def instrument(self) -> Instrument:
        """The instrument itself."""
        return INSTRUMENTS[self.name]

    def outer_nm(self, mid_plane_nm) -> np.ndarray:
        """Outer diameters in nm of vesicles with these diameters of the mid-plane."""
        return np.asarray(outer_diameter(np.asarray(mid_plane_nm, dtype=float), thickness_nm=self.thickness_nm), float)

    def kernel(self, edges_nm: np.ndarray, outer_nm: np.ndarray) -> np.ndarray:
        """The kernel of the instrument with these settings, (bins, diameters)."""
        return np.asarray(_compiled(self.name)(edges_nm, outer_nm, **self.settings), dtype=float)

    def seen(self, edges_nm: np.ndarray, mid_plane_nm: np.ndarray, owner: np.ndarray, groups: int) -> np.ndarray:
        """What is seen of each group in each bin, (groups, bins).

        ``mid_plane_nm``, ``owner`` (n,): diameters of the mid-plane in nm, and the group that each belongs to.
        """
        found = np.zeros((groups, len(edges_nm) - 1))
        outer = self.outer_nm(mid_plane_nm)
        for start in range(0, len(outer), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            np.add.at(found, owner[part], self.kernel(edges_nm, outer[part]).T)
        return found

    @cached_property
    def detected(self) -> np.ndarray | None:
        """The share of vesicles that is recorded, at outer diameters of 1, 2, ... 400 nm.

        None where the columns of the kernel are no shares: in thin sections, and where vesicles count by their light.
        """
        share = self.kernel(_EVERYTHING_NM, _SCAN_NM)[0]
        return share if share.max() <= 1 + 1e-6 else None

    def recorded(self, mid_plane_nm: np.ndarray) -> float:
        """The share of these vesicles (n,), by diameters of the mid-plane in nm, that is recorded at whatever size."""
        return float(self.kernel(_EVERYTHING_NM, self.outer_nm(mid_plane_nm))[0].mean())

    def blind_below_nm(self, share: float) -> float | None:
        """The largest outer diameter in nm of which less than a ``share`` is recorded; None where there is none."""
        missed = [] if self.detected is None else _SCAN_NM[self.detected < share]
        return float(missed[-1]) if len(missed) else None

    def moves(self, edges_nm: np.ndarray, mid_plane_nm: np.ndarray) -> dict[str, float]:
        """By how much the median as seen moves at most, in nm, if a setting is larger or smaller by a tenth of itself.

        The largest comes first. Settings of zero and those that move nothing are left out.
        """
        owner, found = np.zeros(len(mid_plane_nm), dtype=int), {}
        here = quantile(edges_nm, self.seen(edges_nm, mid_plane_nm, owner, 1)[0], 0.5)
        for name, value in (self.settings | {"thickness_nm": self.thickness_nm}).items():
            changed = [self._with(name, value * factor) for factor in (1 - CHANGE, 1 + CHANGE)] if value else []
            medians = [quantile(edges_nm, view.seen(edges_nm, mid_plane_nm, owner, 1)[0], 0.5) for view in changed]
            found[name] = max((abs(median - here) for median in medians), default=0.0)
        return dict(sorted(((n, m) for n, m in found.items() if m > 0), key=lambda item: -item[1]))

    def _with(self, name: str, value: float) -> "View":
        """The same with another value of one setting, moved into the range that is allowed."""
        if name == "thickness_nm":
            return View(self.name, self.settings, value)
        allowed = self.instrument.settings[name]
        return View(self.name, self.settings | {name: min(max(value, allowed.low), allowed.high)}, self.thickness_nm)


@cache
def _compiled(name: str):
    """The kernel of an instrument as one program, which serves all values of its settings."""
    return jax.jit(INSTRUMENTS[name].kernel)


def view_of(
    name: str | None, settings: Mapping[str, int | float] | None = None, thickness_nm: int | float = SHELL_THICKNESS_NM
) -> View:
    """The view of an instrument.

    ``name``: of the instrument.
    ``settings``: values of its settings; the others have their defaults.
    ``thickness_nm``: of the membrane.

    Raises ValueError where there is no such instrument or setting, and where the instrument reports no diameter.
    """
    diameters = [key for key, instrument in INSTRUMENTS.items() if instrument.unit == "nm"]
    if name not in diameters:
        if name is None:
            what = "the file does not tell its instrument"
        elif name in INSTRUMENTS:
            what = f"{name} reports {INSTRUMENTS[name].reports} and no diameter"
        else:
            near = difflib.get_close_matches(name, diameters, 1)
            what = f"there is no instrument {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
        raise ValueError(f"{what}; --instrument may be {', '.join(diameters)}")
    if not 0 <= thickness_nm < 100:
        raise ValueError(f"the thickness of the membrane is {thickness_nm:g} nm; allowed is 0 to 100 nm, 5 is usual")
    return View(name, INSTRUMENTS[name].checked(dict(settings or {})), float(thickness_nm))


def wide_edges(edges_nm: Sequence[int | float] | np.ndarray, largest_nm: int | float) -> tuple[np.ndarray, int]:
    """Edges that continue those of a histogram down to 0 and up to what is seen of the largest vesicle.

    ``edges_nm``: of the histogram, (bins + 1,), in nm.
    ``largest_nm``: the largest outer diameter, in nm. Bins reach up to four times as far.

    A histogram may end where its last particle was; what the model puts beyond must count, too. The first and the last
    width are continued. Returns the edges, and how many bins were put before the first.

    >>> edges, before = wide_edges([20, 30, 40], 12)
    >>> edges.tolist(), before
    ([0.0, 10.0, 20.0, 30.0, 40.0, 50.0], 2)
    """
    edges = np.asarray(edges_nm, dtype=float)
    first, last = (max(width, _LEAST_BIN_NM) for width in (edges[1] - edges[0], edges[-1] - edges[-2]))
    below = edges[0] - first * np.arange(1, int(np.ceil(edges[0] / first)) + 1)[::-1]
    missing = max(_REACH * largest_nm - edges[-1], 0)
    above = edges[-1] + last * np.arange(1, int(np.ceil(missing / last)) + 1)
    return np.concatenate([np.maximum(below, 0), edges, above]), len(below)
