"""How a domain buds, by exact mechanics: shapes, energies and phase diagrams around a configuration, as one PNG.

(a) Sections through a domain (Lo) and its host (Ld) while the rim closes, true to scale, with the lumen below. The
domain is the smallest that buds within the stated time.
(b) Its energy on this path, less that of the neck that breaks; the numbers are those of the shapes in (a). Other curves
belong to smaller and larger domains.
(c) Diameter of the smallest domain that buds within the stated time. Grey: 40 to 100 nm. Hatched: none does, up to the
radius of the host. Star: the configuration.
(d) What becomes of a domain at the line tension of the configuration. The ideal neck closes at 4 kappa/L = lambda +
kappa c0 + kappa_out c0_out + 2 kappa_out/R_v.
"""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import numpy as np

from membrane import paths
from membrane.bud import exact as bud
from membrane.bud.landscape import answer
from membrane.bud.route import route, solve_path
from membrane.bud.situation import crossing
from membrane.bud.words import duration
from membrane.builder.law import bud_law
from membrane.builder.prediction import situation_of
from membrane.commands import drawing
from membrane.config import changed, load
from membrane.figures import canvas
from membrane.figures.canvas import Figure, Line2D, Patch, matplotlib, patheffects, style
from membrane.figures.style import OKABE_ITO, WIDTH_INCH
from membrane.outcome.sizes import EXOSOME_RANGE_NM
from membrane.program.backend import set_up_jax
from membrane.units import PN_PER_NM_PER_UN_PER_M

ROOT = Path(__file__).parents[1]
LO, HOST, STAR, INK = OKABE_ITO[1], OKABE_ITO[0], OKABE_ITO[4], "0.15"
OPEN, CLOSED = "#F5D58A", "#C3DDEE"
CURVATURES = np.linspace(0.008, 0.08, 25)
LINE_TENSIONS = np.linspace(0.0, 3.0, 25)
STEP_NM, LEAST_NM, LARGEST_NM = 1.5, 15.0, 220.0
"""Spacing of the diameters of panels (c) and (d), and their range."""

SIZES_SHOWN = (0.85, 0.93, 1.0, 1.1)
"""Diameters of panel (b), in units of the diameter of panel (a)."""

SHAPES, LARGEST_SHOWN = 6, 110.0
"""Number of shapes in panel (a); diameter (nm) up to which panel (d) reaches."""


class Survey:
    """A law's answers over curvatures and diameters. Paths that were solved for one line tension serve all of them."""

    def __init__(self, situation, law, seconds):
        self.situation, self.law, self.seconds = situation, law, seconds
        self.diameters = np.arange(LEAST_NM, min(situation.host_radius, LARGEST_NM), STEP_NM)

    def landscape(self, diameters, curvature, line_tension):
        domains = self.situation.domains(diameters)
        full = lambda value: np.full(len(diameters), value)
        domains = replace(domains, spontaneous_curvature=full(curvature), line_tension=full(line_tension))
        return self.law.landscape(domains, self.situation.host)

    def answers(self, line_tension):
        """(waiting time in s, whether the neck closes), each an array (curvatures, diameters)."""
        rows = (self.landscape(self.diameters, c, line_tension) for c in CURVATURES)
        found = [answer(row, self.law.gate) for row in rows]
        with np.errstate(divide="ignore"):
            waiting = [np.where(a.direction > 0, 1 / a.rate_per_s, np.inf) for a in found]
        return np.array(waiting), np.array([a.neck_closed for a in found])

    def smallest(self, line_tension):
        """Diameter in nm of the smallest domain that buds in time, array (curvatures,); nan: none does."""
        waiting, _ = self.answers(line_tension)
        return np.array([crossing(self.diameters, row, self.seconds) for row in waiting])


# Panels -----------------------------------------------------------------------------------------------------------


