"""The two mobilities of the shape: relaxation without a clock, or motion with the fluid around it, in seconds."""

from dataclasses import KW_ONLY
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from membrane.lattice import fft
from membrane.vesicle import surface
from membrane.vesicle.energy import Membrane
from membrane.vesicle.shape import AbstractDescent, inner_product

MOST_TRIALS = 10**6
"""Largest number of steps of a round in the fluid. Its time, or a step that is too short, ends it before."""


class Relaxation(AbstractDescent):
    """Relaxation towards rest in pseudo-time: Sobolev descent of the free energy, key ``numerics.mobility: sobolev``.

    The velocity is normal to the membrane and smooth across a neck, so that both walls of a neck move together:

        e = |grad psi|,   M_k = (3 pi/2) (k^2 + 1/l^2)^(-5/2)/kappa,
        P_k = (2 sqrt2/3) (eps/kappa) (eps k^2 + 2/eps)^(-2).

    For a wave of wavenumber q on the membrane, M acts as (q^2 + 1/l^2)^(-2)/kappa. All wavelengths below l relax at a
    rate of one per unit of pseudo-time. P is the inverse of the second variation of the bending energy in the lumen and
    in the cytosol. kappa is that of the softer phase.

    Arguments:
        smoothing_length: l in nm; two to four interface widths are best.
        profile_mobility: m, how fast the profile is restored (key ``numerics.mending``).
        inertia, courant, strain, growth, sweeps: see :class:`AbstractDescent`.
        most: largest number of steps of a round that goes on until the shape is at ``rest``.
        rest: the descent, pN nm per unit of pseudo-time, below which a round ends; inf: it ends after its steps.
        least_step: shortest step, in pseudo-time. In float32 a shape at rest refuses every step that changes F by less
            than its rounding error. It must be able to move again when its composition has changed.
    """

    smoothing_length: float
    _: KW_ONLY
    profile_mobility: float = 8.0
    inertia: float = 0.9
    courant: float = 0.3
    strain: float = 5e-4
    growth: float = 1.15
    least_step: float = 1e-3
    most: int = 0
    rest: float = np.inf
    sweeps: int = eqx.field(static=True, default=1)
    slack: ClassVar[float] = 0.0

    def left_to_fall(self, descent, wavelength: float):
        """How far F lies above its minimum, pN nm, if waves of ``wavelength`` (nm) are the longest that still move.

            descent/(2 r),   r = [q^2/(q^2 + 1/l^2)]^2,   q = 2 pi/wavelength.

        r is the rate of such a wave, whose F falls as exp(-2 r t). Shorter waves relax faster and leave less. The
        longest of a closed membrane of radius R is about pi R.

        Arguments:
            descent: of a :class:`DescentReport`, pN nm per unit of pseudo-time.
            wavelength: nm.

        >>> round(Relaxation(14.0).left_to_fall(1.0, 14.0), 2)
        0.53
        """
        square = (2 * np.pi / wavelength) ** 2
        return descent / (2 * (square / (square + 1 / self.smoothing_length**2)) ** 2)

    def gradient(self, psi):
        return psi.slope[None]

    def velocity(self, membrane, force_hat):
        k2, kappa = surface.wavenumber_squared(membrane.grid), min(membrane.bending_rigidity)
        return 1.5 * np.pi / kappa * (k2 + 1 / self.smoothing_length**2) ** -2.5 * force_hat

    def profile_change(self, membrane, psi, conserved, force_hat):
        return self.profile_mobility * _bulk_compliance(membrane) * force_hat

    def shortest(self, membrane):
        return self.least_step

    def round_limits(self, trials, dt):
        return trials, np.inf, jnp.asarray(self.most), jnp.asarray(self.rest)


