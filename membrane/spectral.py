"""Operators on periodic fields: stencils of the conservative fluxes, integrals, structure factor."""

import jax.numpy as jnp
import numpy as np

from membrane import fft

Y, X = -2, -1
"""Array axes of the two directions."""


def forward_difference(field, axis: int, spacing: float):
    """(f_{i+1} - f_i)/h: from cells to the faces on their upper side, or from faces to corners."""
    return (jnp.roll(field, -1, axis) - field) / spacing


def backward_difference(field, axis: int, spacing: float):
    """(f_i - f_{i-1})/h: from faces back to cells; minus the adjoint of :func:`forward_difference`."""
    return (field - jnp.roll(field, 1, axis)) / spacing


def face_mean(field, axis: int):
    """(f_i + f_{i+1})/2 on the upper faces."""
    return 0.5 * (field + jnp.roll(field, -1, axis))


def laplacian(field, spacing: tuple[float, float]):
    """Sixth-order nine-point-per-axis-pair Laplacian, symmetric: its symbol is k^2 [1 - (k h)^6/560 + ...].

    Coefficients 1/90, -3/20, 3/2, -49/18 (Fornberg 1988, Math. Comp. 51:699).
    """
    total = 0.0
    for axis, h in zip((Y, X), spacing, strict=True):
        pairs = [jnp.roll(field, s, axis) + jnp.roll(field, -s, axis) for s in (1, 2, 3)]
        total = total + (1.5 * pairs[0] - 0.15 * pairs[1] + pairs[2] / 90 - (49 / 18) * field) / h**2
    return total


def hermitian_weights(grid) -> np.ndarray:
    """How often each stored mode of a real field stands in the full spectrum (1 or 2), ``grid.spectral_shape``."""
    weights = np.full(grid.spectral_shape, 2.0)
    weights[:, 0] = 1.0
    if grid.shape[1] % 2 == 0:
        weights[:, -1] = 1.0
    return weights


def quadratic_form(multiplier, field_hat, grid):
    """Integral of f (m * f) over the box in nm^2 units, where m is diagonal in Fourier space (Parseval)."""
    weights = jnp.asarray(hermitian_weights(grid), grid.dtype)
    power = field_hat.real**2 + field_hat.imag**2
    return jnp.sum(weights * multiplier * power) * (grid.cell_area / grid.size)


def structure_factor(field, grid) -> tuple[np.ndarray, np.ndarray]:
    """Radially averaged S(k) = <|f_k|^2> A, with f_k = (1/A) int f exp(-ikx); returns bin centres k (1/nm) and S (nm^2)."""
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
