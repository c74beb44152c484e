"""The bud law of a run: the exact mechanics of every domain, read as an energy landscape."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from membrane.bud import exact as bud
from membrane.bud.landscape import BudAnswer, Domain, Gate, Host, Landscape, answer, bud_direction
from membrane.bud.route import RESOLUTION, route, solve_path

FLAT = 0.02
"""A host of smaller |h| = L/R_v counts as flat."""

SEARCH_LIMIT_KT = 80.0
"""Where the gate lies more kT than this above the undisturbed host (:func:`gate_energy`), no path is solved, and the
domain does not bud."""

FACTOR, FACTOR_OF_SNAP = 1.5, 4.0
"""Rates are known within these factors (tested). The larger one holds where the bud snaps from one branch of states to
another: the path does not tell how the shape relaxes on the way across."""


class ExactLaw:
    """The exact axisymmetric bud law (:mod:`membrane.bud.exact`).

    It knows tension, the spontaneous curvatures of domain and host, the Gaussian contrast and the host's curvature.
    Necks may stay open, break at the gate, and be pulled together by a scission aid.

    A domain buds to the side of c0_in - (kappa_out/kappa_in) c0_out. The curvature of a host of radius R_v counts as
    -1/R_v for buds into its lumen and as +1/R_v for buds away from it.

    The drag against dx/dt has two parts (docs/bud.md): the shear of domain and host along the path, and half a disc
    that is moved broadside through the solvents,

        gamma(x) = eta_m L^2 Gamma(x) + 2 (eta_cyt + eta_lum) L^3 sech^4 x.

    Arguments:
        gate: when a neck breaks.
        membrane_viscosity: eta_m, pN s/nm.
        solvent_viscosity: eta_cyt + eta_lum, the sum for cytosol and lumen, pN s/nm^2.
        search_limit_kT: no path is solved for domains whose gate lies higher than this above the undisturbed host; they
            do not bud. Open buds are solved in any case.
        resolution: how finely paths are computed.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        membrane_viscosity: float,
        solvent_viscosity: float,
        search_limit_kT: float = SEARCH_LIMIT_KT,
        resolution: bud.Resolution = RESOLUTION,
    ):
        self.gate, self.membrane_viscosity, self.solvent_viscosity = gate, membrane_viscosity, solvent_viscosity
        self.search_limit_kT, self.resolution = search_limit_kT, resolution

    def __call__(self, domain: Domain, host: Host) -> BudAnswer:
        """Answer for every domain."""
        return answer(self.landscape(domain, host), self.gate)

    def landscape(self, domain: Domain, host: Host) -> Landscape:
        """F of every domain along its route, less that of the undisturbed host without its rim; inf: no state."""
        size, kappa = domain.size, np.broadcast_to(np.asarray(domain.bending_rigidity, float), domain.size.shape)
        routes, factor = self._routes(domain, host)
        longest = max((r.shape[1] for r in routes), default=1)
        # A route that is shorter than the longest one has no states beyond its end.
        ends = [np.pad(r, [(0, 0), (0, longest - r.shape[1])], constant_values=np.nan) for r in routes]
        x, alpha, energy, neck, angle, drag = np.reshape(ends, (len(size), 6, longest)).swapaxes(0, 1)
        column = lambda v: np.broadcast_to(v, size.shape)[:, None]
        solvent = 2 * self.solvent_viscosity * column(size) ** 3 * alpha**4
        return Landscape(
            coordinate=x,
            energy=column(kappa) * np.where(np.isfinite(energy), energy, np.inf),
            neck_radius=column(size) * np.exp(neck),
            contact_angle=angle,
            drag=self.membrane_viscosity * column(size) ** 2 * np.exp(drag) + solvent,
            size=size,
            direction=bud_direction(domain, host),
            rate_factor=factor,
        )

    def _routes(self, domain: Domain, host: Host):
        """(route of every domain, factor within which its rates are known)."""
        size, kappa = domain.size, np.broadcast_to(np.asarray(domain.bending_rigidity, float), domain.size.shape)
        problems, line_tension = _problems(domain, host), np.asarray(domain.line_tension, float) * size / kappa
        limit = np.where(domain.open_bud, np.inf, self.search_limit_kT * self.gate.thermal_energy / kappa)
        routes, factor = [], np.full(len(size), FACTOR)
        for i, problem in enumerate(problems):
            gate = self.gate.neck_radius / size[i]
            # A domain with gate >= 1/2 is too small to have a neck.
            if not (gate < 0.5 and gate_energy(problem, line_tension[i], gate) < limit[i]):
                routes.append(np.full((6, 1), np.nan))
                continue
            states = solve_path(problem, self.resolution)
            routes.append(route(states, line_tension[i]))
            factor[i] = FACTOR_OF_SNAP if states.above.size else FACTOR
        return routes, factor


def _problems(domain: Domain, host: Host) -> list[bud.Problem]:
    """The dimensionless problem of every domain, in floats."""
    size, direction = domain.size, bud_direction(domain, host)
    wide = lambda v: np.broadcast_to(np.asarray(v, float), size.shape)
    kappa, h = wide(domain.bending_rigidity), -direction * size / host.radius
    values = (
        direction * wide(domain.spontaneous_curvature) * size,
        direction * wide(host.spontaneous_curvature) * size,
        wide(host.tension) * size**2 / kappa,
        wide(host.bending_rigidity) / kappa,
        wide(domain.gaussian_modulus_contrast) / kappa,
        np.where(np.abs(h) < FLAT, 0.0, h),
    )
    return [bud.Problem.of([float(v[i]) for v in values]) for i in range(len(size))]


def gate_energy(problem: bud.Problem, line_tension: float, gate: float) -> float:
    """F at the gate less that of the undisturbed host with its rim, in kappa_in. The path climbs at least 0.9 of it.

    It is the energy of the closed bud, less what a rim of the gate's radius takes off while its line tension is below
    the one that closes the neck, 2 pi gate (l_closed - l). That the path climbs 0.9 of it is tested.

    Arguments:
        problem: domain and host, in floats.
        line_tension: l = lambda L/kappa_in.
        gate: neck radius of the gate over L.
    """
    given = np.array([*problem.values(), line_tension, gate], float)
    with jax.enable_x64(True), jax.default_device("cpu"):
        return float(_gate_energy(given, closed=bool(problem.host_curvature)))


@partial(jax.jit, static_argnames="closed")
def _gate_energy(given, *, closed):
    *values, line_tension, gate = given
    problem = bud.Problem.of(values)
    rim = 2 * jnp.pi * gate * jnp.minimum(line_tension - bud.closing_tension(problem), 0)
    return bud.closed_energy(problem, closed) - bud.reference_energy(problem, line_tension, closed) + rim
