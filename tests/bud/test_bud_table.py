"""The table of the bud law against the exact law, at domains and hosts that its builder has not seen."""

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from membrane.bud.landscape import BudAnswer, Gate, Landscape, answer
from membrane.bud.table import Constants, Ranges, exact_answer, table_law
from membrane.bud.table.axes import Axis
from membrane.bud.table.passage import passage
from membrane.bud.table.paths import table_of_paths
from membrane.bud.table.reading import read

pytestmark = pytest.mark.fast_compilation

KT = 4.2821
DRIVEN = Constants(
    line_tension=1.0,
    bending_rigidity=40 * KT,
    host_bending_rigidity=20 * KT,
    gate=Gate(neck_radius=5.0, thermal_energy=KT, constriction_force=20.0),
    membrane_viscosity=3e-6,
    solvent_viscosity=3e-9,
)
NARROW = Ranges(
    size=(42.0, 54.0),
    curvature_inside=(0.045, 0.052),
    curvature_outside=(0.004, 0.009),
    tension=(1e-3, 1e-3),
    host_radius=(216.6, 216.6),
)
SOFT = dataclasses.replace(DRIVEN, line_tension=0.6, bending_rigidity=25 * KT, host_bending_rigidity=25 * KT)
SOFT_RANGES = Ranges(
    size=(42.0, 54.0),
    curvature_inside=(0.046, 0.050),
    curvature_outside=(-0.001, 0.002),
    tension=(2e-3, 4e-3),
    host_radius=(250.0, 260.0),
)
jitted = eqx.filter_jit(lambda law, *given: law(*given))
BATCH = 100
POINTS = 60

TABLES = [pytest.param(name, marks=pytest.mark.slow) for name in ("driven", "soft")]
only_driven = pytest.mark.parametrize("case", TABLES[:1], indirect=True)


def ask(law, *given, open_bud=False):
    """What a table answers, as NumPy's arrays. The same program serves all questions."""
    given = np.broadcast_arrays(*given, open_bud)
    count = given[0].size
    answers = []
    for at in range(0, count, BATCH):
        part = [v.ravel()[at : at + BATCH] for v in given]
        padded = [np.pad(v, (0, BATCH - v.size), mode="edge") for v in part]
        answers.append(jax.tree.map(lambda v, n=part[0].size: np.asarray(v)[:n], jitted(law, *padded)))
    return jax.tree.map(lambda *v: np.concatenate(v), *answers)


@pytest.fixture(scope="module", params=TABLES)
def case(request, tmp_path_factory):
    """A table with its constants and ranges, and the folder in which it is kept."""
    known, ranges = {"driven": (DRIVEN, NARROW), "soft": (SOFT, SOFT_RANGES)}[request.param]
    folder = tmp_path_factory.mktemp("tables")
    return table_law(known, ranges, points=POINTS, folder=folder), known, ranges, folder


def drawn(ranges, count, seed):
    rng = np.random.default_rng(seed)
    return [rng.uniform(*pair, count) for pair in vars(ranges).values()]


