"""The membrane as a phase field psi in a periodic box: derivatives, surface density, area, volume, curvature.

psi = tanh(d/(sqrt2 eps)), where d (nm) is the signed distance from the mid-plane of the membrane and eps (nm) the
interface width. psi = +1 in the lumen (inside the endosome) and -1 in the cytosol (outside it). An integral over the
membrane is an integral over the box with the weight

    delta = (3/(2 sqrt2)) [(eps/2) |grad psi|^2 + (1 - psi^2)^2/(4 eps)]        (1/nm).

Its integral across the profile is 1. It is the energy of Modica & Mortola 1977, so a flat membrane of any area has zero
variation. Derivatives are spectral: for eps >= 1.2 spacings they are exact to 1e-3.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from membrane.lattice import fft, spectral
from membrane.lattice.grid import Grid

SCALE = 3 / (2 * 2**0.5)
"""Factor that normalises delta: the integral of its bracket across the profile is 2 sqrt2/3."""

SECOND_MOMENT = np.pi**2 / 6 - 1
"""Second moment of delta across the profile, over eps^2.

By Steiner's formula the integral of delta exceeds the area of the mid-plane by SECOND_MOMENT eps^2 int K dA, with K the
Gaussian curvature. That is 4 pi SECOND_MOMENT eps^2 for every sphere in it, whatever its shape, and zero for planes.
"""

INNER = np.pi**2 / 4 - 1.5
"""Coefficient in :func:`lumen_indicator` that makes its second moment zero."""


class Derivatives(NamedTuple):
    """psi (n_z, n_y, n_x), its gradient (3, n_z, n_y, n_x) in 1/nm, and its Laplacian (n_z, n_y, n_x) in 1/nm^2."""

    value: Float[Array, "nz ny nx"]
    gradient: Float[Array, "3 nz ny nx"]
    laplacian: Float[Array, "nz ny nx"]

    @property
    def slope(self):
        """|grad psi| in 1/nm. Its own derivative is zero where grad psi vanishes."""
        square = jnp.sum(self.gradient**2, 0)
        return jnp.sqrt(jnp.maximum(square, jnp.finfo(square.dtype).tiny))


def gradient_symbols(grid: Grid) -> list[Array]:
    """Wavenumbers k, real, such that i k is the Fourier symbol of d/dz, d/dy and d/dx, in rad/nm.

    Each of the three varies along its own axis only. Compiled code combines them where they are used and reads no whole
    box from memory. k is 0 for the Nyquist mode, which has no derivative.
    """
    lone = [np.isclose(np.abs(k) * h, np.pi) for k, h in zip(grid.k, grid.spacing, strict=True)]
    return [jnp.asarray(np.where(none, 0, k), grid.dtype) for k, none in zip(grid.k, lone, strict=True)]


def wavenumber_squared(grid: Grid) -> Array:
    """k^2 in rad^2/nm^2, ``grid.spectral_shape``, combined from its three axes as in :func:`gradient_symbols`."""
    z, y, x = (jnp.asarray(k**2, grid.dtype) for k in grid.k)
    return z + y + x


def derivatives(psi, grid: Grid) -> Derivatives:
    """Spectral gradient and Laplacian of psi (n_z, n_y, n_x). It takes one forward and four inverse transforms."""
    hat = fft.forward(psi, 3, grid.devices)
    hats = [1j * k * hat for k in gradient_symbols(grid)] + [-wavenumber_squared(grid) * hat]
    both = fft.inverse(jnp.stack(hats), grid.shape, grid.devices)
    return Derivatives(psi, both[:3], both[3])


def adjoint(cotangent: Derivatives, grid: Grid):
    """Transpose of :func:`derivatives`.

    It turns a derivative in psi, grad psi and lap psi into the derivative in psi alone (n_z, n_y, n_x). It takes four
    forward transforms and one inverse.
    """
    gradient, laplacian = (fft.forward(part, 3, grid.devices) for part in (cotangent.gradient, cotangent.laplacian))
    divergence = sum(k * hat for k, hat in zip(gradient_symbols(grid), gradient, strict=True))
    return cotangent.value + fft.inverse(
        -1j * divergence - wavenumber_squared(grid) * laplacian, grid.shape, grid.devices
    )


def delta(psi: Derivatives, eps: float):
    """Surface density in 1/nm, (n_z, n_y, n_x). Its integral across the membrane is 1."""
    square = jnp.sum(psi.gradient**2, 0)
    return SCALE * (0.5 * eps * square + (1 - psi.value**2) ** 2 / (4 * eps))


def curvature(psi: Derivatives, eps: float):
    """eps lap psi + (psi - psi^3)/eps in 1/nm, (n_z, n_y, n_x).

    On the profile this is (1 - psi^2)/sqrt2 times 2H, twice the mean curvature. H > 0 belongs to a bud into the lumen.
    A sphere that is full of lumen therefore has 2H = -2/R.
    """
    return eps * psi.laplacian + (psi.value - psi.value**3) / eps


def area_variation(psi: Derivatives, eps: float):
    """Functional derivative of the area with respect to psi, in 1/nm^2, (n_z, n_y, n_x).

    The area is quadratic in grad psi, so this is a function of psi and lap psi at each point.
    """
    return -SCALE * curvature(psi, eps)


def areas(psi: Derivatives, eps: float, regions, grid: Grid):
    """Area of each membrane in nm^2, (membranes,), the integral of delta over its region of the box.

    ``regions`` (membranes, n_z, n_y, n_x) is 1 in the region of each membrane and 0 elsewhere.
    """
    return spectral.total(regions * delta(psi, eps)) * grid.cell_volume


def lumen_indicator(psi):
    """h(psi), a smooth step: 0 in the cytosol, 1 in the lumen.

        h = [1 + psi + psi (1 - psi^2)/2 + (pi^2/4 - 3/2) psi (1 - psi^2)^2]/2

    Its slope is zero in both. Its second moment is zero too; otherwise the volume of a sphere would be too large by a
    share of order (eps/R)^2.
    """
    rest = 1 - psi**2
    return 0.5 * (1 + psi * (1 + 0.5 * rest + INNER * rest**2))


def volume(psi, grid: Grid):
    """Volume of the lumen in nm^3, the integral of h(psi)."""
    return spectral.total(lumen_indicator(psi)) * grid.cell_volume


def volume_variation(psi):
    """Functional derivative of the volume with respect to psi, h'(psi)."""
    rest = 1 - psi**2
    return 0.5 * rest * (1.5 + INNER * (1 - 5 * psi**2))


