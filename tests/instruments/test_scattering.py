"""Light of a thin shell, against integrals over its volume and the laws of small and of homogeneous particles."""

import jax
import numpy as np
import pytest
from scipy.integrate import quad

from membrane.instruments import dls as dls_module
from membrane.instruments import scattering

pytestmark = pytest.mark.fast_compilation

scattered, dls = jax.jit(scattering.scattered), jax.jit(dls_module.dls)

OPTICS = {"shell_nm": 5.0, "lumen_contrast": 0.0, "wavelength_nm": 364.0, "angle_deg": 90.0}


@pytest.mark.parametrize("diameter", [17.0, 60.0, 143.0, 420.0])
@pytest.mark.parametrize(("shell", "contrast"), [(5.0, 0.0), (5.0, 0.15), (11.0, -0.3), (3.0, 1.0)])
@pytest.mark.parametrize(("wavelength", "angle"), [(364.0, 90.0), (300.0, 173.0), (480.0, 12.0)])
def test_the_amplitude_is_an_integral_over_the_volume(diameter, shell, contrast, wavelength, angle):
    """I = [6/pi int contrast(r) sin(qr)/(qr) 4 pi r^2 dr]^2: every part of the vesicle sends its own wave."""
    q = 4 * np.pi / wavelength * np.sin(np.radians(angle) / 2)
    wave = lambda r: 4 * np.pi * r**2 * np.sinc(q * r / np.pi)
    inner = max(diameter / 2 - shell, 0.0)
    amplitude = quad(wave, inner, diameter / 2)[0] + contrast * quad(wave, 0, inner)[0]
    light = scattered(diameter, shell_nm=shell, lumen_contrast=contrast, wavelength_nm=wavelength, angle_deg=angle)
    assert float(light) == pytest.approx((6 / np.pi * amplitude) ** 2, rel=1e-7, abs=1e-6 * diameter**6 * 1e-6)


@pytest.mark.parametrize(
    ("angle", "ratios"),
    [
        (75.0, [0.0254, 0.2500, 3.7747, 8.577, 12.2022]),
        (90.0, [0.0267, 0.2578, 3.5127, 7.1287, 9.1005]),
        (105.0, [0.0281, 0.2659, 3.2585, 5.8412, 6.5620]),
    ],
)
def test_against_the_theory_of_mie(angle, ratios):
    """I(D)/I(70 nm) of a shell of 5 nm and index 1.48 around a lumen of the medium, 1.34, at 488 nm in vacuum, from
    the series of Mie for coated spheres (pymiecs 0.5, |S1|^2): within 5 % up to 150 nm."""
    optics = OPTICS | {"wavelength_nm": 488 / 1.34, "angle_deg": angle}
    light = np.array([float(scattered(d, **optics)) for d in (30.0, 50.0, 100.0, 130.0, 150.0)])
    np.testing.assert_allclose(light / float(scattered(70.0, **optics)), ratios, rtol=0.05)


def test_a_small_homogeneous_sphere_scatters_as_the_sixth_power():
    optics = OPTICS | {"shell_nm": 1e4, "angle_deg": 0.0}
    light = np.array([float(scattered(d, **optics)) for d in (20.0, 60.0, 200.0)])
    np.testing.assert_allclose(light, np.array([20.0, 60.0, 200.0]) ** 6, rtol=1e-12)


def test_a_lumen_of_the_shell_s_index_makes_a_homogeneous_sphere():
    one = OPTICS | {"lumen_contrast": 1.0}
    assert float(scattered(150.0, **one)) == pytest.approx(
        float(scattered(150.0, **OPTICS | {"shell_nm": 80.0})), rel=1e-12
    )


def test_a_small_thin_shell_scatters_as_the_fourth_power():
    """The volume of a thin shell is pi D^2 t, so that I goes as (6 D^2 t)^2."""
    thin = OPTICS | {"shell_nm": 1e-3, "angle_deg": 0.0}
    for diameter in (30.0, 90.0):
        assert float(scattered(diameter, **thin)) == pytest.approx((6 * diameter**2 * 1e-3) ** 2, rel=1e-3)


def test_the_series_near_zero_joins_the_form_factor():
    x = np.array([0.0999999, 0.1000001])
    exact = 3 * (np.sin(x) - x * np.cos(x)) / x**3
    np.testing.assert_allclose(scattering._form(x), exact, rtol=1e-11)
    assert float(scattering._form(np.array(0.0))) == 1.0


@pytest.mark.parametrize("shell", [500.0, 5.0])
def test_dynamic_light_scattering_is_a_weighting(shell):
    """The histogram by intensity is the sum of the light of the vesicles in each bin."""
    diameters, edges = np.array([31.0, 48.0, 77.0, 102.0, 149.0]), np.array([0.0, 40.0, 60.0, 110.0, 200.0])
    optics = {"shell_nm": shell, "angle_deg": 90.0, "laser_nm": 633.0, "refractive_index": 1.34, "lumen_contrast": 0.0}
    kernel = dls(edges, diameters, reference_nm=80.0, layer_nm=0.0, **optics)
    angle = {"shell_nm": shell, "lumen_contrast": 0.0, "wavelength_nm": 633.0 / 1.34, "angle_deg": 90.0}
    light = np.array([float(scattered(d, **angle)) for d in diameters]) / float(scattered(80.0, **angle))
    expected = np.histogram(diameters, edges, weights=light)[0]
    np.testing.assert_allclose(np.asarray(kernel).sum(axis=1), expected, rtol=1e-10)
    # With a layer of 7 nm the vesicle of 48 nm is reported at 62 nm, in the next bin, with the light that it had.
    moved = np.asarray(dls(edges, diameters, reference_nm=80.0, layer_nm=7.0, **optics))
    assert moved[2, 1] == pytest.approx(light[1], rel=1e-10)
