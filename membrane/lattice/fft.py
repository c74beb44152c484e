"""Transforms of real fields on a grid; the only file that knows how they are carried out.

Of a box in slabs (membrane.slabs) a transform is done in x and y where the slabs are, then every device sends each
other one its share of the y and gets all of z (one all-to-all, in which the batch goes along), and is done in z there.
"""

import jax
import jax.numpy as jnp

from membrane.lattice.slabs import SLABS, on_slabs


def forward(fields, dimensions: int = 2, devices: int = 1):
    """Unnormalised transform over the last two (or three) axes: sum_x f(x) exp(-i k x); the last axis n_x becomes
    n_x // 2 + 1. With several ``devices`` fields are boxes, cut along z, and what comes out is cut along y."""
    if devices == 1:
        return jnp.fft.rfftn(fields, axes=tuple(range(-dimensions, 0)))

    def slab(fields):
        hat = jnp.fft.rfftn(fields, axes=(-2, -1))
        hat = jax.lax.all_to_all(hat, SLABS, hat.ndim - 2, hat.ndim - 3, tiled=True)
        return jnp.fft.fft(hat, axis=-3)

    return on_slabs(slab, devices, -3, -2)(fields)


def inverse(fields_hat, shape, devices: int = 1):
    """Inverse of :func:`forward`, back to real fields of ``shape = (n_y, n_x)`` or (n_z, n_y, n_x)."""
    if devices == 1:
        return jnp.fft.irfftn(fields_hat, s=shape, axes=tuple(range(-len(shape), 0)))

    def slab(hat):
        hat = jnp.fft.ifft(hat, axis=-3)
        hat = jax.lax.all_to_all(hat, SLABS, hat.ndim - 3, hat.ndim - 2, tiled=True)
        return jnp.fft.irfftn(hat, s=shape[-2:], axes=(-2, -1))

    return on_slabs(slab, devices, -2, -3)(fields_hat)