class StokesFlow(AbstractDescent):
    """The membrane moves with the fluid on both its sides, in seconds; key ``numerics.mobility: stokes``.

    The fluid has one viscosity eta and no inertia. Its velocity is that of Stokes flow under the forces of the membrane
    in the periodic box, with mean zero:

        e = grad psi,   M_k = (1 - k k/k^2)/(eta k^2 + (8/(15 pi)) theta kappa t k^5),   t = 4 eta eps^3/kappa.

    P_k is that of :class:`Relaxation` divided by t, projected so that the volume inside every membrane stays the same.
    In M and t, kappa is that of the stiffer phase.

    - Only the fluid dissipates. The membrane has no viscosity, and nothing keeps its area locally.
    - div u = 0 holds for the same discrete derivatives as those of psi, so the flow keeps the enclosed volume.
    - For a wave of wavenumber q on the membrane, M acts as 1/(4 eta q + theta kappa t q^4). Ripples as short as the
      interface width would relax within t; the term with theta slows them down by a factor 1 + theta. Steps cannot be
      much longer than t.
    - Restoring the profile also moves the membrane, by about m q eps/10 of what the fluid does. It lags behind what the
      flow does to the profile, by eps/(m R). Rates therefore converge linearly in eps.

    Arguments:
        viscosity: eta, pN s/nm^2.
        profile_mobility: m, how fast the profile is restored (key ``numerics.mending``).
        slowing: theta.
        courant, strain, growth, sweeps: see :class:`AbstractDescent`.
    """

    viscosity: float
    _: KW_ONLY
    profile_mobility: float = 1.5
    slowing: float = 0.5
    courant: float = 0.3
    strain: float = 5e-4
    growth: float = 1.15
    sweeps: int = eqx.field(static=True, default=1)
    inertia: ClassVar[float] = 0.0
    slack: ClassVar[float] = 64.0

    def ripple_rate(self, membrane: Membrane) -> float:
        """1/t = kappa/(4 eta eps^3) in 1/s: the rate at which ripples as short as the interface width relax."""
        return max(membrane.bending_rigidity) / (4 * self.viscosity * membrane.interface_width**3)

    def gradient(self, psi):
        return psi.gradient

    def velocity(self, membrane, force_hat):
        grid = membrane.grid
        symbols, k2 = surface.gradient_symbols(grid), surface.wavenumber_squared(grid)
        stiff = 8 / (15 * np.pi) * self.slowing * max(membrane.bending_rigidity) / self.ripple_rate(membrane)
        response = jnp.where(k2 > 0, 1 / jnp.where(k2 > 0, self.viscosity * k2 + stiff * k2**2.5, 1), 0)
        square = sum(k**2 for k in symbols)
        along = sum(k * force for k, force in zip(symbols, force_hat, strict=True)) / jnp.where(square > 0, square, 1)
        return jnp.stack([response * (force - k * along) for k, force in zip(symbols, force_hat, strict=True)])

    def profile_change(self, membrane, psi, conserved, force_hat):
        kernel = self.profile_mobility * self.ripple_rate(membrane) * _bulk_compliance(membrane)
        grid = membrane.grid
        regions, inner = conserved.regions(grid.dtype), inner_product(grid)
        enclosed = [fft.forward(region * surface.volume_variation(psi.value), 3, grid.devices) for region in regions]
        smooth = [kernel * hat for hat in enclosed]
        gram = jnp.stack([jnp.stack([inner(a, b) for b in smooth]) for a in enclosed])
        pressure = jnp.linalg.solve(gram, jnp.stack([inner(a, force_hat) for a in smooth]))
        return kernel * force_hat - jnp.tensordot(pressure, jnp.stack(smooth), 1)

    def shortest(self, membrane):
        return 1e-4 / self.ripple_rate(membrane)

    def round_limits(self, trials, dt):
        return MOST_TRIALS, dt


def _bulk_compliance(membrane: Membrane):
    """P of :class:`Relaxation`, ``grid.spectral_shape``."""
    eps, kappa = membrane.interface_width, min(membrane.bending_rigidity)
    return eps / (surface.SCALE * kappa) * (eps * surface.wavenumber_squared(membrane.grid) + 2 / eps) ** -2
