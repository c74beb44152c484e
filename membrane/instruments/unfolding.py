"""The way back: from a measured histogram to true diameters, by maximum likelihood and never by subtraction."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

MOST_ROUNDS = 2000
"""Rounds after which the iteration ends, whatever the data say."""

LEAST_GAIN = 1e-3
"""The iteration ends when a round lowers the deviance per bin by less than this. Of 1e-2, 1e-3 and 1e-4, this one left
the least distance to the truth of two classes in the tests, and intervals that hold it about as often as the last."""


class Unfolded(NamedTuple):
    """What the way back gives.

    Attributes:
        weights: expected number of vesicles of each diameter, (n,), never negative. Behind a thin section they are
            those per unit of volume, times the area of the section.
        expected: the histogram that they would show, (bins,).
        rounds: rounds that were done.
        misfit: deviance over the number of bins in which 1 or more is expected. Above 1 the kernel, its settings or the
            noise are not those of the counts.
    """

    weights: jax.Array
    expected: jax.Array
    rounds: jax.Array
    misfit: jax.Array


def unfold(counts, kernel, *, least_gain=LEAST_GAIN, most_rounds=MOST_ROUNDS):
    """True diameters behind a measured histogram: maximum likelihood of Poisson counts, stopped early.

    Arguments:
        counts: counts c of the bins, (bins,). They must be counts: concentrations have another noise.
        kernel: K, (bins, n), of :mod:`membrane.instruments.registry` at n diameters, which need not be evenly spaced.
        least_gain: when the iteration ends, see below.
        most_rounds: the rounds after which it ends in any case.

    Each round of expectation and maximisation (Richardson 1972, Lucy 1974) does

        w_j <- w_j/e_j sum_k K_kj c_k/m_k,    m = K w,    e_j = sum_k K_kj.

    It begins with the same w_j for all diameters that can be seen, and raises the likelihood. sum(m) = sum(c) after
    each round. Without end it would fit the noise with spikes. It stops when a round lowers the deviance

        2 sum_k [c_k ln(c_k/m_k) - c_k + m_k]

    by less than ``least_gain`` times the number of bins in which m >= 1. More counts go on for longer. A smaller gain
    gives means and shares with less bias, and sharper peaks. A diameter of which nothing is seen (e_j = 0) gets the
    weight 0. Counts in bins that no diameter reaches are left out.

    Returns an :class:`Unfolded`. It may be used under ``jax.vmap``.

    >>> kernel = jnp.array([[0.5, 0.1], [0.1, 0.5]])
    >>> unfold(jnp.array([52.0, 20.0]), kernel).expected.sum().round(3).item()
    72.0
    """
    kernel = jnp.asarray(kernel, float)
    counts = jnp.where(kernel.sum(axis=1) > 0, jnp.asarray(counts, float), 0.0)
    visible = kernel.sum(axis=0)
    share = jnp.where(visible > 0, 1 / jnp.where(visible > 0, visible, 1.0), 0.0)

    def deviance(expected):
        logs = jnp.log(jnp.where(counts > 0, counts / jnp.where(expected > 0, expected, 1.0), 1.0))
        return 2 * jnp.sum(counts * logs - counts + expected) / jnp.maximum((expected >= 1).sum(), 1)

    def goes_on(carry):
        rounds, *_, gain = carry
        return (rounds < most_rounds) & (gain > least_gain)

    def one_round(carry):
        rounds, weights, expected, before, _ = carry
        ratio = jnp.where(counts > 0, counts / jnp.where(expected > 0, expected, 1.0), 0.0)
        weights = weights * share * (ratio @ kernel)
        expected = kernel @ weights
        misfit = deviance(expected)
        return rounds + 1, weights, expected, misfit, before - misfit

    flat = jnp.where(visible > 0, 1.0, 0.0)
    flat = flat * counts.sum() / jnp.maximum((kernel @ flat).sum(), jnp.finfo(kernel.dtype).tiny)
    start = (0, flat, kernel @ flat, deviance(kernel @ flat), jnp.asarray(jnp.inf, kernel.dtype))
    rounds, weights, expected, misfit, _ = jax.lax.while_loop(goes_on, one_round, start)
    return Unfolded(weights, expected, rounds, misfit)


def bootstrap(counts, kernel, *, draws=200, seed=0, least_gain=LEAST_GAIN, most_rounds=MOST_ROUNDS):
    """Weights of histograms that are drawn anew from whole images or endosomes, (draws, n).

    Arguments:
        counts: counts of each image or endosome, (groups, bins). Vesicles of one image resemble each other, so that
            images, not vesicles, are drawn. One row for each vesicle draws vesicles, as if they were independent.
        kernel: K, (bins, n), the same for all groups.
        draws: how many histograms are drawn.
        seed: of the random numbers.
        least_gain, most_rounds: as in :func:`unfold`.

    Each draw takes as many groups as there are, with repetition, adds them up and unfolds the sum. Quantiles of what
    follows from the rows are its interval. It holds the noise of the counts and the differences between groups, and not
    the bias of stopping early: intervals of 95 % held means and shares of two classes in 85 to 93 % of the tests.

    Returns the weights, (draws, n). Raises ValueError with fewer than three groups.
    """
    counts = jnp.asarray(counts, float)
    groups = counts.shape[0]
    if counts.ndim != 2 or groups < 3:
        raise ValueError(
            f"counts of shape {counts.shape} must be (groups, bins) with three or more groups (images, endosomes): "
            "fewer say too little of how groups differ"
        )
    picked = jax.random.randint(jax.random.key(seed), (draws, groups), 0, groups)
    drawn = jax.vmap(lambda which: counts[which].sum(axis=0))(picked)
    stop = {"least_gain": least_gain, "most_rounds": most_rounds}
    return jax.jit(jax.vmap(lambda one: unfold(one, kernel, **stop).weights))(drawn)
