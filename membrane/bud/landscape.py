"""From an energy landscape to an answer: wells, barriers, necks and rates of a domain on its way from flat to closed.

A bud law supplies a :class:`Landscape`: the energy F(x) of a domain over a coordinate x that grows while the domain
buds. :func:`answer` finds the dimple, the bud and the barrier between them, and computes the rates.

The shape moves by overdamped Langevin dynamics along x, against the drag gamma(x). The rate of a passage is the inverse
of its mean first-passage time (:func:`mean_escape_time`), which is exact for any barrier. How much that time varies
(:func:`passage_variation`) tells a wait before a barrier from a slide down to the bud.
"""

from dataclasses import dataclass

import numpy as np

RIGHT_ANGLE = 0.5 * np.pi


@dataclass(frozen=True, kw_only=True)
class Domain:
    """One or many domains. Their properties are arrays of one shape.

    Attributes:
        area: area of the membrane, nm^2.
        spontaneous_curvature: the 2H that the membrane of the domain prefers, 1/nm; positive into the lumen.
        line_tension: energy of the rim per length, pN.
        bending_rigidity: bending rigidity of the domain, pN nm.
        gaussian_modulus_contrast: kappa_G,in - kappa_G,out, the Gaussian modulus of the domain less that of the host,
            pN nm. By the theorem of Gauss and Bonnet only this difference has an effect.
        open_bud: whether the domain is an open bud already.

    >>> domain = Domain(
    ...     area=np.array([7854.0]),
    ...     spontaneous_curvature=np.array([0.04]),
    ...     line_tension=np.array([1.0]),
    ...     bending_rigidity=np.array([170.0]),
    ...     gaussian_modulus_contrast=np.array([0.0]),
    ... )
    >>> domain.size.round(1)
    array([50.])
    """

    area: np.ndarray
    spontaneous_curvature: np.ndarray
    line_tension: np.ndarray
    bending_rigidity: np.ndarray
    gaussian_modulus_contrast: np.ndarray
    open_bud: np.ndarray | bool = False

    @property
    def size(self) -> np.ndarray:
        """L = sqrt(area/pi), nm. It is the radius of the flat domain and the diameter of the closed vesicle."""
        return np.sqrt(np.asarray(self.area, float) / np.pi)


@dataclass(frozen=True, kw_only=True)
class Host:
    """The membrane around the domains. All but the rigidity is one value, or one for each domain.

    Attributes:
        tension: pN/nm.
        bending_rigidity: pN nm.
        spontaneous_curvature: the 2H that the membrane of the host prefers, 1/nm; positive into the lumen.
        radius: radius of the sphere that the host forms, nm; inf for a flat host.
    """

    tension: float | np.ndarray
    bending_rigidity: float
    spontaneous_curvature: float | np.ndarray = 0.0
    radius: float | np.ndarray = np.inf


def bud_direction(domain: Domain, host: Host) -> np.ndarray:
    """Side to which each domain bends while it is nearly flat: +1 into the lumen, -1 away from it.

    It is the sign of c0_in - (kappa_out/kappa_in) (c0_out + 2/R), and +1 where that is 0. The host's own curvature
    -2/R (of 2H, away from the lumen) acts on the rim as a spontaneous curvature does, with the host's rigidity. This
    holds for small slopes and small tensions (docs/bud.md).
    """
    ratio = host.bending_rigidity / np.asarray(domain.bending_rigidity, float)
    return np.where(domain.spontaneous_curvature < ratio * (host.spontaneous_curvature + 2 / host.radius), -1, 1)


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """Energy of domains along the path from flat to closed.

    Attributes:
        coordinate: x, ascending; array (points,) or (domains, points).
        energy: F(x), pN nm, array (domains, points); inf where there is no state.
        neck_radius: radius of the neck in each state, nm, array (domains, points).
        contact_angle: angle between membrane and host plane at the rim, rad, array (domains, points).
        drag: gamma(x), pN nm s over the square of the unit of x, array (domains, points).
        size: L of each domain, nm, array (domains,).
        direction: +1 for buds into the lumen, -1 for buds away from it, array (domains,).
        rate_factor: the law knows its rates within this factor, up or down; array (domains,).
    """

    coordinate: np.ndarray
    energy: np.ndarray
    neck_radius: np.ndarray
    contact_angle: np.ndarray
    drag: np.ndarray
    size: np.ndarray
    direction: np.ndarray
    rate_factor: np.ndarray | float = 1.0


