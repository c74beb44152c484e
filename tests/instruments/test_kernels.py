"""Every kernel against the same measurement played with random numbers, and what all kernels have in common."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtri

from membrane.instruments.kernel import seen
from membrane.instruments.nta import detected_by_light
from membrane.instruments.registry import INSTRUMENTS
from membrane.instruments.thickness import mid_plane_diameter, outer_diameter

pytestmark = pytest.mark.fast_compilation

light = jax.jit(detected_by_light)

DIAMETERS_NM = np.array([33.0, 58.0, 77.0, 101.0, 126.0, 187.0])
EDGES = {"nm": np.array([0.0, 21.0, 40.0, 57.0, 66.0, 90.0, 115.0, 140.0, 260.0]), "g/ml": np.linspace(1.0, 1.3, 8)}
ALL_NM = np.geomspace(1e-6, 1e7, 9)
REQUIRED = {
    "negative_stain": {"shrinkage": 0.87},
    "nta_tracks": {"steps": 11.0},
    "isopycnic": {"shell_g_per_ml": 1.17, "lumen_g_per_ml": 1.05},
}
PLAYED = 40_000


def edges_of(name):
    return EDGES[INSTRUMENTS[name].unit]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def normal(rng):
    return rng.standard_normal(PLAYED)


def play_cryo_em(rng, d, error_nm):
    return d + error_nm * normal(rng), True


def play_negative_stain(rng, d, shrinkage, error_nm):
    return shrinkage * d + error_nm * normal(rng), True


def play_light(rng, d, optics):
    """A vesicle is seen if its light, times a lognormal factor, exceeds that of the limit. The share that is detected
    at a spread of one tells the logarithm of the ratio; test_scattering.py has the light itself."""
    one = {**optics, "intensity_spread": 1.0}
    log_ratio = ndtri(float(light(d, **one)))
    return log_ratio + optics["intensity_spread"] * normal(rng) > 0


def play_nta(rng, d, spread_cv, layer_nm, **optics):
    sd = np.sqrt(np.log1p(spread_cv**2))
    return (d + 2 * layer_nm) * np.exp(sd * normal(rng) - sd**2 / 2), play_light(rng, d, optics)


def play_nta_tracks(rng, d, steps, layer_nm, **optics):
    """Steps of a walk in the plane with <x^2> = 1/(d + 2 layer), and the diameter from their mean square."""
    walk = rng.normal(scale=np.sqrt(1 / (d + 2 * layer_nm)), size=(PLAYED, int(steps), 2))
    return 2 / (walk**2).sum(axis=2).mean(axis=1), play_light(rng, d, optics)


def play_pulse(rng, d, limit_low_nm, limit_high_nm, error_cv):
    limit = (limit_low_nm + limit_high_nm) / 2 + (limit_high_nm - limit_low_nm) / 2 * normal(rng)
    return d * (1 + error_cv * normal(rng)), d > limit


def play_isopycnic(rng, d, shell_g_per_ml, lumen_g_per_ml, shell_nm, error_g_per_ml):
    radius = d / 2 * rng.uniform(size=2_000_000) ** (1 / 3)
    shell = np.mean(radius > d / 2 - shell_nm)
    return shell * shell_g_per_ml + (1 - shell) * lumen_g_per_ml + error_g_per_ml * normal(rng), True


@pytest.mark.parametrize(
    ("name", "play", "settings"),
    [
        ("cryo_em", play_cryo_em, {"error_nm": 4.0}),
        ("cryo_em", play_cryo_em, {"error_nm": 15.0}),
        ("negative_stain", play_negative_stain, {"shrinkage": 0.87, "error_nm": 3.0}),
        ("negative_stain", play_negative_stain, {"shrinkage": 1.2, "error_nm": 9.0}),
        ("nta", play_nta, {}),
        ("nta", play_nta, {"spread_cv": 0.3, "layer_nm": 4.0, "limit_nm": 95.0, "intensity_spread": 1.1}),
        ("nta_tracks", play_nta_tracks, {"steps": 5.0}),
        ("nta_tracks", play_nta_tracks, {"steps": 20.0, "layer_nm": 6.0, "limit_nm": 50.0, "laser_nm": 642.0}),
        ("trps", play_pulse, {"error_cv": 0.1}),
        ("trps", play_pulse, {"limit_low_nm": 60.0, "limit_high_nm": 110.0, "error_cv": 0.05}),
        ("mrps", play_pulse, {"error_cv": 0.07}),
        ("isopycnic", play_isopycnic, {"shell_g_per_ml": 1.17, "lumen_g_per_ml": 1.05, "error_g_per_ml": 0.02}),
        ("isopycnic", play_isopycnic, {"shell_g_per_ml": 1.1, "lumen_g_per_ml": 1.15, "shell_nm": 8.0}),
    ],
)
def test_kernel_is_the_measurement_played(rng, name, play, settings):
    """Shares of bins lie within five standard errors of the play, for every diameter."""
    instrument = INSTRUMENTS[name]
    full = instrument.checked(settings)
    kernel = np.asarray(instrument.matrix(edges_of(name), DIAMETERS_NM, **settings))
    for diameter, column in zip(DIAMETERS_NM, kernel.T):
        value, detected = play(rng, diameter, **full)
        drawn = np.histogram(value[np.broadcast_to(detected, value.shape)], edges_of(name))[0] / PLAYED
        assert np.all(np.abs(drawn - column) <= 5 * np.sqrt((column * (1 - column) + 1e-6) / PLAYED)), diameter


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_kernels_have_one_form(name):
    """Shape, no negative entry, and the same under jit and vmap, every diameter by itself."""
    instrument, settings = INSTRUMENTS[name], REQUIRED.get(name, {})
    kernel = instrument.matrix(edges_of(name), DIAMETERS_NM, **settings)
    assert kernel.shape == (len(edges_of(name)) - 1, len(DIAMETERS_NM))
    assert np.all(np.asarray(kernel) >= 0)
    full = instrument.checked(settings)
    column = lambda d: instrument.kernel(edges_of(name), d[None], **full)[:, 0]
    one_by_one = jax.jit(jax.vmap(column))(jnp.array(DIAMETERS_NM))
    np.testing.assert_allclose(one_by_one.T, kernel, rtol=1e-9, atol=1e-12)


SMOOTH = {
    "cryo_em": {"error_nm": 5.0},
    "negative_stain": {"shrinkage": 0.87, "error_nm": 5.0},
    "trps": {"error_cv": 0.1, "limit_low_nm": 90.0},
    "mrps": {"error_cv": 0.1},
    "isopycnic": {"shell_g_per_ml": 1.17, "lumen_g_per_ml": 1.05, "error_g_per_ml": 0.02},
}


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_derivatives(name):
    """jax.grad with respect to each setting and the diameters is what central differences give, and finite where a
    kernel is sharp: without error, with edges on diameters, far below every limit."""
    instrument, edges = INSTRUMENTS[name], jnp.array(edges_of(name))
    scale = jnp.arange(1.0, len(edges)) ** 1.5

    @jax.jit
    def kernel_and_slopes(full, diameters):
        value = lambda full, diameters: scale @ instrument.kernel(edges, diameters, **full).sum(axis=1)
        return jax.value_and_grad(value, (0, 1))(full, diameters)

    full = instrument.checked(SMOOTH.get(name, REQUIRED.get(name, {})))
    difference = lambda high, low, step: (kernel_and_slopes(*high)[0] - kernel_and_slopes(*low)[0]) / (2 * step)
    _, (by_setting, by_diameter) = kernel_and_slopes(full, DIAMETERS_NM)
    for setting, slope in by_setting.items():
        step = 1e-5 * max(abs(full[setting]), 1e-3)
        high, low = (({**full, setting: full[setting] + side * step}, DIAMETERS_NM) for side in (1, -1))
        np.testing.assert_allclose(slope, difference(high, low, step), rtol=2e-4, atol=1e-6, err_msg=setting)
    for place, slope in enumerate(by_diameter):
        step = 1e-4 * np.eye(len(DIAMETERS_NM))[place]
        expected = difference((full, DIAMETERS_NM + step), (full, DIAMETERS_NM - step), 1e-4)
        np.testing.assert_allclose(slope, expected, rtol=2e-4, atol=1e-6)

    sharp = {setting: 0.0 for setting in full if setting.startswith(("error", "spread", "intensity", "cap"))}
    for diameters in ([11.0, 40.0, 57.0, 115.0, 140.0, 2000.0], [12.0, 21.0, 70.0, 123.0, 260.0, 900.0]):
        _, slopes = kernel_and_slopes({**full, **sharp}, np.array(diameters))
        assert all(np.all(np.isfinite(slope)) for slope in jax.tree.leaves(slopes))


@pytest.mark.parametrize("name", ["cryo_em", "negative_stain", "nta", "nta_tracks", "trps", "mrps", "isopycnic"])
def test_what_is_lost_is_the_detection(name):
    """Where the bins hold all values, a column sums to the share that is detected, and to one without a limit."""
    settings = dict(REQUIRED.get(name, {}))
    edges = ALL_NM if INSTRUMENTS[name].unit == "nm" else np.linspace(0.5, 2.0, 8)
    kept = INSTRUMENTS[name].matrix(edges, DIAMETERS_NM, **settings).sum(axis=0)
    assert np.all(np.asarray(kept) <= 1 + 1e-12)
    low = {"limit_nm": 0.0, "limit_low_nm": 1e-6, "limit_high_nm": 2e-6}
    settings |= {setting: value for setting, value in low.items() if setting in INSTRUMENTS[name].settings}
    kept = INSTRUMENTS[name].matrix(edges, DIAMETERS_NM, **settings).sum(axis=0)
    np.testing.assert_allclose(kept, 1, atol=1e-6)


@pytest.mark.parametrize(("name", "low", "high"), [("trps", 118.0, 128.0), ("mrps", 65.0, 75.0)])
def test_limits_of_resistive_pulses(name, low, high):
    """Half is detected in the middle; 16 and 84 % at the ends of the published range."""
    kept = INSTRUMENTS[name].matrix(ALL_NM, [low, (low + high) / 2, high]).sum(axis=0)
    np.testing.assert_allclose(kept, [0.158655, 0.5, 0.841345], atol=1e-6)


@pytest.mark.parametrize(("limit", "spread"), [(70.0, 0.5), (55.0, 1.0), (90.0, 0.2)])
def test_limit_of_light(limit, spread):
    """Half is detected at the limit; the rest is a matter of intensity, which rises about as D^4 for a thin shell."""
    assert float(light(limit, limit_nm=limit, intensity_spread=spread)) == pytest.approx(0.5, abs=1e-12)
    share = np.asarray(light(np.linspace(30, 150, 61), limit_nm=limit, intensity_spread=spread))
    assert np.all(np.diff(share) >= 0)
    assert share[0] < 0.02 < 0.98 < share[-1]
    assert np.all(np.asarray(light(np.array([5.0, 300.0]), limit_nm=0.0)) == 1.0)


def test_large_vesicles_are_not_lost_in_a_minimum_of_their_form_factor():
    """At one angle a shell of 260 nm sends nothing to 90 degrees; the aperture of an objective sees it all the same."""
    assert np.all(np.asarray(light(np.linspace(120, 600, 97))) > 0.95)


def test_seen_is_the_sum_over_diameters():
    kernel = np.random.default_rng(0).uniform(size=(5, 3))
    weights = np.array([3.0, 1.0, 7.0])
    expected = [sum(kernel[k, j] * weights[j] for j in range(3)) for k in range(5)]
    np.testing.assert_allclose(seen(kernel, weights), expected)
    np.testing.assert_allclose(seen(kernel), kernel[:, 0] + kernel[:, 1] + kernel[:, 2])


@pytest.mark.parametrize("thickness", [0.0, 3.7, 5.0])
def test_mid_plane_and_outer_diameter_there_and_back(thickness):
    middle = np.array([20.0, 43.5, 120.0])
    outer = outer_diameter(middle, thickness_nm=thickness)
    np.testing.assert_allclose(np.asarray(outer) - middle, thickness)
    np.testing.assert_allclose(mid_plane_diameter(outer, thickness_nm=thickness), middle)


def test_all_lengths_in_another_unit_give_the_same_kernel():
    """In tenths of a nanometre every number with nm in its name is ten times as large, and the kernel the same."""
    for name, instrument in INSTRUMENTS.items():
        if name == "thin_section" or instrument.unit != "nm":
            continue
        full = instrument.checked(REQUIRED.get(name, {}))
        tenfold = {key: 10 * value if key.endswith("_nm") else value for key, value in full.items()}
        kernel = jax.jit(instrument.kernel)
        there = kernel(EDGES["nm"], DIAMETERS_NM, **full)
        np.testing.assert_allclose(kernel(10 * EDGES["nm"], 10 * DIAMETERS_NM, **tenfold), there, atol=1e-9)
    kernel = INSTRUMENTS["thin_section"].matrix(EDGES["nm"], DIAMETERS_NM, section_nm=60.0)
    tenfold = INSTRUMENTS["thin_section"].matrix(10 * EDGES["nm"], 10 * DIAMETERS_NM, section_nm=600.0)
    np.testing.assert_allclose(tenfold, 10 * kernel, rtol=1e-12)


def test_a_vesicle_without_lumen_has_the_density_of_its_shell():
    densities = {"shell_g_per_ml": 1.17, "lumen_g_per_ml": 1.05}
    kernel = INSTRUMENTS["isopycnic"].matrix([1.0, 1.1699, 1.1701, 1.3], [4.0, 10.0, 10.001], **densities)
    assert np.asarray(kernel).tolist() == [[0.0] * 3, [1.0] * 3, [0.0] * 3]


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("nta", {"limit": 60.0}, "unknown setting limit; known are spread_cv"),
        ("negative_stain", {}, "shrinkage must be given"),
        ("thin_section", {"cap_angle_deg": 95.0}, "cap_angle_deg is 95.0 deg; allowed is 0 to 89 deg"),
        ("thin_section", {"section_nm": float("nan")}, "section_nm is nan nm; allowed is 0 to inf nm"),
        ("isopycnic", {"shell_g_per_ml": 1.1}, "lumen_g_per_ml must be given"),
        ("trps", {"limit_low_nm": 140.0}, "limit_low_nm is 140 nm and limit_high_nm 128 nm; were the two exchanged"),
    ],
)
def test_settings_that_are_refused(name, settings, words):
    with pytest.raises(ValueError, match=words):
        INSTRUMENTS[name].matrix(edges_of(name), DIAMETERS_NM, **settings)


def test_edges_and_diameters_that_are_refused():
    for edges in ([0.0], [0.0, 10.0, 10.0], [0.0, np.inf], [[0.0, 1.0]]):
        with pytest.raises(ValueError, match="rising numbers"):
            INSTRUMENTS["cryo_em"].matrix(edges, DIAMETERS_NM)
    for diameters in ([50.0, np.nan], [0.0], [-3.0], 50.0):
        with pytest.raises(ValueError, match="positive, finite numbers in nm"):
            INSTRUMENTS["cryo_em"].matrix([0.0, 10.0], diameters)


def test_every_setting_is_told():
    """The registry names the settings of the kernel, no more and no fewer, with the same defaults."""
    for name, instrument in INSTRUMENTS.items():
        named = dict(inspect.signature(instrument.kernel).parameters)
        if named.pop("detection", None):
            named |= inspect.signature(detected_by_light).parameters
        defaults = {key: p.default for key, p in named.items() if p.kind is p.KEYWORD_ONLY}
        told = {key: setting.default for key, setting in instrument.settings.items()}
        assert told == {key: None if value is inspect.Parameter.empty else value for key, value in defaults.items()}, (
            name
        )
        for setting in instrument.settings.values():
            assert all((setting.unit, setting.meaning, setting.source))
