"""The mixture that a membrane is made of: its species, their free energy and their mobilities, for every geometry.

    f(X) = f_lipids(phi) + f_ceramide(phi, c) + f_cargo(phi, u)          in pN/nm
    M_phi = D/(2 b),   M_i = D m_i(X) of every other species             in nm^3/(pN s)

D = D_Ld + (D_Lo - D_Ld)(1 + p(phi))/2 is the diffusion coefficient of the species. m_i, which Ceramide and Cargo
give, makes a dilute species diffuse with D.
"""

import equinox as eqx

from membrane.energy.cargo import MONOMER, OLIGOMER, Cargo
from membrane.energy.ceramide import CYTOSOLIC, LUMINAL, Ceramide
from membrane.energy.lipids import Lipids, lo_order


class Mixture(eqx.Module):
    """Lipids in two phases, and the ceramide and cargo that are dissolved in them, where there are any.

    Fields of a mixture are arrays with the species along the first axis, in the order of ``species``. ``named`` is
    a dictionary of the same fields by name.

    Attributes:
        lipids: double well and gradient energy of phi.
        ceramide: ceramide in the two leaflets, or None.
        cargo: cargo proteins, as monomers and perhaps as n-mers, or None.

    >>> lipids = Lipids.from_wall(line_tension=1.0, interface_width=5.0)
    >>> Mixture(lipids, Ceramide(thermal_energy=4.28, patch_area=10.0, affinity=1.0)).species
    ('phi', 'ceramide_cytosolic', 'ceramide_luminal')
    """

    lipids: Lipids
    ceramide: Ceramide | None = None
    cargo: Cargo | None = None

    @property
    def species(self) -> tuple[str, ...]:
        """Names of the fields in their order; the first is phi."""
        names = ["phi"]
        names += [CYTOSOLIC, LUMINAL] if self.ceramide is not None else []
        names += [MONOMER] if self.cargo is not None else []
        names += [OLIGOMER] if self.has_oligomers else []
        return tuple(names)

    @property
    def has_oligomers(self) -> bool:
        """Whether cargo monomers form n-mers."""
        return self.cargo is not None and self.cargo.oligomers is not None

    def named(self, fields) -> dict:
        """The fields (species, ...) by name."""
        return dict(zip(self.species, fields, strict=True))

    def part(self, name: str) -> Ceramide | Cargo:
        """The part of the energy that the species ``name`` belongs to. ``name`` is not phi."""
        return self.ceramide if name in (CYTOSOLIC, LUMINAL) else self.cargo

    def density(self, named):
        """f in pN/nm: the local free energy, without gradients and without bending."""
        parts = [part for part in (self.lipids, self.ceramide, self.cargo) if part is not None]
        return sum(part.density(named) for part in parts)

    def mobility(self, name: str, named, diffusion: tuple[float, float]):
        """M of one species in nm^3/(pN s); ``diffusion`` is its D in Ld and in Lo, in nm^2/s."""
        mixed = diffusion_at(named["phi"], diffusion)
        if name == "phi":
            return mixed / (2 * self.lipids.well)
        return mixed * self.part(name).mobility(name, named)


def diffusion_at(phi, diffusion: tuple[float, float]):
    """D in nm^2/s where the order parameter is ``phi``, between the two of Ld and of Lo that are given."""
    ld, lo = diffusion
    return ld + (lo - ld) * (0.5 * (1 + lo_order(phi)))
