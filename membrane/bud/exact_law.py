"""The bud law of a run: the exact path of membrane.bud of every domain, and the landscape that it makes."""

from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from membrane.bud import exact as bud
from membrane.bud.landscape import BudAnswer, Domain, Gate, Host, Landscape, answer, bud_direction

RESOLUTION = bud.Resolution(inner=12, outer=20, step=0.3, least_rim=0.045, backward=2)
"""Coarser than what membrane.bud starts from: hills below 60 kT are the same within 0.3 kT (tested; docs/bud.md)."""

FLAT = 0.02
"""A host of smaller |h| counts as flat."""

HOPELESS = 80.0
"""Where the gate lies so many kT above the undisturbed host, by :func:`gate_energy`, no path is solved: the domain does
not bud."""

FINE = 8
"""Points of a landscape between two states."""

FACTOR, FACTOR_OF_SNAP = 1.5, 4.0
"""Within which rates are known (tested): where states of a second branch lie on the way the path snaps, and does not
know how the bud relaxes across."""

ABRUPT = 1e-6
"""Share of a snap next to its ends whose drag is already that of the snap."""

X, ENERGY, SLOPE, BEND, NECK, ANGLE, DRAG = range(7)


class ExactLaw:
    """The exact axisymmetric law (membrane.bud) with tension, spontaneous curvatures, Gaussian modulus and the
    curvature of the host; open necks, scission at the gate, a scission aid.

    Buds form to the side of c0_in - (kappa_out/kappa_in) c0_out; in a host of radius R_v its curvature counts as -1/R_v
    for buds into the lumen and +1/R_v for buds away from it. The path of every domain is solved, but of those whose
    gate lies more than ``hopeless`` kT up, unless they are open buds already. The drag against dx/dt is that of the
    path's own area-preserving shear in domain and host, and half a disc moved broadside through the solvents:
    eta_m L^2 Gamma(x) + 2 (eta_cyt + eta_lum) L^3 sech^4 x (docs/bud.md).
    """

    def __init__(
        self,
        gate: Gate,
        *,
        membrane_viscosity: float,
        solvent_viscosity: float,
        hopeless: float = HOPELESS,
        resolution: bud.Resolution = RESOLUTION,
    ):
        self.gate, self.membrane_viscosity, self.solvent_viscosity = gate, membrane_viscosity, solvent_viscosity
        self.hopeless, self.resolution = hopeless, resolution

    def __call__(self, domain: Domain, host: Host) -> BudAnswer:
        """Answer for every domain."""
        return answer(self.landscape(domain, host), self.gate)

    def landscape(self, domain: Domain, host: Host) -> Landscape:
        """F of every domain along its :func:`route`, over the undisturbed host's without its rim; inf where no state
        exists."""
        size = domain.size
        wide = lambda v: np.broadcast_to(np.asarray(v, float), size.shape)
        kappa, direction = wide(domain.bending_rigidity), bud_direction(domain, host)
        h = -direction * size / host.radius
        problem = bud.Problem(
            direction * wide(domain.spontaneous_curvature) * size,
            direction * wide(host.spontaneous_curvature) * size,
            wide(host.tension) * size**2 / kappa,
            wide(host.bending_rigidity) / kappa,
            wide(domain.gaussian_modulus_contrast) / kappa,
            np.where(np.abs(h) < FLAT, 0.0, h),
        )
        line_tension = wide(domain.line_tension) * size / kappa
        hopeless = np.where(domain.open_bud, np.inf, self.hopeless * self.gate.thermal_energy / kappa)
        routes, factor = [], np.full(len(size), FACTOR)
        for i in range(len(size)):
            one, gate = bud.Problem(*(float(v[i]) for v in problem)), self.gate.neck_radius / size[i]
            # Too small for any neck: never asked for.
            asked = gate < 0.5 and gate_energy(one, line_tension[i], gate) < hopeless[i]
            if not asked:
                routes.append(np.full((6, 1), np.nan))
                continue
            states = solved(one, self.resolution)
            routes.append(route(states, line_tension[i]))
            factor[i] = FACTOR_OF_SNAP if states.above.size else FACTOR
        longest = max((r.shape[1] for r in routes), default=1)
        # Beyond its end a route has no states.
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
            direction=direction,
            rate_factor=factor,
        )


