"""The least diameter that buds: the exact axisymmetric law against the three-dimensional vesicle, at many points.

One domain lies in a spherical host. Both descriptions get the same areas of both phases and the same ensemble: the host
keeps its area and its volume is free (no tension is given), or it keeps its volume and draws area at a given tension.

What buds: a domain whose line tension exceeds the *holding tension*. At a given rim radius r the shape has an
equilibrium at one line tension only, l*(r). The holding tension is the largest l*(r) of all rims that are wider than
GATE L. Below it the domain rests as a dimple; above it nothing stops the domain on its way to the gate. The threshold
is the diameter L (area pi L^2) whose holding tension is the line tension.

The vesicle is brought to states in equilibrium at given rims by its own descent. Its energy of the rim, lambda E, is
replaced by l E + (k/2)(E - E0)^2/E0. The derivative of this in E is the line tension at which the state that is found
is in equilibrium by itself, be it stable or not. The composition does not move on its own: it follows the membrane with
the profile of a free wall and exchanges nothing with the host, as the exact law has it. With --settle the wall first
comes to rest on the lattice, where it differs a little from the tanh that it begins with. The difference from the exact
l*(r) is found at three rims; between them it is interpolated by a parabola. The largest sum is the holding tension of
the vesicle at the diameter of the exact threshold. The exact slope of the holding tension turns the difference of
tensions into one of diameters.

eps and the spacing shrink together, and the limit is linear in eps^2 from the two finest. Its error bar is the distance
from the limit of the two coarsest. Every state is appended to the file of results; what is there is not computed again.
Exit codes: 0 if all has been answered, 2 if the input is bad.
"""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from scipy.fft import next_fast_len
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq
from vesicle_against_bud import Meridian, placed

from membrane.bud import exact as bud
from membrane.commands import drawing
from membrane.energy import Lipids, lo_order
from membrane.figures import canvas
from membrane.figures.canvas import Figure, style
from membrane.figures.style import OKABE_ITO
from membrane.lattice.grid import Grid
from membrane.paths import figure_name, require_own_file
from membrane.units import thermal_energy
from membrane.vesicle import Membrane, Relaxation, Reservoir, Transport, VesicleState, initial, surface
from membrane.vesicle.evolve import transported

KT = thermal_energy(37.0)

RESULTS = Path(__file__).with_suffix(".json")
"""The states that were held, from which the table of docs/vesicle.md was made."""

GATE = 0.45
"""Rim radius over L to which a bud must come."""

RESOLUTION = bud.Resolution(inner=20, outer=36, step=0.1, least_rim=0.25, backward=5)
"""How finely the exact paths are computed."""

SIZES = np.arange(30.0, 81.0, 3.0)
"""Diameters between which a threshold is looked for, nm."""

SMOOTH, MIDDLE = 0.02, 0.4
"""Where G changes by so much more over a step than its slopes say, in kappa, the exact path jumps to another branch.
Only what lies between the jumps on both sides of the second number, an x, is read. A bud that comes to a jump beyond
it snaps towards the gate."""

STIFFNESS = 150.0
"""k of the rim that is held, pN."""

RIMS = (-0.14, 0.0, 0.16)
"""Where states are held: x less that of the exact holding tension (rim radius L/cosh x)."""

FINENESS = (8.4, 11.2, 14.0)
"""L/eps."""

SPACING = 1.29
"""Points an eps."""

ROOM = 8.0
"""Interface widths between a vesicle and its image."""

TRIALS, STILL = 20, 0.008
"""A hold ends when the line tension changes by less than STILL (pN) in each of two rounds of so many steps."""

MOST_ROUNDS = 24


class Point(NamedTuple):
    """One question; the answer is a diameter.

    Arguments:
        line_tension: pN.
        host_radius: nm.
        lo_curvature, ld_curvature: c0 of domain and host, 1/nm.
        lo_rigidity, ld_rigidity: kappa of domain and host, kT.
        contrast: kappa_G,Lo - kappa_G,Ld, kT.
        tension: uN/m, what an area of flat host costs in all, at which the host draws area while it keeps its volume;
            None: it keeps its area.
    """

    line_tension: float
    host_radius: float
    lo_curvature: float
    ld_curvature: float
    lo_rigidity: float
    ld_rigidity: float
    contrast: float
    tension: float | None


