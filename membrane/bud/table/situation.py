"""What is the same for all domains of a configuration, and the problem of one of them."""

from dataclasses import dataclass

from membrane.bud import exact as bud
from membrane.bud.exact_law import SEARCH_LIMIT_KT
from membrane.bud.landscape import Gate


@dataclass(frozen=True, kw_only=True)
class Constants:
    """What the domains and hosts of one configuration have in common.

    Attributes:
        line_tension: energy of the rim per length, pN.
        bending_rigidity: of the domain, pN nm.
        host_bending_rigidity: of the host, pN nm.
        gate: when a neck breaks.
        membrane_viscosity: pN s/nm.
        solvent_viscosity: of cytosol and lumen, the sum, pN s/nm^2.
        search_limit_kT: as of :class:`membrane.bud.exact_law.ExactLaw`.
        gaussian_modulus_contrast: must be 0. With another value the neck lies off the rim, and paths need more
            polynomials; then the exact law itself is to be asked.

    Raises:
        ValueError: a line tension, rigidity or viscosity is not positive, or the Gaussian contrast is not 0.
    """

    line_tension: float
    bending_rigidity: float
    host_bending_rigidity: float
    gate: Gate
    membrane_viscosity: float
    solvent_viscosity: float
    search_limit_kT: float = SEARCH_LIMIT_KT
    gaussian_modulus_contrast: float = 0.0

    def __post_init__(self):
        if self.gaussian_modulus_contrast != 0:
            raise ValueError(
                f"gaussian_modulus_contrast {self.gaussian_modulus_contrast} pN nm: the table of the bud law knows 0 "
                "only; ask the exact law, or set the contrast to 0"
            )
        for name, value in vars(self).items():
            if name not in ("gate", "gaussian_modulus_contrast") and not value > 0:
                raise ValueError(f"{name} {value} must be positive")


def scaled_problem(place, constants: Constants, direction: int = 1) -> bud.Problem:
    """The problem at a place of the table (:mod:`membrane.bud.table.axes`); numbers, or arrays of one shape.

    Arguments:
        place: L/R, c0_in R, c0_out R and R sqrt(sigma/kappa_in).
        constants: of the configuration.
        direction: +1 for a bud into the lumen, -1 for one away from it.
    """
    length, inside, outside, over_decay = place
    ratio = constants.host_bending_rigidity / constants.bending_rigidity
    c, c_out = direction * inside * length, direction * outside * length
    return bud.Problem.of((c, c_out, (over_decay * length) ** 2, ratio, 0.0, -direction * length))
