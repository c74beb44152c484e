"""Nanoparticle tracking analysis: hydrodynamic diameters from Brownian tracks of particles that scatter enough."""

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaincc

from membrane.instruments.kernel import lognormal, passed
from membrane.instruments.scattering import scattered

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


def nta(edges_nm, diameter_nm, *, spread_cv=0.12, layer_nm=0.0, **detection):
    """Probability of each bin of a size distribution from which the spread of finite tracks was taken out (FTLA).

    Arguments:
        edges_nm: edges of the bins of the hydrodynamic diameter in nm, (bins + 1,).
        diameter_nm: outer diameters D in nm, (n,).
        spread_cv: coefficient of variation of the lognormal point spread that is left. Two sets of a bead standard of
            100 nm give about 0.12; the beads' own spread is within it.
        layer_nm: how far water is dragged along beyond the outer face: the hydrodynamic diameter is D + 2 layer
            (0: unverified).
        detection: settings of :func:`detected_by_light`.

    Returns K, (bins, n). The sum of a column is the share that is detected.

    >>> nta([0.0, 100.0, 1000.0], [100.0], limit_nm=0.0, spread_cv=0.0)[:, 0].tolist()
    [0.0, 1.0]
    """
    diameter = jnp.asarray(diameter_nm, float)
    return lognormal(edges_nm, diameter + 2 * layer_nm, spread_cv) * detected_by_light(diameter, **detection)


def nta_tracks(edges_nm, diameter_nm, *, steps, layer_nm=0.0, **detection):
    """Probability of each bin of the diameters of single tracks, each from its mean square displacement.

    Arguments:
        edges_nm: edges of the bins of the tracked diameter in nm, (bins + 1,).
        diameter_nm: outer diameters D in nm, (n,).
        steps: steps n of a track. It need not be an integer.
        layer_nm: as in :func:`nta`.
        detection: settings of :func:`detected_by_light`.

    The mean square of n independent steps in the plane is a gamma variable of shape n. By Stokes and Einstein the
    diameter of a track is inversely proportional to it:

        d_hat = d n/Gamma(n),    P(d_hat < x) = Q(n, n d/x),

    where Q is the regularised upper incomplete gamma function. The mean of d_hat is d n/(n - 1), its coefficient of
    variation 1/sqrt(n - 2). Errors of localisation and the blur of an exposure are left out.

    Returns K, (bins, n). The sum of a column is the share that is detected.

    >>> round(float(nta_tracks([0.0, 100.0], [100.0], steps=20.0, limit_nm=0.0)[0, 0]), 3)
    0.47
    """
    diameter = jnp.asarray(diameter_nm, float)
    edges = jnp.asarray(edges_nm, float)[:, None]
    tiny = jnp.finfo(edges.dtype).tiny
    # Beyond shape + 40 sqrt(shape) + 400 the upper part is zero to all digits.
    reach = steps + 40 * jnp.sqrt(steps) + 400
    drawn = jnp.minimum(steps * (diameter + 2 * layer_nm) / jnp.maximum(edges, jnp.sqrt(tiny)), reach)
    below = jnp.where(edges > 0, gammaincc(jnp.asarray(steps, float), drawn), 0.0)
    return jnp.diff(below, axis=0) * detected_by_light(diameter, **detection)


def detected_by_light(
    diameter_nm,
    *,
    limit_nm=70.0,
    intensity_spread=0.5,
    shell_nm=5.0,
    lumen_contrast=0.0,
    laser_nm=488.0,
    refractive_index=1.34,
    half_aperture_deg=17.0,
):
    """The share of vesicles that scatter enough light to be tracked: Phi(ln[I(D)/I(limit)]/s).

    Arguments:
        diameter_nm: outer diameters D in nm, of any shape.
        limit_nm: outer diameter of which half is tracked. Near 70 nm (Cavallaro et al. 2021 Nanoscale Adv, abstract).
        intensity_spread: s, the standard deviation of ln I between vesicles of one size, by their place in the beam and
            their content (0.5: a choice, unverified). 0: a sharp limit.
        shell_nm, lumen_contrast: as in :func:`membrane.instruments.scattering.scattered` (5 and 0: unverified).
        laser_nm: wavelength of the laser in vacuum in nm (of the instrument; 405 to 642 are in use, recalled).
        refractive_index: of the medium (1.34: water with salt, recalled).
        half_aperture_deg: half the angle that the objective collects, around 90 degrees, within the medium (17: that of
            a numerical aperture of 0.4, recalled).

    I is the mean of the scattered intensity over the angles of the aperture, in the plane. ``limit_nm`` = 0 detects
    every vesicle.
    """
    angle = 90 + half_aperture_deg * jnp.asarray(_NODES)

    def intensity(diameter):
        light = scattered(
            diameter[..., None],
            shell_nm=shell_nm,
            lumen_contrast=lumen_contrast,
            wavelength_nm=laser_nm / refractive_index,
            angle_deg=angle,
        )
        return jnp.log(jnp.maximum(light @ (jnp.asarray(_WEIGHTS) / 2), jnp.finfo(light.dtype).tiny))

    limit = jnp.asarray(limit_nm, float)
    blind = limit > 0
    share = passed(
        intensity(jnp.asarray(diameter_nm, float)), intensity(jnp.where(blind, limit, 1.0)), intensity_spread
    )
    return jnp.where(blind, share, 1.0)