CERAMIDE = [
    Point(1.0, 100.0, 0.040, 0.000, 40.0, 20.0, 0.0, None),
    Point(1.0, 100.0, 0.040, 0.000, 40.0, 20.0, 0.0, 1.0),
    Point(1.0, 100.0, 0.050, 0.000, 40.0, 20.0, 0.0, 10.0),
    Point(0.8, 100.0, 0.040, 0.005, 40.0, 20.0, 0.0, 6.07),
    Point(1.2, 100.0, 0.050, 0.010, 40.0, 20.0, 0.0, 14.28),
    Point(1.0, 80.0, 0.060, 0.010, 40.0, 20.0, 0.0, 9.28),
    Point(1.0, 120.0, 0.040, 0.000, 40.0, 20.0, 0.0, 10.0),
    Point(1.0, 100.0, 0.050, 0.000, 40.0, 20.0, 15.0, 10.0),
]
"""In the range of configs/ceramide.yaml, in smaller hosts."""

OTHERS = [
    Point(5.0, 75.0, 0.040, 0.000, 40.0, 20.0, 0.0, None),
    Point(3.0, 90.0, 0.040, 0.000, 40.0, 20.0, -15.0, None),
    Point(4.0, 100.0, 0.040, 0.000, 60.0, 20.0, 0.0, None),
    Point(5.0, 100.0, 0.030, 0.000, 40.0, 20.0, 0.0, None),
    Point(3.0, 100.0, 0.030, -0.010, 20.0, 20.0, 0.0, None),
    Point(3.0, 120.0, 0.040, 0.000, 20.0, 20.0, 0.0, 20.0),
]
"""Other line tensions, ratios of rigidities, contrasts and hosts."""

POINTS = CERAMIDE + OTHERS


# The exact law --------------------------------------------------------------------------------------------------------


def problem(point: Point, size: float) -> bud.Problem:
    """The dimensionless problem of a domain of area pi ``size``^2 (nm^2)."""
    return bud.problem_of(
        area=np.pi * size**2,
        bending_rigidity=point.lo_rigidity * KT,
        host_bending_rigidity=point.ld_rigidity * KT,
        spontaneous_curvature=point.lo_curvature,
        host_spontaneous_curvature=point.ld_curvature,
        gaussian_modulus_contrast=point.contrast * KT,
        tension=1e-3 * (point.tension or 0.0),
        host_radius=point.host_radius,
        volume_kept=float(point.tension is not None),
    )[0]


class Curve(NamedTuple):
    """The line tension l* (pN) over x of the exact equilibria, between the two x of ``span``."""

    spline: CubicSpline
    span: tuple[float, float]

    def holding(self, more=lambda x: 0.0) -> tuple[float, float]:
        """(x, tension in pN) where l* plus ``more``, a function of x, is largest before the gate."""
        x = np.linspace(*self.span, 801)
        tension = self.spline(x) + more(x)
        return float(x[tension.argmax()]), float(tension.max())


def curve(point: Point, size: float) -> Curve | None:
    """l*(x) of a domain; None where the states on the way are not all found."""
    path = jax.tree.map(np.asarray, bud.trace(problem(point, size), closed=True, resolution=RESOLUTION))
    gate = float(np.arccosh(1 / GATE))
    keep = (path.x > 0.5 * RESOLUTION.step) & (path.x < gate + 2 * RESOLUTION.step) & np.isfinite(path.slope)
    rise = np.diff(path.energy) - 0.5 * RESOLUTION.step * (path.slope[1:] + path.slope[:-1])
    rise += RESOLUTION.step**2 / 12 * np.diff(path.bend)
    snaps = path.x[:-1][keep[:-1] & keep[1:] & ~(np.abs(rise) < SMOOTH)]
    keep &= (path.x > snaps[snaps < MIDDLE].max(initial=0)) & (path.x <= snaps[snaps >= MIDDLE].min(initial=np.inf))
    x = path.x[keep]
    if x.size < 6 or np.diff(x).max() > 1.5 * RESOLUTION.step:
        return None
    tension = np.asarray(bud.line_tension_at(path))[keep] * point.lo_rigidity * KT / size
    if x[-1] < gate and tension.argmax() == x.size - 1:
        return None
    return Curve(CubicSpline(x, tension), (float(x[0]), min(gate, float(x[-1]))))


