"""The bud law of a run: the exact paths of membrane.bud, solved where they are first needed and interpolated between.

At fixed rigidity ratio and Gaussian contrast a path depends on c = c0_in L, c_out = c0_out L, s = sigma L^2/kappa_in
and h = L/R_v; line tension only adds 2 pi l alpha. Paths are solved on the nodes of a lattice and interpolated by the
polynomial of second degree through a node, its neighbours in every direction and the corners toward the problem: the
energy over that of the undisturbed host, G' and G'', the logarithms of neck radius and drag, and the contact angle, at
each x. docs/bud.md has the measured error.
"""

import itertools
import threading
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.interpolate import BPoly

from membrane import bud
from membrane.landscape import BudAnswer, Domain, Gate, Host, Landscape, answer, bud_direction

RESOLUTION = bud.Resolution(inner=12, outer=20, step=0.3, least_rim=0.045, backward=2)

CURVATURE_STEP, HOST_CURVATURE_STEP, TENSION_STEP, RADIUS_STEP = 0.4, 0.1, 0.75, 0.1
"""Spacing of nodes in c, c_out, ln s and |h|."""

LOWERED = ((0, 0), (0, 1), (1, 1))
"""By how many nodes of c and c_out the centre of the interpolation lies below the nearest, in the order of trial: where
c or c_out is large paths end before they have a neck."""

LEAST_TENSION, MOST_TENSION = 1e-4, 2.0
"""Smaller s is taken as the least (it changes no energy by more than pi s kappa); beyond the largest every state is
charged what the lost projection of the domain alone costs, a lower bound."""

FLAT = 0.02
"""A host of smaller h counts as flat."""

HOPELESS = 200.0
"""A domain whose nearest node climbs so many kT is not asked for more: half a node away it still climbs about 100."""

FINE = 8
"""Points of a landscape between two points of the path."""

ENERGY, SLOPE, BEND, NECK, ANGLE, DRAG = range(6)


