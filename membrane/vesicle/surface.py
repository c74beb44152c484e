"""The membrane as a phase field in a periodic box: derivatives, surface density, area, volume, curvature, parts.

psi = tanh(d/(sqrt2 eps)) with d (nm) the signed distance from the mid-plane, psi = +1 in the lumen and -1 in the
cytosol. Integrals over the membrane are integrals over the box weighted with

    delta = (3/(2 sqrt2)) [(eps/2) |grad psi|^2 + (1 - psi^2)^2/(4 eps)]        (1/nm),

whose integral across the profile is 1; it is the energy of Modica & Mortola 1977, so that a flat membrane of any area
has zero variation. Derivatives are spectral: at eps >= 1.2 spacings what they truncate is below 1e-3 of them.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from membrane.lattice import fft, spectral
from membrane.lattice.grid import Grid

SCALE = 3 / (2 * 2**0.5)
"""Normalisation of delta: the profile's own integral of [...] is 2 sqrt2/3."""

SPREAD = np.pi**2 / 6 - 1
"""Second moment of delta across the profile over eps^2. By Steiner's formula the area of a membrane counts
SPREAD eps^2 int K too much, 4 pi SPREAD eps^2 for every sphere in it, whatever its shape; nothing for planes."""

INNER = np.pi**2 / 4 - 1.5
"""Coefficient of the step that has no second moment: see :func:`volume`."""


class Derivatives(NamedTuple):
    """psi (n_z, n_y, n_x), its gradient (3, n_z, n_y, n_x) in 1/nm and its Laplacian in 1/nm^2."""

    value: Float[Array, "nz ny nx"]
    gradient: Float[Array, "3 nz ny nx"]
    laplacian: Float[Array, "nz ny nx"]

    @property
    def slope(self):
        """|grad psi| in 1/nm, with a gradient of zero where it vanishes."""
        square = jnp.sum(self.gradient**2, 0)
        return jnp.sqrt(jnp.maximum(square, jnp.finfo(square.dtype).tiny))


def symbols(grid: Grid) -> list[Array]:
    """-i times the symbol of (d/dz, d/dy, d/dx), real, each along its own axis: put together in compiled code they are
    not read from memory as boxes. A lone Nyquist mode has no derivative."""
    lone = [np.isclose(np.abs(k) * h, np.pi) for k, h in zip(grid.k, grid.spacing, strict=True)]
    return [jnp.asarray(np.where(none, 0, k), grid.dtype) for k, none in zip(grid.k, lone, strict=True)]


def square(grid: Grid) -> Array:
    """k^2 in rad^2/nm^2, put together likewise."""
    z, y, x = (jnp.asarray(k**2, grid.dtype) for k in grid.k)
    return z + y + x


def derivatives(psi, grid: Grid) -> Derivatives:
    """Spectral gradient and Laplacian: one forward and four inverse transforms."""
    hat = fft.forward(psi, 3, grid.devices)
    hats = [1j * k * hat for k in symbols(grid)] + [-square(grid) * hat]
    both = fft.inverse(jnp.stack(hats), grid.shape, grid.devices)
    return Derivatives(psi, both[:3], both[3])


def adjoint(cotangent: Derivatives, grid: Grid):
    """Transpose of :func:`derivatives`: what a gradient in (psi, grad psi, lap psi) is in psi alone; four forward
    transforms and one inverse."""
    gradient, laplacian = (fft.forward(part, 3, grid.devices) for part in (cotangent.gradient, cotangent.laplacian))
    divergence = sum(k * hat for k, hat in zip(symbols(grid), gradient, strict=True))
    return cotangent.value + fft.inverse(-1j * divergence - square(grid) * laplacian, grid.shape, grid.devices)


def delta(psi: Derivatives, eps: float):
    """Surface density in 1/nm: integrates to 1 across the membrane."""
    square = jnp.sum(psi.gradient**2, 0)
    return SCALE * (0.5 * eps * square + (1 - psi.value**2) ** 2 / (4 * eps))


def curvature(psi: Derivatives, eps: float):
    """eps lap psi + (psi - psi^3)/eps in 1/nm: (1 - psi^2)/sqrt2 times 2H on the profile; H > 0 is a bud into the
    lumen, so a sphere full of lumen has 2H = -2/R."""
    return eps * psi.laplacian + (psi.value - psi.value**3) / eps


def area_variation(psi: Derivatives, eps: float):
    """Functional derivative of the area in psi, 1/nm^2: pointwise, for the area is quadratic in grad psi."""
    return -SCALE * curvature(psi, eps)


def areas(psi: Derivatives, eps: float, parts, grid: Grid):
    """Membrane area (vesicles,) in nm^2 of each part; ``parts`` (vesicles, n_z, n_y, n_x) sum to one."""
    return spectral.total(parts * delta(psi, eps)) * grid.cell_volume


def step(psi):
    """h(psi) = [1 + psi + psi (1 - psi^2)/2 + (pi^2/4 - 3/2) psi (1 - psi^2)^2]/2: 0 in the cytosol, 1 in the lumen,
    without slope in either, and without the second moment that would make a sphere too large by O(eps/R)^2."""
    rest = 1 - psi**2
    return 0.5 * (1 + psi * (1 + 0.5 * rest + INNER * rest**2))


def volume(psi, grid: Grid):
    """Volume of the lumen in nm^3, int h(psi)."""
    return spectral.total(step(psi)) * grid.cell_volume


def volume_variation(psi):
    """Functional derivative of the volume in psi, h'(psi)."""
    rest = 1 - psi**2
    return 0.5 * rest * (1.5 + INNER * (1 - 5 * psi**2))


def hessian(psi, grid: Grid):
    """Spectral second derivatives (zz, yy, xx, yx, zx, zy) in 1/nm^2; six inverse transforms."""
    (z, y, x), hat = symbols(grid), fft.forward(psi, 3, grid.devices)
    pure = [jnp.asarray(k**2, grid.dtype) for k in grid.k]
    hats = jnp.stack([-k * hat for k in (*pure, y * x, z * x, z * y)])
    return fft.inverse(hats, grid.shape, grid.devices)


def gaussian_density(psi: Derivatives, second, eps: float):
    """delta times the Gaussian curvature K, 1/nm^3; ``second`` is :func:`hessian` of psi.

    On the profile D^2 psi + n n (psi - psi^3)/eps^2 = psi' D^2 d =: A, whose invariants give
    delta K = (3 eps/(2 sqrt2)) (1/2)[(tr A)^2 - |A|^2]; n = grad psi/|grad psi|. Its integral over a closed membrane
    is 4 pi a sphere (Gauss & Bonnet) up to O(eps^2 H^2).
    """
    # The normal fades where there is no slope, far from the membrane.
    nz, ny, nx = psi.gradient / jnp.sqrt(jnp.sum(psi.gradient**2, 0) + (1e-3 / eps) ** 2)
    bend = (psi.value - psi.value**3) / eps**2
    zz, yy, xx, yx, zx, zy = second + bend * jnp.stack([nz * nz, ny * ny, nx * nx, ny * nx, nz * nx, nz * ny])
    return SCALE * eps * (zz * yy + zz * xx + yy * xx - yx**2 - zx**2 - zy**2)


def euler_characteristic(psi, eps: float, grid: Grid):
    """int K/(2 pi) over all membranes: 2 for each sphere, 0 for a torus; a fission adds 2."""
    density = gaussian_density(derivatives(psi, grid), hessian(psi, grid), eps)
    return jnp.sum(density) * grid.cell_volume / (2 * np.pi)
