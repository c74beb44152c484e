"""The membrane at the start: mixed as given, at resting ceramide, or at the balance of the rates (key ``start``)."""

import numpy as np

from membrane.builder.species import equilibrium_cargo
from membrane.energy import Mixture
from membrane.energy.ceramide import CYTOSOLIC, LUMINAL
from membrane.energy.wall import measure_wall

ROUNDS = 20
"""In how many rounds phi of the host and its ceramide are sought, each of which decides on the other."""


def resting_means(means: dict[str, float], arriving: dict[str, float]) -> dict[str, float]:
    """The given means, but ceramide as in arriving membrane.

    Arguments:
        means: mean of every field, by name.
        arriving: the same of arriving membrane.
    """
    return means | {name: arriving[name] for name in (CYTOSOLIC, LUMINAL) if name in means}


def balanced_host(mixture: Mixture, arriving: dict[str, float], exchange_rate: float) -> dict[str, float]:
    """The host at the balance of its rates: mean of every field, by name.

    Supply and recycling renew the membrane at the rate k_r; enzyme, turnover and flip-flop change ceramide. A host
    without domains is at rest where

        k_r (x_supply - x) + reaction(x) = 0    for ceramide in both leaflets and for all cargo,

    with the enzyme as active as it is in Ld. Lo that arrives stays in patches or dissolves, until the host is as rich
    in Lo as Ld beside Lo can be. So phi is that of Ld in coexistence with Lo, at this composition of Ld.

    Arguments:
        mixture: the free energy, and the rates of ceramide.
        arriving: mean of every field in arriving membrane, by name.
        exchange_rate: k_r, area that arrives in a second over the area of the membrane, 1/s.

    Raises ValueError where the mixture has no two phases, or nothing arrives and nothing changes ceramide.
    """
    phi, total = -1.0, sum(value for name, value in arriving.items() if name.startswith("cargo"))
    for _ in range(ROUNDS):
        host = {name: arriving[name] for name in mixture.species[1:]}
        if mixture.ceramide is not None:
            host |= _balanced_ceramide(mixture.ceramide, arriving, exchange_rate, phi)
        if mixture.cargo is not None:
            host |= equilibrium_cargo(mixture.cargo, total, phi)
        # A mean far on the side of Ld: then Ld has exactly this composition.
        found = measure_wall(mixture, {"phi": -1.25} | host).phi_ld
        if abs(found - phi) < 1e-12:
            return {"phi": phi} | host
        phi = found
    raise ValueError(
        f"start: steady finds no balance: phi of the host still changes after {ROUNDS} rounds; give start: resting, or "
        "weaker affinities of ceramide and cargo"
    )


def _balanced_ceramide(ceramide, arriving, exchange_rate: float, phi: float) -> dict[str, float]:
    """Ceramide in both leaflets where k_r (c_supply - c) + reaction(c) = 0, which is linear in c."""
    leaflets = (CYTOSOLIC, LUMINAL)
    supply = np.array([arriving[name] for name in leaflets])

    def change(c):
        rates = ceramide.reaction({"phi": phi, CYTOSOLIC: c[0], LUMINAL: c[1]})
        return exchange_rate * (supply - c) + np.array([float(rates[name]) for name in leaflets])

    nothing = change(np.zeros(2))
    matrix = np.stack([change(unit) - nothing for unit in np.eye(2)], axis=1)
    try:
        found = np.linalg.solve(matrix, -nothing)
    except np.linalg.LinAlgError as error:
        raise ValueError(
            "nothing brings ceramide and nothing changes it, so that start: steady has no balance; give "
            "supply.fusion_rate_per_s, a rate of ceramide, or start: resting"
        ) from error
    return dict(zip(leaflets, found.tolist(), strict=True))
