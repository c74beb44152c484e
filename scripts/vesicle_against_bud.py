"""A budding vesicle in three dimensions against the exact axisymmetric solver at three points of (lambda, c0): a table.

A domain that is two fifths of a sealed vesicle (reduced volume 0.8, one kappa) bulges out of it through a neck. Areas
and volume are the same in both descriptions: the phase field holds them by stiff moduli and the content of phi, the
axisymmetric solver exactly (`bud.sealed_at`). c0 < 0 bends away from the lumen, as the bud does. All runs begin with
one shape, the exact one at BEGIN, which is none of the three points. Lengths are in units of R, the radius of the
sphere of the whole area.

The phase field is measured on its mean meridian: psi is turned into a distance, averaged about the axis, and followed
along its zero. The rim is where phi = 0. There the curvature of the exact meridian jumps, which a wall of finite width
rounds off. So the contact angle is read from the parabola that fits psi within WINDOW of the rim. The exact meridian is
measured by the same function.

Columns: lambda R/kappa, c0 R, R/eps; then in pairs, vesicle and exact: energy over kappa, contact angle, radius of the
rim, radius of the neck; then steps and seconds. The last row of each point is extrapolated to eps = 0 from the two
finest, linearly in eps^2.
"""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import sys
import time
from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.fft import next_fast_len
from scipy.interpolate import CubicSpline
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree
from skimage.measure import find_contours

from membrane.bud import exact as bud
from membrane.energy import Lipids
from membrane.lattice.grid import Grid
from membrane.vesicle import Membrane, Relaxation, Transport, VesicleState, evolve, initial, surface

POINTS = [(8.0, 0.0), (6.0, -1.0), (4.0, -2.0)]
"""lambda R/kappa and c0 R."""

BEGIN = (12.0, 0.0)
"""The point with whose shape all runs begin."""

SHARE, VOLUME = 0.4, 0.8
"""Share of the domain in the area; reduced volume."""

KAPPA, RADIUS = 85.6, 60.0
"""Bending rigidity in pN nm; R in nm."""

RESOLUTION = bud.Resolution(inner=28, outer=40)
"""Number of polynomials of the exact shapes."""

WINDOW = 0.2
"""The contact angle is read within this distance from the rim, in units of R."""

COLUMNS = ("energy", "angle", "rim", "neck")
HEADER = "lambda  c0  R/eps |  energy   exact |  angle  exact |    rim  exact |   neck  exact | steps    s"
ROW = "{:>6} {:>3}  {:>5} | {:7.3f} {:7.3f} | {:6.4f} {:6.4f} | {:6.4f} {:6.4f} | {:6.4f} {:6.4f} | {:>5} {:>4}"


class Meridian(NamedTuple):
    """A meridian from the pole of the domain on, in units of R: arc length, radius and height, each (points,), and the
    arc length of the rim."""

    s: np.ndarray
    r: np.ndarray
    z: np.ndarray
    rim: float

    @classmethod
    def along(cls, r, z, rim_of) -> "Meridian":
        """The meridian through given points. ``rim_of`` gives the arc length of the rim from those of the points."""
        s = np.concatenate([[0], np.cumsum(np.hypot(np.diff(r), np.diff(z)))])
        return cls(s, r, z, float(rim_of(s)))

    def measured(self) -> np.ndarray:
        """Contact angle in rad, radius of the rim, radius of the neck; nan: there is no neck."""
        r, z = CubicSpline(self.s, self.r), CubicSpline(self.s, self.z)
        # dr/ds = cos psi, dz/ds = sin psi.
        beside = np.linspace(-WINDOW, WINDOW, 201)
        psi = np.unwrap(np.arctan2(z(self.rim + beside, 1), r(self.rim + beside, 1)))
        angle = np.polyfit(beside, psi, 2)[2]
        turns = r.derivative().roots(extrapolate=False)
        waists = [float(r(s)) for s in turns if r.derivative(2)(s) > 0]
        return np.array([angle, float(r(self.rim)), min(waists, default=np.nan)])


# The exact shapes ----------------------------------------------------------------------------------------------


def exact(points) -> list[bud.Sealed]:
    """The sealed axisymmetric states at (lambda R/kappa, c0 R), each reached from the one before."""
    found = [None]
    for line_tension, curvature in points:
        problem, line, host = bud.vesicle_of(
            domain_share=SHARE,
            reduced_volume=VOLUME,
            rigidity_ratio=1.0,
            gaussian_contrast=0.0,
            line_tension=line_tension,
        )
        # The solver counts bending away from the lumen as positive here; L is 2 R times the root of the domain's share.
        problem = replace(problem, spontaneous_curvature=jnp.asarray(-2 * curvature * SHARE**0.5))
        found.append(bud.sealed_at(problem, line, host, near=found[-1], resolution=RESOLUTION))
    return found[1:]


