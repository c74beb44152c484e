"""What a domain finds, what becomes of domains of many sizes there, and from which size on they bud."""

from dataclasses import dataclass

import numpy as np

from membrane.bud.landscape import BudAnswer, Domain, Host

DIAMETERS_NM = tuple(range(20, 161, 10))
"""Of the vesicles that are asked about where nobody names others."""

YEAR_S = 365.25 * 86400

NEVER_S = 1e9
"""What takes longer than 30 years does not happen."""

PARTS = 8
"""The law is asked at so many diameters for each row of the table, to find where its answer changes."""


@dataclass(frozen=True)
class Situation:
    """What a domain of a configuration finds: line tension (pN), spontaneous curvatures of the coexisting phases
    (1/nm), rigidities and Gaussian contrast (pN nm), tension (pN/nm), host radius (nm; the sphere of the box's area),
    kT (pN nm)."""

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
        return Host(self.tension, self.rigidity_outside, self.curvature_outside, self.host_radius)

    def domains(self, diameters) -> Domain:
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


@dataclass(frozen=True)
class Prediction:
    """What the law answers (``answer``) at rising ``diameters`` (nm), ``shown`` of which are rows of the table."""

    situation: Situation
    duration_s: float
    diameters: np.ndarray
    answer: BudAnswer
    shown: slice

    @property
    def waiting_s(self) -> np.ndarray:
        """Mean time until the domain is a bud or, where there is none, at the gate; inf: never."""
        with np.errstate(divide="ignore"):
            return 1 / self.answer.rate_per_s

    @property
    def scission_s(self) -> np.ndarray:
        """Mean time until the neck of that bud breaks, with the scission aid's force if there is one."""
        with np.errstate(divide="ignore"):
            return 1 / self.answer.aided_rate_per_s

    @property
    def without_barrier(self) -> float:
        """Smallest diameter (nm) that becomes a bud without a barrier; nan: none does."""
        return self._first(self.answer.barrier_kBT == 0)

    @property
    def closing(self) -> float:
        """Smallest diameter (nm) that becomes a bud and closes its neck by itself; nan: none does."""
        return self._first(self.answer.neck_closed & (self.waiting_s <= NEVER_S))

    def within(self, seconds: float) -> float:
        """Smallest diameter (nm) that becomes a bud within ``seconds``, interpolated; nan: none does."""
        return crossing(self.diameters, self.waiting_s, seconds)

    def _first(self, holds) -> float:
        return float(self.diameters[np.argmax(holds)]) if holds.any() else np.nan


def crossing(diameters, waiting_s, seconds: float) -> float:
    """Smallest diameter whose waiting time is at most ``seconds``, by the time's logarithm; nan: none."""
    below = np.nonzero(waiting_s <= seconds)[0]
    if not len(below):
        return np.nan
    at = below[0]
    if not at or not np.isfinite(waiting_s[at - 1]):
        return float(diameters[at])
    ends = np.log([waiting_s[at], waiting_s[at - 1]])
    return float(np.interp(np.log(seconds), ends, [diameters[at], diameters[at - 1]]))


def asked(situation: Situation, law, diameters, duration_s: float) -> Prediction:
    """As :func:`predict`, of any situation and law."""
    rows = _checked(diameters, situation)
    count = len(rows) * PARTS - PARTS + 1
    fine = np.interp(np.arange(count), PARTS * np.arange(len(rows)), rows)
    return Prediction(
        situation, duration_s, fine, law(situation.domains(fine), situation.host), slice(None, None, PARTS)
    )


def _checked(diameters, situation) -> np.ndarray:
    diameters, widest = np.asarray(diameters, float), 2 * situation.host_radius
    rising = diameters.ndim == 1 and diameters.size and (np.diff(diameters) > 0).all()
    if not rising or not (diameters > 0).all() or not (diameters < widest).all():
        raise ValueError(
            f"diameters {', '.join(f'{d:g}' for d in diameters.ravel()) or '(none)'} nm: must be positive, rising and "
            f"below the {widest:.0f} nm of the host; leave some out or enlarge geometry.box_nm"
        )
    return diameters
