"""From an energy landscape to an answer: wells, barriers, necks and rates of a domain between flat and closed.

Every bud law supplies a :class:`Landscape` over a coordinate that grows on the way; :func:`answer` reads it.
The state moves by overdamped Langevin dynamics against the drag gamma(x), so that times are mean first-passage times
(:func:`mean_escape_time`), exact for any barrier; for high ones they are Kramers' (:func:`kramers_rate`).
"""

from dataclasses import dataclass

import numpy as np

RIGHT_ANGLE = 0.5 * np.pi


@dataclass(frozen=True)
class Domain:
    """Domains as arrays of one shape: area (nm^2), spontaneous curvature (1/nm), line tension (pN), bending rigidity
    and Gaussian modulus contrast kappa_G,in - kappa_G,out (pN nm; Gauss-Bonnet leaves no more of the two moduli), and
    whether they are open buds already."""

    area: np.ndarray
    spontaneous_curvature: np.ndarray
    line_tension: np.ndarray
    bending_rigidity: np.ndarray
    gaussian_modulus_contrast: np.ndarray
    open_bud: np.ndarray | bool = False

    @property
    def size(self) -> np.ndarray:
        """L = sqrt(area/pi) in nm, the diameter of the closed vesicle."""
        return np.sqrt(np.asarray(self.area, float) / np.pi)


@dataclass(frozen=True)
class Host:
    """The membrane around them: tension (pN/nm; one value, or one a domain), bending rigidity (pN nm), spontaneous
    curvature (1/nm), radius (nm; inf: flat)."""

    tension: float | np.ndarray
    bending_rigidity: float
    spontaneous_curvature: float = 0.0
    radius: float = np.inf


def bud_direction(domain: Domain, host: Host) -> np.ndarray:
    """+1 for domains that bud into the lumen, -1 for those that bud away: the sign of c0_in - (kappa_out/kappa_in)
    c0_out."""
    ratio = host.bending_rigidity / np.asarray(domain.bending_rigidity, float)
    return np.where(domain.spontaneous_curvature < ratio * host.spontaneous_curvature, -1, 1)


@dataclass(frozen=True)
class Landscape:
    """Energy of domains along the path, arrays (domains, points) over ascending ``coordinate`` (points,) or (domains,
    points): ``energy`` F(x) in pN nm (inf: no state), ``neck_radius`` in nm, ``contact_angle`` in rad, ``drag`` in
    pN nm s; and ``size`` L in nm, ``direction`` (+1 into the lumen), ``rate_factor`` within which rates are known,
    arrays (domains,)."""

    coordinate: np.ndarray
    energy: np.ndarray
    neck_radius: np.ndarray
    contact_angle: np.ndarray
    drag: np.ndarray
    size: np.ndarray
    direction: np.ndarray
    rate_factor: np.ndarray | float = 1.0


@dataclass(frozen=True)
class BudAnswer:
    """What a law answers, arrays of the shape of the domains.

    The dimple is the first minimum of F; the gate of scission is a neck of the stated radius. The bud is the lowest
    state beyond the dimple: the gate itself where F falls into it (``neck_closed``: the neck closes by itself), else a
    minimum with an open neck of ``neck_radius_nm``. Where F only rises from the dimple to the gate there is no bud
    (``neck_radius_nm`` nan), and the hill to the gate is the barrier.

    ``barrier_kBT`` dimple to the highest state before the bud (0: no dimple, or a bud from the start; inf: out of
    reach), ``rate_per_s`` of becoming a bud; ``opening_barrier_kBT``, ``opening_rate_per_s`` from the open bud back;
    ``scission_barrier_kBT``, ``scission_rate_per_s`` from the open bud to the gate, and ``aided_rate_per_s`` with the
    scission aid's force; ``bud_energy_kBT`` bud less dimple; ``diameter_nm`` of the vesicle; ``contact_angle_rad`` of
    the dimple; ``direction``; ``rate_factor`` within which the law knows its rates, the physics being as assumed.
    """

    barrier_kBT: np.ndarray
    rate_per_s: np.ndarray
    opening_barrier_kBT: np.ndarray
    opening_rate_per_s: np.ndarray
    scission_barrier_kBT: np.ndarray
    scission_rate_per_s: np.ndarray
    aided_rate_per_s: np.ndarray
    bud_energy_kBT: np.ndarray
    diameter_nm: np.ndarray
    neck_radius_nm: np.ndarray
    contact_angle_rad: np.ndarray
    neck_closed: np.ndarray
    direction: np.ndarray
    rate_factor: np.ndarray | float = 1.0


