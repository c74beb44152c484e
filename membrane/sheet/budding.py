"""Budding on the sheet: domains are put to the bud law, vesicles leave, and each becomes a row of the event table."""

from collections.abc import Callable
from dataclasses import astuple, dataclass, replace

import numpy as np

from membrane.bud.landscape import BudAnswer, Domain, Host, bud_direction
from membrane.endosome.budget import Endosome, VesicleSupply
from membrane.endosome.ledger import Ledger
from membrane.outcome.density import vesicle_density
from membrane.outcome.table import MolecularAreas, event_row
from membrane.sheet.domains import Domains, find_domains, removal_masks
from membrane.sheet.exchange import arrival_place, carrier_patch
from membrane.sheet.fate import DomainAnswer, Fate, OpenBud, Passage, fate_of_domain, fate_of_open_bud
from membrane.sheet.plane import Sheet, content
from membrane.sheet.state import SheetState
from membrane.units import PN_PER_NM_PER_UN_PER_M


@dataclass(frozen=True, kw_only=True)
class BuddingRules:
    """What decides on budding: the bud law, the mechanics that the sheet does not contain, and the stated rules.

    Attributes:
        law: energies, barriers and rates of domains in a host.
        bending_rigidity_lo: kappa of Lo, in pN nm.
        bending_rigidity_ld: kappa of Ld, in pN nm.
        gaussian_modulus_contrast: kappa_G of Lo less that of Ld, in pN nm.
        line_tension: of the wall, *measured* for the mixture, in pN.
        interface_width: xi of the wall, in nm.
        circularity: domains that are rounder are put to the law.
        least_diameter: of the smallest vesicle that can form, in nm.
        aid_waiting_time: how long after the bud the scission aid comes, in s; inf where it never comes.
        acceleration: factor of all slow rates; nominal times are simulated times multiplied by it.
        areas: of single molecules.
        shell_density: of a vesicle, in g/ml.
        lumen_density: of a vesicle, in g/ml.
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
    acceleration: float
    areas: MolecularAreas
    shell_density: float
    lumen_density: float


class BudWatcher:
    """Looks at one endosome at fixed intervals, lets vesicles leave, and keeps the accounts.

    At every look the budget of the endosome is brought up to date and the domains are found. Round ones are put to the
    bud law, and their fates are drawn. Domains that percolate or are not round are left alone. A domain that would
    leave, but finds no membrane for its vesicle, stays as it is and is counted in ``without_membrane``. An open bud is
    forgotten where its domain is round no more. Random numbers are functions of (seed, endosome, tick).

    The progress of a passage is remembered. A new domain begins at 0, and so does one whose open bud has flattened. A
    domain that is not round keeps its dimple: its progress waits until it is round again. Where domains merge, the new
    one goes on with the progress of the nearest centre. This is that of the larger part, which gives the new one most
    of its shape. Where a domain parts, the larger piece goes on for the same reason.

    Arguments:
        rules: of budding.
        supply: vesicles that bring new membrane.
        budget: area and volume of the endosome.
        ledger: contents of the sheet.
        sheet_area: in nm^2.
        endosome: its number.
        seed: of the run.
        tick_s: length of a tick, in s.
        interval: ticks between two looks.
        tick: the present one.
    """

    def __init__(
        self,
        *,
        rules: BuddingRules,
        supply: VesicleSupply,
        budget: Endosome,
        ledger: Ledger,
        sheet_area: float,
        endosome: int,
        seed: int,
        tick_s: float,
        interval: int,
        tick: int,
    ):
        self.rules, self.supply, self.budget, self.ledger = rules, supply, budget, ledger
        self.sheet_area, self.endosome, self.seed = sheet_area, endosome, seed
        self.tick_s, self.interval = tick_s, interval
        self.next_tick = (tick // interval + 1) * interval
        self.rows: list[np.ndarray] = []
        self.open_buds: list[OpenBud] = []
        self.passages: list[Passage] = []
        self.without_membrane = 0

    def add_reacted(self, reacted: np.ndarray) -> None:
        """Enter into the ledger what reactions added to the means of the fields, (species,)."""
        self.ledger.reacted += reacted * self.sheet_area

    def as_arrays(self) -> dict[str, np.ndarray]:
        """Arrays for a checkpoint."""
        buds = np.array([astuple(bud) for bud in self.open_buds]).reshape(-1, 4)
        passages = np.array([astuple(passage) for passage in self.passages]).reshape(-1, 3)
        return {"open_buds": buds, "passages": passages, "without_membrane": np.array(self.without_membrane)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Inverse of :meth:`as_arrays`."""
        self.open_buds = [OpenBud(*map(float, bud)) for bud in arrays["open_buds"]]
        self.passages = [Passage(*map(float, passage)) for passage in arrays["passages"]]
        self.without_membrane = int(arrays["without_membrane"])

    def see(self, model: Sheet, state: SheetState) -> tuple[Sheet, SheetState]:
        """Let every vesicle leave that leaves now, one event row each; the sheet gets the new tension."""
        tick, dt = int(state.tick), self.interval * self.tick_s
        self.next_tick = tick + self.interval
        self.without_membrane = 0
        arrivals = np.random.default_rng([self.seed, self.endosome, tick, 1])
        fused = self.supply.arrivals(arrivals, dt)
        self.budget.advance(dt, fused, recycling=self.supply.recycling)
        if self.supply.recycling:
            for diameter in fused:
                state = self._receive(model, state, float(diameter), arrivals)
        fields = np.asarray(state.fields)
        domains = find_domains(fields[0], model.grid)
        candidates = np.nonzero(is_round(domains, self.rules.circularity))[0]
        known, self.open_buds = _nearest_domains(self.open_buds, domains, candidates, model.grid), []
        progress = self._progress(domains, model.grid)
        others = [index for index in progress if index not in candidates]
        self.passages = [Passage(*map(float, domains.centroid[i]), progress[i]) for i in others]
        draws = np.random.default_rng([self.seed, self.endosome, tick]).random((len(domains), 2))
        for candidate in self._candidates(model, domains, fields, candidates, known, progress, tick):
            fate = self._fate(candidate, dt, draws[candidate.index])
            state = self._carry_out(fate, candidate, model, state, domains)
        return model.with_tension(self.budget.tension), state

    def _receive(self, model, state, diameter: float, rng) -> SheetState:
        """A vesicle fuses and becomes a patch of the plane; the host that was there is recycled."""
        grid, width = model.grid, self.rules.interface_width
        fields = np.asarray(state.fields, float)
        place = arrival_place(fields[0], grid, diameter + 2 * width, rng)
        mask, patch = carrier_patch(grid, place, diameter, self.supply.composition, width)
        self.ledger.recycled += content(mask * fields, grid.cell_area)
        self.ledger.supplied += content(mask * patch, grid.cell_area)
        return model.replace(state, mask, patch)

    def _progress(self, domains, grid) -> dict[int, float]:
        """Progress of the passage of every domain that has a centre, by its number; 0 of a new one."""
        centred = np.nonzero(~domains.percolating)[0]
        begun = _nearest_domains(self.passages, domains, centred, grid)
        return {index: begun[index].progress if index in begun else 0.0 for index in map(int, centred)}

    def _candidates(self, model, domains, fields, candidates, known, progress, tick) -> list["Candidate"]:
        """The domains with the numbers ``candidates`` after the bud law has been asked; ``known``, ``progress``: open
        buds and progress by the number of their domain."""
        if not len(candidates):
            return []
        domain, host = self.mechanics(model, domains, fields, candidates, known)
        answer, time = self.rules.law(domain, host), tick * self.tick_s
        found = []
        for row, index in enumerate(map(int, candidates)):
            y, x = map(float, domains.centroid[index])
            area, tension = float(domain.area[row]), float(host.tension[row])
            one, bud = DomainAnswer.of(answer, row), known.get(index)
            found.append(Candidate(index, time, y, x, area, tension, one, bud, progress[index]))
        return found

    def _fate(self, candidate: "Candidate", dt: float, draws) -> Fate:
        """Drawn from the times of the law, with two random ``draws``."""
        answer, bud = candidate.answer, candidate.bud
        if bud is None:
            return fate_of_domain(answer, dt, draws, candidate.progress)
        aided = candidate.time_s - bud.since_s >= self.rules.aid_waiting_time
        return fate_of_open_bud(answer, dt, draws, aided=aided)

    def _carry_out(self, fate: Fate, candidate: "Candidate", model, state, domains) -> SheetState:
        """The state after a fate has come true, in which open buds and passages are remembered."""
        bud, progress = candidate.bud, candidate.progress
        if fate.is_departure or fate is Fate.BECOMES_OPEN_BUD:
            answer = candidate.answer
            if not self.budget.can_release(candidate.area, answer.diameter_nm, answer.direction):
                self.without_membrane += 1
            elif fate.is_departure:
                return self._release(model, state, domains, candidate, aided=fate is Fate.LEAVES_WITH_AID)
            else:
                bud = OpenBud(candidate.y, candidate.x, candidate.time_s, answer.barrier_kBT)
        else:
            progress += candidate.answer.rate_per_s * self.interval * self.tick_s
        if bud is None:
            self.passages.append(Passage(candidate.y, candidate.x, progress))
        elif fate is not Fate.FLATTENS:
            self.open_buds.append(replace(bud, y=candidate.y, x=candidate.x))
        return state

    def mechanics(self, model, domains: Domains, fields, candidates, known) -> tuple[Domain, Host]:
        """What the bud law is told of the domains with the numbers ``candidates`` and of their host.

        Each domain is put to the law at the tension that its own vesicle would meet while it forms.
        """
        rules, n = self.rules, len(candidates)
        named = {name: np.asarray(f, float) for name, f in model.named(fields).items()}
        curvature = model.helfrich.spontaneous_curvature(named) * np.ones(fields.shape[1:])
        outside = domains.labels == 0
        domain = Domain(
            area=domains.area[candidates],
            spontaneous_curvature=domains.mean(curvature)[candidates],
            line_tension=np.full(n, rules.line_tension),
            bending_rigidity=np.full(n, rules.bending_rigidity_lo),
            gaussian_modulus_contrast=np.full(n, rules.gaussian_modulus_contrast),
            open_bud=np.isin(candidates, list(known)),
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

    def _tension_of(self, area: float, diameter: float, direction: int) -> float:
        """Mean tension in pN/nm while a vesicle forms; that of now where there is no membrane for it."""
        possible = self.budget.can_release(area, diameter, direction)
        return self.budget.mean_tension(area, diameter, direction) if possible else self.budget.tension

    def _release(self, model, state, domains, candidate: "Candidate", *, aided: bool) -> SheetState:
        """One scission: the vesicle takes the domain's area, and new membrane heals the hole."""
        grid, rules, answer = model.grid, self.rules, candidate.answer
        fields = np.asarray(state.fields, float)
        vesicle, hole = removal_masks(domains, candidate.index, grid, rules.interface_width)
        taken = content(vesicle * fields, grid.cell_area)
        rim = content((hole - vesicle) * fields, grid.cell_area)
        given = candidate.area * self._reserve_composition(fields, domains)
        plug = (rim + given) / (hole.sum() * grid.cell_area)
        state = model.replace(state, hole, plug)
        self.ledger.removed += taken
        self.ledger.supplied += given
        self.rows.append(self._row(model, candidate, taken, aided=aided))
        self.budget.release(candidate.area, answer.diameter_nm, answer.direction)
        return state

    def _reserve_composition(self, fields, domains) -> np.ndarray:
        """Mean of every species in membrane from the reserve, (species,).

        It is that of the section ``supply``. Where membrane is recycled, all of the reserve has been host, and it is
        the mean over the Ld of the plane.
        """
        outside = domains.labels == 0
        if self.supply.recycling and outside.any():
            return fields[:, outside].mean(axis=1)
        return self.supply.composition

    def _row(self, model, candidate: "Candidate", taken, *, aided: bool) -> np.ndarray:
        """The event row of a vesicle that holds ``taken``, (species,) in nm^2."""
        rules, answer, area = self.rules, candidate.answer, candidate.area
        named, barrier = dict(zip(model.species, taken / area, strict=True)), candidate.crossed_barrier_kBT
        return event_row(
            kind="scission",
            mechanism="aided_scission" if aided else "barrier_free" if barrier <= 0 else "activated",
            direction=answer.direction,
            time_s=candidate.time_s,
            nominal_time_s=candidate.time_s * rules.acceleration,
            endosome=self.endosome,
            x_nm=candidate.x,
            y_nm=candidate.y,
            diameter_nm=answer.diameter_nm,
            area_nm2=area,
            lo_fraction=float(np.clip(0.5 * (1 + named["phi"]), 0, 1)),
            contents_nm2=dict(zip(model.species, taken, strict=True)),
            areas=rules.areas,
            spontaneous_curvature_per_nm=float(model.helfrich.spontaneous_curvature(named)),
            line_tension_pN=rules.line_tension,
            tension_uN_per_m=candidate.tension / PN_PER_NM_PER_UN_PER_M,
            neck_radius_nm=answer.neck_radius_nm,
            barrier_kBT=barrier,
            density_g_per_ml=vesicle_density(
                answer.diameter_nm, shell_g_per_ml=rules.shell_density, lumen_g_per_ml=rules.lumen_density
            ),
        )


@dataclass(frozen=True)
class Candidate:
    """A round domain at a look.

    Attributes:
        index: its number among the domains.
        time_s: of the look, in s.
        y: of its centre, in nm.
        x: of its centre, in nm.
        area: in nm^2.
        tension: at which it was put to the bud law, in pN/nm.
        answer: of the bud law.
        bud: the open bud that it is already, or None.
        progress: of its passage up to the last look.
    """

    index: int
    time_s: float
    y: float
    x: float
    area: float
    tension: float
    answer: DomainAnswer
    bud: OpenBud | None
    progress: float

    @property
    def crossed_barrier_kBT(self) -> float:
        """The highest barrier on its way out: into the bud, or from the open bud to scission."""
        if self.bud is None:
            return self.answer.barrier_kBT
        return max(self.bud.barrier_kBT, self.answer.scission_barrier_kBT)


def _nearest_domains(remembered, domains: Domains, candidates, grid) -> dict:
    """Open buds or passages by the number of the domain that each of them is now: the nearest of ``candidates``, if it
    was last seen within the radius of that domain. Of several that are one domain now, the nearest is kept."""
    found, kept = {}, {}
    for one in remembered if len(candidates) else []:
        offset = domains.centroid[candidates] - [one.y, one.x]
        offset -= grid.extent * np.round(offset / grid.extent)
        distance = np.hypot(*offset.T)
        nearest = int(np.argmin(distance))
        index, away = int(candidates[nearest]), float(distance[nearest])
        if away**2 < domains.area[index] / np.pi and away < kept.get(index, np.inf):
            found[index], kept[index] = one, away
    return found


def is_round(domains: Domains, circularity: float) -> np.ndarray:
    """Which domains are put to the bud law: those that do not percolate and are round enough, (domains,) boolean.

    Arguments:
        circularity: least value of A/(2 pi tr M2), where A is the area and M2 the second moments; a disc has 1.
    """
    return ~domains.percolating & (np.nan_to_num(domains.circularity) >= circularity)
