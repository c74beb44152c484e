"""Domains travel until two of them touch: mean meeting times, steps, and what merging keeps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from membrane.kinetics.flow import Flow, mean_meeting_time
from membrane.kinetics.meeting import cap_radius, merged_place, travel

FLOW = Flow.of(
    radius=216.6,
    membrane_viscosity=3e-6,
    cytosol_viscosity=2e-9,
    lumen_viscosity=1e-9,
    thermal_energy=4.2821,
    modes=32,
)
TICK_S = 2e-5


def cap_area(radius, sphere):
    """Area of a cap whose rim lies this far from its centre along the sphere."""
    return 2 * np.pi * sphere**2 * (1 - np.cos(radius / sphere))


def meeting_times(radii, number, seed, step):
    """Times in s at which two domains meet that begin anywhere on the sphere but in contact."""
    area = jnp.asarray([cap_area(radius, FLOW.radius) for radius in radii])
    contact = np.cos(sum(radii) / FLOW.radius)

    def one(key):
        cosine = jax.random.uniform(key, (), minval=-1.0, maxval=contact)
        place = jnp.stack([jnp.array([0.0, 0.0, 1.0]), jnp.stack([jnp.sqrt(1 - cosine**2), 0.0, cosine])])
        return travel(FLOW, jax.random.fold_in(key, 1), place, area, 0, 2**28, TICK_S, step)

    found = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(seed), number))
    assert found.met.all()
    return np.asarray(found.tick) * TICK_S


@pytest.mark.parametrize(
    ("radii", "step"), [((60.0, 60.0), 0.15), pytest.param((90.0, 45.0), 0.1, marks=pytest.mark.slow)]
)
def test_mean_meeting_time(radii, step):
    """As the integral says, within the error of the mean, with steps of either length."""
    times = meeting_times(radii, 300, 5, step)
    error = times.std() / np.sqrt(len(times))
    assert times.mean() == pytest.approx(mean_meeting_time(FLOW, *radii), abs=3 * error)


def test_cap_radius():
    """The cap has the area that it was given."""
    for radius in (5.0, 40.0, 200.0):
        assert float(cap_radius(cap_area(radius, 216.6), 216.6)) == pytest.approx(radius, rel=1e-12)


def test_what_ends_a_journey():
    """Domains that touch at the start meet at once; one that is alone stays where it is until the end."""
    area = jnp.array([5000.0, 4000.0, 0.0])
    place = jnp.array([[0.0, 0.0, 1.0], [np.sin(0.2), 0.0, np.cos(0.2)], [0.0, 0.0, 1.0]])
    journey = jax.jit(travel, static_argnums=6)
    found = journey(FLOW, jax.random.key(0), place, area, 7, 500, TICK_S)
    assert (bool(found.met), int(found.tick), sorted(map(int, found.pair))) == (True, 7, [0, 1])
    alone = journey(FLOW, jax.random.key(0), place, area.at[1].set(0.0), 7, 500, TICK_S)
    assert (bool(alone.met), int(alone.tick)) == (False, 500)
    np.testing.assert_array_equal(alone.place, place)


def test_merged_place():
    """The mean weighted by area, on the sphere."""
    place = jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    found = merged_place(place, jnp.array([3.0, 9.0, 4.0]), jnp.array([0, 2]))
    np.testing.assert_allclose(found, [0.6, 0.0, 0.8], atol=1e-15)