def meridian(state: bud.Sealed) -> Meridian:
    """The meridian of an exact state, at many points."""
    parts = bud.outline(state.problem, state.x, state.state, closed=True, resolution=RESOLUTION)
    radius, joined = float(state.radius), []
    for r, z in parts:
        s = np.concatenate([[0], np.cumsum(np.hypot(np.diff(r), np.diff(z)))])
        fine = np.linspace(0, s[-1], 4001)
        joined.append([CubicSpline(s, v)(fine) / radius for v in (r, z)])
    r, z = np.concatenate([joined[0], np.array(joined[1])[:, 1:]], 1)
    return Meridian.along(r, z, lambda s: s[4000])


# The phase field -----------------------------------------------------------------------------------------------


def vesicle(point, start: Meridian, fineness: float) -> tuple[Membrane, VesicleState]:
    """The material of ``point`` in the shape of ``start``, with eps = R/fineness.

    A stiff osmotic law holds the volume. The pole of the domain points up.
    """
    eps = RADIUS / fineness
    line_tension, curvature = point
    spacing = eps / 1.286
    height, width = np.ptp(start.z) * RADIUS, 2 * start.r.max() * RADIUS
    shape = tuple(next_fast_len(int(np.ceil((size + 10 * eps) / spacing)), True) for size in (height, width, width))
    grid = Grid(shape, tuple(spacing * n for n in shape), "float64")
    # With differences of second order, this share is left of the line tension of a wall that lies across z.
    left = 1 - (spacing / eps) ** 2 / 60
    lipids = Lipids.from_wall(line_tension=line_tension / left * KAPPA / RADIUS, interface_width=eps)
    membrane = Membrane(
        grid,
        interface_width=eps,
        bending_rigidity=(KAPPA, KAPPA),
        spontaneous_curvature=(0.0, curvature / RADIUS),
        lipids=lipids,
        area_modulus=500.0,
        osmotic=(50.0, 4 * np.pi / 3 * RADIUS**3 * VOLUME),
    )
    distance, beyond = placed(start, grid)
    psi, phi = initial.profile(distance, eps, grid), initial.profile(-beyond, eps, grid)
    # The areas to be held are those of the mid-surface. delta counts more (Steiner's formula), about half of it in the
    # domain's cap.
    area, more = 4 * np.pi * RADIUS**2, 4 * np.pi * surface.SECOND_MOMENT * eps**2
    conserved = membrane.conserved(psi, phi)
    held = jnp.asarray([area + more]), jnp.asarray([[(2 * SHARE - 1) * area - more * np.cos(start.measured()[0])]])
    conserved = eqx.tree_at(lambda b: (b.area, b.content), conserved, held)
    return membrane, VesicleState.at_rest(membrane, psi, phi, conserved)


def placed(line: Meridian, grid: Grid, unit: float = RADIUS) -> tuple[np.ndarray, np.ndarray]:
    """Where every point of a box about the middle of the meridian lies, in nm. ``unit`` is its unit of length in nm.

    Returns (distance from the membrane, positive in the lumen; length along it from the rim, positive in the host).
    """
    z, y, x = initial.centred(grid)
    rho, height = np.broadcast_arrays(np.hypot(y, x), z)
    middle = 0.5 * (line.z.max() + line.z.min())
    points = np.stack([line.r, line.z - middle], 1) * unit
    gap, nearest = cKDTree(points).query(np.stack([rho.ravel(), height.ravel()], 1))
    # Seen along the meridian from the pole of the domain, the lumen lies on the left.
    ahead = np.stack([np.gradient(line.r, line.s), np.gradient(line.z, line.s)], 1)[nearest]
    away = np.stack([rho.ravel(), height.ravel()], 1) - points[nearest]
    side = np.sign(ahead[:, 0] * away[:, 1] - ahead[:, 1] * away[:, 0])
    return (side * gap).reshape(grid.shape), (unit * (line.s[nearest] - line.rim)).reshape(grid.shape)


def relaxed(membrane: Membrane, state: VesicleState, most: int, still: float = 5e-6) -> tuple[VesicleState, int]:
    """(state, steps taken) after at most ``most`` steps of the shape.

    It ends when a hundred steps lower F by less than ``still`` kappa. Raises RuntimeError where the vesicle parts.
    """
    relaxation, energies = Relaxation(3 * membrane.interface_width), []
    for step in evolve(
        membrane, relaxation, Transport(1e6), state, rounds=most // 20, trials=20, dt=1e-3, look_every=5
    ):
        if step.events:
            raise RuntimeError(f"the vesicle has parted after {step.trials} steps: {step.events}")
        state = step.state
        energies.append(float(step.report.energy) / KAPPA)
        if len(energies) > 5 and energies[-6] - energies[-1] < still:
            break
    return state, step.trials