class Paths:
    """Paths over (c, c_out, s, h) at one rigidity ratio and Gaussian contrast: arrays (problems, 6, points) over
    ``coordinate`` of energy over the undisturbed host's, G', G'', ln(neck radius/L), contact angle and ln(drag); nan
    where no state exists. Safe to share between threads: a node has the same value whoever asks for it first.
    """

    def __init__(self, rigidity_ratio: float, gaussian_contrast: float):
        self.rigidity_ratio, self.gaussian_contrast = rigidity_ratio, gaussian_contrast
        self._nodes: dict[tuple, Future] = {}
        self._lock = threading.Lock()

    @property
    def coordinate(self) -> np.ndarray:
        """x of the points."""
        return bud.coordinate(RESOLUTION)

    def solved(self, c, c_out, s, h) -> tuple[np.ndarray, np.ndarray]:
        """Paths of the very problems, continued to both ends, and which of them were whole without."""
        # One after the other: batched, every problem would take the Newton steps of the hardest (measured: 2.5 times).
        found = np.array([self._solve(*values) for values in zip(*np.broadcast_arrays(c, c_out, s, h), strict=True)])
        whole = np.isfinite(found[:, ENERGY, self.coordinate > 0]).all(-1)
        return continued(self.coordinate, found), whole

    def interpolated(self, c, c_out, s, h, lowered=(0, 0)) -> "Between":
        """Paths between the nodes; all h of one sign."""
        c, c_out, s, h = np.broadcast_arrays(*(np.asarray(v, float) for v in (c, c_out, s, h)))
        sign, held = int(np.sign(h.flat[0])), np.clip(s, LEAST_TENSION, MOST_TENSION)
        axes = 4 if sign else 3
        at = np.stack([c, c_out, held, np.abs(h)], axis=-1)[:, :axes]
        steps = _steps(at)
        centre = np.round(steps).astype(int)
        centre[:, :2] -= lowered
        centre[:, 3:] = np.maximum(centre[:, 3:], 1)
        side = np.where(steps >= centre, 1, -1)
        weight, keys = _weights(at, centre, side), centre[:, None] + _simplex(side)
        unique, where = np.unique(keys.reshape(-1, axes), axis=0, return_inverse=True)
        nodes, whole = self._fetch([(sign, *map(int, key)) for key in unique])
        where = where.reshape(weight.shape)
        result = np.einsum("nk,nkfx->nfx", weight, nodes[where])
        x = self.coordinate
        most = np.max((nodes[:, SLOPE] / _pull(x))[:, x > 0], axis=-1)
        beyond = np.pi * (s - held)[:, None] * (s > held)[:, None]
        around = np.pad(
            np.concatenate([side > 0, side < 0], -1), ((0, 0), (1, keys.shape[1] - 2 * axes - 1)), constant_values=True
        )
        found = Between(
            result, whole[where].all(-1), np.max(most[where], -1, initial=-np.inf, where=around), nodes[where[:, 0]]
        )
        for paths in (found.paths, found.nearest):
            paths[:, ENERGY] += beyond * np.tanh(x) ** 2
            paths[:, SLOPE] += beyond * 2 * np.tanh(x) / np.cosh(x) ** 2
            paths[:, BEND] += beyond * 2 * (1 - 2 * np.sinh(x) ** 2) / np.cosh(x) ** 4
        return found._replace(most=found.most + np.max(beyond, -1) / np.pi)

    def nearest(self, c, c_out, s, h) -> np.ndarray:
        """The path of the nearest node; all h of one sign."""
        at = np.stack([c, c_out, np.clip(s, LEAST_TENSION, MOST_TENSION), np.abs(h)], axis=-1)
        index = np.round(_steps(at if h.any() else at[:, :3])).astype(int)
        return self._fetch([(int(np.sign(h[0])), *map(int, key)) for key in index])[0]

    def _fetch(self, keys) -> tuple[np.ndarray, np.ndarray]:
        """Nodes; those that nobody has begun are solved here, the others awaited."""
        with self._lock:
            mine = [key for key in dict.fromkeys(keys) if key not in self._nodes]
            self._nodes |= {key: Future() for key in mine}
        try:
            if mine:
                for key, *node in zip(mine, *self.solved(*_node_values(mine)), strict=True):
                    self._nodes[key].set_result(node)
        except BaseException as error:
            for key in mine:
                self._nodes[key].set_exception(error)
            raise
        paths, whole = zip(*(self._nodes[key].result() for key in keys), strict=True)
        return np.stack(paths), np.array(whole)

    def _solve(self, c, c_out, s, h) -> np.ndarray:
        problem = np.array([c, c_out, s, self.rigidity_ratio, self.gaussian_contrast, h], np.float64)
        with jax.enable_x64(True), jax.default_device("cpu"):
            path = np.array(_rows(problem, closed=bool(h)))
        with np.errstate(invalid="ignore", divide="ignore"):
            path[[NECK, DRAG]] = np.log(path[[NECK, DRAG]])
        return path


@partial(jax.jit, static_argnames="closed")
def _rows(problem, *, closed):
    """Energy over the undisturbed host's, G', G'', neck radius, contact angle and drag of one path (6, points)."""
    problem = bud.Problem(*problem)
    path = bud.trace(problem, closed=closed, resolution=RESOLUTION)
    energy = path.energy - bud.reference_energy(problem, 0.0, closed)
    return jnp.stack([energy, path.slope, path.bend, path.neck_radius, path.contact_angle, path.drag])


class Between(NamedTuple):
    """Paths interpolated for problems: ``paths`` (problems, 6, points); whether all their nodes have ``whole`` paths;
    ``most``, the largest l* at x > 0 of those nodes that the problem lies between, above which each of these falls from
    flat to the narrowest neck; the path of the ``nearest`` node."""

    paths: np.ndarray
    whole: np.ndarray
    most: np.ndarray
    nearest: np.ndarray


