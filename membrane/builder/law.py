"""From a configuration to the bud law, and to the host that its domains have."""

import math

from membrane.bud.cap import CapLaw
from membrane.bud.exact_law import SEARCH_LIMIT_KT, ExactLaw
from membrane.bud.landscape import Gate
from membrane.builder.elasticity import elasticity
from membrane.config import SheetConfig
from membrane.units import PN_S_PER_NM2_PER_MPA_S, PN_S_PER_NM_PER_NPA_S_M


def solvent_viscosity(config: SheetConfig) -> float:
    """Sum of the viscosities of cytosol and lumen, pN s/nm^2."""
    section = config.hydrodynamics
    return (section.cytosol_viscosity_mPa_s + section.lumen_viscosity_mPa_s) * PN_S_PER_NM2_PER_MPA_S


def host_radius(config: SheetConfig) -> float:
    """Radius of the endosome in nm: that of the sphere which has the area of the box."""
    return math.sqrt(math.prod(config.geometry.box_nm) / (4 * math.pi))


def bud_law(config: SheetConfig, *, search_limit_kT: float = SEARCH_LIMIT_KT) -> ExactLaw | CapLaw:
    """The bud law that the key ``budding.law`` names.

    Arguments:
        config: the configuration.
        search_limit_kT: the exact law solves no path whose gate lies higher than this. The cap needs no such limit.
    """
    budding, aid = config.budding, config.budding.scission_aid
    gate = Gate(
        neck_radius=budding.neck_radius_nm,
        thermal_energy=elasticity(config).thermal_energy,
        constriction_force=aid.constriction_force_pN if aid else 0.0,
    )
    viscosities = {
        "membrane_viscosity": config.hydrodynamics.membrane_viscosity_nPa_s_m * PN_S_PER_NM_PER_NPA_S_M,
        "solvent_viscosity": solvent_viscosity(config),
    }
    if budding.law == "cap":
        return CapLaw(gate, **viscosities)
    return ExactLaw(gate, search_limit_kT=search_limit_kT, **viscosities)
