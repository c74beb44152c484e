"""The shapes of the corrections by which fields keep their content while the membrane moves.

    X = X_n + alpha w + beta s

- w moves the walls between Lo and Ld: max(1 - phi^2, 0) + 0.01 for phi. For ceramide and cargo it is the change that
  goes with it where the chemical potential mu = df/dX stays as it is, -s (d mu/d phi) max(1 - phi^2, 0).
- s is what an even change of chemical potential would add: c (1 - c) for ceramide and u_i u_0 for cargo, which
  therefore stay between 0 and 1.

alpha follows from the content of phi that is missing. beta gives ceramide and cargo what they then still lack.
"""

import jax
import jax.numpy as jnp

from membrane.energy import Mixture

PURE_PHASE_SHARE = 0.01
"""Correction of phi in a pure phase over that in the middle of a domain wall. A membrane without domain walls takes all
of it in its pure phase, so it must not be zero."""


def correction_shapes(mixture: Mixture, fields) -> tuple[tuple, tuple]:
    """(w, s) of every field.

    Arguments:
        mixture: the free energy of the composition.
        fields: the fields in the order of the species, each of the same shape.
    """
    named, others = mixture.named(fields), mixture.species[1:]
    phi = named["phi"]
    walls = jnp.maximum(1 - phi**2, 0)
    even = [mixture.part(name).mobility(name, named) for name in others]
    potential = jax.grad(lambda named: jnp.sum(mixture.density(named)))
    slopes = jax.jvp(lambda phi: potential(named | {"phi": phi}), (phi,), (jnp.ones_like(phi),))[1]
    follow = [-walls * s * slopes[name] for name, s in zip(others, even, strict=True)]
    shift = walls + PURE_PHASE_SHARE
    return (shift, *follow), (shift, *even)


def over(content, shape):
    """content/shape; 0 for a patch without a point, whose content is 0."""
    return content / jnp.where(shape == 0, 1, shape)
