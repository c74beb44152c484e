"""Transforms of real fields on a grid; the only file that knows how they are carried out."""

import jax.numpy as jnp


def forward(fields, dimensions: int = 2):
    """Unnormalised transform over the last two (or three) axes: sum_x f(x) exp(-i k x); the last axis n_x becomes
    n_x // 2 + 1."""
    return jnp.fft.rfftn(fields, axes=tuple(range(-dimensions, 0)))


def inverse(fields_hat, shape):
    """Inverse of :func:`forward`, back to real fields of ``shape = (n_y, n_x)`` or (n_z, n_y, n_x)."""
    return jnp.fft.irfftn(fields_hat, s=shape, axes=tuple(range(-len(shape), 0)))
