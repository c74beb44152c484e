"""Enzyme, turnover and flip-flop of both phases: the exact solution, its fixed point, the threshold of the enzyme."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from membrane.energy import Ceramide
from membrane.energy.ceramide import CYTOSOLIC, LUMINAL
from membrane.energy.coexistence import Coexistence
from membrane.kinetics.chemistry import reacted, reaction_rates


def ceramide(enzyme, turnover, flip):
    return Ceramide(
        thermal_energy=4.28,
        patch_area=10.0,
        affinity=0.5,
        synthesis_rate=enzyme,
        saturation=0.2,
        turnover_rate=turnover,
        flip_flop_rate=flip,
    )


def phases(ratio, means, share):
    """Ld and pure Lo in which ceramide is so many times richer, of these means over both."""
    host = means / (1 - share + share * ratio)
    names = (CYTOSOLIC, LUMINAL)
    of = lambda phi, c: {"phi": jnp.asarray(phi)} | {name: jnp.asarray(v) for name, v in zip(names, c, strict=True)}
    return Coexistence(of(-1.0, host), of(1.0, ratio * host), jnp.asarray(0.0))


RATES = [(1.0, 0.1, 0.03), (30.0, 0.1, 5.0), (1.0, 0.1, 0.0), (0.0, 0.3, 0.3), (0.0, 0.0, 0.0)]


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("dt", [0.02, 3.0, 400.0])
def test_the_step_is_exact(rates, dt):
    """As the exponential of the matrix with the constant beside it says, whatever the step."""
    means, share = np.array([0.01, 0.004]), 0.07
    matrix, constant = reaction_rates(ceramide(*rates), phases(2.7, means, share), share, jnp.asarray(means))
    whole = np.zeros((3, 3))
    whole[:2, :2], whole[:2, 2] = matrix, constant
    expected = (expm(whole * dt) @ np.append(means, 1.0))[:2] - means
    found = np.asarray(reacted(matrix, constant, jnp.asarray(means), dt))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("share", [0.02, 0.2])
@pytest.mark.parametrize(("flip", "turnover"), [(0.03, 0.1), (1.0, 0.1)])
def test_steady_ceramide(share, flip, turnover):
    """At rest w k_s (c_sat - c_Lo) = (k_d + k_flip) c - k_flip c_lum and k_flip (c - c_lum) = k_d c_lum."""
    means, ratio, enzyme = np.array([0.01, 0.01]), 2.7, 1.0
    rich = ratio / (1 - share + share * ratio)
    matrix, constant = reaction_rates(
        ceramide(enzyme, turnover, flip), phases(ratio, means, share), share, jnp.asarray(means)
    )
    rest = means + np.asarray(reacted(matrix, constant, jnp.asarray(means), 1e5))
    gained = share * enzyme * (0.2 - rich * rest[0])
    assert gained == pytest.approx((turnover + flip) * rest[0] - flip * rest[1], rel=1e-9)
    assert flip * (rest[0] - rest[1]) == pytest.approx(turnover * rest[1], rel=1e-9)
    # What bends is the difference of the leaflets: large only where the enzyme beats the flip-flop.
    expected = 0.2 * share * enzyme / (turnover + flip - flip**2 / (turnover + flip) + share * enzyme * rich)
    assert rest[0] - rest[1] == pytest.approx(expected * turnover / (turnover + flip), rel=1e-9)
