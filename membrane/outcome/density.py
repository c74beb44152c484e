"""The density of a vesicle from those of its shell and its lumen."""

import numpy as np

SHELL_THICKNESS_NM = 5.0
"""Thickness in nm of the shell of a vesicle, the membrane and what it carries (unverified). The outer diameter is that
of the mid-plane plus this."""


def mixed_density(diameter_nm, *, shell_g_per_ml, lumen_g_per_ml, shell_thickness_nm):
    """The arithmetic of :func:`shell_density`, unchecked, for arrays of any library."""
    lumen = (1 - 2 * shell_thickness_nm / diameter_nm) ** 3
    return shell_g_per_ml * (1 - lumen) + lumen_g_per_ml * lumen


def shell_density(
    diameter_nm, *, shell_g_per_ml: float, lumen_g_per_ml: float, shell_thickness_nm: float = SHELL_THICKNESS_NM
):
    """Density in g/ml of a vesicle whose shell encloses a lumen: rho = rho_shell (1 - f) + rho_lumen f.

    Arguments:
        diameter_nm: outer diameter D in nm, of any shape; NaN stays NaN.
        shell_g_per_ml, lumen_g_per_ml: densities of shell and lumen in g/ml.
        shell_thickness_nm: thickness t of the shell in nm.

    f = (1 - 2 t/D)^3 is the share of the lumen in the volume. Small vesicles are the denser ones if the shell is denser
    than the lumen. Sucrose draws water out of vesicles and shows higher densities than iodixanol.

    Returns the densities, of the shape of ``diameter_nm``. Raises ValueError where D <= 2 t leaves no lumen, or where
    t is not positive.

    >>> float(shell_density(60.0, shell_g_per_ml=1.16, lumen_g_per_ml=1.06).round(3))
    1.102
    """
    diameter = np.asarray(diameter_nm, dtype=float)
    if not shell_thickness_nm > 0:
        raise ValueError(f"shell thickness {shell_thickness_nm} nm must be positive")
    if not np.all((diameter > 2 * shell_thickness_nm) | np.isnan(diameter)):
        raise ValueError(
            f"diameter {np.nanmin(diameter):g} nm leaves no lumen within a shell of {shell_thickness_nm:g} nm; "
            f"diameters must exceed {2 * shell_thickness_nm:g} nm"
        )
    return mixed_density(
        diameter,
        shell_g_per_ml=shell_g_per_ml,
        lumen_g_per_ml=lumen_g_per_ml,
        shell_thickness_nm=shell_thickness_nm,
    )


def vesicle_density(diameter_nm: float, *, shell_g_per_ml: float, lumen_g_per_ml: float) -> float:
    """Density in g/ml of a vesicle of this mid-plane diameter; NaN where it has no lumen.

    >>> round(vesicle_density(55.0, shell_g_per_ml=1.16, lumen_g_per_ml=1.06), 3)
    1.102
    """
    outer = diameter_nm + SHELL_THICKNESS_NM
    if outer <= 2 * SHELL_THICKNESS_NM:
        return float("nan")
    return float(shell_density(outer, shell_g_per_ml=shell_g_per_ml, lumen_g_per_ml=lumen_g_per_ml))
