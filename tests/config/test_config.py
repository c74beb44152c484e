"""The configuration of a sheet: every shipped file parses and builds, faults are told in words, numbers survive it."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from membrane.bud.cap import CapLaw
from membrane.bud.exact_law import ExactLaw
from membrane.builder import build
from membrane.builder.endosome import tension_law
from membrane.builder.species import equilibrium_cargo
from membrane.config import ConfigError, SheetConfig, load, parse
from membrane.energy import Cargo, Oligomers
from membrane.energy.cargo import MONOMER, OLIGOMER
from membrane.energy.wall import _common_tangent

SWEEPS = (Path(__file__).parents[2] / "configs").glob("sweep_*.yaml")
RUNS = sorted(set((Path(__file__).parents[2] / "configs").glob("*.yaml")) - set(SWEEPS))
CONFIGS = [path for path in RUNS if isinstance(load(path), SheetConfig)]
CERAMIDE = Path(__file__).parents[2] / "configs" / "ceramide.yaml"


@pytest.fixture(scope="module")
def text():
    return CERAMIDE.read_text()


def edited(text, **changes):
    """The YAML text with top-level or dotted (``a__b``) keys set; the value ... removes one."""
    raw = yaml.safe_load(text)
    for key, value in changes.items():
        *path, last = key.split("__")
        target = raw
        for part in path:
            target = target[part]
        if value is ...:
            del target[last]
        else:
            target[last] = value
    return yaml.safe_dump(raw)


def fault(text, *overrides):
    """The message of the ConfigError that parsing raises."""
    with pytest.raises(ConfigError) as caught:
        parse(text, overrides, source="trial.yaml")
    return str(caught.value)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configuration_parses_and_builds(path):
    """Each file in configs/ is valid, is named after its file, resolves its wall, and builds physics of two phases."""
    config = load(path)
    assert config.name == path.stem
    physics = build(config)
    assert set(physics.model.species) == set(physics.model.mean_fields)
    assert physics.wall.line_tension > 0
    # At a steady start phi is that of Ld.
    order = physics.wall.phi_ld if config.start == "steady" else config.lipids.mean_order
    assert physics.wall.phi_ld <= order < physics.wall.phi_lo
    schedule = physics.schedule
    excess_s = schedule.duration_ticks * schedule.tick_s - config.duration_s
    assert -1e-9 < excess_s < 2**physics.stepper.max_exponent * schedule.tick_s
    assert schedule.checkpoint_ticks % schedule.look_ticks == 0
    for ticks in (schedule.look_ticks, schedule.series_ticks, schedule.frame_ticks, schedule.checkpoint_ticks):
        assert ticks % 2**physics.stepper.max_exponent == 0
    assert physics.supply.composition.shape == (len(physics.model.species),)
    dy, dx = physics.model.grid.spacing
    assert max(dy, dx) <= config.lipids.interface_width_nm


def test_there_are_configurations():
    """The parametrised test above has something to test."""
    assert CERAMIDE in CONFIGS


def test_units_are_converted_once():
    """kBT, uN/m, um^2/s, nPa s m and mPa s arrive as pN nm, pN/nm, nm^2/s, pN s/nm and pN s/nm^2; box (x, y) becomes
    (l_y, l_x)."""
    physics = build(load(CERAMIDE, ["geometry.box_nm=[128,96]", "cargo=null"]))
    model, kT = physics.model, 0.01380649 * 310.15
    assert kT == pytest.approx(4.2821, abs=1e-4)
    assert model.grid.extent == (96.0, 128.0)
    assert model.grid.shape == (24, 32)
    assert model.helfrich.bending_rigidity == pytest.approx(20 * kT)
    assert float(model.helfrich.tension) == pytest.approx(1e-3)
    assert model.diffusion["phi"] == (1e6, 0.3e6)
    assert model.flow.membrane_viscosity == pytest.approx(3e-6)
    assert model.flow.solvent_viscosity == pytest.approx(3e-9)
    assert model.helfrich.coefficients["ceramide_cytosolic"] == pytest.approx(0.185)
    assert model.helfrich.coefficients["ceramide_luminal"] == pytest.approx(-0.185)
    assert physics.rules.bending_rigidity_lo == pytest.approx(40 * kT)
    assert physics.supply.composition == pytest.approx([-1.0, 0.003, 0.003])
    endosome, law = physics.new_endosome(), physics.tension_law
    assert endosome.geometric_area == pytest.approx(96 * 128)
    assert endosome.reserve == pytest.approx(0.31 * 96 * 128)
    assert (law.rest_tension, law.lysis_tension, law.area_modulus) == pytest.approx((1e-3, 7.0, 240.0))
    assert (law.bending_rigidity, law.shortest_length) == pytest.approx((20 * kT, 5.0))
    assert endosome.regulation_time == np.inf


def test_law_and_aid_are_built():
    """`budding.law` chooses the law; a scission aid arrives at gate and rules, without one it never comes."""
    plain = build(load(CERAMIDE, ["budding.law=cap"])).rules
    assert isinstance(plain.law, CapLaw)
    assert plain.aid_waiting_time == np.inf
    aid = ["budding.scission_aid.constriction_force_pN=20", "budding.scission_aid.waiting_time_s=0.5"]
    helped = build(load(CERAMIDE, aid)).rules
    assert isinstance(helped.law, ExactLaw)
    assert helped.law.gate == replace(plain.law.gate, constriction_force=20.0)
    assert (helped.aid_waiting_time, helped.least_diameter) == (0.5, 10.0)


def test_bare_wall_has_the_line_tension_asked_for():
    """Without ceramide and cargo the measured line tension is the configured one, 0.1 %."""
    config = load(CERAMIDE, ["ceramide=null", "cargo=null", "lipids.line_tension_pN=1.7"])
    assert build(config).wall.line_tension == pytest.approx(1.7, rel=1e-3)


@pytest.mark.parametrize(
    "density",
    [lambda phi: phi**2, lambda phi: (phi - 1) ** 2, lambda phi: np.cosh(phi) + phi, lambda phi: phi + np.nan],
    ids=["centre", "edge", "tilted", "overflown"],
)
def test_mixture_without_two_phases_is_refused(density):
    """A convex effective density, or one beyond all numbers, has no common tangent: ValueError in words, where a double
    well gives its two minima."""
    phi = np.linspace(-1.3, 1.3, 801)
    with pytest.raises(ValueError, match="no two coexisting phases"):
        _common_tangent(phi, density(phi))
    left, right, tilt = _common_tangent(phi, 0.25 * (phi**2 - 1) ** 2 + 0.03 * phi)
    assert (phi[left], phi[right], tilt) == pytest.approx((-1, 1, 0.03), abs=4e-3)


def test_too_soft_a_membrane_is_refused():
    """One whose fluctuations would store all of it, before anything runs, by the names of the keys."""
    with pytest.raises(ValueError, match=r"store all membrane.*membrane.bending_rigidity_ld_kBT 0.001"):
        tension_law(load(CERAMIDE, ["membrane.bending_rigidity_ld_kBT=0.001"]), 216.0)


@pytest.mark.parametrize("written", ["1e-3", "1E-3", "1.0e-3", "0.001", "1.e-3", "1000E-6"])
def test_numbers_that_yaml_reads_as_text(text, written):
    """PyYAML reads 1e-3 as a string; it is the number 0.001 here, in the file as in --set. In quotes it is text."""
    plain = text.replace("fusion_rate_per_s: 0.0 ", f"fusion_rate_per_s: {written} ")
    assert plain != text
    assert parse(plain).supply.fusion_rate_per_s == 1e-3
    assert parse(text, [f"supply.fusion_rate_per_s={written}"]).supply.fusion_rate_per_s == 1e-3
    assert "give a number" in fault(text, f"supply.fusion_rate_per_s='{written}'")


BAD = {
    "lysis below rest": (
        {"membrane__tension_uN_per_m": 8000.0},
        "membrane.tension_uN_per_m 8000 must lie below endosome.lysis_tension_mN_per_m 7 (7000 uN/m)",
    ),
    "aid without time": (
        {"budding__scission_aid": {"constriction_force_pN": 20.0}},
        "budding.scission_aid.waiting_time_s: required, but missing",
    ),
    "unknown key": (
        {"lipids__line_tension_pn": 1.0},
        "lipids.line_tension_pn: unknown key; did you mean 'line_tension_pN'?",
    ),
    "unknown section": ({"membrain": {}}, "membrain: unknown key; did you mean 'membrane'?"),
    "nothing near": ({"zzz": 1}, "zzz: unknown key; known here: acceleration, budding, cargo, ceramide"),
    "unknown key of an optional section": (
        {"cargo__oligomers__bond_energy": 3.0},
        "cargo.oligomers.bond_energy: unknown key; did you mean 'bond_energy_kBT'?",
    ),
    "missing": ({"lipids__mean_order": ...}, "lipids.mean_order: required, but missing"),
    "missing section": ({"output": ...}, "output: required, but missing"),
    "negative": (
        {"membrane__tension_uN_per_m": -1.0},
        "membrane.tension_uN_per_m: must be greater than 0 (given: -1.0)",
    ),
    "zero": ({"duration_s": 0}, "duration_s: must be greater than 0 (given: 0)"),
    "wrong type": ({"duration_s": "long"}, "duration_s: give a number (given: 'long')"),
    "NaN": (
        {"lipids__line_tension_pN": float("nan")},
        "lipids.line_tension_pN: give a finite number (given: nan)",
    ),
    "infinity": ({"duration_s": float("inf")}, "duration_s: give a finite number (given: inf)"),
    "nothing": ({"seed": None}, "seed: give a whole number (given: nothing)"),
    "part of an endosome": ({"endosomes": 1.5}, "endosomes: give a whole number (given: 1.5)"),
    "no endosome": ({"endosomes": 0}, "endosomes: must be at least 1 (given: 0)"),
    "negative seed": ({"seed": -1}, "seed: must be at least 0 (given: -1)"),
    "section that is a number": ({"lipids": 3}, "lipids: give a section: keys with their values (given: 3)"),
    "box of three sides": ({"geometry__box_nm": [1, 2, 3]}, "box_nm: give a list of 2 numbers (given: [1, 2, 3])"),
    "leaflet": (
        {"ceramide__sphingomyelinase__leaflet": "outer"},
        "ceramide.sphingomyelinase.leaflet: give 'cytosolic' or 'luminal' (given: 'outer')",
    ),
    "oligomer of one": (
        {"cargo__oligomers__size": 1},
        "cargo.oligomers.size: must be at least 2 (given: 1)",
    ),
    "stiff affinity": (
        {"cargo__oligomers__affinity_lo": 2.5},
        "cargo.oligomers.affinity_lo: must be at most 2 (given: 2.5)",
    ),
    "order": ({"lipids__mean_order": -1}, "lipids.mean_order: must be greater than -1 (given: -1)"),
    "fraction": (
        {"ceramide__cytosolic_fraction": 1.2},
        "ceramide.cytosolic_fraction: must be less than 1 (given: 1.2)",
    ),
    "precision": (
        {"numerics": {"precision": "half"}},
        "numerics.precision: give 'float32' or 'float64' (given: 'half')",
    ),
    "kind": ({"kind": "sheets"}, "kind: did you mean 'sheet'? (given: 'sheets')"),
    "name": ({"name": "a/b"}, "name: a name is made of the letters a to z and A to Z, digits,"),
    "temperature": ({"temperature_C": 300}, "temperature_C: must be at most 100 (given: 300)"),
    "coarse": ({"geometry__spacing_nm": 6.0}, "geometry.spacing_nm 6 does not resolve lipids.interface_width_nm 5"),
    "small box": (
        {"geometry__box_nm": [768.0, 40.0]},
        "geometry.box_nm [768.0, 40.0] must span at least 16 spacings of 4 nm",
    ),
    "tick": ({"numerics": {"max_step_us": 0.5}}, "numerics.max_step_us 0.5 is below numerics.tick_us 1"),
    "box of one side": ({"geometry__box_nm": [1]}, "geometry.box_nm: give a list of 2 numbers (given: [1])"),
    "box of a side": ({"geometry__box_nm": 768.0}, "geometry.box_nm: give a list of 2 numbers (given: 768.0)"),
    "box of no side": ({"geometry__box_nm": None}, "geometry.box_nm: give a list of 2 numbers (given: nothing)"),
    "sides that are no numbers": ({"geometry__box_nm": [768.0, True]}, "box_nm.1: give a number (given: true)"),
    "flag that is a number": ({"numerics": {"thermal_noise": 1}}, "thermal_noise: give true or false (given: 1)"),
    "key of another section": (
        {"line_tension_pN": 1.0},
        "line_tension_pN: unknown key; did you mean 'lipids.line_tension_pN'?",
    ),
    "misspelt key of another section": (
        {"line_tension": 1.0},
        "line_tension: unknown key; did you mean 'lipids.line_tension_pN'?",
    ),
    "key of several sections": (
        {"diffusion_lo_um2_per_s": 1.0},
        "did you mean 'lipids.diffusion_lo_um2_per_s' or 'ceramide.diffusion_lo_um2_per_s' or",
    ),
    "key that is a number": ({"7": 1}, "7: unknown key"),
}


@pytest.mark.parametrize(("changes", "expected"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_named(text, changes, expected):
    """One fault: the message holds the key path, what is wrong and what was given, and counts one."""
    message = fault(edited(text, **changes))
    assert expected in message
    assert message.startswith("trial.yaml: 1 fault\n")
    assert message.count("\n") == 1


def test_all_faults_at_once(text):
    """Five faults in four sections are five lines of one message."""
    message = fault(
        edited(
            text,
            lipids__mean_order=...,
            lipids__linetension=1.0,
            duration_s=-1,
            cargo__oligomers__size=1,
            ceramide__sphingomyelinase__leaflet="both",
        )
    )
    assert message.startswith("trial.yaml: 5 faults\n")
    for key in (
        "lipids.mean_order",
        "lipids.linetension",
        "duration_s",
        "cargo.oligomers.size",
        "sphingomyelinase.leaflet",
    ):
        assert sum(key in line for line in message.splitlines()[1:]) == 1, key


def test_two_inconsistencies_at_once(text):
    """Faults between sections come together too."""
    message = fault(edited(text, geometry__spacing_nm=6.0, numerics={"max_step_us": 0.5}))
    assert message.startswith("trial.yaml: 2 faults\n")
    assert "does not resolve" in message
    assert "is below numerics.tick_us" in message


@pytest.mark.parametrize("key", ["endosomes", "lipids__line_tension_pN", "duration_s"])
def test_yes_is_no_number(text, key):
    """YAML reads yes, on and true as a truth value; where a number is due it is a fault, not 1."""
    assert "number (given: true)" in fault(edited(text, **{key: True}))


def test_a_key_given_twice_is_a_fault(text):
    """Two values for one key: the second must not win in silence."""
    assert "seed" in fault(text + "\nseed: 9\n")


NOT_MAPPINGS = {"": "nothing", "3": "a number", "- a\n- b\n": "a list", "just words": "text", "yes": "true or false"}


@pytest.mark.parametrize(("written", "kind"), NOT_MAPPINGS.items(), ids=NOT_MAPPINGS.values())
def test_not_a_mapping(written, kind):
    """An empty file, a number, a list or a sentence is named as what it is."""
    assert fault(written) == f"trial.yaml: must hold keys with their values, not {kind}"


@pytest.mark.parametrize("written", ["a: [", "\tname: x", "a: b: c", "'"])
def test_not_yaml(written):
    """Broken YAML is one line that names the file and the place."""
    message = fault(written)
    assert message.startswith("trial.yaml: not valid YAML: ")
    assert "line 1" in message
    assert "\n" not in message


def test_file_that_cannot_be_read(tmp_path):
    """A missing file, a folder and a file that is no text: ConfigError with the path and what to give."""
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00\x81")
    for path in (tmp_path / "absent.yaml", tmp_path, binary):
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert str(path) in str(caught.value)
        assert "cannot be read" in str(caught.value)
        assert "configs/ceramide.yaml" in str(caught.value)


def test_overrides(text):
    """--set reaches any depth, makes absent sections and removes by null."""
    config = parse(
        text,
        [
            "lipids.line_tension_pN=1.25",
            "geometry.box_nm=[400, 320]",
            "numerics.precision=float64",
            "cargo.oligomers=null",
            "name=other",
            "seed=5",
        ],
    )
    assert config.lipids.line_tension_pN == 1.25
    assert config.geometry.box_nm == (400.0, 320.0)
    assert config.numerics.precision == "float64"
    assert config.cargo.oligomers is None
    assert (config.name, config.seed) == ("other", 5)
    assert parse(text).lipids.line_tension_pN == 1.0


BAD_OVERRIDES = {
    "lipids.line_tension_pN": "write it as dotted.key=VALUE",
    "=3": "write it as dotted.key=VALUE",
    "": "write it as dotted.key=VALUE",
    "name.x=1": "'name' is a value, not a section that could hold 'x'",
    "lipids.mean_order.deep.er=1": "'mean_order' is a value, not a section that could hold 'er'",
    "name=[a": "'[a' is not a YAML value",
    "lipids.line_tension=2": "lipids.line_tension: unknown key; did you mean 'line_tension_pN'?",
    "lipids.line_tension_pN=": "lipids.line_tension_pN: give a number (given: nothing)",
    "lipids.line_tension_pN=two": "lipids.line_tension_pN: give a number (given: 'two')",
}


@pytest.mark.parametrize(("override", "expected"), BAD_OVERRIDES.items())
def test_bad_override(text, override, expected):
    """Every wrong form of --set is refused in words."""
    assert expected in fault(text, override)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_round_trip(path):
    """to_yaml holds every value, defaults included, and reads back as the same configuration."""
    config = load(path)
    written = config.to_yaml()
    assert parse(written) == config
    assert parse(written).to_yaml() == written
    assert yaml.safe_load(written)["numerics"]["tick_us"] == config.numerics.tick_us
    assert set(yaml.safe_load(written)) == set(SheetConfig.model_fields)


def test_configuration_is_immutable(text):
    """A parsed configuration cannot be changed."""
    config = parse(text)
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3


def make_cargo(size=6, bond_energy=4.0, affinity=0.3, oligomer_affinity=2.0):
    oligomers = Oligomers(size=size, bond_energy=bond_energy, affinity=oligomer_affinity, dissociation_rate=1.0)
    return Cargo(thermal_energy=4.2821, site_area=10.0, affinity=affinity, oligomers=oligomers)


@pytest.mark.parametrize("size", [2, 6, 20, 100])
@pytest.mark.parametrize("bond_energy", [0.0, 4.0, 8.0])
@pytest.mark.parametrize(("total", "order"), [(0.001, -1.0), (0.06, -0.4), (0.3, 0.2), (0.89, 1.0)])
def test_equilibrium_cargo_solves_its_equation(size, bond_energy, total, order):
    """u1 + un = total and un = u1^n exp[(n-1)(1+eps) + (chi_n - n chi_1) p(phi)], p = (3 phi - phi^3)/2, 1e-9."""
    found = equilibrium_cargo(make_cargo(size, bond_energy), total, order)
    u1, un = found[MONOMER], found[OLIGOMER]
    assert u1 + un == pytest.approx(total, rel=1e-12)
    assert 0 < u1 <= total * (1 + 1e-12)
    p = (3 * order - order**3) / 2
    log_un = size * math.log(u1) + (size - 1) * (1 + bond_energy) + (2.0 - size * 0.3) * p
    # A difference of numbers of the order of `total`: absolute.
    assert un == pytest.approx(math.exp(log_un), abs=1e-9 * total)


def test_equilibrium_cargo_is_a_root_of_the_reaction():
    """At equilibrium the reaction of the energy itself stands still, 1e-9 of its one-way rate."""
    import jax

    cargo = make_cargo()
    for order in (-1.0, -0.4, 0.7):
        fields = {"phi": order, **equilibrium_cargo(cargo, 0.06, order)}
        fields = {name: jax.numpy.asarray(value, float) for name, value in fields.items()}
        potentials = jax.grad(cargo.density)(fields)
        rate = float(cargo.reaction(fields, potentials)[OLIGOMER])
        assert abs(rate) < 1e-9 * float(fields[OLIGOMER])


def test_monomers_alone():
    """Without oligomers all cargo is monomer."""
    assert equilibrium_cargo(
        Cargo(thermal_energy=4.2821, site_area=10.0, affinity=0.3, oligomers=None), 0.06, -0.4
    ) == {MONOMER: 0.06}


def test_more_bonds_more_oligomers():
    """The share in n-mers rises from nearly none to nearly all with the bond energy."""
    shares = [
        equilibrium_cargo(make_cargo(bond_energy=eps), 0.06, -0.4)[OLIGOMER] / 0.06 for eps in np.linspace(0, 12, 25)
    ]
    assert np.all(np.diff(shares) > 0)
    assert shares[0] < 0.01
    assert shares[-1] > 0.95
