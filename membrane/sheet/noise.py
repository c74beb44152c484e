"""Thermal noise of long waves. The line tension of the phase field already contains the fluctuations of short ones."""

from dataclasses import KW_ONLY

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from membrane.lattice.grid import Grid


class FilteredNoise(eqx.Module):
    """Gaussian random modes with wavenumbers below a cutoff, drawn as a compact block (2 m_y + 1, m_x + 1).

    Noise without a filter would count fluctuations twice that the line tension already holds. Therefore the cutoff of a
    sheet is 1/(2 xi).

    Attributes:
        grid: the plane.
        cutoff: upper end of |q|, in 1/nm.
        thermal_energy: kT, in pN nm.
    """

    grid: Grid = eqx.field(static=True)
    _: KW_ONLY
    cutoff: float = eqx.field(static=True)
    thermal_energy: float

    @property
    def _half(self) -> tuple[int, int]:
        """The highest mode numbers (m_y, m_x) below the cutoff."""
        return tuple(
            min(int(self.cutoff * length / (2 * np.pi)), (n - 1) // 2)
            for length, n in zip(self.grid.extent, self.grid.shape, strict=True)
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a compact block. Its rows are the modes from -m_y to m_y."""
        my, mx = self._half
        return 2 * my + 1, mx + 1

    @property
    def k(self) -> tuple[np.ndarray, np.ndarray]:
        """Wavenumbers (k_y, k_x) of the block in 1/nm, of shapes (2 m_y + 1, 1) and (1, m_x + 1)."""
        my, mx = self._half
        ly, lx = self.grid.extent
        return 2 * np.pi / ly * np.arange(-my, my + 1)[:, None], 2 * np.pi / lx * np.arange(mx + 1)[None, :]

    @property
    def passed(self) -> np.ndarray:
        """1 where 0 < |q| < cutoff, else 0."""
        ky, kx = self.k
        k2 = ky**2 + kx**2
        return ((k2 > 0) & (k2 < self.cutoff**2)).astype(float)

    @property
    def weights(self) -> np.ndarray:
        """How often each mode of the block occurs in the full spectrum of a real field: once or twice."""
        return np.where(self.k[1] > 0, 2.0, 1.0) * np.ones(self.shape)

    def draw(self, key):
        """A block of complex normal numbers z, the spectrum of a real field, zero beyond the cutoff.

        The mean of |z|^2 is the number of points of the grid.
        """
        real, imaginary = jax.random.normal(key, (2, *self.shape), self.grid.dtype)
        z = jax.lax.complex(real, imaginary)
        z = z.at[:, 0].set((z[:, 0] + jnp.conj(z[::-1, 0])) / 2**0.5)
        return z * jnp.asarray(self.passed * (self.grid.size / 2) ** 0.5, self.grid.dtype)

    def embed(self, block):
        """The transform of the whole grid, of shape ``grid.spectral_shape``, that has the modes of ``block``."""
        my, mx = self._half
        full = jnp.zeros(self.grid.spectral_shape, self.grid.complex_dtype)
        full = full.at[: my + 1, : mx + 1].set(block[my:])
        return full.at[self.grid.shape[0] - my :, : mx + 1].set(block[:my]) if my else full
