"""In-plane flow of a fluid membrane between two solvents (Saffman & Delbrueck 1975, PNAS 72:3111)."""

from dataclasses import KW_ONLY

import equinox as eqx
import jax.numpy as jnp


class MembraneFlow(eqx.Module):
    """The stream function of a force whose curl is w, Psi_q = w_q / [q^2 (eta_m q^2 + (eta_cyt + eta_lum) q)].

    The velocity is v = (d_y Psi, -d_x Psi), and Psi_0 = 0.

    Attributes:
        membrane_viscosity: eta_m, in pN s/nm.
        solvent_viscosity: eta_cyt + eta_lum, of cytosol and lumen together, in pN s/nm^2.
    """

    _: KW_ONLY
    membrane_viscosity: float
    solvent_viscosity: float

    def drag(self, k):
        """eta_m k^2 + (eta_cyt + eta_lum) k, in pN s/nm^3, of wavenumbers ``k`` in 1/nm."""
        return self.membrane_viscosity * k**2 + self.solvent_viscosity * k

    def response(self, k2):
        """1/[q^2 drag(q)] in nm^5/(pN s) of ``k2``, q^2 in 1/nm^2; zero at q = 0."""
        safe = jnp.where(k2 > 0, k2, 1.0)
        return jnp.where(k2 > 0, 1.0 / (safe * self.drag(jnp.sqrt(safe))), 0.0)