class Exact(NamedTuple):
    """The exact threshold.

    Arguments:
        diameter: L, nm.
        x: where the holding tension lies; the rim radius is L/cosh x.
        slope: derivative of the holding tension in ln L, pN.
        curve: l*(x) there.
    """

    diameter: float
    x: float
    slope: float
    curve: Curve


def exact_threshold(point: Point) -> Exact:
    """The least diameter between the first and the last of :data:`SIZES` whose holding tension is the line tension.

    Raises ValueError where there is none.
    """

    def above(size):
        found = curve(point, size)
        return np.nan if found is None else found.holding()[1] - point.line_tension

    excess = [above(size) for size in SIZES]
    for i in range(len(SIZES) - 1):
        if excess[i] > 0 >= excess[i + 1]:
            size = brentq(above, SIZES[i], SIZES[i + 1], xtol=1e-3)
            here = curve(point, size)
            slope = (above(1.01 * size) - above(0.99 * size)) / np.log(1.01 / 0.99)
            return Exact(size, here.holding()[0], slope, here)
    raise ValueError(f"{point} has no threshold between {SIZES[0]} and {SIZES[-1]} nm; the excess is {excess}")


def exact_shape(point: Point, size: float, x: float) -> Meridian:
    """The exact meridian (nm) of the state of the path that is nearest to x, at many points."""
    at = problem(point, size)
    path = bud.trace(at, closed=True, resolution=RESOLUTION)
    there = np.isfinite(np.asarray(path.energy))
    near = int(np.argmin(np.where(there, np.abs(np.asarray(path.x) - x), np.inf)))
    parts = []
    for r, z in bud.outline(at, path.x[near], path.state[near], closed=True, resolution=RESOLUTION):
        r, z = np.asarray(r) * size, np.asarray(z) * size
        s = np.concatenate([[0], np.cumsum(np.hypot(np.diff(r), np.diff(z)))])
        fine = np.linspace(0, s[-1], 4001)
        parts.append(np.stack([CubicSpline(s, v)(fine) for v in (r, z)]))
    return Meridian.along(*np.concatenate([parts[0], parts[1][:, 1:]], 1), lambda s: s[4000])


# The vesicle ----------------------------------------------------------------------------------------------------------


class Held(Membrane):
    """A membrane whose rim is held: l E + (k/2)(E - E0)^2/E0 in place of lambda E. ``lipids`` has a line tension of 1.

    Where the shape moves, phi is shifted at the rim so that the domain keeps its area.

    Arguments:
        line: l, pN.
        rim: E0, nm.
        stiffness: k, pN; 0 leaves the rim to itself at the line tension l.
        domain: integral of delta times the share of Lo, nm^2.
    """

    line: Array
    rim: Array
    stiffness: Array
    domain: Array

    def line_tension(self, length):
        """l + k (E/E0 - 1), the line tension that acts, pN."""
        return self.line + self.stiffness * (length / self.rim - 1)

    def covered(self, psi, phi):
        """The area of the domain, nm^2."""
        return jnp.sum(surface.delta(psi, self.interface_width) * lo_share(phi)) * self.grid.cell_volume

    def parts(self, psi, phi, conserved):
        """(E in nm, the rest of the free energy in pN nm)."""
        composition = self._composition((phi,), self._gradient_square(phi, conserved))
        bending, length, stretch, osmosis = self._terms(psi, (phi,), composition, conserved)
        return length, bending + stretch + osmosis

    def shape_derivative(self, psi, fields, conserved):
        (phi,) = fields
        shift = jnp.maximum(1 - phi**2, 0)
        along = lambda function, phi: jax.jvp(function, (phi,), (shift,))
        for _ in range(3):
            area, rate = along(partial(self.covered, psi), phi)
            phi = phi + (self.domain - area) / rate * shift

        def energy(psi, phi):
            length, rest = self.parts(psi, phi, conserved)
            return rest + self.line * length + 0.5 * self.stiffness * (length - self.rim) ** 2 / self.rim

        # At a given area the derivative in psi has the pressure of the domain's area as a multiplier.
        price = along(partial(energy, psi), phi)[1] / along(partial(self.covered, psi), phi)[1]
        value, slope = jax.value_and_grad(energy)(psi, phi)
        priced = jax.grad(self.covered)(psi, phi)
        slope = jax.tree.map(lambda force, area: force - price * area, slope, priced)
        return value, surface.adjoint(slope, self.grid) / self.grid.cell_volume, (phi,)


