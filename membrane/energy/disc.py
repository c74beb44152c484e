"""What a disc pays whose spontaneous curvature differs from that of the membrane around it, with relaxed height.

A disc of radius r has c0 = c_out + D, and the membrane around it c_out. The relaxed height (membrane.energy.helfrich)
leaves the energy (1/2) integral of c0 kappa u with (k^2 - laplacian) u = k^2 D 1_disc and k^2 = sigma/kappa. Inside,
u = D [1 - x K_1(x) I_0(k rho)], and outside u = D x I_1(x) K_0(k rho), where x = k r. Hence

    mean of u over the disc / D = s(x) = 1 - 2 I_1(x) K_1(x),       energy = (kappa/2) s D^2 pi r^2,
    2 u(r)/D = d(a s)/da = 2 [1 - x K_1(x) I_0(x)],                 energy for each area that the disc gains.

A uniform c_out and the mean curvature of a host add the same constant to u inside and outside. They change no
difference of potentials between disc and host, and so appear nowhere.
"""

import jax.numpy as jnp
from jax.scipy.special import i0e, i1e

POINTS = 128
"""Points of the trapezoidal rule, whose error falls exponentially with their number: with these it is rounding."""

LONGEST = 1e12
"""Largest x; from there the shares are those of an infinite disc, to rounding."""


def _scaled_k1(x):
    """e^x K_1(x) = integral from 0 to infinity of exp[-2 x sinh^2(t/2)] cosh t dt, for x of any shape."""
    end = 2 * jnp.arcsinh(jnp.sqrt(22.5 / x))
    step = end / POINTS
    t = step[..., None] * jnp.arange(POINTS + 1)
    values = jnp.exp(-2 * x[..., None] * jnp.sinh(t / 2) ** 2) * jnp.cosh(t)
    return step * (jnp.sum(values, axis=-1) - 0.5 * values[..., 0])


def disc_share(x):
    """s(x) = 1 - 2 I_1(x) K_1(x): what a disc pays of (kappa/2) D^2 per area. It goes from 0 to 1 with x = k r.

    Arguments:
        x: radius times sqrt(sigma/kappa), above 1e-10, of any shape; may be infinite.

    >>> [round(float(disc_share(x)), 3) for x in (0.1, 1.0, 10.0)]
    [0.013, 0.32, 0.9]
    """
    x = jnp.minimum(jnp.asarray(x, jnp.result_type(x, 0.0)), LONGEST)
    return 1 - 2 * i1e(x) * _scaled_k1(x)


def disc_edge_share(x):
    """d(a s)/da = 2 [1 - x K_1(x) I_0(x)]: what a disc pays of (kappa/2) D^2 for each area that it gains.

    Arguments:
        x: as in :func:`disc_share`.
    """
    x = jnp.minimum(jnp.asarray(x, jnp.result_type(x, 0.0)), LONGEST)
    return 2 * (1 - x * i0e(x) * _scaled_k1(x))
