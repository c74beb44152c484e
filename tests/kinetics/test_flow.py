"""The random flow on a sphere: isotropy, rotation, the table of two domains, and the plane."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import j1

from membrane.kinetics.flow import Flow, angles_between, mean_meeting_time, tangent_frame

pytestmark = pytest.mark.fast_compilation

ENDOSOME = {"radius": 216.6, "membrane_viscosity": 3e-6, "cytosol_viscosity": 2e-9, "lumen_viscosity": 1e-9}
FLOW = Flow.of(**ENDOSOME, thermal_energy=4.2821)


def directions(number, seed):
    """Unit vectors, all directions alike."""
    found = np.random.default_rng(seed).normal(size=(number, 3))
    return jnp.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def covariance(place, radius):
    """Covariance per time along the tangent frames, without the rotation of the sphere."""
    shares = FLOW.cap_shares(jnp.asarray(radius))
    there = jnp.ones(len(place), bool)
    return FLOW.tangent_covariance(place, tangent_frame(place), shares, there), shares


@pytest.mark.parametrize(
    ("radius", "diffusion", "ratio", "time_ms"),
    [(20.0, 0.646, 0.097, 663), (30.0, 0.598, 0.102, 596), (40.0, 0.563, 0.106, 545)],
)
def test_two_domains(radius, diffusion, ratio, time_ms):
    """D, the relative diffusion at contact and the mean meeting time, derived apart from this code."""
    shares = FLOW.cap_shares(radius)
    own = float(FLOW.diffusion(shares))
    assert own / 1e6 == pytest.approx(diffusion, abs=6e-4)
    relative = float(FLOW.relative_diffusion(shares, shares, 2 * radius / FLOW.radius))
    assert relative / (2 * own) == pytest.approx(ratio, abs=6e-4)
    assert 1e3 * mean_meeting_time(FLOW, radius, radius) == pytest.approx(time_ms, abs=0.6)


@pytest.mark.parametrize(("first", "second", "angle"), [(20.0, 20.0, 0.3), (12.0, 45.0, 0.8), (30.0, 25.0, 2.6)])
def test_the_covariance_holds_the_relative_diffusion(first, second, angle):
    """Along the great circle: D_i + D_j - 2 sum w f f P_l', less what mode 1 adds, which turns the whole sphere."""
    place = jnp.array([[0.0, 0.0, 1.0], [np.sin(angle), 0.0, np.cos(angle)]])
    found, shares = covariance(place, [first, second])
    along = np.array([[1.0, 0.0, 0.0], [np.cos(angle), 0.0, -np.sin(angle)]])
    step = np.concatenate([frame @ unit for frame, unit in zip(np.asarray(tangent_frame(place)), along, strict=True)])
    step[:2] *= -1
    rotation = FLOW.strength[0] * (shares[0, 0] - shares[1, 0]) ** 2
    expected = 2 * (FLOW.relative_diffusion(shares[0], shares[1], angle) - rotation)
    assert step @ np.asarray(found) @ step == pytest.approx(float(expected), rel=1e-4)


def test_a_domain_has_no_direction():
    """Its own block is D times the unit matrix, anywhere, and blocks of pairs depend on the distance only."""
    place = directions(6, 3)
    found, shares = covariance(place, np.full(6, 25.0))
    own = 2 * float(FLOW.diffusion(shares[0]) - FLOW.strength[0] * shares[0, 0] ** 2)
    blocks = np.asarray(found).reshape(6, 2, 6, 2)
    for i in range(6):
        np.testing.assert_allclose(blocks[i, :, i, :], own * np.eye(2), rtol=1e-5, atol=1e-5 * own)
    turn = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
    turned, _ = covariance(place @ turn.T, np.full(6, 25.0))
    again = np.asarray(turned).reshape(6, 2, 6, 2)
    for i in range(6):
        for j in range(i):
            singular = [np.linalg.svd(b[i, :, j, :], compute_uv=False) for b in (blocks, again)]
            np.testing.assert_allclose(*singular, rtol=1e-3, atol=1e-6 * own)


@pytest.mark.parametrize("seed", range(4))
def test_the_covariance_is_positive(seed):
    """Of sixteen domains of many sizes, also where they nearly touch; absent ones have the unit matrix."""
    rng = np.random.default_rng(seed)
    radius = rng.uniform(6.0, 40.0, 16)
    place = np.array(directions(16, seed))
    place[1] = place[0] + 0.3 * place[2]
    place /= np.linalg.norm(place, axis=1, keepdims=True)
    found, _ = covariance(jnp.asarray(place), radius)
    assert np.linalg.eigvalsh(np.asarray(found)).min() > 0


def test_mode_one_turns_the_whole_sphere():
    """Alone it leaves all distances between equal domains as they are, however long the step."""
    place, one = directions(5, 7), (1e-24 * FLOW.strength).at[0].set(FLOW.strength[0])
    flow = eqx.tree_at(lambda f: f.strength, FLOW, one)
    shares = flow.cap_shares(jnp.full(5, 30.0))
    moved = flow.displacements(jax.random.key(1), place, shares, jnp.ones(5, bool), 0.5)
    assert float(jnp.abs(moved - place).max()) > 0.1
    np.testing.assert_allclose(angles_between(moved), angles_between(place), atol=1e-6)


def test_displacements_have_the_diffusion():
    """Mean square displacement 4 D dt of one domain, and 2 D_ij dt of the distance of two."""
    angle, dt, number = 0.5, 1e-5, 4000
    place = jnp.array([[0.0, 0.0, 1.0], [np.sin(angle), 0.0, np.cos(angle)]])
    shares = FLOW.cap_shares(jnp.array([30.0, 20.0]))
    move = jax.jit(jax.vmap(lambda key: FLOW.displacements(key, place, shares, jnp.ones(2, bool), dt)))
    moved = np.asarray(move(jax.random.split(jax.random.key(3), number)))
    squared = FLOW.radius**2 * ((moved - place) ** 2).sum(-1).mean(0)
    error = np.sqrt(1 / number)
    np.testing.assert_allclose(squared, 4 * np.asarray(FLOW.diffusion(shares)) * dt, rtol=4 * error)
    between = FLOW.radius * (np.arccos((moved[:, 0] * moved[:, 1]).sum(-1)) - angle)
    relative = float(FLOW.relative_diffusion(shares[0], shares[1], angle))
    assert between.var() == pytest.approx(2 * relative * dt, rel=4 * np.sqrt(2 / number))


@pytest.mark.parametrize("distance", [100.0, 200.0])
def test_a_large_sphere_is_a_plane(distance):
    """D_ij -> kT/(2 pi eta_m) [ln(d/a) - 1/4] without solvents, far from contact and far below R."""
    radius, kT, eta, a = 4000.0, 4.1, 2e-6, 15.0
    flow = Flow.of(
        radius=radius,
        membrane_viscosity=eta,
        cytosol_viscosity=1e-16,
        lumen_viscosity=1e-16,
        thermal_energy=kT,
        modes=2400,
    )
    # On a large sphere P_l'(cos t) is l(l+1) J_1(q d)/(q d) with q = (l + 1/2)/R and d = R t.
    order = np.arange(2, 2401)
    wave = (order + 0.5) / radius
    share = 2 * j1(wave * a) / (wave * a)
    slope = order * (order + 1) * (0.5 - j1(wave * distance) / (wave * distance))
    found = 2 * np.sum(np.asarray(flow.strength)[1:] * share**2 * slope)
    assert found == pytest.approx(kT / (2 * np.pi * eta) * (np.log(distance / a) - 0.25), rel=0.01)
