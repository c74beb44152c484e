"""What is recorded of one endosome on the sheet: rows of the time series, and frames."""

from collections.abc import Callable

import numpy as np

from membrane.sheet.budding import BudWatcher, is_round
from membrane.sheet.domains import find_domains
from membrane.sheet.plane import Sheet, content
from membrane.sheet.state import SheetState
from membrane.units import PN_PER_NM_PER_UN_PER_M

UNITS = {
    "time_s": "s",
    "nominal_time_s": "s",
    "free_energy_pN_nm": "pN nm",
    "structure_length_nm": "nm",
    "lo_fraction": "1",
    "domain_number": "1",
    "mean_domain_radius_nm": "nm",
    "perimeter_nm": "nm",
    "percolated_area_fraction": "1",
    "refused_percolating": "1",
    "refused_not_round": "1",
    "refused_without_membrane": "1",
    "tension_uN_per_m": "uN/m",
    "area_nm2": "nm2",
    "host_radius_nm": "nm",
    "lumen_volume_nm3": "nm3",
    "vesicle_volume_nm3": "nm3",
    "membrane_area_nm2": "nm2",
    "reserve_area_nm2": "nm2",
    "fused_area_nm2": "nm2",
    "recycled_area_nm2": "nm2",
    "exhausted": "1",
    "open_buds": "1",
    "ilv_count": "1",
    "outward_count": "1",
    "step_us": "us",
}
"""Units of the columns of the time series, by name. Means of fields and balances are pure numbers."""


class Cadence:
    """At which ticks something is recorded: multiples of an interval, and perhaps a last tick.

    Arguments:
        interval: in ticks.
        last: the last tick at which something is recorded, a multiple or not; None where there is no end.
    """

    def __init__(self, interval: int, last: int | None = None):
        self.interval, self.last = interval, last

    def due(self, after: int, until: int) -> list[int]:
        """The ticks later than ``after``, up to ``until``, in ascending order."""
        end = until if self.last is None else min(until, self.last)
        ticks = set(range((after // self.interval + 1) * self.interval, end + 1, self.interval))
        return sorted(ticks | ({self.last} if self.last is not None and after < self.last <= until else set()))


class SeriesRecorder:
    """Appends a row of the time series to ``rows`` at the ticks of a cadence.

    Arguments:
        buds: the watcher that keeps the accounts of the endosome.
        cadence: when a row is due.
        tick_s: length of a tick, in s.
        rows: those recorded before, (rows, columns).

    The columns ``balance_*`` are relative residuals of the accounts and 0 to rounding: of a species over its content at
    the start (of phi: over the area of the sheet), of monomers and n-mers together (``balance_cargo``), and of the area
    and the volume of the endosome. ``exhausted`` is 1 while there is no membrane even for the smallest vesicle.
    """

    def __init__(self, buds: BudWatcher, cadence: Cadence, *, tick_s: float, rows: np.ndarray | None = None):
        self.buds, self.cadence, self.tick_s = buds, cadence, tick_s
        self.due = cadence.due
        self.names: list[str] = []
        self.rows = [] if rows is None else list(rows)

    def observe(self, model: Sheet, state: SheetState, reacted: np.ndarray | float = 0.0) -> None:
        """Append a row.

        Arguments:
            reacted: what reactions have added to the means of the fields and the ledger does not hold yet, (species,).
        """
        row = self.row(model, state, reacted)
        self.names = list(row)
        self.rows.append(np.array(list(row.values()), float))

    def row(self, model: Sheet, state: SheetState, reacted: np.ndarray | float = 0.0) -> dict[str, float]:
        """All columns at ``state`` by name; ``reacted`` as in :meth:`observe`."""
        grid, time = model.grid, int(state.tick) * self.tick_s
        budget, rules = self.buds.budget, self.buds.rules
        phi = np.asarray(state.fields[0], float)
        domains = find_domains(phi, grid)
        rounded = is_round(domains, rules.circularity)
        directions = [int(event["direction"]) for event in self.buds.rows]
        return {
            "time_s": time,
            "nominal_time_s": time * rules.acceleration,
            **model.observables(state),
            "lo_fraction": float((phi > 0).mean()),
            "domain_number": len(domains),
            "mean_domain_radius_nm": float(np.sqrt(domains.area / np.pi).mean()) if len(domains) else float("nan"),
            "perimeter_nm": float(domains.perimeter.sum()),
            "percolated_area_fraction": float(domains.area[domains.percolating].sum() / grid.area),
            "refused_percolating": int(domains.percolating.sum()),
            "refused_not_round": int((~rounded & ~domains.percolating).sum()),
            "refused_without_membrane": self.buds.without_membrane,
            "tension_uN_per_m": budget.tension / PN_PER_NM_PER_UN_PER_M,
            "area_nm2": grid.area,
            "host_radius_nm": budget.host_radius,
            "lumen_volume_nm3": budget.lumen_volume,
            "vesicle_volume_nm3": budget.vesicle_volume,
            "membrane_area_nm2": budget.area,
            "reserve_area_nm2": budget.reserve,
            "fused_area_nm2": budget.area_account.fused,
            "recycled_area_nm2": -budget.area_account.recycled,
            "exhausted": int(budget.exhausted(rules.least_diameter)),
            "open_buds": len(self.buds.open_buds),
            "ilv_count": directions.count(1),
            "outward_count": directions.count(-1),
            "step_us": int(state.step_ticks) * self.tick_s * 1e6,
            **self._balances(model, state, reacted),
            "balance_area": budget.area_residual() / budget.area_account.initial,
            "balance_volume": budget.volume_residual() / budget.volume_account.initial,
        }

    def _balances(self, model, state, reacted) -> dict[str, float]:
        species, ledger = model.species, self.buds.ledger
        left = ledger.residual(content(state.fields, model.grid.cell_area)) - reacted * model.grid.area
        residual = dict(zip(species, left, strict=True))
        initial = dict(zip(species, ledger.initial, strict=True)) | {"phi": model.grid.area}
        balances = {f"balance_{name}": residual[name] / initial[name] for name in species}
        cargo = [name for name in species if name.startswith("cargo")]
        if cargo:
            balances["balance_cargo"] = sum(residual[n] for n in cargo) / sum(initial[n] for n in cargo)
        return balances


class FrameRecorder:
    """Keeps frames at the ticks of a cadence, until somebody takes them out of ``frames``.

    Arguments:
        picture: makes what a frame shows, fields by name, from fields (species, n_y, n_x).
        cadence: when a frame is due.
        frames: those kept before, fields by name, by tick.
    """

    def __init__(self, picture: Callable, cadence: Cadence, frames: dict[int, dict] | None = None):
        self.picture, self.cadence = picture, cadence
        self.due = cadence.due
        self.frames: dict[int, dict[str, np.ndarray]] = frames or {}

    def observe(self, model: Sheet, state: SheetState, reacted: np.ndarray | float = 0.0) -> None:
        """Keep the frame of ``state``."""
        self.frames[int(state.tick)] = self.picture(state.fields)
