"""Units: nm, pN and s are used inside, energies are in pN nm. Here are the factors from the units of people.

A key or a column of another unit carries that unit in its name. Keys are converted where physics is built
(``membrane.builder``), columns where a row is written.
"""

BOLTZMANN = 0.01380649
"""Boltzmann constant in pN nm / K (exact, SI 2019)."""

NM2_PER_UM2 = 1e6
"""nm^2 in one um^2."""

PN_PER_NM_PER_MN_PER_M = 1.0
"""pN/nm in one mN/m."""

PN_PER_NM_PER_UN_PER_M = 1e-3
"""pN/nm in one uN/m."""

PN_PER_NM2_PER_KPA = 1e-3
"""pN/nm^2 in one kPa."""

PN_S_PER_NM_PER_NPA_S_M = 1e-6
"""pN s/nm in one nPa s m (surface viscosity)."""

PN_S_PER_NM2_PER_MPA_S = 1e-9
"""pN s/nm^2 in one mPa s (bulk viscosity)."""


def thermal_energy(temperature_C: float) -> float:
    """k_B T in pN nm at a temperature in degrees Celsius (4.2821 at 37 C).

    Raises ValueError below absolute zero.
    """
    kelvin = temperature_C + 273.15
    if kelvin <= 0:
        raise ValueError(f"temperature {temperature_C} C lies below absolute zero (-273.15 C)")
    return BOLTZMANN * kelvin
