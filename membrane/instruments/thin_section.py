"""Thin-section electron microscopy: profiles of spheres in a slab, with caps that are overlooked."""

import jax.numpy as jnp

from membrane.instruments.kernel import gaussian


def thin_section(edges_nm, diameter_nm, *, section_nm=65.0, cap_angle_deg=41.0):
    """Profiles in a bin, in nm: their number for one vesicle per unit of volume and one unit of area of the section.

    Arguments:
        edges_nm: edges of the bins of the profile diameter d in nm, (bins + 1,).
        diameter_nm: outer diameters D in nm, (n,).
        section_nm: thickness T of the section in nm.
        cap_angle_deg: the least cap angle phi that is recognised, 0 to below 90 degrees.

    A sphere whose centre lies in the section shows its full diameter, d = D. One whose centre lies at a distance z
    outside shows a cap of d = sqrt(D^2 - 4 z^2), if d >= D sin phi. The centres of a profile in bin [a, b) fill the
    length

        K = T [a <= D < b] + sqrt(D^2 - a^2) - sqrt(D^2 - b^2),    a and b moved into D sin phi to D.

    Times the vesicles per volume and the area of the section, K is the number of profiles. The sum of a column is
    T + D cos phi where the bins hold all d: large spheres show more profiles. Wicksell's kernel is T = phi = 0, Bach's
    is phi = 0. Sums over many diameters give the density of Keiding, Jensen and Ranek 1972 (recalled; used by Rothman
    et al. 2023 PLoS ONE 18:e0277148). T and phi there: 60 to 70 nm, 41 +- 5 degrees.

    The derivative with respect to D leaves out the step of [a <= D < b] from bin to bin.

    Returns K, (bins, n), in nm.

    >>> thin_section([0.0, 30.0, 50.0, 70.0], [50.0], section_nm=60.0, cap_angle_deg=0.0)[:, 0].tolist()
    [10.0, 40.0, 60.0]
    """
    diameter = jnp.asarray(diameter_nm, float)
    least = diameter * jnp.sin(jnp.radians(cap_angle_deg))
    profile = jnp.clip(jnp.asarray(edges_nm, float)[:, None], least, diameter)
    caps = -jnp.diff(_root((diameter - profile) * (diameter + profile)), axis=0)
    return section_nm * gaussian(edges_nm, diameter, 0.0) + caps


def mean_profile(diameter_nm, *, section_nm=65.0, cap_angle_deg=41.0):
    """Mean diameter in nm of the profiles of spheres that all have the diameter D.

    Arguments:
        diameter_nm: outer diameters D in nm, of any shape.
        section_nm, cap_angle_deg: T and phi, as in :func:`thin_section`.

    It is the mean of d over what each sphere shows:

        mean = D [T + D (pi/2 - phi + sin phi cos phi)/2] / (T + D cos phi)

    For T = phi = 0 it is (pi/4) D.

    >>> round(float(mean_profile(65.0)), 1)
    62.1
    """
    diameter, phi = jnp.asarray(diameter_nm, float), jnp.radians(cap_angle_deg)
    caps = diameter * (jnp.pi / 2 - phi + jnp.sin(phi) * jnp.cos(phi)) / 2
    return diameter * (section_nm + caps) / (section_nm + diameter * jnp.cos(phi))


def _root(square):
    """The square root, whose derivative at zero is zero and not infinite."""
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1.0)), 0.0)
