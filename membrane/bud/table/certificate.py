"""How well a table agrees with the exact law, measured where it has no node."""

from dataclasses import dataclass
from functools import partial

import jax
import numpy as np

from membrane.bud.exact_law import ExactLaw
from membrane.bud.landscape import BudAnswer, Domain, Host
from membrane.bud.table.axes import Ranges
from membrane.bud.table.situation import Constants

LARGEST_HILL_ERROR_KT = 0.3
"""Hills below :data:`HIGH_HILL_KT` may differ by this much."""

HIGH_HILL_KT = 30.0

SIZE_SHARE = 0.01
"""The size at which the barrier vanishes, and that at which domains leave within a second, may differ by this share."""

BUDS_PER_S, NEVER_PER_S = 1.0, 1e-6
"""Domains with a larger rate than the first bud; those with a smaller one than the second never do."""

SWITCH_SHARE = 0.005
"""Where the lowest state of a domain changes from an open bud to the gate, all its numbers jump. The size at which this
happens may differ by this share."""

GROWTH = 0.002
"""Thresholds are sought among sizes that differ by this share."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What was measured when a table was built.

    Attributes:
        points: domains drawn at random, of those that the search limit does not exclude; half of them, where there are
            so many, have a hill of 0 to 60 kT by the table.
        outside: the share of domains that the table leaves to the exact law, of those that the limit does not exclude.
        hills: hills above 0 and below 30 kT, by either, that were compared.
        hill_error_kT: the largest difference between them.
        thresholds: sizes at which the barrier vanishes or the rate passes 1/s that were tested from both sides.
        thresholds_missed: how many of them are wrong by more than 1 %.
        false_buds: domains that bud by the table and never do by the exact law.
        false_nevers: domains that never bud by the table and do by the exact law.
        rate_factor: the largest ratio of two rates above 1e-6 /s, either way.
        switches: domains whose neck closes by itself, or that become an open bud, by one of the two only, while a size
            that differs by 0.5 % has both alike. Their hills and rates are not compared.
        unlike: the same, but 0.5 % of the size do not explain it.
    """

    points: int
    outside: float
    hills: int
    hill_error_kT: float
    thresholds: int
    thresholds_missed: int
    false_buds: int
    false_nevers: int
    rate_factor: float
    switches: int
    unlike: int

    @property
    def reached(self) -> bool:
        """Whether the table is as good as it must be."""
        wrong = self.thresholds_missed + self.false_buds + self.false_nevers
        return wrong == 0 and self.hill_error_kT <= LARGEST_HILL_ERROR_KT

    def __str__(self) -> str:
        return (
            f"on {self.points} random domains {self.hills} hills below {HIGH_HILL_KT:.0f} kT agree within "
            f"{self.hill_error_kT:.2f} kT, rates within a factor {self.rate_factor:.2f}; {self.false_buds} false buds, "
            f"{self.false_nevers} false nevers; {self.unlike} necks unlike, {self.switches} more but for "
            f"{100 * SWITCH_SHARE:.1f} % of the size; {self.thresholds_missed} of {self.thresholds} threshold sizes "
            f"are wrong by more than {100 * SIZE_SHARE:.0f} %; {100 * self.outside:.1f} % of the domains are left to "
            "the exact law"
        )


BATCH = 4096
"""The table is decided about so many domains at a time, so that one program serves all questions."""


def exact_answer(constants: Constants, size, inside, outside, tension, radius, open_bud=False) -> BudAnswer:
    """What the exact law says of domains in hosts of their own, arrays (domains,)."""
    law = ExactLaw(
        constants.gate,
        membrane_viscosity=constants.membrane_viscosity,
        solvent_viscosity=constants.solvent_viscosity,
        search_limit_kT=constants.search_limit_kT,
    )
    even = lambda value: np.full(np.shape(size), value)
    domain = Domain(
        area=np.pi * np.asarray(size, float) ** 2,
        spontaneous_curvature=np.asarray(inside, float),
        line_tension=even(constants.line_tension),
        bending_rigidity=even(constants.bending_rigidity),
        gaussian_modulus_contrast=even(0.0),
        open_bud=open_bud,
    )
    host = Host(
        tension=np.asarray(tension, float),
        bending_rigidity=constants.host_bending_rigidity,
        spontaneous_curvature=np.asarray(outside, float),
        radius=np.asarray(radius, float),
    )
    return law(domain, host)


