"""From a configuration to the bud law, and to the host that its domains have."""

import math
from functools import partial

from membrane.bud.cap import CapLaw
from membrane.bud.exact_law import HOPELESS, ExactLaw
from membrane.bud.landscape import Gate
from membrane.config import SheetConfig
from membrane.units import PN_S_PER_NM2_PER_MPA_S, PN_S_PER_NM_PER_NPA_S_M, thermal_energy


def solvent_viscosity(config: SheetConfig) -> float:
    """Sum of the viscosities of cytosol and lumen, pN s/nm^2."""
    section = config.hydrodynamics
    return (section.cytosol_viscosity_mPa_s + section.lumen_viscosity_mPa_s) * PN_S_PER_NM2_PER_MPA_S


def host_radius(config: SheetConfig) -> float:
    """Radius in nm of the endosome: the sphere of the box's area."""
    return math.sqrt(math.prod(config.geometry.box_nm) / (4 * math.pi))


def bud_law(config: SheetConfig, *, hopeless: float = HOPELESS) -> ExactLaw | CapLaw:
    """The law that the configuration asks for; ``hopeless``: how far up (kT) the exact one looks for a gate."""
    budding, viscosity = config.budding, config.hydrodynamics.membrane_viscosity_nPa_s_m
    aid = budding.scission_aid
    return (partial(ExactLaw, hopeless=hopeless) if budding.law == "exact" else CapLaw)(
        Gate(budding.neck_radius_nm, thermal_energy(config.temperature_C), aid.constriction_force_pN if aid else 0.0),
        membrane_viscosity=viscosity * PN_S_PER_NM_PER_NPA_S_M,
        solvent_viscosity=solvent_viscosity(config),
    )