@dataclass(frozen=True)
class Gate:
    """When a neck breaks: at ``neck_radius`` (nm). ``constriction_force`` (pN) is what a scission aid (ESCRT-III) adds,
    an energy f r at neck radius r, that is a line tension f/(2 pi) of the neck (Agudo-Canalejo & Lipowsky 2018).
    ``thermal_energy`` is kT (pN nm)."""

    neck_radius: float
    thermal_energy: float
    constriction_force: float = 0.0

    def __post_init__(self):
        for name, value in (("neck_radius", self.neck_radius), ("thermal_energy", self.thermal_energy)):
            if not value > 0:
                raise ValueError(f"{name} {value} must be positive")
        if not self.constriction_force >= 0:
            raise ValueError(f"constriction_force {self.constriction_force} must not be negative")


def answer(landscape: Landscape, gate: Gate) -> BudAnswer:
    """Read every domain's landscape (see :class:`BudAnswer`). Domains with L <= 2 neck radii never bud."""
    rows = [_answer_one(landscape, gate, i) for i in range(len(landscape.size))]
    columns = {name: np.array([row[name] for row in rows]) for name in _NOTHING}
    columns["neck_closed"] = columns["neck_closed"].astype(bool)
    sizes = {"diameter_nm": np.asarray(landscape.size, float), "direction": np.asarray(landscape.direction, int)}
    sizes["rate_factor"] = np.broadcast_to(np.asarray(landscape.rate_factor, float), np.shape(landscape.size))
    return BudAnswer(**columns, **sizes)


def highest_climb(landscape: Landscape, gate: Gate) -> np.ndarray:
    """Of each domain the most that F rises above an earlier state on the way to the gate, in kT: the barrier, whatever
    states lie on the way; nan where there is no state."""
    found = np.full(len(landscape.size), np.nan)
    for i, energy in enumerate(landscape.energy):
        through = np.broadcast_to(landscape.neck_radius, landscape.energy.shape)[i] <= gate.neck_radius
        path = energy[: np.argmax(through) + 1] if through.any() else energy
        path = path[np.isfinite(path)] / gate.thermal_energy
        if len(path):
            found[i] = np.max(path - np.minimum.accumulate(path))
    return found


_NOTHING = {
    "barrier_kBT": np.inf,
    "rate_per_s": 0.0,
    "opening_barrier_kBT": np.nan,
    "opening_rate_per_s": np.inf,
    "scission_barrier_kBT": np.inf,
    "scission_rate_per_s": 0.0,
    "aided_rate_per_s": 0.0,
    "bud_energy_kBT": np.nan,
    "neck_radius_nm": np.nan,
    "contact_angle_rad": np.nan,
    "neck_closed": False,
}


def _answer_one(landscape: Landscape, gate: Gate, i: int) -> dict:
    pick = lambda v: np.broadcast_to(v, landscape.energy.shape)[i]
    usable = np.isfinite(landscape.energy[i])
    if landscape.size[i] <= 2 * gate.neck_radius or usable.sum() < 2:
        return _NOTHING
    neck = pick(landscape.neck_radius)[usable]
    through = np.nonzero(neck <= gate.neck_radius)[0]
    last = max(through[0] if len(through) else len(neck) - 1, 1)
    neck, share = neck[: last + 1].astype(float), 1.0
    if neck[last] < gate.neck_radius < neck[last - 1]:
        share = np.log(gate.neck_radius / neck[last - 1]) / np.log(neck[last] / neck[last - 1])
        neck[last] = gate.neck_radius

    def cut(values):
        """Up to the gate itself, between two points."""
        values = pick(values)[usable][: last + 1].astype(float)
        values[last] = values[last - 1] + share * (values[last] - values[last - 1])
        return values

    path = _Path(cut(landscape.coordinate), cut(landscape.energy) / gate.thermal_energy, cut(landscape.drag))
    return _read(path, neck, cut(landscape.contact_angle), gate)


@dataclass(frozen=True)
class _Path:
    """x, F/kT and gamma of one domain up to the gate."""

    x: np.ndarray
    energy: np.ndarray
    drag: np.ndarray

    def rate(self, start, stop, thermal_energy, low=0):
        """Inverse mean first-passage time from ``start`` to ``stop`` with a wall at ``low``; inf where it is there."""
        if start == stop:
            return np.inf
        part = slice(low, stop + 1)
        with np.errstate(divide="ignore"):
            time = mean_escape_time(self.x[part], self.energy[part], self.drag[part] / thermal_energy, start - low)
            return float(1 / time)

    def reversed(self):
        return _Path(-self.x[::-1], self.energy[::-1], self.drag[::-1])


