"""Isopycnic centrifugation: vesicles come to rest where the gradient has their density."""

import jax.numpy as jnp

from membrane.instruments.kernel import gaussian
from membrane.outcome.density import SHELL_THICKNESS_NM, mixed_density


def isopycnic(
    edges_g_per_ml,
    diameter_nm,
    *,
    shell_g_per_ml,
    lumen_g_per_ml,
    shell_nm=SHELL_THICKNESS_NM,
    error_g_per_ml=0.0,
):
    """Probability of each fraction of a density gradient.

    Arguments:
        edges_g_per_ml: densities between which a fraction was taken, in g/ml, (bins + 1,).
        diameter_nm: outer diameters D in nm, (n,). At 2 ``shell_nm`` and below there is no lumen.
        shell_g_per_ml, lumen_g_per_ml: densities of shell and lumen in the medium of the gradient. Sucrose draws water
            out of the lumen, iodixanol hardly does (recalled): each medium has its own numbers; there is no default.
        shell_nm: thickness t of the shell in nm (5: unverified).
        error_g_per_ml: standard deviation of the density within a fraction, by diffusion and by pouring.

    The density is rho_shell (1 - f) + rho_lumen f with f = (1 - 2 t/D)^3 (:mod:`membrane.outcome.density`).

    Returns K, (bins, n). No vesicle is lost where the fractions hold all densities.

    >>> isopycnic([1.06, 1.10, 1.16], [60.0, 100.0], shell_g_per_ml=1.16, lumen_g_per_ml=1.06).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    density = mixed_density(
        jnp.maximum(jnp.asarray(diameter_nm, float), 2 * shell_nm),
        shell_g_per_ml=shell_g_per_ml,
        lumen_g_per_ml=lumen_g_per_ml,
        shell_thickness_nm=shell_nm,
    )
    return gaussian(edges_g_per_ml, density, error_g_per_ml)