def gate_energy(problem: bud.Problem, line_tension: float, gate: float) -> float:
    """F at a neck of radius ``gate`` (over L) less that of the undisturbed host with its rim, in kappa_in, of one
    problem: the closed bud's, and what a rim of that radius takes off it while its line tension l is below that which
    closes the neck, 2 pi gate (l - l_closed). The path climbs at least 0.9 of it (tested)."""
    given = np.array([*problem, line_tension, gate], float)
    with jax.enable_x64(True), jax.default_device("cpu"):
        return float(_gate_energy(given, closed=bool(problem.host_curvature)))


@partial(jax.jit, static_argnames="closed")
def _gate_energy(given, *, closed):
    *problem, line_tension, gate = given
    problem = bud.Problem(*problem)
    rim = 2 * jnp.pi * gate * jnp.minimum(line_tension - bud.closing_tension(problem), 0)
    return bud.closed_energy(problem, closed) - bud.reference_energy(problem, line_tension, closed) + rim


class States(NamedTuple):
    """States of one problem that exist, arrays (7, states) in ascending x: x, energy over the undisturbed host's
    without its rim, G', G'', ln(neck radius/L), contact angle and ln(drag on the way to the next); ``snap`` as in
    :class:`membrane.bud.exact.Branches`, of the states ``above``; ``grid``: x of the steps."""

    below: np.ndarray
    above: np.ndarray
    snap: np.ndarray
    grid: np.ndarray


@lru_cache(maxsize=4096)
def solved(problem: bud.Problem, resolution: bud.Resolution = RESOLUTION) -> States:
    """All states of one problem (floats)."""
    with jax.enable_x64(True), jax.default_device("cpu"):
        given = np.array(problem, float)
        found = _branches(given, closed=bool(problem.host_curvature), resolution=resolution)
    below, above, snap = (np.array(f) for f in found)
    with np.errstate(invalid="ignore", divide="ignore"):
        for branch in (below, above):
            branch[[NECK, DRAG]] = np.log(branch[[NECK, DRAG]])
    exist = [np.isfinite(branch[ENERGY]) for branch in (below, above)]
    return States(below[:, exist[0]], above[:, exist[1]], snap[exist[1]], bud.coordinate(resolution))


@partial(jax.jit, static_argnames=("closed", "resolution"))
def _branches(problem, *, closed, resolution):
    problem = bud.Problem(*problem)
    *both, snap = bud.branches(problem, closed=closed, resolution=resolution)
    undisturbed = bud.reference_energy(problem, 0.0, closed)
    rows = lambda b: jnp.stack([b.x, b.energy - undisturbed, b.slope, b.bend, b.neck_radius, b.contact_angle, b.drag])
    return *map(rows, both), snap


def route(states: States, line_tension: float) -> np.ndarray:
    """What a domain goes through from flat to the narrowest neck, (6, points): a coordinate, the rim's alpha, F over
    the undisturbed host's without its rim, ln(neck radius/L), contact angle, ln(drag). nan: there is no way.

    Up the branch that begins flat; where that ends before the narrowest neck, across to the one above, on which the bud
    slides down to the nearest minimum of F; then up that one. The coordinate is x, shifted after a snap. Where no
    branch above is found l* goes on linearly as it fell, and the neck as the rim; below the first state, where that is
    at x > 0, l* is constant.
    """
    below, above, grid = states.below.copy(), states.above, states.grid
    if (below[X] > 0).sum() < 2:
        return np.full((6, 1), np.nan)
    if below[X, 0] > 0:
        below = np.hstack([_extended(below, 0, grid[(grid > 0) & (grid < below[X, 0])], falling=False), below])
    if below[X, -1] < grid[-1] and not above.size:
        below[DRAG, -1] = below[DRAG, -2]
        below = np.hstack([below, _extended(below, -1, grid[grid > below[X, -1]], falling=True)])
    if below[X, -1] == grid[-1]:
        return _refined(below, line_tension)
    step = grid[1] - grid[0]
    first = _landing(below[:, -1], above, line_tension, step)
    across = max(above[X, first] - below[X, -1], step)
    start, end = _refined(below, line_tension), _refined(above[:, first:], line_tension)
    end[0] += start[0, -1] + across - end[0, 0]
    snap = (1 - np.array([ABRUPT, 1 - ABRUPT])) * start[:, -1:] + np.array([ABRUPT, 1 - ABRUPT]) * end[:, :1]
    snap[-1] = np.log(states.snap[first] / across**2)
    whole = np.hstack([start, snap, end])
    whole[-1, -1] = whole[-1, -2]
    return whole


