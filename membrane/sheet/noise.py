"""Thermal noise on the few long-wave modes that the phase field does not already contain in its line tension."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from membrane.lattice.grid import Grid


class FilteredNoise(eqx.Module):
    """Gaussian modes with |q| < ``cutoff`` (1/nm), Hermitian, drawn compactly: (2 m_y + 1, m_x + 1) of them.

    Unfiltered noise would count fluctuations twice that the measured line tension already holds, hence 1/(2 xi).
    ``thermal_energy`` is kT in pN nm.
    """

    grid: Grid = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)
    thermal_energy: float

    @property
    def _half(self) -> tuple[int, int]:
        """Highest mode numbers (m_y, m_x) below the cutoff."""
        return tuple(
            min(int(self.cutoff * length / (2 * np.pi)), (n - 1) // 2)
            for length, n in zip(self.grid.extent, self.grid.shape, strict=True)
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a compact block; rows run from -m_y to m_y."""
        my, mx = self._half
        return 2 * my + 1, mx + 1

    @property
    def k(self) -> tuple[np.ndarray, np.ndarray]:
        """Wavenumbers (k_y, k_x) of the block, shapes (2 m_y + 1, 1) and (1, m_x + 1)."""
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
        """How often each mode of the block stands in the full spectrum."""
        return np.where(self.k[1] > 0, 2.0, 1.0) * np.ones(self.shape)

    def draw(self, key):
        """Unit complex normals of a real field's spectrum: E|z|^2 = N (points of the grid), zero beyond the cutoff."""
        real, imaginary = jax.random.normal(key, (2, *self.shape), self.grid.dtype)
        z = jax.lax.complex(real, imaginary)
        z = z.at[:, 0].set((z[:, 0] + jnp.conj(z[::-1, 0])) / 2**0.5)
        return z * jnp.asarray(self.passed * (self.grid.size / 2) ** 0.5, self.grid.dtype)

    def embed(self, block):
        """The block as a transform of the whole grid, ``grid.spectral_shape``."""
        my, mx = self._half
        full = jnp.zeros(self.grid.spectral_shape, self.grid.complex_dtype)
        full = full.at[: my + 1, : mx + 1].set(block[my:])
        return full.at[self.grid.shape[0] - my :, : mx + 1].set(block[:my]) if my else full
