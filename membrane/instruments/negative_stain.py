"""Negative stain: vesicles that were dried on a film."""

import jax.numpy as jnp

from membrane.instruments.kernel import gaussian


def negative_stain(edges_nm, diameter_nm, *, shrinkage, error_nm=0.0):
    """Probability of each bin: the outer diameter D times a factor, with a Gaussian error.

    Arguments:
        edges_nm: edges of the bins of the measured diameter in nm, (bins + 1,).
        diameter_nm: outer diameters D in nm, (n,).
        shrinkage: measured over true diameter, such as 0.9 of a vesicle that dries to nine tenths of its diameter. It
            depends on stain and film. It has no default: measure it against cryo-EM of the same sample.
        error_nm: standard deviation of the error in nm.

    No vesicle is lost.

    Returns K, (bins, n).

    >>> negative_stain([40.0, 45.0, 50.0], [50.0], shrinkage=0.8)[:, 0].tolist()
    [1.0, 0.0]
    """
    return gaussian(edges_nm, shrinkage * jnp.asarray(diameter_nm, float), error_nm)
