"""Cargo (tetraspanins and the like): monomers and n-mers on a lattice of sites, and their reaction."""

import equinox as eqx
import jax.numpy as jnp

from membrane.energy.lipids import lo_order
from membrane.energy.mixing import entropy, log_activity, occupied

MONOMER, OLIGOMER = "cargo_monomer", "cargo_oligomer"


class Oligomers(eqx.Module):
    """What makes n-mers: n (``size``), bond energy eps (kT), affinity chi_n for Lo (kT an n-mer), k_off (1/s)."""

    size: int = eqx.field(static=True)
    bond_energy: float
    affinity: float
    dissociation_rate: float

    def __check_init__(self):
        if self.size < 2:
            raise ValueError(f"oligomer size {self.size} must be at least 2; leave oligomers out for monomers only")


class Cargo(eqx.Module):
    """f a_1/kT = u1 ln u1 + (un/n) ln un + u0 ln u0 - ((n-1)/n) eps un - chi_1 u1 p - (chi_n/n) un p, u0 = 1 - u1 - un.

    u1 and un are area fractions of sites of ``site_area`` a_1 (nm^2). Without ``oligomers`` the un terms are absent
    and so is the field. Reaction n monomers <-> one n-mer, equal areas: with mu in kT per site,

        R = k_off un (exp[n (mu_1 - mu_n)] - 1),   du1/dt = -R,  dun/dt = +R,

    from the *full* chemical potentials, so that detailed balance is exact; R = 0 exactly where
    un = u1^n exp[(n-1)(1+eps) + (chi_n - n chi_1) p + curvature].
    """

    thermal_energy: float
    site_area: float
    affinity: float
    oligomers: Oligomers | None = None

    def density(self, fields):
        """f in pN/nm."""
        order = lo_order(fields["phi"])
        u1 = fields[MONOMER]
        total = entropy(u1) - self.affinity * u1 * order
        vacant = 1.0 - u1
        if self.oligomers is not None:
            n, un = self.oligomers.size, fields[OLIGOMER]
            bonds = (n - 1) * self.oligomers.bond_energy + self.oligomers.affinity * order
            total = total + (entropy(un) - bonds * un) / n
            vacant = vacant - un
        return (self.thermal_energy / self.site_area) * (total + entropy(vacant))

    def mobility(self, name, fields):
        """u u0 a_1/kT for monomers, n times that for n-mers, per unit of D: dilute diffusion is D (nm/pN)."""
        vacant = 1.0 - fields[MONOMER] - (fields[OLIGOMER] if self.oligomers is not None else 0.0)
        return self.sites(name) * occupied(fields[name]) * occupied(vacant)

    def sites(self, name):
        """a_1/kT in nm/pN of a monomer, n times that of an n-mer: turns a chemical potential into one of a piece, in
        kT."""
        size = self.oligomers.size if name == OLIGOMER else 1
        return size * self.site_area / self.thermal_energy

    def reaction(self, fields, potentials):
        """R per site and its sign for both fields, 1/s; ``potentials`` are full chemical potentials in pN/nm."""
        n = self.oligomers.size
        drive = n * (self.site_area / self.thermal_energy) * (potentials[MONOMER] - potentials[OLIGOMER])
        activity = log_activity(fields[OLIGOMER])
        rate = self.oligomers.dissociation_rate * (jnp.exp(drive + activity) - jnp.exp(activity))
        return {MONOMER: -rate, OLIGOMER: rate}
