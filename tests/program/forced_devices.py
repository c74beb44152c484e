"""A box cut over devices, on CPU devices that XLA_FLAGS has to ask for before jax starts: run by test_devices.py.

Nothing here can be equal to the bit. Sums over the box are added slab by slab, and a transform in x and y, then z is
another arrangement of the same sums as one in all three; what follows differs by rounding, 1e-16 a step.
"""

import itertools
import re
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import test_vesicle_run
from jax.sharding import NamedSharding
from test_vesicle_run import CONFIG, everything, interrupt_after, start, with_an_ilv

from membrane.builder import vesicle as build_vesicle
from membrane.energy import Cargo, Ceramide, Lipids, Oligomers
from membrane.energy.cargo import OLIGOMER
from membrane.energy.ceramide import CYTOSOLIC, LUMINAL
from membrane.lattice import fft, slabs
from membrane.lattice.grid import Grid
from membrane.program import launch
from membrane.vesicle import Membrane, Relaxation, Transport, VesicleState, initial, surface
from membrane.vesicle.evolve import transported

SHAPES = [(12, 24, 15), (36, 12, 10)]
LD, LO = (0.05, 0.04, 0.03, 0.01), (0.2, 0.06, 0.06, 0.3)
"""What lies on the membrane beside phi, in Ld and in Lo."""


def _axes(array):
    """Axes of an array that are cut."""
    return [i for i, name in enumerate(array.sharding.spec) if name is not None]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("devices", [2, 3, 4])
def test_transforms(shape, devices):
    """Equal to numpy's in both directions, also in a batch; fields are cut along z, transforms along y."""
    grid = Grid(shape, (1.0, 2.0, 3.0), "float64", devices)
    fields = np.random.default_rng(1).standard_normal((2, *shape))
    expected = np.fft.rfftn(fields, axes=(1, 2, 3))
    for given, wanted in ((fields, expected), (fields[0], expected[0])):
        hat = fft.forward(slabs.placed(jnp.asarray(given), grid), 3, devices)
        back = fft.inverse(hat, shape, devices)
        assert np.allclose(hat, wanted, rtol=0, atol=1e-14 * np.abs(wanted).max())
        assert np.allclose(back, given, rtol=0, atol=1e-14)
        assert (_axes(back), _axes(hat)) == ([given.ndim - 3], [given.ndim - 2])


def test_derivative_of_a_transform():
    """Reverse mode goes through the exchange: the gradient of sum |f_k|^2 over what is stored of it."""
    psi = jnp.asarray(np.random.default_rng(2).standard_normal(SHAPES[0]))
    slopes = [jax.grad(lambda f, n=n: jnp.sum(jnp.abs(fft.forward(f, 3, n)) ** 2))(psi) for n in (1, 3)]
    assert np.allclose(*slopes, rtol=1e-12, atol=1e-9)


def case(devices, shape, vesicles=1, **others):
    """Membrane, and a state of ``vesicles`` on ``devices``."""
    grid = Grid(shape, tuple(3.5 * n for n in shape), "float64", devices)
    lipids = Lipids.from_wall(line_tension=5.0, interface_width=4.5)
    coefficients = {CYTOSOLIC: 0.03, LUMINAL: -0.03} | ({OLIGOMER: 0.01} if "cargo" in others else {})
    membrane = Membrane(
        grid,
        interface_width=4.5,
        bending_rigidity=(85.6, 120.0),
        spontaneous_curvature=(0.0, 0.02),
        lipids=lipids,
        area_modulus=240.0,
        coefficients=coefficients,
        **others,
    )
    radius = 0.32 * min(grid.extent)
    psi = initial.profile(initial.sphere(grid, radius), 4.5, grid)
    phi = initial.profile(initial.cap(grid, radius, 1.2 * np.pi * radius**2), 4.5, grid)
    mixed = [ld + 0.5 * (lo - ld) * (1 + phi) for ld, lo in zip(LD, LO, strict=True)]
    fields = jnp.stack([phi, *mixed[: len(membrane.species) - 1]])
    labels = np.broadcast_to(grid.points[0] > 0.5 * grid.extent[0], shape) if vesicles == 2 else None
    return membrane, VesicleState.at_rest(membrane, psi, fields, membrane.conserved(psi, fields, labels, vesicles))


