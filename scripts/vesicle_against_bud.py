"""Buds into the lumen in three dimensions against the exact axisymmetric solver, at three points of (lambda, c0): a table.

A domain of a tenth of a sealed vesicle (reduced volume 0.66, one kappa) bulges into the lumen, beyond a right angle, and
the vesicle narrows behind its rim. Both areas and the volume are the same in both: the phase field holds them by stiff
moduli and the content of phi, the axisymmetric solver exactly (`bud.sealed_at`). All runs set out from one shape, the
exact one at BEGIN, which is none of the three. Lengths in R, of the sphere of the whole area.

The phase field is read off its mean meridian: psi turned into a distance, averaged about the axis, and followed along its
zero. The rim is where phi = 0; the contact angle is the direction there of the parabola that fits the meridian within
WINDOW eps on either side. The exact meridian is measured by the same function with the same eps.

Columns: lambda R/kappa, c0 R, R/eps; then in pairs, vesicle and exact: energy over kappa, contact angle, radii of rim
and neck; then steps and seconds. Below each point: extrapolation to eps = 0, linear in eps.
"""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import sys
import time
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

from membrane import bud
from membrane.energy import Lipids
from membrane.grid import Grid
from membrane.vesicle import Membrane, Relaxation, State, Transport, evolve, initial, surface

POINTS = [(4.0, 0.9), (3.0, 1.9), (2.0, 2.8)]
"""lambda R/kappa and c0 R."""

BEGIN = (2.0, 0.9)
"""The point whose shape all runs set out from."""

SHARE, VOLUME = 0.1, 0.66
"""Of the domain in the area; reduced volume."""

KAPPA, RADIUS = 85.6, 60.0
"""pN nm, nm."""

RESOLUTION = bud.Resolution(inner=28, outer=40)
"""Of the exact shapes."""

WINDOW = 1.0
"""Half the length over eps in which the contact angle is read."""

COLUMNS = ("energy", "angle", "rim", "neck")
HEADER = "lambda  c0  R/eps |  energy   exact |  angle  exact |    rim  exact |   neck  exact | steps    s"
ROW = "{:>6} {:>3}  {:>5} | {:7.3f} {:7.3f} | {:6.4f} {:6.4f} | {:6.4f} {:6.4f} | {:6.4f} {:6.4f} | {:>5} {:>4}"


class Meridian(NamedTuple):
    """From the pole of the domain on: arc length, radius and height over R, each (points,), and where the rim is."""

    s: np.ndarray
    r: np.ndarray
    z: np.ndarray
    rim: float

    @classmethod
    def along(cls, r, z, rim_of) -> "Meridian":
        """``rim_of``: the rim's arc length from the arc lengths of the points."""
        s = np.concatenate([[0], np.cumsum(np.hypot(np.diff(r), np.diff(z)))])
        return cls(s, r, z, float(rim_of(s)))

    def measured(self, eps: float) -> np.ndarray:
        """Contact angle, radii of rim and neck, for eps over R; nan: no neck."""
        near = np.linspace(self.rim - WINDOW * eps, self.rim + WINDOW * eps, 201)
        r, z = CubicSpline(self.s, self.r), CubicSpline(self.s, self.z)
        slopes = [np.polyfit(near - self.rim, of(near), 2)[1] for of in (r, z)]
        # dr/ds = cos psi, dz/ds = sin psi.
        angle = np.arctan2(slopes[1], slopes[0])
        turns = r.derivative().roots(extrapolate=False)
        waists = [float(r(s)) for s in turns if r.derivative(2)(s) > 0]
        return np.array([angle, float(r(self.rim)), min(waists, default=np.nan)])


# The exact shapes ----------------------------------------------------------------------------------------------


def exact(points) -> list[bud.Sealed]:
    """The sealed axisymmetric states at (lambda R/kappa, c0 R), one reached from the other."""
    found = None, []
    for line_tension, curvature in points:
        problem, line, host = bud.vesicle_of(
            domain_share=SHARE, reduced_volume=VOLUME, rigidity_ratio=1.0, gaussian_contrast=0.0, line_tension=line_tension
        )
        # L is 2 R times the root of the domain's share; a host that is bent against the bud has it in its lumen.
        problem = problem._replace(
            spontaneous_curvature=jnp.asarray(2 * curvature * SHARE**0.5),
            tension=jnp.asarray(-1.0),
            host_curvature=-problem.host_curvature,
        )
        state = bud.sealed_at(problem, line, host, near=found[0], resolution=RESOLUTION)
        found = state, [*found[1], state]
    return found[1]


