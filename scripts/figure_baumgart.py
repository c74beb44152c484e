"""Vesicles of two phases, relaxed in three dimensions, beside the exact axisymmetric shapes.

Writes STEM.png and STEM.pdf, and prints a table. The reduced volumes and the shares of Ld are those of three vesicles
of Baumgart et al. 2005 (Biophys. J. 89:1067). The bending rigidity kappa is five times higher in Lo than in Ld. Each
vesicle is computed twice: with equal Gaussian rigidities kappa_G, and with kappa_G,Ld - kappa_G,Lo = 3.6 kappa_Ld. The
line tensions lambda are assumed; they are so low that each neck is wider than the interface. Lengths are in units of R,
the radius of a sphere that has the area of the vesicle; energies are in units of kappa_Ld.

Columns of the table:
  Ld, v, lambda, contr   share of Ld in the area; reduced volume; lambda R/kappa_Ld; contrast of kappa_G over kappa_Ld
  R/eps                  R over the interface width; the largest that is asked for is drawn
  energy, rim, neck      energy; radius of the phase boundary; radius of the neck (nan: there is none)
  offset                 distance of the neck from the phase boundary along the meridian, positive into Ld
  apart                  root mean square distance between both outlines
  steps, s               steps of the shape; seconds

Energy, rim, neck and offset are followed by the exact value.
"""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import sys
import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from scipy.fft import next_fast_len
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree
from skimage.measure import find_contours

from membrane.bud import exact as bud
from membrane.commands import drawing
from membrane.energy import Lipids
from membrane.figures.canvas import Figure, Line2D, style
from membrane.figures.raycast import LD, LO
from membrane.figures.style import WIDTH_INCH, save
from membrane.lattice.grid import Grid
from membrane.paths import path
from membrane.vesicle import Membrane, Relaxation, Transport, VesicleState, evolve, initial, surface

KAPPA, CONTRAST, RADIUS = 85.6, 3.6, 60.0
"""kappa_Ld in pN nm; the contrast of kappa_G over kappa_Ld; R in nm."""

RESOLUTION = bud.Resolution(inner=28, outer=40)
"""Numbers of points on the exact shapes."""

HEADER = (
    "  Ld     v  lambda contr R/eps |  energy   exact |   rim exact |   neck  exact | offset  exact |  apart steps   s"
)
ROW = (
    "{:4.2f}  {:4.2f} {:7g} {:5g} {:5g} | {:7.2f} {:7.2f} | {:5.3f} {:5.3f} | {:6.3f} {:6.3f} | {:6.3f} {:6.3f} | "
    "{:6.4f} {:5d} {:3.0f}"
)


class Case(NamedTuple):
    """A vesicle of two phases.

    Args:
        ld_share: share of Ld in the area.
        reduced_volume: volume over that of the sphere of the same area.
        line_tension: lambda R/kappa_Ld.
        contrast: (kappa_G,Ld - kappa_G,Lo)/kappa_Ld.
        stiffness: kappa_Lo/kappa_Ld.
    """

    ld_share: float
    reduced_volume: float
    line_tension: float
    contrast: float = 0.0
    stiffness: float = 5.0


CASES = [(0.56, 0.76, 12.0), (0.18, 0.84, 12.0), (0.89, 0.98, 40.0)]


class Found(NamedTuple):
    """What was found, in units of kappa_Ld and R.

    Args:
        energy: bending and line energy.
        rim: radius of the phase boundary.
        neck: radius of the neck; NaN if there is none.
        offset: distance of the neck from the phase boundary along the meridian, positive into Ld; NaN without a neck.
        lo, ld: outlines of both phases, rows r and z, (2, n) each.
    """

    energy: float
    rim: float
    neck: float
    offset: float
    lo: np.ndarray
    ld: np.ndarray