def _steps(at):
    """Values c, c_out, s[, |h|] (..., 3 or 4) counted in nodes."""
    c, c_out, s, *h = np.moveaxis(at, -1, 0)
    # Half a step off zero: the flat host is no limit that a polynomial in h follows.
    parts = [c / CURVATURE_STEP, c_out / HOST_CURVATURE_STEP, np.log(s) / TENSION_STEP]
    return np.stack([*parts, *(v / RADIUS_STEP - 0.5 for v in h)], axis=-1)


def _values(index):
    """Inverse of :func:`_steps`."""
    c, c_out, s, *h = np.moveaxis(np.asarray(index), -1, 0)
    parts = [c * CURVATURE_STEP, c_out * HOST_CURVATURE_STEP, np.exp(s * TENSION_STEP)]
    return np.stack([*parts, *((v + 0.5) * RADIUS_STEP for v in h)], axis=-1)


def _node_values(keys):
    """c, c_out, s and h of nodes (sign, i, j, k[, l])."""
    sign, *index = np.array(keys).T
    c, c_out, s, *h = _values(np.stack(index, axis=-1)).T
    return c, c_out, s, sign * h[0] if h else np.zeros_like(c)


def _simplex(side):
    """Offsets (problems, nodes, axes) of a polynomial of second degree: the centre, its neighbours, and the corners
    toward ``side``."""
    axes = side.shape[-1]
    unit, pairs = np.eye(axes, dtype=int), list(itertools.combinations(range(axes), 2))
    corners = [side * (unit[i] + unit[j]) for i, j in pairs]
    fixed = np.broadcast_to(np.concatenate([0 * unit[:1], unit, -unit]), (len(side), 2 * axes + 1, axes))
    return np.concatenate([fixed, np.stack(corners, 1)], axis=1)


def _weights(at, centre, side):
    """Weights (problems, nodes) of the nodes of :func:`_simplex` at the values ``at``."""
    axes = at.shape[-1]
    unit = np.eye(axes, dtype=int)
    neighbour = lambda offset: np.stack([_values(centre + offset * unit[i])[:, i] for i in range(axes)], -1)
    low, middle, high = (neighbour(offset) for offset in (-1, 0, 1))
    up = (at - low) * (at - middle) / ((high - low) * (high - middle))
    down = (at - high) * (at - middle) / ((low - high) * (low - middle))
    share = (at - middle) / (np.where(side > 0, high, low) - middle)
    pairs = np.stack([share[:, i] * share[:, j] for i, j in itertools.combinations(range(axes), 2)], -1)
    shared = share * (share.sum(-1, keepdims=True) - share)
    rest = 1 - (up + down).sum(-1, keepdims=True) + pairs.sum(-1, keepdims=True)
    return np.concatenate([rest, up - shared * (side > 0), down - shared * (side < 0), pairs], axis=-1)


def continued(x, paths) -> np.ndarray:
    """Paths with their gaps filled.

    Where nothing is at rest between two states (the bud snaps across, or a domain that its host bends away stands up)
    the energy is the polynomial of third degree that joins both. Beyond the last state l* goes on linearly as it fell,
    and the neck as the rim; where there are no states at x < 0, l* is constant below the first. States at x < 0 that do
    not exist keep nan.
    """
    paths, order = paths.copy(), np.arange(len(x))
    for path in paths:
        exists = np.nonzero(np.isfinite(path[ENERGY]))[0]
        if not (x[exists] > 0).any():
            continue
        for low, high in itertools.pairwise(exists):
            if high > low + 1:
                _join(x, path, low, high)
        first, last = exists[0], exists[-1]
        _extend(x, path, last, order > last, falling=True)
        if x[first] > 0:
            _extend(x, path, first, (x > 0) & (order < first), falling=False)
    return paths