def _read(path: _Path, neck, angle, gate: Gate) -> dict:
    energy, last, kT = path.energy, len(path.x) - 1, gate.thermal_energy
    rises = np.append(np.diff(energy) > 0, False)
    dimple = int(np.argmax(rises))
    at_once = {"scission_barrier_kBT": 0.0, "scission_rate_per_s": np.inf, "aided_rate_per_s": np.inf}
    if not rises.any():
        closed = {"barrier_kBT": 0.0, "rate_per_s": path.rate(0, last, kT), "neck_closed": True}
        closed |= {"neck_radius_nm": float(neck[last]), "bud_energy_kBT": float(energy[last] - energy[0])}
        return _NOTHING | at_once | closed
    budded = angle[dimple] > RIGHT_ANGLE
    falls_in = not rises[last - 1]
    settles = dimple + 2 + np.nonzero(~rises[dimple + 1 : last - 1] & rises[dimple + 2 : last])[0]
    states = [dimple] if budded else [*settles, *([last] if falls_in else [])]
    shown = _NOTHING | ({} if budded else {"contact_angle_rad": float(angle[dimple])})
    if not states:
        hill = {"barrier_kBT": float(energy[last] - energy[dimple]), "rate_per_s": path.rate(dimple, last, kT)}
        return shown | at_once | hill | {"bud_energy_kBT": hill["barrier_kBT"]}
    bud = int(states[np.argmin(energy[states])])
    top = 0 if budded else dimple + int(np.argmax(energy[dimple : bud + 1]))
    shown |= {"barrier_kBT": 0.0 if budded else float(energy[top] - energy[dimple])}
    shown |= {"rate_per_s": path.rate(0 if budded else dimple, bud, kT), "neck_radius_nm": float(neck[bud])}
    shown |= {"bud_energy_kBT": float(energy[bud] - energy[dimple])}
    if bud == last:
        return shown | at_once | {"neck_closed": True}
    alone = path.rate(bud, last, kT, low=top)
    shown |= {"scission_barrier_kBT": float(energy[bud:].max() - energy[bud]), "scission_rate_per_s": alone}
    aided = _Path(path.x, energy + gate.constriction_force * neck / kT, path.drag)
    shown |= {"aided_rate_per_s": aided.rate(bud, last, kT, low=top) if gate.constriction_force else alone}
    if budded:
        return shown | {"opening_barrier_kBT": np.inf, "opening_rate_per_s": 0.0}
    back = _Path(path.x[dimple:], energy[dimple:], path.drag[dimple:]).reversed()
    opening = {"opening_barrier_kBT": float(energy[top] - energy[bud])}
    return shown | opening | {"opening_rate_per_s": back.rate(last - bud, last - dimple, kT)}


def kramers_rate(well_curvature, barrier_curvature, well_drag, barrier_drag, barrier, thermal_energy):
    """Kramers' rate sqrt(F''_well |F''_barrier|/(gamma_well gamma_barrier)) exp(-dF/kT)/(2 pi) (Kramers 1940, Physica
    7:284, in the coordinate of constant drag). From :func:`mean_escape_time` with both exponentials taken to second
    order: valid for dF of several kT and a drag that hardly changes across a width sqrt(kT/|F''|)."""
    frequency = np.sqrt(well_curvature * np.abs(barrier_curvature) / (well_drag * barrier_drag))
    return frequency * np.exp(-barrier / thermal_energy) / (2 * np.pi)


def mean_escape_time(x, energy, drag, start):
    """Mean first-passage time from x[start] to x[-1], reflecting at x[0] (Kramers 1940; exact for overdamped motion).

        tau = integral_{x_start}^{x_end} dq exp(F/kT) integral_{x_0} dq exp(-F/kT),    dq = sqrt(gamma/kT) dx

    F is the energy of the states on a path, not the free energy of a coordinate; dq, the path's length in the metric of
    the drag, makes tau the same in every coordinate, and is what remains of many degrees of freedom when those
    across the path are as stiff at the well as at the barrier (Langer 1969, recalled).

    ``x``, ``energy`` (F/kT), ``drag`` (gamma/kT) have shape (..., points), ``start`` is an index of shape (...,).
    Exponentials are integrated exactly between points, as logarithms: any barrier from none to hundreds of kT.
    """
    width, length = np.diff(x, axis=-1), 0.5 * np.log(drag)
    outer_log = length + energy + _log_cumulative(length - energy, width)
    chosen = np.arange(np.shape(x)[-1]) >= np.asarray(start)[..., None]
    outer_log = np.where(chosen, outer_log, -np.inf)
    with np.errstate(over="ignore"):
        return np.exp(_log_cumulative(outer_log, width)[..., -1])


def _log_cumulative(log_f, width):
    """log of the cumulative integral of exp(log_f); the first entry is -inf."""
    # Logarithmic mean of neighbours: exact for exponentials, of second order for the rest.
    with np.errstate(divide="ignore", invalid="ignore"):
        high, fall = np.maximum(log_f[..., 1:], log_f[..., :-1]), np.abs(np.diff(log_f, axis=-1))
        mean = np.where(fall > 1e-6, -np.expm1(-fall) / fall, 1 - 0.5 * fall)
        pieces = np.where(np.isneginf(high), -np.inf, high + np.log(mean * width))
    total = np.logaddexp.accumulate(pieces, axis=-1)
    return np.concatenate([np.full_like(total[..., :1], -np.inf), total], axis=-1)
