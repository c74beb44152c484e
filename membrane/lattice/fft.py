"""Fourier transforms of real fields on a grid. This is the only file that knows how they are carried out.

A box may be cut into slabs, one for each device (:mod:`membrane.lattice.slabs`). Its transform is then done in three
parts. Each device transforms its own slab in x and y. All devices then exchange data, so that each of them holds all
z for a share of the y ("all-to-all"; a whole batch of fields goes in one exchange). Last, each device transforms in z.
"""

import jax
import jax.numpy as jnp

from membrane.lattice.slabs import SLABS, on_slabs


def forward(fields, dimensions: int = 2, devices: int = 1):
    """Transform without normalisation over the last two or three axes: f_k = sum_x f(x) exp(-i k x).

    Arguments:
        fields: real fields (..., n_y, n_x), or boxes (..., n_z, n_y, n_x).
        dimensions: 2 for planes, 3 for boxes.
        devices: number of devices; with more than one, ``fields`` are boxes that are cut along z.

    Returns complex fields with n_x // 2 + 1 points along the last axis. With several devices they are cut along y.
    """
    if devices == 1:
        return jnp.fft.rfftn(fields, axes=tuple(range(-dimensions, 0)))

    def slab(fields):
        hat = jnp.fft.rfftn(fields, axes=(-2, -1))
        hat = jax.lax.all_to_all(hat, SLABS, hat.ndim - 2, hat.ndim - 3, tiled=True)
        return jnp.fft.fft(hat, axis=-3)

    return on_slabs(slab, devices, -3, -2)(fields)


def inverse(fields_hat, shape, devices: int = 1):
    """Inverse of :func:`forward`.

    Arguments:
        fields_hat: transforms as :func:`forward` returns them.
        shape: (n_y, n_x) or (n_z, n_y, n_x) of the real fields that come out.
        devices: as in :func:`forward`.
    """
    if devices == 1:
        return jnp.fft.irfftn(fields_hat, s=shape, axes=tuple(range(-len(shape), 0)))

    def slab(hat):
        hat = jnp.fft.ifft(hat, axis=-3)
        hat = jax.lax.all_to_all(hat, SLABS, hat.ndim - 3, hat.ndim - 2, tiled=True)
        return jnp.fft.irfftn(hat, s=shape[-2:], axes=(-2, -1))

    return on_slabs(slab, devices, -2, -3)(fields_hat)