def programs(membrane, state, transport):
    """A step of the shape, four times, and one of transport, compiled for the devices of the state: functions of a
    state that refuse one that lies elsewhere."""
    relaxation, trials, dt = Relaxation(14.0), jnp.asarray(4), jnp.asarray(4e-6)
    relax = type(relaxation).run.lower(relaxation, membrane, state, trials).compile()
    move = transported.lower(membrane, transport, state, dt).compile()
    return relax, move, lambda s: relax(relaxation, membrane, s, trials), lambda s: move(membrane, transport, s, dt)


def assert_equal_to_rounding(found, expected, membrane):
    """Two states, fields where the membrane is: far from it their normals are those of rounding."""
    weight = np.asarray(membrane.weight(surface.derivatives(expected.psi, membrane.grid)))
    for a, b in zip(found.fields, expected.fields, strict=True):
        assert np.sum(weight * np.abs(a - b)) < 1e-10 * np.sum(weight * np.abs(b))
    for name in ("psi", "velocity_hat", "shape_step"):
        a, b = np.asarray(getattr(found, name)), np.asarray(getattr(expected, name))
        assert np.abs(a - b).max() < 1e-10 * np.abs(b).max(), name
    assert np.allclose(found.conserved.content, expected.conserved.content, rtol=1e-12)


def collectives(program):
    """{kind: largest number of entries sent at once} in a compiled program."""
    largest = {}
    kinds = "all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter|collective-broadcast"
    for line in program.as_text().splitlines():
        if match := re.search(rf" = (.*?) ({kinds})(?:-start)?\(", line):
            shapes = [np.prod([int(n) for n in s.split(",") if n]) for s in re.findall(r"\[([\d,]*)\]", match[1])]
            largest[match[2]] = max(largest.get(match[2], 0), *map(int, shapes))
    return largest


@pytest.mark.parametrize(
    ("devices", "shape", "all_species"),
    [
        (2, (24, 26, 27), False),
        pytest.param(3, (24, 30, 27), True, marks=pytest.mark.slow),
        pytest.param(4, (24, 28, 30), False, marks=pytest.mark.slow),
    ],
)
def test_a_round(devices, shape, all_species):
    """The same round on one device and on several; between them go transforms, planes of neighbours and sums, never a
    box; and the programs take the state where they have left it, so that nothing is compiled anew or moved."""
    others = {"ceramide": Ceramide(thermal_energy=4.28, patch_area=10.0, affinity=0.5)}
    vesicles, transport = 1, Transport(1e6)
    if all_species:
        others |= {
            "cargo": Cargo(
                thermal_energy=4.28,
                site_area=10.0,
                affinity=1.0,
                oligomers=Oligomers(size=6, bond_energy=2.0, affinity=3.0, dissociation_rate=1000.0),
            ),
            "gaussian_rigidity": (-50.0, 0.0),
        }
        names = ("phi", CYTOSOLIC, LUMINAL, "cargo_monomer", "cargo_oligomer")
        vesicles, transport = 2, Transport(dict.fromkeys(names, (1e6, 3e5)))
    membrane, state = case(1, shape, vesicles, **others)
    *_, relaxed, moved = programs(membrane, state, transport)
    expected, report = relaxed(state)
    expected = moved(expected)
    assert 0 < int(report.taken)

    cut, state = case(devices, shape, vesicles, **others)
    relax, move, relaxed, moved = programs(cut, state, transport)
    found, said = relaxed(state)
    found = moved(found)
    assert (int(said.taken), float(said.energy)) == (int(report.taken), pytest.approx(float(report.energy), rel=1e-12))
    assert_equal_to_rounding(found, expected, membrane)
    assert (_axes(found.psi), _axes(found.fields), _axes(found.velocity_hat)) == ([0], [1], [1])
    moved(relaxed(found)[0])

    for program in (relax, move):
        sent = collectives(program.compiled)
        assert set(sent) == {"all-to-all", "collective-permute", "all-reduce"}
        assert sent["collective-permute"] == shape[1] * shape[2]
        assert sent["all-reduce"] <= shape[1] * shape[2]


