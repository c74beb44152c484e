"""Entropy of mixing that stays finite where a species is used up."""

import jax
import jax.numpy as jnp

DILUTE = 1e-4
"""Fraction below which c ln c is continued quadratically."""


@jax.custom_jvp
def entropy(c):
    """c ln c for c > DILUTE, continued with two derivatives as c ln d + (c^2 - d^2)/(2 d) below d = DILUTE.

    With :func:`occupied` in the mobility the species then diffuses with its plain D, also through zero, where the
    logarithm would stop the run (the regularisation of Copetti & Elliott 1992, Numer. Math. 63:39).
    """
    return c * jnp.log(jnp.maximum(c, DILUTE)) + 0.5 * (jnp.minimum(c, DILUTE) ** 2 - DILUTE**2) / DILUTE


def occupied(c):
    """max(c, DILUTE): 1/(second derivative of :func:`entropy`), the factor of a mobility."""
    return jnp.maximum(c, DILUTE)


def log_activity(c):
    """Derivative of :func:`entropy` less one: ln c, continued linearly below DILUTE."""
    return jnp.log(jnp.maximum(c, DILUTE)) + jnp.minimum(c / DILUTE, 1.0) - 1.0


@entropy.defjvp
def _entropy_jvp(primals, tangents):
    """The same derivative as tracing would give, without its divisions and selections."""
    (c,), (c_dot,) = primals, tangents
    return entropy(c), (log_activity(c) + 1.0) * c_dot
