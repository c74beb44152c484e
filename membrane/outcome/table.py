"""The table of events: the row that every archive keeps of a vesicle that has left or fused."""

from dataclasses import dataclass

import numpy as np

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
        ("nominal_time_s", "f8"),
    ]
)
"""Columns of the table (docs/archive.md). A column that a geometry cannot know is NaN."""

KINDS = {"scission": 0, "back_fusion": 1, "ilv_fusion": 2}
MECHANISMS = {"barrier_free": 0, "activated": 1, "resolved": 2, "aided_scission": 3}
"""Codes of the columns ``kind`` and ``mechanism``."""


@dataclass(frozen=True, kw_only=True)
class MolecularAreas:
    """Area in nm^2 of a lipid in a leaflet of Lo and of Ld, and of a cargo molecule (NaN without cargo)."""

    lipid_lo: float
    lipid_ld: float
    cargo: float

    def lipid_copies(self, area: float, lo_fraction: float) -> float:
        """Number of lipids in both leaflets of a membrane of ``area`` (nm^2) whose share ``lo_fraction`` is Lo.

        >>> MolecularAreas(lipid_lo=0.5, lipid_ld=0.625, cargo=10.0).lipid_copies(1000.0, 0.5)
        3600.0
        """
        return area * (lo_fraction / self.lipid_lo + (1 - lo_fraction) / self.lipid_ld) * 2


def event_row(
    *,
    kind: str,
    mechanism: str,
    direction: int,
    time_s: float,
    endosome: int,
    x_nm: float,
    y_nm: float,
    diameter_nm: float,
    area_nm2: float,
    lo_fraction: float,
    contents_nm2: dict[str, float],
    areas: MolecularAreas,
    spontaneous_curvature_per_nm: float,
    line_tension_pN: float,
    tension_uN_per_m: float,
    barrier_kBT: float,
    neck_radius_nm: float = np.nan,
    z_nm: float = np.nan,
    diameter_from_volume_nm: float = np.nan,
    density_g_per_ml: float = np.nan,
    nominal_time_s: float | None = None,
) -> np.ndarray:
    """One row of the event table. Most arguments are its columns (docs/archive.md).

    Arguments:
        kind: a key of KINDS.
        mechanism: a key of MECHANISMS.
        contents_nm2: area that the vesicle holds of each species, by the name of its field; a species that is not there
            is left out, and its columns are NaN.
        nominal_time_s: the time of the cell, where slow rates are accelerated; None: ``time_s``.
        areas: of single molecules, from which copies follow.
    """
    content = lambda name: contents_nm2.get(name, np.nan)
    values = {
        "event_id": -1,
        "time_s": time_s,
        "endosome": endosome,
        "kind": KINDS[kind],
        "x_nm": x_nm,
        "y_nm": y_nm,
        "z_nm": z_nm,
        "diameter_nm": diameter_nm,
        "diameter_from_volume_nm": diameter_from_volume_nm,
        "area_nm2": area_nm2,
        "lipid_copies": areas.lipid_copies(area_nm2, lo_fraction),
        "lo_fraction": lo_fraction,
        "ceramide_cytosolic_fraction": content("ceramide_cytosolic") / area_nm2,
        "ceramide_luminal_fraction": content("ceramide_luminal") / area_nm2,
        "cargo_monomer_copies": content("cargo_monomer") / areas.cargo,
        "cargo_oligomer_copies": content("cargo_oligomer") / areas.cargo,
        "spontaneous_curvature_per_nm": spontaneous_curvature_per_nm,
        "line_tension_pN": line_tension_pN,
        "tension_uN_per_m": tension_uN_per_m,
        "neck_radius_nm": neck_radius_nm,
        "barrier_kBT": barrier_kBT,
        "direction": direction,
        "mechanism": MECHANISMS[mechanism],
        "density_g_per_ml": density_g_per_ml,
        "nominal_time_s": time_s if nominal_time_s is None else nominal_time_s,
    }
    return np.array(tuple(values[name] for name in EVENT_DTYPE.names), EVENT_DTYPE)


WORDS = {
    "kind": {number: word for word, number in KINDS.items()},
    "mechanism": {number: word for word, number in MECHANISMS.items()},
}
"""Columns that are numbers in an archive and words in a table for people: the word of each number."""


def is_ilv(events: np.ndarray | np.void) -> np.ndarray | np.bool_:
    """Which rows of the table are intraluminal vesicles, that is, scissions into the lumen; also of a single row."""
    return (events["kind"] == KINDS["scission"]) & (events["direction"] > 0)
