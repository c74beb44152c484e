"""Arrivals and departures: what they change of the domains, the ledger and the budget of an endosome."""

import copy
import math
from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from membrane.endosome.budget import Endosome, VesicleSupply, sphere_area
from membrane.endosome.ledger import Ledger
from membrane.kinetics.state import EndosomeState, cleared, enlarged
from membrane.kinetics.step import Departures, Kinetics, Surroundings
from membrane.outcome.density import vesicle_density
from membrane.outcome.table import MolecularAreas, event_row
from membrane.units import PN_PER_NM_PER_UN_PER_M

PLACES = 64
"""Random places that are tried for a vesicle that fuses, before the one farthest from all domains is taken."""

SIZES = 24
"""Sizes of vesicles for which the tension is asked of the budget. It is then told within 2 %."""

ROUNDING = 1e-6
"""Relative room for rounding where a domain is compared with the sizes for which the tension is told."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is stated of vesicles and of time.

    Attributes:
        least_diameter: of the smallest vesicle that can form, in nm.
        acceleration: factor of all slow rates; nominal times are simulated times multiplied by it.
        areas: of single molecules.
        shell_density: of a vesicle, in g/ml.
        lumen_density: of a vesicle, in g/ml.
    """

    least_diameter: float
    acceleration: float
    areas: MolecularAreas
    shell_density: float
    lumen_density: float


