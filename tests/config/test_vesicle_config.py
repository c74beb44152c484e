"""The configuration of a vesicle: shipped files, faults in words, units, and the membrane that a run starts from."""

import math
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import yaml

from membrane.builder import build
from membrane.commands.predict import main as predict
from membrane.config import ConfigError, load, parse
from membrane.vesicle import describe, initial, surface
from membrane.vesicle.topology import find_topology

pytestmark = pytest.mark.fast_compilation

FOLDER = Path(__file__).parents[2] / "configs"
CONFIGS = sorted(FOLDER.glob("vesicle_*.yaml"))
BUD = FOLDER / "vesicle_bud.yaml"
COARSE = ["numerics.precision=float64", "geometry.spacing_nm=4.9", "membrane.interface_width_nm=6"]
COARSE += ["lipids.interface_width_nm=6", "geometry.box_nm=[220,220,220]"]
QUENCH = ["composition.cap=null", "composition.quench.mean_order=-0.4", "composition.quench.noise=0.1"]


def fault(*overrides):
    """The message of the ConfigError of configs/vesicle_bud.yaml with overrides."""
    with pytest.raises(ConfigError) as caught:
        load(BUD, overrides)
    return str(caught.value)


def started(*overrides):
    """Physics, and psi and vesicle at the start of endosome 0."""
    physics = build(load(BUD, [*COARSE, *overrides]))
    state = physics.initial_state(0)
    (vesicle,) = describe(
        physics.membrane, state, find_topology(state.psi, physics.grid, physics.membrane.interface_width)
    )
    return physics, state, vesicle


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configuration_parses_builds_and_comes_back(path):
    """Each file is named after its run, fits its box, starts from one vesicle, and survives YAML with its defaults."""
    config = load(path)
    assert config.name == path.stem
    physics = build(config)
    schedule = physics.schedule
    assert -1e-9 < schedule.duration_ticks * schedule.tick_s - config.duration_s < schedule.tick_s
    assert schedule.series_ticks % schedule.look_ticks == 0
    assert parse(config.to_yaml()) == config
    assert yaml.safe_load(config.to_yaml())["numerics"]["precision"] == "float32"


def test_there_is_a_bud():
    """The parametrised test above has something to test."""
    assert BUD in CONFIGS


FAULTS = {
    "kind=vesicel": "kind: did you mean 'vesicle'?",
    "kind=3": "kind: known here: kinetics, sheet, vesicle",
    "membrane.bending_rigidity_kBT=20": "bending_rigidity_kBT: unknown key; did you mean 'bending_rigidity_l",
    "geometry.shape.diameter=150": "geometry.shape.diameter: unknown key; did you mean 'diameter_nm'?",
    "membrane.interface_width_nm=4": "membrane.interface_width_nm 4 is not resolved: make it at least 1.2 spacings",
    "lipids.interface_width_nm=3": "lipids.interface_width_nm 3 is not resolved: make it at least one spacing, 3.5 nm",
    "membrane.gaussian_modulus_contrast_kBT=-31": "at most 1.5 membrane.bending_rigidity_lo_kBT, 30, in size",
    "ceramide.cytosolic_fraction=0.1": "ceramide.patch_area_nm2: required, but missing",
    "cargo.fracton=0.1": "cargo.fracton: unknown key; did you mean 'fraction'?",
    "composition.cap.area_nm2=5000": "composition.cap: give the size of the cap once",
    "composition.cap.closed_diameter_nm=150": "geometry.shape (geometry.shape.diameter_nm), 70686 nm2",
    "composition.cap=null": "composition: give one of cap, caps and quench",
    "composition.quench.mean_order=0": "composition: give one of cap, caps and quench",
    "composition.caps=[]": "composition.caps: ",
    "composition.caps=[{closed_diameter_nm: 40, polar_deg: 0}]": "composition: give one of cap, caps and quench",
    "geometry.shape.kind=prolate": "give reduced_volume, 0.4 to below 1",
    "geometry.shape.reduced_volume=0.9": "leave reduced_volume out",
    "geometry.box_nm=[30,30,30]": "must span at least 16 spacings",
    "membrane.osmosis.modulus_kPa=0": "membrane.osmosis.modulus_kPa: must be greater than 0",
    "numerics.mobility=stokes": "mobility stokes and viscosity_mPa_s do not fit: give viscosity_mPa_s",
    "numerics.viscosity_mPa_s=1": "mobility sobolev and viscosity_mPa_s do not fit: leave viscosity_mPa_s out",
    "endosomes=true": "endosomes: give a whole number (given: true)",
}


