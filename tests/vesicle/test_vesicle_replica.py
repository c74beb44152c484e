"""An endosome in three dimensions with all that its configuration may put on the membrane: ceramide, cargo and their
n-mers, diffusion and kappa_G that differ between the phases."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from membrane.builder import build
from membrane.builder import vesicle as build_vesicle
from membrane.config import parse
from membrane.vesicle import initial
from membrane.vesicle.rows import UNITS
from membrane.vesicle.topology import find_topology

CONFIG = """
name: laden
kind: vesicle
endosomes: 1
duration_s: 3.2e-5
geometry:
  box_nm: [128.0, 128.0, 128.0]
  spacing_nm: 4.0
  shape: {kind: sphere, diameter_nm: 80.0}
composition: {cap: {area_nm2: 6000.0}}
lipids:
  line_tension_pN: 1.0
  interface_width_nm: 4.8
  diffusion_ld_um2_per_s: 1.0
  diffusion_lo_um2_per_s: 0.3
  area_per_lipid_ld_nm2: 0.65
  area_per_lipid_lo_nm2: 0.42
membrane:
  interface_width_nm: 4.8
  bending_rigidity_ld_kBT: 10.0
  bending_rigidity_lo_kBT: 12.0
  gaussian_modulus_contrast_kBT: -5.0
  spontaneous_curvature_lo_per_nm: 0.01
ceramide:
  cytosolic_fraction: 0.08
  luminal_fraction: 0.02
  patch_area_nm2: 10.0
  affinity_lo: 0.5
  monolayer_curvature_ceramide_per_nm: -0.3
  monolayer_curvature_sphingomyelin_per_nm: -0.1
  diffusion_ld_um2_per_s: 1.0
  diffusion_lo_um2_per_s: 0.3
  turnover_rate_per_s: 0.0
  flip_flop_rate_per_s: 0.0
cargo:
  fraction: 0.06
  footprint_nm2: 8.0
  affinity_lo: 0.3
  diffusion_ld_um2_per_s: 0.2
  diffusion_lo_um2_per_s: 0.06
  oligomers:
    size: 4
    bond_energy_kBT: 3.0
    affinity_lo: 1.0
    spontaneous_curvature_per_nm: 0.05
    dissociation_rate_per_s: 1000.0
    diffusion_ld_um2_per_s: 0.1
    diffusion_lo_um2_per_s: 0.03