def exact(case: Case) -> Found:
    """The axisymmetric shape, with Lo as the domain."""
    # The solver follows a branch of shapes, which begins at a dumbbell.
    state = None
    dumbbell = case._replace(ld_share=0.56, reduced_volume=0.76, line_tension=12.0)
    for way in (dumbbell, dumbbell._replace(line_tension=case.line_tension), case):
        problem, tension, host = bud.vesicle_of(
            domain_share=1 - way.ld_share,
            reduced_volume=way.reduced_volume,
            rigidity_ratio=1 / way.stiffness,
            gaussian_contrast=-way.contrast / way.stiffness,
            line_tension=way.line_tension / way.stiffness,
        )
        state = bud.sealed_at(problem, tension, host, near=state, resolution=RESOLUTION)
    radius = float(state.radius)
    lo, ld = bud.outline(state.problem, state.x, state.state, closed=True, resolution=RESOLUTION)
    # The exact outline begins at the pole of Lo and its height grows from there; here that pole is on top.
    lo, ld = (np.array([part[0], -part[1]]) / radius for part in (lo, ld))
    neck = bud.waist(state, RESOLUTION)
    energy, rim = case.stiffness * float(state.energy), 1 / float(np.cosh(state.x)) / radius
    return Found(energy, rim, neck.radius / radius, neck.offset / radius, *_centred(lo, ld[:, ::-1]))


def vesicle(case: Case, fineness: float) -> tuple[Membrane, VesicleState]:
    """The start of a vesicle in three dimensions, with eps = R/fineness: a prolate with a cap of Lo about +z.

    A stiff osmotic law holds its volume.
    """
    eps = RADIUS / fineness
    area, volume = 4 * np.pi * RADIUS**2, 4 * np.pi / 3 * RADIUS**3 * case.reduced_volume
    axes = initial.spheroid_axes(area, case.reduced_volume, prolate=True)
    spacing = eps / 1.286
    shape = tuple(next_fast_len(int(np.ceil((2.16 * a + 9 * eps) / spacing)), True) for a in (*axes, axes[1]))
    grid = Grid(shape, tuple(spacing * n for n in shape), "float32")
    lipids = Lipids.from_wall(line_tension=case.line_tension * KAPPA / RADIUS, interface_width=eps)
    membrane = Membrane(
        grid,
        interface_width=eps,
        bending_rigidity=(KAPPA, case.stiffness * KAPPA),
        spontaneous_curvature=(0.0, 0.0),
        lipids=lipids,
        area_modulus=500.0,
        osmotic=(50.0, volume),
        gaussian_rigidity=(0.0, -case.contrast * KAPPA),
    )
    psi = initial.profile(initial.spheroid(grid, *axes), eps, grid)
    phi = initial.profile(initial.spheroid_cap(grid, *axes, (1 - case.ld_share) * area), eps, grid)
    return membrane, VesicleState.at_rest(membrane, psi, phi, membrane.conserved(psi, phi))


