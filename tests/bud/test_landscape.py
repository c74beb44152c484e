"""What is read from an energy landscape: wells, barriers, necks, and first-passage times against exact ones."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import solve_banded

from membrane.bud.landscape import (
    Domain,
    Gate,
    Host,
    Landscape,
    answer,
    bud_direction,
    highest_climb,
    mean_escape_time,
    passage_variation,
)

KT = 4.2821
SIZE = 60.0
X = np.linspace(0, 4, 401)
END = 320
GATE = Gate(neck_radius=SIZE / np.cosh(X[END]), thermal_energy=KT)
"""At a point: a neck of 4.9 nm."""


def landscape(energy, drag=1e-3, x=X, angle=None, size=SIZE):
    """One domain with F(x)/kT given; the neck is the rim, and the contact angle that of a cap unless given."""
    energy = np.atleast_2d(energy) * KT
    angle = 2 * np.arcsin(np.tanh(x)) if angle is None else angle
    neck = size / np.cosh(x)
    drag = drag * np.ones_like(energy)
    return Landscape(
        coordinate=x,
        energy=energy,
        neck_radius=neck[None],
        contact_angle=np.atleast_2d(angle),
        drag=drag,
        size=np.array([size]),
        direction=np.ones(1),
    )


def read(energy, gate=GATE, **options):
    """The answer for one domain as a dictionary of numbers."""
    found = answer(landscape(energy, **options), gate)
    return {name: value[0] for name, value in vars(found).items()}


def escape(energy, start, stop, low=0, drag=1e-3, x=X):
    """Mean first-passage time on the points low..stop by nested quadrature of the piecewise linear F."""
    fine = np.linspace(x[low], x[stop], 40 * (stop - low) + 1)
    f = np.interp(fine, x, energy)
    inner = np.concatenate([[0], np.cumsum(0.5 * np.diff(fine) * (np.exp(-f[1:]) + np.exp(-f[:-1])))])
    outer = np.where(fine >= x[start], drag / KT * np.exp(f) * inner, 0)
    return np.trapezoid(outer, fine)


def parabolic_wells(x, height):
    """Two parabolic wells at -1 and 1 joined smoothly by a parabolic barrier: V'' = 4 height at both, -4 height
    between."""
    inner = height * (1 - 2 * x**2)
    return np.where(np.abs(x) < 0.5, inner, 2 * height * (1 - np.abs(x)) ** 2)


@pytest.mark.parametrize(("height_kT", "accuracy"), [(5.0, 0.05), (6.0, 0.05), (7.0, 0.05), (8.0, 0.05), (15.0, 0.01)])
def test_kramers_rate_is_the_limit_of_high_barriers(height_kT, accuracy):
    """Escape at sqrt(V''_min |V''_max|)/(2 pi gamma) exp(-dV/kT) (Kramers 1940, Physica 7:284), from a well without
    anharmonic terms."""
    drag, height = 0.37, height_kT * KT
    x = np.linspace(-3, 1, 8001)
    start = int(np.argmin(np.abs(x + 1)))
    time = mean_escape_time(x, parabolic_wells(x, height) / KT, np.full_like(x, drag) / KT, start)
    kramers = 4 * height / (2 * np.pi * drag) * np.exp(-height_kT)
    assert 1 / time == pytest.approx(kramers, rel=accuracy)


@pytest.mark.parametrize("height_kT", [0.0, 3.0, 12.0])
def test_escape_time_is_the_double_integral(height_kT):
    """tau = int dq e^(V/kT) int dq e^(-V/kT), dq = sqrt(gamma/kT) dx, for a quartic well with varying drag, against
    adaptive integration, 1e-4."""
    energy = lambda x: height_kT * (x**2 - 1) ** 2
    drag = lambda x: 1 + 0.5 * x**2
    x = np.linspace(-2, 1, 6001)
    start = int(np.argmin(np.abs(x + 1)))

    def slope(at, values):
        length = np.sqrt(drag(at) / KT)
        return [length * np.exp(-energy(at)), length * np.exp(energy(at)) * values[0] * (at >= x[start])]

    first = solve_ivp(slope, (-2, x[start]), [0, 0], rtol=1e-11, atol=1e-14).y[:, -1]
    exact = solve_ivp(slope, (x[start], 1), [first[0], 0], rtol=1e-11, atol=1e-14).y[1, -1]
    time = mean_escape_time(x, energy(x), drag(x) / KT, start)
    assert time == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("length", [1.0, 3.0])
@pytest.mark.parametrize("diffusion", [1.0, 0.2])
def test_moments_of_free_diffusion(length, diffusion):
    """From a reflecting wall T1 = L^2/(2 D) and T2 = 5 L^4/(12 D^2); 1e-5."""
    x = np.linspace(0, length, 1001)
    found = mean_escape_time(x, 0 * x, 1 / diffusion + 0 * x, 0), passage_variation(x, 0 * x, 1 / diffusion + 0 * x, 0)
    assert found[0] == pytest.approx(length**2 / (2 * diffusion), rel=1e-5)
    assert found[0] ** 2 * (1 + found[1] ** 2) == pytest.approx(5 * length**4 / (12 * diffusion**2), rel=1e-5)


@pytest.mark.parametrize("fall_kT", [-12.0, -3.0, 0.5, 4.0, 20.0, 400.0])
def test_moments_on_a_slope(fall_kT):
    """F = -f q from a reflecting wall, in closed form, uphill, too:
    T1 = 1/f - (1 - e)/f^2, variance = (2/f^2) [1/f - 2 (1 - (1 + f) e)/f^2 - (1 - e^2)/(2 f^2)], e = exp(-f); 2e-4."""
    x, f, e = np.linspace(0, 1, 20001), fall_kT, np.exp(-fall_kT)
    mean = 1 / f - (1 - e) / f**2
    variance = 2 / f**2 * (1 / f - 2 * (1 - (1 + f) * e) / f**2 - (1 - e**2) / (2 * f**2))
    assert mean_escape_time(x, -f * x, 1 + 0 * x, 0) == pytest.approx(mean, rel=2e-4)
    assert passage_variation(x, -f * x, 1 + 0 * x, 0) == pytest.approx(np.sqrt(variance) / mean, rel=2e-4)


@pytest.mark.parametrize("height_kT", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_moments_are_those_of_hops(height_kT, share):
    """Both moments against those of hops on a fine grid, which obey T_n = -n G^-1 T_(n-1) with the rates G of the hops;
    a wavy F with varying drag, from several points of departure; 1e-4."""
    x = np.linspace(0, 2, 4001)
    energy, drag = height_kT * np.sin(3 * x) - 2 * x, 1 + 0.5 * x**2
    spacing, half, middle = x[1], 0.5 * np.diff(energy), 0.5 * (drag[1:] + drag[:-1])
    # Drag at the points and between them; the cell of the point at the wall is half as long.
    up = np.exp(-half) / (spacing**2 * np.sqrt(middle * drag[:-1]))
    down = np.exp(half) / (spacing**2 * np.sqrt(middle * drag[1:]))
    up[0] *= 2
    banded = np.zeros((3, len(up)))
    banded[0, 1:], banded[2, :-1], banded[1] = up[:-1], down[:-1], -up - np.append(0, down[:-1])
    first = solve_banded((1, 1), banded, -np.ones(len(up)))
    second = solve_banded((1, 1), banded, -2 * first)
    start = int(share * 4000)
    assert mean_escape_time(x, energy, drag, start) == pytest.approx(first[start], rel=1e-4)
    variation = np.sqrt(second[start] / first[start] ** 2 - 1)
    assert passage_variation(x, energy, drag, start) == pytest.approx(variation, rel=1e-4)


@pytest.mark.parametrize(("height_kT", "least"), [(3.0, 0.9), (8.0, 0.998), (15.0, 1 - 1e-5), (600.0, 1 - 2e-5)])
def test_before_a_high_barrier_the_time_is_exponential(height_kT, least):
    """The variation grows to 1 with the barrier, which may have hundreds of kT; 2e-5 are of the quadrature."""
    x = np.linspace(-3, 1, 8001)
    start = int(np.argmin(np.abs(x + 1)))
    assert least < passage_variation(x, parabolic_wells(x, height_kT), 1 + 0 * x, start) < 1 + 2e-5


def test_escape_time_is_batched():
    """Rows of a batch give what they give alone."""
    x = np.linspace(0, 1, 101) * np.array([1.0, 2.0])[:, None]
    energy, drag = np.sin(3 * x), (1 + x) / KT
    start = np.array([10, 40])
    both = mean_escape_time(x, energy, drag, start)
    alone = [mean_escape_time(x[i], energy[i], drag[i], start[i]) for i in (0, 1)]
    np.testing.assert_allclose(both, alone, rtol=1e-13)
    both = passage_variation(x, energy, drag, start)
    alone = [passage_variation(x[i], energy[i], drag[i], start[i]) for i in (0, 1)]
    np.testing.assert_allclose(both, alone, rtol=1e-13)


def test_fall_to_the_gate():
    """F falls all the way, by 30 kT a unit of x: no barrier, the neck closes by itself, after x_gate gamma/|F'|, the
    time of the drift (1/30 of it more or less for diffusion)."""
    found = read(-30 * X)
    assert found["barrier_kBT"] == 0
    assert found["neck_closed"]
    drift = X[END] * 1e-3 / (30 * KT)
    assert found["rate_per_s"] == pytest.approx(1 / drift, rel=1 / (30 * X[END]) + 1e-3)
    # The variance of a drift v over a length l at diffusion coefficient D is 2 D l/v^3.
    assert found["passage_variation"] == pytest.approx(np.sqrt(2 / (30 * X[END])), rel=0.02)
    assert found["bud_energy_kBT"] == pytest.approx(-30 * X[END])


def test_rise_to_the_gate():
    """F only rises: no bud, and the gate is reached over all of it, at the exact rate."""
    found = read(8 * X)
    assert found["barrier_kBT"] == pytest.approx(8 * X[END])
    assert not found["neck_closed"]
    assert np.isnan(found["neck_radius_nm"])
    assert found["scission_rate_per_s"] == np.inf
    assert found["rate_per_s"] == pytest.approx(1 / escape(8 * X, 0, END), rel=1e-3)


def test_barrier_and_a_neck_that_closes():
    """A well at 0.4, a hill at 1.3, a fall to the gate: barrier and energies are those of F, the rate that of the
    double integral."""
    energy = 9 * np.sin(np.pi * (X - 0.85) / 0.9)
    energy = np.where(X > 1.3, 9 - 20 * (X - 1.3), np.where(X < 0.4, -9, energy))
    found = read(energy)
    assert found["barrier_kBT"] == pytest.approx(18)
    assert found["neck_closed"]
    assert found["neck_radius_nm"] == pytest.approx(SIZE / np.cosh(X[END]))
    first = int(np.argmax(np.diff(energy) > 0))
    assert found["rate_per_s"] == pytest.approx(1 / escape(energy, first, END), rel=2e-3)


def open_bud():
    """Dimple at 0.5, hill of 10 kT at 1.1, open neck at 1.7 (2 kT above the dimple), hill of 6 kT at 2.2, low gate."""
    knots = [0, 0.5, 1.1, 1.7, 2.2, 4.0]
    return np.interp(X, knots, [3.0, 0.0, 10.0, 2.0, 8.0, 5.5])


def test_open_bud():
    """Barriers both ways and to scission are those of F; rates those of the exact integrals with a wall at the gate
    for the way back and at the hill for the way on; the neck is that of the state."""
    energy = open_bud()
    found = read(energy)
    dimple, top, bud = (int(np.argmin(np.abs(X - at))) for at in (0.5, 1.1, 1.7))
    assert not found["neck_closed"]
    assert (found["barrier_kBT"], found["opening_barrier_kBT"]) == pytest.approx((10, 8))
    assert (found["scission_barrier_kBT"], found["bud_energy_kBT"]) == pytest.approx((6, 2))
    assert found["neck_radius_nm"] == pytest.approx(SIZE / np.cosh(1.7))
    assert found["contact_angle_rad"] == pytest.approx(2 * np.arcsin(np.tanh(0.5)))
    assert found["rate_per_s"] == pytest.approx(1 / escape(energy, dimple, bud), rel=1e-3)
    assert found["passage_variation"] == pytest.approx(1, abs=0.01)
    assert found["scission_rate_per_s"] == pytest.approx(1 / escape(energy, bud, END, low=top), rel=1e-3)
    back = escape(energy[::-1], len(X) - 1 - bud, len(X) - 1 - dimple, low=len(X) - 1 - END)
    assert found["opening_rate_per_s"] == pytest.approx(1 / back, rel=1e-3)


def test_highest_climb():
    """The first barrier of the open bud, 10 kT; its last, 6 kT, where that is all there is; 0 on the way down."""
    assert highest_climb(landscape(open_bud()), GATE)[0] == pytest.approx(10)
    assert highest_climb(landscape(np.where(X < 1.1, 10.0, open_bud())), GATE)[0] == pytest.approx(6)
    assert highest_climb(landscape(-X), GATE)[0] == 0


def test_scission_aid_is_a_pull_on_the_neck():
    """The aided rate with force f is the unaided one of F + f r; without force both are one."""
    energy, force = open_bud(), 20.0
    aided = read(energy, replace(GATE, constriction_force=force))
    pulled = energy + force * SIZE / np.cosh(X) / KT
    bud, top = int(np.argmin(np.abs(X - 1.7))), int(np.argmin(np.abs(X - 1.1)))
    assert aided["scission_rate_per_s"] == read(energy)["scission_rate_per_s"]
    assert aided["aided_rate_per_s"] == pytest.approx(1 / escape(pulled, bud, END, low=top), rel=1e-3)
    assert aided["aided_rate_per_s"] > 10 * aided["scission_rate_per_s"]
    assert read(energy)["aided_rate_per_s"] == read(energy)["scission_rate_per_s"]


def test_a_first_minimum_with_a_neck_is_a_bud():
    """Where the first state at rest has a contact angle beyond pi/2 it is a bud from the start: no barrier, no way
    back."""
    energy = np.where(X < 1.5, -20 * X, -30 + 12 * (X - 1.5))
    found = read(energy)
    assert found["barrier_kBT"] == 0
    assert found["neck_radius_nm"] == pytest.approx(SIZE / np.cosh(1.5))
    assert found["opening_rate_per_s"] == 0
    assert found["scission_barrier_kBT"] == pytest.approx(12 * (X[END] - 1.5))


def test_a_gate_between_points():
    """The hill to a gate between two points is that of F there, not at the next point: 1 % of a step's rise."""
    gate = SIZE / np.cosh(X[END] + 0.3 * (X[1] - X[0]))
    found = read(8 * X, replace(GATE, neck_radius=gate))
    assert found["barrier_kBT"] == pytest.approx(8 * (X[END] + 0.3 * (X[1] - X[0])), abs=8e-4)


