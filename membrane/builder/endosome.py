"""The endosome's budget from a configuration: its tension law, its supply, and what its reserve is made of."""

import math

import numpy as np

from membrane.builder.elasticity import elasticity
from membrane.builder.species import equilibrium_cargo
from membrane.config import Config
from membrane.endosome.budget import Endosome, VesicleSupply
from membrane.endosome.tension import TensionLaw
from membrane.energy import Mixture
from membrane.energy.ceramide import CYTOSOLIC, LUMINAL
from membrane.units import PN_PER_NM_PER_MN_PER_M, PN_PER_NM_PER_UN_PER_M


def tension_law(config: Config, radius: float) -> TensionLaw:
    """The tension of an endosome whose radius (nm) is this at the start.

    Raises ValueError, with the keys, where fluctuations would store all of its membrane.
    """
    section, elastic = config.endosome, elasticity(config)
    law = TensionLaw(
        bending_rigidity=elastic.bending_rigidity_ld,
        thermal_energy=elastic.thermal_energy,
        area_modulus=section.area_modulus_mN_per_m * PN_PER_NM_PER_MN_PER_M,
        shortest_length=section.shortest_undulation_nm,
        rest_tension=config.membrane.tension_uN_per_m * PN_PER_NM_PER_UN_PER_M,
        lysis_tension=section.lysis_tension_mN_per_m * PN_PER_NM_PER_MN_PER_M,
    )
    try:
        law.stored_fraction(radius, law.rest_tension)
    except ValueError as error:
        raise ValueError(
            f"{error}; given are membrane.bending_rigidity_ld_kBT {config.membrane.bending_rigidity_ld_kBT:g} and "
            f"endosome.shortest_undulation_nm {section.shortest_undulation_nm:g}: raise either"
        ) from error
    return law


def arriving_composition(config: Config, mixture: Mixture, means: dict[str, float]) -> dict[str, float]:
    """What membrane of the section ``supply`` has of every species, phi first, by name.

    Arguments:
        config: the configuration; without a section ``supply`` it is Ld.
        mixture: what the membrane is made of.
        means: mean of every other species at the start, which holds where nothing is given.
    """
    section = config.supply
    given = {"phi": -1.0} | {name: means[name] for name in mixture.species if name != "phi"}
    if section is None:
        return given
    given["phi"] = section.order
    if section.ceramide_cytosolic_fraction is not None and CYTOSOLIC in given:
        given[CYTOSOLIC] = section.ceramide_cytosolic_fraction
    if section.ceramide_luminal_fraction is not None and LUMINAL in given:
        given[LUMINAL] = section.ceramide_luminal_fraction
    if mixture.cargo is not None:
        total = section.cargo_fraction if section.cargo_fraction is not None else config.cargo.fraction
        given |= equilibrium_cargo(mixture.cargo, total, section.order)
    return given


def vesicle_supply(config: Config, mixture: Mixture, means: dict[str, float]) -> VesicleSupply:
    """The vesicles that fuse with an endosome; ``mixture`` and ``means`` as of :func:`arriving_composition`."""
    arriving, section = arriving_composition(config, mixture, means), config.supply
    return VesicleSupply(
        rate_per_s=config.acceleration * section.fusion_rate_per_s,
        diameter=section.fusion_diameter_nm,
        diameter_sd=section.fusion_diameter_sd_nm,
        composition=np.array([arriving[name] for name in mixture.species]),
        recycling=section.recycling,
    )


def new_endosome(config: Config, law: TensionLaw) -> Endosome:
    """The budget of an endosome at the start."""
    time = config.endosome.volume_regulation_time_s
    return Endosome.open(
        law,
        config.geometry.host_radius_nm,
        config.supply.reserve_fraction,
        regulation_time=math.inf if time is None else time / config.acceleration,
    )
