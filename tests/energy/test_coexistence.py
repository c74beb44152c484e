"""Coexistence of host and domains, what a disc pays for its curvature, and how its composition fluctuates."""

import doctest
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from membrane.energy import Cargo, Ceramide, Helfrich, Lipids, Mixture, Oligomers, coexistence, disc
from membrane.energy.coexistence import coexist, gibbs_thomson_length
from membrane.energy.disc import disc_edge_share, disc_share
from membrane.energy.fluctuation import covariance, curvature_spread
from membrane.energy.wall import measure_wall

pytestmark = pytest.mark.fast_compilation

KT = 4.2821
CYT, LUM, MONOMER, OLIGOMER = "ceramide_cytosolic", "ceramide_luminal", "cargo_monomer", "cargo_oligomer"
LIPIDS = Lipids.from_wall(line_tension=1.0, interface_width=5.0)


def mixture(ceramide=None, monomer=None, oligomer=None, size=6, bond=4.0):
    """A mixture with the solutes whose affinities for Lo are given, in kT."""
    oligomers = None
    if oligomer is not None:
        oligomers = Oligomers(size=size, bond_energy=bond, affinity=oligomer, dissociation_rate=20.0)
    return Mixture(
        LIPIDS,
        None if ceramide is None else Ceramide(thermal_energy=KT, patch_area=10.0, affinity=ceramide),
        None if monomer is None else Cargo(thermal_energy=KT, site_area=9.0, affinity=monomer, oligomers=oligomers),
    )


HELFRICH = Helfrich(
    bending_rigidity=85.6, tension=0.02, coefficients={CYT: 0.185, LUM: -0.185, OLIGOMER: 0.1}, offset=0.004
)
MEANS = {CYT: 0.06, LUM: 0.015, MONOMER: 0.03, OLIGOMER: 0.02}


def compile_(function):
    """Compiled once for every kind of mixture: all numbers are arguments of the program. It gives arrays of NumPy."""
    program = eqx.filter_jit(function)

    def call(*numbers, **static):
        # By way of NumPy, so that a number of Python and one of NumPy have one type.
        numbers = jax.tree.map(lambda number: jnp.asarray(np.asarray(number)), numbers)
        return jax.tree.map(np.asarray, program(*numbers, **static))

    return call


@compile_
def _solve(mix, means, share, radius, line_tension, start, **static):
    return coexist(mix, means, share, radius=radius, line_tension=line_tension, start=start, **static)


def solve(mix, means, share, *, radius=jnp.inf, line_tension=0.0, start=None, reacting=True, **static):
    """The compiled coexist, without bending."""
    return _solve(mix, means, share, radius, line_tension, start, reacting=reacting, **static)


@compile_
def solve_bent(mix, means, shares, radii, line_tension, helfrich):
    """The compiled coexist with bending, of many shares and radii (cases,)."""
    bent = {"helfrich": helfrich, "line_tension": line_tension}
    return jax.vmap(lambda w, r: coexist(mix, means, w, radius=r, **bent))(shares, radii)


@compile_
def tangent(mix, fields):
    """f and df/dX_i by name, of fields of any shape."""
    f, pull = jax.vjp(mix.density, fields)
    return f, pull(jnp.ones_like(f))[0]


curvature = lambda fields: np.asarray(HELFRICH.spontaneous_curvature(fields))
length_of = compile_(gibbs_thomson_length)
shares_of_disc = compile_(lambda x: (disc_share(x), disc_edge_share(x)))


def means_of(mix):
    """The means of the solutes of a mixture."""
    return {name: MEANS[name] for name in mix.species[1:]}


def means_with(found, share):
    """Means of all fields in two phases."""
    return {name: float((1 - share) * found.host[name] + share * found.domain[name]) for name in found.host}


MIXTURES = [
    mixture(ceramide=0.5),
    mixture(ceramide=1.0),
    pytest.param(mixture(monomer=0.7), marks=pytest.mark.slow),
    mixture(ceramide=0.5, monomer=0.3, oligomer=2.0),
    mixture(ceramide=-0.4, monomer=0.6, oligomer=1.0, bond=4.5),
    pytest.param(mixture(ceramide=0.5, monomer=0.3, oligomer=2.0, size=4, bond=5.0), marks=pytest.mark.slow),
]


