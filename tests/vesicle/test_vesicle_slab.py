"""Two facing membranes: areas and rims of planes, rest, what a configuration may ask for."""

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from membrane.builder import build
from membrane.config import ConfigError, load
from membrane.lattice.grid import Grid
from membrane.vesicle import Relaxation, StokesFlow, VesicleState, describe, initial, surface
from membrane.vesicle.rows import series_row
from membrane.vesicle.topology import find_topology

BUD = Path(__file__).parents[2] / "configs" / "vesicle_bud.yaml"
SLAB = ["geometry.shape={kind: slab, thickness_nm: 90}", "geometry.box_nm=[119,112,180]"]
SLAB += ["membrane.interface_width_nm=7", "composition.cap.closed_diameter_nm=40", "numerics.precision=float64"]
AREA = 2 * 119.0 * 112.0

pytestmark = pytest.mark.fast_compilation


def slab(*overrides):
    """The configuration of SLAB; an override takes the place of the same key there."""
    return load(BUD, list({setting.partition("=")[0]: setting for setting in (*SLAB, *overrides)}.values()))


def started(*overrides):
    """Physics, state and vesicles of a slab."""
    physics = build(slab(*overrides))
    state = physics.initial_state(0)
    return physics, state, describe(physics.membrane, state, find_topology(state.psi, physics.grid, 7.0))


def test_planes_are_one_vesicle_with_their_area_and_rim():
    """Area and volume to 1e-6: a plane has no surplus of a sphere to be taken off. Lo is on one plane only, a disc
    of pi L^2 and what the width of its rim adds, pi^3 xi^2/6. The rim has line tension times length to 1 %. There is
    no reduced volume, for planes are not closed."""
    physics, state, (vesicle,) = started()
    assert vesicle.area == pytest.approx(AREA, rel=1e-6)
    assert vesicle.volume == pytest.approx(AREA / 2 * 90.0, rel=1e-6)
    assert not vesicle.is_ilv
    assert vesicle.lo_area == pytest.approx(np.pi * (40.0**2 + np.pi**2 / 6 * 4.5**2), rel=1e-3)
    near = surface.derivatives(state.psi, physics.grid)
    rim = float(physics.membrane.terms(near, state.fields, state.conserved).lipids)
    assert rim == pytest.approx(5.0 * 2 * np.pi * 40.0, rel=0.01)
    upper = physics.grid.points[0] > 90.0
    lo = (np.asarray(state.phi) > 0) & (np.abs(np.asarray(state.psi)) < 0.5)
    assert lo.any()
    assert not (lo & ~upper).any()
    assert np.isnan(series_row(physics.membrane, state, [vesicle], [])["reduced_volume"])


def test_a_sphere_is_closed_whatever_its_curvature_says():
    """Where an ILV touches another membrane, int K does not give the topology any more. A reduced volume is reported
    all the same."""
    physics, state, (vesicle,) = started(
        "geometry.shape={kind: sphere, diameter_nm: 90}", "geometry.box_nm=[161,161,161]"
    )
    touching = replace(vesicle, is_ilv=True, volume=0.0)
    row = series_row(physics.membrane, state, [vesicle, touching], [])
    assert row["euler_characteristic"] < 3
    assert row["reduced_volume"] == pytest.approx(1.0, rel=5e-3)


@pytest.mark.parametrize(
    ("descent", "step"), [(Relaxation(21.0), 0.1), (StokesFlow(1e-9), 1e-9)], ids=["sobolev", "stokes"]
)
def test_flat_membranes_at_rest_stay(descent, step):
    """One phase, no spontaneous curvature: F is 0 to a hundredth of kT, and 20 steps move no point by 2e-3 nm."""
    physics, state, _ = started("membrane.spontaneous_curvature_lo_per_nm=0")
    membrane = physics.membrane
    phi = -jnp.ones(physics.grid.shape)
    start = VesicleState.at_rest(membrane, state.psi, phi, membrane.conserved(state.psi, phi), step)
    after, report = descent.run(membrane, start, jnp.asarray(20))
    assert abs(float(report.first_energy)) < 0.04
    assert float(report.energy) <= float(report.first_energy) + 1e-9
    near = jnp.abs(start.psi) < 0.7
    assert float(jnp.abs(near * (after.psi - start.psi)).max()) * 2**0.5 * 7.0 < 2e-3


FAULTS = {
    "geometry.shape={kind: slab}": "the slab of kind and thickness_nm do not fit: give thickness_nm",
    "geometry.shape={kind: slab, thickness_nm: 90, diameter_nm: 3}": "diameter_nm do not fit: leave diameter_nm out",
    "geometry.shape={kind: sphere, diameter_nm: 90, thickness_nm: 3}": "leave thickness_nm out",
    "geometry.shape={kind: sphere}": "the sphere of kind and diameter_nm do not fit: give diameter_nm",
    "composition.cap.closed_diameter_nm=60": "must be smaller than the largest disc of the plane of",
}


@pytest.mark.parametrize(("override", "expected"), FAULTS.items())
def test_fault_is_told_with_its_remedy(override, expected):
    """What does not belong to a slab, or to a sphere, and what does not fit."""
    with pytest.raises(ConfigError) as caught:
        slab(override)
    assert expected in str(caught.value)


def test_planes_need_room():
    """Ten interface widths between them, on both sides."""
    with pytest.raises(ValueError, match="leaves less than 70 nm"):
        build(slab("geometry.shape={kind: slab, thickness_nm: 60}"))
    with pytest.raises(ValueError, match="leaves less than 70 nm"):
        build(slab("geometry.box_nm=[119,112,150]"))
    grid = Grid((20, 20, 20), (70.0, 70.0, 70.0))
    with pytest.raises(ValueError, match="does not fit a plane of 70"):
        initial.disc(grid, np.pi * 36.0**2)
