"""The situation of the domains of a configuration, and what a bud law predicts for domains of many sizes in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from membrane.bud.landscape import BudAnswer, Domain, Host

DIAMETERS_NM = tuple(range(20, 161, 10))
"""Diameters of the vesicles in a prediction, unless others are given."""

YEAR_S = 365.25 * 86400

NEVER_S = 1e9
"""What takes longer than this (30 years) counts as never."""

PARTS = 8
"""A law is evaluated at this many diameters for each row of a table, to find where its answer changes."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What all domains of a configuration have in common: the two phases and the host.

    Attributes:
        line_tension: energy of the boundary between the phases per length, pN.
        curvature_inside: spontaneous curvature (of 2H) of the domain, the Lo phase, 1/nm.
        curvature_outside: the same of the host, the Ld phase, 1/nm.
        rigidity_inside: bending rigidity of the domain, pN nm.
        rigidity_outside: bending rigidity of the host, pN nm.
        gaussian_contrast: Gaussian modulus of the domain less that of the host, pN nm.
        tension: tension of the host, pN/nm.
        host_radius: radius of the endosome, nm: the sphere that has the area of the box.
        thermal_energy: kT, pN nm.
    """

    line_tension: float
    curvature_inside: float
    curvature_outside: float
    rigidity_inside: float
    rigidity_outside: float
    gaussian_contrast: float
    tension: float
    host_radius: float
    thermal_energy: float

    @property
    def host(self) -> Host:
        """The membrane around the domains."""
        return Host(
            tension=self.tension,
            bending_rigidity=self.rigidity_outside,
            spontaneous_curvature=self.curvature_outside,
            radius=self.host_radius,
        )

    def domains(self, diameters: Sequence | np.ndarray) -> Domain:
        """Domains that make vesicles of these diameters (nm)."""
        size = np.asarray(diameters, float)
        full = lambda value: np.full(size.shape, value)
        return Domain(
            area=np.pi * size**2,
            spontaneous_curvature=full(self.curvature_inside),
            line_tension=full(self.line_tension),
            bending_rigidity=full(self.rigidity_inside),
            gaussian_modulus_contrast=full(self.gaussian_contrast),
        )


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a bud law answers for domains of many sizes.

    Attributes:
        situation: what the domains have in common.
        duration_s: duration of the run that the prediction belongs to, s.
        diameters: diameters of the vesicles, ascending, nm.
        answer: what the law answers, one entry for each diameter.
        shown: the diameters that are rows of the table. The others serve to find thresholds.
    """

    situation: Situation
    duration_s: float
    diameters: np.ndarray
    answer: BudAnswer
    shown: slice

    @property
    def waiting_s(self) -> np.ndarray:
        """Mean time in s until the domain is a bud or, where there is no bud, at the gate; inf: never."""
        with np.errstate(divide="ignore"):
            return 1 / self.answer.rate_per_s

    @property
    def scission_s(self) -> np.ndarray:
        """Mean time in s until the neck of that bud breaks, with the force of the scission aid if there is one."""
        with np.errstate(divide="ignore"):
            return 1 / self.answer.aided_rate_per_s

    @property
    def without_barrier(self) -> float:
        """Smallest diameter in nm that becomes a bud without a barrier; nan: none does."""
        return self._first(self.answer.barrier_kBT == 0)

    @property
    def closing(self) -> float:
        """Smallest diameter in nm that becomes a bud and closes its neck by itself; nan: none does."""
        return self._first(self.answer.neck_closed & (self.waiting_s <= NEVER_S))

    def within(self, seconds: float) -> float:
        """Smallest diameter in nm that becomes a bud within ``seconds``, interpolated; nan: none does."""
        return crossing(self.diameters, self.waiting_s, seconds)

    def _first(self, holds) -> float:
        return float(self.diameters[np.argmax(holds)]) if holds.any() else np.nan


def crossing(diameters: Sequence | np.ndarray, waiting_s: np.ndarray, seconds: float) -> float:
    """Smallest diameter whose waiting time is at most ``seconds``; nan: there is none.

    Between two diameters the logarithm of the time is interpolated.

    >>> crossing([40.0, 50.0], np.array([100.0, 1.0]), 10.0)
    45.0
    """
    below = np.nonzero(waiting_s <= seconds)[0]
    if not len(below):
        return np.nan
    at = below[0]
    if not at or not np.isfinite(waiting_s[at - 1]):
        return float(diameters[at])
    ends = np.log([waiting_s[at], waiting_s[at - 1]])
    return float(np.interp(np.log(seconds), ends, [diameters[at], diameters[at - 1]]))


def predict_situation(
    situation: Situation, law: Callable[[Domain, Host], BudAnswer], diameters: Sequence | np.ndarray, duration_s: float
) -> Prediction:
    """What a bud law predicts for domains in a situation.

    Arguments:
        situation: what the domains have in common.
        law: a bud law, such as ``CapLaw`` or ``ExactLaw``.
        diameters: diameters of the vesicles, ascending, nm.
        duration_s: duration of the run that the prediction belongs to, s.

    Raises:
        ValueError: diameters are not positive, not ascending, or reach the diameter of the host.
    """
    rows = _checked(diameters, situation)
    count = len(rows) * PARTS - PARTS + 1
    fine = np.interp(np.arange(count), PARTS * np.arange(len(rows)), rows)
    return Prediction(
        situation=situation,
        duration_s=duration_s,
        diameters=fine,
        answer=law(situation.domains(fine), situation.host),
        shown=slice(None, None, PARTS),
    )


def _checked(diameters, situation) -> np.ndarray:
    diameters, widest = np.asarray(diameters, float), 2 * situation.host_radius
    ascending = diameters.ndim == 1 and diameters.size and (np.diff(diameters) > 0).all()
    if not ascending or not (diameters > 0).all() or not (diameters < widest).all():
        raise ValueError(
            f"diameters {', '.join(f'{d:g}' for d in diameters.ravel()) or '(none)'} nm: must be positive, rising and "
            f"below the {widest:.0f} nm of the host; leave some out or enlarge geometry.box_nm"
        )
    return diameters