def hessian(psi, grid: Grid):
    """Spectral second derivatives (zz, yy, xx, yx, zx, zy) in 1/nm^2, (6, n_z, n_y, n_x); six inverse transforms."""
    (z, y, x), hat = gradient_symbols(grid), fft.forward(psi, 3, grid.devices)
    pure = [jnp.asarray(k**2, grid.dtype) for k in grid.k]
    hats = jnp.stack([-k * hat for k in (*pure, y * x, z * x, z * y)])
    return fft.inverse(hats, grid.shape, grid.devices)


def gaussian_density(psi: Derivatives, second, eps: float):
    """delta times the Gaussian curvature K, in 1/nm^3, (n_z, n_y, n_x); ``second`` is :func:`hessian` of psi.

    On the profile the matrix A = D^2 psi + n n (psi - psi^3)/eps^2 is psi' times the second derivatives of the distance
    d, where n = grad psi/|grad psi|. Its invariants give

        delta K = (3 eps/(2 sqrt2)) (1/2) [(tr A)^2 - |A|^2].

    The integral over a closed membrane is 4 pi for each sphere (Gauss & Bonnet), up to an error of order eps^2 H^2.
    """
    # The added term makes the normal fade where psi has no slope, far from the membrane.
    nz, ny, nx = psi.gradient / jnp.sqrt(jnp.sum(psi.gradient**2, 0) + (1e-3 / eps) ** 2)
    bend = (psi.value - psi.value**3) / eps**2
    zz, yy, xx, yx, zx, zy = second + bend * jnp.stack([nz * nz, ny * ny, nx * nx, ny * nx, nz * nx, nz * ny])
    return SCALE * eps * (zz * yy + zz * xx + yy * xx - yx**2 - zx**2 - zy**2)


def euler_characteristic(psi, eps: float, grid: Grid):
    """int K dA/(2 pi) over all membranes: 2 for each sphere, 0 for a torus. A fission adds 2."""
    density = gaussian_density(derivatives(psi, grid), hessian(psi, grid), eps)
    return jnp.sum(density) * grid.cell_volume / (2 * np.pi)
