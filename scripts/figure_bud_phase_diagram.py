"""How a domain buds, by exact mechanics: shapes, energies and phase diagrams around a configuration, as one PNG.

(a) Shapes along the path of the domain that buds within the stated time: domain (Lo) and host (Ld), true to scale.
(b) Its energy over that of the dimple, and those of smaller and larger ones. (c) Diameter of the smallest domain that
buds within the stated time, against line tension and the domain's spontaneous curvature; hatched: none buds; shaded: 40
to 100 nm; star: the configuration. (d) What becomes of a domain at the configuration's line tension.
"""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax.numpy as jnp
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

import jax
from membrane import bud, predict
from membrane.build import build_law
from membrane.config import ConfigError, load
from membrane.landscape import answer
from membrane.plot import OKABE_ITO, STYLE, WIDTH_INCH
from membrane.sizes import EXOSOME_RANGE_NM
from membrane.units import PN_PER_NM_PER_UN_PER_M

ROOT = Path(__file__).parents[1]
LO, HOST, DARK = OKABE_ITO[1], OKABE_ITO[0], "0.2"
CURVATURES = np.linspace(0.008, 0.08, 19)
LINE_TENSIONS = np.linspace(0.05, 3.0, 30)
DIAMETERS = np.concatenate([np.arange(16.0, 120.0, 4.0), np.arange(120.0, 201.0, 8.0)])
SHOWN_SIZES = (0.8, 0.9, 1.0, 1.15)
"""Domains of panel (b), in units of the one of panel (a)."""

LARGEST_SHOWN = 110.0
"""Diameter up to which panel (d) reaches."""


class Survey:
    """The law's answers around one situation: landscapes without line tension, which only adds 2 pi lambda r_rim."""

    def __init__(self, situation, law, seconds):
        self.situation, self.law, self.seconds = situation, law, seconds
        self.diameters = DIAMETERS[DIAMETERS < 2 * situation.host_radius]
        grid = np.meshgrid(CURVATURES, self.diameters, indexing="ij")
        self.bare = self.landscape(grid[1].ravel(), grid[0].ravel(), 0.0)

    def landscape(self, diameters, curvatures, line_tension):
        domains = replace(
            self.situation.domains(diameters), spontaneous_curvature=np.broadcast_to(curvatures, np.shape(diameters))
        )
        bare = self.law.landscape(replace(domains, line_tension=0 * domains.area), self.situation.host)
        return self.tightened(bare, line_tension)

    @staticmethod
    def tightened(landscape, line_tension):
        rim = landscape.size[:, None] / np.cosh(landscape.coordinate)
        return replace(landscape, energy=landscape.energy + 2 * np.pi * line_tension * rim)

    def answers(self, line_tension):
        """(curvatures, diameters) arrays of waiting time (s; inf away from the lumen), closed neck, open neck."""
        found = answer(self.tightened(self.bare, line_tension), self.law.gate)
        with np.errstate(divide="ignore"):
            waiting = np.where(found.direction > 0, 1 / found.rate_per_s, np.inf)
        shape = len(CURVATURES), len(self.diameters)
        opened = np.isfinite(found.neck_radius_nm) & ~found.neck_closed
        return waiting.reshape(shape), found.neck_closed.reshape(shape), opened.reshape(shape)

    def smallest(self, line_tension):
        """Diameter (nm) at each curvature, nan where none buds in time."""
        waiting, *_ = self.answers(line_tension)
        return np.array([predict.crossing(self.diameters, row, self.seconds) for row in waiting])


