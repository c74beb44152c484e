"""Elastic constants of the membrane from the configuration of either geometry: kT becomes pN nm here and only here."""

from dataclasses import dataclass

from membrane.config import Config
from membrane.units import thermal_energy


@dataclass(frozen=True, kw_only=True)
class Elasticity:
    """Energies in pN nm.

    Attributes:
        thermal_energy: kT.
        bending_rigidity_ld: kappa of Ld.
        bending_rigidity_lo: kappa of Lo.
        gaussian_modulus_contrast: kappa_G of Lo less that of Ld.
    """

    thermal_energy: float
    bending_rigidity_ld: float
    bending_rigidity_lo: float
    gaussian_modulus_contrast: float


def elasticity(config: Config) -> Elasticity:
    """The elastic constants at the temperature of the configuration."""
    kT, membrane = thermal_energy(config.temperature_C), config.membrane
    return Elasticity(
        thermal_energy=kT,
        bending_rigidity_ld=membrane.bending_rigidity_ld_kBT * kT,
        bending_rigidity_lo=membrane.bending_rigidity_lo_kBT * kT,
        gaussian_modulus_contrast=membrane.gaussian_modulus_contrast_kBT * kT,
    )