def lo_share(phi):
    """The share of the material of Lo, 0 to 1."""
    return 0.5 * (1 + lo_order(phi))


class Measured(NamedTuple):
    """What is read off a held vesicle.

    Arguments:
        domain: area of the mid-plane with the material of Lo, nm^2.
        rim: radius of the rim, nm.
        length: E over the length of the rim.
        tension: the line tension that acts, pN.
        tilt: integral of K over the domain, over 2 pi: 1 - cos of the angle at its rim.
    """

    domain: Array
    rim: Array
    length: Array
    tension: Array
    tilt: Array


@eqx.filter_jit
def measured(membrane: Held, state: VesicleState) -> Measured:
    grid, eps, cell = membrane.grid, membrane.interface_width, membrane.grid.cell_volume
    psi = surface.derivatives(state.psi, grid)
    share, weight = lo_share(state.phi), membrane.weight(psi)
    curved = jnp.sum(surface.gaussian_density(psi, surface.hessian(psi.value, grid), eps) * share) * cell
    # The integral of delta exceeds the area of the mid-plane by Steiner's term.
    domain = jnp.sum(surface.delta(psi, eps) * share) * cell - surface.SECOND_MOMENT * eps**2 * curved
    # The integral of |grad share| across any wall is 1.
    slope = [(jnp.roll(share, -1, a) - jnp.roll(share, 1, a)) / (2 * h) for a, h in enumerate(grid.spacing)]
    rim = jnp.sum(weight * jnp.sqrt(sum(s**2 for s in slope))) * cell / (2 * np.pi)
    length, _ = membrane.parts(psi, state.phi, state.conserved)
    return Measured(domain, rim, length / (2 * np.pi * rim), membrane.line_tension(length), curved / (2 * np.pi))


def grid_factor(tilt, points: float = SPACING):
    """The share of the energy of the rim that differences of second order leave.

    It is 1 - (h/xi)^2/60 sum n_i^4 for a wall with the unit normal n, averaged around a rim.

    Arguments:
        tilt: 1 - cos of the angle between the membrane at the rim and the plane of the rim.
        points: xi/h, points of the lattice an interface width.
    """
    cosine = 1 - tilt
    return 1 - (0.75 * cosine**4 + (1 - cosine**2) ** 2) / (60 * points**2)


def line_tensions(rows: list[dict]) -> np.ndarray:
    """The line tension (pN) that acts on the length of the rim, at each of the states that were held.

    The lattice makes the energy of the rim a factor f times its length r. As f depends on the tilt, which changes with
    r, the tension acts with d(f r)/dr. The tilt is the parabola in r through the states.
    """
    rim, tilt, tension = (
        np.array([row[name] for row in rows]) for name in ("rim_over_diameter", "tilt", "line_tension_pN")
    )
    cosine, steepness = 1 - tilt, np.polyval(np.polyder(np.polyfit(rim, tilt, 2)), rim)
    by_tilt = (3 * cosine**3 - 4 * cosine * (1 - cosine**2)) / (60 * SPACING**2)
    return tension * (grid_factor(tilt) + rim * by_tilt * steepness)