@pytest.fixture(scope="module")
def config(settings_of_main, tmp_path_factory):
    """Path of the tiny configuration; pictures are tested elsewhere."""
    settings_of_main.setattr(launch, "summarise", lambda output, picture: None)
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(CONFIG.replace("shape_steps: 2", "shape_steps: 2, precision: float64"))
    return path


def assert_same_archives(path, reference, rounds):
    """The same events, series and frames to rounding."""
    found, expected = everything(path), everything(reference)
    assert found.keys() == expected.keys()
    assert found["series/time_s"].size == rounds + 1
    for name in expected:
        if name == "events":
            for column in expected[name].dtype.names:
                assert np.allclose(found[name][column], expected[name][column], rtol=1e-7, atol=1e-7, equal_nan=True)
        elif name.startswith(("series/", "frames/psi")):
            scale = np.nanmax(np.abs(expected[name]), initial=1e-30)
            assert np.allclose(found[name], expected[name], rtol=1e-7, atol=1e-7 * scale, equal_nan=True), name
    return expected


@pytest.mark.slow
def test_a_run_may_go_on_with_other_devices(config, tmp_path, monkeypatch):
    """Begun on two devices, stopped, resumed on one: what a run on one device leaves."""
    whole, other = tmp_path / "whole.h5", tmp_path / "other.h5"
    assert start(config, whole) == 0
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3, signal.SIGTERM)
        assert start(config, other, "--set", "numerics.devices=2") == 75
    assert start(config, other, "--resume", "--set", "numerics.devices=1") == 0
    assert_same_archives(other, whole, 4)


@pytest.mark.slow
def test_a_fission_on_several_devices(config, tmp_path, monkeypatch):
    """A vesicle that has parted is found, booked and kept as on one device."""
    monkeypatch.setattr(build_vesicle, "_distance", with_an_ilv(test_vesicle_run.GAP))
    for devices in (1, 4):
        assert start(config, tmp_path / f"{devices}.h5", "--set", f"numerics.devices={devices}") == 0
    events = assert_same_archives(tmp_path / "4.h5", tmp_path / "1.h5", 4)["events"]
    assert len(events) == 1


@pytest.mark.parametrize("devices", [1, 3])
def test_neighbours(devices):
    """What stands beside a point along each axis is the box rolled by one; ghosts have corners, too."""
    grid = Grid((12, 15, 10), (1.0, 2.0, 3.0), "float64", devices)
    field = jnp.arange(1800.0).reshape(grid.shape)
    for axis, side in itertools.product(range(3), (-1, 0, 1)):
        seen = slabs.on_slabs(lambda f: slabs.beside(slabs.ghosted(f, devices), axis, side), devices)  # noqa: B023
        assert np.array_equal(jax.jit(seen)(slabs.placed(field, grid)), jnp.roll(field, -side, axis))
    corner = lambda f: slabs.window(slabs.ghosted(f, devices), (0, 0, 0), f.shape)
    assert np.array_equal(slabs.on_slabs(corner, devices)(field), jnp.roll(field, (1, 1, 1), (0, 1, 2)))


def test_where_things_are_placed():
    """Fields along z, transforms along y, all others whole; several devices are asked for in the grid alone."""
    grid = Grid((12, 24, 15), (1.0, 2.0, 3.0), "float64", 3)
    tree = (jnp.zeros((2, 12, 24, 15)), jnp.zeros((12, 24, 8)), jnp.zeros((2, 3)), jnp.zeros(()))
    cut = slabs.placed(tree, grid)
    assert [_axes(leaf) for leaf in cut] == [[1], [1], [], []]
    assert all(isinstance(leaf.sharding, NamedSharding) and len(leaf.sharding.device_set) == 3 for leaf in cut)
    assert slabs.placed(tree, Grid((12, 24, 15), (1.0, 2.0, 3.0), "float64")) is tree
