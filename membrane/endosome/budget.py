"""The budget of an endosome: how much membrane and volume it has, and who took or brought what.

Vesicles that bud take membrane. Vesicles that fuse with the endosome bring membrane and fluid. The tension follows from
what is left.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from membrane.endosome.tension import ROUNDING, TensionLaw, not_negative, positive, sphere_radius

QUADRATURE = np.polynomial.legendre.leggauss(12)
"""Points and weights for the mean tension."""


@dataclass(frozen=True, kw_only=True)
class VesicleSupply:
    """Vesicles that fuse with an endosome at random, independently of each other.

    Attributes:
        rate_per_s: mean number of fusions in a second.
        diameter: mean diameter of such a vesicle, nm.
        composition: mean of every species in its membrane, array (species,).
        diameter_sd: standard deviation of the diameters, nm; they are lognormal, or all alike where it is 0. All lie
            within :attr:`extreme_diameters`.
        recycling: whether as much membrane and fluid leave as keep the endosome at its size.

    Raises:
        ValueError: the rate or the standard deviation is negative, or the diameter is not positive.
    """

    rate_per_s: float
    diameter: float
    composition: np.ndarray
    diameter_sd: float = 0.0
    recycling: bool = False

    def __post_init__(self):
        not_negative("rate_per_s", self.rate_per_s)
        positive("diameter", self.diameter)
        not_negative("diameter_sd", self.diameter_sd)

    @property
    def area_per_s(self) -> float:
        """Mean area that they bring in a second, nm^2/s: rate pi (d^2 + sd^2)."""
        return self.rate_per_s * math.pi * (self.diameter**2 + self.diameter_sd**2)

    def arrivals(self, rng: np.random.Generator, dt: float) -> np.ndarray:
        """Diameters in nm of the vesicles that fuse within ``dt`` seconds: a Poisson number with the mean rate dt."""
        not_negative("dt", dt)
        return self._diameters(rng, int(rng.poisson(self.rate_per_s * dt)))

    def next_arrival(self, rng: np.random.Generator) -> tuple[float, float]:
        """Time in s until the next vesicle fuses, whose mean is 1/rate (inf: none comes), and its diameter in nm."""
        wait = rng.exponential(1 / self.rate_per_s) if self.rate_per_s else math.inf
        return float(wait), float(self._diameters(rng, 1)[0])

    def _diameters(self, rng, number: int) -> np.ndarray:
        middle, spread = self._logarithms
        if not spread:
            return np.full(number, self.diameter)
        return np.clip(rng.lognormal(middle, spread, number), *self.extreme_diameters)

    @property
    def extreme_diameters(self) -> tuple[float, float]:
        """Diameters in nm six standard deviations of ln d below and above the middle; one in 10^9 is cut to each."""
        middle, spread = self._logarithms
        return math.exp(middle - 6 * spread), math.exp(middle + 6 * spread)

    @property
    def _logarithms(self) -> tuple[float, float]:
        """Mean and standard deviation of ln d."""
        variance = math.log1p((self.diameter_sd / self.diameter) ** 2)
        return math.log(self.diameter) - variance / 2, math.sqrt(variance)


@dataclass(kw_only=True)
class Account:
    """The history of an endosome's membrane area (nm^2) or of its enclosed volume (nm^3).

    Attributes:
        initial: what there was at the beginning.
        ilvs: what intraluminal vesicles (ILVs) changed since then; signed, as all that follow.
        outward: what buds away from the lumen changed.
        fused: what fusing vesicles changed.
        regulated: what the regulation of the volume changed.
        recycled: what recycling took away.
    """

    initial: float
    ilvs: float = 0.0
    outward: float = 0.0
    fused: float = 0.0
    regulated: float = 0.0
    recycled: float = 0.0

    @property
    def balance(self) -> float:
        """What should be there now."""
        return sum(vars(self).values())


@dataclass(kw_only=True)
class Endosome:
    """The budget of one endosome.

    Fluid and ILVs fill a sphere of radius R. The law gives the tension at which the membrane spans this sphere. All
    numbers are kept in float64. What the accounts say differs from what is there by rounding only.

    Attributes:
        law: the law of its tension.
        area: relaxed area A0 of the membrane, nm^2.
        lumen_volume: volume of the fluid in the lumen, nm^3.
        vesicle_volume: volume of the ILVs in the lumen, nm^3.
        area_account: the history of the area.
        volume_account: the history of the enclosed volume.
        regulation_time: time constant in s with which fluid leaves while the tension is above rest; inf: none leaves.

    Raises:
        ValueError: the regulation time is not positive.
    """

    law: TensionLaw
    area: float
    lumen_volume: float
    vesicle_volume: float
    area_account: Account
    volume_account: Account
    regulation_time: float = math.inf

    def __post_init__(self):
        if not self.regulation_time > 0:
            raise ValueError(f"regulation_time {self.regulation_time:g} s must be positive; inf keeps the lumen fixed")

    @classmethod
    def open(
        cls,
        law: TensionLaw,
        radius: float,
        reserve_fraction: float,
        *,
        regulation_time: float = math.inf,
    ) -> "Endosome":
        """A new endosome: a sphere at rest tension, without ILVs.

        Arguments:
            law: the law of its tension.
            radius: radius of the sphere, nm.
            reserve_fraction: membrane in reserve over the area 4 pi R^2 of the sphere.
            regulation_time: as the attribute.

        Raises:
            ValueError: the radius is not positive, or the reserve is negative.
        """
        positive("radius", radius)
        not_negative("reserve_fraction", reserve_fraction)
        reserve, volume = reserve_fraction * sphere_area(2 * radius), sphere_volume(2 * radius)
        area = float(law.needed_area(radius, law.rest_tension)) + reserve
        return cls(
            law=law,
            area=area,
            lumen_volume=volume,
            vesicle_volume=0.0,
            area_account=Account(initial=area),
            volume_account=Account(initial=volume),
            regulation_time=regulation_time,
        )

    @property
    def enclosed_volume(self) -> float:
        """Volume of fluid and ILVs, nm^3."""
        return self.lumen_volume + self.vesicle_volume

    @property
    def host_radius(self) -> float:
        """Radius R in nm of the sphere of the enclosed volume."""
        return sphere_radius(self.enclosed_volume)

    @property
    def geometric_area(self) -> float:
        """Area of that sphere, 4 pi R^2, in nm^2."""
        return 4 * math.pi * self.host_radius**2

    @property
    def tension(self) -> float:
        """Tension in pN/nm, at least the rest tension."""
        return self.law.tension(self.area, self.host_radius)

    @property
    def reserve(self) -> float:
        """Relaxed membrane in nm^2 beyond what the sphere needs at rest tension; 0 where the tension is higher."""
        return max(0.0, self.area - float(self.law.needed_area(self.host_radius, self.law.rest_tension)))

    def can_release(self, area: float, diameter: float, direction: int) -> bool:
        """Whether such a vesicle can leave: the membrane that is left must enclose the new volume below lysis tension.

        Arguments are those of :meth:`release`.

        Raises:
            ValueError: area or diameter is not positive, or the direction is neither +1 nor -1.
        """
        return self._leaves_enough(area, diameter, direction, self.law.lysis_tension)

    def release(self, area: float, diameter: float, direction: int) -> None:
        """One vesicle leaves the membrane.

        A vesicle into the lumen brings cytosol with it: the enclosed volume grows by pi D^3/6, the fluid stays.
        A vesicle away from the lumen takes pi D^3/6 of the fluid.

        Arguments:
            area: area of its membrane, nm^2.
            diameter: its diameter D, nm.
            direction: +1 into the lumen, -1 away from it.

        Raises:
            ValueError: :meth:`can_release` says no or raises.
        """
        self._refuse(area, diameter, direction)
        self.area, self.lumen_volume, self.vesicle_volume = self._after(area, diameter, direction)
        account = "ilvs" if direction > 0 else "outward"
        _book(self.area_account, account, -area)
        _book(self.volume_account, account, direction * sphere_volume(diameter))

    def mean_tension(self, area: float, diameter: float, direction: int) -> float:
        """Mean tension in pN/nm while such a vesicle forms and draws its membrane and volume in proportion.

        This tension times the area is the work against tension, to first order in the vesicle's share of the host.
        Arguments and errors are those of :meth:`release`.
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

    def largest_ilv(self, tension: float, most: float) -> float:
        """Diameter in nm of the largest ILV after which the tension (pN/nm) is not higher; ``most`` at most, in nm."""
        possible = lambda diameter: self._leaves_enough(sphere_area(diameter), diameter, +1, tension)
        if possible(most):
            return most
        low, high = 0.0, most
        while high - low > 1e-12 * most:
            middle = (low + high) / 2
            low, high = (middle, high) if possible(middle) else (low, middle)
        return low

    def exhausted(self, diameter: float) -> bool:
        """Whether not even an ILV of this diameter (nm) can leave, the smallest that the caller expects."""
        return not self.can_release(sphere_area(diameter), diameter, +1)

    def advance(self, dt: float, fused: np.ndarray | Sequence[float] = (), *, recycling: bool = False) -> None:
        """Time passes: the volume is regulated for ``dt`` seconds, vesicles fuse, and perhaps membrane is recycled.

        While the tension is above rest, the fluid falls as exp(-t/tau) to the volume at which the membrane spans its
        sphere at rest tension, or until none is left. This is exact for any ``dt``. Fluid never comes back. Each
        vesicle that fuses brings pi d^2 of membrane and pi d^3/6 of fluid.

        Recycling keeps the endosome at its size. Membrane beyond the area of the start leaves as tubules, which hold no
        fluid, and fluid leaves until the enclosed volume is that of the start, or none is left. So membrane that ILVs
        have taken is replaced before any leaves.

        Arguments:
            dt: s.
            fused: diameters of the vesicles that fuse, nm.
            recycling: whether membrane is recycled.

        Raises:
            ValueError: ``dt`` is negative, or a diameter is not positive.
        """
        not_negative("dt", dt)
        for diameter in fused:
            positive("diameter", diameter)
        if math.isfinite(self.regulation_time):
            rest = sphere_volume(2 * self.law.rest_radius(self.area))
            excess = self.lumen_volume - max(rest - self.vesicle_volume, 0.0)
            lost = max(excess, 0.0) * math.expm1(-dt / self.regulation_time)
            self.lumen_volume += lost
            _book(self.volume_account, "regulated", lost)
        # Numbers of Python: its sum, which balances an account, rounds those of NumPy otherwise.
        diameters = [float(diameter) for diameter in fused]
        area, volume = math.fsum(map(sphere_area, diameters)), math.fsum(map(sphere_volume, diameters))
        self.area += area
        self.lumen_volume += volume
        _book(self.area_account, "fused", area)
        _book(self.volume_account, "fused", volume)
        if recycling:
            leaving = max(self.area - self.area_account.initial, 0.0)
            fluid = min(max(self.enclosed_volume - self.volume_account.initial, 0.0), self.lumen_volume)
            self.area -= leaving
            self.lumen_volume -= fluid
            _book(self.area_account, "recycled", -leaving)
            _book(self.volume_account, "recycled", -fluid)

    def area_residual(self) -> float:
        """Membrane that is not accounted for, nm^2."""
        return self.area - self.area_account.balance

    def volume_residual(self) -> float:
        """Enclosed volume that is not accounted for, nm^3."""
        return self.enclosed_volume - self.volume_account.balance

    def as_arrays(self) -> dict[str, np.ndarray]:
        """All attributes but the law as arrays, for a checkpoint."""
        values = {name: value for name, value in vars(self).items() if name != "law"}
        plain = {n: list(vars(v).values()) if isinstance(v, Account) else v for n, v in values.items()}
        return {f"endosome_{name}": np.asarray(value, np.float64) for name, value in plain.items()}

    @classmethod
    def from_arrays(cls, law: TensionLaw, arrays: dict[str, np.ndarray]) -> "Endosome":
        """Inverse of :meth:`as_arrays`, with the law."""
        names = [name for name in cls.__dataclass_fields__ if name != "law"]
        values = {name: np.asarray(arrays[f"endosome_{name}"], np.float64).tolist() for name in names}
        account = lambda entries: Account(**dict(zip(Account.__dataclass_fields__, entries, strict=True)))
        return cls(law=law, **{n: account(v) if n.endswith("_account") else v for n, v in values.items()})

    def _refuse(self, area, diameter, direction):
        """Raise ValueError where :meth:`can_release` says no."""
        if not self.can_release(area, diameter, direction):
            left, lumen, vesicles = self._after(area, diameter, direction)
            raise ValueError(
                f"no vesicle of {diameter:g} nm and {area:g} nm^2 can leave in direction {direction:+d}: {left:g} nm^2 "
                f"of membrane would have to enclose {lumen:g} nm^3 of fluid and {vesicles:g} nm^3 of ILVs below the "
                f"lysis tension of {self.law.lysis_tension:g} pN/nm; ask can_release first"
            )

    def _leaves_enough(self, area, diameter, direction, tension) -> bool:
        """Whether the membrane that such a vesicle leaves behind encloses the new volume below this tension."""
        left, lumen, vesicles = self._after(area, diameter, direction)
        if direction < 0 and lumen <= 0:
            return False
        return bool(left > self.law.needed_area(sphere_radius(lumen + vesicles), tension))

    def _after(self, area, diameter, direction) -> tuple[float, float, float]:
        """(membrane area, fluid volume, ILV volume) that such a vesicle would leave behind."""
        positive("area", area)
        positive("diameter", diameter)
        if direction not in (+1, -1):
            raise ValueError(f"direction {direction} must be +1, into the lumen, or -1, away from it")
        volume = sphere_volume(diameter)
        if direction > 0:
            return self.area - area, self.lumen_volume, self.vesicle_volume + volume
        return self.area - area, self.lumen_volume - volume, self.vesicle_volume


def sphere_area(diameter: float) -> float:
    """pi D^2, the area of a sphere of diameter D."""
    return math.pi * diameter**2


def sphere_volume(diameter: float) -> float:
    """pi D^3/6, the volume of a sphere of diameter D."""
    return math.pi * diameter**3 / 6


def _book(account, name, amount):
    setattr(account, name, getattr(account, name) + amount)