def follow(membrane: Membrane, state: VesicleState) -> Meridian:
    """The mean meridian of a phase field, from the pole of the domain on."""
    grid, eps, h = membrane.grid, membrane.interface_width, min(membrane.grid.spacing)
    distance = 2**0.5 * eps * np.arctanh(np.clip(np.asarray(state.psi), -0.99, 0.99))
    z, y, x = (c.ravel() for c in initial.centred(grid))
    rho, height = np.arange(0, x[-1] - h, 0.5 * h), np.arange(z[0], z[-1], 0.5 * h)
    turn = np.arange(16) * (2 * np.pi / 16)
    around = np.broadcast_arrays(
        (height[:, None, None] - z[0]) / h,
        (rho[:, None] * np.sin(turn) - y[0]) / h,
        (rho[:, None] * np.cos(turn) - x[0]) / h,
    )

    def mean(field):
        """Mean about the axis, array (height, radius), with its mirror image, so that lines cross the axis."""
        half = map_coordinates(np.asarray(field), np.stack(around), order=3, mode="nearest").mean(-1)
        return np.concatenate([half[:, :0:-1], half], 1)

    line = max(find_contours(mean(distance), 0.0), key=len)[:-1]
    order = map_coordinates(mean(state.phi), line.T, order=3)
    r, z = 0.5 * h * (line[:, 1] - (rho.size - 1)), height[0] + 0.5 * h * line[:, 0]
    # The line is closed: its half at r >= 0, from the axis where phi is larger.
    first = np.flatnonzero((r >= 0) & (np.roll(r, 1) < 0))[0]
    r, z, order = (np.roll(v, -first)[: np.sum(r >= 0)] for v in (r, z, order))
    if order[0] < order[-1]:
        r, z, order = r[::-1], z[::-1], order[::-1]
    r, z, order = (np.concatenate([[v0], v, [v1]]) for v, v0, v1 in ((r, 0, 0), (z, z[0], z[-1]), (order, 1, -1)))
    # The contour's points lie unevenly.
    s = np.concatenate([[0], np.cumsum(np.hypot(np.diff(r), np.diff(z)))])
    apart = np.append(True, np.diff(s) > 0.05 * h)
    even = np.linspace(0, s[-1], int(4 * s[-1] / h))
    r, z, order = (CubicSpline(s[apart], v[apart])(even) for v in (r, z, order))
    last = np.flatnonzero(order > 0)[-1]
    share = order[last] / (order[last] - order[last + 1])
    return Meridian.along(r / RADIUS, z / RADIUS, lambda s: s[last] + share * (s[last + 1] - s[last]))


def measured(membrane: Membrane, state: VesicleState) -> np.ndarray:
    """The four :data:`COLUMNS` of a phase field."""
    terms = membrane.terms(surface.derivatives(state.psi, membrane.grid), state.phi, state.conserved)
    energy = float(terms.bending + terms.lipids) / KAPPA
    return np.array([energy, *follow(membrane, state).measured()])


def compared(points, fineness, steps: int = 4000):
    """Yields (point, R/eps, (vesicle, exact) in :data:`COLUMNS`, steps, seconds) for every R/eps at every point."""
    start, *states = exact([BEGIN, *points])
    start = meridian(start)
    for point, state in zip(points, states, strict=True):
        line = meridian(state)
        for fine in fineness:
            begun = time.perf_counter()
            membrane, end = vesicle(point, start, fine)
            end, taken = relaxed(membrane, end, steps)
            ideal = np.append(float(state.energy), line.measured())
            yield point, fine, np.stack([measured(membrane, end), ideal]), taken, time.perf_counter() - begun


def extrapolated(fineness, pairs) -> np.ndarray:
    """Vesicle less exact, extrapolated to eps = 0 from the two finest, linearly in eps^2."""
    (coarse, fine), (before, last) = fineness[-2:], (pair[0] - pair[1] for pair in pairs[-2:])
    return last + (last - before) / ((fine / coarse) ** 2 - 1)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fineness", metavar="R/EPS", type=float, nargs="+", default=[9.0, 13.0, 18.0])
    parser.add_argument("--steps", metavar="N", type=int, default=4000, help="of the shape at most (default 4000)")
    options = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    print(HEADER, flush=True)
    fineness = sorted(options.fineness)
    for point in POINTS:
        pairs = []
        for _, fine, pair, taken, seconds in compared([point], fineness, options.steps):
            pairs.append(pair)
            print(ROW.format(*point, fine, *pair.T.ravel(), taken, round(seconds)), flush=True)
        if len(pairs) > 1:
            ideal = pairs[-1][1]
            limit = np.stack([ideal + extrapolated(fineness, pairs), ideal])
            print(ROW.format("", "", "0", *limit.T.ravel(), "", ""), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
