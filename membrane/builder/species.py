"""What is dissolved in the membrane, from the sections ceramide and cargo of either geometry's configuration."""

import math
from typing import NamedTuple

from scipy.optimize import brentq

from membrane.energy import Cargo, Ceramide, Oligomers, lo_order
from membrane.energy.cargo import MONOMER, OLIGOMER
from membrane.energy.ceramide import CYTOSOLIC, LUMINAL
from membrane.outcome.table import MolecularAreas
from membrane.units import NM2_PER_UM2


class Dissolved(NamedTuple):
    """What is dissolved in the membrane.

    Attributes:
        ceramide: its energy; None where there is none.
        cargo: its energy; None where there is none.
        means: mean area fraction of each species, by name.
        diffusion: D in Ld and in Lo of each species, in nm^2/s.
        coefficients: C_i in 1/nm of each species that bends the membrane.
    """

    ceramide: Ceramide | None
    cargo: Cargo | None
    means: dict[str, float]
    diffusion: dict[str, tuple[float, float]]
    coefficients: dict[str, float]


def dissolved(ceramide, cargo, order: float, energy: float, acceleration: float = 1.0) -> Dissolved:
    """What the two sections of a configuration describe.

    Arguments:
        ceramide: its section, or None.
        cargo: its section, or None.
        order: mean phi at the start.
        energy: kT, in pN nm.
        acceleration: factor of the rates at which ceramide is made, removed and moved between the leaflets.
    """
    parts: list = [None, None]
    means, diffusion, coefficients = {}, {}, {}
    if ceramide is not None:
        parts[0] = _ceramide(ceramide, energy, acceleration)
        means |= {CYTOSOLIC: ceramide.cytosolic_fraction, LUMINAL: ceramide.luminal_fraction}
        diffusion |= {leaflet: diffusion_pair(ceramide) for leaflet in (CYTOSOLIC, LUMINAL)}
        # c0 = (J_luminal - J_cytosolic)/2; ceramide replaces sphingomyelin in its leaflet.
        contrast = ceramide.monolayer_curvature_ceramide_per_nm - ceramide.monolayer_curvature_sphingomyelin_per_nm
        coefficients |= {CYTOSOLIC: -contrast / 2, LUMINAL: contrast / 2}
    if cargo is not None:
        parts[1] = _cargo(cargo, energy)
        diffusion |= {MONOMER: diffusion_pair(cargo)}
        means |= equilibrium_cargo(parts[1], cargo.fraction, order)
        if cargo.oligomers is not None:
            diffusion |= {OLIGOMER: diffusion_pair(cargo.oligomers)}
            coefficients |= {OLIGOMER: cargo.oligomers.spontaneous_curvature_per_nm}
    return Dissolved(*parts, means, diffusion, coefficients)


def equilibrium_cargo(cargo: Cargo, total: float, order: float) -> dict[str, float]:
    """Area fractions of monomers and n-mers in equilibrium on a flat membrane, by name.

    u1 is the root of u1 + u1^n exp[(n-1)(1+eps) + (chi_n - n chi_1) p] = total, and the rest are n-mers.

    Arguments:
        total: area fraction of all cargo.
        order: phi.
    """
    if cargo.oligomers is None:
        return {MONOMER: total}
    n = cargo.oligomers.size
    p = float(lo_order(order))
    gain = (n - 1) * (1 + cargo.oligomers.bond_energy) + (cargo.oligomers.affinity - n * cargo.affinity) * p
    log_u1 = brentq(lambda x: math.exp(x) + math.exp(min(n * x + gain, 50.0)) - total, -200.0, math.log(total))
    u1 = math.exp(log_u1)
    return {MONOMER: u1, OLIGOMER: max(total - u1, 0.0)}


def diffusion_pair(section) -> tuple[float, float]:
    """D in Ld and in Lo, in nm^2/s, from the section of a species."""
    return section.diffusion_ld_um2_per_s * NM2_PER_UM2, section.diffusion_lo_um2_per_s * NM2_PER_UM2


def molecular_areas(config) -> MolecularAreas:
    """Areas of single molecules, from the configuration of either geometry."""
    return MolecularAreas(
        lipid_lo=config.lipids.area_per_lipid_lo_nm2,
        lipid_ld=config.lipids.area_per_lipid_ld_nm2,
        cargo=config.cargo.footprint_nm2 if config.cargo else math.nan,
    )


def _ceramide(section, energy, acceleration) -> Ceramide:
    enzyme = section.sphingomyelinase
    return Ceramide(
        thermal_energy=energy,
        patch_area=section.patch_area_nm2,
        affinity=section.affinity_lo,
        synthesis_rate=acceleration * enzyme.rate_per_s if enzyme else 0.0,
        saturation=enzyme.saturation_fraction if enzyme else 0.0,
        turnover_rate=acceleration * section.turnover_rate_per_s,
        flip_flop_rate=acceleration * section.flip_flop_rate_per_s,
        enzyme_leaflet=LUMINAL if enzyme and enzyme.leaflet == "luminal" else CYTOSOLIC,
    )


def _cargo(section, energy) -> Cargo:
    oligomers = section.oligomers
    if oligomers is not None:
        oligomers = Oligomers(
            size=oligomers.size,
            bond_energy=oligomers.bond_energy_kBT,
            affinity=oligomers.affinity_lo,
            dissociation_rate=oligomers.dissociation_rate_per_s,
        )
    return Cargo(
        thermal_energy=energy, site_area=section.footprint_nm2, affinity=section.affinity_lo, oligomers=oligomers
    )
