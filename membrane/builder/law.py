"""From a configuration to the bud law."""

import os

from membrane.bud.cap import CapLaw
from membrane.bud.exact_law import SEARCH_LIMIT_KT, ExactLaw
from membrane.bud.landscape import Gate
from membrane.bud.table import Constants, Ranges, TableLaw, table_law
from membrane.builder.elasticity import elasticity
from membrane.config import KineticsConfig, SheetConfig
from membrane.units import PN_PER_NM_PER_UN_PER_M, PN_S_PER_NM2_PER_MPA_S, PN_S_PER_NM_PER_NPA_S_M

SIZES, CURVATURES, HOST_CURVATURES, WIDEST_HOST = (30.0, 90.0), (0.016, 0.06), (0.0, 0.012), 1.04
"""What the table of a run answers for: L in nm, c0 of domains and of the host in 1/nm, and radii of the host up to this
factor larger or smaller than at the start. It is asked at the tension of rest. Elsewhere the exact law answers."""


def solvent_viscosity(config: SheetConfig | KineticsConfig) -> float:
    """Sum of the viscosities of cytosol and lumen, pN s/nm^2."""
    section = config.hydrodynamics
    return (section.cytosol_viscosity_mPa_s + section.lumen_viscosity_mPa_s) * PN_S_PER_NM2_PER_MPA_S


def bud_law(config: SheetConfig, *, search_limit_kT: float = SEARCH_LIMIT_KT) -> ExactLaw | CapLaw:
    """The bud law that the key ``budding.law`` names.

    Arguments:
        config: the configuration.
        search_limit_kT: the exact law solves no path whose gate lies higher than this. The cap needs no such limit.
    """
    gate, viscosities = _gate(config), _viscosities(config)
    if config.budding.law == "cap":
        return CapLaw(gate, **viscosities)
    return ExactLaw(gate, search_limit_kT=search_limit_kT, **viscosities)


def table_constants(config: SheetConfig | KineticsConfig, line_tension: float) -> Constants:
    """What a table of the exact law (:func:`membrane.bud.table.table_law`) depends on, besides its ranges.

    Arguments:
        config: the configuration.
        line_tension: of the wall between the phases, as it was measured, pN.

    Raises:
        ValueError: the configuration asks for another law, or has a Gaussian contrast.
    """
    if isinstance(config, SheetConfig) and config.budding.law != "exact":
        raise ValueError(f"budding.law: {config.budding.law} has no table; set it to exact")
    physics = elasticity(config)
    return Constants(
        line_tension=line_tension,
        bending_rigidity=physics.bending_rigidity_lo,
        host_bending_rigidity=physics.bending_rigidity_ld,
        gaussian_modulus_contrast=physics.gaussian_modulus_contrast,
        gate=_gate(config),
        **_viscosities(config),
    )


def _gate(config: SheetConfig) -> Gate:
    aid = config.budding.scission_aid
    return Gate(
        neck_radius=config.budding.neck_radius_nm,
        thermal_energy=elasticity(config).thermal_energy,
        constriction_force=aid.constriction_force_pN if aid else 0.0,
    )


def _viscosities(config: SheetConfig) -> dict[str, float]:
    """Viscosities of the membrane, pN s/nm, and of the solvents together, pN s/nm^2."""
    return {
        "membrane_viscosity": config.hydrodynamics.membrane_viscosity_nPa_s_m * PN_S_PER_NM_PER_NPA_S_M,
        "solvent_viscosity": solvent_viscosity(config),
    }


def bud_table(config: KineticsConfig, line_tension: float) -> TableLaw:
    """The exact law of a configuration as a table, which is built once and kept in the user's cache.

    Arguments:
        config: the configuration.
        line_tension: measured, of the rim, in pN.

    Raises ValueError where the table does not reach its accuracy, or no domain of this configuration can bud.
    """
    radius, tension = config.geometry.host_radius_nm, config.membrane.tension_uN_per_m * PN_PER_NM_PER_UN_PER_M
    ranges = Ranges(
        size=SIZES,
        curvature_inside=CURVATURES,
        curvature_outside=HOST_CURVATURES,
        tension=(tension, tension),
        host_radius=(radius / WIDEST_HOST, radius * WIDEST_HOST),
    )
    try:
        return table_law(table_constants(config, line_tension), ranges, threads=_cores())
    except ValueError as error:
        raise ValueError(
            f"the bud law of this configuration does not become a table: {error}. Change membrane, budding or "
            "lipids.line_tension_pN, or give kind: sheet, which asks the exact law itself"
        ) from error


def _cores() -> int:
    """Cores that this process may use; macOS binds no process to cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