@pytest.mark.parametrize(("override", "expected"), FAULTS.items())
def test_fault_is_told_with_its_remedy(override, expected):
    """What was given, where, and what is allowed."""
    assert expected in fault(override)


def test_rest_is_a_limit_of_relaxation_alone():
    """A shape with a clock has no steps to count; a round that goes on has room to."""
    rest = "numerics.rest_descent_pN_nm=1"
    fluid = ("numerics.mobility=stokes", "numerics.viscosity_mPa_s=1")
    assert "mobility stokes has no rest_descent_pN_nm: leave it out" in fault(rest, *fluid)
    assert "most_shape_steps 200 is below shape_steps 300: give more" in fault(rest, "numerics.shape_steps=300")
    descent = build(load(BUD, [rest, "numerics.most_shape_steps=70"])).descent
    assert (descent.rest, descent.most) == (1.0, 70)


def test_all_faults_at_once():
    """Three wrong values of three sections are told together; the sheet's sections are unknown to a vesicle."""
    said = fault("lipids.line_tension_pN=-1", "membrane.inertia=1", "numerics.inertia=1", "budding.law=exact")
    assert "4 faults" in said
    for words in (
        "lipids.line_tension_pN: ",
        "membrane.inertia: unknown key",
        "numerics.inertia: ",
        "budding: unknown",
    ):
        assert words in said


@pytest.mark.parametrize("kind", ["prolate", "oblate"])
def test_a_cap_on_a_spheroid(kind):
    """It has the area asked for, to 1 % of the membrane's, and lies about +z."""
    shape = [f"geometry.shape.kind={kind}", "geometry.shape.reduced_volume=0.9", "geometry.shape.diameter_nm=100"]
    cap = ["composition.cap.closed_diameter_nm=null", f"composition.cap.area_nm2={0.3 * math.pi * 100**2}"]
    _, state, vesicle = started(*shape, *cap)
    assert vesicle.lo_fraction == pytest.approx(0.3, abs=0.01)
    half = state.phi.shape[0] // 2
    assert float(jnp.mean(state.phi[half:])) > 0 > float(jnp.mean(state.phi[:half])) + 0.9


CAPS = [(35.0, 0.0, 0.0), (42.0, 100.0, 30.0), (36.0, 95.0, -110.0), (34.0, 170.0, 200.0)]
"""L in nm, polar angle and azimuth in degrees."""


def caps_of(*caps) -> list[str]:
    """The overrides for domains (L, polar angle, azimuth)."""
    each = ", ".join(f"{{closed_diameter_nm: {a}, polar_deg: {b}, azimuth_deg: {c}}}" for a, b, c in caps)
    return ["composition.cap=null", f"composition.caps=[{each}]"]


def test_several_caps_have_their_areas_and_places():
    """Each has pi L^2 and what the width of its rim adds (pi^3 xi^2/6, less by cos alpha on a sphere), to 2 %, and its
    mean direction is the one given, to 0.5 degrees."""
    physics, state, vesicle = started(*caps_of(*CAPS))
    z, y, x = initial.centred(physics.grid)
    density = np.asarray(surface.delta(surface.derivatives(state.psi, physics.grid), 6.0)) * physics.grid.cell_volume
    # Steiner: what the profile adds to the area of the sphere.
    density *= math.pi * 150.0**2 / density.sum()
    places = np.stack(np.broadcast_arrays(z, y, x), -1)
    lo = 0.5 * (1 + np.asarray(state.phi)) * density
    way = np.array([
        (math.cos(p), math.sin(p) * math.sin(a), math.sin(p) * math.cos(a))
        for p, a in ((math.radians(polar), math.radians(azimuth)) for _, polar, azimuth in CAPS)
    ])  # fmt: skip
    nearest = np.argmax(places @ way.T - 75.0 * np.cos([2 * math.asin(size / 150.0) for size, _, _ in CAPS]), -1)
    whole = 0.0
    for i, (size, _, _) in enumerate(CAPS):
        own = lo * (nearest == i)
        alpha = 2 * math.asin(size / 150.0)
        added = math.pi**3 * 6.0**2 / 6 * math.cos(alpha)
        assert own.sum() == pytest.approx(math.pi * size**2 + added, rel=0.02)
        whole += math.pi * size**2 + added
        mean = np.tensordot(own, places, 3)
        assert mean @ way[i] / np.linalg.norm(mean) > math.cos(math.radians(0.5))
    assert vesicle.lo_fraction == pytest.approx(whole / (math.pi * 150.0**2), rel=0.01)