def box(lines: list[Meridian], eps: float) -> Grid:
    """A box with room for all the shapes (nm), so that the programs for them are compiled once."""
    spacing = eps / SPACING
    height, width = max(np.ptp(line.z) for line in lines), max(2 * line.r.max() for line in lines)
    shape = tuple(next_fast_len(int(np.ceil((side + ROOM * eps) / spacing)), True) for side in (height, width, width))
    return Grid(shape, tuple(spacing * n for n in shape), "float64")


def vesicle(point: Point, size: float, grid: Grid, eps: float, line: Meridian, tension: float, stiffness: float):
    """(membrane, state) of a vesicle in the shape ``line`` (nm), whose rim is held there with ``tension`` (pN)."""
    lumen, beyond = placed(line, grid, 1.0)
    # The corner of the box lies in the cytosol.
    lumen = lumen if lumen[0, 0, 0] < 0 else -lumen
    ensemble = {}
    if point.tension is not None:
        reservoir = Reservoir(1e-3 * point.tension, (-1.0,))
        ensemble = {"reservoir": reservoir, "osmotic": (50.0, 4 * np.pi / 3 * point.host_radius**3)}
    membrane = Held(
        grid,
        interface_width=eps,
        bending_rigidity=(point.ld_rigidity * KT, point.lo_rigidity * KT),
        spontaneous_curvature=(point.ld_curvature, point.lo_curvature),
        lipids=Lipids.from_wall(line_tension=1.0, interface_width=eps),
        area_modulus=500.0,
        gaussian_rigidity=(0.0, point.contrast * KT),
        line=jnp.asarray(float(tension)),
        rim=jnp.asarray(2 * np.pi * line.r[np.searchsorted(line.s, line.rim)]),
        stiffness=jnp.asarray(float(stiffness)),
        domain=jnp.asarray(np.pi * size**2),
        **ensemble,
    )
    psi, phi = initial.profile(lumen, eps, grid), initial.profile(-beyond, eps, grid)
    # The area to be kept is that of the sphere, with Steiner's excess.
    area = 4 * np.pi * (point.host_radius**2 + surface.SECOND_MOMENT * eps**2)
    conserved = eqx.tree_at(lambda c: c.area, membrane.conserved(psi, phi), jnp.asarray([area]))
    return membrane, VesicleState.at_rest(membrane, psi, phi, conserved)


@eqx.filter_jit
def settled(membrane: Held, state: VesicleState) -> VesicleState:
    """The state after its wall has come to rest on the lattice, by diffusion with the well of a wall of 50 pN."""
    strong = eqx.tree_at(lambda m: (m.lipids.well, m.lipids.gradient), membrane, replace_fn=lambda part: 50.0 * part)
    transport = Transport(1e6, tolerance=1e-3)
    return jax.lax.fori_loop(0, 6, lambda _, now: transported(strong, transport, now, 1e-4), state)


def rounds(membrane: Held, state: VesicleState, size: float):
    """Yields what a vesicle is like after each round of :data:`TRIALS` steps.

    The area of the domain's mid-plane is pi ``size``^2.
    """
    relaxation = Relaxation(4 * membrane.interface_width, profile_mobility=4.0)
    while True:
        state, _ = relaxation.run(membrane, state, jnp.asarray(TRIALS))
        found = Measured(*(float(value) for value in measured(membrane, state)))
        yield found
        missing = np.pi * size**2 - found.domain
        membrane = eqx.tree_at(lambda m: m.domain, membrane, membrane.domain + missing)


def held(membrane: Held, state: VesicleState, size: float) -> tuple[Measured, float, int]:
    """(state at rest, change of its line tension in the last round in pN, steps taken) of a held vesicle."""
    tensions = [np.inf, np.inf]
    for n, found in enumerate(rounds(membrane, state, size), 1):
        tensions.append(found.tension)
        if n == MOST_ROUNDS or (n >= 4 and max(abs(np.diff(tensions[-3:]))) < STILL):
            return found, tensions[-1] - tensions[-2], n * TRIALS


