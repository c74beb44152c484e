"""Dynamic light scattering: every vesicle counts by the light that it scatters."""

import jax.numpy as jnp

from membrane.instruments.kernel import gaussian
from membrane.instruments.scattering import scattered


def dls(
    edges_nm,
    diameter_nm,
    *,
    shell_nm=5.0,
    lumen_contrast=0.0,
    laser_nm=633.0,
    refractive_index=1.34,
    angle_deg=173.0,
    layer_nm=0.0,
    reference_nm=100.0,
):
    """Intensity in each bin of the hydrodynamic diameter, in units of that of a vesicle of the reference diameter.

    Arguments:
        edges_nm: edges of the bins of the hydrodynamic diameter in nm, (bins + 1,).
        diameter_nm: outer diameters D in nm, (n,).
        shell_nm, lumen_contrast: as in :func:`membrane.instruments.scattering.scattered` (5 and 0: unverified). A
            ``shell_nm`` of D/2 and above makes a homogeneous sphere; with ``angle_deg`` = 0 it scatters as D^6.
        laser_nm: wavelength of the laser in vacuum in nm (633: a helium-neon laser; of the instrument).
        refractive_index: of the medium (1.34: water with salt, recalled).
        angle_deg: scattering angle in degrees (173: backscattering; of the instrument).
        layer_nm: how far water is dragged along beyond the outer face: the hydrodynamic diameter is D + 2 layer
            (0: unverified).
        reference_nm: outer diameter in nm of which one vesicle has the intensity 1.

    The kernel is a weighting: its columns do not sum to a share. The width that the inversion of a correlation function
    adds is left out.

    Returns K, (bins, n).

    >>> kernel = dls([0.0, 70.0, 300.0], [50.0, 100.0], shell_nm=500.0, angle_deg=0.0)
    >>> (1 / kernel.sum(axis=0)).round(2).tolist()
    [64.0, 1.0]
    """
    diameter = jnp.asarray(diameter_nm, float)
    light = lambda outer: scattered(
        outer,
        shell_nm=shell_nm,
        lumen_contrast=lumen_contrast,
        wavelength_nm=laser_nm / refractive_index,
        angle_deg=angle_deg,
    )
    return gaussian(edges_nm, diameter + 2 * layer_nm, 0.0) * light(diameter) / light(reference_nm)
