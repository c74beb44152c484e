"""What the time series records of one endosome."""

import numpy as np

from membrane.domains import find_domains
from membrane.endosome import Books, Supply, content
from membrane.events import BudWatcher, is_round
from membrane.model import AbstractModel, State
from membrane.units import PN_PER_NM_PER_UN_PER_M

UNITS = {
    "time_s": "s",
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
    "available_area_nm2": "nm2",
    "ilv_count": "1",
    "outward_count": "1",
    "step_us": "us",
}
"""Units of the columns of /series; means of fields and relative balances are dimensionless."""


class SeriesWatcher:
    """Appends one row of observables every ``interval`` ticks to ``rows`` (rows, columns), columns as in ``names``.

    ``balance_*`` is what the books leave unaccounted for, relative to what the sheet held at the start (for phi, to its
    area); ``balance_cargo`` that of monomers and n-mers together.
    """

    def __init__(
        self,
        model: AbstractModel,
        supply: Supply,
        books: Books,
        buds: BudWatcher,
        *,
        circularity: float,
        tick_s: float,
        interval: int,
        tick: int,
        rows: np.ndarray | None = None,
    ):
        self.model, self.supply, self.books, self.buds = model, supply, books, buds
        self.circularity, self.tick_s, self.interval = circularity, tick_s, interval
        self.next_tick = (tick // interval + 1) * interval
        self.names: list[str] = []
        self.rows = [] if rows is None else list(rows)

    def advanced(self, reacted: np.ndarray) -> None:
        """Nothing to book."""

    def see(self, state: State) -> State:
        """Appends a row; the state is returned as it came."""
        self.next_tick = int(state.tick) + self.interval
        row = self.row(state)
        self.names = list(row)
        self.rows.append(np.array(list(row.values()), float))
        return state

    def row(self, state: State) -> dict[str, float]:
        """All columns at ``state``."""
        grid, time = self.model.grid, int(state.tick) * self.tick_s
        phi = np.asarray(state.fields[0], float)
        domains = find_domains(phi, grid)
        rounded = is_round(domains, self.circularity)
        directions = [int(event["direction"]) for event in self.buds.rows]
        return {
            "time_s": time,
            **self.model.observables(state),
            "lo_fraction": float((phi > 0).mean()),
            "domain_number": len(domains),
            "mean_domain_radius_nm": float(np.sqrt(domains.area / np.pi).mean()) if len(domains) else float("nan"),
            "perimeter_nm": float(domains.perimeter.sum()),
            "percolated_area_fraction": float(domains.area[domains.percolating].sum() / grid.area),
            "refused_percolating": int(domains.percolating.sum()),
            "refused_not_round": int((~rounded & ~domains.percolating).sum()),
            "refused_without_membrane": self.buds.without_membrane,
            "tension_uN_per_m": float(self.model.helfrich.tension) / PN_PER_NM_PER_UN_PER_M,
            "area_nm2": grid.area,
            "available_area_nm2": self.supply.available(time, self.books.area_taken),
            "ilv_count": directions.count(1),
            "outward_count": directions.count(-1),
            "step_us": int(state.step_ticks) * self.tick_s * 1e6,
            **self._balances(state),
        }

    def _balances(self, state) -> dict[str, float]:
        species, area = self.model.species, self.model.grid.area
        residual = dict(
            zip(species, self.books.residual(content(state.fields, self.model.grid.cell_area)), strict=True)
        )
        initial = dict(zip(species, self.books.initial, strict=True)) | {"phi": area}
        balances = {f"balance_{name}": residual[name] / initial[name] for name in species}
        cargo = [name for name in species if name.startswith("cargo")]
        if cargo:
            balances["balance_cargo"] = sum(residual[n] for n in cargo) / sum(initial[n] for n in cargo)
        return balances