def shapes(situation, diameter, law):
    """[(name, x, (r, z) of the domain, (r, z) of the host), ...] in nm from flat to the gate, and the landscape."""
    landscape = law.landscape(situation.domains([diameter]), situation.host)
    energy, x = landscape.energy[0], landscape.coordinate
    solved = np.isfinite(energy)
    energy, x, neck = energy[solved], x[solved], landscape.neck_radius[0][solved]
    end = np.append(np.nonzero(neck <= law.gate.neck_radius)[0], len(neck) - 1)[0]
    dimple = np.append(np.nonzero(np.diff(energy) > 0)[0], 0)[0]
    barrier = dimple + np.argmax(energy[dimple : end + 1])
    places = [("dimple", x[dimple]), ("barrier", x[barrier])]
    places += [("bud", 0.6 * x[barrier] + 0.4 * x[end]), ("neck", 0.25 * x[barrier] + 0.75 * x[end]), ("gate", x[end])]
    problem, _, size = bud.problem_of(
        area=np.pi * diameter**2,
        bending_rigidity=situation.rigidity_inside,
        host_bending_rigidity=situation.rigidity_outside,
        spontaneous_curvature=situation.curvature_inside,
        host_spontaneous_curvature=situation.curvature_outside,
        gaussian_modulus_contrast=situation.gaussian_contrast,
        tension=situation.tension,
        host_radius=situation.host_radius,
    )
    with jax.enable_x64(True):
        resolution, closed = bud.Resolution(), bool(np.isfinite(situation.host_radius))
        problem = bud.Problem(*(jnp.asarray(np.asarray(v), float) for v in problem))
        path = jax.device_get(bud.trace(problem, closed=closed, resolution=resolution))
        known, drawn = np.nonzero(np.isfinite(path.energy))[0], []
        for name, at in places:
            i = known[np.argmin(np.abs(path.x[known] - at))]
            arcs = bud.outline(problem, path.x[i], path.state[i], closed=closed, resolution=resolution)
            drawn.append((name, path.x[i], *(np.asarray(arc) * float(size) for arc in arcs)))
    return drawn, places


