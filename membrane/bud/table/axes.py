"""The coordinates of a table of paths, and its nodes.

The path of a domain depends on four numbers, besides the ratio of the rigidities. Counted in radii of the host they are

    L/R,    c0_in R,    c0_out R,    R sqrt(sigma/kappa_in).

The last three belong to the membranes, the first to the domain, so that a box of them is filled by what a run meets.
"""

from dataclasses import dataclass

import numpy as np

SPACING = (0.032, 0.35, 0.15, 0.2)
"""Largest distance between two nodes along each coordinate, for the largest domain in the smallest host: of L in units
of this L, and of c0_in L, c0_out L and L sqrt(sigma/kappa_in)."""


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """What a run may ask, each as (least, most).

    Attributes:
        size: L of a domain, nm.
        curvature_inside: spontaneous curvature of a domain, 1/nm.
        curvature_outside: spontaneous curvature of the host, 1/nm.
        tension: of the host, pN/nm.
        host_radius: nm.

    Raises:
        ValueError: a range is empty or not finite, a length is not positive, or a tension is negative.
    """

    size: tuple[float, float]
    curvature_inside: tuple[float, float]
    curvature_outside: tuple[float, float]
    tension: tuple[float, float]
    host_radius: tuple[float, float]

    def __post_init__(self):
        for name, (least, most) in vars(self).items():
            if not -np.inf < least <= most < np.inf:
                raise ValueError(f"{name} {least:g} to {most:g}: the range must be finite, the lesser number first")
        for name in ("size", "host_radius"):
            if not getattr(self, name)[0] > 0:
                raise ValueError(f"{name} from {getattr(self, name)[0]:g} nm: a length must be positive")
        if self.tension[0] < 0:
            raise ValueError(
                f"tension from {self.tension[0]:g} pN/nm: it must not be negative; ask the exact law there"
            )


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Nodes in equal distances along one coordinate: ``start`` + i ``spacing``, i < ``count``."""

    start: float
    spacing: float
    count: int

    @classmethod
    def over(cls, least: float, most: float, spacing: float) -> "Axis":
        """Nodes no farther apart than ``spacing`` from ``least`` to ``most``; one node where both are the same."""
        if most - least <= 1e-9 * abs(most):
            return cls(start=least, spacing=spacing, count=1)
        count = int(np.ceil((most - least) / spacing - 1e-9)) + 1
        return cls(start=least, spacing=(most - least) / (count - 1), count=count)

    @property
    def nodes(self) -> np.ndarray:
        """The coordinate of every node."""
        return self.start + self.spacing * np.arange(self.count)


def axes_of(ranges: Ranges, bending_rigidity: float, refinement: float = 1.0) -> tuple[Axis, Axis, Axis, Axis]:
    """The axes whose box holds all that ``ranges`` allow.

    Arguments:
        ranges: what may be asked.
        bending_rigidity: kappa_in, pN nm.
        refinement: nodes lie this many times as close as :data:`SPACING` says.
    """
    small, large = ranges.host_radius
    ends = lambda pair, power: [v * r**power for v in pair for r in (small, large)]
    scaled = (
        ends(ranges.size, -1),
        ends(ranges.curvature_inside, 1),
        ends(ranges.curvature_outside, 1),
        ends([np.sqrt(s / bending_rigidity) for s in ranges.tension], 1),
    )
    longest = max(scaled[0])
    steps = SPACING[0] * longest, *(step / longest for step in SPACING[1:])
    return tuple(Axis.over(min(e), max(e), step / refinement) for e, step in zip(scaled, steps, strict=True))
