"""Enzyme, turnover and flip-flop of an endosome: the rates of membrane.energy.ceramide in both phases at once.

Exchange between host and domains is fast. So the share of ceramide that each phase holds is that of equilibrium, and
the mean over the whole membrane obeys

    dc/dt = w reaction(X_domain) + (1 - w) reaction(X_host) = M c + b,

where w is the share of the area that is Lo. M and b are constant within a step, of which the solution is exact.
"""

import jax
import jax.numpy as jnp

from membrane.energy.ceramide import CYTOSOLIC, LUMINAL, Ceramide
from membrane.energy.coexistence import Coexistence

LEAFLETS = (CYTOSOLIC, LUMINAL)


def reaction_rates(ceramide: Ceramide, phases: Coexistence, share, means):
    """M (2, 2) and b (2,) in 1/s, for the cytosolic and the luminal leaflet.

    Arguments:
        ceramide: its rates.
        phases: the compositions of host and domains.
        share: w.
        means: mean area fraction of ceramide in both leaflets, (2,).
    """

    def change(c):
        rates = []
        for phase in (phases.domain, phases.host):
            held = {name: phase[name] / mean * one for name, mean, one in zip(LEAFLETS, means, c, strict=True)}
            found = ceramide.reaction({"phi": phase["phi"]} | held)
            rates.append(jnp.stack([found[name] for name in LEAFLETS]))
        return share * rates[0] + (1 - share) * rates[1]

    nothing = jnp.zeros_like(means)
    return jax.jacfwd(change)(nothing), change(nothing)


def reacted(matrix, constant, means, dt):
    """c(dt) - c(0) = dt phi_1(M dt) (M c + b) with phi_1(x) = (exp x - 1)/x, the exact solution, (2,).

    Arguments:
        matrix: M, with off-diagonal elements of one sign, so that its eigenvalues are real.
        constant: b.
        means: c(0).
        dt: s.
    """
    middle = 0.5 * jnp.trace(matrix)
    determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    # Eigenvalues that are alike are taken apart, by far less than the result shows.
    half = jnp.sqrt(jnp.maximum(middle**2 - determinant, (1e-7 * middle) ** 2 + 1e-60))
    upper, lower = _phi(dt * (middle + half)), _phi(dt * (middle - half))
    start = matrix @ means + constant
    along = matrix @ start - middle * start
    return dt * (0.5 * (upper + lower) * start + (upper - lower) / (2 * half) * along)


def _phi(x):
    """(exp x - 1)/x."""
    small = jnp.abs(x) < 1e-9
    return jnp.where(small, 1.0 + 0.5 * x, jnp.expm1(x) / jnp.where(small, 1.0, x))
