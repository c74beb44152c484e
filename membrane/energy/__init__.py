"""The free energy, written once: local densities (pN/nm) as pure functions of named fields, shared by all
geometries."""

from membrane.energy.cargo import Cargo, Oligomers
from membrane.energy.ceramide import Ceramide
from membrane.energy.helfrich import Helfrich, spontaneous_curvature
from membrane.energy.lipids import Lipids, lo_order

__all__ = ["Cargo", "Ceramide", "Helfrich", "Lipids", "Oligomers", "lo_order", "spontaneous_curvature"]
