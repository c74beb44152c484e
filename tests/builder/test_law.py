"""From a configuration to what a table of the bud law depends on."""

from pathlib import Path

import pytest

from membrane.bud.table import Constants
from membrane.builder.law import bud_law, table_constants
from membrane.config import load

DRIVEN = Path(__file__).parents[2] / "configs" / "driven.yaml"


def test_a_table_has_the_numbers_of_the_law():
    config = load(DRIVEN, ["budding.scission_aid={constriction_force_pN: 50, waiting_time_s: 1}"])
    law, known = bud_law(config), table_constants(config, 1.05)
    assert isinstance(known, Constants)
    assert known.gate == law.gate
    assert known.gate.constriction_force > 0
    assert (known.membrane_viscosity, known.solvent_viscosity) == (law.membrane_viscosity, law.solvent_viscosity)
    assert (known.line_tension, known.search_limit_kT) == (1.05, law.search_limit_kT)
    kT = law.gate.thermal_energy
    assert (known.bending_rigidity / kT, known.host_bending_rigidity / kT) == pytest.approx((40.0, 20.0))


def test_what_has_no_table_is_refused():
    with pytest.raises(ValueError, match=r"budding\.law: cap has no table"):
        table_constants(load(DRIVEN, ["budding.law=cap"]), 1.0)
    with pytest.raises(ValueError, match="ask the exact law"):
        table_constants(load(DRIVEN, ["membrane.gaussian_modulus_contrast_kBT=-5"]), 1.0)
