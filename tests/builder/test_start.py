"""How a membrane begins, the balance of its rates above all, and the one factor of all slow rates."""

from pathlib import Path

import jax
import numpy as np
import pytest

from membrane.builder import build
from membrane.builder.start import balanced_host
from membrane.config import ConfigError, load
from membrane.energy import Cargo, Ceramide, Lipids, Mixture, Oligomers, lo_order
from membrane.energy.ceramide import CYTOSOLIC, LUMINAL
from membrane.energy.wall import measure_wall

DRIVEN = Path(__file__).parents[2] / "configs" / "driven.yaml"
SMALL = [
    "geometry.box_nm=[192, 160]",
    "supply.fusion_diameter_sd_nm=0",
    "budding.law=cap",
    "numerics.precision=float64",
]
KT = 4.2821
LIPIDS = Lipids.from_wall(line_tension=1.0, interface_width=5.0)
ARRIVING = {"phi": -0.4, CYTOSOLIC: 0.004, LUMINAL: 0.002}


def ceramide(made, lost, flip, affinity=0.5):
    return Ceramide(
        thermal_energy=KT,
        patch_area=10.0,
        affinity=affinity,
        synthesis_rate=made,
        saturation=0.2,
        turnover_rate=lost,
        flip_flop_rate=flip,
    )


pytestmark = pytest.mark.fast_compilation


@pytest.mark.parametrize("renewal", [1e-4, 0.02])
@pytest.mark.parametrize(
    ("made", "lost", "flip"), [(0.0, 0.1, 0.0), (1.0, 0.1, 0.03), (5.0, 0.0, 1.0), (0.0, 0.3, 0.5)]
)
def test_ceramide_of_the_host_is_at_balance(renewal, made, lost, flip):
    """The two linear equations solved by hand, with a = k_r + k_d + k_flip and b = w k_s:
    c_cyt = [(k_r s_cyt + b c_sat) a + k_flip k_r s_lum]/[(a + b) a - k_flip^2],
    c_lum = (k_r s_lum + k_flip c_cyt)/a."""
    mixture = Mixture(LIPIDS, ceramide(made, lost, flip), None)
    host = balanced_host(mixture, ARRIVING, renewal)
    a, b = renewal + lost + flip, made * 0.5 * (1 + float(lo_order(host["phi"])))
    came = renewal * ARRIVING[CYTOSOLIC] + 0.2 * b
    cyt = (came * a + flip * renewal * ARRIVING[LUMINAL]) / ((a + b) * a - flip**2)
    assert host[CYTOSOLIC] == pytest.approx(cyt, rel=1e-9)
    assert host[LUMINAL] == pytest.approx((renewal * ARRIVING[LUMINAL] + flip * cyt) / a, rel=1e-9)


@pytest.mark.parametrize("affinity", [0.5, 2.0])
@pytest.mark.parametrize("total", [0.02, 0.08])
def test_host_coexists_with_lo(affinity, total):
    """Host and the Lo beside it have equal chemical potentials of cargo and ceramide (1e-6 kT) and lie on one tangent
    (to the grid of phi). Monomers and n-mers of the host are at equilibrium and add up."""
    oligomers = Oligomers(size=6, bond_energy=4.0, affinity=affinity, dissociation_rate=20.0)
    cargo = Cargo(thermal_energy=KT, site_area=10.0, affinity=0.3, oligomers=oligomers)
    mixture = Mixture(LIPIDS, ceramide(1.0, 0.1, 0.03), cargo)
    arriving = ARRIVING | {"cargo_monomer": 0.5 * total, "cargo_oligomer": 0.5 * total}
    host = balanced_host(mixture, arriving, 0.01)
    assert host["cargo_monomer"] + host["cargo_oligomer"] == pytest.approx(total, rel=1e-9)
    wall = measure_wall(mixture, host | {"phi": -1.25})
    assert host["phi"] == wall.phi_ld
    lo = {"phi": wall.phi_lo} | wall.lo
    with jax.enable_x64(True):
        slope = [jax.grad(mixture.density)({n: np.float64(v) for n, v in side.items()}) for side in (host, lo)]
        energy = [float(mixture.density(side)) for side in (host, lo)]
    for name in mixture.species[1:]:
        assert float(slope[0][name]) == pytest.approx(float(slope[1][name]), abs=1e-6 * KT / 10)
    exchange = sum(float(slope[0][name]) * (lo[name] - host[name]) for name in mixture.species[1:])
    tangent = (energy[1] - energy[0] - exchange) / (lo["phi"] - host["phi"])
    scale = LIPIDS.well * 0.01
    assert float(slope[0]["phi"]) == pytest.approx(tangent, abs=scale)
    assert float(slope[1]["phi"]) == pytest.approx(tangent, abs=scale)


def test_a_host_of_lipids_alone_is_ld():
    assert balanced_host(Mixture(LIPIDS, None, None), {"phi": -0.4}, 0.1) == {"phi": pytest.approx(-1.0, abs=0.004)}


def test_nothing_that_comes_or_goes_has_no_balance():
    with pytest.raises(ValueError, match="nothing brings ceramide and nothing changes it"):
        balanced_host(Mixture(LIPIDS, ceramide(0.0, 0.0, 0.0), None), ARRIVING, 0.0)