def states(situation, law, diameter):
    """(rim radius over L, energy in kT less that at the gate) of one domain on its way to the gate."""
    problem, line_tension = problem_of(situation, diameter)
    known = solve_path(bud.Problem.of(map(float, problem.values())), law.resolution)
    _, alpha, energy, neck, *_ = route(known, float(line_tension))
    keep = (alpha < 1 / np.cosh(0.1)) & (np.cumsum(diameter * np.exp(neck) <= law.gate.neck_radius) <= 1)
    energy = situation.rigidity_inside * energy[keep] / law.gate.thermal_energy
    return alpha[keep], energy - energy[-1]


def problem_of(situation, diameter):
    problem, line_tension, _ = bud.problem_of(
        area=np.pi * diameter**2,
        bending_rigidity=situation.rigidity_inside,
        host_bending_rigidity=situation.rigidity_outside,
        spontaneous_curvature=situation.curvature_inside,
        host_spontaneous_curvature=situation.curvature_outside,
        gaussian_modulus_contrast=situation.gaussian_contrast,
        line_tension=situation.line_tension,
        tension=situation.tension,
        host_radius=situation.host_radius,
    )
    return problem, line_tension


def shapes(situation, diameter, end):
    """[(x, (r, z) of the domain, (r, z) of the host)] in nm at evenly spaced x up to ``end``."""
    problem, size = problem_of(situation, diameter)[0], diameter
    closed, resolution = bool(np.isfinite(situation.host_radius)), bud.Resolution()
    path = jax.device_get(bud.trace(problem, closed=closed, resolution=resolution))
    known = np.nonzero(np.isfinite(path.energy) & (path.x > 0.1) & (path.x <= end))[0]
    drawn = []
    for i in known[np.linspace(0, len(known) - 1, SHAPES).round().astype(int)]:
        arcs = bud.outline(problem, path.x[i], path.state[i], closed=closed, resolution=resolution)
        drawn.append((path.x[i], *(np.asarray(arc) * float(size) for arc in arcs)))
    return drawn


def draw_shapes(axes, drawn, diameter):
    """Draw the sections in two rows. At the edge of every section the host lies at the same height."""
    reach, columns = 1.3 * diameter, SHAPES // 2
    sections = []
    for _, domain, host in drawn:
        whole = np.hstack([domain, host[:, 1:]])
        stop = np.append(np.nonzero(whole[0] > reach)[0], whole.shape[1] - 1)[0]
        level = np.array([[0.0], [whole[1, stop]]])
        sections.append((whole[:, :stop] - level, domain - level))
    top = 0.0
    for first in (0, columns):
        row = sections[first : first + columns]
        highest = max(whole[1].max() for whole, _ in row)
        top -= 0.65 * diameter + highest
        for column, (whole, domain) in enumerate(row):
            left = 2.15 * reach * column
            for (r, z), color in ((whole, HOST), (domain, LO)):
                section = np.concatenate([-r[::-1], r]), np.concatenate([z[::-1], z])
                axes.plot(left + section[0], top + section[1], color=color, lw=2.2, solid_capstyle="butt")
            place = left, top + highest + 0.25 * diameter
            axes.text(*place, str(first + column + 1), ha="center", va="center", **BADGE)
        top += min(whole[1].min() for whole, _ in row)
    below = top - 0.3 * diameter
    axes.plot([-reach, -reach + 50], [below, below], color=INK, lw=1.5)
    axes.text(-reach + 58, below, "50 nm", va="center")
    for at, color, name in ((2.0, LO, "domain (Lo)"), (4.4, HOST, "host (Ld)")):
        axes.text(at * reach, below, name, color=color, va="center", ha="center", fontweight="bold")
    axes.set(aspect="equal", xlim=(-1.05 * reach, 2.15 * reach * (columns - 1) + 1.05 * reach))
    axes.axis("off")


BADGE = {"size": 7, "bbox": {"boxstyle": "circle,pad=0.2", "fc": "white", "ec": INK, "lw": 0.6}}


