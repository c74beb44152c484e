"""A row of the event table: what is given stands in its column, and what follows from it is computed once."""

import doctest

import numpy as np

from membrane.outcome import table
from membrane.outcome.table import EVENT_DTYPE, MolecularAreas, event_row, is_ilv

GIVEN = {
    "time_s": 0.25,
    "endosome": 3,
    "direction": 1,
    "x_nm": 10.0,
    "y_nm": 20.0,
    "diameter_nm": 50.0,
    "area_nm2": 8000.0,
    "lo_fraction": 0.75,
    "spontaneous_curvature_per_nm": 0.04,
    "line_tension_pN": 1.5,
    "tension_uN_per_m": 2.0,
    "barrier_kBT": 3.0,
}
AREAS = MolecularAreas(lipid_lo=0.5, lipid_ld=0.625, cargo=10.0)
CONTENTS = {"ceramide_cytosolic": 800.0, "ceramide_luminal": 80.0, "cargo_monomer": 240.0}


def test_event_row():
    """What is given, fractions of the area, copies by the areas of molecules, codes of words; the rest is NaN."""
    row = event_row(kind="scission", mechanism="activated", contents_nm2=CONTENTS, areas=AREAS, **GIVEN)
    assert row.dtype == EVENT_DTYPE
    expected = GIVEN | {
        "event_id": -1,
        "kind": 0,
        "mechanism": 1,
        "ceramide_cytosolic_fraction": 0.1,
        "ceramide_luminal_fraction": 0.01,
        "cargo_monomer_copies": 24.0,
        # Two leaflets: 2 x 8000 x (0.75/0.5 + 0.25/0.625).
        "lipid_copies": 30400.0,
        "nominal_time_s": GIVEN["time_s"],
    }
    for name in EVENT_DTYPE.names:
        np.testing.assert_allclose(row[name], expected.get(name, np.nan), rtol=1e-14, err_msg=name)
    assert bool(is_ilv(row))
    later = event_row(
        kind="scission", mechanism="activated", contents_nm2={}, areas=AREAS, nominal_time_s=250.0, **GIVEN
    )
    assert (float(later["time_s"]), float(later["nominal_time_s"])) == (GIVEN["time_s"], 250.0)


def test_other_words():
    """Every kind and mechanism has its code; only a scission into the lumen is an ILV."""
    for kind, code in table.KINDS.items():
        for mechanism, number in table.MECHANISMS.items():
            row = event_row(kind=kind, mechanism=mechanism, contents_nm2={}, areas=AREAS, **GIVEN)
            assert (int(row["kind"]), int(row["mechanism"])) == (code, number)
            assert bool(is_ilv(row)) == (kind == "scission")
    away = event_row(kind="scission", mechanism="resolved", contents_nm2={}, areas=AREAS, **(GIVEN | {"direction": -1}))
    assert not is_ilv(away)


def test_example():
    """The example of the docstring gives what it says."""
    assert doctest.testmod(table).failed == 0
