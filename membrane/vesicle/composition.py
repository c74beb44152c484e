"""Lo and Ld on the membrane: conserved Cahn-Hilliard dynamics, and the extension of phi along normals.

    W dphi/dt = M div(W grad mu),    mu = dF/dphi / W,    M = D/(2b).

The weight W = delta + floor confines transport to the membrane, and pulls what leaves it back onto it: a diffuse-
interface surface equation (Raetz & Voigt 2006, Commun. Math. Sci. 4:575) that tends to the one on the surface with
eps^2. Its discrete div and grad are adjoint, so int W phi is conserved to rounding, separately for every vesicle.
"""

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg

from membrane.vesicle import surface
from membrane.vesicle.energy import Books, Membrane, face_weight

SWEEP = 0.12
"""Diffusion length squared of one sweep of :func:`extended` over spacing squared; above about 0.18 it is unstable."""


def stiffness(field, faces, spacing):
    """-div(W grad field) with W on faces, per point: symmetric, not negative, zero in sum."""
    total = 0.0
    for axis, (weight, h) in enumerate(zip(faces, spacing, strict=True)):
        flux = weight * (jnp.roll(field, -1, axis) - field) / h**2
        total = total + jnp.roll(flux, 1, axis) - flux
    return total


def extended(phi, psi: surface.Derivatives, weight, books: Books, spacing, amount):
    """One sweep of diffusion along normals only, (1/W) div(W n n.grad phi) times ``amount`` SWEEP h^2.

    Conserves int W phi and makes phi constant along normals, at a rate of 3/(2 eps^2) per nm^2 of diffusion on the
    membrane and at a speed of 2 sqrt2/eps outside it. Taken with forward and with backward differences, each with its
    own adjoint.
    """
    normal = psi.gradient / psi.slope
    strength = 0.5 * SWEEP * amount * min(spacing) ** 2
    change = 0.0
    for side in (-1, 1):
        along = 0.0
        legs = [books.open(axis, side) * normal[axis] / h for axis, h in enumerate(spacing)]
        for axis, leg in enumerate(legs):
            along = along + leg * (jnp.roll(phi, side, axis) - phi)
        flux = weight * along
        for axis, leg in enumerate(legs):
            part = leg * flux
            change = change + part - jnp.roll(part, -side, axis)
    return phi + strength * change / weight


class Transport(eqx.Module):
    """``diffusion`` D (nm^2/s) of a lipid in its phase, M = D/(2b); ``tolerance`` and most ``iterations`` of the
    conjugate gradients. What they leave is an error in time, not in the total."""

    diffusion: float
    tolerance: float = 1e-2
    iterations: int = eqx.field(static=True, default=60)

    def step(self, membrane: Membrane, psi: surface.Derivatives, phi, books: Books, dt):
        """phi after ``dt`` seconds by a semi-implicit step, the membrane at rest; first order in dt.

        With S = -div W grad and a stabiliser a >= f''/2 (Eyre 1998; Shen & Yang 2010, Discrete Contin. Dyn. Syst.
        28:1669) the change x solves [W/dt + M S (K W^-1 S + a)] x = -M S mu, symmetric and positive: the energy falls
        for every dt. Conjugate gradients preconditioned with 1/W conserve int W x = 0 in every iteration.
        """
        weight, spacing = membrane.weight(psi), membrane.grid.spacing
        faces = [face_weight(weight, books, axis) for axis in range(3)]
        lipids = membrane.lipids
        mobility = self.diffusion / (2 * lipids.well)
        laplace = lambda x: stiffness(x, faces, spacing)
        curvature = max(abs(c) for c in membrane.spontaneous_curvature)
        stabiliser = 1.5 * lipids.well + max(membrane.bending_rigidity) * curvature**2

        def operator(x):
            return weight * x / dt + mobility * laplace(lipids.gradient * laplace(x) / weight + stabiliser * x)

        mu = membrane.chemical_potential(psi, phi, books)
        change, _ = cg(
            operator, -mobility * laplace(mu), tol=self.tolerance, maxiter=self.iterations, M=lambda r: r / weight
        )
        return phi + change
