"""The bud law of a run: the exact paths of membrane.bud, solved where they are first needed and interpolated between.

At fixed rigidity ratio and Gaussian contrast a path depends on c = c0_in L, c_out = c0_out L, s = sigma L^2/kappa_in
and h = L/R_v; line tension only adds 2 pi l alpha. Paths are kept on nodes: even in c and ln s (cubic interpolation),
Chebyshev in c_out and h. G, G', neck radius, contact angle and drag are interpolated at each x; docs/bud.md has the
measured error.
"""

import itertools
import threading

import jax
import jax.numpy as jnp
import numpy as np

from membrane import bud
from membrane.landscape import BudAnswer, Domain, Gate, Host, Landscape, answer

RESOLUTION = bud.Resolution(inner=12, outer=20, step=0.15)

CURVATURE_STEP, CURVATURES = 0.5, (-3, 12)
"""Spacing of nodes in c, and the first and last of them in units of it."""

TENSION_STEP, TENSIONS = 0.75, (-9, 1)
"""The same for ln s. Smaller s is taken as the least (it changes no energy by more than pi s kappa); beyond the largest
every state is charged what the lost projection of the domain alone costs, a lower bound."""

HOST_CURVATURES = (0.02, 0.45)
"""Range of h. A host whose h is below half the least counts as flat."""

HOST_SPONTANEOUS = (-0.1, 0.7)
"""Range of c_out."""

FINE = 8
"""Points of a landscape between two points of the path."""


def chebyshev(low: float, high: float, count: int) -> np.ndarray:
    """Chebyshev nodes of [low, high]."""
    return 0.5 * (low + high) - 0.5 * (high - low) * np.cos(np.pi * (np.arange(count) + 0.5) / count)


class Paths:
    """Paths over (c, c_out, s, h) at one rigidity ratio and Gaussian contrast, filled in as they are asked for.

    ``direct`` solves a problem by itself, :meth:`interpolated` between nodes. Safe to share between threads: a node's
    value does not depend on the order in which nodes are filled.
    """

    names = ("energy", "slope", "neck_radius", "contact_angle", "drag")

    def __init__(self, rigidity_ratio: float, gaussian_contrast: float):
        self.rigidity_ratio, self.gaussian_contrast = rigidity_ratio, gaussian_contrast
        self.spontaneous_nodes = chebyshev(*HOST_SPONTANEOUS, 3)
        self.curvature_nodes = {0: np.zeros(1)} | {sign: sign * chebyshev(*HOST_CURVATURES, 4) for sign in (-1, 1)}
        self._blocks: dict[tuple, np.ndarray] = {}
        self._lock = threading.Lock()
        self.coordinate: np.ndarray | None = None

    def direct(self, c, c_out, s, h) -> np.ndarray:
        """Solved paths (problems, 5, points) of arrays that share the kind of host (all h zero or none)."""
        with jax.enable_x64(True), jax.default_device(jax.devices("cpu")[0]):
            full = lambda v: jnp.asarray(np.broadcast_to(np.asarray(v, float), np.shape(c)))
            problem = bud.Problem(
                full(c), full(c_out), full(s), full(self.rigidity_ratio), full(self.gaussian_contrast), full(h)
            )
            path = jax.device_get(bud.trace(problem, closed=bool(np.all(np.asarray(h) != 0)), resolution=RESOLUTION))
        self.coordinate = path.x[0]
        return continued(path.x[0], np.stack([getattr(path, name) for name in self.names], axis=1))

    def interpolated(self, c, c_out, s, h) -> np.ndarray:
        """Paths (problems, 5, points) between the nodes; all h of one sign. Outside the range: ValueError."""
        c, c_out, s, h = np.broadcast_arrays(*(np.asarray(v, float) for v in (c, c_out, s, h)))
        if not self.covers(c, c_out, h).all():
            raise ValueError("outside the range of the interpolant: ask `covers` first, or solve directly")
        (i, wc), (j, ws) = _cubic(c / CURVATURE_STEP, CURVATURES), _cubic(_log_tension(s), TENSIONS)
        sign = int(np.sign(h.flat[0]))
        w_out = _lagrange(self.spontaneous_nodes, c_out)
        w_host = _lagrange(self.curvature_nodes[sign], h)
        self._fill(sorted({(sign, a + p, b + q) for a, b in set(zip(i, j)) for p in range(4) for q in range(4)}))
        result = 0.0
        for p, q in itertools.product(range(4), range(4)):
            block = np.stack([self._blocks[sign, a + p, b + q] for a, b in zip(i, j)])
            result = result + (wc[:, p] * ws[:, q])[:, None, None] * np.einsum("no,nh,nohkx->nkx", w_out, w_host, block)
        excess = np.pi * np.maximum(s - np.exp(TENSIONS[1] * TENSION_STEP), 0)[:, None]
        result[:, 0] += excess * np.tanh(self.coordinate) ** 2
        result[:, 1] += excess * 2 * np.tanh(self.coordinate) / np.cosh(self.coordinate) ** 2
        return result

    def covers(self, c, c_out, h):
        """Whether the interpolant reaches (c, c_out, h), at any s."""
        flat = np.abs(h) == 0
        inside = lambda v, low, high: (v >= low) & (v <= high)
        return (
            inside(c / CURVATURE_STEP, *CURVATURES)
            & inside(c_out, *HOST_SPONTANEOUS)
            & (flat | inside(np.abs(h), *HOST_CURVATURES))
        )

    def _fill(self, wanted) -> None:
        with self._lock:
            for key in wanted:
                if key not in self._blocks:
                    sign, i, j = key
                    h = self.curvature_nodes[sign]
                    grid = np.meshgrid(self.spontaneous_nodes, h, indexing="ij")
                    s = np.exp(j * TENSION_STEP)
                    paths = self.direct(np.full(grid[0].size, i * CURVATURE_STEP), grid[0].ravel(), s, grid[1].ravel())
                    self._blocks[key] = paths.reshape(*grid[0].shape, *paths.shape[1:])