def test_lipids_alone():
    """Without solutes the phases lie at -1 and +1, whatever the share."""
    for share in (0.0, 0.2, 0.9):
        found = solve(mixture(), {}, share)
        assert (found.host["phi"], found.domain["phi"]) == pytest.approx((-1, 1), abs=1e-12)


@pytest.mark.parametrize(
    "mix",
    [*MIXTURES[:2], *(pytest.param(mix, marks=pytest.mark.slow) for mix in MIXTURES[3:5]), MIXTURES[2], MIXTURES[5]],
)
@pytest.mark.parametrize("share", [0.03, 0.4])
def test_against_the_wall(mix, share):
    """The wall, which seeks the tangent on a grid of phi, finds the same phases, to the spacing of its grid."""
    found = solve(mix, means_of(mix), share)
    points = 2601
    wall = measure_wall(jax.tree.map(jnp.asarray, mix), means_with(found, share), points)
    assert (wall.phi_ld, wall.phi_lo) == pytest.approx((float(found.host["phi"]), float(found.domain["phi"])), abs=1e-3)
    for phase, other in ((found.host, wall.ld), (found.domain, wall.lo)):
        for name, value in other.items():
            assert float(phase[name]) == pytest.approx(value, rel=2e-3), name


@pytest.mark.parametrize("mix", MIXTURES)
@pytest.mark.parametrize("share", [0.0, 0.03, 0.7])
@pytest.mark.parametrize("reacting", [True, False])
def test_equilibrium(mix, share, reacting):
    """Totals are kept to rounding, and potentials and grand potentials are equal."""
    given = means_of(mix)
    found = solve(mix, given, share, reacting=reacting or not mix.has_oligomers)
    held = means_with(found, share)
    reacting = reacting and mix.has_oligomers
    if reacting:
        assert held[MONOMER] + held[OLIGOMER] == pytest.approx(given[MONOMER] + given[OLIGOMER], rel=1e-13)
        mu = tangent(mix, found.host)[1]
        assert mu[MONOMER] == pytest.approx(float(mu[OLIGOMER]), rel=1e-11)
    for name in set(given) - ({MONOMER, OLIGOMER} if reacting else set()):
        assert held[name] == pytest.approx(given[name], rel=1e-13)
    (f_host, host), (f_domain, domain) = (tangent(mix, phase) for phase in (found.host, found.domain))
    for name in host:
        assert float(host[name]) == pytest.approx(float(domain[name]), abs=1e-12)
    grand = [
        f - sum(mu[name] * phase[name] for name in mu)
        for f, mu, phase in ((f_host, host, found.host), (f_domain, domain, found.domain))
    ]
    assert float(grand[0]) == pytest.approx(float(grand[1]), abs=1e-12)
    assert float(found.residual) < 1e-11
    assert found.domain["phi"] - found.host["phi"] > 1


@pytest.mark.parametrize("affinity", [-0.5, 0.3, 1.0])
@pytest.mark.parametrize("mean", [3e-4, 1e-3])
def test_dilute_partition(affinity, mean):
    """c_in/c_out = exp[2 chi] of a dilute solute, and c_in/(1 - c_in) : c_out/(1 - c_out) between phases at +-1."""
    mix = mixture(ceramide=affinity)
    found = solve(mix, {CYT: mean, LUM: mean}, 0.0)
    assert float(found.host[CYT]) == pytest.approx(mean, rel=1e-12)
    odds = [float(phase[CYT] / (1 - phase[CYT])) for phase in (found.domain, found.host)]
    assert odds[0] / odds[1] == pytest.approx(math.exp(2 * affinity), rel=2e-3)


def test_used_up_solute():
    """Where hardly any n-mer exists, the steps still converge, in the continued logarithm of the free energy."""
    mix = mixture(ceramide=0.5, monomer=0.3, oligomer=2.0)
    found = solve(mix, {CYT: 0.003, LUM: 0.0, MONOMER: 0.004, OLIGOMER: 0.0}, 0.02)
    assert float(found.residual) < 1e-11
    assert abs(float(found.host[OLIGOMER])) < 1e-3


SHARES, RADII = (values.ravel() for values in np.meshgrid([0.0, 0.1], [10.0, 40.0, 1e4]))


