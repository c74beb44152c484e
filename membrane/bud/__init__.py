"""Exact axisymmetric mechanics of one domain in its host: shapes, energies, the path from flat to closed neck."""

from membrane.bud.curve import Problem, Resolution, outline, problem_of, reference_energy
from membrane.bud.path import Path, coordinate, trace
from membrane.bud.states import Equilibria, NoState, State, equilibria, line_tension_at

__all__ = [
    "Equilibria",
    "NoState",
    "Path",
    "Problem",
    "Resolution",
    "State",
    "coordinate",
    "equilibria",
    "line_tension_at",
    "outline",
    "problem_of",
    "reference_energy",
    "trace",
]
