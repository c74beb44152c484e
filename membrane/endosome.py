"""The membrane that an endosome has to spend: what vesicles take, what fusing vesicles bring, its tension, and the
books."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

ROUNDING = 4 * np.finfo(float).eps
"""Relative accuracy to which roots are sought."""

QUADRATURE = np.polynomial.legendre.leggauss(12)
"""Points and weights for the mean tension."""


@dataclass
class Books:
    """Content of the sheet in float64, species x nm^2: what it began with, gained by reactions, lost to vesicles,
    was given.

    ``residual`` closes to rounding: content now - (initial + reacted + supplied - removed).
    """

    initial: np.ndarray
    reacted: np.ndarray
    removed: np.ndarray
    supplied: np.ndarray

    @classmethod
    def open(cls, content: np.ndarray) -> "Books":
        """Books of a sheet that holds ``content`` (species,)."""
        zero = np.zeros_like(content)
        return cls(content.copy(), zero.copy(), zero.copy(), zero.copy())

    def residual(self, content: np.ndarray) -> np.ndarray:
        """What is unaccounted for, species x nm^2."""
        return content - (self.initial + self.reacted + self.supplied - self.removed)

    def as_arrays(self) -> dict[str, np.ndarray]:
        """For a checkpoint."""
        return {f"books_{name}": np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Books":
        """Inverse of :meth:`as_arrays`."""
        return cls(**{name: np.asarray(arrays[f"books_{name}"]) for name in cls.__dataclass_fields__})


def content(fields, cell_area: float) -> np.ndarray:
    """Integral of each field (species, n_y, n_x) over the sheet, float64, nm^2."""
    return np.asarray(fields).sum(axis=(1, 2), dtype=np.float64) * cell_area


LOWEST_MODE = 15 / 4
"""q_min^2 R^2 of a quasi-spherical host: l(l+1) at l = 3/2, where the sum over shape modes l >= 2 begins as an
integral (docs/endosome.md)."""


@dataclass(frozen=True)
class TensionLaw:
    """Tension sigma (pN/nm) of a quasi-spherical host of radius R (nm) that has relaxed membrane A0 (nm^2).

    Stretched by sigma/K_A, and with the fraction Delta stored in shape fluctuations, the membrane spans the sphere of
    the volume enclosed:

        A0 (1 + sigma/K_A) (1 - Delta) = 4 pi R^2,
        Delta = kT/(8 pi kappa) ln[(q_max^2 + sigma/kappa)/(q_min^2 + sigma/kappa)],

    q_max = pi/a, q_min^2 = 15/(4 R^2). Membrane that the sphere does not need at the rest tension lies in a reserve
    (folds, tubules, other shapes) at that tension, an assumption, so that sigma never falls below it.

    ``bending_rigidity`` kappa and ``thermal_energy`` kT in pN nm, ``area_modulus`` K_A in pN/nm, ``shortest_length`` a
    in nm, ``rest_tension`` and ``lysis_tension`` in pN/nm. Raises ValueError unless all are positive and rest lies
    below lysis. Radii and tensions may be arrays where they are not annotated. Sources, recalled, unverified: Helfrich
    & Servuss 1984; Evans & Rawicz 1990 PRL 64:2094; Milner & Safran 1987 PRA 36:4371.
    """

    bending_rigidity: float
    thermal_energy: float
    area_modulus: float
    shortest_length: float
    rest_tension: float
    lysis_tension: float

    def __post_init__(self):
        for name, value in vars(self).items():
            _positive(name, value)
        if self.rest_tension >= self.lysis_tension:
            raise ValueError(f"rest_tension {self.rest_tension:g} must lie below lysis_tension {self.lysis_tension:g}")

    def stored_fraction(self, radius, tension):
        """Delta: the fraction of the membrane that shape fluctuations store; 0 where the host is too small for any.

        Raises ValueError where it reaches 1: so soft a membrane is no sphere.
        """
        ratio = np.asarray(tension) / self.bending_rigidity
        shortest, longest = (np.pi / self.shortest_length) ** 2, LOWEST_MODE / np.square(radius)
        modes = np.log(np.maximum((shortest + ratio) / (longest + ratio), 1.0))
        stored = self.thermal_energy / (8 * np.pi * self.bending_rigidity) * modes
        if np.any(stored >= 1):
            raise ValueError(
                f"fluctuations would store all membrane: bending_rigidity {self.bending_rigidity:g} pN nm is too small "
                f"for thermal_energy {self.thermal_energy:g} pN nm"
            )
        return stored

    def needed_area(self, radius, tension):
        """Relaxed membrane in nm^2 that spans the sphere at this tension: 4 pi R^2/[(1 + sigma/K_A)(1 - Delta)].

        Raises ValueError like :meth:`stored_fraction`.
        """
        stretched = (1 + np.asarray(tension) / self.area_modulus) * (1 - self.stored_fraction(radius, tension))
        return 4 * np.pi * np.square(radius) / stretched

    def tension(self, area: float, radius: float) -> float:
        """The sigma at which ``area`` spans the sphere, the rest tension where there is more; lysis sets no bound."""
        _positive("area", area)
        _positive("radius", radius)
        short = lambda log_tension: math.log(self.needed_area(radius, math.exp(log_tension)) / area)
        rest = math.log(self.rest_tension)
        if short(rest) <= 0:
            return self.rest_tension
        # Were Delta to stay at its rest value, the membrane would have to stretch this far.
        stretched = (self.area_modulus + self.rest_tension) * math.exp(short(rest)) - self.area_modulus
        highest = math.log(2 * max(stretched, self.rest_tension))
        return math.exp(brentq(short, rest, highest, xtol=ROUNDING, rtol=ROUNDING))

    def rest_radius(self, area: float) -> float:
        """Radius in nm of the sphere that ``area`` spans at the rest tension."""
        _positive("area", area)
        stretched = area * (1 + self.rest_tension / self.area_modulus)
        largest = math.sqrt(stretched / (4 * math.pi))
        least = largest * math.sqrt(1 - self.stored_fraction(largest, self.rest_tension))
        over = lambda radius: self.needed_area(radius, self.rest_tension) / area - 1
        return brentq(over, least / 2, 2 * largest, xtol=ROUNDING, rtol=ROUNDING)


@dataclass(frozen=True)
class Fusion:
    """Vesicles of ``diameter`` (nm) and ``composition`` (species,) that fuse with an endosome at random, independently,
    at ``rate_per_s``. ValueError for a negative rate or a diameter that is not positive."""

    rate_per_s: float
    diameter: float
    composition: np.ndarray

    def __post_init__(self):
        _not_negative("rate_per_s", self.rate_per_s)
        _positive("diameter", self.diameter)

    def arrivals(self, rng: np.random.Generator, dt: float) -> int:
        """How many fuse within ``dt`` (s): Poisson of mean rate dt."""
        _not_negative("dt", dt)
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
        _not_negative("supply_diameter", self.supply_diameter)

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
        _positive("radius", radius)
        _not_negative("reserve_fraction", reserve_fraction)
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
        return _sphere_radius(self.enclosed_volume)

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
        return bool(left > self.law.needed_area(_sphere_radius(lumen + vesicles), self.law.lysis_tension))

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
        radius = lambda t: _sphere_radius(self.enclosed_volume + t * (lumen + vesicles - self.enclosed_volume))
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
        _not_negative("dt", dt)
        _not_negative("fused", fused)
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
        _positive("area", area)
        _positive("diameter", diameter)
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


def _sphere_radius(volume):
    return math.cbrt(0.75 * volume / math.pi)


def _book(account, name, amount):
    setattr(account, name, getattr(account, name) + amount)


def _positive(name, value):
    if not 0 < value < math.inf:
        raise ValueError(f"{name} is {value:g}; it must be positive and finite")


def _not_negative(name, value):
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} is {value:g}; it must be finite and not negative")
