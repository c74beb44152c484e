"""What becomes of a domain until the next look: drawn from the rates that the bud law gives.

A domain becomes a bud with probability 1 - exp(-k dt), where k is its rate and dt the time between two looks. A bud
whose neck closes by itself leaves at once. Any other bud is an open bud: its neck stays open. It leaves at the rate k_s
of scission, or flattens again at the rate k_o of opening. These two compete: something happens with probability
1 - exp(-(k_s + k_o) dt), and with the share k_s/(k_s + k_o) it is the scission.
"""

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

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


@dataclass(frozen=True, kw_only=True)
class DomainAnswer:
    """What the bud law answers about one domain: numbers where ``BudAnswer``, which explains them, has arrays."""

    barrier_kBT: float
    rate_per_s: float
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


def fate_of_domain(answer: DomainAnswer, dt: float, draws) -> Fate:
    """The fate of a domain that is no bud yet.

    Arguments:
        answer: of the bud law, for this one domain.
        dt: time until the next look, in s.
        draws: two random numbers, even between 0 and 1.
    """
    if draws[0] >= -np.expm1(-answer.rate_per_s * dt):
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
