"""Budding events: the row that the archive keeps of each, and the watcher that turns domains into them."""

from dataclasses import dataclass

import numpy as np

from membrane.bud import BudAnswer, CapLaw, Domain, Host
from membrane.domains import Domains, find_domains, removal_masks
from membrane.endosome import Books, Supply, content
from membrane.energy.cargo import MONOMER, OLIGOMER
from membrane.energy.ceramide import CYTOSOLIC, LUMINAL
from membrane.model import AbstractModel, State
from membrane.sizes import shell_density
from membrane.units import PN_PER_NM_PER_UN_PER_M

SHELL_THICKNESS = 5.0
"""Thickness of a vesicle's wall in nm for its density; the outer diameter is the mid-plane one plus this
(docs/budding.md)."""

EVENT_DTYPE = np.dtype(
    [
        ("event_id", "i8"),
        ("time_s", "f8"),
        ("endosome", "i4"),
        ("kind", "i1"),
        ("x_nm", "f8"),
        ("y_nm", "f8"),
        ("z_nm", "f8"),
        ("diameter_nm", "f8"),
        ("diameter_from_volume_nm", "f8"),
        ("area_nm2", "f8"),
        ("lipid_copies", "f8"),
        ("lo_fraction", "f8"),
        ("ceramide_cytosolic_fraction", "f8"),
        ("ceramide_luminal_fraction", "f8"),
        ("cargo_monomer_copies", "f8"),
        ("cargo_oligomer_copies", "f8"),
        ("spontaneous_curvature_per_nm", "f8"),
        ("line_tension_pN", "f8"),
        ("tension_uN_per_m", "f8"),
        ("neck_radius_nm", "f8"),
        ("barrier_kBT", "f8"),
        ("direction", "i1"),
        ("mechanism", "i1"),
        ("density_g_per_ml", "f8"),
    ]
)
"""One row an event (docs/archive.md); NaN where a level of description cannot know."""

KINDS = {"scission": 0, "back_fusion": 1}
MECHANISMS = {"barrier_free": 0, "activated": 1, "resolved_fission": 2, "aided_scission": 3}


def is_ilv(events: np.ndarray) -> np.ndarray:
    """Boolean mask of the rows that are intraluminal vesicles: scissions into the lumen."""
    return (events["kind"] == KINDS["scission"]) & (events["direction"] > 0)


@dataclass(frozen=True)
class Buddings:
    """What turns domains into events: the bud law, the mechanics that the sheet cannot see, and the rules.

    Rigidity (pN nm), Gaussian contrast kappa_G,Lo - kappa_G,Ld (pN nm), the line tension *measured* for the mixture
    (pN), wall width xi (nm), areas per lipid of a leaflet in Lo and Ld (nm^2), the cargo site (nm^2), and the densities
    of a vesicle's shell and lumen (g/ml). Domains rounder than ``circularity`` are put to the law.
    """

    law: CapLaw
    bending_rigidity_lo: float
    bending_rigidity_ld: float
    gaussian_modulus_contrast: float
    line_tension: float
    interface_width: float
    circularity: float
    lipid_area_lo: float
    lipid_area_ld: float
    cargo_site_area: float
    shell_density: float
    lumen_density: float