def draw_shapes(axes, drawn, diameter):
    """Sections through the axis, side by side in two rows; cytosol above, lumen below."""
    reach, columns = 0.95 * diameter, 3
    for number, (name, _, domain, host) in enumerate(drawn):
        near = (host[0] <= reach) & (np.cumsum(np.append(0, np.diff(host[0]) < 0)) <= np.sum(host[0] <= reach))
        stop = np.nonzero(host[0] > reach)[0]
        host = host[:, : stop[0] + 1] if len(stop) else host[:, near]
        left, down = 2.15 * reach * (number % columns), -1.45 * diameter * (number // columns)
        level = host[1][-1]
        for arc, color in ((host, HOST), (domain, LO)):
            for side in (-1, 1):
                axes.plot(left + side * arc[0], down + arc[1] - level, color=color, lw=2, solid_capstyle="butt")
        axes.text(left, down + 0.12 * diameter, f"{number + 1}  {name}", ha="center", va="bottom")
    axes.set_aspect("equal")
    axes.axis("off")


def draw_energies(axes, survey, diameter, places):
    situation, gate = survey.situation, survey.law.gate
    sizes = np.array(SHOWN_SIZES) * diameter
    landscape = survey.landscape(sizes, situation.curvature_inside, situation.line_tension)
    colors = matplotlib.colormaps["viridis"](np.linspace(0.9, 0.1, len(sizes)))
    for i, size in enumerate(sizes):
        keep = np.isfinite(landscape.energy[i]) & (landscape.coordinate > 0)
        keep &= np.cumsum(landscape.neck_radius[i] <= gate.neck_radius) <= 1
        rim = 1 / np.cosh(landscape.coordinate[keep])
        energy = landscape.energy[i][keep] / gate.thermal_energy
        first = np.append(np.nonzero(np.diff(energy) > 0)[0], 0)[0]
        axes.plot(rim, energy - energy[first], color=colors[i], lw=1.5, label=f"{size:.0f} nm")
        if SHOWN_SIZES[i] == 1.0:
            for number, (_, x) in enumerate(places):
                at = np.argmin(np.abs(landscape.coordinate[keep] - x))
                axes.plot(rim[at], energy[at] - energy[first], "o", ms=9, mfc="white", mec=colors[i], zorder=4)
                axes.text(
                    rim[at], energy[at] - energy[first], str(number + 1), ha="center", va="center", size=7, zorder=5
                )
    axes.axhline(0, color="0.8", lw=0.6, zorder=0)
    axes.set(xlim=(1.03, 0), xlabel="rim radius / $L$", ylabel="energy over the dimple ($k_BT$)")
    axes.legend(title="diameter $L$", frameon=False)


def draw_sizes(axes, survey):
    """Panel (c)."""
    size = np.array([survey.smallest(value) for value in LINE_TENSIONS])
    none = np.isnan(size)
    axes.contourf(
        CURVATURES, LINE_TENSIONS, np.where(none, 1.0, 0.0), levels=[0.5, 1.5], colors="none", hatches=["////"]
    )
    axes.contourf(CURVATURES, LINE_TENSIONS, size, levels=EXOSOME_RANGE_NM, colors=["0.85"])
    lines = axes.contour(
        CURVATURES, LINE_TENSIONS, size, levels=[20, 25, 30, 40, 50, 60, 80, 100, 150], colors=DARK, linewidths=1
    )
    axes.clabel(lines, fmt="%g nm", fontsize=7)
    here = survey.situation
    axes.plot(
        here.curvature_inside,
        here.line_tension,
        "*",
        ms=11,
        mfc=OKABE_ITO[4],
        mec="black",
        mew=0.6,
        zorder=5,
        clip_on=False,
    )
    axes.set(xlabel="domain's spontaneous curvature $c_0$ (nm$^{-1}$)", ylabel="line tension $\\lambda$ (pN)")
    axes.set(xlim=CURVATURES[[0, -1]], ylim=(0, LINE_TENSIONS[-1]))


def draw_fates(axes, survey, rival):
    """Panel (d)."""
    here = survey.situation
    waiting, closed, opened = survey.answers(here.line_tension)
    smallest = survey.smallest(here.line_tension)
    top = LARGEST_SHOWN
    ceiling = np.where(np.isnan(smallest), top, smallest)
    closing = np.array(
        [np.append(survey.diameters[row & ready], np.inf)[0] for row, ready in zip(closed, waiting <= survey.seconds)]
    )
    closing = np.clip(np.maximum(closing, ceiling), 0, top)
    axes.fill_between(CURVATURES, 0, ceiling, fc="white", ec="0.6", hatch="////", lw=0)
    axes.fill_between(CURVATURES, ceiling, closing, fc="#F6DDA0", lw=0)
    axes.fill_between(CURVATURES, closing, top, fc="#BFD9EA", lw=0)
    axes.plot(CURVATURES, smallest, color=DARK, lw=1.5)
    cap = Survey(here, rival, survey.seconds).smallest(here.line_tension)
    axes.plot(CURVATURES, cap, color=DARK, lw=1, ls="--")
    kappa = here.rigidity_inside
    axes.plot(CURVATURES, 4 * kappa / (here.line_tension + kappa * CURVATURES), color=DARK, lw=1, ls=":")
    own = np.interp(here.curvature_inside, CURVATURES, smallest)
    axes.plot(here.curvature_inside, own, "*", ms=11, mfc=OKABE_ITO[4], mec="black", mew=0.6, zorder=5, clip_on=False)
    axes.set(xlim=CURVATURES[[0, -1]], ylim=(0, top), ylabel="vesicle diameter $L$ (nm)")
    axes.set(xlabel="domain's spontaneous curvature $c_0$ (nm$^{-1}$)")


@matplotlib.rc_context(STYLE)
def draw(situation, law, rival, seconds) -> Figure:
    survey = Survey(situation, law, seconds)
    own = survey.landscape(survey.diameters, situation.curvature_inside, situation.line_tension)
    with np.errstate(divide="ignore"):
        diameter = predict.crossing(survey.diameters, 1 / answer(own, law.gate).rate_per_s, seconds)
    figure = Figure(figsize=(WIDTH_INCH, 5.6))
    panels = figure.subplots(2, 2, width_ratios=(1.15, 1))
    drawn, places = shapes(situation, diameter, law)
    draw_shapes(panels[0, 0], drawn, diameter)
    draw_energies(panels[0, 1], survey, diameter, places)
    draw_sizes(panels[1, 0], survey)
    draw_fates(panels[1, 1], survey, rival)
    for axes, letter in zip(panels.flat, "abcd", strict=True):
        axes.set_title(f"({letter})", loc="left", fontweight="bold")
    return figure


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", type=Path, default=ROOT / "configs" / "ceramide.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one dotted key")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images" / "bud_phase_diagram.png")
    parser.add_argument("--tension-uN-per-m", type=float, dest="tension", help="default: the configuration's")
    parser.add_argument("--host-radius-nm", type=float, dest="radius", help="default: sphere of the box; inf: flat")
    parser.add_argument("--waiting-s", type=float, default=1.0, help="a domain buds if it waits no longer (default: 1)")
    options = parser.parse_args(arguments)
    predict.set_up_jax()
    try:
        config = load(options.config, options.set)
        situation = predict.situation_of(config)
        if options.tension is not None:
            situation = replace(situation, tension=options.tension * PN_PER_NM_PER_UN_PER_M)
        if options.radius is not None:
            situation = replace(situation, host_radius=options.radius)
        figure = draw(situation, build_law(config, "exact"), build_law(config, "cap"), options.waiting_s)
        options.output.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(options.output, dpi=300)
    except (ConfigError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
