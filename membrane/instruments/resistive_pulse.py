"""Resistive pulses: vesicles that pass a pore (TRPS) or a constriction of a chip (MRPS) one by one."""

import jax.numpy as jnp

from membrane.instruments.kernel import gaussian, passed


def trps(edges_nm, diameter_nm, *, limit_low_nm=118.0, limit_high_nm=128.0, error_cv=0.0):
    """Probability of each bin of the calibrated diameter: the outer diameter D, if its pulse rises above the noise.

    Arguments:
        edges_nm: edges of the bins of the reported diameter in nm, (bins + 1,).
        diameter_nm: outer diameters D in nm, (n,).
        limit_low_nm, limit_high_nm: ends of the limit of detection in nm. It is read as one standard deviation to
            either side: 16 % are detected at the lower end, 84 % at the upper one. That reading is unverified. The
            numbers are of a comparison of instruments (Cavallaro et al. 2021 Nanoscale Adv, abstract); another pore has
            another limit.
        error_cv: standard deviation of the Gaussian error over D (0: unverified).

    Returns K, (bins, n). The sum of a column is the share that is detected.

    >>> trps([50.0, 100.0, 200.0], [123.0, 200.0]).sum(axis=0).round(3).tolist()
    [0.5, 0.0]
    """
    diameter = jnp.asarray(diameter_nm, float)
    middle, half = (limit_low_nm + limit_high_nm) / 2, (limit_high_nm - limit_low_nm) / 2
    return gaussian(edges_nm, diameter, error_cv * diameter) * passed(diameter, middle, half)


def mrps(edges_nm, diameter_nm, *, limit_low_nm=65.0, limit_high_nm=75.0, error_cv=0.0):
    """The same for a microfluidic chip, whose limit is 65 to 75 nm (same source). See :func:`trps`.

    >>> mrps([50.0, 100.0, 200.0], [70.0, 150.0]).sum(axis=0).round(3).tolist()
    [0.5, 1.0]
    """
    return trps(edges_nm, diameter_nm, limit_low_nm=limit_low_nm, limit_high_nm=limit_high_nm, error_cv=error_cv)
