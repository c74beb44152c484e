"""Entropy of mixing that stays finite where a species is used up, and what belongs to it."""

import jax
import jax.numpy as jnp

DILUTE = 1e-4
"""Fraction below which c ln c is continued by a parabola."""


@jax.custom_jvp
def entropy(c):
    """c ln c for c > d, and c ln d + (c^2 - d^2)/(2 d) below d = DILUTE, with two continuous derivatives.

    The logarithm would stop a run where c reaches zero. With this entropy, and with :func:`occupied` in its mobility, a
    species diffuses with its plain D also there (Copetti & Elliott 1992, Numer. Math. 63:39).
    """
    return c * jnp.log(jnp.maximum(c, DILUTE)) + 0.5 * (jnp.minimum(c, DILUTE) ** 2 - DILUTE**2) / DILUTE


def occupied(c):
    """max(c, DILUTE), the inverse of the second derivative of :func:`entropy`: the factor of a mobility."""
    return jnp.maximum(c, DILUTE)


def log_activity(c):
    """The derivative of :func:`entropy` less one: ln c, continued linearly below DILUTE."""
    return jnp.log(jnp.maximum(c, DILUTE)) + jnp.minimum(c / DILUTE, 1.0) - 1.0


def logarithmic_mean(a, b, activity_a, activity_b):
    """(a - b)/(ln a - ln b) of two fractions, where ln stands for :func:`log_activity`.

    It is the fraction on the face between two cells. With it a dilute species diffuses with exactly its D, however
    steep its profile is. With (a + b)/2 it would diffuse a thousand times faster beside a cell where it is used up.

    Arguments:
        a: the fraction in one cell.
        b: the fraction in the other.
        activity_a: :func:`log_activity` of ``a``.
        activity_b: :func:`log_activity` of ``b``.
    """
    rise = activity_a - activity_b
    # Nearer than this the mean of both is as exact, to 1e-5, as the quotient in single precision.
    near = jnp.abs(rise) < 0.01
    return jnp.where(near, 0.5 * (occupied(a) + occupied(b)), (a - b) / jnp.where(near, 1.0, rise))


@entropy.defjvp
def _entropy_jvp(primals, tangents):
    """The derivative that automatic differentiation would give, in fewer operations."""
    (c,), (c_dot,) = primals, tangents
    return entropy(c), (log_activity(c) + 1.0) * c_dot
