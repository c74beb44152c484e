"""What becomes of a domain within a step: the rules of membrane.sheet.fate, for all domains at once.

A passage takes a time that follows the Gamma distribution of the mean and the variation that the bud law gives. A bud
whose neck closes by itself leaves at once. An open bud leaves at the rate of its scission, or flattens again at that of
opening; these two compete.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.special import gammaincc
from jaxtyping import Array, Bool

LEAST_VARIATION = 0.05
"""A passage that varies less counts as one that varies so much. Its share beyond the mean time is a step by then."""


class Fates(NamedTuple):
    """What happens to domains within a step; of one that nothing happens to, all are False. Arrays (domains,)."""

    buds: Bool[Array, " domains"]
    flattens: Bool[Array, " domains"]
    leaves: Bool[Array, " domains"]


def budding_probability(progress, step, variation):
    """Probability that a passage that has come as far as ``progress`` ends within the next ``step``: 1 - S'/S.

    S is the share of the Gamma distribution of mean 1 and standard deviation ``variation`` beyond ``progress``, S' that
    beyond ``progress + step``. Arguments and result are arrays of one shape.
    """
    shape = jnp.maximum(variation, LEAST_VARIATION) ** -2
    before, after = gammaincc(shape, shape * progress), gammaincc(shape, shape * (progress + step))
    return jnp.where(before > 0, 1 - after / jnp.where(before > 0, before, 1.0), 1.0)


def fates_of_open_buds(scission, opening, gone, closes, dt, draws) -> Fates:
    """Fates of open buds, arrays (domains,).

    Arguments:
        scission: rate at which the neck breaks, with its aid where that is there, in 1/s.
        opening: rate at which the bud becomes a dimple again, in 1/s.
        gone: whether there is no bud any more.
        closes: whether the neck closes by itself.
        dt: s.
        draws: random numbers, even between 0 and 1, (2, domains).
    """
    endless = jnp.isinf(scission)
    happens = draws[0] < -jnp.expm1(-(scission + opening) * dt)
    # Where both rates are infinite, the bud leaves.
    share = jnp.where(endless, 1.0, scission / jnp.where(endless | (scission <= 0), 1.0, scission + opening))
    leaves = closes | (~gone & happens & (draws[1] < share))
    return Fates(jnp.zeros_like(leaves), ~leaves & (gone | happens), leaves)
