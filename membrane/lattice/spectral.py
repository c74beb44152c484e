"""Operators on periodic fields: stencils for conservative fluxes, integrals, the structure factor."""

import jax
import jax.numpy as jnp
import numpy as np

from membrane.lattice import fft

Y, X = -2, -1
"""Array axes of the two directions of a plane."""


def ghosted(fields, before: int = 1, after: int = 1):
    """Fields (..., n_y, n_x) with periodic ghost points: ``before`` of them at the start of both axes, ``after`` at the
    end.

    Every stencil on the result is a slice. On a CPU this is several times faster than rolling the field for each
    neighbour.
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
    """(f_{i+1} - f_i)/h along ``axis``, with one point fewer; ``spacing`` is h in nm.

    It leads from cells to the faces between them, or from faces to cells. One is minus the adjoint of the other.
    """
    upper, lower = neighbours(field, axis)
    return (upper - lower) / spacing


def mean(field, axis: int):
    """(f_i + f_{i+1})/2 along ``axis``, with one point fewer."""
    upper, lower = neighbours(field, axis)
    return 0.5 * (upper + lower)


def trimmed(field, axis: int):
    """The field without its first and last point along ``axis``."""
    return field[..., 1:-1, :] if axis == Y else field[..., 1:-1]


def neighbours(field, axis: int):
    """f_{i+1} and f_i along ``axis``, each with one point fewer."""
    return (field[..., 1:, :], field[..., :-1, :]) if axis == Y else (field[..., 1:], field[..., :-1])


def laplacian(field, spacing: tuple[float, float]):
    """Laplacian of sixth order in each direction, of a field (n_y, n_x).

    It is symmetric, and its symbol is -k^2 [1 - (k h)^6/560 + ...] with h the ``spacing`` (h_y, h_x) in nm.
    Coefficients 1/90, -3/20, 3/2, -49/18: Fornberg 1988, Math. Comp. 51:699.
    """
    wide = ghosted(field, 3, 3)
    (ny, nx), (hy, hx) = field.shape, spacing
    at = lambda dy, dx: wide[3 + dy : 3 + dy + ny, 3 + dx : 3 + dx + nx]
    total = -(49 / 18) * (1 / hy**2 + 1 / hx**2) * field
    for m, weight in ((1, 1.5), (2, -0.15), (3, 1 / 90)):
        total = total + weight * ((at(m, 0) + at(-m, 0)) / hy**2 + (at(0, m) + at(0, -m)) / hx**2)
    return total


def hermitian_weights(grid) -> np.ndarray:
    """How often each stored mode of a real field occurs in the full spectrum: 1 or 2, of shape ``grid.spectral_shape``.

    The transform of a real field is symmetric, f_{-k} = conj(f_k), and only half of it is stored.
    """
    weights = np.full(grid.spectral_shape, 2.0)
    weights[..., 0] = 1.0
    if grid.shape[-1] % 2 == 0:
        weights[..., -1] = 1.0
    return weights


def total(fields):
    """Sum over the box of fields (..., n_z, n_y, n_x): one number for each field, (...).

    It is taken along y, then along z, then along x. A CPU would take a sum over all axes at once number by number.
    That needs three times as long, and its rounding error grows with the number of points.
    """
    for axis in (-2, -2, -1):
        fields = jax.lax.optimization_barrier(jnp.sum(fields, axis))
    return fields


def quadratic_form(multiplier, field_hat, grid):
    """Integral of f (m f) over a plane, from the transform of f (Parseval's theorem), in nm^2 times the unit of m f^2.

    Arguments:
        multiplier: m, which is diagonal in Fourier space, of shape ``grid.spectral_shape``.
        field_hat: transform of f, of the same shape.
        grid: the plane.
    """
    weights = jnp.asarray(hermitian_weights(grid), grid.dtype)
    power = field_hat.real**2 + field_hat.imag**2
    return jnp.sum(weights * multiplier * power) * (grid.cell_area / grid.size)


def structure_factor(field, grid) -> tuple[np.ndarray, np.ndarray]:
    """Structure factor S(k) = A <|f_k|^2>, averaged over the directions of k, with f_k = (1/A) int f exp(-i k x) d2x.

    A is the area of the plane. Returns the centres k of the bins (rad/nm) and S (nm^2 for a field without unit).
    """
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
    """Spacing of the domains as scattering sees it: 2 pi/<k> in nm, where <k> is the mean weighted with k S(k).

    NaN for a field that is the same everywhere.
    """
    k, s = structure_factor(field, grid)
    weight = k * s
    return float(2 * np.pi * weight.sum() / (k * weight).sum()) if weight.sum() > 0 else float("nan")
