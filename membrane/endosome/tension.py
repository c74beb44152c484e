"""The tension of an endosome: the one at which its membrane just spans the sphere of what it encloses."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

ROUNDING = 4 * np.finfo(float).eps
"""Relative accuracy of the roots that are sought here."""

KNOTS = 257
"""Points of the tension beyond rest. A cubic spline through them is exact to 1e-6 (tests/endosome/test_tension.py)."""

LOWEST_MODE = 15 / 4
"""q_min^2 R^2 of a sphere: l(l+1) at l = 3/2, where the integral begins that replaces the sum over shape modes l >= 2
(docs/endosome.md)."""


@dataclass(frozen=True, kw_only=True)
class TensionLaw:
    """Tension sigma of a nearly spherical host of radius R that has the relaxed membrane area A0.

    The membrane is stretched by sigma/K_A. A fraction Delta of it is stored in shape fluctuations. The rest spans the
    sphere of the enclosed volume:

        A0 (1 + sigma/K_A) (1 - Delta) = 4 pi R^2,
        Delta = kT/(8 pi kappa) ln[(q_max^2 + sigma/kappa)/(q_min^2 + sigma/kappa)],

    with q_max = pi/a and q_min^2 = 15/(4 R^2). Membrane that the sphere does not need at the rest tension lies in a
    reserve (folds, tubules, other shapes), which is assumed to hand it out at that tension. So sigma never falls below
    the rest tension.

    Attributes:
        bending_rigidity: kappa, pN nm.
        thermal_energy: kT, pN nm.
        area_modulus: K_A, pN/nm.
        shortest_length: a, nm; the shortest wavelength of fluctuations is 2a.
        rest_tension: tension of a host with membrane in reserve, pN/nm.
        lysis_tension: tension at which the membrane breaks, pN/nm.

    Raises:
        ValueError: a value is not positive, or the rest tension is not below the lysis tension.

    Radii and tensions may be arrays where they are not annotated.

    Sources, recalled, unverified: Helfrich & Servuss 1984; Evans & Rawicz 1990, Phys. Rev. Lett.
    64:2094; Milner & Safran 1987, Phys. Rev. A 36:4371.

    >>> law = TensionLaw(
    ...     bending_rigidity=85.6,
    ...     thermal_energy=4.28,
    ...     area_modulus=240.0,
    ...     shortest_length=5.0,
    ...     rest_tension=1e-3,
    ...     lysis_tension=7.0,
    ... )
    >>> area = law.needed_area(216.5, 0.1)  # of a sphere of 216.5 nm at 0.1 pN/nm
    >>> round(law.tension(float(area), 216.5), 6)
    0.1
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

    def stored_fraction(self, radius: float | np.ndarray, tension: float | np.ndarray):
        """Delta, the fraction of the membrane that shape fluctuations store; 0 where the host is too small for any.

        Arguments:
            radius: radius of the host, nm.
            tension: pN/nm.

        Raises:
            ValueError: Delta reaches 1. A membrane as soft as that forms no sphere.
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

    def needed_area(self, radius: float | np.ndarray, tension: float | np.ndarray):
        """Relaxed area in nm^2 of a membrane that spans the sphere: 4 pi R^2/[(1 + sigma/K_A)(1 - Delta)].

        Arguments and errors are those of :meth:`stored_fraction`.
        """
        stretched = (1 + np.asarray(tension) / self.area_modulus) * (1 - self.stored_fraction(radius, tension))
        return 4 * np.pi * np.square(radius) / stretched

    def tension(self, area: float, radius: float) -> float:
        """Tension in pN/nm at which the membrane spans the sphere; the rest tension where there is more membrane.

        The tension may exceed that of lysis.

        Arguments:
            area: relaxed area of the membrane, nm^2.
            radius: radius of the sphere, nm.
        """
        positive("area", area)
        positive("radius", radius)
        missing = lambda log_tension: math.log(self.needed_area(radius, math.exp(log_tension)) / area)
        rest = math.log(self.rest_tension)
        if missing(rest) <= 0:
            return self.rest_tension
        # If Delta stayed at its rest value the membrane would have to stretch this far: an upper bound of the tension.
        stretched = (self.area_modulus + self.rest_tension) * math.exp(missing(rest)) - self.area_modulus
        highest = math.log(2 * max(stretched, self.rest_tension))
        return math.exp(brentq(missing, rest, highest, xtol=ROUNDING, rtol=ROUNDING))

    def spanned_radius(self, area: float, tension: float) -> float:
        """Radius in nm of the sphere that a relaxed area (nm^2) spans at a tension (pN/nm)."""
        positive("area", area)
        stretched = area * (1 + tension / self.area_modulus)
        largest = math.sqrt(stretched / (4 * math.pi))
        least = largest * math.sqrt(1 - self.stored_fraction(largest, tension))
        over = lambda radius: self.needed_area(radius, tension) / area - 1
        return brentq(over, least / 2, 2 * largest, xtol=ROUNDING, rtol=ROUNDING)

    def rest_radius(self, area: float) -> float:
        """Radius in nm of the sphere that a relaxed area (nm^2) spans at the rest tension."""
        return self.spanned_radius(area, self.rest_tension)

    def beyond_rest(self, area: float) -> tuple[np.ndarray, np.ndarray]:
        """How the tension rises once the reserve is spent, from rest to twice that of lysis.

        The strain e is that of the area of the sphere, e = (R/R_rest)^2 - 1, for a membrane of this relaxed ``area``
        (nm^2). It is 0 at rest.

        Returns strains and tensions (pN/nm), both (knots,). The tensions are evenly spaced in ln sigma.
        """
        tension = np.geomspace(self.rest_tension, 2 * self.lysis_tension, KNOTS)
        radius = np.array([self.spanned_radius(area, float(each)) for each in tension])
        return np.square(radius / radius[0]) - 1, tension


def sphere_radius(volume):
    """Radius in nm of a sphere of this volume (nm^3)."""
    return math.cbrt(0.75 * volume / math.pi)


def positive(name, value):
    """Raise ValueError unless the value is positive and finite."""
    if not 0 < value < math.inf:
        raise ValueError(f"{name} is {value:g}; it must be positive and finite")


def not_negative(name, value):
    """Raise ValueError unless the value is at least 0 and finite."""
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} is {value:g}; it must be finite and not negative")