@dataclass(frozen=True, kw_only=True)
class BudAnswer:
    """What a bud law answers. All attributes are arrays of the shape of the domains.

    The *dimple* is the first minimum of F. The *gate* is the state whose neck is so narrow that it breaks. The *bud* is
    the lowest state beyond the dimple. There are three cases:

    - F falls into the gate, and the gate is the lowest state. The neck closes by itself.
    - F has a minimum between dimple and gate. The bud rests there with an open neck.
    - F only rises from the dimple to the gate. There is no bud. The barrier is the rise to the gate.

    Attributes:
        barrier_kBT: from the dimple to the highest state before the bud. 0: there is no dimple, or the domain is a bud
            from the start. inf: out of reach.
        rate_per_s: rate at which a dimple becomes a bud: the inverse of the mean time.
        passage_variation: standard deviation of that time over its mean. 1 before a high barrier, small on a steep way
            down. No meaning where the rate is 0 or inf.
        opening_barrier_kBT: from the open bud back to the highest state before it; nan without an open bud.
        opening_rate_per_s: rate at which an open bud becomes a dimple again.
        scission_barrier_kBT: from the open bud to the highest state before the gate.
        scission_rate_per_s: rate at which an open bud reaches the gate.
        aided_rate_per_s: the same with the force of the scission aid.
        bud_energy_kBT: energy of the bud less that of the dimple.
        diameter_nm: diameter of the vesicle.
        neck_radius_nm: radius of the bud's neck; nan: there is no bud.
        contact_angle_rad: contact angle of the dimple at its rim.
        neck_closed: whether the neck closes by itself.
        direction: +1 for buds into the lumen, -1 for buds away from it.
        rate_factor: the law knows its rates within this factor, up or down, if the physics is as it assumes.
    """

    barrier_kBT: np.ndarray
    rate_per_s: np.ndarray
    passage_variation: np.ndarray
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
    rate_factor: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Gate:
    """When the neck of a bud breaks.

    Attributes:
        neck_radius: a neck of this radius breaks, nm.
        thermal_energy: kT, pN nm.
        constriction_force: what a scission aid (ESCRT-III) pulls the neck together with, pN. It adds the energy f r at
            neck radius r, which is a line tension f/(2 pi) of the neck (Agudo-Canalejo & Lipowsky 2018).

    Raises:
        ValueError: neck radius or kT is not positive, or the force is negative.
    """

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
    """Dimple, bud, barriers and rates of every domain, read from its landscape.

    Domains with L <= 2 neck radii never bud: such a vesicle would be no wider than its neck.
    """
    rows = [_answer_of_one(landscape, gate, i) for i in range(len(landscape.size))]
    columns = {name: np.array([row[name] for row in rows]) for name in _NO_BUD}
    columns["neck_closed"] = columns["neck_closed"].astype(bool)
    sizes = {"diameter_nm": np.asarray(landscape.size, float), "direction": np.asarray(landscape.direction, int)}
    sizes["rate_factor"] = np.broadcast_to(np.asarray(landscape.rate_factor, float), np.shape(landscape.size))
    return BudAnswer(**columns, **sizes)


def highest_climb(landscape: Landscape, gate: Gate) -> np.ndarray:
    """The most that F rises above an earlier state on the way to the gate, in kT, array (domains,).

    This is the barrier to the gate, whatever states lie on the way. It serves to compare laws. nan: there is no state.
    """
    found = np.full(len(landscape.size), np.nan)
    for i, energy in enumerate(landscape.energy):
        through = np.broadcast_to(landscape.neck_radius, landscape.energy.shape)[i] <= gate.neck_radius
        path = energy[: np.argmax(through) + 1] if through.any() else energy
        path = path[np.isfinite(path)] / gate.thermal_energy
        if len(path):
            found[i] = np.max(path - np.minimum.accumulate(path))
    return found