def test_held_out_domains(case):
    """Points of another draw than the certificate's: hills, rates, necks, and whether a domain buds."""
    law, known, ranges, _ = case
    given = drawn(ranges, 60, seed=20261)
    table, exact = ask(law, *given), exact_answer(known, *given)
    assert table.outside.mean() < 0.2
    held = ~table.outside
    low = held & (exact.barrier_kBT < 30)
    # Where the lowest state changes from an open bud to the gate all numbers jump, at a size known within 0.5 %.
    kind = lambda a: np.stack([a.neck_closed, np.isnan(a.neck_radius_nm)])
    jumps = low & (kind(table) != kind(exact)).any(0)
    assert jumps.sum() <= 2
    sides = [
        kind(exact_answer(known, share * given[0][jumps], *(v[jumps] for v in given[1:]))) for share in (0.995, 1.005)
    ]
    assert np.any([(kind(table)[:, jumps] == side).all(0) for side in sides], 0).all()
    low &= ~jumps
    assert (low & (exact.barrier_kBT > 0)).sum() > 5
    np.testing.assert_allclose(table.barrier_kBT[low], exact.barrier_kBT[low], atol=0.3)
    np.testing.assert_array_equal(np.isinf(table.barrier_kBT[held]), np.isinf(exact.barrier_kBT[held]))
    np.testing.assert_array_equal(table.direction[held], exact.direction[held])
    np.testing.assert_allclose(table.diameter_nm, exact.diameter_nm, rtol=1e-6)
    fast = low & (exact.rate_per_s > 1e-6)
    np.testing.assert_allclose(np.log(table.rate_per_s[fast] / exact.rate_per_s[fast]), 0, atol=0.4)
    np.testing.assert_allclose(table.passage_variation[fast], exact.passage_variation[fast], atol=0.08)
    open_bud = low & ~exact.neck_closed & ~np.isnan(exact.neck_radius_nm)
    for name in ("scission_rate_per_s", "aided_rate_per_s"):
        told, true = getattr(table, name)[open_bud], getattr(exact, name)[open_bud]
        # Enough of them wait long, but for those that are aided.
        assert name == "aided_rate_per_s" or (1 / true > 1e-3).sum() > 3
        # What takes less than 0.1 ms has next to no hill and is over at once.
        np.testing.assert_allclose(1 / told, 1 / true, rtol=0.4, atol=1e-4)


def test_threshold_sizes(case):
    """The size at which the barrier vanishes and that at which a domain leaves within a second, by bisection."""
    law, known, ranges, _ = case
    middle = [np.mean(pair) for pair in vars(ranges).values()][1:]
    for holds in (lambda a: a.barrier_kBT == 0, lambda a: a.rate_per_s >= 1):
        low, high = ranges.size
        for _ in range(9):
            size = 0.5 * (low + high)
            exact = exact_answer(known, np.array([size]), *(np.array([v]) for v in middle))
            low, high = (low, size) if holds(exact)[0] else (size, high)
        sizes = np.linspace(*ranges.size, 1000)
        told = ask(law, sizes, *middle)
        first = int(np.argmax(holds(told) & ~told.outside))
        assert first > 0
        assert not told.outside[: first + 1].any()
        np.testing.assert_allclose(sizes[first], high, rtol=0.005)


@only_driven
def test_jit_vmap_and_precision_change_nothing(case):
    law, _, ranges, _ = case
    given = [v.astype(np.float32) for v in drawn(ranges, BATCH, seed=5)]
    at_once = ask(law, *given)
    assert {v.dtype for v in at_once if np.issubdtype(v.dtype, np.floating)} == {np.dtype("float32")}
    exactly = law.astype(jnp.float64)
    double, mapped = ask(exactly, *given), jax.jit(jax.vmap(lambda *one: exactly(*one)))(*given)
    assert double.rate_per_s.dtype == np.float64
    for name, value in double._asdict().items():
        np.testing.assert_allclose(getattr(mapped, name), value, rtol=1e-8, err_msg=name)
    held = ~at_once.outside
    np.testing.assert_array_equal(double.outside, at_once.outside)
    np.testing.assert_allclose(double.barrier_kBT[held], at_once.barrier_kBT[held], atol=0.02)


def test_what_lies_outside(case):
    law, _, ranges, _ = case
    inside = [np.mean(pair) for pair in vars(ranges).values()]
    inside[0] = ranges.size[1] - 1
    assert not ask(law, *inside).outside
    for place, value in (
        (0, 1.1 * ranges.size[1]),
        (1, 1.2 * inside[1]),
        (2, 0.02),
        (3, 0.02),
        (3, -1e-3),
        (4, 1.3 * inside[4]),
    ):
        moved = list(inside)
        moved[place] = value
        assert ask(law, *moved).outside, place
    # What is below the search limit on either side never buds: no table is needed for that, unless it is an open bud.
    small = [0.5 * ranges.size[0], *inside[1:]]
    answer_of_small = ask(law, *small)
    assert not answer_of_small.outside
    assert np.isinf(answer_of_small.barrier_kBT).all()
    assert answer_of_small.rate_per_s == 0
    assert ask(law, *small, open_bud=True).outside
    # A domain that bends away from the lumen is left to the exact law, if it may bud at all.
    assert ask(law, inside[0], -inside[1], *inside[2:], open_bud=True).outside
    assert "hills below 30 kT agree within" in repr(law)