numerics: {shape_steps: 2, precision: float64}
output: {series_interval_ms: 0.008, frame_interval_ms: 0.016, checkpoint_interval_ms: 0.008}
"""
"""A sphere of 80 nm with a cap of Lo on 32^3 points."""

SPECIES = ("ceramide_cytosolic", "ceramide_luminal", "cargo_monomer", "cargo_oligomer")

pytestmark = pytest.mark.fast_compilation


def column(endosome, name):
    """One column of the rows of its series."""
    return np.array(endosome.rows)[:, endosome.columns.index(name)]


def test_the_configuration_arrives():
    """Constants in nm, pN, s: C_i = -+(J_cer - J_SM)/2 and that of n-mers, D in Ld and Lo, a contrast of kappa_G whose
    larger value is 0; monomers and n-mers of the mean order, which add up."""
    physics = build(parse(CONFIG))
    membrane, diffusion = physics.membrane, physics.transport.diffusion
    assert membrane.species == ("phi", *SPECIES)
    bends = {"ceramide_cytosolic": 0.1, "ceramide_luminal": -0.1, "cargo_oligomer": 0.05}
    assert membrane.coefficients == pytest.approx(bends)
    assert diffusion["phi"] == pytest.approx((1e6, 3e5))
    assert diffusion["cargo_oligomer"] == pytest.approx((1e5, 3e4))
    assert membrane.gaussian_rigidity == pytest.approx((0.0, -5 * 4.2821), rel=1e-4)
    fields = membrane.named(physics.initial_state(0).fields)
    even = [float(fields[name][0, 0, 0]) for name in SPECIES]
    assert all(float(jnp.ptp(fields[name])) == 0 for name in SPECIES)
    assert even[:2] == pytest.approx([0.08, 0.02])
    assert sum(even[2:]) == pytest.approx(0.06)
    order = 2 * 6000 / (np.pi * 80**2) - 1
    p = order * (3 - order**2) / 2
    assert even[3] == pytest.approx(even[2] ** 4 * np.exp(3 * (1 + 3.0) + (1.0 - 4 * 0.3) * p))


def test_rounds_keep_what_is_conserved_and_are_resumed_to_the_bit():
    """F falls; each leaflet's ceramide, Lo and all cargo keep their integrals over W, while n-mers form or part; an
    endosome that went through a checkpoint equals the one that did not; every column and field has its unit."""
    physics = build(parse(CONFIG))
    through, cut = physics.endosome(0), physics.endosome(0)
    through.advance(4, lambda: False)
    cut.advance(2, lambda: False)
    again = physics.endosome(0, cut.arrays())
    again.advance(4, lambda: False)
    expected, found = through.arrays(), again.arrays()
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name].tobytes() != expected[name].tobytes()] == []
    assert np.all(np.diff(column(through, "free_energy_pN_nm")) < 0)
    lo, cytosolic, luminal, monomers, oligomers = (column(through, f"{name}_content_nm2") for name in ("lo", *SPECIES))
    for kept in (lo, cytosolic, luminal, monomers + oligomers):
        np.testing.assert_allclose(kept, kept[0], rtol=1e-10)
    assert np.abs(np.diff(oligomers)).min() > 1e-6 * oligomers[0]
    assert set(through.columns) | set(through.fields()) <= set(UNITS)
    assert set(through.fields()) == {"psi", "phi", *SPECIES}


def test_the_row_of_a_fission_says_what_is_on_the_ilv(monkeypatch):
    """An ILV with a composition of its own, even on it: its fractions, copies A u/a_1 and c0 = sum C_i X_i + c0(phi)
    stand in its row exactly, whatever lies on the limiting membrane."""

    def distance(_, grid):
        z, y, x = initial.centred(grid)
        return np.minimum(initial.sphere(grid, 40.0), np.sqrt((z - 10.0) ** 2 + y**2 + x**2) - 16.0)

    monkeypatch.setattr(build_vesicle, "_distance", distance)
    endosome = build(parse(CONFIG)).endosome(0)
    membrane, state = endosome.physics.membrane, endosome.state
    # Those of a look, at which there was one vesicle before.
    topology = find_topology(state.psi, membrane.grid, membrane.interface_width, 1)
    (ilv,) = np.flatnonzero(topology.encloses_lumen < 0)
    on_it = topology.labels == ilv
    own = dict(zip(("phi", *SPECIES), (1.0, 0.3, 0.05, 0.1, 0.2), strict=True))
    fields = [jnp.where(on_it, own[name], field) for name, field in membrane.named(state.fields).items()]
    endosome.state = eqx.tree_at(lambda s: s.fields, state, jnp.stack(fields))
    endosome._look_for_events()
    (row,) = endosome.events
    assert row["lo_fraction"] == pytest.approx(1)
    assert row["ceramide_cytosolic_fraction"] == pytest.approx(0.3)
    assert row["ceramide_luminal_fraction"] == pytest.approx(0.05)
    assert row["cargo_monomer_copies"] == pytest.approx(row["area_nm2"] * 0.1 / 8.0)
    assert row["cargo_oligomer_copies"] == pytest.approx(row["area_nm2"] * 0.2 / 8.0)
    assert row["spontaneous_curvature_per_nm"] == pytest.approx(0.01 + 0.1 * (0.3 - 0.05) + 0.05 * 0.2)
    assert row["area_nm2"] == pytest.approx(4 * np.pi * 16**2, rel=0.1)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_membrane_that_meets_its_image_is_stopped_in_words(axis):
    """Five interface widths are the least along every axis. A membrane that is nearer fails with the axis, the width
    and the key that helps."""
    endosome = build(parse(CONFIG)).endosome(0)
    grid, (z, y, x) = endosome.physics.grid, initial.centred(endosome.physics.grid)
    for half, near in ((51.0, False), (53.0, True)):
        # A rod along the axis, 128 nm less 2 half from its image.
        along, *across = np.roll(np.broadcast_arrays(z, y, x), -axis, 0)
        rod = 20.0 - np.sqrt(np.maximum(np.abs(along) - half + 20.0, 0) ** 2 + across[0] ** 2 + across[1] ** 2)
        endosome.state = eqx.tree_at(lambda s: s.psi, endosome.state, initial.profile(rod, 4.8, grid))
        if near:
            with pytest.raises(ValueError, match=rf"along {'zyx'[axis]} only 2\d(\.\d)? nm .* of geometry.box_nm"):
                endosome._check_room()
        else:
            endosome._check_room()