def test_bent_domain():
    """With bending the grand-canonical energy of one disc is stationary in its area and its contents."""
    mix = mixture(ceramide=0.5, monomer=0.3, oligomer=2.0)
    tension = 1.1
    found = solve_bent(mix, means_of(mix), SHARES, RADII, tension, HELFRICH)
    assert np.max(found.residual) < 1e-11
    names = mix.species

    def energy(area, contents, fields, f_host, mu):
        """Of a disc with these contents (species,), taken out of a host of these potentials."""
        named = mix.named(contents / area)
        x = jnp.sqrt(area / jnp.pi * HELFRICH.tension / HELFRICH.bending_rigidity)
        contrast = HELFRICH.spontaneous_curvature(named) - HELFRICH.spontaneous_curvature(mix.named(fields))
        bent = mix.density(named) + 0.5 * HELFRICH.bending_rigidity * disc_share(x) * contrast**2
        rim = tension * 2 * jnp.sqrt(jnp.pi * area)
        return area * bent + rim - mu @ contents - area * (f_host - mu @ fields)

    f_host, mu = tangent(mix, found.host)
    host, domain, mu = (np.stack([by_name[name] for name in names], 1) for by_name in (found.host, found.domain, mu))
    areas = np.pi * RADII**2
    slopes = jax.jit(jax.vmap(jax.grad(energy, argnums=(0, 1))))(areas, areas[:, None] * domain, host, f_host, mu)
    assert np.asarray(slopes[0]) == pytest.approx(0, abs=1e-11)
    assert np.asarray(slopes[1]) == pytest.approx(0, abs=1e-11)
    for bent, share, radius in zip(curvature(found.domain) - curvature(found.host), SHARES, RADII, strict=True):
        free = solve(mix, means_of(mix), share, radius=radius, line_tension=tension)
        assert bent < curvature(free.domain) - curvature(free.host)


@pytest.mark.parametrize("width", [3.0, 5.0])
@pytest.mark.parametrize("line_tension", [0.7, 1.0])
def test_gibbs_thomson_of_lipids(width, line_tension):
    """l = (sqrt2/6) xi, and phi of the host of a large domain rises by l/r."""
    mix = Mixture(Lipids.from_wall(line_tension=line_tension, interface_width=width))
    flat = solve(mix, {}, 0.0)
    length = float(length_of(mix, flat, line_tension))
    assert length == pytest.approx(math.sqrt(2) / 6 * width, rel=1e-12)
    for radius in (1e3, 1e4):
        round_ = solve(mix, {}, 0.0, radius=radius, line_tension=line_tension)
        assert radius * float(round_.host["phi"] + 1) == pytest.approx(length, rel=3 * length / radius)


@pytest.mark.parametrize("mix", MIXTURES)
def test_gibbs_thomson_with_solutes(mix):
    """The length is the derivative of the host's phi by 1/r, with its solutes held."""
    flat = solve(mix, means_of(mix), 0.0)
    length = float(length_of(mix, flat, 1.2))
    differences = []
    for radius in (1e4, 2e4):
        found = solve(mix, means_of(mix), 0.0, radius=radius, line_tension=1.2)
        differences.append(radius * float(found.host["phi"] - flat.host["phi"]))
    assert 2 * differences[1] - differences[0] == pytest.approx(length, rel=1e-5)


@pytest.mark.slow
def test_single_precision():
    """In float32 the same, to that precision."""
    mix = mixture(ceramide=0.5, monomer=0.3, oligomer=2.0)
    shares, radii = np.linspace(0.01, 0.3, 6), np.full(6, 25.0)
    numbers = (mix, MEANS, shares, radii, 1.1, HELFRICH)
    many = solve_bent(*numbers)
    single = solve_bent(*jax.tree.map(np.float32, numbers))
    for name in many.host:
        assert single.host[name].dtype == np.float32
        assert single.host[name] == pytest.approx(many.host[name], rel=1e-4)


def test_from_a_solution_nearby():
    """Four steps suffice."""
    mix = mixture(ceramide=0.5, monomer=0.3, oligomer=2.0)
    near, far = ({name: factor * value for name, value in MEANS.items()} for factor in (1, 1.05))
    found = solve(mix, far, 0.1, start=solve(mix, near, 0.1), steps=4)
    assert float(found.residual) < 1e-4
    for name, value in solve(mix, far, 0.1).domain.items():
        assert float(found.domain[name]) == pytest.approx(float(value), rel=1e-8)