def _landing(end, above, line_tension, step) -> int:
    """Which state above a bud comes to rest in that snaps at the ``end`` of its branch: the next on, within a step one
    that lies lower than the end if there is, or down from there."""
    energy, left = (b[ENERGY] + 2 * np.pi * line_tension / np.cosh(b[X]) for b in (above, end))
    at, last = int(np.searchsorted(above[X], end[X], side="right")), above.shape[1] - 1
    while at < last and energy[at] > left and above[X, at] < end[X] + 0.99 * step:
        at += 1
    at = min(at, last)
    while at > 0 and energy[at - 1] < energy[at]:
        at -= 1
    return at


def _pull(x):
    """-2 pi dalpha/dx: what a line tension of one adds to -dF/dx."""
    return 2 * np.pi * np.tanh(x) / np.cosh(x)


def _extended(states, at, x, *, falling) -> np.ndarray:
    """States at ``x`` of l* = l0 + b (x - x_at), G = G_at + 2 pi int l* alpha tanh(x) dx, beside the state ``at``."""
    path, x0 = states[:, at], states[X, at]
    alpha, pull, alpha0 = 1 / np.cosh(x), _pull(x), 1 / np.cosh(x0)
    turn = lambda a: 2 * np.pi * a * (2 * a**2 - 1)
    held = path[SLOPE] / _pull(x0)
    b = min((path[BEND] - held * turn(alpha0)) / _pull(x0), 0.0) if falling else 0.0
    dx, angle = x - x0, np.arcsin(np.tanh(x)) - np.arcsin(np.tanh(x0))
    gained = held * (alpha0 - alpha) + b * (angle - dx * alpha)
    shrunk = np.log(alpha / alpha0)
    return np.stack(
        [
            x,
            path[ENERGY] + 2 * np.pi * gained,
            pull * (held + b * dx),
            turn(alpha) * (held + b * dx) + pull * b,
            path[NECK] + shrunk,
            np.full_like(x, path[ANGLE]),
            states[DRAG, at - 1 if falling else at] + 2 * shrunk,
        ]
    )


def _refined(states, line_tension) -> np.ndarray:
    """(x, alpha, F, ln neck, angle, ln drag) at FINE points a step: the energy by the polynomial of fifth degree that
    has the given G' and G'' at both ends, neck and angle linearly; the drag is that of the way to the next state."""
    x = states[X]
    if len(x) == 1:
        return np.stack([x, 1 / np.cosh(x), states[ENERGY] + 2 * np.pi * line_tension / np.cosh(x), *states[NECK:]])
    t, h = np.arange(FINE)[:, None] / FINE, np.diff(x)
    fine = np.append((x[:-1] + t * h).T.ravel(), x[-1])
    alpha = 1 / np.cosh(fine)
    energy, slope, bend = states[ENERGY], h * _ends(states[SLOPE]), h**2 / 2 * _ends(states[BEND])
    rise = t**3 * (10 - 15 * t + 6 * t**2)
    first = t * (1 - t) ** 3 * (1 + 3 * t) * slope[0] + t**2 * (1 - t) ** 3 * bend[0]
    second = t**3 * (1 - t) * (3 * t - 4) * slope[1] + t**3 * (1 - t) ** 2 * bend[1]
    joined = energy[:-1] + rise * np.diff(energy) + first + second
    energy = np.append(joined.T.ravel(), energy[-1]) + 2 * np.pi * line_tension * alpha
    drag = np.append(np.repeat(states[DRAG, :-1], FINE), states[DRAG, -2])
    return np.stack([fine, alpha, energy, *(np.interp(fine, x, states[row]) for row in (NECK, ANGLE)), drag])


def _ends(values):
    """Values at both ends of the intervals between them."""
    return np.stack([values[:-1], values[1:]])