def meridian(state: bud.Sealed) -> Meridian:
    """Of an exact state, dense."""
    parts = bud.outline(state.problem, state.x, state.state, closed=True, resolution=RESOLUTION)
    radius, joined = float(state.radius), []
    for r, z in parts:
        s = np.concatenate([[0], np.cumsum(np.hypot(np.diff(r), np.diff(z)))])
        fine = np.linspace(0, s[-1], 4001)
        joined.append([CubicSpline(s, v)(fine) / radius for v in (r, z)])
    r, z = np.concatenate([joined[0], np.array(joined[1])[:, 1:]], 1)
    return Meridian.along(r, z, lambda s: s[4000])


# The phase field -----------------------------------------------------------------------------------------------


def vesicle(point, start: Meridian, fineness: float) -> tuple[Membrane, State]:
    """The material of ``point`` in the shape of ``start``, eps = R/fineness; its volume is held by a stiff osmotic
    law. The domain's pole points up."""
    eps = RADIUS / fineness
    line_tension, curvature = point
    spacing = eps / 1.286
    height, width = np.ptp(start.z) * RADIUS, 2 * start.r.max() * RADIUS
    shape = tuple(next_fast_len(int(np.ceil((size + 10 * eps) / spacing)), True) for size in (height, width, width))
    grid = Grid(shape, tuple(spacing * n for n in shape), "float64")
    lipids = Lipids.from_wall(line_tension=line_tension * KAPPA / RADIUS, interface_width=eps)
    membrane = Membrane(
        grid,
        eps,
        (KAPPA, KAPPA),
        (0.0, curvature / RADIUS),
        lipids,
        area_modulus=500.0,
        osmotic=(50.0, 4 * np.pi / 3 * RADIUS**3 * VOLUME),
    )
    distance, beyond = placed(start, grid)
    psi, phi = initial.profile(distance, eps, grid), initial.profile(-beyond, eps, grid)
    # What is held is that of the mid-surface; delta counts more of it (Steiner), the domain's cap about half of that.
    area, more = 4 * np.pi * RADIUS**2, 4 * np.pi * surface.SPREAD * eps**2
    books = membrane.open_books(psi, phi)
    held = jnp.asarray([area + more]), jnp.asarray([[(2 * SHARE - 1) * area - more * np.cos(start.measured(0.05)[0])]])
    books = eqx.tree_at(lambda b: (b.area, b.content), books, held)
    return membrane, State.at_rest(membrane, psi, phi, books)