# Both -----------------------------------------------------------------------------------------------------------------


def computed(point: Point, fineness: float, settle: bool, known: list[dict], record) -> None:
    """Holds the vesicle at all :data:`RIMS` that are not ``known``, and gives each result to ``record``."""
    ideal = exact_threshold(point)
    places = np.clip(ideal.x + np.array(RIMS), *ideal.curve.span)
    lines = [exact_shape(point, ideal.diameter, x) for x in places]
    eps = ideal.diameter / fineness
    for offset, x, line in zip(RIMS, places, lines, strict=True):
        what = {"point": list(point), "fineness": fineness, "settled": settle, "offset": offset}
        if any(what.items() <= row.items() for row in known):
            continue
        begun = time.perf_counter()
        membrane, state = vesicle(point, ideal.diameter, box(lines, eps), eps, line, ideal.curve.spline(x), STIFFNESS)
        state = settled(membrane, state) if settle else state
        found, drift, steps = held(membrane, state, ideal.diameter)
        record(
            what
            | {
                "diameter_nm": ideal.diameter,
                "interface_width_nm": membrane.interface_width,
                "shape": list(membrane.grid.shape),
                "rim_over_diameter": found.rim / np.sqrt(found.domain / np.pi),
                "measured_diameter_nm": np.sqrt(found.domain / np.pi),
                "line_tension_pN": found.tension,
                "drift_pN": drift,
                "length_ratio": found.length,
                "tilt": found.tilt,
                "steps": steps,
                "seconds": round(time.perf_counter() - begun, 1),
            }
        )


class Answer(NamedTuple):
    """Both answers to one point.

    Arguments:
        point: the question.
        exact: the exact answer.
        widths: eps of the vesicles, nm, from coarse to fine.
        diameters: their thresholds, nm.
        limit: the threshold at eps = 0, nm; nan with one eps.
        error: its error bar, nm; nan with two.
    """

    point: Point
    exact: Exact
    widths: np.ndarray
    diameters: np.ndarray
    limit: float
    error: float


def answer(point: Point, rows: list[dict]) -> Answer:
    """The threshold of the vesicle from the states that were held."""
    ideal, widths, diameters = exact_threshold(point), [], []
    for fineness in sorted({row["fineness"] for row in rows}):
        here = [row for row in rows if row["fineness"] == fineness]
        if len(here) < len(RIMS):
            continue
        x = np.arccosh(1 / np.array([row["rim_over_diameter"] for row in here]))
        off = line_tensions(here) - ideal.curve.spline(x)
        parabola = np.polyfit(x, off, 2)
        # Beyond the states that were held the difference is taken as that of the last one.
        _, holding = ideal.curve.holding(lambda at, x=x, p=parabola: np.polyval(p, np.clip(at, x.min(), x.max())))
        widths.append(here[0]["interface_width_nm"])
        diameters.append(ideal.diameter * np.exp((point.line_tension - holding) / ideal.slope))
    widths, diameters = np.array(widths), np.array(diameters)
    limits = [limit(widths[i : i + 2], diameters[i : i + 2]) for i in range(len(widths) - 1)]
    error = abs(limits[-1] - limits[-2]) if len(limits) > 1 else np.nan
    return Answer(point, ideal, widths, diameters, limits[-1] if limits else np.nan, error)


def limit(widths, values) -> float:
    """The value at eps = 0 of the line in eps^2 through two."""
    (wide, narrow), (coarse, fine) = widths**2, values
    return float(fine + (fine - coarse) * narrow / (wide - narrow))


HEADER = """\
| lambda | R | c0 Lo, Ld | kappa Lo, Ld | contrast | host keeps | exact | as begun | at eps = 0 | settled |
|---|---|---|---|---|---|---|---|---|---|"""


