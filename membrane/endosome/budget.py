"""The membrane that an endosome has to spend: what vesicles take, what fusing vesicles bring, its tension, and the
books."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from membrane.endosome.tension import ROUNDING, TensionLaw, not_negative, positive, sphere_radius

QUADRATURE = np.polynomial.legendre.leggauss(12)
"""Points and weights for the mean tension."""


@dataclass(frozen=True)
class Fusion:
    """Vesicles of ``diameter`` (nm) and ``composition`` (species,) that fuse with an endosome at random, independently,
    at ``rate_per_s``. ValueError for a negative rate or a diameter that is not positive."""

    rate_per_s: float
    diameter: float
    composition: np.ndarray

    def __post_init__(self):
        not_negative("rate_per_s", self.rate_per_s)
        positive("diameter", self.diameter)

    def arrivals(self, rng: np.random.Generator, dt: float) -> int:
        """How many fuse within ``dt`` (s): Poisson of mean rate dt."""
        not_negative("dt", dt)
        return int(rng.poisson(self.rate_per_s * dt))


@dataclass
class Account:
    """What an endosome's membrane (nm^2) or enclosed volume (nm^3) began with, and the signed sums of what ILVs, buds
    away from the lumen, fusing vesicles and regulation changed."""

    initial: float
    ilvs: float = 0.0
    outward: float = 0.0
    fused: float = 0.0
    regulated: float = 0.0

    @property
    def balance(self) -> float:
        """What should be there now."""
        return sum(vars(self).values())


@dataclass
class Endosome:
    """Budget of one endosome: relaxed membrane ``area`` A0 (nm^2) around ``lumen_volume`` of fluid and
    ``vesicle_volume`` of ILVs (nm^3).

    The sphere of both volumes has the radius R, and the law gives its tension. Fluid leaves with ``regulation_time``
    (s; inf: none does) while the tension is above rest; fusing vesicles have ``supply_diameter`` (nm; 0: none fuse).
    Both accounts are kept in float64 and close to rounding.
    """

    law: TensionLaw
    area: float
    lumen_volume: float
    vesicle_volume: float
    area_account: Account
    volume_account: Account
    regulation_time: float = math.inf
    supply_diameter: float = 0.0

    def __post_init__(self):
        if not self.regulation_time > 0:
            raise ValueError(f"regulation_time {self.regulation_time:g} s must be positive; inf keeps the lumen fixed")
        not_negative("supply_diameter", self.supply_diameter)

    @classmethod
    def open(
        cls,
        law: TensionLaw,
        radius: float,
        reserve_fraction: float,
        *,
        regulation_time: float = math.inf,
        supply_diameter: float = 0.0,
    ) -> "Endosome":
        """A sphere of ``radius`` (nm) at rest tension, without ILVs, with ``reserve_fraction`` 4 pi R^2 in reserve.

        Raises ValueError for a radius that is not positive or a negative reserve.
        """
        positive("radius", radius)
        not_negative("reserve_fraction", reserve_fraction)
        reserve, volume = reserve_fraction * sphere_area(2 * radius), sphere_volume(2 * radius)
        area = float(law.needed_area(radius, law.rest_tension)) + reserve
        return cls(law, area, volume, 0.0, Account(area), Account(volume), regulation_time, supply_diameter)

    @property
    def enclosed_volume(self) -> float:
        """Lumen fluid and ILVs, nm^3."""
        return self.lumen_volume + self.vesicle_volume

    @property
    def host_radius(self) -> float:
        """Radius R in nm of the sphere of the enclosed volume."""
        return sphere_radius(self.enclosed_volume)

    @property
    def geometric_area(self) -> float:
        """4 pi R^2 in nm^2."""
        return 4 * math.pi * self.host_radius**2

    @property
    def tension(self) -> float:
        """Tension in pN/nm, at least the rest tension."""
        return self.law.tension(self.area, self.host_radius)

    @property
    def reserve(self) -> float:
        """Relaxed membrane in nm^2 beyond what the sphere needs at the rest tension; 0 where the tension is higher."""
        return max(0.0, self.area - float(self.law.needed_area(self.host_radius, self.law.rest_tension)))

    def can_release(self, area: float, diameter: float, direction: int) -> bool:
        """Whether the membrane left behind by such a vesicle would still enclose what it must below the lysis tension.

        Arguments and ValueError as for :meth:`release`.
        """
        left, lumen, vesicles = self._after(area, diameter, direction)
        if direction < 0 and lumen <= 0:
            return False
        return bool(left > self.law.needed_area(sphere_radius(lumen + vesicles), self.law.lysis_tension))

    def release(self, area: float, diameter: float, direction: int) -> None:
        """One vesicle of ``area`` (nm^2) and ``diameter`` (nm) leaves the membrane.

        Into the lumen (+1) it carries cytosol: the volume enclosed gains pi D^3/6, the fluid stays. Away from it (-1)
        it carries as much of the fluid off. Raises ValueError where :meth:`can_release` says no, for sizes that are
        not positive and for another direction.
        """
        self._refuse(area, diameter, direction)
        self.area, self.lumen_volume, self.vesicle_volume = self._after(area, diameter, direction)
        account = "ilvs" if direction > 0 else "outward"
        _book(self.area_account, account, -area)
        _book(self.volume_account, account, direction * sphere_volume(diameter))

    def mean_tension(self, area: float, diameter: float, direction: int) -> float:
        """Mean of the tension (pN/nm) over the shares of membrane and volume that such a vesicle has drawn while it
        forms: times the area needed it is the work against tension, to first order in the vesicle's share of the host.

        Arguments and ValueError as for :meth:`release`.
        """
        self._refuse(area, diameter, direction)
        left, lumen, vesicles = self._after(area, diameter, direction)
        drawn = lambda t: self.area + t * (left - self.area)
        radius = lambda t: sphere_radius(self.enclosed_volume + t * (lumen + vesicles - self.enclosed_volume))
        rest = self.law.rest_tension
        spare = lambda t: drawn(t) - float(self.law.needed_area(radius(t), rest))
        if spare(1.0) >= 0:
            return rest
        spent = brentq(spare, 0.0, 1.0, xtol=ROUNDING, rtol=ROUNDING) if spare(0.0) > 0 else 0.0
        shares = spent + (1 - spent) * (QUADRATURE[0] + 1) / 2
        stretched = np.array([self.law.tension(drawn(t), radius(t)) for t in shares])
        return spent * rest + (1 - spent) * float(QUADRATURE[1] @ stretched) / 2

    def exhausted(self, diameter: float) -> bool:
        """True when not even an ILV of ``diameter`` (nm), the least that the caller reckons with, can leave."""
        return not self.can_release(sphere_area(diameter), diameter, +1)

    def advance(self, dt: float, fused: int = 0) -> None:
        """``dt`` seconds of volume regulation, then the arrival of ``fused`` vesicles.

        Above the rest tension the fluid relaxes as exp(-t/tau), exactly, to the volume at which the membrane spans its
        sphere at rest tension, or to none at all; it never returns. Each fused vesicle brings pi d^2 of membrane and
        pi d^3/6 of fluid. Raises ValueError for a negative ``dt`` or ``fused``, or where ``supply_diameter`` is 0 and
        something fuses.
        """
        not_negative("dt", dt)
        not_negative("fused", fused)
        if fused and not self.supply_diameter:
            raise ValueError(f"{fused} vesicles fused, but supply_diameter is 0: give their diameter in nm")
        if math.isfinite(self.regulation_time):
            rest = sphere_volume(2 * self.law.rest_radius(self.area))
            excess = self.lumen_volume - max(rest - self.vesicle_volume, 0.0)
            lost = max(excess, 0.0) * math.expm1(-dt / self.regulation_time)
            self.lumen_volume += lost
            _book(self.volume_account, "regulated", lost)
        area, volume = fused * sphere_area(self.supply_diameter), fused * sphere_volume(self.supply_diameter)
        self.area += area
        self.lumen_volume += volume
        _book(self.area_account, "fused", area)
        _book(self.volume_account, "fused", volume)

    def area_residual(self) -> float:
        """Membrane unaccounted for, nm^2."""
        return self.area - self.area_account.balance

    def volume_residual(self) -> float:
        """Enclosed volume unaccounted for, nm^3."""
        return self.enclosed_volume - self.volume_account.balance

    def as_arrays(self) -> dict[str, np.ndarray]:
        """For a checkpoint: all but the law."""
        values = {name: value for name, value in vars(self).items() if name != "law"}
        plain = {n: list(vars(v).values()) if isinstance(v, Account) else v for n, v in values.items()}
        return {f"endosome_{name}": np.asarray(value, np.float64) for name, value in plain.items()}

    @classmethod
    def from_arrays(cls, law: TensionLaw, arrays: dict[str, np.ndarray]) -> "Endosome":
        """Inverse of :meth:`as_arrays`, under ``law``."""
        names = [name for name in cls.__dataclass_fields__ if name != "law"]
        values = {name: np.asarray(arrays[f"endosome_{name}"], np.float64).tolist() for name in names}
        return cls(law, **{n: Account(*v) if n.endswith("_account") else v for n, v in values.items()})

    def _refuse(self, area, diameter, direction):
        if not self.can_release(area, diameter, direction):
            left, lumen, vesicles = self._after(area, diameter, direction)
            raise ValueError(
                f"no vesicle of {diameter:g} nm and {area:g} nm^2 can leave in direction {direction:+d}: {left:g} nm^2 "
                f"of membrane would have to enclose {lumen:g} nm^3 of fluid and {vesicles:g} nm^3 of ILVs below the "
                f"lysis tension of {self.law.lysis_tension:g} pN/nm; ask can_release first"
            )

    def _after(self, area, diameter, direction) -> tuple[float, float, float]:
        """Membrane, fluid and ILV volume that such a vesicle would leave."""
        positive("area", area)
        positive("diameter", diameter)
        if direction not in (+1, -1):
            raise ValueError(f"direction {direction} must be +1, into the lumen, or -1, away from it")
        volume = sphere_volume(diameter)
        if direction > 0:
            return self.area - area, self.lumen_volume, self.vesicle_volume + volume
        return self.area - area, self.lumen_volume - volume, self.vesicle_volume


def sphere_area(diameter: float) -> float:
    """pi D^2."""
    return math.pi * diameter**2


def sphere_volume(diameter: float) -> float:
    """pi D^3/6."""
    return math.pi * diameter**3 / 6


def _book(account, name, amount):
    setattr(account, name, getattr(account, name) + amount)
