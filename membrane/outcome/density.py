"""The density of a vesicle from those of its shell and its lumen."""

import numpy as np


def shell_density(diameter_nm, *, shell_g_per_ml: float, lumen_g_per_ml: float, shell_thickness_nm: float = 5.0):
    """Density in g/ml of a vesicle of outer diameter D whose shell of thickness t encloses a lumen.

    rho = rho_shell (1 - f) + rho_lumen f with the lumen's share of the volume f = (1 - 2 t/D)^3. Whether small
    vesicles are the denser ones depends on which part is; and sucrose, which draws water out, shows higher values
    than iodixanol. Returns the shape of ``diameter_nm``. Raises ValueError where D <= 2 t leaves no lumen.
    """
    diameter = np.asarray(diameter_nm, dtype=float)
    if not shell_thickness_nm > 0:
        raise ValueError(f"shell thickness {shell_thickness_nm} nm must be positive")
    if not np.all((diameter > 2 * shell_thickness_nm) | np.isnan(diameter)):
        raise ValueError(
            f"diameter {np.nanmin(diameter):g} nm leaves no lumen within a shell of {shell_thickness_nm:g} nm; "
            f"diameters must exceed {2 * shell_thickness_nm:g} nm"
        )
    lumen = (1 - 2 * shell_thickness_nm / diameter) ** 3
    return shell_g_per_ml * (1 - lumen) + lumen_g_per_ml * lumen
