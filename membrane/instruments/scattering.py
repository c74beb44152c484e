"""Light that a vesicle scatters: Rayleigh, Gans and Debye, for a thin shell of a weak contrast."""

import jax.numpy as jnp


def scattered(diameter_nm, *, shell_nm, lumen_contrast, wavelength_nm, angle_deg):
    """Scattered intensity in nm^6, up to a factor that is the same for all diameters.

    Arguments:
        diameter_nm: outer diameters D in nm, of any shape.
        shell_nm: thickness t of the shell in nm. With t >= D/2 the vesicle is a homogeneous sphere.
        lumen_contrast: excess of the refractive index of the lumen over the medium, over that of the shell.
        wavelength_nm: wavelength in the medium in nm, that in vacuum over the refractive index.
        angle_deg: scattering angle theta in degrees. 0 is the limit of Rayleigh: D^6 for a homogeneous sphere.

    With the inner diameter D' = max(D - 2 t, 0), q = (4 pi/wavelength) sin(theta/2) and
    f(x) = 3 (sin x - x cos x)/x^3,

        I = [D^3 f(q D/2) - (1 - lumen_contrast) D'^3 f(q D'/2)]^2.

    It holds while the phase that the vesicle adds is small, 2 pi D (m - 1)/wavelength << 1, with m the ratio of
    refractive indices. The polarisation is perpendicular to the plane of scattering.

    >>> ratio = scattered(100.0, shell_nm=60.0, lumen_contrast=0.0, wavelength_nm=400.0, angle_deg=0.0) / 50.0**6
    >>> float(ratio.round(6))
    64.0
    """
    outer = jnp.asarray(diameter_nm, float)
    inner = jnp.maximum(outer - 2 * shell_nm, 0.0)
    q = 4 * jnp.pi / wavelength_nm * jnp.sin(jnp.radians(angle_deg) / 2)
    amplitude = outer**3 * _form(q * outer / 2) - (1 - lumen_contrast) * inner**3 * _form(q * inner / 2)
    return amplitude**2


def _form(x):
    """3 (sin x - x cos x)/x^3, with its series near zero, where the difference cancels."""
    small = x < 0.1
    safe = jnp.where(small, 1.0, x)
    series = 1 - x**2 / 10 + x**4 / 280 - x**6 / 15120
    return jnp.where(small, series, 3 * (jnp.sin(safe) - safe * jnp.cos(safe)) / safe**3)