def test_one_cap_in_a_list_is_the_cap():
    """The same phi, to rounding."""
    one, other = (started(*overrides)[1].phi for overrides in ((), caps_of((54.0, 0.0, 0.0))))
    assert np.allclose(one, other, rtol=0, atol=2e-6)


def test_caps_that_do_not_fit_are_refused():
    """Domains that overlap or whose walls touch, and the angle that mends it; more area than there is; a spheroid."""
    # Half angles of 2 asin(L/(2 R)): radii along the sphere of 40.9 nm each, and a gap of 18 nm, is 76.2 degrees.
    half = 2 * math.degrees(math.asin(40.0 / 150.0))
    least = 2 * half + math.degrees(18.0 / 75.0)
    load(BUD, caps_of((40.0, 0.0, 0.0), (40.0, least + 0.01, 50.0)))
    for angle in (0.0, half, least - 0.01):
        with pytest.raises(ConfigError, match="domains 1 and 2 overlap or nearly touch"):
            load(BUD, caps_of((40.0, 0.0, 0.0), (40.0, angle, 50.0)))
    with pytest.raises(ConfigError, match="together"):
        load(BUD, caps_of((110.0, 0.0, 0.0), (110.0, 180.0, 0.0)))
    spheroid = ["geometry.shape.kind=prolate", "geometry.shape.reduced_volume=0.9"]
    with pytest.raises(ConfigError, match=r"caps lie on a sphere, but geometry.shape.kind is prolate"):
        load(BUD, [*spheroid, *caps_of((40.0, 0.0, 0.0))])


def test_a_domain_that_is_not_resolved_is_refused():
    """A domain that would close into less than 5.55 eps could not be told apart: the least size and eps are told."""
    build(load(BUD, ["composition.cap.closed_diameter_nm=25.1"]))
    with pytest.raises(ValueError, match=r"vesicle of 24 nm .* below 25 nm .* an interface of at most 4.32 nm"):
        build(load(BUD, ["composition.cap.closed_diameter_nm=24"]))
    with pytest.raises(ValueError, match="vesicle of 20 nm is not resolved"):
        build(load(BUD, caps_of((40.0, 0.0, 0.0), (20.0, 180.0, 0.0))))


def test_a_box_that_is_too_small_is_refused():
    """Ten interface widths must lie between a membrane and its image; the least box is told, long side along z."""
    with pytest.raises(ValueError, match=r"give at least \[195.0, 195.0, 195.0\]"):
        build(load(BUD, ["geometry.box_nm=[190,196,196]"]))
    shape = ["geometry.shape.kind=prolate", "geometry.shape.reduced_volume=0.7"]
    with pytest.raises(ValueError, match=r"the prolate of geometry.shape.* give at least") as caught:
        build(load(BUD, [*QUENCH, *shape]))
    x, y, z = eval(str(caught.value).partition("give at least ")[2])
    assert x == y < 195 < 280 < z


def test_the_bud_law_is_not_asked_about_a_vesicle(capsys):
    """membrane.predict refuses it in words."""
    assert predict([str(BUD)]) == 2
    assert "the kind is vesicle" in capsys.readouterr().err


