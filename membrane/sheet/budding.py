"""Budding events: the watcher that turns domains into rows of the event table."""

from collections.abc import Callable
from dataclasses import astuple, dataclass, replace

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from membrane.bud.landscape import BudAnswer, Domain, Host, bud_direction
from membrane.endosome.budget import Endosome, VesicleSupply
from membrane.outcome.density import shell_density
from membrane.outcome.table import MolecularAreas, event_row
from membrane.sheet.books import Books, content
from membrane.sheet.domains import Domains, find_domains, removal_masks
from membrane.sheet.model import AbstractModel, State
from membrane.units import PN_PER_NM_PER_UN_PER_M

SHELL_THICKNESS = 5.0
"""Thickness of a vesicle's wall in nm for its density; the outer diameter is the mid-plane one plus this
(docs/cap.md)."""


@dataclass(frozen=True, kw_only=True)
class Buddings:
    """What turns domains into events: the bud law, the mechanics that the sheet cannot see, and the rules.

    law: energies, barriers and rates of domains in a host
    bending_rigidity_lo, bending_rigidity_ld: of the two phases, in pN nm
    gaussian_modulus_contrast: kappa_G of Lo less that of Ld, in pN nm
    line_tension: of the wall, *measured* for the mixture, in pN
    interface_width: xi of the wall, in nm
    circularity: domains that are rounder are put to the law
    least_diameter: of the smallest vesicle that can form, in nm
    aid_waiting_time: how long after the bud the scission aid comes, in s; inf where it never comes
    areas: of single molecules
    shell_density, lumen_density: of a vesicle, in g/ml
    """

    law: Callable[[Domain, Host], BudAnswer]
    bending_rigidity_lo: float
    bending_rigidity_ld: float
    gaussian_modulus_contrast: float
    line_tension: float
    interface_width: float
    circularity: float
    least_diameter: float
    aid_waiting_time: float
    areas: MolecularAreas
    shell_density: float
    lumen_density: float


@dataclass(frozen=True)
class OpenBud:
    """A bud whose neck is open: where its domain was last seen (nm), since when (s), over which barrier it came."""

    y: float
    x: float
    since_s: float
    barrier_kBT: float


