"""Transforms of real fields on a grid; the only file that knows how they are carried out."""

import jax.numpy as jnp


def forward(fields):
    """Unnormalised transform over the last two axes: sum_x f(x) exp(-i k x); (..., n_y, n_x) -> (..., n_y, n_x // 2
    + 1)."""
    return jnp.fft.rfft2(fields)


def inverse(fields_hat, shape):
    """Inverse of :func:`forward`, back to real fields of ``shape = (n_y, n_x)``."""
    return jnp.fft.irfft2(fields_hat, s=shape)
