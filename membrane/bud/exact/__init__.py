"""Exact axisymmetric mechanics of one domain in its host: shapes, energies, and the path from flat to closed neck."""

from membrane.bud.exact.curve import Resolution, closed_energy, closing_tension, outline, reference_energy
from membrane.bud.exact.landmarks import EVEN
from membrane.bud.exact.path import RESOLVED, Branches, Path, branches, trace
from membrane.bud.exact.problem import Problem, problem_of
from membrane.bud.exact.schedule import coordinate
from membrane.bud.exact.sealed import Sealed, Waist, sealed_at, vesicle_of, waist
from membrane.bud.exact.states import Equilibria, Equilibrium, equilibria, line_tension_at

__all__ = [
    "EVEN",
    "RESOLVED",
    "Branches",
    "Equilibria",
    "Equilibrium",
    "Path",
    "Problem",
    "Resolution",
    "Sealed",
    "Waist",
    "branches",
    "closed_energy",
    "closing_tension",
    "coordinate",
    "equilibria",
    "line_tension_at",
    "outline",
    "problem_of",
    "reference_energy",
    "sealed_at",
    "trace",
    "vesicle_of",
    "waist",
]
