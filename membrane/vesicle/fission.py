"""Each vesicle by itself: size and content from surface integrals, and fission and fusion as changes of topology."""

from dataclasses import dataclass, field

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from membrane.lattice import slabs
from membrane.vesicle import surface
from membrane.vesicle.energy import Books, Membrane
from membrane.vesicle.shape import State
from membrane.vesicle.topology import Topology, find


@dataclass(frozen=True)
class Vesicle:
    """``area`` (nm^2) of the mid-plane, int delta less what its spread adds (Steiner); ``volume`` (nm^3) inside;
    ``lo_fraction``, share of the area that is Lo, (1 + phi)/2 averaged; ``centre`` (z, y, x) in nm; ``is_ilv``: whether
    it encloses cytosol; ``fractions``: mean area fraction of every other species by name; mean
    ``spontaneous_curvature`` (1/nm). Means are surface integrals."""

    area: float
    volume: float
    lo_fraction: float
    centre: tuple[float, float, float]
    is_ilv: bool
    fractions: dict[str, float] = field(default_factory=dict)
    spontaneous_curvature: float = 0.0

    @property
    def content(self) -> dict[str, float]:
        """Area of every species beside phi, nm^2; over that of one molecule it is a number of copies."""
        return {name: share * self.area for name, share in self.fractions.items()}

    @property
    def diameter(self) -> float:
        """sqrt(A/pi) in nm, of the sphere of the same area."""
        return (self.area / np.pi) ** 0.5

    @property
    def diameter_from_volume(self) -> float:
        """(6 V/pi)^(1/3) in nm."""
        return (6 * self.volume / np.pi) ** (1 / 3)

    @property
    def lo_area(self) -> float:
        """Area of Lo, nm^2."""
        return self.lo_fraction * self.area


@dataclass(frozen=True)
class Fission:
    """A vesicle that left vesicle ``mother`` (its number before). ``topological_energy``: 4 pi kappa_G (pN nm), the
    larger of both phases, which the free energy of the fields does not contain."""

    vesicle: Vesicle
    mother: int
    topological_energy: float = 0.0


@dataclass(frozen=True)
class Fusion:
    """Vesicles (their numbers before) that have become one, ``vesicle``."""

    vesicle: Vesicle
    merged: tuple[int, ...]


def describe(membrane: Membrane, state: State, topology: Topology) -> list[Vesicle]:
    """The vesicles of a state, in the order of the topology."""
    grid, eps = membrane.grid, membrane.interface_width
    near = surface.derivatives(state.psi, grid)
    density = np.asarray(surface.delta(near, eps), float)
    gaussian = np.asarray(surface.gaussian_density(near, surface.hessian(state.psi, grid), eps), float)
    psi, cell = np.asarray(state.psi, float), grid.cell_volume
    fields = np.asarray(state.fields, float)
    preferred = np.asarray(membrane.preferred_curvature(state.fields), float)
    found = []
    for i, sign in enumerate(topology.encloses_lumen):
        part = topology.labels == i
        # An ILV's own part holds all of its inside; the limiting membrane shares its lumen with the ILVs' surroundings.
        filled = part if sign < 0 or topology.vesicles == 1 else _lumen_of(topology, i)
        inside = np.asarray(surface.step(sign * psi)) * filled
        volume = np.sum(inside) * cell
        centre = _centre(inside, grid)
        own = density * part
        mean = lambda f, own=own: float(np.sum(own * f) / np.sum(own))
        spheres = round(float(np.sum(gaussian * part)) * cell / (4 * np.pi))
        area = np.sum(own) * cell - 4 * np.pi * surface.SPREAD * eps**2 * spheres
        fractions = {name: mean(f) for name, f in zip(membrane.species[1:], fields[1:], strict=True)}
        lo = mean(0.5 * (1 + fields[0]))
        found.append(Vesicle(float(area), float(volume), lo, centre, bool(sign < 0), fractions, mean(preferred)))
    return found


def rebook(membrane: Membrane, state: State, topology: Topology | None = None) -> tuple[State, list[Fission | Fusion]]:
    """The state with books for each vesicle that there now is, and what has happened since they were last made.
    ``topology``: the vesicles of the state, where they have been found already.

    A fission hands each descendant its area, relaxed at the tension of the mother, and what is on it of each species:
    all sums are kept, and so is the energy. Where the vesicles are the same only the labels follow them.
    """
    if topology is None:
        topology = find(state.psi, membrane.grid, membrane.interface_width, state.books.vesicles)
    if topology.vesicles == state.books.vesicles == 1:
        return state, []
    before = np.asarray(state.books.labels)
    near = surface.derivatives(state.psi, membrane.grid)
    density = np.asarray(surface.delta(near, membrane.interface_width), float)
    overlap = np.zeros((state.books.vesicles, topology.vesicles))
    np.add.at(overlap, (before.ravel(), topology.labels.ravel()), density.ravel())
    origin = np.argmax(overlap, axis=0)
    shared = overlap > 0.5 * np.minimum(overlap.sum(0)[None, :], overlap.sum(1)[:, None])
    now = membrane.open_books(state.psi, state.fields, topology.labels, topology.vesicles)
    if topology.vesicles == state.books.vesicles and np.array_equal(np.sort(origin), np.arange(origin.size)):
        kept = Books(state.books.area[origin], state.books.content[:, origin], now.labels)
        return slabs.placed(eqx.tree_at(lambda s: s.books, state, kept), membrane.grid), []
    strain = membrane.tension(near, state.books) / membrane.area_modulus
    relaxed = np.asarray(now.area, float) / (1 + np.asarray(strain, float)[origin])
    content = np.asarray(now.content, float)
    # What labels gained or lost at the border between parts is shared out in proportion to area.
    relaxed = relaxed * float(np.sum(np.asarray(state.books.area, float))) / relaxed.sum()
    lost = np.sum(np.asarray(state.books.content, float), 1) - content.sum(1)
    content = content + lost[:, None] * relaxed / relaxed.sum()
    real = membrane.grid.dtype
    books = Books(jnp.asarray(relaxed, real), jnp.asarray(content, real), now.labels)
    state = slabs.placed(eqx.tree_at(lambda s: s.books, state, books), membrane.grid)
    vesicles = describe(membrane, state, topology)
    events: list[Fission | Fusion] = []
    for mother in range(overlap.shape[0]):
        heirs = [i for i in range(topology.vesicles) if origin[i] == mother]
        largest = max(heirs, key=lambda i: vesicles[i].area, default=None)
        events += [Fission(vesicles[i], mother, membrane.topological_energy(1)) for i in heirs if i != largest]
    for i in range(topology.vesicles):
        merged = tuple(int(m) for m in np.flatnonzero(shared[:, i]) if np.argmax(overlap[m]) == i)
        if len(merged) > 1:
            events.append(Fusion(vesicles[i], merged))
    return state, events


def _lumen_of(topology: Topology, i: int) -> np.ndarray:
    """Where the lumen of a limiting membrane is counted: everywhere but in other limiting membranes' parts."""
    others = [j for j, sign in enumerate(topology.encloses_lumen) if sign > 0 and j != i]
    return ~np.isin(topology.labels, others)


def _centre(weight, grid) -> tuple[float, float, float]:
    """Centre of mass on the periodic box, nm, by the phase of the lowest mode."""
    centre = []
    for axis, length in enumerate(grid.extent):
        profile = weight.sum(tuple(a for a in range(3) if a != axis))
        phase = np.angle(np.sum(profile * np.exp(2j * np.pi * np.arange(profile.size) / profile.size)))
        centre.append(float(phase / (2 * np.pi) * length % length))
    return tuple(centre)
