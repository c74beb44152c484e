"""The membrane between its mid-plane, which the model follows, and its outer face, which instruments see."""

import jax.numpy as jnp

from membrane.outcome.density import SHELL_THICKNESS_NM


def outer_diameter(mid_plane_nm, *, thickness_nm=SHELL_THICKNESS_NM):
    """Outer diameter in nm of a vesicle whose mid-plane has diameter D: D + t.

    Arguments:
        mid_plane_nm: mid-plane diameters D in nm, of any shape, such as the column ``diameter_nm`` of the events.
        thickness_nm: thickness t of the membrane in nm. 5 nm is that of the shell of :mod:`membrane.outcome.density`
            (unverified). The bilayer alone, from head to head, has 3.7 nm (Ld) to 4.6 nm (Lo) (recalled, unverified).

    Half of t lies outside the mid-plane, on both sides.

    >>> float(outer_diameter(50.0))
    55.0
    """
    return jnp.asarray(mid_plane_nm, float) + thickness_nm


def mid_plane_diameter(outer_nm, *, thickness_nm=SHELL_THICKNESS_NM):
    """Mid-plane diameter in nm of a vesicle of outer diameter D: D - t, the inverse of :func:`outer_diameter`."""
    return jnp.asarray(outer_nm, float) - thickness_nm