def draw_energies(axes, survey, diameter, drawn):
    here = survey.situation
    colors = matplotlib.colormaps["viridis"](np.linspace(0.85, 0.05, len(SIZES_SHOWN)))
    deepest = 0.0
    for share, color in zip(SIZES_SHOWN, colors, strict=True):
        size = share * diameter
        alpha, energy = states(here, survey.law, size)
        axes.plot(alpha, energy, color=color, lw=1.5, label=f"{size:.0f} nm")
        deepest = min(deepest, energy.min())
        if share == 1:
            for number, (at, *_) in enumerate(drawn):
                place = 1 / np.cosh(at), energy[np.argmin(np.abs(alpha - 1 / np.cosh(at)))]
                axes.text(*place, str(number + 1), ha="center", va="center", zorder=4, **BADGE)
    axes.axhline(0, color="0.8", lw=0.6, zorder=0)
    axes.set(xlim=(1.04, 0), ylim=(1.15 * deepest, -2.2 * deepest))
    axes.set(xlabel="rim radius / $L$", ylabel="energy over the gate's ($k_BT$)")
    axes.legend(title="diameter $L$", frameon=False, loc="upper right")


def draw_sizes(axes, survey):
    sizes, here = np.array([survey.smallest(value) for value in LINE_TENSIONS]), survey.situation
    grid = CURVATURES, LINE_TENSIONS
    axes.set_facecolor("white")
    axes.contourf(*grid, np.isnan(sizes).astype(float), levels=[0.5, 1.5], colors="none", hatches=["/////"])
    axes.contourf(*grid, sizes, levels=EXOSOME_RANGE_NM, colors=["0.88"])
    lines = axes.contour(*grid, sizes, levels=[20, 30, 35, 40, 50, 60, 80, 100], colors=INK, linewidths=1)
    axes.clabel(lines, fmt="%g nm", fontsize=7)
    star(axes, here.curvature_inside, here.line_tension)
    handles = [
        Patch(fc="0.88", label="{:g}\N{EN DASH}{:g} nm".format(*EXOSOME_RANGE_NM)),
        Patch(fc="white", ec=INK, hatch="/////", lw=0, label=f"no budding up to {survey.diameters[-1]:.0f} nm"),
        Line2D([], [], ls="", marker="*", ms=8, mfc=STAR, mec="black", mew=0.6, label="configuration"),
    ]
    above(axes, handles)
    axes.set(xlim=CURVATURES[[0, -1]], ylim=LINE_TENSIONS[[0, -1]], xlabel=CURVATURE, ylabel="line tension (pN)")


CURVATURE = "spontaneous curvature of the domain (nm$^{-1}$)"


def draw_fates(axes, survey, cap):
    here, top = survey.situation, LARGEST_SHOWN
    waiting, closed = survey.answers(here.line_tension)
    smallest = survey.smallest(here.line_tension)
    closing = [np.append(survey.diameters[row], np.inf)[0] for row in closed & (waiting <= survey.seconds)]
    begins = np.nan_to_num(smallest, nan=top)
    closing = np.maximum(begins, closing)
    axes.fill_between(CURVATURES, 0, begins, fc="white", ec="0.75", hatch="/////", lw=0)
    axes.fill_between(CURVATURES, begins, closing, fc=OPEN, lw=0)
    axes.fill_between(CURVATURES, closing, top, fc=CLOSED, lw=0)
    axes.plot(CURVATURES, smallest, color=INK, lw=1.8)
    axes.plot(CURVATURES, cap.smallest(here.line_tension), color=INK, lw=1.1, ls="--")
    inner, outer = here.rigidity_inside, here.rigidity_outside
    pull = here.line_tension + inner * CURVATURES + outer * (here.curvature_outside + 2 / here.host_radius)
    axes.plot(CURVATURES, 4 * inner / pull, color=INK, lw=1.1, ls=":")
    star(axes, here.curvature_inside, np.interp(here.curvature_inside, CURVATURES, smallest))
    axes.set(xlim=CURVATURES[[0, -1]], ylim=(0, top), xlabel=CURVATURE, ylabel="diameter $L$ (nm)")
    time = duration(survey.seconds)
    handles = [
        Patch(fc=CLOSED, label="neck closes"),
        Patch(fc=OPEN, label="bud with open neck"),
        Patch(fc="white", ec="0.75", hatch="/////", lw=0, label=f"waits longer than {time}"),
        Line2D([], [], color=INK, lw=1.8, label=f"buds within {time}"),
        Line2D([], [], color=INK, lw=1.1, ls="--", label="the same, spherical cap"),
        Line2D([], [], color=INK, lw=1.1, ls=":", label="ideal neck closes"),
    ]
    above(axes, handles)


