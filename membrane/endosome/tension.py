"""The tension of an endosome: that at which its membrane spans the sphere of what it encloses."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

ROUNDING = 4 * np.finfo(float).eps
"""Relative accuracy to which roots are sought."""


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
            positive(name, value)
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
        positive("area", area)
        positive("radius", radius)
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
        positive("area", area)
        stretched = area * (1 + self.rest_tension / self.area_modulus)
        largest = math.sqrt(stretched / (4 * math.pi))
        least = largest * math.sqrt(1 - self.stored_fraction(largest, self.rest_tension))
        over = lambda radius: self.needed_area(radius, self.rest_tension) / area - 1
        return brentq(over, least / 2, 2 * largest, xtol=ROUNDING, rtol=ROUNDING)


def sphere_radius(volume):
    return math.cbrt(0.75 * volume / math.pi)


def positive(name, value):
    if not 0 < value < math.inf:
        raise ValueError(f"{name} is {value:g}; it must be positive and finite")


def not_negative(name, value):
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} is {value:g}; it must be finite and not negative")
