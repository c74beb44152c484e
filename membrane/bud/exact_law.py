"""The bud law of a run: the exact mechanics of every domain, read as an energy landscape."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from membrane.bud import exact as bud
from membrane.bud.exact.compiled import compiled
from membrane.bud.landscape import BudAnswer, Domain, Gate, Host, Landscape, answer, bud_direction
from membrane.bud.route import NO_WAY, RESOLUTION, route, solve_path

FLAT = 0.02
"""A host of smaller |h| = L/R_v counts as flat."""

SEARCH_LIMIT_KT = 80.0
"""Where the gate lies more kT than this above the undisturbed host (:func:`gate_energy`), no path is solved, and the
domain does not bud."""

CLIMBED = 0.9
"""A path climbs at least this share of :func:`gate_energy` (tested)."""

FACTOR, FACTOR_OF_SNAP = 1.5, 4.0
"""Rates are known within these factors (tested). The larger one holds where the bud snaps from one branch of states to
another: the path does not tell how the shape relaxes on the way across."""


class ExactLaw:
    """The exact axisymmetric bud law (:mod:`membrane.bud.exact`).

    It knows tension, the spontaneous curvatures of domain and host, the Gaussian contrast and the host's curvature.
    Necks may stay open, break at the gate, and be pulled together by a scission aid.

    A domain buds to the side to which it bends (:func:`membrane.bud.landscape.bud_direction`), unless the hill to the
    other side is lower. The other side is solved only where its gate is low enough for that. The curvature of a host of
    radius R_v counts as -1/R_v for buds into its lumen and as +1/R_v for buds away from it.

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
        ways = self._ways(domain, host)
        longest = max((way.route.shape[1] for way in ways), default=1)
        # A route that is shorter than the longest one has no states beyond its end.
        ends = [np.pad(w.route, [(0, 0), (0, longest - w.route.shape[1])], constant_values=np.nan) for w in ways]
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
            direction=np.array([way.direction for way in ways], int),
            rate_factor=np.array([way.rate_factor for way in ways]),
        )

    def _ways(self, domain: Domain, host: Host) -> list["_Way"]:
        """The way that each domain takes: to the side on which it rests, or to the other where the hill is lower."""
        kappa = np.broadcast_to(np.asarray(domain.bending_rigidity, float), domain.size.shape)
        line_tension = np.asarray(domain.line_tension, float) * domain.size / kappa
        limit = np.where(domain.open_bud, np.inf, self.search_limit_kT * self.gate.thermal_energy / kappa)
        direction = bud_direction(domain, host)
        sides = _problems(domain, host, direction), _problems(domain, host, -direction)
        ways = []
        for i, size in enumerate(domain.size):
            given = line_tension[i], self.gate.neck_radius / size
            way = self._way(sides[0][i], int(direction[i]), *given, limit[i])
            least = CLIMBED * gate_energy(sides[1][i], *given)
            if least < way.climb:
                way = min(way, self._way(sides[1][i], -int(direction[i]), *given, limit[i]), key=lambda w: w.climb)
            ways.append(way)
        return ways

    def _way(self, problem: bud.Problem, direction: int, line_tension: float, gate: float, limit: float) -> "_Way":
        """The way of one domain to one side; ``gate`` is the gate's neck radius over L, ``limit`` in kappa_in."""
        # A domain with gate >= 1/2 is too small to have a neck.
        if not (gate < 0.5 and gate_energy(problem, line_tension, gate) < limit):
            return _Way(direction, NO_WAY, FACTOR, np.inf)
        states = solve_path(problem, self.resolution, float(gate))
        found = route(states, line_tension)
        return _Way(direction, found, FACTOR_OF_SNAP if states.above.size else FACTOR, _climb(found, gate))


def _climb(found: np.ndarray, gate: float) -> float:
    """The most that F rises above an earlier state on a route up to the gate, in kappa_in; inf where there is none."""
    energy, through = found[2], np.exp(found[3]) <= gate
    energy = energy[: np.argmax(through) + 1] if through.any() else energy
    rise = np.max(energy - np.minimum.accumulate(energy))
    return float(rise) if np.isfinite(rise) else np.inf


class _Way(NamedTuple):
    """The way of one domain to one side.

    Attributes:
        direction: +1 into the lumen, -1 away from it.
        route: as :func:`membrane.bud.route.route` gives it.
        rate_factor: its rates are known within this factor.
        climb: the most that F rises above an earlier state on it, in kappa_in; inf where there is no way.
    """

    direction: int
    route: np.ndarray
    rate_factor: float
    climb: float


def _problems(domain: Domain, host: Host, direction: np.ndarray) -> list[bud.Problem]:
    """The dimensionless problem of every domain for buds to the sides ``direction``, in floats."""
    size = domain.size
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


@compiled("closed")
def _gate_energy(given, *, closed):
    *values, line_tension, gate = given
    return height_of_gate(bud.Problem.of(values), line_tension, gate, closed)


def height_of_gate(problem: bud.Problem, line_tension, gate, closed: bool):
    """What :func:`gate_energy` gives, inside of a program of JAX; ``closed``: whether the host is a sphere."""
    rim = 2 * jnp.pi * gate * jnp.minimum(line_tension - bud.closing_tension(problem), 0)
    return bud.closed_energy(problem, closed) - bud.reference_energy(problem, line_tension, closed) + rim
