"""The rows of the time series of an endosome of kinetics."""

import numpy as np

from membrane.energy.cargo import MONOMER, OLIGOMER
from membrane.energy.coexistence import Coexistence
from membrane.kinetics.accounts import Accounts
from membrane.kinetics.state import EndosomeState
from membrane.kinetics.step import CARGO
from membrane.units import PN_PER_NM_PER_UN_PER_M

UNITS = {
    "time_s": "s",
    "nominal_time_s": "s",
    "host_phi": "1",
    "saturated_phi": "1",
    "curvature_domain_per_nm": "1/nm",
    "curvature_host_per_nm": "1/nm",
    "lo_fraction": "1",
    "domain_number": "1",
    "mean_domain_radius_nm": "nm",
    "largest_domain_radius_nm": "nm",
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
    "arrivals": "1",
}
"""Units of the columns of the time series, by name. Means of fields and balances are pure numbers."""


def row(accounts: Accounts, state: EndosomeState, phases: Coexistence) -> dict[str, float]:
    """All columns at ``state`` by name.

    The columns ``balance_*`` are relative residuals of the accounts and 0 to rounding: of a content over that of the
    start (of phi: over the area of the membrane), and of the area and the volume of the endosome. ``saturated_phi`` is
    phi of a host beside a large domain, ``host_phi`` that of the host now. ``exhausted`` is 1 while there is no
    membrane even for the smallest vesicle.
    """
    model, budget, rules = accounts.model, accounts.budget_at(int(state.tick)), accounts.rules
    area, time = np.asarray(state.area)[np.asarray(state.present)], int(state.tick) * model.tick_s
    radius = np.sqrt(area / np.pi)
    directions = [int(event["direction"]) for event in accounts.rows]
    curvature = lambda phase: float(model.helfrich.spontaneous_curvature(phase))
    return {
        "time_s": time,
        "nominal_time_s": time * rules.acceleration,
        **_means(model, state, phases),
        "host_phi": float(model.host_order(state, phases)),
        "saturated_phi": float(phases.host["phi"]),
        "curvature_domain_per_nm": curvature(phases.domain),
        "curvature_host_per_nm": curvature(phases.host),
        "lo_fraction": float(area.sum() / model.area),
        "domain_number": len(area),
        "mean_domain_radius_nm": float(radius.mean()) if len(area) else float("nan"),
        "largest_domain_radius_nm": float(radius.max()) if len(area) else float("nan"),
        "tension_uN_per_m": budget.tension / PN_PER_NM_PER_UN_PER_M,
        "area_nm2": model.area,
        "host_radius_nm": budget.host_radius,
        "lumen_volume_nm3": budget.lumen_volume,
        "vesicle_volume_nm3": budget.vesicle_volume,
        "membrane_area_nm2": budget.area,
        "reserve_area_nm2": budget.reserve,
        "fused_area_nm2": budget.area_account.fused,
        "recycled_area_nm2": -budget.area_account.recycled,
        "exhausted": int(budget.exhausted(rules.least_diameter)),
        "open_buds": int(np.sum(state.is_open)),
        "ilv_count": directions.count(1),
        "outward_count": directions.count(-1),
        "arrivals": accounts.arrivals,
        **_balances(accounts, state),
        "balance_area": budget.area_residual() / budget.area_account.initial,
        "balance_volume": budget.volume_residual() / budget.volume_account.initial,
    }


def _means(model, state, phases) -> dict[str, float]:
    """Mean of every field over the membrane, domains included, by name."""
    mean = dict(zip(model.conserved, (np.asarray(state.content) / model.area).tolist(), strict=True))
    share = float(np.sum(state.area)) / model.area
    found = {f"mean_{name}": value for name, value in mean.items() if name != CARGO}
    for name in (MONOMER, OLIGOMER):
        if name in phases.host:
            found[f"mean_{name}"] = share * float(phases.domain[name]) + (1 - share) * float(phases.host[name])
    return found


def _balances(accounts, state) -> dict[str, float]:
    names, ledger = accounts.model.conserved, accounts.ledger
    residual = ledger.residual(np.asarray(state.content, np.float64) - np.asarray(state.reacted))
    initial = dict(zip(names, ledger.initial, strict=True)) | {"phi": accounts.model.area}
    return {f"balance_{name}": left / initial[name] for name, left in zip(names, residual.tolist(), strict=True)}
