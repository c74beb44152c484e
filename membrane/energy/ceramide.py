"""Ceramide in the two leaflets: mixing, affinity for Lo, and the active terms that make, move and remove it."""

from dataclasses import KW_ONLY

import equinox as eqx

from membrane.energy.lipids import lo_order
from membrane.energy.mixing import entropy, occupied

CYTOSOLIC, LUMINAL = "ceramide_cytosolic", "ceramide_luminal"


class Ceramide(eqx.Module):
    """f = (kT/a_c) sum over leaflets of [c ln c + (1-c) ln(1-c) - chi_c c p(phi)].

    c is the area fraction of ceramide in a leaflet. Enzymes make and remove ceramide, and it crosses between the
    leaflets; none of this derives from f:

        dc/dt = + k_s w(phi) (c_sat - c)  on the leaflet of the sphingomyelinase, w = (1 + p)/2
                - k_d c                   turnover, both leaflets
                -+ k_flip (c_cyt - c_lum) flip-flop

    Attributes:
        thermal_energy: kT, in pN nm.
        patch_area: a_c, the area of one patch of the lattice, in nm^2.
        affinity: chi_c, the preference of a patch for Lo, in kT.
        synthesis_rate: k_s of the sphingomyelinase, in 1/s.
        saturation: c_sat, the fraction at which the sphingomyelinase stops.
        turnover_rate: k_d, in 1/s.
        flip_flop_rate: k_flip, in 1/s.
        enzyme_leaflet: name of the field of the leaflet on which the sphingomyelinase works.
    """

    _: KW_ONLY
    thermal_energy: float
    patch_area: float
    affinity: float
    synthesis_rate: float = 0.0
    saturation: float = 0.0
    turnover_rate: float = 0.0
    flip_flop_rate: float = 0.0
    enzyme_leaflet: str = eqx.field(static=True, default=CYTOSOLIC)

    def __check_init__(self):
        if self.enzyme_leaflet not in (CYTOSOLIC, LUMINAL):
            raise ValueError(f"enzyme leaflet {self.enzyme_leaflet!r} must be {CYTOSOLIC!r} or {LUMINAL!r}")

    def density(self, fields):
        """f in pN/nm of fields by name."""
        order = lo_order(fields["phi"])
        total = 0.0
        for leaflet in (CYTOSOLIC, LUMINAL):
            c = fields[leaflet]
            total = total + entropy(c) + entropy(1.0 - c) - self.affinity * c * order
        return (self.thermal_energy / self.patch_area) * total

    def mobility(self, leaflet, fields):
        """M/D = c (1-c) a_c/kT in nm/pN. Dilute ceramide then diffuses with D."""
        c = fields[leaflet]
        return occupied(c) * occupied(1.0 - c) * self.sites(leaflet)

    def sites(self, leaflet):
        """a_c/kT in nm/pN. A chemical potential (pN/nm) times this is that of one patch, in kT."""
        return self.patch_area / self.thermal_energy

    def reaction(self, fields):
        """dc/dt of enzymes and flip-flop in both leaflets, in 1/s, by name."""
        cyt, lum = fields[CYTOSOLIC], fields[LUMINAL]
        flip = self.flip_flop_rate * (cyt - lum)
        rates = {CYTOSOLIC: -self.turnover_rate * cyt - flip, LUMINAL: -self.turnover_rate * lum + flip}
        active = 0.5 * (1.0 + lo_order(fields["phi"]))
        made = self.synthesis_rate * active * (self.saturation - fields[self.enzyme_leaflet])
        return rates | {self.enzyme_leaflet: rates[self.enzyme_leaflet] + made}
