"""Thermal fluctuations of the composition of a domain that exchanges everything with its host.

In a domain of area a the contents vary about their means with the covariance of the grand-canonical ensemble,

    <dX_i dX_j> = (kT/a) (H^-1)_ij,    H_ij = d^2f/dX_i dX_j + kappa s C_i C_j,

where s is what a disc pays of its bending (membrane.energy.disc). Of dilute molecules it is the noise of counting.
"""

import jax
import jax.numpy as jnp

from membrane.energy.disc import disc_share
from membrane.energy.helfrich import Helfrich
from membrane.energy.mixture import Mixture


def covariance(mixture: Mixture, named, area, thermal_energy, helfrich: Helfrich | None = None):
    """<dX_i dX_j> (species, species), in the order of the species.

    Arguments:
        mixture: the free energy.
        named: X_i of the domain, by name.
        area: a in nm^2.
        thermal_energy: kT in pN nm.
        helfrich: bending energy; None for a membrane without it.
    """
    fields = jnp.stack([jnp.asarray(named[name], jnp.result_type(named[name], 0.0)) for name in mixture.species])
    stiffness = jax.hessian(lambda x: mixture.density(mixture.named(x)))(fields)
    if helfrich is not None:
        slope = _slope(mixture, helfrich, fields)
        x = jnp.sqrt(area / jnp.pi * helfrich.tension / helfrich.bending_rigidity)
        stiffness = stiffness + helfrich.bending_rigidity * disc_share(x) * jnp.outer(slope, slope)
    return (thermal_energy / area) * jnp.linalg.inv(stiffness)


def curvature_spread(mixture: Mixture, named, area, thermal_energy, helfrich: Helfrich):
    """Standard deviation of c0 of the domain in 1/nm, sqrt(sum_ij C_i C_j <dX_i dX_j>). Arguments as above."""
    fields = jnp.stack([jnp.asarray(named[name], jnp.result_type(named[name], 0.0)) for name in mixture.species])
    slope = _slope(mixture, helfrich, fields)
    return jnp.sqrt(slope @ covariance(mixture, named, area, thermal_energy, helfrich) @ slope)


def _slope(mixture, helfrich, fields):
    """dc0/dX_i (species,) in 1/nm."""
    return jax.grad(lambda x: helfrich.spontaneous_curvature(mixture.named(x)))(fields)