def placed(line: Meridian, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """(distance from the membrane, positive in the lumen; length along it from the rim, positive in the host), nm, of
    every point of a box about the middle of the meridian."""
    z, y, x = initial.centred(grid)
    rho, height = np.broadcast_arrays(np.hypot(y, x), z)
    middle = 0.5 * (line.z.max() + line.z.min())
    points = np.stack([line.r, line.z - middle], 1) * RADIUS
    gap, nearest = cKDTree(points).query(np.stack([rho.ravel(), height.ravel()], 1))
    # The lumen lies to the right of the way from the pole of the domain on: below it, where the membrane is bent in.
    ahead = np.stack([np.gradient(line.r, line.s), np.gradient(line.z, line.s)], 1)[nearest]
    away = np.stack([rho.ravel(), height.ravel()], 1) - points[nearest]
    side = np.sign(ahead[:, 0] * away[:, 1] - ahead[:, 1] * away[:, 0])
    return (-side * gap).reshape(grid.shape), (RADIUS * (line.s[nearest] - line.rim)).reshape(grid.shape)


def relaxed(membrane: Membrane, state: State, most: int, still: float = 1e-3) -> tuple[State, int]:
    """The state after so many steps of the shape, or when a hundred steps lower F by less than ``still`` kappa.
    Raises RuntimeError where the vesicle parts."""
    relaxation, energies = Relaxation(3 * membrane.interface_width), [np.inf]
    rounds = evolve(membrane, relaxation, Transport(1e6), state, rounds=most // TRIALS, trials=TRIALS, dt=DT, look_every=1)
    for step in rounds:
        if step.events:
            raise RuntimeError(f"the vesicle has parted after {step.trials} steps: {step.events}")
        state = step.state
        energies.append(float(step.report.energy) / KAPPA)
        if VERBOSE:
            print("   ", step.trials, energies[-1], follow(membrane, state).measured(membrane.interface_width / RADIUS), int(step.report.refused), float(state.shape_step), flush=True)
        if len(energies) > 3 and energies[-3] - energies[-1] < still:
            break
    return state, step.trials


VERBOSE = False
TRIALS, DT = 50, 1e-4


def follow(membrane: Membrane, state: State) -> Meridian:
    """The mean meridian, from the pole of the domain on."""
    grid, eps = membrane.grid, membrane.interface_width
    psi, phi = (np.asarray(field, float) for field in (state.psi, state.phi))
    distance = 2**0.5 * eps * np.arctanh(np.clip(psi, -0.99, 0.99))
    z, y, x = (c.ravel() for c in initial.centred(grid))
    h = grid.spacing[0]
    rho = np.arange(0, x[-1] - h, 0.5 * h)
    height = np.arange(z[0], z[-1], 0.5 * h)
    turn = np.arange(16) * (2 * np.pi / 16)
    around = np.broadcast_arrays(
        (height[:, None, None] - z[0]) / h,
        (rho[:, None] * np.sin(turn) - y[0]) / h,
        (rho[:, None] * np.cos(turn) - x[0]) / h,
    )
    mean = lambda field: map_coordinates(field, np.stack(around), order=3, mode="nearest").mean(-1)
    # Mirrored, so that the line crosses the axis at a right angle.
    both = lambda field: np.concatenate([field[:, :0:-1], field], 1)
    line = max(find_contours(both(mean(distance)), 0.0), key=len)
    order = map_coordinates(both(mean(phi)), line.T, order=3)
    r, z = (line[:, 1] - (rho.size - 1)) * 0.5 * h, height[0] + 0.5 * h * line[:, 0]
    # One half of the closed line, from the pole of the domain on, where phi is largest on the axis.
    r, z, order = (v[:-1] for v in (r, z, order))
    axis = np.flatnonzero((r < 0) & (np.roll(r, -1) >= 0) | (r >= 0) & (np.roll(r, -1) < 0))
    top = max(axis, key=lambda i: order[i])
    r, z, order = (np.roll(v, -top - 1) for v in (r, z, order))
    if r[1] < 0:
        r, z, order = (v[::-1] for v in (r, z, order))
    half = np.flatnonzero(r < 0)[0]
    r, z, order = (v[:half] for v in (r, z, order))
    # On to the axis at both ends; nodes of the contour lie unevenly.
    r, z, order = np.append(np.insert(r, 0, 0.0), 0.0), z[[0, *range(z.size), -1]], order[[0, *range(z.size), -1]]
    s = np.concatenate([[0], np.cumsum(np.hypot(np.diff(r), np.diff(z)))])
    keep = np.append(True, np.diff(s) > 0.05 * h)
    even = np.linspace(0, s[-1], int(s[-1] / (0.25 * h)))
    r, z, order = (CubicSpline(s[keep], v[keep])(even) for v in (r, z, order))
    last = np.flatnonzero(order > 0)[-1]

    def rim(s):
        return s[last] + (s[last + 1] - s[last]) * order[last] / (order[last] - order[last + 1])

    return Meridian.along(r / RADIUS, z / RADIUS, rim)


def measured(membrane: Membrane, state: State) -> np.ndarray:
    """Energy, angle, rim, neck."""
    terms = membrane.terms(surface.derivatives(state.psi, membrane.grid), state.phi, state.books)
    energy = float(terms.bending + terms.lipids) / KAPPA
    return np.array([energy, *follow(membrane, state).measured(membrane.interface_width / RADIUS)])
