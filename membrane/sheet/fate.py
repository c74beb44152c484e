"""What becomes of a domain from look to look: drawn from the times that the bud law gives.

A domain becomes a bud after a time that follows the Gamma distribution with the mean 1/k and the variation v that the
law gives (:func:`budding_probability`). With v = 1, before a high barrier, the probability is 1 - exp(-k dt) at every
look, where dt is the time between two looks. A domain that slides down to the bud has a small v and needs its time.

A bud whose neck closes by itself leaves at once. Any other bud is an open bud: its neck stays open. It leaves at the
rate k_s of scission, or flattens again at the rate k_o of opening. It rests in a minimum, so both waits are
exponential. They compete: something happens with probability 1 - exp(-(k_s + k_o) dt), and with the share
k_s/(k_s + k_o) it is the scission.
"""

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from scipy.special import gammaincc

from membrane.bud.landscape import BudAnswer


class Fate(Enum):
    """What happens to a domain, or to an open bud, until the next look."""

    UNCHANGED = auto()
    BECOMES_OPEN_BUD = auto()
    FLATTENS = auto()
    LEAVES = auto()
    LEAVES_WITH_AID = auto()

    @property
    def is_departure(self) -> bool:
        """Whether a vesicle leaves."""
        return self in (Fate.LEAVES, Fate.LEAVES_WITH_AID)


@dataclass(frozen=True)
class OpenBud:
    """A bud whose neck is open.

    Attributes:
        y: where its domain was last seen, in nm.
        x: where its domain was last seen, in nm.
        since_s: when it became a bud, in s.
        barrier_kBT: the barrier that it crossed.
    """

    y: float
    x: float
    since_s: float
    barrier_kBT: float


@dataclass(frozen=True)
class Passage:
    """A domain on its way to a bud.

    Attributes:
        y: where it was last seen, in nm.
        x: where it was last seen, in nm.
        progress: integral of k dt so far: the time that it took, in units of the mean time that it needs.
    """

    y: float
    x: float
    progress: float


@dataclass(frozen=True, kw_only=True)
class DomainAnswer:
    """What the bud law answers about one domain: numbers where ``BudAnswer``, which explains them, has arrays."""

    barrier_kBT: float
    rate_per_s: float
    passage_variation: float
    opening_rate_per_s: float
    scission_barrier_kBT: float
    scission_rate_per_s: float
    aided_rate_per_s: float
    diameter_nm: float
    neck_radius_nm: float
    neck_closed: bool
    direction: int

    @classmethod
    def of(cls, answer: BudAnswer, row: int) -> "DomainAnswer":
        """Entry number ``row`` of an answer about several domains."""
        return cls(**{name: getattr(answer, name)[row].item() for name in cls.__dataclass_fields__})


def budding_probability(progress: float, step: float, variation: float) -> float:
    """Probability that a passage that has come as far as ``progress`` ends within the next ``step``.

    Progress is time over the mean time. The passage ends where it goes beyond a number that follows the Gamma
    distribution of mean 1 and standard deviation ``variation``. With S the share of that distribution beyond a number,
    the probability is 1 - S(progress + step)/S(progress).

    The true distribution of a first passage has the same mean and variation. Its shares differ from S by up to 0.067 in
    the landscapes of ``tests/sheet/test_fate.py``: hills of 0 to 8 kT and slopes of 0 to 30 kT. Those of an exponential
    distribution differ by up to 0.42.

    >>> round(budding_probability(2.0, 0.1, 1.0), 4), round(budding_probability(0.0, 0.1, 0.3), 4)
    (0.0952, 0.0)
    """
    before, after = _share_beyond(progress, variation), _share_beyond(progress + step, variation)
    return float(1 - after / before) if before > 0 else 1.0


def _share_beyond(progress, variation):
    """Share of the Gamma distribution of mean 1 and this standard deviation that lies beyond ``progress``."""
    shape = variation**-2 if variation > 0 else np.inf
    return gammaincc(shape, shape * progress) if np.isfinite(shape) else float(progress < 1)


def fate_of_domain(answer: DomainAnswer, dt: float, draws, progress: float) -> Fate:
    """The fate of a domain that is no bud yet.

    Arguments:
        answer: of the bud law, for this one domain.
        dt: time between two looks, in s.
        draws: two random numbers, even between 0 and 1.
        progress: of its passage up to the last look.
    """
    if draws[0] >= budding_probability(progress, answer.rate_per_s * dt, answer.passage_variation):
        return Fate.UNCHANGED
    leaves = answer.neck_closed or np.isinf(answer.scission_rate_per_s)
    return Fate.LEAVES if leaves else Fate.BECOMES_OPEN_BUD


def fate_of_open_bud(answer: DomainAnswer, dt: float, draws, *, aided: bool) -> Fate:
    """The fate of an open bud; ``aided``: whether the scission aid is there. Other arguments: see
    :func:`fate_of_domain`."""
    if answer.neck_closed:
        return Fate.LEAVES
    if np.isnan(answer.neck_radius_nm):
        return Fate.FLATTENS
    leaving = answer.aided_rate_per_s if aided else answer.scission_rate_per_s
    opening = answer.opening_rate_per_s
    if draws[0] >= -np.expm1(-(leaving + opening) * dt):
        return Fate.UNCHANGED
    if draws[1] * (leaving + opening) >= leaving:
        return Fate.FLATTENS
    return Fate.LEAVES_WITH_AID if aided else Fate.LEAVES