def test_a_bud_from_the_first_point_on():
    """Where the very first state is a bud at rest, it is there at once, and its scission is the climb to the gate."""
    energy = 5 * X
    energy[X < 1.5] = np.inf
    found = read(energy)
    assert (found["barrier_kBT"], found["rate_per_s"]) == (0, np.inf)
    assert found["neck_radius_nm"] == pytest.approx(SIZE / np.cosh(1.5))
    assert found["scission_barrier_kBT"] == pytest.approx(5 * (X[END] - 1.5))


def test_small_domains_and_missing_states():
    """L <= 2 gate radii never buds; states that do not exist (inf) are left out; without any there is no bud."""
    assert read(-30 * X, size=2 * GATE.neck_radius)["rate_per_s"] == 0
    assert np.isinf(read(-30 * X, size=2 * GATE.neck_radius)["barrier_kBT"])
    assert read(np.full_like(X, np.inf))["rate_per_s"] == 0
    whole, energy = read(open_bud()), open_bud()
    energy[:20] = np.inf
    assert read(energy)["barrier_kBT"] == whole["barrier_kBT"]


def test_rates_do_not_depend_on_the_coordinate():
    """x -> u = sinh x with gamma -> gamma (dx/du)^2 leaves every rate as it is, to the quadrature's 1 %."""
    smooth = 4 * np.sin(2.2 * X) + 2 * X
    found = read(smooth)
    changed = landscape(smooth, x=X)
    moved = replace(changed, coordinate=np.sinh(X), drag=changed.drag / np.cosh(X) ** 2)
    other = answer(moved, GATE)
    for name in ("rate_per_s", "passage_variation", "scission_rate_per_s", "opening_rate_per_s"):
        assert getattr(other, name)[0] == pytest.approx(found[name], rel=0.01)


def test_direction():
    """The sign of c0_in - (kappa_out/kappa_in) c0_out; +1 where it is 0."""
    ones = np.ones(3)
    domain = Domain(
        area=ones,
        spontaneous_curvature=np.array([0.011, 0.009, 0.01]),
        line_tension=ones,
        bending_rigidity=2 * ones,
        gaussian_modulus_contrast=0 * ones,
    )
    host = Host(tension=0.0, bending_rigidity=1.0, spontaneous_curvature=0.02)
    assert bud_direction(domain, host).tolist() == [1, -1, 1]


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"neck_radius": 0.0}, "neck_radius"),
        ({"thermal_energy": 0.0}, "thermal_energy"),
        ({"constriction_force": -1.0}, "constriction"),
    ],
)
def test_impossible_gates_are_refused(changed, word):
    """A neck radius or thermal energy of zero and a pushing aid raise ValueError that names them."""
    with pytest.raises(ValueError, match=word):
        replace(GATE, **changed)