class Accounts:
    """The budget, the ledger and the events of one endosome, and the vesicle that fuses next.

    Random numbers are functions of (seed, endosome, number of the arrival).

    Arguments:
        model: the physics of the endosome.
        rules: of vesicles and of time.
        supply: vesicles that bring new membrane.
        budget: area and volume of the endosome.
        ledger: contents of the membrane.
        endosome: its number.
        seed: of the run.
    """

    def __init__(
        self,
        model: Kinetics,
        rules: Rules,
        supply: VesicleSupply,
        budget: Endosome,
        ledger: Ledger,
        *,
        endosome: int,
        seed: int,
    ):
        self.model, self.rules, self.supply = model, rules, supply
        self.budget, self.ledger = budget, ledger
        self.endosome, self.seed = endosome, seed
        self.rows: list[np.ndarray] = []
        self._surroundings: Surroundings | None = None
        self.seen_tick, self.arrivals = 0, 0
        self.next_tick, self.next_diameter = self._next(0)

    @property
    def supplied(self) -> np.ndarray:
        """Area fractions of membrane that arrives, (conserved,)."""
        named = dict(zip(self.model.mixture.species, self.supply.composition.tolist(), strict=True))
        return np.asarray(self.model.content_of(named))

    def as_arrays(self) -> dict[str, np.ndarray]:
        """Arrays for a checkpoint."""
        numbers = {"seen_tick": self.seen_tick, "arrivals": self.arrivals, "next_tick": self.next_tick}
        own = numbers | {"next_diameter": self.next_diameter}
        return {name: np.asarray(value) for name, value in own.items()} | (
            self.budget.as_arrays() | self.ledger.as_arrays()
        )

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Inverse of :meth:`as_arrays`, but for the budget and the ledger, which are given at the start."""
        for name in ("seen_tick", "arrivals", "next_tick"):
            setattr(self, name, int(arrays[name]))
        self.next_diameter = float(arrays["next_diameter"])

    def surroundings(self, state: EndosomeState) -> Surroundings:
        """What the budget says of vesicles that would leave now.

        The tension beyond rest costs much and is told only where a domain is large enough to draw on it.
        """
        domain = math.sqrt(np.max(state.area) / math.pi)
        known = self._surroundings
        if known is None or domain > (1 - ROUNDING) * known.told:
            self._surroundings = self._asked(domain)
        return self._surroundings

    def _asked(self, domain: float) -> Surroundings:
        """The same where the largest domain would be a vesicle of ``domain`` nm."""
        budget = self.budget
        largest = budget.largest_ilv(budget.law.lysis_tension, 2 * budget.host_radius)
        resting = budget.largest_ilv(budget.law.rest_tension, largest) if largest > 0 else 0.0
        # Beyond rest the tension rises over orders of magnitude, first steeply.
        sizes = np.minimum(resting + (largest - resting) * np.linspace(0, 1, SIZES) ** 2, largest)
        tension = np.full(SIZES, budget.tension)
        told = resting if domain <= (1 - ROUNDING) * resting < largest else math.inf
        if resting < largest and told == math.inf:
            tension[1:] = [budget.mean_tension(sphere_area(size), size, +1) for size in sizes[1:].tolist()]
        return Surroundings(*map(np.asarray, (budget.host_radius, sizes, np.log(tension), told, largest)))

    def horizon(self) -> int:
        """The tick up to which nothing changes but by the model itself; it does not depend on the present tick."""
        budget = self.budget
        if math.isfinite(budget.regulation_time) and budget.tension > budget.law.rest_tension:
            regulated = max(1, int(0.1 * budget.regulation_time / self.model.tick_s))
            return min(self.next_tick, self.seen_tick + regulated)
        return self.next_tick

    def budget_at(self, tick: int) -> Endosome:
        """The budget as it is at a later tick if nothing comes or leaves before."""
        later = copy.deepcopy(self.budget)
        later.advance((tick - self.seen_tick) * self.model.tick_s, recycling=True)
        return later

    def pass_time(self, state: EndosomeState) -> EndosomeState:
        """The budget and the ledger are brought up to the time of the state, whose reactions are entered."""
        self.budget, self._surroundings = self.budget_at(int(state.tick)), None
        self.seen_tick = int(state.tick)
        self.ledger.reacted += np.asarray(state.reacted)
        return eqx.tree_at(lambda s: s.reacted, state, np.zeros_like(state.reacted))

    def receive(self, state: EndosomeState) -> EndosomeState:
        """The next vesicle fuses and becomes a patch, with its Lo in one piece.

        The patch replaces as much host, which is recycled. Its Lo is that of the lever rule: with it the host keeps its
        phi.
        """
        diameter, area = self.next_diameter, sphere_area(self.next_diameter)
        rng = np.random.default_rng([self.seed, self.endosome, self.arrivals, 1])
        self.budget.advance(0.0, [diameter], recycling=True)
        self.arrivals += 1
        self.next_tick, self.next_diameter = self._next(int(state.tick))
        given, taken = area * self.supplied, area * self._host_content(state)
        self.ledger.supplied += given
        self.ledger.recycled += taken
        host, inside = taken[0] / area, float(state.phases.domain["phi"])
        lo = area * (self.supplied[0] - host) / (inside - host)
        state = eqx.tree_at(lambda s: s.content, state, np.asarray(state.content) + given - taken)
        return self._with_domain(state, lo, diameter, rng) if lo > 0 else state

    def _with_domain(self, state, area: float, clearance: float, rng) -> EndosomeState:
        """The state with one more domain, ``clearance`` (nm) and twice the width of the wall away from all others."""
        state = enlarged(state, 2 * len(state.area)) if np.all(state.present) else state
        there = np.asarray(state.present)
        free = int(np.argmin(there))
        places = rng.normal(size=(PLACES, 3))
        places /= np.linalg.norm(places, axis=1, keepdims=True)
        radius = self.model.flow.radius
        away = np.arccos(np.clip(places @ np.asarray(state.place)[there].T, -1, 1)) * radius
        gap = (away - np.sqrt(np.asarray(state.area)[there] / np.pi)).min(axis=1, initial=np.inf)
        enough = np.flatnonzero(gap >= clearance + 2 * self.model.interface_width)
        chosen = enough[0] if len(enough) else np.argmax(gap)
        new = np.asarray(state.area).copy(), np.asarray(state.place).copy()
        new[0][free], new[1][free] = area, places[chosen]
        return eqx.tree_at(lambda s: (s.area, s.place), state, new)

    def depart(self, state: EndosomeState, departures: Departures) -> EndosomeState:
        """Every vesicle leaves that leaves now, one event row each, and new membrane takes its place."""
        for index in np.flatnonzero(departures.leaves):
            state = self._depart(state, departures, int(index))
        return state

    def _depart(self, state, departures, index: int) -> EndosomeState:
        area, direction = float(state.area[index]), int(departures.direction[index])
        diameter = math.sqrt(area / math.pi)
        if not self.budget.can_release(area, diameter, direction):
            return state
        species, model = self.model.mixture.species, self.model
        composition = dict(zip(species, np.asarray(departures.composition[index]).tolist(), strict=True))
        taken = area * np.asarray(model.content_of(composition))
        given = area * self._host_content(state)
        self.ledger.removed += taken
        self.ledger.supplied += given
        self.rows.append(self._row(state, departures, index, composition))
        self.budget.release(area, diameter, direction)
        state = cleared(state, np.arange(len(state.area)) == index)
        return eqx.tree_at(lambda s: s.content, state, np.asarray(state.content) + given - taken)

    def _host_content(self, state) -> np.ndarray:
        """Area fractions of the host, (conserved,)."""
        content = np.array(self.model.content_of(state.phases.host), float)
        content[0] = float(self.model.host_order(state, state.phases))
        return content

    def _row(self, state, departures, index: int, composition: dict[str, float]) -> np.ndarray:
        rules, area = self.rules, float(state.area[index])
        aided, barrier = bool(departures.aided[index]), float(departures.barrier_kBT[index])
        time, diameter = int(state.tick) * self.model.tick_s, math.sqrt(area / math.pi)
        x, y, z = self.model.flow.radius * np.asarray(state.place[index])
        return event_row(
            kind="scission",
            mechanism="aided_scission" if aided else "barrier_free" if barrier <= 0 else "activated",
            direction=int(departures.direction[index]),
            time_s=time,
            nominal_time_s=time * rules.acceleration,
            endosome=self.endosome,
            x_nm=x,
            y_nm=y,
            z_nm=z,
            diameter_nm=diameter,
            area_nm2=area,
            lo_fraction=float(np.clip(0.5 * (1 + composition["phi"]), 0, 1)),
            contents_nm2={name: area * value for name, value in composition.items()},
            areas=rules.areas,
            spontaneous_curvature_per_nm=float(self.model.helfrich.spontaneous_curvature(composition)),
            line_tension_pN=self.model.line_tension,
            tension_uN_per_m=float(departures.tension[index]) / PN_PER_NM_PER_UN_PER_M,
            neck_radius_nm=float(departures.neck_radius_nm[index]),
            barrier_kBT=barrier,
            density_g_per_ml=vesicle_density(
                diameter, shell_g_per_ml=rules.shell_density, lumen_g_per_ml=rules.lumen_density
            ),
        )

    def _next(self, tick: int) -> tuple[int, float]:
        """Tick at which the next vesicle fuses, and its diameter in nm."""
        wait, diameter = self.supply.next_arrival(np.random.default_rng([self.seed, self.endosome, self.arrivals]))
        never = 2**31 - 1
        ticks = wait / self.model.tick_s
        return (tick + 1 + int(ticks) if ticks < never - tick - 1 else never), diameter


def start_content(model: Kinetics, means: dict[str, float]) -> np.ndarray:
    """Content (conserved,) in nm^2 of a membrane of these mean fields by name."""
    return model.area * np.asarray(model.content_of({name: jnp.asarray(value) for name, value in means.items()}))
