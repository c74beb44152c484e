"""Coexistence of a host (Ld) and its domains (Lo), with all that is dissolved in them.

With f of the mixture, and the height of the membrane relaxed, a domain of radius r is at equilibrium with its host
where

    mu_i = df/dX_i (host) = df/dX_i (domain) + kappa s (c0_domain - c0_host) C_i         for phi and every solute,
    f_domain - f_host + (kappa/2) e (c0_domain - c0_host)^2 + lambda/r = sum_i mu_i (X_i,domain - X_i,host),
    (1 - w) X_host + w X_domain = mean                                                   for all that is conserved.

w is the share of the area that is Lo, and s and e are the shares of a disc (membrane.energy.disc). The second line is
the common tangent, shifted by the pressure of the rim (Gibbs-Thomson). Without curvature, and for r to infinity, it is
the coexistence of two flat phases (membrane.energy.wall, which finds it on a grid of phi).

Monomers and n-mers of cargo turn into each other, so that only their sum is conserved and mu_1 = mu_n, unless the
reaction is excluded. All runs inside compiled programs: a fixed number of Newton steps, whose Jacobian is automatic.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array

from membrane.energy.cargo import MONOMER, OLIGOMER
from membrane.energy.disc import disc_edge_share, disc_share
from membrane.energy.helfrich import Helfrich
from membrane.energy.mixing import DILUTE, log_activity
from membrane.energy.mixture import Mixture

LONGEST_STEP = (0.2, 1.5)
"""Largest change in one Newton step, of phi and of the activities of the solutes."""


class Coexistence(eqx.Module):
    """A host and its domains in equilibrium.

    Attributes:
        host: phi and the area fraction of every solute in the host, by name.
        domain: the same in the domains.
        residual: largest error of the equations before the last Newton step, in kT per molecule and relative to a
            mean; not near zero where there are no two phases.
    """

    host: dict[str, ArrayLike]
    domain: dict[str, ArrayLike]
    residual: ArrayLike


def coexist(
    mixture: Mixture,
    means: dict[str, float | Array],
    share: float | Array,
    *,
    helfrich: Helfrich | None = None,
    radius: float | Array = jnp.inf,
    line_tension: float | Array = 0.0,
    reacting: bool = True,
    start: Coexistence | None = None,
    steps: int = 20,
) -> Coexistence:
    """The compositions of host and domains.

    Arguments:
        mixture: the free energy.
        means: mean area fraction of every solute over the whole membrane, by name.
        share: w, from 0 to 1.
        helfrich: bending energy; None for a membrane without it.
        radius: r of the domains in nm.
        line_tension: lambda in pN.
        reacting: whether monomers and n-mers of cargo turn into each other; then only the sum of their means counts.
        start: a solution nearby, from which few steps suffice; None for the means.
        steps: number of Newton steps.

    >>> from membrane.energy import Lipids
    >>> found = coexist(Mixture(Lipids.from_wall(line_tension=1.0, interface_width=5.0)), {}, 0.1)
    >>> round(float(found.host["phi"]), 6), round(float(found.domain["phi"]), 6)
    (-1.0, 1.0)
    """
    solutes = mixture.species[1:]
    dtype = jnp.result_type(*(means[name] for name in solutes), share, radius, line_tension, 0.0)
    means = {name: jnp.asarray(means[name], dtype) for name in solutes}
    reacting = reacting and mixture.has_oligomers
    if reacting:
        total = means[MONOMER] + means[OLIGOMER]
    if helfrich is not None:
        x = radius * jnp.sqrt(helfrich.tension / helfrich.bending_rigidity)
        mean_share, edge_share = disc_share(x), disc_edge_share(x)
    # Potentials times these are of order one.
    scale = {"phi": 0.5 / mixture.lipids.well} | {name: mixture.part(name).sites(name) for name in solutes}

    def composition(y):
        """Fields (2,) of host and domain, by name."""
        return {"phi": y[:, 0]} | {name: _fraction(y[:, 1 + i]) for i, name in enumerate(solutes)}

    def equations(y):
        both = composition(y)
        f, pull = jax.vjp(mixture.density, both)
        (mu,) = pull(jnp.ones_like(f))
        tangent = f[1] - f[0] + line_tension / radius
        errors = {name: mu[name][1] - mu[name][0] for name in mu}
        if helfrich is not None:
            c0, pull = jax.vjp(helfrich.spontaneous_curvature, both)
            (slope,) = pull(jnp.ones_like(c0))
            bending = helfrich.bending_rigidity * (c0[1] - c0[0])
            errors = {name: errors[name] + mean_share * bending * slope[name][1] for name in errors}
            tangent = tangent + 0.5 * edge_share * bending * (c0[1] - c0[0])
        tangent = tangent - sum(mu[name][0] * (both[name][1] - both[name][0]) for name in mu)
        errors = [scale["phi"] * tangent] + [scale[name] * errors[name] for name in mu]
        held = {name: (1 - share) * both[name][0] + share * both[name][1] for name in solutes}
        pairs = [(held[name], means[name]) for name in solutes if not (reacting and name in (MONOMER, OLIGOMER))]
        if reacting:
            errors.append(scale[MONOMER] * (mu[MONOMER][0] - mu[OLIGOMER][0]))
            pairs.append((held[MONOMER] + held[OLIGOMER], total))
        errors += [log_activity(found) - log_activity(given) for found, given in pairs]
        errors = jnp.stack([jnp.asarray(error, dtype) for error in errors])
        return errors, errors

    def improve(_, state):
        y, _ = state
        jacobian, errors = jax.jacfwd(lambda v: equations(v.reshape(y.shape)), has_aux=True)(y.ravel())
        step = -jnp.linalg.solve(jacobian, errors).reshape(y.shape)
        longest = jnp.maximum(jnp.max(jnp.abs(step) / limits), 1)
        return y + step / longest, jnp.max(jnp.abs(errors))

    limits = jnp.array([LONGEST_STEP[0]] + [LONGEST_STEP[1]] * len(solutes), dtype)
    if start is None:
        first = {"phi": jnp.array([-1.0, 1.0], dtype)} | {name: jnp.stack([value] * 2) for name, value in means.items()}
    else:
        first = {name: jnp.stack([start.host[name], start.domain[name]]).astype(dtype) for name in mixture.species}
    y = jnp.stack([first["phi"], *(log_activity(first[name]) for name in solutes)], axis=1)
    y, residual = jax.lax.fori_loop(0, steps, improve, (y, jnp.asarray(jnp.inf, dtype)))
    host, domain = ({name: value[phase] for name, value in composition(y).items()} for phase in (0, 1))
    return Coexistence(host, domain, residual)


def gibbs_thomson_length(mixture: Mixture, phases: Coexistence, line_tension):
    """l in nm of phi_host(r) = phi_host(infinity) + l/r, where the solutes of the host are held.

    The common tangent gives sum_i (X_domain - X_host)_i dmu_i = lambda/r, and dmu_i = (d^2f/dX_i dphi) dphi in the
    host. Lipids alone have jumps of 2 and d^2f/dphi^2 = 2 b, so l = lambda/(4 b) = (sqrt2/6) xi = 0.2357 xi.

    Arguments:
        mixture: the free energy.
        phases: the coexistence of flat phases.
        line_tension: lambda in pN.
    """
    _, response = jax.jvp(
        jax.grad(mixture.density),
        (phases.host,),
        ({name: jnp.full_like(value, name == "phi") for name, value in phases.host.items()},),
    )
    return line_tension / sum(response[name] * (phases.domain[name] - phases.host[name]) for name in response)


def _fraction(activity):
    """The fraction whose :func:`membrane.energy.mixing.log_activity` is given."""
    edge = jnp.log(DILUTE)
    return jnp.exp(jnp.maximum(activity, edge)) + DILUTE * jnp.minimum(activity - edge, 0.0)