@only_driven
def test_a_table_is_kept(case, monkeypatch):
    law, known, ranges, folder = case
    monkeypatch.setattr("membrane.bud.table.kept.solve_nodes", lambda *_, **__: pytest.fail("solved again"))
    again = table_law(known, ranges, points=POINTS, folder=folder)
    assert eqx.tree_equal(law, again)
    assert again.certificate == law.certificate
    assert again.certificate.reached
    other = dataclasses.replace(known, line_tension=1.01 * known.line_tension)
    with pytest.raises(pytest.fail.Exception, match="solved again"):
        table_law(other, ranges, folder=folder)


@only_driven
def test_a_table_that_is_not_good_enough_is_refused(case, monkeypatch, tmp_path):
    law, known, ranges, _ = case
    nodes = functools.partial(_nodes_of, law)
    monkeypatch.setattr("membrane.bud.table.kept.solve_nodes", nodes)
    with pytest.raises(ValueError, match=r"not good enough .*narrower ranges"):
        table_law(known, ranges, points=POINTS, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def _nodes_of(law, axes, *_, **__):
    """The nodes of a table, as if every path had been solved with up to 10 kT too much."""
    paths, counts = law.paths, [a.count for a in axes]
    parts = np.split(np.asarray(paths.shares)[:, 0], np.cumsum([len(s) for s in paths.shapes])[:-1], axis=1)
    rows = np.stack([a @ np.asarray(s) for a, s in zip(parts, paths.shapes, strict=True)], 1)
    rows[:, 0] += 10 * KT / law.constants.bending_rigidity * np.sin(rows[:, 2])
    return rows.reshape(*counts, *rows.shape[1:]), np.asarray(paths.whole).reshape(counts) > 0


@pytest.mark.parametrize("counts", [(4, 3, 5, 3), (3, 6, 3, 1)])
def test_interpolation_is_exact_for_the_second_degree(counts):
    rng = np.random.default_rng(3)
    axes = tuple(Axis(start=rng.uniform(-1, 1), spacing=rng.uniform(0.1, 2), count=n) for n in counts)
    matrix, slope, shape = rng.normal(size=(4, 4)), rng.normal(size=4), rng.normal(size=(4, 9))
    value = lambda p: 2 + p @ slope + np.einsum("...i,ij,...j->...", p, matrix, p)
    grid = np.stack(np.meshgrid(*(a.nodes for a in axes), indexing="ij"), -1)
    whole = np.ones(counts, bool)
    table = table_of_paths(axes, value(grid)[..., None, None] * shape, whole)
    places = np.array([[a.nodes[0] + rng.uniform() * (a.nodes[-1] - a.nodes[0]) for a in axes] for _ in range(50)])
    rows, held = table(places)
    assert held.all()
    np.testing.assert_allclose(np.moveaxis(rows, -1, 0), value(places)[:, None, None] * shape, rtol=1e-9, atol=1e-9)
    # A corner without a path spoils the simplices that have it, and no others.
    bad = value(grid)[..., None, None] * shape
    bad[0, 0, 0, 0], whole[0, 0, 0, 0] = np.nan, False
    rows, held = table_of_paths(axes, bad, whole)(places)
    spoiled = np.isnan(rows).any((0, 1))
    near = np.all([(p - a.start) < a.spacing for p, a in zip(places.T, axes, strict=True)], 0)
    np.testing.assert_array_equal(spoiled, near)
    assert not held[spoiled].any()


def _landscapes(count):
    """Random landscapes with none to several wells, and drags that vary tenfold."""
    rng = np.random.default_rng(1)
    x = np.linspace(0, 3.75, 101)
    waves = np.cos((np.arange(6) + 0.5 * rng.random((count, 1)))[..., None] * x)
    heights = rng.normal(size=(count, 6)) * rng.choice([1, 5, 20], size=(count, 1))
    energy = np.einsum("nk,nkx->nx", heights, waves) + rng.uniform(-20, 20, (count, 1)) * x
    angle = np.linspace(0.05, rng.uniform(1.2, 3, count), x.size).T
    drag = np.exp(0.5 * rng.normal(size=(count, 1)) + np.sin(x) - 8)
    return x, energy, np.broadcast_to(50 / np.cosh(x), energy.shape), angle, drag


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_both_readers_read_alike(dtype):
    gate = Gate(neck_radius=4.0, thermal_energy=KT, constriction_force=30.0)
    x, energy, neck, angle, drag = _landscapes(200)
    size = np.full(len(energy), 50.0)
    landscape = Landscape(
        coordinate=x, energy=KT * energy, neck_radius=neck, contact_angle=angle, drag=drag, size=size, direction=size
    )
    expected: BudAnswer = answer(landscape, gate)
    given = [jnp.asarray(v, dtype) for v in (energy, neck, angle, drag / KT)]
    found = jax.jit(jax.vmap(lambda *one: read(jnp.asarray(x, dtype), *one, gate)))(*given)
    kinds = (
        expected.neck_closed.sum(),
        np.isnan(expected.neck_radius_nm).sum(),
        np.isfinite(expected.opening_barrier_kBT).sum(),
    )
    assert min(kinds) > 10
    for name, value in found._asdict().items():
        if not hasattr(expected, name):
            continue
        # The way back begins at the gate. Beyond 60 kT the table does not count what may lie there.
        held = expected.scission_barrier_kBT < 60 if name == "opening_rate_per_s" else np.full(len(energy), True)
        true, told = getattr(expected, name)[held].astype(float), np.asarray(value, float)[held]
        if name.endswith("_per_s"):
            # Rates below 1e-20 /s are only known to be small.
            assert (told[true < 1e-20] < 1e-19).all()
            told, true = told[true >= 1e-20], true[true >= 1e-20]
        if name == "passage_variation":
            told, true = told[expected.rate_per_s > 1e-18], true[expected.rate_per_s > 1e-18]
        np.testing.assert_allclose(told, true, rtol=3e-4, atol=3e-4 if "BT" in name else 0, err_msg=name)


@pytest.mark.parametrize("slope", [0.0, 5.0, -3.0])
def test_a_straight_slope(slope):
    """Mean time from a reflecting wall over a length of 1, D = 1: (e^a - 1 - a)/a^2 for F = a x, 1/2 for a = 0."""
    x = np.linspace(0, 1, 401)
    flat = np.zeros_like(x)
    rate, variation = passage(
        jnp.asarray(slope * x), jnp.asarray(flat), jnp.asarray(np.diff(x)), 0, 0, 400, variation=True
    )
    mean = (np.exp(slope) - 1 - slope) / slope**2 if slope else 0.5
    np.testing.assert_allclose(1 / rate, mean, rtol=1e-4)
    if not slope:
        np.testing.assert_allclose(variation**2, 2 / 3, rtol=1e-3)


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"gaussian_modulus_contrast 10.0 pN nm.*ask the exact law"):
        dataclasses.replace(DRIVEN, gaussian_modulus_contrast=10.0)
    with pytest.raises(ValueError, match=r"line_tension 0.0 must be positive"):
        dataclasses.replace(DRIVEN, line_tension=0.0)
    with pytest.raises(ValueError, match=r"tension 0.002 to 0.001"):
        dataclasses.replace(NARROW, tension=(2e-3, 1e-3))
    with pytest.raises(ValueError, match=r"tension from -0.001 pN/nm: it must not be negative"):
        dataclasses.replace(NARROW, tension=(-1e-3, 1e-3))
    with pytest.raises(ValueError, match=r"host_radius 200 to inf"):
        dataclasses.replace(NARROW, host_radius=(200.0, np.inf))
