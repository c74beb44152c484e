"""Vesicles in three dimensions against the exact axisymmetric solver, at three points of (lambda, c0): a table.

A domain of 18 % of a sealed vesicle (reduced volume 0.84, one kappa) bulges out of it through a neck. Both areas and
the volume are the same in both: the phase field holds them by stiff moduli and the content of phi, the axisymmetric
solver exactly (`bud.sealed_at`). c0 < 0 bends away from the lumen, as the bud does. Lengths in R, of the sphere of the
whole area.

Columns: lambda R/kappa, c0 R, R/eps; then in pairs, vesicle and exact: energy over kappa, contact angle, radii of rim
and neck. Below each point: linear extrapolation to eps = 0.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import figure_baumgart as two_phase
import jax
import numpy as np

POINTS = [(12.0, 0.0), (9.0, -1.0), (6.0, -2.0)]
"""lambda R/kappa and c0 R."""

COLUMNS = ("energy", "angle", "rim", "neck")
HEADER = "lambda   c0  R/eps |  energy   exact | angle exact |   rim exact |  neck exact"
ROW = "{:>6} {:>4}  {:>5} | {:7.2f} {:7.2f} | {:5.3f} {:5.3f} | {:5.3f} {:5.3f} | {:5.3f} {:5.3f}"


def case(line_tension: float, curvature: float) -> two_phase.Case:
    return two_phase.Case(0.82, 0.84, line_tension, stiffness=1.0, curvature=curvature)


def exact(point) -> np.ndarray:
    """Energy, angle, rim, neck."""
    found = two_phase.exact(case(*point))
    return np.array([getattr(found, name) for name in COLUMNS])


def vesicle(point, fineness: float, steps: int) -> np.ndarray:
    """The same of the phase field, eps = R/fineness."""
    membrane, state = two_phase.vesicle(case(*point), fineness)
    state, _ = two_phase.relaxed(membrane, state, steps)
    found = two_phase.measured(membrane, state)
    return np.array([getattr(found, name) for name in COLUMNS])


def extrapolated(fineness, found) -> np.ndarray:
    """Linearly in eps to 0."""
    return np.polyfit(1 / np.asarray(fineness, float), np.array(found), 1)[1]


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fineness", metavar="R/EPS", type=float, nargs="+", default=[9.0, 11.0, 13.0])
    parser.add_argument("--steps", metavar="N", type=int, default=2000, help="of the shape at most (default 2000)")
    options = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    print(HEADER, flush=True)
    for point in POINTS:
        ideal, found = exact(point), []
        for fineness in options.fineness:
            found.append(vesicle(point, fineness, options.steps))
            print(ROW.format(*point, fineness, *np.stack([found[-1], ideal], 1).ravel()), flush=True)
        if len(found) > 1:
            limit = extrapolated(options.fineness, found)
            print(ROW.format("", "", "0", *np.stack([limit, ideal], 1).ravel()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