class BudWatcher:
    """Looks at one endosome every ``interval`` ticks: labels domains, asks the law, draws, removes, books.

    A domain buds with probability 1 - exp(-k dt), k its Kramers rate and dt the time since the last look; where no
    barrier is left k is the inverse of the time that the drag needs. Domains that are not round, percolate, or find
    no membrane left to replace them are refused; the latter are counted in ``without_membrane`` at the last look.
    Random numbers are functions of (seed, endosome, tick).
    """

    def __init__(
        self,
        model: AbstractModel,
        rules: Buddings,
        supply: Supply,
        books: Books,
        *,
        endosome: int,
        seed: int,
        tick_s: float,
        interval: int,
        tick: int,
    ):
        self.model, self.rules, self.supply, self.books = model, rules, supply, books
        self.endosome, self.seed, self.tick_s, self.interval = endosome, seed, tick_s, interval
        self.next_tick = (tick // interval + 1) * interval
        self.rows: list[np.ndarray] = []
        self.without_membrane = 0

    def advanced(self, reacted: np.ndarray) -> None:
        """Books what reactions added to the means."""
        self.books.reacted += reacted * self.model.grid.area

    def see(self, state: State) -> State:
        """Remove every domain that buds now; one event row each in ``rows``."""
        tick = int(state.tick)
        self.next_tick = tick + self.interval
        self.without_membrane = 0
        fields = np.asarray(state.fields)
        domains = find_domains(fields[0], self.model.grid)
        candidates = np.nonzero(is_round(domains, self.rules.circularity))[0]
        if not len(candidates):
            return state
        answer = self._ask(domains, fields)
        chance = -np.expm1(-answer.rate_per_s * self.interval * self.tick_s)
        draw = np.random.default_rng([self.seed, self.endosome, tick]).random(len(domains))
        for index in candidates[draw[candidates] < chance[candidates]]:
            time = tick * self.tick_s
            if domains.area[index] > self.supply.available(time, self.books.area_taken):
                self.without_membrane += 1
                continue
            state = self._release(state, domains, int(index), answer, time)
        return state

    def _curvature(self, fields) -> np.ndarray:
        helfrich = self.model.helfrich
        named = {name: np.asarray(f, float) for name, f in self.model.named(fields).items()}
        return helfrich.spontaneous_curvature(named) * np.ones(fields.shape[1:])

    def _ask(self, domains: Domains, fields) -> BudAnswer:
        rules, n = self.rules, len(domains)
        curvature, tension = self._curvature(fields), float(self.model.helfrich.tension)
        outside = domains.labels == 0
        host = Host(tension, rules.bending_rigidity_ld, float(curvature[outside].mean()) if outside.any() else 0.0)
        domain = Domain(
            area=domains.area,
            spontaneous_curvature=domains.mean(curvature),
            line_tension=np.full(n, rules.line_tension),
            bending_rigidity=np.full(n, rules.bending_rigidity_lo),
            gaussian_modulus_contrast=np.full(n, rules.gaussian_modulus_contrast),
        )
        return rules.law(domain, host)

    def _release(self, state: State, domains: Domains, index: int, answer: BudAnswer, time: float) -> State:
        """One scission: the vesicle takes the domain's area, the rim of its wall heals with new membrane across the
        hole."""
        grid, rules = self.model.grid, self.rules
        fields = np.asarray(state.fields, float)
        vesicle, hole = removal_masks(domains, index, grid, rules.interface_width)
        area, taken = float(domains.area[index]), content(vesicle * fields, grid.cell_area)
        rim = content((hole - vesicle) * fields, grid.cell_area)
        given = area * self.supply.composition
        plug = (rim + given) / (hole.sum() * grid.cell_area)
        state = self.model.remove(state, hole, plug)
        self.books.removed += taken
        self.books.supplied += given
        self.books.area_taken += area
        self.rows.append(self._row(domains, index, answer, time, area, taken))
        return state

    def _row(self, domains, index, answer, time, area, taken) -> np.ndarray:
        rules, species = self.rules, self.model.species
        amount = dict(zip(species, taken, strict=True))
        nan = float("nan")
        lo = float(np.clip(0.5 * (1 + amount["phi"] / area), 0, 1))
        lipids = area * (lo / rules.lipid_area_lo + (1 - lo) / rules.lipid_area_ld) * 2
        diameter = float(answer.diameter_nm[index])
        barrier = float(answer.barrier_kBT[index])
        named = {name: np.asarray(taken / area)[i] for i, name in enumerate(species)}
        density = nan
        outer = diameter + SHELL_THICKNESS
        if outer > 2 * SHELL_THICKNESS:
            density = shell_density(outer, shell_g_per_ml=rules.shell_density, lumen_g_per_ml=rules.lumen_density)
        row = np.zeros((), EVENT_DTYPE)
        values = {
            "event_id": -1,
            "time_s": time,
            "endosome": self.endosome,
            "kind": KINDS["scission"],
            "x_nm": domains.centroid[index][1],
            "y_nm": domains.centroid[index][0],
            "z_nm": nan,
            "diameter_nm": diameter,
            "diameter_from_volume_nm": nan,
            "area_nm2": area,
            "lipid_copies": lipids,
            "lo_fraction": lo,
            "ceramide_cytosolic_fraction": named.get(CYTOSOLIC, nan),
            "ceramide_luminal_fraction": named.get(LUMINAL, nan),
            "cargo_monomer_copies": amount.get(MONOMER, nan) / rules.cargo_site_area,
            "cargo_oligomer_copies": amount.get(OLIGOMER, nan) / rules.cargo_site_area,
            "spontaneous_curvature_per_nm": float(self.model.helfrich.spontaneous_curvature(named)),
            "line_tension_pN": rules.line_tension,
            "tension_uN_per_m": float(self.model.helfrich.tension) / PN_PER_NM_PER_UN_PER_M,
            "neck_radius_nm": float(answer.neck_radius_nm[index]),
            "barrier_kBT": barrier,
            "direction": int(answer.direction[index]),
            "mechanism": MECHANISMS["barrier_free" if barrier <= 0 else "activated"],
            "density_g_per_ml": float(density),
        }
        for name, value in values.items():
            row[name] = value
        return row


def is_round(domains: Domains, circularity: float) -> np.ndarray:
    """The stated rule: a domain goes to the bud law if it does not percolate and A/(2 pi tr M2) reaches
    ``circularity``."""
    return ~domains.percolating & (np.nan_to_num(domains.circularity) >= circularity)
