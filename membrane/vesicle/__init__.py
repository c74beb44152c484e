"""The whole endosome in three dimensions, its membrane a phase field.

Domains bud, necks close and membranes part because the free energy falls. No rule for budding or fission is put in.
"""

from membrane.vesicle.composition import Transport
from membrane.vesicle.conserved import Conserved
from membrane.vesicle.energy import Membrane
from membrane.vesicle.evolve import Round, evolve
from membrane.vesicle.fission import ClosedMembrane, FissionEvent, FusionEvent, describe, detect_events
from membrane.vesicle.mobility import Relaxation, StokesFlow
from membrane.vesicle.reserve import Reservoir, Stretching
from membrane.vesicle.shape import DescentReport, VesicleState

__all__ = [
    "ClosedMembrane",
    "Conserved",
    "DescentReport",
    "FissionEvent",
    "FusionEvent",
    "Membrane",
    "Relaxation",
    "Reservoir",
    "Round",
    "StokesFlow",
    "Stretching",
    "Transport",
    "VesicleState",
    "describe",
    "detect_events",
    "evolve",
]
