"""Fates for all domains at once, against those of one on the sheet."""

import jax.numpy as jnp
import numpy as np
import pytest

from membrane.kinetics import fate
from membrane.sheet import fate as sheet


@pytest.mark.parametrize("variation", [0.2, 0.45, 0.8, 1.0])
def test_a_passage_ends_as_on_the_sheet(variation):
    progress, step = np.meshgrid([0.0, 0.3, 1.0, 2.0, 40.0], [1e-6, 0.05, 0.7, 5.0], indexing="ij")
    found = fate.budding_probability(jnp.asarray(progress), jnp.asarray(step), jnp.full(progress.shape, variation))
    expected = [sheet.budding_probability(p, s, variation) for p, s in zip(progress.ravel(), step.ravel(), strict=True)]
    np.testing.assert_allclose(np.ravel(found), expected, rtol=1e-8, atol=1e-13)


def test_a_passage_may_be_cut_into_steps():
    """The probability to be still under way is the product over the steps."""
    ends = lambda progress, step: float(fate.budding_probability(*map(jnp.asarray, (progress, step, 0.6))))
    whole = 1 - ends(0.2, 0.9)
    assert whole == pytest.approx((1 - ends(0.2, 0.5)) * (1 - ends(0.7, 0.4)), rel=1e-12)


def test_open_buds_compete():
    """Scission against opening: shares and probability, and what happens at once."""
    number, dt, leave, opening = 20000, 0.4, 1.5, 2.5
    draws = jnp.asarray(np.random.default_rng(2).random((2, number)))
    wide, no = lambda value: jnp.full(number, value), jnp.zeros(number, bool)
    found = fate.fates_of_open_buds(wide(leave), wide(opening), no, no, dt, draws)
    happens = -np.expm1(-(leave + opening) * dt)
    error = 4 / np.sqrt(number)
    assert np.mean(found.leaves) == pytest.approx(happens * leave / (leave + opening), abs=error)
    assert np.mean(found.flattens) == pytest.approx(happens * opening / (leave + opening), abs=error)
    assert not (found.leaves & found.flattens).any()
    assert not found.buds.any()
    assert fate.fates_of_open_buds(wide(0.0), wide(0.0), no, ~no, dt, draws).leaves.all()
    assert fate.fates_of_open_buds(wide(0.0), wide(0.0), ~no, no, dt, draws).flattens.all()
    assert fate.fates_of_open_buds(wide(jnp.inf), wide(jnp.inf), no, no, dt, draws).leaves.all()
