"""The Vesicle: a closed endosome in three dimensions whose membrane is a phase field; buds, necks and fission follow
from its free energy."""

from membrane.vesicle.composition import Transport
from membrane.vesicle.energy import Books, Membrane
from membrane.vesicle.evolve import Round, evolve
from membrane.vesicle.fission import Fission, Fusion, Vesicle, describe, rebook
from membrane.vesicle.mobility import Relaxation, StokesFlow
from membrane.vesicle.shape import Report, State

__all__ = [
    "Books",
    "Fission",
    "Fusion",
    "Membrane",
    "Relaxation",
    "Report",
    "Round",
    "State",
    "StokesFlow",
    "Transport",
    "Vesicle",
    "describe",
    "evolve",
    "rebook",
]