def relaxed(membrane: Membrane, state: VesicleState, most: int, still: float = 2e-3) -> tuple[VesicleState, int]:
    """The relaxed state, and how many steps of the shape it took.

    It ends after ``most`` steps, or when a hundred steps lower the free energy by less than ``still`` (in kappa_Ld).
    Raises RuntimeError if the vesicle divides.
    """
    relaxation, before = Relaxation(3 * membrane.interface_width), np.inf
    rounds = evolve(membrane, relaxation, Transport(1e6), state, rounds=most // 100, trials=100, dt=1e-6, look_every=1)
    for step in rounds:
        if step.events:
            raise RuntimeError(f"the vesicle has divided after {step.trials} steps: {step.events}")
        state, energy = step.state, float(step.report.energy) / KAPPA
        if before - energy < still:
            break
        before = energy
    return state, step.trials


def measured(membrane: Membrane, state: VesicleState) -> Found:
    """What a relaxed vesicle looks like. Sections across z give r(z) by their area, and the rim by their mean order."""
    grid, eps = membrane.grid, membrane.interface_width
    z = initial.centred(grid)[0].ravel()
    near = surface.derivatives(state.psi, grid)
    section = np.asarray(surface.lumen_indicator(state.psi), float).sum((1, 2)) * grid.spacing[1] * grid.spacing[2]
    density = np.asarray(surface.delta(near, eps), float)
    order = (density * np.asarray(state.phi)).sum((1, 2)) / density.sum((1, 2))
    fine = np.linspace(z[1], z[-2], 20 * z.size)
    radius = np.sqrt(np.maximum(CubicSpline(z, section)(fine) / np.pi, 1e-6))
    inside = np.flatnonzero(radius > 3 * eps)[[0, -1]]
    fine, radius = (v[inside[0] : inside[1] + 1] for v in (fine, radius))
    along = np.concatenate([[0], np.cumsum(np.hypot(np.diff(fine), np.diff(radius)))])
    rim = np.flatnonzero(np.diff(np.sign(np.interp(fine, z, order))))[-1]
    narrow = np.flatnonzero((radius[1:-1] < radius[:-2]) & (radius[1:-1] <= radius[2:])) + 1
    best = min(narrow, key=lambda i: abs(along[i] - along[rim]), default=None)
    neck = (np.nan, np.nan) if best is None else (radius[best] / RADIUS, (along[rim] - along[best]) / RADIUS)
    terms = membrane.terms(near, state.phi, state.conserved)
    energy = float(terms.bending + terms.lipids) / KAPPA
    outline = _outline(membrane, state)
    last = np.flatnonzero(outline[2] > 0)[-1]
    lo, ld = outline[:2, : last + 1], outline[:2, last:]
    return Found(energy, radius[rim] / RADIUS, *neck, *_centred(lo, ld[:, ::-1]))


def _centred(lo, ld):
    """Both outlines, shifted so that the middle of their height is at z = 0."""
    return tuple(part - [[0], [0.5 * (lo[1].max() + ld[1].min())]] for part in (lo, ld))


def _outline(membrane: Membrane, state: VesicleState) -> np.ndarray:
    """The line psi = 0 in a half plane through the axis, from the pole of Lo on: r/R, z/R and phi, (3, n)."""
    grid = membrane.grid
    middle = grid.shape[1] // 2
    shift = initial.centred(grid)[1].ravel()[middle]
    psi = np.asarray(state.psi, float)[:, middle]
    (line,) = find_contours(np.arctanh(np.clip(psi, -0.9999, 0.9999)), 0.0)
    line = line[:-1]
    z, _, x = (c.ravel() for c in initial.centred(grid))
    at = [np.interp(line[:, i], np.arange(c.size), c) for i, c in ((0, z), (1, x))]
    order = np.asarray(state.phi, float)[:, middle][tuple(np.rint(line).astype(int).T)]
    # The line is closed; its half at x > 0 is taken, from the upper pole on.
    side = at[1] >= 0
    first = np.flatnonzero(side & ~np.roll(side, 1))[0]
    half = np.roll(np.arange(side.size), -first)[: side.sum()]
    half = half if at[0][half[0]] > at[0][half[-1]] else half[::-1]
    return np.array([np.hypot(at[1], shift)[half] / RADIUS, at[0][half] / RADIUS, order[half]])


def apart(one: Found, two: Found) -> float:
    """Root mean square distance of the outline of ``two`` from that of ``one``, over R."""
    line = np.concatenate([one.lo, one.ld[:, ::-1]], 1)
    steps = np.linspace(0, line.shape[1] - 1, 4000)
    dense = np.stack([np.interp(steps, np.arange(line.shape[1]), c) for c in line], 1)
    points = np.concatenate([two.lo, two.ld], 1).T
    return float(np.sqrt(np.mean(cKDTree(dense).query(points)[0] ** 2)))


@style()
def draw(triples) -> Figure:
    """Outlines of ((case, vesicle, exact), ...): the upper row has equal kappa_G, the lower the contrast."""
    figure = Figure(figsize=(WIDTH_INCH, 5.6))
    figure.set_layout_engine("none")
    rows = sorted({case.contrast for case, *_ in triples})
    columns = len(triples) // len(rows)
    for n, (case, found, ideal) in enumerate(triples):
        row, column = n % len(rows), n // len(rows)
        height = 0.9 / len(rows)
        axes = figure.add_axes((column / columns, 0.94 - (row + 1) * height, 1 / columns, height))
        for part, colour in ((found.lo, LO), (found.ld, LD)):
            for side in (-1, 1):
                axes.plot(side * part[0], part[1], color=colour, lw=4, solid_capstyle="butt")
        for part in (ideal.lo, ideal.ld):
            for side in (-1, 1):
                axes.plot(side * part[0], part[1], color="k", lw=0.6)
        axes.plot([-found.rim, found.rim], [_height(found, 0.0)] * 2, color="k", lw=0.8, ls=":")
        words = "no neck"
        if np.isfinite(found.neck):
            level = _height(found, found.offset)
            for side, marker in ((-1, 5), (1, 4)):
                axes.plot(side * (found.neck + 0.13), level, ls="", marker=marker, color="k", ms=5)
            words = f"neck\n{found.offset:+.3f} R\nexact\n{ideal.offset:+.3f} R"
        axes.text(1.12, 0.0, words, fontsize=7, va="center")
        axes.set(aspect="equal", xlim=(-1.3, 1.9), ylim=(-1.75, 1.75))
        axes.axis("off")
        if row == 0:
            title = f"v = {case.reduced_volume:g}, {case.ld_share:.0%} Ld"
            figure.text((column + 0.4) / columns, 0.975, title, ha="center", va="center", fontsize=9)
        if column == 0:
            unequal = f"$\\Delta\\kappa_G$ = {case.contrast:g} $\\kappa_{{Ld}}$"
            words = unequal if case.contrast else "equal $\\kappa_G$"
            figure.text(0.012, 0.94 - (row + 0.5) * height, words, rotation=90, va="center", fontsize=9)
    key = [Line2D([], [], color=LO, lw=4, label="Lo"), Line2D([], [], color=LD, lw=4, label="Ld")]
    key += [Line2D([], [], color="k", lw=0.6, label="exact")]
    key += [Line2D([], [], color="k", ls=":", lw=0.8, label="phase boundary")]
    key += [Line2D([], [], color="k", ls="", marker=5, ms=5, label="neck")]
    figure.legend(handles=key, loc="lower center", ncols=5, frameon=False, fontsize=8, borderaxespad=0.1)
    return figure


def _height(found: Found, offset: float) -> float:
    """z of the point of the outline that lies ``offset`` beyond the rim, towards Ld."""
    line = np.concatenate([found.lo, found.ld[:, ::-1]], 1)
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=1)))])
    return float(np.interp(along[found.lo.shape[1] - 1] + offset, along, line[1]))


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", metavar="STEM", type=path, default=Path("runs/baumgart"))
    parser.add_argument("--fineness", metavar="R/EPS", type=float, nargs="+", default=[14.0])
    parser.add_argument("--steps", metavar="N", type=int, default=3000, help="of the shape at most (default 3000)")
    options = parser.parse_args(arguments)

    def work():
        stem = drawing.stem(options.output)
        jax.config.update("jax_enable_x64", True)
        print(HEADER, flush=True)
        drawn = []
        for numbers in CASES:
            for contrast in (0.0, CONTRAST):
                case = Case(*numbers, contrast)
                ideal = exact(case)
                for fineness in sorted(options.fineness):
                    begun = time.perf_counter()
                    membrane, state = vesicle(case, fineness)
                    state, steps = relaxed(membrane, state, options.steps)
                    found = measured(membrane, state)
                    pairs = [getattr(f, name) for name in ("energy", "rim", "neck", "offset") for f in (found, ideal)]
                    seconds = time.perf_counter() - begun
                    print(ROW.format(*case[:4], fineness, *pairs, apart(found, ideal), steps, seconds), flush=True)
                drawn.append((case, found, ideal))
        return save(draw(drawn), stem)

    return drawing.draw("figure_baumgart", work)


if __name__ == "__main__":
    sys.exit(main())