def _log_tension(s):
    return np.clip(np.log(np.maximum(s, 1e-300)) / TENSION_STEP, *TENSIONS)


def _cubic(position, limits):
    """First of the four nodes around each position and the weights (positions, 4) of cubic interpolation."""
    first = np.clip(np.floor(position).astype(int) - 1, limits[0], limits[1] - 3)
    t = position - first
    others = [[m for m in range(4) if m != n] for n in range(4)]
    return first, np.stack([np.prod([(t - m) / (n - m) for m in rest], axis=0) for n, rest in enumerate(others)], -1)


def _lagrange(nodes, position):
    """Weights (positions, nodes) of the polynomial through all nodes."""
    weights = []
    for n, node in enumerate(nodes):
        rest = np.delete(nodes, n)
        weights.append(np.prod((position[..., None] - rest) / (node - rest), axis=-1))
    return np.stack(weights, -1)


def continued(x, paths) -> np.ndarray:
    """Paths with their missing ends filled: beyond the last state l*(x) and the shape of the neck stay what they were.

    A path ends where the rim's radius has a minimum because the neck has left the rim for the domain; l* is negative
    there, so that any line tension pulls the bud on. Below the first state at x > 0 likewise; states at x < 0 that do
    not exist keep nan.
    """
    paths, alpha = paths.copy(), 1 / np.cosh(x)
    slope = -2 * np.pi * alpha * np.tanh(x)
    for path in paths:
        here = np.nonzero((x > 0) & np.isfinite(path[0]))[0]
        if not len(here):
            continue
        for at, gone in ((here[-1], np.arange(len(x)) > here[-1]), (here[0], (x > 0) & (np.arange(len(x)) < here[0]))):
            energy, rise, neck, angle, drag = path[:, at]
            pull = -rise / slope[at]
            path[0, gone] = energy + 2 * np.pi * pull * (alpha[at] - alpha[gone])
            path[1, gone] = -pull * slope[gone]
            path[2, gone] = neck * alpha[gone] / alpha[at]
            path[3, gone], path[4, gone] = angle, drag * (alpha[gone] / alpha[at]) ** 2
    return paths