def table(pairs: list[tuple[Answer, Answer]]) -> str:
    """The answers of vesicles as they begin and of those whose wall has settled, as a table of Markdown."""
    lines = [HEADER]
    for begun, settled in pairs:
        at, exact = begun.point, begun.exact.diameter
        ensemble = "area" if at.tension is None else f"volume, {at.tension:g}"
        off = lambda value, exact=exact: f"{100 * (value / exact - 1):+.1f} %" if np.isfinite(value) else ""
        bar = f" +- {begun.error:.2f}" if np.isfinite(begun.error) else ""
        limit = f"{begun.limit:.2f}{bar}, {off(begun.limit)}" if np.isfinite(begun.limit) else ""
        lines.append(
            f"| {at.line_tension:g} | {at.host_radius:g} | {at.lo_curvature:g}, {at.ld_curvature:g} "
            f"| {at.lo_rigidity:g}, {at.ld_rigidity:g} | {at.contrast:g} | {ensemble} | {exact:.2f} "
            f"| {', '.join(f'{d:.2f}' for d in begun.diameters)} | {limit} "
            f"| {', '.join(f'{d:.2f} ({off(d)})' for d in settled.diameters)} |"
        )
    return "\n".join(lines)


@style()
def draw(pairs: list[tuple[Answer, Answer]]) -> Figure:
    """Exact diameter against that of the vesicle: filled at eps = 0 as begun, open at the finest eps where settled."""
    figure = Figure(figsize=(3.8, 3.6), layout="constrained")
    axes = figure.subplots()
    exact = [begun.exact.diameter for begun, _ in pairs]
    ends = np.array([0.94 * min(exact), 1.06 * max(exact)])
    axes.fill_between(ends, 0.97 * ends, 1.03 * ends, color="0.9", lw=0, label=r"$\pm$ 3 %")
    axes.plot(ends, ends, color="0.5", lw=0.8)
    for points, color, name in ((CERAMIDE, OKABE_ITO[0], "range of ceramide.yaml"), (OTHERS, OKABE_ITO[1], "others")):
        for begun, settled in (pair for pair in pairs if pair[0].point in points):
            at = begun.exact.diameter
            axes.errorbar(at, begun.limit, np.nan_to_num(begun.error), fmt="o", ms=3, color=color, label=name)
            if settled.diameters.size:
                axes.plot(at, settled.diameters[-1], "s", mfc="none", ms=4, color=color, label=f"{name}, settled")
    axes.set(xlabel="least diameter that buds, exact (nm)", ylabel="vesicle (nm)", xlim=ends, ylim=ends)
    handles, names = axes.get_legend_handles_labels()
    first = dict(zip(reversed(names), reversed(handles), strict=True))
    axes.legend(first.values(), first.keys(), frameon=False)
    return figure


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", metavar="FILE", type=Path, default=RESULTS)
    parser.add_argument("--fineness", metavar="L/EPS", type=float, nargs="*", default=list(FINENESS))
    parser.add_argument("--settle", action="store_true", help="first let the wall come to rest on the lattice")
    parser.add_argument("--points", metavar="N", type=int, nargs="+", default=list(range(len(POINTS))))
    parser.add_argument("--output", type=figure_name, help="picture to draw; without it none is drawn")
    options = parser.parse_args(arguments)

    def work():
        if options.output:
            require_own_file(options.output)
        jax.config.update("jax_enable_x64", True)
        options.results.parent.mkdir(parents=True, exist_ok=True)
        rows = json.loads(options.results.read_text()) if options.results.exists() else []

        def record(row):
            rows.append(row)
            options.results.write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
            print(json.dumps(row), flush=True)

        for fineness in sorted(options.fineness):
            for n in options.points:
                computed(POINTS[n], fineness, options.settle, rows, record)
        of = lambda point, settle: [row for row in rows if row["point"] == list(point) and row["settled"] == settle]
        asked = [POINTS[n] for n in options.points]
        pairs = [tuple(answer(p, of(p, settle)) for settle in (False, True)) for p in asked if of(p, 0) or of(p, 1)]
        print(table(pairs))
        return [canvas.save(draw(pairs), options.output, dpi=200)] if options.output else []

    return drawing.draw("threshold_of_budding", work)


if __name__ == "__main__":
    sys.exit(main())