def test_disc_share_against_bessel_functions():
    """s and d(a s)/da against SciPy, over sixteen decades; the second is the derivative of the first."""
    x = np.logspace(-8, 8, 97)
    products = [scipy.special.i1e(x) * scipy.special.k1e(x), scipy.special.i0e(x) * x * scipy.special.k1e(x)]
    share, edge = shares_of_disc(np.append(x, np.inf))
    assert share[:-1] == pytest.approx(1 - 2 * products[0], abs=1e-13)
    assert edge[:-1] == pytest.approx(2 - 2 * products[1], abs=1e-13)
    assert share[-1] == pytest.approx(1, abs=1e-11)
    middle = (x > 0.09) & (x < 110)
    derivative = jax.jit(jax.vmap(jax.grad(lambda a: a * disc_share(jnp.sqrt(a)))))(x[middle] ** 2)
    assert np.asarray(derivative) == pytest.approx(edge[:-1][middle], rel=1e-8)


@pytest.mark.parametrize("x", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("rigidity", [40.0, 85.6])
def test_disc_share_against_the_height_of_the_sheet(x, rigidity):
    """The sum over modes of (1/2) stiffness |c0_q|^2 of a disc in a wide periodic plane, its q = 0 put back."""
    helfrich = Helfrich(bending_rigidity=rigidity, tension=0.01, coefficients={})
    k = math.sqrt(helfrich.tension / rigidity)
    side, radius = 25 / k, x / k
    n = np.arange(1001)
    # n and -n give the same.
    times = np.where(n > 0, 2, 1)
    q2 = (2 * np.pi / side) ** 2 * (n[:, None] ** 2 + n[None, :] ** 2)
    q = np.sqrt(np.where(q2 > 0, q2, 1))
    disc_q = np.where(q2 > 0, 2 * np.pi * radius * scipy.special.j1(q * radius) / q, 0)
    energy = 0.5 * times @ (np.asarray(helfrich.stiffness(q2)) * disc_q**2) @ times / side**2
    area = np.pi * radius**2
    energy += 0.5 * rigidity * area**2 / side**2
    assert energy / (0.5 * rigidity * area) == pytest.approx(float(shares_of_disc(x)[0]), rel=1e-5)


covariance_of, spread_of = compile_(covariance), compile_(curvature_spread)


@pytest.mark.parametrize("area", [500.0, 8000.0])
@pytest.mark.parametrize("c", [0.01, 0.15])
def test_fluctuations_of_a_lattice_gas(area, c):
    """c (1-c) a_c/area of each leaflet; of monomers and n-mers the covariance of sites that exclude each other."""
    mix = mixture(ceramide=0.5, monomer=0.3, oligomer=2.0)
    u, un, n = 0.04, 0.3, 6
    # At |phi| = 1 and beyond, phi and the solutes are not coupled.
    named = {"phi": 1.0 + 1e-9, CYT: c, LUM: 0.5 * c, MONOMER: u, OLIGOMER: un}
    found = covariance_of(mix, named, area, KT)
    assert found[1, 1] == pytest.approx(c * (1 - c) * 10.0 / area, rel=1e-9)
    assert found[2, 2] == pytest.approx(0.5 * c * (1 - 0.5 * c) * 10.0 / area, rel=1e-9)
    vacant = 1 - u - un
    matrix = np.array([[1 / u + 1 / vacant, 1 / vacant], [1 / vacant, 1 / (n * un) + 1 / vacant]])
    assert found[3:, 3:] == pytest.approx(np.linalg.inv(matrix) * 9.0 / area, rel=1e-9)
    # phi alone: kT/(2 b a) at its minimum.
    assert found[0, 0] == pytest.approx(KT / (2 * LIPIDS.well * area), rel=1e-6)


def test_spread_of_curvature():
    """sd(c0)^2 = C^2 c (1-c) a_c/a of one solute. Bending of an infinite disc divides it by 1 + kappa C^2/f''."""
    mix, c, area = mixture(ceramide=0.5), 0.15, 6000.0
    named = {"phi": 1.0 + 1e-9, CYT: c, LUM: 0.02}
    for tension in (1e-16, 1e8):
        helfrich = Helfrich(bending_rigidity=90.0, tension=tension, coefficients={CYT: 0.2})
        curvature = KT / (10.0 * c * (1 - c)) + (90.0 * 0.2**2 if tension > 1 else 0)
        expected = 0.2 * math.sqrt(KT / area / curvature)
        assert float(spread_of(mix, named, area, KT, helfrich)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("module", [coexistence, disc], ids=lambda module: module.__name__)
def test_examples(module):
    """The examples of the docstrings give what they say."""
    failed, tried = doctest.testmod(module)
    assert (failed, tried > 0) == (0, True)