class ExactLaw:
    """The exact axisymmetric law (membrane.bud) with tension, spontaneous curvatures, Gaussian modulus and the curvature
    of the host; open necks, scission at the gate, a scission aid.

    Buds form to the side of c0_in - (kappa_out/kappa_in) c0_out; in a host of radius R_v its curvature counts as -1/R_v
    for buds into the lumen and +1/R_v for buds away from it. Domains outside the interpolant's range are solved
    directly. The drag against dx/dt is that of the path's own area-preserving shear in domain and host, and half a disc
    moved broadside through the solvents: eta_m L^2 Gamma(x) + 2 (eta_cyt + eta_lum) L^3 sech^4 x (docs/bud.md).
    """

    def __init__(self, gate: Gate, *, membrane_viscosity: float, solvent_viscosity: float, direct: bool = False):
        self.gate, self.membrane_viscosity, self.solvent_viscosity = gate, membrane_viscosity, solvent_viscosity
        self.always_direct = direct
        self._paths: dict[tuple[float, float], Paths] = {}
        self._lock = threading.Lock()

    def __call__(self, domain: Domain, host: Host) -> BudAnswer:
        """Answer for every domain."""
        return answer(self.landscape(domain, host), self.gate)

    def landscape(self, domain: Domain, host: Host) -> Landscape:
        """F(x) of every domain on a fine grid. All domains share bending rigidity and Gaussian contrast."""
        kappa, size = np.asarray(domain.bending_rigidity, float), domain.size
        ratio, contrast = host.bending_rigidity / kappa, domain.gaussian_modulus_contrast / kappa
        if len(size) and (np.ptp(ratio) or np.ptp(contrast)):
            raise ValueError("domains of different rigidity must be asked for one rigidity at a time")
        torque = domain.spontaneous_curvature - ratio * host.spontaneous_curvature
        direction = np.where(torque < 0, -1, 1)
        c, c_out = direction * domain.spontaneous_curvature * size, direction * host.spontaneous_curvature * size
        s, h = host.tension * size**2 / kappa, -direction * size / host.radius
        h = np.where(np.abs(h) < HOST_CURVATURES[0] / 2, 0.0, np.sign(h) * np.maximum(np.abs(h), HOST_CURVATURES[0]))
        paths = self._paths_of(ratio.flat[0], contrast.flat[0]) if len(size) else Paths(1.0, 0.0)
        # Too small for any neck: never asked for.
        asked = size > 2 * self.gate.neck_radius
        near = asked & paths.covers(c, c_out, h) & (not self.always_direct)
        found, values = {}, (c, c_out, np.broadcast_to(s, size.shape), h)
        for sign in (-1, 0, 1):
            at = np.nonzero(near & (np.sign(h) == sign))[0]
            if len(at):
                found |= dict(zip(at, paths.interpolated(*(v[at] for v in values))))
        missing = [i for i in np.nonzero(asked)[0] if i not in found or np.isnan(found[i][0, paths.coordinate > 0]).any()]
        for sign in (-1, 0, 1):
            at = [i for i in missing if np.sign(h[i]) == sign]
            if at:
                # Padded to powers of two, so that few shapes are compiled.
                padded = np.resize(at, 2 ** int(np.ceil(np.log2(len(at)))))
                found |= dict(zip(at, paths.direct(*(v[padded] for v in values))))
        if not found:
            nothing = np.full((len(size), 2), np.inf)
            return Landscape(np.arange(2.0), nothing, nothing, nothing, nothing, size, direction)
        x, fine = _refined(paths.coordinate, found, len(size))
        wide = lambda v: np.broadcast_to(v, size.shape)[:, None]
        line = domain.line_tension * size / kappa
        energy = fine[0] + 2 * np.pi * wide(line) / np.cosh(x)
        solvent = 2 * self.solvent_viscosity * wide(size) ** 3 / np.cosh(x) ** 4
        return Landscape(
            coordinate=x,
            energy=np.where(np.isfinite(energy), wide(kappa) * energy, np.inf),
            neck_radius=wide(size) * fine[1],
            contact_angle=fine[2],
            drag=self.membrane_viscosity * wide(size) ** 2 * fine[3] + solvent,
            size=size,
            direction=direction,
        )

    def _paths_of(self, ratio: float, contrast: float) -> Paths:
        with self._lock:
            return self._paths.setdefault((float(ratio), float(contrast)), Paths(float(ratio), float(contrast)))


def _refined(x, found: dict, count: int):
    """(fine x, (energy, neck radius, contact angle, drag)): energy by cubic Hermite interpolation, the rest, which must
    stay positive, linearly in their logarithm or value."""
    t = np.arange(FINE) / FINE
    fine = np.concatenate([(x[:-1, None] + t * np.diff(x)[:, None]).ravel(), x[-1:]])
    result = np.full((4, count, len(fine)), np.nan)
    h = np.diff(x)[:, None]
    basis = [(1 + 2 * t) * (1 - t) ** 2, t * (1 - t) ** 2, t**2 * (3 - 2 * t), t**2 * (t - 1)]
    for i, (energy, slope, neck, angle, drag) in found.items():
        pieces = energy[:-1, None] * basis[0] + h * slope[:-1, None] * basis[1]
        pieces = pieces + energy[1:, None] * basis[2] + h * slope[1:, None] * basis[3]
        result[0, i] = np.append(pieces.ravel(), energy[-1])
        result[1, i] = np.exp(np.interp(fine, x, np.log(np.maximum(neck, 1e-12))))
        result[2, i] = np.interp(fine, x, angle)
        result[3, i] = np.exp(np.interp(fine, x, np.log(np.maximum(drag, 1e-12))))
    return fine, result