def above(axes, handles):
    """Put a legend above the axes, where it covers nothing."""
    axes.legend(
        handles=handles, ncols=2, loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=6.5, columnspacing=1
    )


def star(axes, x, y):
    halo = [patheffects.withStroke(linewidth=2.5, foreground="white")]
    axes.plot(x, y, "*", ms=10, mfc=STAR, mec="black", mew=0.7, zorder=5, clip_on=False, path_effects=halo)


@style()
def draw(situation, law, cap, seconds) -> Figure:
    """The four panels. Raises ValueError where no domain buds within ``seconds``."""
    survey = Survey(situation, law, seconds)
    row = answer(survey.landscape(survey.diameters, situation.curvature_inside, situation.line_tension), law.gate)
    with np.errstate(divide="ignore"):
        diameter = crossing(survey.diameters, 1 / row.rate_per_s, seconds)
    if np.isnan(diameter):
        raise ValueError(
            f"no domain of this configuration buds within {seconds:g} s; give a longer --waiting-s, or raise its "
            "line tension or spontaneous curvature with --set"
        )
    alpha, _ = states(situation, law, diameter)
    with jax.enable_x64(True):
        drawn = shapes(situation, diameter, np.arccosh(1 / alpha[-1]))
    figure = Figure(figsize=(WIDTH_INCH, 5.4))
    panels = figure.subplots(2, 2)
    draw_shapes(panels[0, 0], drawn, diameter)
    draw_energies(panels[0, 1], survey, diameter, drawn)
    draw_sizes(panels[1, 0], survey)
    draw_fates(panels[1, 1], survey, Survey(situation, cap, seconds))
    for axes, letter in zip(panels.flat, "abcd", strict=True):
        axes.annotate(letter, (0, 1), (-26, 14), "axes fraction", "offset points", weight="bold", size=10)
    return figure


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", type=paths.path, default=ROOT / "configs" / "ceramide.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one dotted key")
    parser.add_argument("--output", type=paths.figure_name, default=ROOT / "docs" / "images" / "bud_phase_diagram.png")
    parser.add_argument("--tension-uN-per-m", type=float, dest="tension", help="default: the configuration's")
    parser.add_argument("--host-radius-nm", type=float, dest="radius", help="default: sphere of the box; inf: flat")
    parser.add_argument("--waiting-s", type=float, default=1.0, help="how long a domain may take (default: 1)")
    options = parser.parse_args(arguments)

    def work():
        drawing.check_outputs({"the figure": options.output}, [options.config])
        set_up_jax()
        config = load(options.config, options.set)
        exact, cap = (
            bud_law(changed(config, {"budding.law": law}, str(options.config)), search_limit_kT=np.inf)
            for law in ("exact", "cap")
        )
        situation = situation_of(config)
        if options.tension is not None:
            situation = replace(situation, tension=options.tension * PN_PER_NM_PER_UN_PER_M)
        if options.radius is not None:
            situation = replace(situation, host_radius=options.radius)
        return [canvas.save(draw(situation, exact, cap, options.waiting_s), options.output, dpi=300)]

    return drawing.draw("figure_bud_phase_diagram", work)


if __name__ == "__main__":
    sys.exit(main())