_NO_BUD = {
    "barrier_kBT": np.inf,
    "rate_per_s": 0.0,
    "passage_variation": 1.0,
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
"""The answer for a domain that never buds. Other answers replace some of it."""

_AT_THE_GATE = {"scission_barrier_kBT": 0.0, "scission_rate_per_s": np.inf, "aided_rate_per_s": np.inf}
"""Scission of a bud that has reached the gate: it happens at once."""


@dataclass(frozen=True)
class _Path:
    """One domain from its first state to the gate, arrays (points,): x, F/kT, gamma, neck radius, contact angle."""

    x: np.ndarray
    energy: np.ndarray
    drag: np.ndarray
    neck: np.ndarray
    angle: np.ndarray

    @property
    def last(self) -> int:
        """Index of the gate."""
        return len(self.x) - 1

    def rate(self, start, stop, thermal_energy, low=0):
        """Inverse mean first-passage time from point ``start`` to point ``stop``, with a reflecting wall at ``low``.

        inf where ``start`` is ``stop``.
        """
        if start == stop:
            return np.inf
        part = slice(low, stop + 1)
        with np.errstate(divide="ignore"):
            time = mean_escape_time(self.x[part], self.energy[part], self.drag[part] / thermal_energy, start - low)
            return float(1 / time)

    def passage(self, start, stop, thermal_energy) -> dict:
        """Rate and variation of the passage from point ``start`` to ``stop``, with a reflecting wall at the first."""
        if start == stop:
            return {"rate_per_s": np.inf, "passage_variation": 1.0}
        part = slice(stop + 1)
        variation = passage_variation(self.x[part], self.energy[part], self.drag[part] / thermal_energy, start)
        return {"rate_per_s": self.rate(start, stop, thermal_energy), "passage_variation": float(variation)}

    def reversed_from(self, start) -> "_Path":
        """The path walked from the gate back to point ``start``."""
        back = lambda values: values[start:][::-1]
        return _Path(-back(self.x), back(self.energy), back(self.drag), back(self.neck), back(self.angle))


def _answer_of_one(landscape: Landscape, gate: Gate, i: int) -> dict:
    """What replaces or repeats `_NO_BUD` for domain ``i``."""
    usable = np.isfinite(landscape.energy[i])
    if landscape.size[i] <= 2 * gate.neck_radius or usable.sum() < 2:
        return _NO_BUD
    return _read(_path_to_the_gate(landscape, gate, i, usable), gate)


def _path_to_the_gate(landscape: Landscape, gate: Gate, i: int, usable) -> _Path:
    """The states ``usable`` of domain ``i`` up to the gate, which may lie between two points."""
    pick = lambda values: np.broadcast_to(values, landscape.energy.shape)[i][usable]
    neck = pick(landscape.neck_radius)
    through = np.nonzero(neck <= gate.neck_radius)[0]
    last = max(through[0] if len(through) else len(neck) - 1, 1)
    neck, share = neck[: last + 1].astype(float), 1.0
    if neck[last] < gate.neck_radius < neck[last - 1]:
        share = np.log(gate.neck_radius / neck[last - 1]) / np.log(neck[last] / neck[last - 1])
        neck[last] = gate.neck_radius

    def cut(values):
        values = pick(values)[: last + 1].astype(float)
        values[last] = values[last - 1] + share * (values[last] - values[last - 1])
        return values

    x, energy, drag, angle = map(cut, (landscape.coordinate, landscape.energy, landscape.drag, landscape.contact_angle))
    return _Path(x, energy / gate.thermal_energy, drag, neck, angle)


def _read(path: _Path, gate: Gate) -> dict:
    """The answer for one path."""
    kT, energy = gate.thermal_energy, path.energy
    rises = np.append(np.diff(energy) > 0, False)
    if not rises.any():
        return _NO_BUD | _falls_to_the_gate(path, kT)
    dimple = int(np.argmax(rises))
    if path.angle[dimple] > RIGHT_ANGLE:
        return _NO_BUD | _bud_from_the_start(path, dimple, gate)
    found = _NO_BUD | {"contact_angle_rad": float(path.angle[dimple])}
    bud = _lowest_bud(path, rises, dimple)
    if bud is None:
        return found | _rises_to_the_gate(path, dimple, kT)
    top = dimple + int(np.argmax(energy[dimple : bud + 1]))
    found |= {"barrier_kBT": float(energy[top] - energy[dimple])} | path.passage(dimple, bud, kT)
    found |= {"neck_radius_nm": float(path.neck[bud]), "bud_energy_kBT": float(energy[bud] - energy[dimple])}
    if bud == path.last:
        return found | _AT_THE_GATE | {"neck_closed": True}
    return found | _scission(path, top, bud, gate) | _opening(path, dimple, top, bud, kT)


def _falls_to_the_gate(path: _Path, kT) -> dict:
    """F has no minimum at all."""
    return _AT_THE_GATE | {
        "barrier_kBT": 0.0,
        **path.passage(0, path.last, kT),
        "neck_closed": True,
        "neck_radius_nm": float(path.neck[-1]),
        "bud_energy_kBT": float(path.energy[-1] - path.energy[0]),
    }


def _rises_to_the_gate(path: _Path, dimple: int, kT) -> dict:
    """There is no bud: the domain would have to be driven to the gate."""
    hill = float(path.energy[-1] - path.energy[dimple])
    passage = path.passage(dimple, path.last, kT)
    return _AT_THE_GATE | {"barrier_kBT": hill, **passage, "bud_energy_kBT": hill}


def _bud_from_the_start(path: _Path, bud: int, gate: Gate) -> dict:
    """The first minimum has a neck already: there is no dimple to come from and none to go back to."""
    return _scission(path, 0, bud, gate) | {
        "barrier_kBT": 0.0,
        **path.passage(0, bud, gate.thermal_energy),
        "opening_barrier_kBT": np.inf,
        "opening_rate_per_s": 0.0,
        "bud_energy_kBT": 0.0,
        "neck_radius_nm": float(path.neck[bud]),
    }


def _lowest_bud(path: _Path, rises, dimple: int) -> int | None:
    """Index of the lowest minimum beyond the dimple, the gate counted if F falls into it; None: there is none."""
    minima = dimple + 2 + np.nonzero(~rises[dimple + 1 : path.last - 1] & rises[dimple + 2 : path.last])[0]
    falls_into_the_gate = not rises[path.last - 1]
    states = [*minima, *([path.last] if falls_into_the_gate else [])]
    return int(states[np.argmin(path.energy[states])]) if states else None


def _scission(path: _Path, top: int, bud: int, gate: Gate) -> dict:
    """From an open bud to the gate, without the scission aid and with it. There is no way back over ``top``."""
    energy, kT = path.energy, gate.thermal_energy
    alone = aided = path.rate(bud, path.last, kT, low=top)
    if gate.constriction_force:
        pulled = energy + gate.constriction_force * path.neck / kT
        aided = _Path(path.x, pulled, path.drag, path.neck, path.angle).rate(bud, path.last, kT, low=top)
    barrier = float(energy[bud:].max() - energy[bud])
    return {"scission_barrier_kBT": barrier, "scission_rate_per_s": alone, "aided_rate_per_s": aided}


def _opening(path: _Path, dimple: int, top: int, bud: int, kT) -> dict:
    """From an open bud back to the dimple, with a wall at the gate."""
    back, last = path.reversed_from(dimple), path.last
    rate = back.rate(last - bud, last - dimple, kT)
    return {"opening_barrier_kBT": float(path.energy[top] - path.energy[bud]), "opening_rate_per_s": rate}


def mean_escape_time(x: np.ndarray, energy: np.ndarray, drag: np.ndarray, start: int | np.integer | np.ndarray):
    """Mean first-passage time from x[start] to x[-1], with a reflecting wall at x[0].

        tau = integral_{x_start}^{x_end} dq exp(F/kT) integral_{x_0}^{q} dq' exp(-F/kT),    dq = sqrt(gamma/kT) dx

    This is exact for overdamped motion (Kramers 1940, Physica 7:284). dq is the length of the path measured by the
    drag; with it, tau is the same in every coordinate. F is the energy of the states on one path, not the free energy
    of a coordinate. That is enough where motion across the path is as stiff at the well as at the barrier (Langer
    1969, recalled).

    Arguments:
        x: coordinate, ascending, shape (..., points).
        energy: F/kT, shape (..., points).
        drag: gamma/kT, shape (..., points).
        start: index of the point of departure, shape (...,).

    Exponentials are integrated exactly between points and added as logarithms, so that barriers from none to hundreds
    of kT are handled.

    The time to diffuse freely over a length of 1 is 1/2:

    >>> x = np.linspace(0, 1, 101)
    >>> float(mean_escape_time(x, 0 * x, 1 + 0 * x, 0).round(3))
    0.5
    """
    width, length = np.diff(x, axis=-1), 0.5 * np.log(drag)
    with np.errstate(over="ignore"):
        return np.exp(_log_integral_from(start, length + _log_slowness(energy, length, width), width))


def passage_variation(x: np.ndarray, energy: np.ndarray, drag: np.ndarray, start: int | np.integer | np.ndarray):
    """Standard deviation of the first-passage time over its mean; arguments as of :func:`mean_escape_time`.

        variance = 2 integral_{q_start}^{q_end} dq exp(F/kT) integral_{q_0}^{q} dq' w(q')^2 exp(-F/kT),
        w(q) = -d tau/dq = exp(F/kT) integral_{q_0}^{q} dq' exp(-F/kT)

    The moments of the time from q on, T_1 = tau and T_2, obey T_n'' - (F/kT)' T_n' = -n T_(n-1) (Pontryagin 1933;
    Gardiner, Handbook of Stochastic Methods, recalled). Hence V = T_2 - T_1^2 obeys V'' - (F/kT)' V' = -2 (T_1')^2,
    which gives the integral. All of it is positive, so that no digits are lost where the time is sharp.

    From a reflecting wall the variance of free diffusion is 2/3 of the squared mean:

    >>> x = np.linspace(0, 1, 101)
    >>> float((passage_variation(x, 0 * x, 1 + 0 * x, 0) ** 2).round(3))
    0.667
    """
    width, length = np.diff(x, axis=-1), 0.5 * np.log(drag)
    slowness_log = _log_slowness(energy, length, width)
    variance_log = length + energy + _log_cumulative(length - energy + 2 * slowness_log, width)
    variance, mean = (_log_integral_from(start, f, width) for f in (np.log(2) + variance_log, length + slowness_log))
    return np.exp(0.5 * variance - mean)


def _log_slowness(energy, length, width):
    """Logarithm of w = -d tau/dq (see `passage_variation`), of the shape of ``energy``."""
    return energy + _log_cumulative(length - energy, width)


def _log_integral_from(start, log_f, width):
    """Logarithm of the integral of exp(log_f) from point ``start`` to the last, (...,)."""
    chosen = np.arange(np.shape(log_f)[-1]) >= np.asarray(start)[..., None]
    return _log_cumulative(np.where(chosen, log_f, -np.inf), width)[..., -1]


def _log_cumulative(log_f, width):
    """Logarithm of the cumulative integral of exp(log_f), of the same shape; its first entry is -inf."""
    # The logarithmic mean of two neighbours is exact for exponentials, and of second order for everything else.
    with np.errstate(divide="ignore", invalid="ignore"):
        high, fall = np.maximum(log_f[..., 1:], log_f[..., :-1]), np.abs(np.diff(log_f, axis=-1))
        mean = np.where(fall > 1e-6, -np.expm1(-fall) / fall, 1 - 0.5 * fall)
        pieces = np.where(np.isneginf(high), -np.inf, high + np.log(mean * width))
    total = np.logaddexp.accumulate(pieces, axis=-1)
    return np.concatenate([np.full_like(total[..., :1], -np.inf), total], axis=-1)
