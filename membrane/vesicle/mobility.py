"""The mobilities of the shape: quasi-static, without a clock, or of the fluid around it, in seconds."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from membrane.lattice import fft
from membrane.vesicle import surface
from membrane.vesicle.energy import Membrane
from membrane.vesicle.shape import AbstractDescent, inner_product

MOST_TRIALS = 10**6
"""Of a round in the fluid; its clock, or a step too short, ends it before."""


class Relaxation(AbstractDescent):
    """Sobolev descent, in pseudo-time: a normal velocity that is smooth across a neck, so that both its walls move
    together,

        e = |grad psi|,   M_k = (3 pi/2) (k^2 + 1/l^2)^(-5/2)/kappa,
        P_k = (2 sqrt2/3) (eps/kappa) (eps k^2 + 2/eps)^(-2).

    On a membrane M acts as (q^2 + 1/l^2)^(-2)/kappa, so every wavelength below l relaxes at a rate of one per unit of
    pseudo-time; P is the inverse of the bending energy's second variation in the pure phases. kappa is that of the
    softer phase.

    ``smoothing_length`` l (nm), best two to four eps; ``mending`` m; ``least_step`` in pseudo-time: in float32 a shape
    at rest refuses every step within its rounding, and must be able to move again when its composition has changed.
    """

    smoothing_length: float
    mending: float = 8.0
    inertia: float = 0.9
    courant: float = 0.3
    strain: float = 5e-4
    growth: float = 1.15
    least_step: float = 1e-3
    sweeps: int = eqx.field(static=True, default=1)
    slack: ClassVar[float] = 0.0

    def lever(self, psi):
        return psi.slope[None]

    def moved(self, membrane, push_hat):
        k2, kappa = surface.square(membrane.grid), min(membrane.bending_rigidity)
        return 1.5 * np.pi / kappa * (k2 + 1 / self.smoothing_length**2) ** -2.5 * push_hat

    def mended(self, membrane, psi, books, force_hat):
        return self.mending * _bulk_compliance(membrane) * force_hat

    def least(self, membrane):
        return self.least_step

    def limits(self, trials, dt):
        return (trials,)


class StokesFlow(AbstractDescent):
    """The membrane moves with the fluid on both its sides, of one viscosity eta and without inertia: the velocity is
    that of the forces of the membrane on it (Stokes, periodic, mean zero),

        e = grad psi,   M_k = (1 - k k/k^2)/(eta k^2 + (8/(15 pi)) theta kappa t k^5),   t = 4 eta eps^3/kappa,
        P_k as in Relaxation, over t, about what keeps the volume of every vesicle;

    kappa, here and in t, is that of the stiffer phase.

    Only dissipation in the fluid: no viscosity of the membrane, nothing that would keep its area locally. div u = 0 for
    the very derivatives of psi, so u encloses the same volume. On a membrane M acts as 1/(4 eta q + theta kappa t q^4):
    ripples of the interface width, which would relax within t, do so in 1 + theta of it. A step cannot be much longer
    than t. Mending moves the membrane too, by about m q eps/10 of what the fluid does, and lags behind what the flow
    does to the profile by eps/(m R): rates converge linearly in eps.

    ``viscosity`` eta (pN s/nm^2); ``mending`` m; theta = ``slowing``.
    """

    viscosity: float
    mending: float = 1.5
    slowing: float = 0.5
    courant: float = 0.3
    strain: float = 5e-4
    growth: float = 1.15
    sweeps: int = eqx.field(static=True, default=1)
    inertia: ClassVar[float] = 0.0
    slack: ClassVar[float] = 64.0

    def pace(self, membrane: Membrane) -> float:
        """1/t = kappa/(4 eta eps^3) in 1/s: how fast ripples of the interface width relax."""
        return max(membrane.bending_rigidity) / (4 * self.viscosity * membrane.interface_width**3)

    def lever(self, psi):
        return psi.gradient

    def moved(self, membrane, push_hat):
        grid = membrane.grid
        symbols, k2 = surface.symbols(grid), surface.square(grid)
        stiff = 8 / (15 * np.pi) * self.slowing * max(membrane.bending_rigidity) / self.pace(membrane)
        response = jnp.where(k2 > 0, 1 / jnp.where(k2 > 0, self.viscosity * k2 + stiff * k2**2.5, 1), 0)
        square = sum(k**2 for k in symbols)
        along = sum(k * push for k, push in zip(symbols, push_hat, strict=True)) / jnp.where(square > 0, square, 1)
        return jnp.stack([response * (push - k * along) for k, push in zip(symbols, push_hat, strict=True)])

    def mended(self, membrane, psi, books, force_hat):
        kernel = self.mending * self.pace(membrane) * _bulk_compliance(membrane)
        grid = membrane.grid
        parts, inner = books.parts(grid.dtype), inner_product(grid)
        enclosed = [fft.forward(part * surface.volume_variation(psi.value), 3, grid.devices) for part in parts]
        smooth = [kernel * hat for hat in enclosed]
        gram = jnp.stack([jnp.stack([inner(a, b) for b in smooth]) for a in enclosed])
        pressure = jnp.linalg.solve(gram, jnp.stack([inner(a, force_hat) for a in smooth]))
        return kernel * force_hat - jnp.tensordot(pressure, jnp.stack(smooth), 1)

    def least(self, membrane):
        return 1e-4 / self.pace(membrane)

    def limits(self, trials, dt):
        return MOST_TRIALS, dt


def _bulk_compliance(membrane: Membrane):
    """P, ``grid.spectral_shape``."""
    eps, kappa = membrane.interface_width, min(membrane.bending_rigidity)
    return eps / (surface.SCALE * kappa) * (eps * surface.square(membrane.grid) + 2 / eps) ** -2
