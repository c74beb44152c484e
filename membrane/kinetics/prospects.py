"""What the bud law holds in store for each domain: the rates that are kept until the domain has changed.

The c0 of a domain fluctuates, and a vesicle may leave on an upward swing, which a rate at the mean c0 misses by orders
of magnitude. So the rate at which a domain becomes a bud is a mean over the Gaussian distribution of its c0,

    k = < k(c0)/(1 + k(c0) t_c) >,

where t_c is the time in which the composition of the domain is renewed. It limits k to the rate at which swings come.
The law is asked at a few swings; ln k(c0) is linear between them. An open bud waits in a minimum, at its mean c0.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy.stats import norm

from membrane.bud.landscape import BudAnswer
from membrane.bud.table import TableAnswer

SWINGS = np.arange(-2.0, 5.1)
"""Deviations of c0 at which the law is asked, in standard deviations."""

FINE = np.linspace(-3.0, 5.5, 137)
"""Deviations between which the mean over c0 is a sum."""

WEIGHTS = norm.pdf(FINE) / norm.pdf(FINE).sum()
"""Share of the time that c0 spends near each of them."""

INTERPOLATION = np.array([np.interp(FINE, SWINGS, row) for row in np.eye(len(SWINGS))])
"""Takes what is known on SWINGS to FINE, linearly, (swings, fine)."""

CHANGES = np.array([0.0025, 0.005, 0.005, 0.02, 0.005])
"""Changes after which the law is asked again: of ln L, of L times c0 of domain and host, of ln tension, and of ln R."""

IDLE = 4.0
"""These changes may be so many times as large where the domain would not bud even on the highest swing."""

SLOWEST = 1e-20
"""Rate in 1/s below which its logarithm falls by one for each kT of the barrier."""

BARRED_KT = 50.0
"""The barrier at which rates are about as small as that."""

LEAST_RATE = 1e-9
"""Rate in 1/s on the highest swing, below which no other is asked."""


class Situation(NamedTuple):
    """What decides on the fate of a domain.

    Attributes:
        size: L in nm.
        curvature: mean of its c0, in 1/nm.
        spread: standard deviation of its c0, in 1/nm.
        curvature_outside: c0 of the host, in 1/nm.
        tension: in pN/nm.
        host_radius: R in nm.
        renewal: t_c in s.
    """

    size: Float[Array | np.ndarray, "*domains"]
    curvature: Float[Array | np.ndarray, "*domains"]
    spread: Float[Array | np.ndarray, "*domains"]
    curvature_outside: Float[Array | np.ndarray, "*domains"]
    tension: Float[Array | np.ndarray, "*domains"]
    host_radius: Float[Array | np.ndarray, "*domains"]
    renewal: Float[Array | np.ndarray, "*domains"]

    def at(self, swing):
        """Arguments of the law on a swing of c0."""
        return self.size, self.curvature + swing * self.spread, self.curvature_outside, self.tension, self.host_radius


class Prospects(eqx.Module):
    """What the law has said of domains. Arrays (domains,), or (domains, swings) with one value for each swing of c0. An
    open bud has the same value for each of them, that of its mean c0.

    Attributes:
        asked: where the law was asked last, see CHANGES; NaN: never, (domains, 5).
        open_bud: whether it was asked for an open bud.
        unknown: whether the table could not tell, so that the exact law has to be asked.
        rate: at which a domain becomes a bud, in 1/s.
        variation: of the time that this takes.
        log_rate: ln of the rate on each swing.
        barrier_kBT: of a domain to become a bud, of an open bud to leave, on each swing.
        closes: whether the neck then closes by itself, on each swing.
        neck_radius_nm: of the bud, on each swing; NaN: there is none.
        scission: rate at which an open bud leaves, in 1/s.
        aided: the same with the scission aid.
        opening: rate at which an open bud flattens, in 1/s.
        direction: +1 for buds into the lumen, -1 for buds away from it; the side to which most of the rate leads.
    """

    asked: Float[Array | np.ndarray, "*domains 5"]
    open_bud: Bool[Array | np.ndarray, "*domains"]
    unknown: Bool[Array | np.ndarray, "*domains"]
    rate: Float[Array | np.ndarray, "*domains"]
    variation: Float[Array | np.ndarray, "*domains"]
    log_rate: Float[Array | np.ndarray, "*domains swings"]
    barrier_kBT: Float[Array | np.ndarray, "*domains swings"]
    closes: Bool[Array | np.ndarray, "*domains swings"]
    neck_radius_nm: Float[Array | np.ndarray, "*domains swings"]
    scission: Float[Array | np.ndarray, "*domains"]
    aided: Float[Array | np.ndarray, "*domains"]
    opening: Float[Array | np.ndarray, "*domains"]
    direction: Int[Array | np.ndarray, "*domains"]

    @classmethod
    def of_nobody(cls, room: int) -> "Prospects":
        """For ``room`` domains that were never asked for."""
        one = _of_domain(NEVER, 1.0, jnp.full(5, jnp.nan))
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (room, *jnp.shape(leaf))), one)

    def at(self, swing):
        """Barrier, whether the neck closes, and radius of the neck on a swing of each domain, arrays (domains,)."""
        nearest = jnp.clip(jnp.round(swing - SWINGS[0]).astype(int), 0, len(SWINGS) - 1)[:, None]
        pick = lambda values: jnp.take_along_axis(values, nearest, -1)[:, 0]
        return pick(self.barrier_kBT), pick(self.closes), pick(self.neck_radius_nm)

    def swings(self, renewal, draws):
        """The swings on which domains bud that bud now, in standard deviations, for random numbers from 0 to 1."""
        part = jnp.cumsum(_shares(self.log_rate, renewal[:, None]), -1)
        place = (draws[:, None] * part[:, -1:] > part).sum(-1)
        return jnp.asarray(FINE)[jnp.clip(place, 0, len(FINE) - 1)]


def place_of(size, curvature, curvature_outside, tension, host_radius):
    """Where the law is asked for domains, in the coordinates of CHANGES, (domains, 5)."""
    outside = size * curvature_outside
    given = (jnp.log(size), size * curvature, outside, jnp.log(tension), jnp.log(host_radius))
    return jnp.stack(jnp.broadcast_arrays(*given), -1)


def outdated(old: Prospects, place, present, open_bud):
    """For which domains the law has to be asked again, (domains,).

    Arguments:
        old: the prospects so far.
        place: of :func:`place_of`.
        present: which domains there are, (domains,).
        open_bud: which of them are open buds, (domains,).
    """
    change = (jnp.abs(place - old.asked) / CHANGES).max(-1)
    idle = (old.rate <= 0) & ~old.open_bud
    return present & ~((change < jnp.where(idle, IDLE, 1.0)) & (open_bud == old.open_bud))


def renewed(law: Callable, old: Prospects, situation: Situation, place, asks, open_bud) -> Prospects:
    """The prospects of now; the law is asked only for the domains ``asks``. Other arguments as of `outdated`."""

    def of_one(given):
        ask, kept, situation, open_bud, place = given

        def bud():
            return _of_bud(law(*situation.at(0.0), open_bud=True), place)

        def domain():
            highest = law(*situation.at(SWINGS[-1]))
            told = lambda: _of_domain(law(*situation.at(jnp.asarray(SWINGS))), situation.renewal, place)
            never = lambda: _of_domain(NEVER, situation.renewal, place)
            return jax.lax.cond((highest.rate_per_s > LEAST_RATE) | highest.outside, told, never)

        return jax.lax.cond(ask, lambda: jax.lax.cond(open_bud, bud, domain), lambda: kept)

    return jax.lax.map(of_one, (asks, old, situation, open_bud, place))


def told_by(answers: BudAnswer, old: Prospects, index: int, renewal: float) -> Prospects:
    """The prospects in which the exact law has answered for one domain.

    Arguments:
        answers: for a domain on all SWINGS; for an open bud, of it alone.
        old: the prospects so far, which say where it was asked.
        index: number of the domain.
        renewal: its t_c, in s.
    """
    given = {name: jnp.asarray(getattr(answers, name)) for name in TableAnswer._fields if name != "outside"}
    answers = TableAnswer(**given, outside=jnp.zeros(len(answers.rate_per_s), bool))
    place = jnp.asarray(old.asked[index])
    one = jax.tree.map(lambda v: v[0], answers) if old.open_bud[index] else answers
    row = _of_bud(one, place) if old.open_bud[index] else _of_domain(one, renewal, place)
    return jax.tree.map(lambda values, value: jnp.asarray(values).at[index].set(value), old, row)


NEVER = TableAnswer(
    **{name: np.zeros(len(SWINGS)) for name in TableAnswer._fields}
    | {name: np.full(len(SWINGS), np.inf) for name in ("barrier_kBT", "scission_barrier_kBT")}
    | {name: np.zeros(len(SWINGS), bool) for name in ("neck_closed", "outside")}
    | {"passage_variation": np.ones(len(SWINGS)), "neck_radius_nm": np.full(len(SWINGS), np.nan)}
    | {"direction": np.ones(len(SWINGS), int)}
)
"""The answers for a domain that buds on no swing."""


def _shares(log_rate, renewal):
    """Rate at which a domain becomes a bud on each of the FINE swings, (..., fine)."""
    rate = jnp.exp(log_rate @ INTERPOLATION)
    return WEIGHTS * rate / (1 + rate * renewal)


def _log_rate(answer: TableAnswer):
    # Rates this small are not computed exactly. Their barriers still say which is the smaller one.
    barred = np.log(SLOWEST) + BARRED_KT - jnp.clip(answer.barrier_kBT, BARRED_KT, 400.0)
    return jnp.where(answer.rate_per_s > SLOWEST, jnp.log(jnp.clip(answer.rate_per_s, SLOWEST, 1e20)), barred)


def _closes(answer: TableAnswer):
    return answer.neck_closed | jnp.isinf(answer.scission_rate_per_s)


def _of_domain(answer: TableAnswer, renewal, place) -> Prospects:
    """What the answers on all SWINGS say of one domain."""
    answer = jax.tree.map(jnp.asarray, answer)
    log_rate = _log_rate(answer)
    share = _shares(log_rate, renewal)
    rate, known = share.sum(), share.sum() > LEAST_RATE
    variation = (share * (answer.passage_variation @ INTERPOLATION)).sum() / jnp.where(known, rate, 1.0)
    zero = jnp.zeros_like(rate)
    return Prospects(
        asked=place,
        open_bud=jnp.zeros((), bool),
        unknown=answer.outside.any(),
        rate=jnp.where(known, rate, 0.0),
        variation=jnp.where(known, variation, 1.0),
        log_rate=log_rate.astype(rate.dtype),
        barrier_kBT=answer.barrier_kBT.astype(rate.dtype),
        closes=_closes(answer),
        neck_radius_nm=answer.neck_radius_nm.astype(rate.dtype),
        scission=zero,
        aided=zero,
        opening=zero,
        direction=jnp.where((share * (answer.direction @ INTERPOLATION)).sum() < 0, -1, 1).astype(jnp.int32),
    )


def _of_bud(answer: TableAnswer, place) -> Prospects:
    """What the answer at its mean c0 says of one open bud."""
    dtype = place.dtype
    everywhere = lambda value, kind=dtype: jnp.full(len(SWINGS), value, kind)
    return Prospects(
        asked=place,
        open_bud=jnp.ones((), bool),
        unknown=answer.outside,
        rate=jnp.zeros((), dtype),
        variation=jnp.ones((), dtype),
        log_rate=everywhere(_log_rate(answer)),
        barrier_kBT=everywhere(answer.scission_barrier_kBT),
        closes=everywhere(_closes(answer), bool),
        neck_radius_nm=everywhere(answer.neck_radius_nm),
        scission=answer.scission_rate_per_s.astype(dtype),
        aided=answer.aided_rate_per_s.astype(dtype),
        opening=answer.opening_rate_per_s.astype(dtype),
        direction=answer.direction.astype(jnp.int32),
    )
