"""Profiles in thin sections: Wicksell, Bach, Keiding, and random planes."""

from itertools import pairwise

import jax
import numpy as np
import pytest
from scipy.integrate import quad

from membrane.instruments import thin_section as module

pytestmark = pytest.mark.fast_compilation

thin_section, mean_profile = jax.jit(module.thin_section), jax.jit(module.mean_profile)

RATIOS = np.array([0.0, 0.2, 0.5, 1.0, 1.2, 1.4, 2.0])


@pytest.mark.parametrize(
    ("angle", "means"),
    [
        (0.0, [0.785, 0.821, 0.857, 0.893, 0.902, 0.911, 0.928]),
        (41.0, [0.895, 0.917, 0.937, 0.955, 0.959, 0.963, 0.971]),
    ],
)
@pytest.mark.parametrize("diameter", [37.0, 120.0])
def test_mean_profile_by_quadrature(angle, means, diameter):
    """Mean profile over D, to three digits and against the integral over where the plane cuts."""
    lowest = np.cos(np.radians(angle)) / 2
    caps = 2 * lowest, 2 * quad(lambda z: np.sqrt(1 - 4 * z**2), 0, lowest)[0]
    for ratio, expected in zip(RATIOS, means):
        mean = float(mean_profile(diameter, section_nm=ratio * diameter, cap_angle_deg=angle)) / diameter
        assert mean == pytest.approx((ratio + caps[1]) / (ratio + caps[0]), abs=1e-9)
        assert mean == pytest.approx(expected, abs=6e-4)


def test_mean_profile_without_thickness_and_lost_caps():
    np.testing.assert_allclose(
        mean_profile(np.array([20.0, 60.0]), section_nm=0, cap_angle_deg=0), [5 * np.pi, 15 * np.pi]
    )


@pytest.mark.parametrize("section", [0.0, 28.0, 65.0, 130.0])
@pytest.mark.parametrize("angle", [0.0, 23.0, 41.0, 70.0])
def test_random_sections_of_spheres(section, angle):
    """Spheres at random depths, cut by a slab and projected: number and sizes of the profiles that are recognised."""
    diameter, edges = 65.0, np.array([0.0, 11.0, 30.0, 47.0, 58.0, 64.0, 66.0])
    depth, n = 400.0, 400_000
    centre = np.random.default_rng(5).uniform(-depth / 2, depth / 2, n)
    away = np.maximum(np.abs(centre) - section / 2, 0.0)
    profile = 2 * np.sqrt(np.maximum(diameter**2 / 4 - away**2, 0.0))
    recognised = (profile > 0) & (profile >= diameter * np.sin(np.radians(angle)))
    share = np.histogram(profile[recognised], edges)[0] / n
    kernel = np.asarray(thin_section(edges, [diameter], section_nm=section, cap_angle_deg=angle))[:, 0]
    assert np.all(np.abs(share - kernel / depth) <= 5 * np.sqrt((share + 1e-6) / n))


@pytest.mark.parametrize(("section", "angle"), [(0.0, 0.0), (65.0, 0.0), (0.0, 41.0), (65.0, 41.0), (120.0, 20.0)])
def test_number_of_profiles(section, angle):
    """A column sums to T + D cos phi where the bins hold all profiles, whatever the bins are."""
    diameters = np.array([20.0, 50.0, 111.0])
    for edges in (np.linspace(0, 112, 7), np.array([0.0, 20.0, 31.0, 50.0, 79.0, 111.0, 112.0])):
        total = thin_section(edges, diameters, section_nm=section, cap_angle_deg=angle).sum(axis=0)
        np.testing.assert_allclose(total, section + diameters * np.cos(np.radians(angle)), rtol=1e-12)


@pytest.mark.parametrize(("low", "high"), [(20.0, 60.0), (55.0, 60.0)])
def test_wicksell_of_diameters_that_are_evenly_spread(low, high):
    """The closed form of spheres with D even in [low, high]; the package Wicksell 2.1.0 gives it to 1e-8."""
    x = np.arange(0.0, high + 1, 3.0)

    def area(d):
        """int sqrt(D^2 - x^2) dD up to d, for profiles x."""
        root = np.sqrt(np.maximum(d**2 - x**2, 0))
        return np.where(
            d > x, (d * root - x**2 * np.log(np.where(d > x, (d + root) / np.where(x > 0, x, 1), 1))) / 2, 0
        )

    beyond = (area(high) - area(low)) / ((high**2 - low**2) / 2)
    count = 20_000
    diameters = low + (high - low) * (np.arange(count) + 0.5) / count
    seen = np.asarray(thin_section(x, diameters, section_nm=0, cap_angle_deg=0).sum(axis=1)) / diameters.sum()
    np.testing.assert_allclose(seen, -np.diff(beyond), atol=2e-7)


@pytest.mark.parametrize(("section", "angle"), [(0.0, 41.0), (60.0, 41.0), (70.0, 36.0), (60.0, 0.0)])
def test_density_of_keiding(section, angle):
    """The density of Keiding, Jensen and Ranek for a normal distribution of diameters, by quadrature."""
    mean, sd, phi = 46.0, 4.0, np.radians(angle)
    normal = lambda d: np.exp(-(((d - mean) / sd) ** 2) / 2) / (sd * np.sqrt(2 * np.pi))
    far = np.arccosh(1 / np.sin(phi)) if angle else 12.0

    def density(d):
        """With D = d cosh u: [T f(d) + d int f(d cosh u) du]/(T + <D> cos phi)."""
        points = [u for u in np.arccosh(np.maximum(np.array([mean - 3 * sd, mean, mean + 3 * sd]) / d, 1)) if u < far]
        inside = quad(lambda u: normal(d * np.cosh(u)), 0, far, points=points, limit=200)[0]
        return (section * normal(d) + d * inside) / (section + mean * np.cos(phi))

    edges = np.array([20.0, 30.0, 37.0, 43.0, 48.0, 53.0, 60.0])
    expected = [quad(density, low, high, epsrel=1e-8)[0] for low, high in pairwise(edges)]
    # The edges lie halfway between two diameters.
    spacing = 12 * sd / 24_000
    diameters = mean - 6 * sd + spacing * (np.arange(24_000) + 0.5)
    weights = normal(diameters) * spacing
    seen = thin_section(edges, diameters, section_nm=section, cap_angle_deg=angle) @ weights
    np.testing.assert_allclose(seen / (section + mean * np.cos(phi)), expected, atol=2e-6)


def test_spleen_of_wicksell():
    """Wicksell's follicles of the spleen (1925), as kept in NM_Keiding_1972.ipf of SilverLabUCL/NeuroMatic, in mm at 18
    times the size. His distribution of spheres, seen by our kernel, gives his counts of profiles in the classes that
    he had not to fill in. That the classes of both lists begin at zero is inferred."""
    profiles = np.array([0, 0, 52, 146, 197, 210, 184, 143, 95, 57, 31, 15, 7, 4, 2, 1])
    spheres = np.array([5, 14, 38, 72, 151, 194, 172, 143, 96, 57, 31, 15, 6, 3, 2, 1])
    edges = np.arange(17.0)
    seen = np.asarray(thin_section(edges, edges[:-1] + 0.5, section_nm=0.0, cap_angle_deg=0.0)) @ spheres
    known = slice(5, 10)
    shares = seen[known] / seen[known].sum()
    np.testing.assert_allclose(shares, profiles[known] / profiles[known].sum(), rtol=0.03)