def test_starts():
    """steady: the balance of the accelerated rates, which the acceleration leaves as it is; resting: ceramide as in
    arriving membrane; mixed: as given. Membrane that arrives is the same in all."""
    steady = build(load(DRIVEN, SMALL))
    slower = build(load(DRIVEN, [*SMALL, "acceleration=1"]))
    for name, value in steady.model.mean_fields.items():
        assert slower.model.mean_fields[name] == pytest.approx(value, rel=1e-9)
    mixed = ["lipids.mean_order=-0.4", "ceramide.cytosolic_fraction=0.08"]
    given = build(load(DRIVEN, [*SMALL, "start=mixed", *mixed, "supply.ceramide_cytosolic_fraction=0.003"]))
    rested = build(load(DRIVEN, [*SMALL, "start=resting", *mixed, "supply.ceramide_cytosolic_fraction=0.003"]))
    assert given.model.mean_fields[CYTOSOLIC] == 0.08
    assert rested.model.mean_fields == given.model.mean_fields | {CYTOSOLIC: 0.003}
    for physics in (given, rested):
        assert physics.supply.composition == pytest.approx(steady.supply.composition, rel=1e-6)


@pytest.mark.parametrize("factor", [10.0, 400.0])
def test_acceleration_is_a_factor_of_every_slow_rate(factor):
    """Accelerated by a factor is the same as every slow rate multiplied by it and every slow time divided by it. Rates
    of diffusion, of unbinding and of flow stay as they are."""
    aid = "budding.scission_aid={{waiting_time_s: {}, constriction_force_pN: 10}}"
    slow = ["endosome.volume_regulation_time_s=40", aid.format(20)]
    fast = build(load(DRIVEN, [*SMALL, *slow, f"acceleration={factor}"]))
    by_hand = [
        f"endosome.volume_regulation_time_s={40 / factor}",
        aid.format(20 / factor),
        f"supply.fusion_rate_per_s={0.03 * factor}",
        f"ceramide.sphingomyelinase.rate_per_s={factor}",
        f"ceramide.turnover_rate_per_s={0.1 * factor}",
        f"ceramide.flip_flop_rate_per_s={0.03 * factor}",
        "acceleration=1",
    ]
    same = build(load(DRIVEN, [*SMALL, *by_hand]))
    numbers = lambda physics: [leaf for leaf in jax.tree.leaves(physics.model) if isinstance(leaf, float)]
    assert numbers(fast) == pytest.approx(numbers(same), rel=1e-12)
    assert fast.supply.rate_per_s == pytest.approx(same.supply.rate_per_s)
    assert fast.rules.aid_waiting_time == pytest.approx(same.rules.aid_waiting_time)
    assert fast.new_endosome().regulation_time == pytest.approx(same.new_endosome().regulation_time)
    assert (fast.rules.acceleration, same.rules.acceleration) == (factor, 1.0)


def test_a_driven_endosome_is_resumed_to_the_bit_and_its_books_close():
    """Six looks with three vesicles that fuse: cut after three it is the same to the bit. Every balance is rounding;
    nominal time is simulated time multiplied by the acceleration."""
    physics = build(load(DRIVEN, [*SMALL, "acceleration=40000", "output.series_interval_ms=1"]))
    look, go_on = physics.schedule.look_ticks, lambda: False
    through, cut = physics.endosome(0), physics.endosome(0)
    through.advance(6 * look, go_on)
    assert through.tick == 6 * look
    cut.advance(3 * look, go_on)
    again = physics.endosome(0, cut.arrays())
    again.advance(6 * look, go_on)
    expected, found = through.arrays(), again.arrays()
    assert [name for name in expected if found[name].tobytes() != expected[name].tobytes()] == []
    row = dict(zip(through.columns, through.rows[-1], strict=True))
    assert row["fused_area_nm2"] >= 2.99 * np.pi * 60.0**2
    assert row["recycled_area_nm2"] == pytest.approx(row["fused_area_nm2"], rel=1e-12)
    assert row["nominal_time_s"] == pytest.approx(40000 * row["time_s"], rel=1e-12)
    assert [value for name, value in row.items() if name.startswith("balance") and abs(value) > 1e-10] == []


FAULTS = {
    "lipids.mean_order=-0.4": "start: steady finds it from the rates: give null",
    "start=mixed": "lipids.mean_order null: start: mixed begins with it: give a number",
    "supply.recycling=false": "give supply.recycling: true and a supply.fusion_rate_per_s above 0",
    "supply.fusion_rate_per_s=0": "give supply.recycling: true and a supply.fusion_rate_per_s above 0",
    "acceleration=0.5": "acceleration: must be at least 1",
    "start=quench": "start: ",
}


TOO_MUCH = {
    "supply.fusion_diameter_nm=320": "give a wider box, or smaller vesicles",
    "supply.fusion_diameter_sd_nm=40": "give a wider box, or smaller vesicles",
    "supply.fusion_diameter_nm=15 supply.fusion_diameter_sd_nm=3": "vesicles must be larger than 8 nm",
    "supply.fusion_rate_per_s=1000000": "with acceleration 1000 renews",
    "acceleration=1000000": "of the membrane between two looks",
}


@pytest.mark.parametrize(("override", "said"), TOO_MUCH.items())
def test_vesicles_and_their_rate_must_fit_the_plane(override, said):
    with pytest.raises(ValueError, match=said):
        build(load(DRIVEN, override.split()))


@pytest.mark.parametrize(("override", "said"), FAULTS.items())
def test_faults(override, said):
    with pytest.raises(ConfigError) as caught:
        load(DRIVEN, [override])
    assert said in str(caught.value)
