"""Ceramide in the two leaflets: mixing, affinity for Lo, and the active terms that make, move and remove it."""

import equinox as eqx

from membrane.energy.lipids import lo_order
from membrane.energy.mixing import entropy, occupied

CYTOSOLIC, LUMINAL = "ceramide_cytosolic", "ceramide_luminal"


class Ceramide(eqx.Module):
    """f = (kT/a_c) sum over leaflets of [c ln c + (1-c) ln(1-c) - chi_c c p(phi)].

    c is an area fraction of a leaflet, a_c (``patch_area``, nm^2) the area of one lattice patch, kT in pN nm.
    The active and exchange terms, none of which derives from f (rates in 1/s):

        dc/dt = + k_s w(phi) (c_sat - c)  on the leaflet of the sphingomyelinase, w = (1 + p)/2
                - k_d c                   turnover, both leaflets
                -+ k_flip (c_cyt - c_lum) flip-flop
    """

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
        """f in pN/nm."""
        order = lo_order(fields["phi"])
        total = 0.0
        for leaflet in (CYTOSOLIC, LUMINAL):
            c = fields[leaflet]
            total = total + entropy(c) + entropy(1.0 - c) - self.affinity * c * order
        return (self.thermal_energy / self.patch_area) * total

    def mobility(self, leaflet, fields):
        """c (1-c) a_c/kT per unit of diffusion coefficient, so that dilute diffusion is D (nm/pN)."""
        c = fields[leaflet]
        return occupied(c) * occupied(1.0 - c) * self.sites(leaflet)

    def sites(self, leaflet):
        """a_c/kT in nm/pN: what turns a chemical potential into one per patch and kT."""
        return self.patch_area / self.thermal_energy

    def reaction(self, fields):
        """The active terms, 1/s, for both leaflets."""
        cyt, lum = fields[CYTOSOLIC], fields[LUMINAL]
        flip = self.flip_flop_rate * (cyt - lum)
        rates = {CYTOSOLIC: -self.turnover_rate * cyt - flip, LUMINAL: -self.turnover_rate * lum + flip}
        active = 0.5 * (1.0 + lo_order(fields["phi"]))
        made = self.synthesis_rate * active * (self.saturation - fields[self.enzyme_leaflet])
        return rates | {self.enzyme_leaflet: rates[self.enzyme_leaflet] + made}
