"""Exact axisymmetric mechanics of one domain in its host: shapes, energies, the path from flat to closed neck."""

from membrane.bud.exact.curve import (
    Problem,
    Resolution,
    closed_energy,
    closing_tension,
    outline,
    problem_of,
    reference_energy,
)
from membrane.bud.exact.path import Branches, Path, branches, coordinate, trace
from membrane.bud.exact.sealed import Neck, Sealed, neck, sealed_at, vesicle_of
from membrane.bud.exact.states import Equilibria, NoState, State, equilibria, line_tension_at

__all__ = [
    "Branches",
    "Equilibria",
    "Neck",
    "NoState",
    "Path",
    "Problem",
    "Resolution",
    "Sealed",
    "State",
    "branches",
    "closed_energy",
    "closing_tension",
    "coordinate",
    "equilibria",
    "line_tension_at",
    "neck",
    "outline",
    "problem_of",
    "reference_energy",
    "sealed_at",
    "trace",
    "vesicle_of",
]
