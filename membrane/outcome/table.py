"""The table of events: the row that every archive keeps of a vesicle that has left or fused."""

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
    ]
)
"""One row an event (docs/archive.md); NaN where a level of description cannot know."""

KINDS = {"scission": 0, "back_fusion": 1, "ilv_fusion": 2}
MECHANISMS = {"barrier_free": 0, "activated": 1, "resolved": 2, "aided_scission": 3}


def is_ilv(events: np.ndarray | np.void) -> np.ndarray | np.bool_:
    """Boolean mask of the rows (or of one row) that are intraluminal vesicles: scissions into the lumen."""
    return (events["kind"] == KINDS["scission"]) & (events["direction"] > 0)