def certify(ask, constants: Constants, ranges: Ranges, *, points: int, thresholds: int, seed: int) -> Certificate:
    """The certificate of a table.

    Arguments:
        ask: its answers to arrays of size, curvature inside, curvature outside, tension and radius of the host.
        constants: of the configuration.
        ranges: from which domains are drawn, evenly.
        points: number of domains.
        thresholds: number of situations in which threshold sizes are sought.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    draw = lambda count: [rng.uniform(*pair, count) for pair in vars(ranges).values()]
    told = partial(_in_batches, ask)
    # Domains beyond the search limit need no table: enough are drawn that the others can be picked.
    given = draw(40 * points)
    table = told(given)
    decided = table.outside | (table.rate_per_s > 0)
    climbs = ~table.outside & (table.barrier_kBT > 0) & (table.barrier_kBT < 2 * HIGH_HILL_KT)
    hills = np.nonzero(climbs)[0][: points // 2]
    others = np.setdiff1d(np.nonzero(decided & ~table.outside)[0], hills)[: points - len(hills)]
    pick = np.concatenate([hills, others])
    left = float(table.outside.sum() / max(decided.sum(), 1))
    given, table = [v[pick] for v in given], jax.tree.map(lambda v: v[pick], table)
    exact = exact_answer(constants, *given)
    lower, higher = (pair(table.barrier_kBT, exact.barrier_kBT) for pair in (np.minimum, np.maximum))
    low = lower < HIGH_HILL_KT
    unlike = low & ~_alike(table, exact)
    switches = np.zeros_like(unlike)
    for share in (1 - SWITCH_SHARE, 1 + SWITCH_SHARE):
        near = exact_answer(constants, share * given[0][unlike], *(v[unlike] for v in given[1:]))
        switches[unlike] |= _alike(jax.tree.map(lambda v: v[unlike], table), near)
    low &= ~switches
    error = np.abs(table.barrier_kBT[low] - exact.barrier_kBT[low])
    fast = (np.minimum(table.rate_per_s, exact.rate_per_s) > NEVER_PER_S) & np.isfinite(table.rate_per_s) & ~switches
    ratio = np.abs(np.log(table.rate_per_s[fast] / exact.rate_per_s[fast]))
    tested, missed = _thresholds(told, constants, ranges, draw(thresholds))
    return Certificate(
        points=len(pick),
        outside=left,
        hills=int((low & (higher > 0)).sum()),
        hill_error_kT=float(error.max(initial=0.0)),
        thresholds=tested,
        thresholds_missed=missed,
        false_buds=int(((table.rate_per_s > BUDS_PER_S) & (exact.rate_per_s < NEVER_PER_S)).sum()),
        false_nevers=int(((table.rate_per_s < NEVER_PER_S) & (exact.rate_per_s > BUDS_PER_S)).sum()),
        rate_factor=float(np.exp(ratio.max(initial=0.0))),
        switches=int(switches.sum()),
        unlike=int((unlike & ~switches).sum()),
    )


def _alike(one, other) -> np.ndarray:
    """Whether the necks of two answers close, stay open, or have no bud alike."""
    closed, none = (
        (one.neck_closed == other.neck_closed),
        (np.isnan(one.neck_radius_nm) == np.isnan(other.neck_radius_nm)),
    )
    return closed & none


def _in_batches(ask, given):
    """The answers of a table, as NumPy's arrays."""
    count = len(given[0])
    padded = [np.pad(v, (0, -count % BATCH), mode="edge") for v in given]
    parts = [ask(*(v[at : at + BATCH] for v in padded)) for at in range(0, count, BATCH)]
    return jax.tree.map(lambda *v: np.concatenate(v)[:count], *parts)


def _thresholds(told, constants, ranges, situations) -> tuple[int, int]:
    """(number of threshold sizes that were tested, how many of them are wrong by more than 1 %)."""
    least, most = ranges.size
    sizes = np.exp(np.arange(np.log(least), np.log(most), GROWTH))
    others = situations[1:]
    wide = [np.repeat(v, sizes.size) for v in others]
    table = told([np.tile(sizes, len(others[0])), *wide])
    shape = (len(others[0]), sizes.size)
    outside = table.outside.reshape(shape)
    tested = missed = 0
    for holds in (lambda a: a.barrier_kBT == 0, lambda a: a.rate_per_s >= BUDS_PER_S):
        found = holds(table).reshape(shape) & ~outside
        for row, (yes, gone) in enumerate(zip(found, outside, strict=True)):
            at = int(np.argmax(yes))
            if not yes.any() or at == 0 or gone[at - 1]:
                continue
            around = sizes[at] * np.array([1 - SIZE_SHARE, 1 + SIZE_SHARE])
            exact = holds(exact_answer(constants, around, *(np.repeat(v[row], 2) for v in others)))
            tested, missed = tested + 1, missed + int(exact[0] or not exact[1])
    return tested, missed
