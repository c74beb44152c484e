"""Cargo, such as tetraspanins (membrane proteins of exosomes): monomers and n-mers on sites, and their reaction."""

from dataclasses import KW_ONLY

import equinox as eqx
import jax.numpy as jnp

from membrane.energy.lipids import lo_order
from membrane.energy.mixing import entropy, log_activity, occupied

MONOMER, OLIGOMER = "cargo_monomer", "cargo_oligomer"


class Oligomers(eqx.Module):
    """What makes n-mers of cargo.

    Attributes:
        size: n, the number of molecules in one of them.
        bond_energy: eps, in kT.
        affinity: chi_n, the preference of an n-mer for Lo, in kT.
        dissociation_rate: k_off, in 1/s.
    """

    _: KW_ONLY
    size: int = eqx.field(static=True)
    bond_energy: float
    affinity: float
    dissociation_rate: float

    def __check_init__(self):
        if self.size < 2:
            raise ValueError(f"oligomer size {self.size} must be at least 2; leave oligomers out for monomers only")


class Cargo(eqx.Module):
    """f a_1/kT = u1 ln u1 + (un/n) ln un + u0 ln u0 - ((n-1)/n) eps un - chi_1 u1 p - (chi_n/n) un p, u0 = 1 - u1 - un.

    u1 and un are the area fractions of monomers and n-mers. n monomers and one n-mer, which take the same area, turn
    into each other at the rate

        R = k_off un (exp[n (mu_1 - mu_n)] - 1),   du1/dt = -R,  dun/dt = +R,

    where mu is the *full* chemical potential, in kT per site. So detailed balance is exact: R = 0 exactly where
    un = u1^n exp[(n-1)(1+eps) + (chi_n - n chi_1) p + curvature].

    Attributes:
        thermal_energy: kT, in pN nm.
        site_area: a_1, the area of a site, in nm^2.
        affinity: chi_1, the preference of a monomer for Lo, in kT.
        oligomers: what makes n-mers; None where there are none, and no field un.
    """

    _: KW_ONLY
    thermal_energy: float
    site_area: float
    affinity: float
    oligomers: Oligomers | None = None

    def density(self, fields):
        """f in pN/nm of fields by name."""
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
        """M/D in nm/pN: u u0 a_1/kT of monomers, n times that of n-mers. A dilute species then diffuses with D."""
        vacant = 1.0 - fields[MONOMER] - (fields[OLIGOMER] if self.oligomers is not None else 0.0)
        return self.sites(name) * occupied(fields[name]) * occupied(vacant)

    def sites(self, name):
        """a_1/kT in nm/pN of monomers, n times that of n-mers.

        A chemical potential (pN/nm) times this is that of one molecule or of one n-mer, in kT.
        """
        size = self.oligomers.size if name == OLIGOMER else 1
        return size * self.site_area / self.thermal_energy

    def reaction(self, fields, potentials):
        """-R of monomers and R of n-mers in 1/s, by name; ``potentials`` are the full ones in pN/nm, by name."""
        n = self.oligomers.size
        drive = n * (self.site_area / self.thermal_energy) * (potentials[MONOMER] - potentials[OLIGOMER])
        activity = log_activity(fields[OLIGOMER])
        rate = self.oligomers.dissociation_rate * (jnp.exp(drive + activity) - jnp.exp(activity))
        return {MONOMER: -rate, OLIGOMER: rate}