def _pull(x):
    """-2 pi dalpha/dx: what a line tension of one adds to -dF/dx."""
    return 2 * np.pi * np.tanh(x) / np.cosh(x)


def _extend(x, path, at, gone, *, falling):
    """l* = l0 + b (x - x_at) in place of missing states: G = G_at + 2 pi int l* alpha tanh(x) dx."""
    alpha, pull = 1 / np.cosh(x), _pull(x)
    turn = 2 * np.pi * alpha * (2 * alpha**2 - 1)
    held = path[SLOPE, at] / pull[at]
    b = min((path[BEND, at] - held * turn[at]) / pull[at], 0.0) if falling else 0.0
    dx, angle = x[gone] - x[at], np.arcsin(np.tanh(x[gone])) - np.arcsin(np.tanh(x[at]))
    gained = held * (alpha[at] - alpha[gone]) + b * (angle - dx * alpha[gone])
    path[ENERGY, gone] = path[ENERGY, at] + 2 * np.pi * gained
    path[SLOPE, gone] = pull[gone] * (held + b * dx)
    path[BEND, gone] = turn[gone] * (held + b * dx) + pull[gone] * b
    shrunk = np.log(alpha[gone] / alpha[at])
    path[NECK, gone], path[ANGLE, gone], path[DRAG, gone] = (
        path[NECK, at] + shrunk,
        path[ANGLE, at],
        path[DRAG, at] + 2 * shrunk,
    )


def _join(x, path, low, high):
    """The cubic between two states in place of missing ones."""
    gone = slice(low + 1, high)
    joined = BPoly.from_derivatives(x[[low, high]], path[[ENERGY, SLOPE]][:, [low, high]].T)
    path[ENERGY, gone], path[SLOPE, gone], path[BEND, gone] = (joined(x[gone], nu) for nu in range(3))
    for row in (NECK, ANGLE, DRAG):
        path[row, gone] = np.interp(x[gone], x[[low, high]], path[row, [low, high]])


