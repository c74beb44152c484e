"""Exact axisymmetric mechanics of one domain in its host: shapes, energies, the path from flat to closed neck."""

from membrane.bud.curve import (
    Problem,
    Resolution,
    closed_energy,
    closing_tension,
    outline,
    problem_of,
    reference_energy,
)
from membrane.bud.path import Branches, Path, branches, coordinate, trace
from membrane.bud.states import Equilibria, NoState, State, equilibria, line_tension_at

__all__ = [
    "Branches",
    "Equilibria",
    "NoState",
    "Path",
    "Problem",
    "Resolution",
    "State",
    "branches",
    "closed_energy",
    "closing_tension",
    "coordinate",
    "equilibria",
    "line_tension_at",
    "outline",
    "problem_of",
    "reference_energy",
    "trace",
]