class BudWatcher:
    """Looks at one endosome every ``interval`` ticks: settles its budget, labels domains, asks the law, draws, removes,
    books.

    A domain becomes a bud with probability 1 - exp(-k dt), k its rate and dt the time since the last look. If its neck
    closes by itself it leaves at once; else it stays, an open bud, until it leaves over the hill before scission, with
    the aid's help once that has come, or opens again; an open bud that stops being a round domain is forgotten. Domains
    that are not round or percolate are not asked; those that find no membrane left are refused and counted in
    ``without_membrane`` at the last look. Random numbers are functions of (seed, endosome, tick).
    """

    def __init__(
        self,
        rules: Buddings,
        fusion: VesicleSupply,
        budget: Endosome,
        books: Books,
        *,
        sheet_area: float,
        endosome: int,
        seed: int,
        tick_s: float,
        interval: int,
        tick: int,
    ):
        self.rules, self.fusion, self.budget, self.books = rules, fusion, budget, books
        self.sheet_area, self.endosome, self.seed = sheet_area, endosome, seed
        self.tick_s, self.interval = tick_s, interval
        self.next_tick = (tick // interval + 1) * interval
        self.rows: list[np.ndarray] = []
        self.open_buds: list[OpenBud] = []
        self.without_membrane = 0

    def advanced(self, reacted: np.ndarray) -> None:
        """Books what reactions added to the means."""
        self.books.reacted += reacted * self.sheet_area

    def as_arrays(self) -> dict[str, np.ndarray]:
        """For a checkpoint."""
        buds = np.array([astuple(bud) for bud in self.open_buds]).reshape(-1, 4)
        return {"open_buds": buds, "without_membrane": np.array(self.without_membrane)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Inverse of :meth:`as_arrays`."""
        self.open_buds = [OpenBud(*map(float, bud)) for bud in arrays["open_buds"]]
        self.without_membrane = int(arrays["without_membrane"])

    def see(self, model: AbstractModel, state: State) -> tuple[AbstractModel, State]:
        """Remove every domain that leaves now, one event row each in ``rows``; the model gets the new tension."""
        tick, dt = int(state.tick), self.interval * self.tick_s
        self.next_tick = tick + self.interval
        self.without_membrane = 0
        arrivals = np.random.default_rng([self.seed, self.endosome, tick, 1])
        self.budget.advance(dt, self.fusion.arrivals(arrivals, dt))
        fields, time = np.asarray(state.fields), tick * self.tick_s
        domains = find_domains(fields[0], model.grid)
        asked = np.nonzero(is_round(domains, self.rules.circularity))[0]
        known, self.open_buds = _matched(self.open_buds, domains, asked, model.grid), []
        draws = np.random.default_rng([self.seed, self.endosome, tick]).random((len(domains), 2))
        if len(asked):
            domain, host = self._mechanics(model, domains, fields, asked, known)
            answer = self.rules.law(domain, host)
        for row, index in enumerate(map(int, asked)):
            bud, at = known.get(index), _Case(index, row, domain, host, answer, time)
            fate = self._fate(bud, at, dt, draws[index])
            if fate in ("leaves", "leaves with aid", "opens up") and not self._can_release(at):
                self.without_membrane += 1
            elif fate in ("leaves", "leaves with aid"):
                barrier = max(bud.barrier_kBT, at("scission_barrier_kBT")) if bud else at("barrier_kBT")
                state = self._release(model, state, domains, at, barrier, aided=fate == "leaves with aid")
                continue
            elif fate == "opens up":
                bud = OpenBud(*map(float, domains.centroid[index]), time, at("barrier_kBT"))
            if bud and fate != "closes down":
                y, x = map(float, domains.centroid[index])
                self.open_buds.append(replace(bud, y=y, x=x))
        return with_tension(model, self.budget.tension), state

    def _fate(self, bud, at, dt, draws) -> str | None:
        """What happens to a domain within ``dt``, or None: nothing. Competing rates are drawn together."""
        if bud is None:
            if draws[0] >= -np.expm1(-at("rate_per_s") * dt):
                return None
            return "leaves" if at("neck_closed") or np.isinf(at("scission_rate_per_s")) else "opens up"
        if at("neck_closed"):
            return "leaves"
        if np.isnan(at("neck_radius_nm")):
            return "closes down"
        aided = at.time - bud.since_s >= self.rules.aid_waiting_time
        leaving, opening = at("aided_rate_per_s" if aided else "scission_rate_per_s"), at("opening_rate_per_s")
        if draws[0] >= -np.expm1(-(leaving + opening) * dt):
            return None
        if draws[1] * (leaving + opening) >= leaving:
            return "closes down"
        return "leaves with aid" if aided else "leaves"

    def _mechanics(self, model, domains, fields, asked, known) -> tuple[Domain, Host]:
        """The domains ``asked``, open buds if ``known``, and their host, each at the tension that its own vesicle would
        meet."""
        rules, n = self.rules, len(asked)
        named = {name: np.asarray(f, float) for name, f in model.named(fields).items()}
        curvature = model.helfrich.spontaneous_curvature(named) * np.ones(fields.shape[1:])
        outside = domains.labels == 0
        domain = Domain(
            area=domains.area[asked],
            spontaneous_curvature=domains.mean(curvature)[asked],
            line_tension=np.full(n, rules.line_tension),
            bending_rigidity=np.full(n, rules.bending_rigidity_lo),
            gaussian_modulus_contrast=np.full(n, rules.gaussian_modulus_contrast),
            open_bud=np.isin(asked, list(known)),
        )
        mean = float(curvature[outside].mean()) if outside.any() else 0.0
        host = Host(
            tension=self.budget.tension,
            bending_rigidity=rules.bending_rigidity_ld,
            spontaneous_curvature=mean,
            radius=self.budget.host_radius,
        )
        release = zip(domain.area, domain.size, bud_direction(domain, host), strict=True)
        tension = [self._tension_of(float(area), float(size), int(side)) for area, size, side in release]
        return domain, replace(host, tension=np.array(tension))

    def _tension_of(self, area, diameter, direction) -> float:
        possible = self.budget.can_release(area, diameter, direction)
        return self.budget.mean_tension(area, diameter, direction) if possible else self.budget.tension

    def _can_release(self, at) -> bool:
        return self.budget.can_release(at.area, at("diameter_nm"), int(at("direction")))

    def _release(self, model, state, domains, at, barrier, *, aided) -> State:
        """One scission: the vesicle takes the domain's area, the rim of its wall heals with new membrane across the
        hole."""
        grid, rules = model.grid, self.rules
        fields = np.asarray(state.fields, float)
        vesicle, hole = removal_masks(domains, at.index, grid, rules.interface_width)
        taken = content(vesicle * fields, grid.cell_area)
        rim = content((hole - vesicle) * fields, grid.cell_area)
        given = at.area * self.fusion.composition
        plug = (rim + given) / (hole.sum() * grid.cell_area)
        state = model.remove(state, hole, plug)
        self.books.removed += taken
        self.books.supplied += given
        self.rows.append(self._row(model, domains, at, barrier, aided, taken))
        self.budget.release(at.area, at("diameter_nm"), int(at("direction")))
        return state

    def _row(self, model, domains, at, barrier, aided, taken) -> np.ndarray:
        rules, area, diameter = self.rules, at.area, at("diameter_nm")
        named = dict(zip(model.species, taken / area, strict=True))
        y, x = domains.centroid[at.index]
        density = float("nan")
        outer = diameter + SHELL_THICKNESS
        if outer > 2 * SHELL_THICKNESS:
            density = shell_density(outer, shell_g_per_ml=rules.shell_density, lumen_g_per_ml=rules.lumen_density)
        return event_row(
            kind="scission",
            mechanism="aided_scission" if aided else "barrier_free" if barrier <= 0 else "activated",
            direction=int(at("direction")),
            time_s=at.time,
            endosome=self.endosome,
            x_nm=x,
            y_nm=y,
            diameter_nm=diameter,
            area_nm2=area,
            lo_fraction=float(np.clip(0.5 * (1 + named["phi"]), 0, 1)),
            contents_nm2=dict(zip(model.species, taken, strict=True)),
            areas=rules.areas,
            spontaneous_curvature_per_nm=float(model.helfrich.spontaneous_curvature(named)),
            line_tension_pN=rules.line_tension,
            tension_uN_per_m=at.tension / PN_PER_NM_PER_UN_PER_M,
            neck_radius_nm=at("neck_radius_nm"),
            barrier_kBT=barrier,
            density_g_per_ml=float(density),
        )


@dataclass(frozen=True)
class _Case:
    """One domain before the law: ``at("barrier_kBT")`` is its entry of the answer."""

    index: int
    row: int
    domain: Domain
    host: Host
    answer: BudAnswer
    time: float

    def __call__(self, name: str) -> float:
        return float(getattr(self.answer, name)[self.row])

    @property
    def area(self) -> float:
        return float(self.domain.area[self.row])

    @property
    def tension(self) -> float:
        return float(self.host.tension[self.row])


def with_tension(model: AbstractModel, tension: float) -> AbstractModel:
    """``model`` at another ``tension`` (pN/nm): the same compiled program."""
    before = model.helfrich.tension
    return eqx.tree_at(lambda m: m.helfrich.tension, model, jnp.asarray(tension, before.dtype))


def _matched(buds, domains, asked, grid) -> dict[int, OpenBud]:
    """{domain: bud}: to every bud the nearest of the domains ``asked``, if the bud lay within that domain's radius."""
    found = {}
    for bud in buds if len(asked) else []:
        offset = domains.centroid[asked] - [bud.y, bud.x]
        offset -= grid.extent * np.round(offset / grid.extent)
        distance = np.hypot(*offset.T)
        nearest = int(np.argmin(distance))
        if distance[nearest] ** 2 < domains.area[asked[nearest]] / np.pi:
            found.setdefault(int(asked[nearest]), bud)
    return found


def is_round(domains: Domains, circularity: float) -> np.ndarray:
    """The stated rule: a domain goes to the bud law if it does not percolate and A/(2 pi tr M2) reaches
    ``circularity``."""
    return ~domains.percolating & (np.nan_to_num(domains.circularity) >= circularity)