def test_units_are_converted_once():
    """kBT, mN/m, um^2/s and kPa arrive as pN nm, pN/nm, nm^2/s and pN/nm^2; box (x, y, z) becomes (l_z, l_y, l_x)."""
    physics = build(
        load(BUD, ["geometry.box_nm=[196,198,200]", "membrane.osmosis={modulus_kPa: 5, rest_volume_ratio: 0.9}"])
    )
    membrane = physics.membrane
    assert membrane.grid.extent == (200.0, 198.0, 196.0)
    assert membrane.grid.shape == (57, 57, 56)
    assert membrane.bending_rigidity == pytest.approx((20 * 4.2821, 20 * 4.2821), rel=1e-5)
    assert membrane.spontaneous_curvature == (0.0, 0.08)
    assert membrane.area_modulus == 1000.0
    assert physics.transport.diffusion == {"phi": (1e6, 1e6)}
    modulus, rest = membrane.osmotic
    assert modulus == pytest.approx(5e-3)
    assert rest == pytest.approx(0.9 * math.pi / 6 * 150**3, rel=1e-3)
    assert physics.descent.smoothing_length == pytest.approx(13.5)
    assert (physics.schedule.tick_s, physics.shape_steps) == (pytest.approx(4e-6), 10)
    assert build(load(BUD, ["numerics.smoothing_length_nm=20"])).descent.smoothing_length == 20
    assert physics.descent.profile_mobility == 8
    flow = build(load(BUD, ["numerics={mobility: stokes, viscosity_mPa_s: 0.7, max_courant: 0.2}"])).descent
    assert flow.viscosity == pytest.approx(0.7e-9)
    assert (flow.profile_mobility, flow.courant) == (1.5, 0.2)


def test_the_sphere_and_its_cap():
    """Area, volume and Lo share of what was asked for, to 0.5 %: pi 150^2, pi/6 150^3, (54/150)^2; a cap by area is the
    same."""
    _, state, vesicle = started()
    assert vesicle.diameter == pytest.approx(150, rel=5e-3)
    assert vesicle.diameter_from_volume == pytest.approx(150, rel=5e-3)
    assert vesicle.lo_fraction == pytest.approx((54 / 150) ** 2, rel=2e-2)
    _, other, _ = started("composition.cap.closed_diameter_nm=null", f"composition.cap.area_nm2={math.pi * 54**2}")
    assert np.array_equal(state.phi, other.phi)


@pytest.mark.parametrize(("kind", "ratio"), [("prolate", 1), ("oblate", -1)])
def test_spheroids_have_the_area_and_reduced_volume_asked_for(kind, ratio):
    """To 0.5 %; a prolate is longest along z."""
    shape = [f"geometry.shape.kind={kind}", "geometry.shape.reduced_volume=0.92", "geometry.shape.diameter_nm=110"]
    _, state, vesicle = started(*QUENCH, *shape)
    assert vesicle.diameter == pytest.approx(110, rel=5e-3)
    assert (vesicle.diameter_from_volume / vesicle.diameter) ** 3 == pytest.approx(0.92, rel=5e-3)
    inside = np.asarray(state.psi) > 0
    height, width = inside.any((1, 2)).sum(), inside.any((0, 1)).sum()
    assert ratio * (height - width) > 3


def test_the_quench_is_mixed_noisy_and_reproducible():
    """Mean order on the membrane exact, standard deviation as given, the same for the same seed and endosome only."""
    physics, state, _ = started(*QUENCH)
    weight = physics.membrane.weight(surface.derivatives(state.psi, physics.grid))
    assert float(jnp.sum(weight * state.phi) / jnp.sum(weight)) == pytest.approx(-0.4, abs=1e-9)
    assert float(jnp.std(state.phi)) == pytest.approx(0.1, rel=0.02)
    again = build(load(BUD, [*COARSE, *QUENCH]))
    assert np.array_equal(again.initial_state(0).phi, state.phi)
    assert float(jnp.abs(again.initial_state(1).phi - state.phi).max()) > 0.1
    other = build(load(BUD, [*COARSE, *QUENCH, "seed=2"]))
    assert float(jnp.abs(other.initial_state(0).phi - state.phi).max()) > 0.1
    assert all(jnp.isfinite(part).all() for part in (state.psi, state.fields, state.conserved.content))
