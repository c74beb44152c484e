"""From a configuration to what the bud law predicts of its domains."""

from collections.abc import Sequence

import numpy as np

from membrane.bud.situation import DIAMETERS_NM, Prediction, Situation, predict_situation
from membrane.builder.elasticity import elasticity
from membrane.builder.law import bud_law
from membrane.builder.sheet import build_sheet
from membrane.config import SheetConfig
from membrane.energy.wall import measure_wall
from membrane.units import PN_PER_NM_PER_UN_PER_M


def situation_of(config: SheetConfig) -> Situation:
    """What the domains of a configuration find: the coexisting phases, their measured line tension, and the host.

    Raises:
        ValueError: the mixture has no two phases.
    """
    sheet = build_sheet(config)
    wall, elastic = measure_wall(sheet.mixture, sheet.mean_fields), elasticity(config)
    curvature = lambda phi, rest: float(sheet.helfrich.spontaneous_curvature({"phi": phi, **rest}))
    return Situation(
        line_tension=wall.line_tension,
        curvature_inside=curvature(wall.phi_lo, wall.lo),
        curvature_outside=curvature(wall.phi_ld, wall.ld),
        rigidity_inside=elastic.bending_rigidity_lo,
        rigidity_outside=elastic.bending_rigidity_ld,
        gaussian_contrast=elastic.gaussian_modulus_contrast,
        tension=config.membrane.tension_uN_per_m * PN_PER_NM_PER_UN_PER_M,
        host_radius=config.geometry.host_radius_nm,
        thermal_energy=elastic.thermal_energy,
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
