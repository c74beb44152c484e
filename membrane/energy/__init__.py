"""The free energy, written once for all geometries: local densities in pN/nm, pure functions of fields by name."""

from membrane.energy.cargo import Cargo, Oligomers
from membrane.energy.ceramide import Ceramide
from membrane.energy.helfrich import Helfrich, spontaneous_curvature
from membrane.energy.lipids import Lipids, lo_order
from membrane.energy.mixture import Mixture

__all__ = ["Cargo", "Ceramide", "Helfrich", "Lipids", "Mixture", "Oligomers", "lo_order", "spontaneous_curvature"]
