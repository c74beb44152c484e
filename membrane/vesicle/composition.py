"""Lo and Ld on the membrane: conserved Cahn-Hilliard dynamics, and the extension of phi along normals.

    W dphi/dt = M div(W grad mu),    mu = dF/dphi / W,    M = D/(2b).

The weight W = delta + floor confines transport to the membrane, and pulls what leaves it back onto it: a diffuse-
interface surface equation (Raetz & Voigt 2006, Commun. Math. Sci. 4:575) that tends to the one on the surface with
eps^2. Its discrete div and grad are adjoint, so int W phi is conserved to rounding, separately for every vesicle.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg

from membrane.vesicle import surface
from membrane.vesicle.energy import Books, Membrane, face_weight

SWEEP = 0.12
"""Diffusion length squared of one sweep of :func:`extended` over spacing squared; above about 0.18 it is unstable."""


def _widened(field, axis: int, before: int, after: int):
    """The field with periodic ghost points along ``axis``; materialised, else every neighbour computes it anew."""
    n = field.shape[axis]
    ends = jax.lax.slice_in_dim(field, n - before, n, axis=axis), jax.lax.slice_in_dim(field, 0, after, axis=axis)
    return jax.lax.optimization_barrier(jnp.concatenate([ends[0], field, ends[1]], axis))


def _differences(wide, axis: int):
    """f_{i+1} - f_i along ``axis``, one point fewer."""
    n = wide.shape[axis]
    return jax.lax.slice_in_dim(wide, 1, n, axis=axis) - jax.lax.slice_in_dim(wide, 0, n - 1, axis=axis)


def stiffness(field, faces, spacing):
    """-div(W grad field) with W on faces, per point: symmetric, not negative, zero in sum."""
    total = 0.0
    for axis, (weight, h) in enumerate(zip(faces, spacing, strict=True)):
        flux = weight * _differences(_widened(field, axis, 0, 1), axis)
        total = total - _differences(_widened(flux, axis, 1, 0), axis) / h**2
    return total


def extended(phi, psi: surface.Derivatives, weight, books: Books, spacing, amount):
    """One sweep of diffusion along normals only, (1/W) div(W n n.grad phi) times ``amount`` SWEEP h^2.

    Conserves int W phi and makes phi constant along normals, at a rate of 3/(2 eps^2) per nm^2 of diffusion on the
    membrane and at a speed of 2 sqrt2/eps outside it. Taken with forward and with backward differences, each with its
    own adjoint.
    """
    normal = psi.gradient / psi.slope
    forward, backward, legs = 0.0, 0.0, []
    for axis, h in enumerate(spacing):
        n = phi.shape[axis]
        steps = _differences(_widened(phi, axis, 1, 1), axis)
        legs.append([books.open(axis, side) * normal[axis] / h for side in (-1, 1)])
        forward = forward + legs[axis][0] * jax.lax.slice_in_dim(steps, 1, n + 1, axis=axis)
        backward = backward + legs[axis][1] * jax.lax.slice_in_dim(steps, 0, n, axis=axis)
    change = 0.0
    for axis, (ahead, behind) in enumerate(legs):
        change = change + _differences(_widened(ahead * weight * forward, axis, 1, 0), axis)
        change = change + _differences(_widened(behind * weight * backward, axis, 0, 1), axis)
    return phi + (0.5 * SWEEP * min(spacing) ** 2) * amount * change / weight


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
