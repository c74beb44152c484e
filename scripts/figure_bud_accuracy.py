"""How accurate the bud law is: against published limits, under refinement, at the resolution of a run, and the cap.

(a) Barrier from the flat state by line tension alone (no tension, equal rigidities): the solver, the table of
docs/cap.md, and the spherical cap.
(b) Largest error of the energy along the path, against the path with 24 polynomials on the domain and 44 on the host.
(c) Line tension at which a rim of radius alpha L is in equilibrium, less its limit 4 - c for a closed neck, in a flat
host without tension.
(d) Hill to the gate of domains drawn over the range of the shipped runs (L 25 to 105 nm, c0 0.015 to 0.055 /nm, 1.1 pN,
host of 216 nm): the law at the resolution of a run, and the cap, less a finer solution. The scale is linear within
1 kBT of zero and logarithmic beyond.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import jax.numpy as jnp
import numpy as np

from membrane.bud import exact as bud
from membrane.bud.cap import CapLaw
from membrane.bud.exact_law import ExactLaw
from membrane.bud.landscape import Domain, Gate, Host, highest_climb
from membrane.commands import drawing
from membrane.figures import canvas
from membrane.figures.canvas import Figure, style
from membrane.figures.style import OKABE_ITO, WIDTH_INCH, letters
from membrane.paths import figure_name, require_own_file
from membrane.program.backend import set_up_jax
from membrane.units import thermal_energy

ROOT = Path(__file__).parents[1]
BARRIERS = {4.0: 2.302, 4.5: 1.169, 5.0: 0.429, 5.25: 0.197, 5.5: 0.055, 5.7: 0.005}
"""Exact barriers from the flat state in kappa, at L lambda/kappa."""

FINE = bud.Resolution(inner=16, outer=28, step=0.05, least_rim=0.027, backward=0)
DEGREES = ((8, 14), (10, 17), (12, 20), (16, 28), (20, 36), (24, 44))
CASES = {
    "$c$ = 0, flat host": dict(),
    "$c$ = 2, flat host": dict(c=2.0, s=0.02),
    "$c$ = 2, $R_v$ = 4$L$, soft host": dict(c=2.0, c_out=0.4, s=0.02, k=0.5, h=-0.25),
}
DEEP = bud.Resolution(inner=24, outer=44, step=0.2, least_rim=0.002, backward=0)
FINER = bud.Resolution(inner=18, outer=32, step=0.1, least_rim=0.045, backward=5)


def problem(c=0.0, c_out=0.0, s=0.0, k=1.0, g=0.0, h=0.0):
    """A dimensionless problem, in the symbols of docs/bud.md."""
    return bud.Problem.of([jnp.asarray(float(v)) for v in (c, c_out, s, k, g, h)])


def barriers(sizes):
    """Exact barrier from the flat state in kappa at each L lambda/kappa. One path serves all."""
    path = bud.trace(problem(), closed=False, resolution=FINE)
    alpha, energy = 1 / np.cosh(np.asarray(path.x)), np.asarray(path.energy)
    return [max(0.0, np.max(energy + 2 * np.pi * size * (alpha - 1))) for size in sizes]


def draw_barriers(axes):
    sizes = np.linspace(4, 8, 161)
    axes.plot(sizes, barriers(sizes), color=OKABE_ITO[0], label="exact (solver)")
    axes.plot(*zip(*BARRIERS.items(), strict=True), "o", ms=4, mfc="none", color="0.15", label="exact (table)")
    axes.plot(sizes, 8 * np.pi * (1 - sizes / 8) ** 2, "--", color=OKABE_ITO[1], label="spherical cap")
    axes.set(xlabel=r"$L\lambda/\kappa$", ylabel=r"barrier ($\kappa$)", xlim=(4, 8), ylim=(0, None))
    axes.legend(frameon=False)


def draw_convergence(axes):
    for (name, values), color in zip(CASES.items(), OKABE_ITO, strict=False):
        energies = []
        for inner, outer in DEGREES:
            resolution = bud.Resolution(inner=inner, outer=outer, step=0.3, least_rim=0.06, backward=0)
            path = bud.trace(problem(**values), closed=bool(values.get("h")), resolution=resolution)
            energies.append(np.asarray(path.energy))
        error = [np.nanmax(np.abs(energy - energies[-1])) for energy in energies[:-1]]
        axes.semilogy([inner for inner, _ in DEGREES[:-1]], error, "o-", ms=3, color=color, label=name)
    axes.set(xlabel="polynomials on the domain", ylabel=r"error of the energy ($\kappa$)")
    axes.legend(frameon=False)


def draw_closure(axes):
    for c, color in zip((0.0, 1.0, 2.0), OKABE_ITO, strict=False):
        path = bud.trace(problem(c=c), closed=False, resolution=DEEP)
        alpha, held = 1 / np.cosh(np.asarray(path.x)), np.asarray(bud.line_tension_at(path))
        axes.semilogx(alpha, held - (4 - c), color=color, label=f"$c$ = {c:g}")
    axes.axhline(0, color="0.8", lw=0.6, zorder=0)
    axes.set(xlabel=r"rim radius $\alpha$", ylabel=r"$l^*(\alpha) - (4 - c)$", xlim=(1, 2e-3), ylim=(-1.5, 2.5))
    axes.legend(frameon=False)


def hills(count):
    """Hill to the gate in kBT of ``count`` domains drawn at random: finer solution, as in a run, spherical cap.

    Only hills below 60 kBT are kept.
    """
    kT = thermal_energy(37.0)
    gate = Gate(neck_radius=5.0, thermal_energy=kT)
    viscosities = {"membrane_viscosity": 3e-6, "solvent_viscosity": 3e-9}
    rng = np.random.default_rng(1)
    size, curvature = rng.uniform(25, 105, count), rng.uniform(0.015, 0.055, count)
    full = lambda value: np.full(count, value)
    domain = Domain(
        area=np.pi * size**2,
        spontaneous_curvature=curvature,
        line_tension=full(1.1),
        bending_rigidity=full(40 * kT),
        gaussian_modulus_contrast=full(0.0),
    )
    host = Host(tension=1e-3, bending_rigidity=20 * kT, spontaneous_curvature=0.008, radius=216.0)
    laws = ExactLaw(gate, resolution=FINER, **viscosities), ExactLaw(gate, **viscosities), CapLaw(gate, **viscosities)
    found = np.array([highest_climb(law.landscape(domain, host), gate) for law in laws])
    return found[:, found[0] < 60]


def draw_hills(axes):
    exact, found, cap = hills(150)
    worst = np.max(np.abs(found - exact))
    axes.axhline(0, color="0.8", lw=0.6, zorder=0)
    axes.plot(exact, found - exact, "o", ms=3, color=OKABE_ITO[0], label=f"as in a run (within {worst:.2f})")
    axes.plot(exact, cap - exact, "x", ms=3, color=OKABE_ITO[1], label="spherical cap")
    axes.set_yscale("symlog", linthresh=1.0)
    axes.set(xlabel="hill, finer solution ($k_BT$)", ylabel="hill less finer solution ($k_BT$)", xlim=(-2, 60))
    axes.set_ylim(-10, 1000)
    axes.legend(frameon=False)


@style()
def draw() -> Figure:
    """The four panels."""
    figure = Figure(figsize=(WIDTH_INCH, 5.2), layout="constrained")
    panels = figure.subplots(2, 2)
    for axes, part in zip(panels.flat, (draw_barriers, draw_convergence, draw_closure, draw_hills), strict=True):
        part(axes)
    letters(*panels.flat)
    return figure


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=figure_name, default=ROOT / "docs" / "images" / "bud_accuracy.png")
    output = parser.parse_args(arguments).output

    def work():
        require_own_file(output)
        set_up_jax()
        with jax.enable_x64(True):
            figure = draw()
        return [canvas.save(figure, output, dpi=200)]

    return drawing.draw("figure_bud_accuracy", work)


if __name__ == "__main__":
    sys.exit(main())
