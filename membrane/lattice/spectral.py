"""Operators on periodic fields: stencils of the conservative fluxes, integrals, structure factor."""

import jax
import jax.numpy as jnp
import numpy as np

from membrane.lattice import fft

Y, X = -2, -1
"""Array axes of the two directions."""


def ghosted(fields, before: int = 1, after: int = 1):
    """Fields (..., n_y, n_x) with ``before`` and ``after`` periodic ghost points on both axes.

    Written out once, so that every stencil on it is a slice: rolls inside a stencil cost several times as much on a
    CPU.
    """
    frame = [(0, 0, 0)] * (fields.ndim - 2) + [(before, after, 0)] * 2
    padded = jax.lax.pad(fields, jnp.zeros((), fields.dtype), frame)
    for axis in (fields.ndim + Y, fields.ndim + X):
        n = fields.shape[axis]
        for target, source, size in ((0, n, before), (before + n, before, after)):
            if size:
                part = jax.lax.slice_in_dim(padded, source, source + size, axis=axis)
                padded = jax.lax.dynamic_update_slice_in_dim(padded, part, target, axis)
    return padded


def difference(field, axis: int, spacing: float):
    """(f_{i+1} - f_i)/h along ``axis``, one point fewer: cells to faces, or faces to cells (minus the adjoint)."""
    upper, lower = _neighbours(field, axis)
    return (upper - lower) / spacing


def mean(field, axis: int):
    """(f_i + f_{i+1})/2 along ``axis``, one point fewer."""
    upper, lower = _neighbours(field, axis)
    return 0.5 * (upper + lower)


def trimmed(field, axis: int):
    """The field without its first and last point along ``axis``."""
    return field[..., 1:-1, :] if axis == Y else field[..., 1:-1]


def _neighbours(field, axis):
    return (field[..., 1:, :], field[..., :-1, :]) if axis == Y else (field[..., 1:], field[..., :-1])


def laplacian(field, spacing: tuple[float, float]):
    """Laplacian of sixth order in each direction, symmetric: its symbol is -k^2 [1 - (k h)^6/560 + ...].

    Coefficients 1/90, -3/20, 3/2, -49/18 (Fornberg 1988, Math. Comp. 51:699); (n_y, n_x) -> (n_y, n_x).
    """
    wide = ghosted(field, 3, 3)
    (ny, nx), (hy, hx) = field.shape, spacing
    at = lambda dy, dx: wide[3 + dy : 3 + dy + ny, 3 + dx : 3 + dx + nx]
    total = -(49 / 18) * (1 / hy**2 + 1 / hx**2) * field
    for m, weight in ((1, 1.5), (2, -0.15), (3, 1 / 90)):
        total = total + weight * ((at(m, 0) + at(-m, 0)) / hy**2 + (at(0, m) + at(0, -m)) / hx**2)
    return total


def hermitian_weights(grid) -> np.ndarray:
    """How often each stored mode of a real field stands in the full spectrum (1 or 2), ``grid.spectral_shape``."""
    weights = np.full(grid.spectral_shape, 2.0)
    weights[..., 0] = 1.0
    if grid.shape[-1] % 2 == 0:
        weights[..., -1] = 1.0
    return weights


def total(fields):
    """Sum of fields (..., n_z, n_y, n_x) over the box, (...): along y, then z, then x, each by itself. In one go a CPU
    adds one number after the other, which takes three times as long and rounds as often as there are points."""
    for axis in (-2, -2, -1):
        fields = jax.lax.optimization_barrier(jnp.sum(fields, axis))
    return fields


def quadratic_form(multiplier, field_hat, grid):
    """Integral of f (m * f) over the box in nm^2 units, where m is diagonal in Fourier space (Parseval)."""
    weights = jnp.asarray(hermitian_weights(grid), grid.dtype)
    power = field_hat.real**2 + field_hat.imag**2
    return jnp.sum(weights * multiplier * power) * (grid.cell_area / grid.size)


def structure_factor(field, grid) -> tuple[np.ndarray, np.ndarray]:
    """Radially averaged S(k) = <|f_k|^2> A, with f_k = (1/A) int f exp(-ikx); returns bin centres k (1/nm) and S
    (nm^2)."""
    hat = np.asarray(fft.forward(field - jnp.mean(field)))
    power = np.abs(hat) ** 2 * grid.area / grid.size**2
    weights = hermitian_weights(grid)
    dk = 2 * np.pi / max(grid.extent)
    shell = np.rint(np.sqrt(grid.k2) / dk).astype(int).ravel()
    n = int(np.pi / max(grid.spacing) / dk)
    count = np.bincount(shell, weights.ravel())[1 : n + 1]
    total = np.bincount(shell, (weights * power).ravel())[1 : n + 1]
    return dk * np.arange(1, n + 1), total / np.maximum(count, 1)


def characteristic_length(field, grid) -> float:
    """2 pi / <k> in nm, <k> weighted with k S(k): the domain spacing seen by scattering."""
    k, s = structure_factor(field, grid)
    weight = k * s
    return float(2 * np.pi * weight.sum() / (k * weight).sum()) if weight.sum() > 0 else float("nan")
