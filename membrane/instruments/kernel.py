"""What all kernels share: probabilities of bins from a cumulative distribution, and the histogram that is seen.

A kernel is a matrix K of shape (bins, diameters). K[k, j] is the probability that a vesicle of the true outer diameter
D[j] is recorded in bin k of what the instrument reports. A bin holds its lower edge and not its upper one. The sum of a
column is the share of such vesicles that is recorded at all.
"""

import jax.numpy as jnp
from jax.scipy.special import ndtr


def seen(kernel, weights=None):
    """The histogram that is expected, (bins,): sum over j of K[k, j] w[j].

    Arguments:
        kernel: K, (bins, diameters).
        weights: w, (diameters,), such as the number of vesicles of each diameter. None: one vesicle each, where the
            diameters of the kernel are those of a sample.

    >>> seen(jnp.array([[0.5, 0.25], [0.5, 0.5]]), jnp.array([4.0, 8.0])).tolist()
    [4.0, 6.0]
    """
    kernel = jnp.asarray(kernel)
    return kernel.sum(axis=1) if weights is None else kernel @ jnp.asarray(weights)


def gaussian(edges, mean, sd):
    """Probabilities of bins, (bins, n), of values with a Gaussian error: Phi((high - m)/s) - Phi((low - m)/s).

    Arguments:
        edges: edges of the bins, (bins + 1,).
        mean: means m, (n,).
        sd: standard deviations s of the error, a number or (n,). Where s = 0 the value m falls into one bin, and its
            derivative is zero.
    """
    away = jnp.asarray(edges, float)[:, None] - jnp.asarray(mean, float)
    sharp = jnp.asarray(sd) <= 0
    below = jnp.where(sharp, away > 0, ndtr(away / jnp.where(sharp, 1.0, sd)))
    return jnp.diff(below, axis=0)


def lognormal(edges, mean, cv):
    """The same for a lognormal error that leaves the mean m as it is and has the coefficient of variation ``cv``.

    The logarithm is Gaussian with variance s^2 = ln(1 + cv^2) and mean ln m - s^2/2.
    """
    cv = jnp.asarray(cv, float)
    sharp = cv <= 0
    variance = jnp.log1p(jnp.where(sharp, 1.0, cv) ** 2)
    sd = jnp.where(sharp, 0.0, jnp.sqrt(variance))
    return gaussian(log_edges(edges), jnp.log(jnp.asarray(mean, float)) - jnp.where(sharp, 0.0, variance / 2), sd)


def log_edges(edges):
    """Logarithms of edges. An edge at or below zero has that of the least positive number."""
    edges = jnp.asarray(edges, float)
    return jnp.log(jnp.maximum(edges, jnp.finfo(edges.dtype).tiny))


def passed(signal, limit, spread):
    """The share of vesicles whose signal S exceeds a soft limit L: Phi((S - L)/s).

    Arguments:
        signal: S, of any shape.
        limit: L, the signal of which half is detected.
        spread: s, in the unit of S; S = L + s is detected at 84 %. Where s = 0 the limit is a step.
    """
    sharp = jnp.asarray(spread) <= 0
    above = signal - limit
    return jnp.where(sharp, above >= 0, ndtr(above / jnp.where(sharp, 1.0, spread)))
