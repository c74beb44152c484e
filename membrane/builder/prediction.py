"""From a configuration to what the bud law predicts of its domains."""

from collections.abc import Sequence

import numpy as np

from membrane.bud.situation import DIAMETERS_NM, Prediction, Situation, predict_situation
from membrane.builder.law import bud_law, host_radius
from membrane.builder.sheet import build_sheet
from membrane.config import SheetConfig
from membrane.energy.wall import measure_wall
from membrane.units import PN_PER_NM_PER_UN_PER_M, thermal_energy


def situation_of(config: SheetConfig) -> Situation:
    """What the domains of a configuration find: the coexisting phases, their measured line tension, and the host.

    Raises:
        ValueError: the mixture has no two phases.
    """
    sheet = build_sheet(config)
    wall, kT = measure_wall(sheet.mixture, sheet.mean_fields), thermal_energy(config.temperature_C)
    curvature = lambda phi, rest: float(sheet.helfrich.spontaneous_curvature({"phi": phi, **rest}))
    membrane = config.membrane
    return Situation(
        line_tension=wall.line_tension,
        curvature_inside=curvature(wall.phi_lo, wall.lo),
        curvature_outside=curvature(wall.phi_ld, wall.ld),
        rigidity_inside=membrane.bending_rigidity_lo_kBT * kT,
        rigidity_outside=membrane.bending_rigidity_ld_kBT * kT,
        gaussian_contrast=membrane.gaussian_modulus_contrast_kBT * kT,
        tension=membrane.tension_uN_per_m * PN_PER_NM_PER_UN_PER_M,
        host_radius=host_radius(config),
        thermal_energy=kT,
    )


def predict(config: SheetConfig, diameters: Sequence | np.ndarray = DIAMETERS_NM) -> Prediction:
    """What the bud law of a configuration predicts for domains of many sizes.

    Arguments:
        config: the configuration.
        diameters: diameters of the vesicles that the domains would make, ascending, nm.

    Raises:
        ValueError: diameters are not positive, not ascending or reach that of the host; or the mixture has no two
            phases.
    """
    law = bud_law(config, search_limit_kT=np.inf)
    return predict_situation(situation_of(config), law, diameters, config.duration_s)