class ExactLaw:
    """The exact axisymmetric law (membrane.bud) with tension, spontaneous curvatures, Gaussian modulus and the
    curvature of the host; open necks, scission at the gate, a scission aid.

    Buds form to the side of c0_in - (kappa_out/kappa_in) c0_out; in a host of radius R_v its curvature counts as -1/R_v
    for buds into the lumen and +1/R_v for buds away from it. ``direct`` solves every domain's own path instead of
    interpolating. The drag against dx/dt is that of the path's own area-preserving shear in domain and host, and half a
    disc moved broadside through the solvents: eta_m L^2 Gamma(x) + 2 (eta_cyt + eta_lum) L^3 sech^4 x (docs/bud.md).
    """

    def __init__(self, gate: Gate, *, membrane_viscosity: float, solvent_viscosity: float, direct: bool = False):
        self.gate, self.membrane_viscosity, self.solvent_viscosity = gate, membrane_viscosity, solvent_viscosity
        self.direct = direct
        self._paths: dict[tuple[float, float], Paths] = {}

    def __call__(self, domain: Domain, host: Host) -> BudAnswer:
        """Answer for every domain."""
        return answer(self.landscape(domain, host), self.gate)

    def landscape(self, domain: Domain, host: Host) -> Landscape:
        """F(x) of every domain, over the undisturbed host's without its rim; inf where no state exists."""
        size = domain.size
        wide = lambda v: np.broadcast_to(np.asarray(v, float), size.shape)
        kappa, tension = wide(domain.bending_rigidity), wide(host.tension)
        ratio, contrast = host.bending_rigidity / kappa, wide(domain.gaussian_modulus_contrast) / kappa
        inside, outside = wide(domain.spontaneous_curvature), wide(host.spontaneous_curvature)
        direction = bud_direction(domain, host)
        h = -direction * size / host.radius
        h = np.where(np.abs(h) < FLAT, 0.0, h)
        problem = np.stack([direction * inside * size, direction * outside * size, tension * size**2 / kappa, h], -1)

        # Too small for any neck: never asked for.
        asked = np.nonzero(size > 2 * self.gate.neck_radius)[0]
        kinds = np.stack([np.sign(h), ratio, contrast], -1)
        paths = np.full((len(size), 6, len(self.coordinate)), np.nan)
        for kind in np.unique(kinds[asked], axis=0):
            at = asked[(kinds[asked] == kind).all(-1)]
            table = self._paths.setdefault(tuple(kind[1:]), Paths(*map(float, kind[1:])))
            tension = np.asarray(domain.line_tension)[at] * size[at] / kappa[at]
            paths[at] = self._paths_of(table, problem[at], tension, kappa[at] / self.gate.thermal_energy)
        return self._landscape(domain, kappa, size, direction, paths)

    @property
    def coordinate(self) -> np.ndarray:
        """x of the points that are solved."""
        return bud.coordinate(RESOLUTION)

    def _paths_of(self, table, problem, line_tension, rigidity) -> np.ndarray:
        """The nearest node's where that climbs beyond hope; interpolated where all nodes are whole; the nearest node's
        where all nodes fall; solved for the rest. ``rigidity`` in kT."""
        if self.direct:
            return table.solved(*problem.T)[0]
        paths = table.nearest(*problem.T)
        rim = 2 * np.pi * line_tension[:, None] / np.cosh(self.coordinate)
        energy = rigidity[:, None] * (paths[:, ENERGY] + rim)[:, self.coordinate > 0]
        rest = np.nonzero(~(np.max(energy - np.minimum.accumulate(energy, axis=-1), axis=-1) > HOPELESS))[0]
        for lowered in LOWERED:
            if not len(rest):
                return paths
            found = table.interpolated(*problem[rest].T, lowered)
            falls = ~found.whole & (found.most < line_tension[rest])
            paths[rest] = np.where(falls[:, None, None], found.nearest, found.paths)
            rest = rest[~(found.whole | falls)]
        if len(rest):
            paths[rest], _ = table.solved(*problem[rest].T)
        return paths

    def _landscape(self, domain, kappa, size, direction, paths) -> Landscape:
        x, (energy, neck, angle, drag) = _refined(self.coordinate, paths)
        column, alpha = lambda v: np.broadcast_to(v, size.shape)[:, None], 1 / np.cosh(x)
        energy = column(kappa) * energy + 2 * np.pi * column(domain.line_tension * size) * alpha
        solvent = 2 * self.solvent_viscosity * column(size) ** 3 * alpha**4
        return Landscape(
            coordinate=x,
            energy=np.where(np.isfinite(energy), energy, np.inf),
            neck_radius=column(size) * np.exp(neck),
            contact_angle=angle,
            drag=self.membrane_viscosity * column(size) ** 2 * np.exp(drag) + solvent,
            size=size,
            direction=direction,
        )


def _refined(x, paths):
    """(fine x, (energy, ln neck, angle, ln drag) (domains, points)): the energy by the polynomial of fifth degree that
    has the given G' and G'' at both ends, the rest linearly."""
    t = np.arange(FINE) / FINE
    fine = np.append((x[:-1, None] + t * np.diff(x)[:, None]).ravel(), x[-1])
    derivatives = np.moveaxis(paths[:, [ENERGY, SLOPE, BEND]], 0, -1)
    energy = BPoly.from_derivatives(x, np.swapaxes(derivatives, 0, 1))(fine).T
    rest = paths[:, [NECK, ANGLE, DRAG]]
    lines = (1 - t) * rest[..., :-1, None] + t * rest[..., 1:, None]
    lines = np.concatenate([lines.reshape(*rest.shape[:2], -1), rest[..., -1:]], axis=-1)
    return fine, (energy, *np.moveaxis(lines, 1, 0))
