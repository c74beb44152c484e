"""Growth and evaporation of round domains on a sphere, which share one host.

Diffusion across the host is fast, so that its profile follows what flows. Around an absorbing cap of angle theta_0 on a
sphere of radius R, whose host feeds the flow J evenly, the profile is that of D laplacian phi = -J/(host's area):

    phi(theta) - phi_eq = J/[2 pi D (1 - u_0)] ln[sin(theta/2)/sin(theta_0/2)],    u_0 = sin^2(theta_0/2),
    J = D g(u_0) (phi_host - phi_eq),    g = 4 pi (1 - u_0)/[-1 - ln u_0/(1 - u_0)],

where phi_host is the mean over the host. The host's area over D g is exactly the mean time that a molecule from
anywhere in the host needs to the rim. D g over the host's area exceeds the rate of the slowest mode, by the share
(rate R^2/D)^2, 6 % for r = 40 nm and R = 217 nm: what is left out by a profile that follows at once.

For small caps g is 2 pi/ln(d/r) with d = 2 R exp(-1/2). A host phi that is the mean over the sphere holds all other
domains at random places as well, because the Green function has no mean.

Domains have phi_domain inside, and phi_eq = phi_flat + l/r beside them (Gibbs-Thomson). So

    da_i/dt = D g_i (phi_host - phi_eq,i)/(phi_domain - phi_eq,i),
    phi_host (A - sum a) + phi_domain sum a = content,

and the second line, the balance, is kept to rounding because phi_host follows from it.
"""

from dataclasses import KW_ONLY

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

ROOT_STEPS = 12
"""Newton steps for phi of the host; what they leave is no error of the balance."""


class Growth(eqx.Module):
    """What decides how fast domains grow.

    Attributes:
        area: A of the whole membrane, in nm^2.
        diffusion: D of phi in the host, in nm^2/s: that of lipids in Ld times (d^2f/dphi^2)/(2 b).
        phi_flat: phi of a host beside an infinite domain.
        phi_domain: phi of domains.
        length: l in nm (membrane.energy.coexistence.gibbs_thomson_length).
    """

    _: KW_ONLY
    area: float | Array
    diffusion: float | Array
    phi_flat: float | Array
    phi_domain: float | Array
    length: float | Array

    def content(self, areas, phi_host):
        """Integral of phi over the membrane in nm^2, of the areas of domains (..., domains) and phi of their host."""
        inside = jnp.sum(areas, axis=-1)
        return phi_host * (self.area - inside) + self.phi_domain * inside

    def host(self, areas, content):
        """phi of the host, from the balance."""
        inside = jnp.sum(areas, axis=-1)
        return (content - self.phi_domain * inside) / (self.area - inside)

    def equilibrium(self, areas):
        """phi_eq = phi_flat + l/r of domains of these areas, r = sqrt(a/pi)."""
        return self.phi_flat + self.length * jnp.sqrt(jnp.pi / areas)

    def uptake(self, areas):
        """D g, in nm^2/s, of caps of these areas; u_0 = a/A."""
        return self.diffusion * conductance(areas / self.area)

    def rates(self, areas, content):
        """da/dt in nm^2/s now; 0 where there is no domain. Arguments as of :meth:`advance`."""
        present = areas > 0
        equilibrium = self.equilibrium(jnp.where(present, areas, 0.01 * self.area))
        jump = jnp.maximum(self.phi_domain - equilibrium, 0.1 * (self.phi_domain - self.phi_flat))
        uptake = self.uptake(jnp.where(present, areas, 0.01 * self.area))
        return jnp.where(present, uptake * (self.host(areas, content) - equilibrium) / jump, 0.0)

    def advance(self, areas, content, duration):
        """Areas (domains,) after a duration; content is constant. A domain that evaporates ends at zero.

        The coefficients are those in the middle of the step, which a half step finds. With them and with the host's
        mean phi in the step, each area moves on a line. Of exponential relaxation the mean is
        phi_end + (phi_start - phi_end) [1/z - 1/(e^z - 1)], with z the step over the relaxation time. The balance then
        is one equation for phi_end, whose sides are monotone, so that a step of any length ends in its root. The order
        is two, and one in steps in which a domain vanishes.

        Arguments:
            areas: a_i in nm^2; zero where there is no domain.
            content: integral of phi in nm^2.
            duration: in s.
        """
        middle = self._move(areas, areas, content, 0.5 * duration)
        return self._move(areas, middle, content, duration)

    def _move(self, areas, reference, content, duration):
        """Areas after a duration, with the coefficients of the areas ``reference``; gone there is gone."""
        present = (areas > 0) & (reference > 0)
        safe = jnp.where(present, reference, 0.01 * self.area)
        equilibrium = self.equilibrium(safe)
        # Where the rim's phi reaches that of the domain, no domain is left; the least jump keeps its rate finite.
        jump = jnp.maximum(self.phi_domain - equilibrium, 0.1 * (self.phi_domain - self.phi_flat))
        rates = jnp.where(present, self.uptake(safe) / jump, 0.0)
        start = self.host(areas, content)
        inside = jnp.sum(reference)
        z = duration * jnp.sum(rates) * (self.phi_domain - self.host(reference, content)) / (self.area - inside)
        weight = _weight(z)

        def moved(end):
            mean = end + weight * (start - end)
            return jnp.where(present, jnp.maximum(areas + duration * rates * (mean - equilibrium), 0.0), 0.0)

        def improve(_, end):
            # What is found rises with phi_end and is convex, what the balance leaves falls and is concave.
            new, gap = moved(end), self.phi_domain - end
            excess = jnp.sum(new) - (content - self.area * end) / gap
            slope = (1 - weight) * duration * jnp.sum(jnp.where(new > 0, rates, 0.0))
            slope = slope + (self.phi_domain * self.area - content) / gap**2
            return jnp.minimum(end - excess / slope, end + 0.5 * gap)

        return moved(jax.lax.fori_loop(0, ROOT_STEPS, improve, start))


def conductance(u):
    """g = 4 pi (1 - u)/[-1 - ln u/(1 - u)] of a cap that covers the share u of its sphere, 0 < u < 1."""
    return 4 * jnp.pi * (1 - u) / (-1 - jnp.log(u) / (1 - u))


def _weight(z):
    """1/z - 1/(e^z - 1), which falls from 1/2 to 0."""
    small = z < 0.02
    z_safe = jnp.where(small, 1.0, z)
    return jnp.where(small, 0.5 - z / 12, 1 / z_safe - 1 / jnp.expm1(z_safe))
