"""Thermal agitation of the membrane fluid: random displacements, which preserve area and carry every field along.

For every interval T a stream function is drawn with the variance 2 kT T/[q^2 (eta_m q^2 + (eta_cyt + eta_lum) q)] per
mode. Each point moves along the flow of d = curl Psi. The flow is followed by a Runge-Kutta step of order four, exactly
enough to preserve area. One map carries all fields, so that local equilibria are not disturbed, however far it moves
them. Explicit advection by a random velocity would need steps of a microsecond: a membrane of 3 nPa s m moves by 3 nm
in 16 us.
"""

from dataclasses import KW_ONLY

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from membrane.lattice import fft
from membrane.lattice.grid import Grid
from membrane.sheet.hydrodynamics import MembraneFlow
from membrane.sheet.noise import FilteredNoise


class ThermalFlow(eqx.Module):
    """A random displacement at fixed intervals, whose size balances the drag of the flow (fluctuation-dissipation).

    Attributes:
        flow: the membrane and its solvents.
        noise: draws the modes.
        interval_ticks: ticks between two displacements.
        tick_s: length of a tick, in s.
    """

    _: KW_ONLY
    flow: MembraneFlow
    noise: FilteredNoise
    interval_ticks: int = eqx.field(static=True)
    tick_s: float = eqx.field(static=True)

    @property
    def grid(self) -> Grid:
        """The grid of the noise."""
        return self.noise.grid

    def displacement(self, key):
        """A random displacement (d_y, d_x) in units of the spacing, (2, n_y, n_x), without divergence."""
        noise, grid = self.noise, self.grid
        ky, kx = noise.k
        k2 = jnp.asarray(ky**2 + kx**2, grid.dtype)
        variance = 2 * noise.thermal_energy / grid.cell_area * (self.interval_ticks * self.tick_s)
        stream = noise.draw(key) * jnp.sqrt(variance * self.flow.response(k2))
        dy, dx = grid.spacing
        curl = [-1j * kx / dy * stream, 1j * ky / dx * stream]
        modes = jnp.stack([noise.embed(c.astype(grid.complex_dtype)) for c in curl])
        return fft.inverse(modes, grid.shape)

    def carry(self, fields, displacement):
        """Fields (species, n_y, n_x) moved along the flow of ``displacement`` for unit time; their means are kept.

        Each point of the grid is followed backwards in the steady flow by one Runge-Kutta step, and the value there is
        found by cubic Lagrange interpolation. That changes the mean of a field a little, by about 1e-5 of its
        variation; the change is spread evenly.
        """
        y, x = (jnp.asarray(np.arange(n), fields.dtype) for n in self.grid.shape)
        start = jnp.stack(jnp.broadcast_arrays(y[:, None], x[None, :]))
        first = displacement
        second = interpolate(displacement, start - 0.5 * first, linear_weights)
        third = interpolate(displacement, start - 0.5 * second, linear_weights)
        fourth = interpolate(displacement, start - third, linear_weights)
        departure = start - (first + 2 * second + 2 * third + fourth) / 6
        moved = interpolate(fields, departure, cubic_weights)
        lost = jnp.mean(fields - moved, axis=(1, 2), keepdims=True)
        return moved + lost


def linear_weights(t):
    """Weights of the points 0 and 1 for a value at 0 <= t < 1, and the offset of the first point."""
    return (1 - t, t), 0


def cubic_weights(t):
    """Lagrange weights of the points -1, 0, 1, 2 for a value at 0 <= t < 1, and the offset of the first point."""
    return (
        -t * (t - 1) * (t - 2) / 6,
        (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2,
        (t + 1) * t * (t - 1) / 6,
    ), -1


def interpolate(fields, position, weights):
    """Periodic interpolation of fields (c, n_y, n_x).

    Arguments:
        position: where, (2, n_y, n_x), in units of the spacing.
        weights: :func:`linear_weights` or :func:`cubic_weights`.
    """
    ny, nx = fields.shape[-2:]
    # Channels last: one gather then fetches all fields of a point.
    table = jnp.moveaxis(fields, 0, -1).reshape(ny * nx, -1)
    base = jnp.floor(position)
    (wy, wx), offset = [weights(t)[0] for t in position - base], weights(position[0])[1]
    row, column = base.astype(jnp.int32) + offset
    starts = jnp.stack([jnp.mod(row + i, ny) * nx for i in range(len(wy))])
    columns = jnp.stack([jnp.mod(column + j, nx) for j in range(len(wx))])

    # A loop over rows, so that indices and weights are computed once and not again for every point of the stencil.
    def one_row(total, row):
        start, a = row
        values = sum(b[..., None] * table[start + columns[j]] for j, b in enumerate(wx))
        return total + a[..., None] * values, None

    total, _ = jax.lax.scan(one_row, jnp.zeros((ny, nx, len(fields)), fields.dtype), (starts, jnp.stack(wy)))
    return jnp.moveaxis(total, -1, 0)
