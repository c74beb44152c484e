"""Each closed membrane by itself: its size and content from surface integrals, and the events that change their number.

A fission is one closed membrane that becomes two. A fusion is several that become one. Both are changes of topology
(:mod:`membrane.vesicle.topology`).
"""

from dataclasses import dataclass, field

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from membrane.lattice import slabs
from membrane.vesicle import surface
from membrane.vesicle.conserved import Conserved
from membrane.vesicle.energy import Membrane
from membrane.vesicle.shape import VesicleState
from membrane.vesicle.topology import MARGIN, Topology, find_topology


@dataclass(frozen=True, kw_only=True)
class ClosedMembrane:
    """Size and composition of one closed membrane: a limiting membrane or an ILV.

    Arguments:
        area: area of the mid-plane, nm^2: the integral of delta without what the width of the profile adds (Steiner).
        volume: volume inside, nm^3.
        lo_fraction: share of the area that is Lo, the mean of (1 + phi)/2.
        centre: centre of mass of the inside, (z, y, x) in nm.
        is_ilv: whether it encloses cytosol.
        fractions: mean area fraction of each species other than phi, by name.
        spontaneous_curvature: mean c0, 1/nm.

    All means are surface integrals over the area.
    """

    area: float
    volume: float
    lo_fraction: float
    centre: tuple[float, float, float]
    is_ilv: bool
    fractions: dict[str, float] = field(default_factory=dict)
    spontaneous_curvature: float = 0.0

    @property
    def content(self) -> dict[str, float]:
        """Area of each species other than phi, nm^2. Divided by the area of one molecule it is a number of copies."""
        return {name: share * self.area for name, share in self.fractions.items()}

    @property
    def diameter(self) -> float:
        """Diameter of the sphere that has the same area, sqrt(A/pi), nm."""
        return (self.area / np.pi) ** 0.5

    @property
    def diameter_from_volume(self) -> float:
        """Diameter of the sphere that has the same volume, (6 V/pi)^(1/3), nm."""
        return (6 * self.volume / np.pi) ** (1 / 3)

    @property
    def lo_area(self) -> float:
        """Area of Lo, nm^2."""
        return self.lo_fraction * self.area


@dataclass(frozen=True, kw_only=True)
class FissionEvent:
    """One closed membrane has become two.

    Arguments:
        daughter: the smaller one, which has left.
        mother: index, before the event, of the membrane that it has left.
        topological_energy: 4 pi kappa_G in pN nm, with the larger kappa_G of the two phases. The free energy of the
            fields does not contain it.
    """

    daughter: ClosedMembrane
    mother: int
    topological_energy: float = 0.0


@dataclass(frozen=True, kw_only=True)
class FusionEvent:
    """Several closed membranes have become one.

    Arguments:
        product: the membrane that they have become.
        merged: their indices before the event.
    """

    product: ClosedMembrane
    merged: tuple[int, ...]


def describe(membrane: Membrane, state: VesicleState, topology: Topology) -> list[ClosedMembrane]:
    """Size and composition of the closed membranes of a state, in the order of ``topology``."""
    grid, eps = membrane.grid, membrane.interface_width
    near = surface.derivatives(state.psi, grid)
    density = np.asarray(surface.delta(near, eps), float)
    gaussian = np.asarray(surface.gaussian_density(near, surface.hessian(state.psi, grid), eps), float)
    psi, cell = np.asarray(state.psi, float), grid.cell_volume
    fields = np.asarray(state.fields, float)
    preferred = np.asarray(membrane.preferred_curvature(state.fields), float)
    found = []
    for i, sign in enumerate(topology.encloses_lumen):
        region = topology.labels == i
        # The region of an ILV contains all of its inside. The lumen of a limiting membrane reaches into the regions of
        # the ILVs in it.
        filled = region if sign < 0 or topology.count == 1 else _lumen_of(topology, i)
        inside = np.asarray(surface.lumen_indicator(sign * psi)) * filled
        weight = density * region
        mean = lambda f, weight=weight: float(np.sum(weight * f) / np.sum(weight))
        spheres = round(float(np.sum(gaussian * region)) * cell / (4 * np.pi))
        area = np.sum(weight) * cell - 4 * np.pi * surface.SECOND_MOMENT * eps**2 * spheres
        found.append(
            ClosedMembrane(
                area=float(area),
                volume=float(np.sum(inside) * cell),
                lo_fraction=mean(0.5 * (1 + fields[0])),
                centre=_centre(inside, grid),
                is_ilv=bool(sign < 0),
                fractions={name: mean(f) for name, f in zip(membrane.species[1:], fields[1:], strict=True)},
                spontaneous_curvature=mean(preferred),
            )
        )
    return found


def detect_events(
    membrane: Membrane, state: VesicleState, topology: Topology | None = None
) -> tuple[VesicleState, list[FissionEvent | FusionEvent]]:
    """Compares the membranes that there are now with those that ``state.conserved`` knows.

    Arguments:
        membrane: the elastic properties and the free energy.
        state: the state.
        topology: its closed membranes, if they have been found already.

    Returns the state with a relaxed area and a content for each membrane that there is now, and the events.

    The regions of the box follow the membranes. At a fission each of the two gets its area, relaxed at the tension of
    the mother, and what lies on it of each species. Also without an event a membrane whose region has gained or lost
    some tail of another keeps its tension, not its area, so that no border changes the energy. The sums over all
    membranes are kept.
    """
    if topology is None:
        topology = find_topology(state.psi, membrane.grid, membrane.interface_width, state.conserved.count)
    if topology.count == state.conserved.count == 1:
        return state, []
    near = surface.derivatives(state.psi, membrane.grid)
    overlap = _overlap(membrane, near, state.conserved, topology)
    origin = np.argmax(overlap, axis=0)
    state = eqx.tree_at(lambda s: s.fields, state, _handed_over(state, topology, origin))
    now = membrane.conserved(state.psi, state.fields, topology.labels, topology.count)
    strain = membrane.stretch_tension(near, state.conserved) / membrane.area_modulus
    area = membrane.areas(near, state.conserved)
    shared = _shared_out(membrane, state.conserved, area, now, np.asarray(strain, float)[origin])
    state = slabs.placed(eqx.tree_at(lambda s: s.conserved, state, shared), membrane.grid)
    if topology.count == overlap.shape[0] and np.array_equal(np.sort(origin), np.arange(origin.size)):
        return state, []
    return state, _events(membrane, describe(membrane, state, topology), overlap)


def _handed_over(state: VesicleState, topology: Topology, origin: np.ndarray):
    """The fields, where a point that has gone over to another membrane has the value of the nearest that was there.

    The two may differ in composition. What lay on the one would be a step within the other, with a line tension.
    """
    before = np.asarray(state.conserved.labels)
    fields = np.asarray(state.fields)
    for i, mother in enumerate(origin):
        region = topology.labels == i
        gone_over = region & (before != mother)
        if not gone_over.any() or gone_over.sum() == region.sum():
            continue
        wide = np.pad(region & ~gone_over, MARGIN, mode="wrap")
        inner = (slice(None), *(slice(MARGIN, MARGIN + n) for n in region.shape))
        at = ndimage.distance_transform_edt(~wide, return_distances=False, return_indices=True)[inner][:, gone_over]
        at = tuple((a - MARGIN) % n for a, n in zip(at, region.shape, strict=True))
        fields = np.array(fields)
        fields[:, gone_over] = np.asarray(state.fields)[:, *at]
    return jnp.asarray(fields)


def _overlap(membrane: Membrane, near: surface.Derivatives, before: Conserved, topology: Topology) -> np.ndarray:
    """Integral of delta, up to the volume of a cell, over what each membrane before shares with each one now.

    Its shape is (membranes before, membranes now).
    """
    density = np.asarray(surface.delta(near, membrane.interface_width), float)
    overlap = np.zeros((before.count, topology.count))
    np.add.at(overlap, (np.asarray(before.labels).ravel(), topology.labels.ravel()), density.ravel())
    return overlap


def _shared_out(membrane: Membrane, before: Conserved, area, now: Conserved, strain: np.ndarray) -> Conserved:
    """What each membrane keeps from now on, with the sums over all membranes as ``before``, whose areas are ``area``.

    ``now`` is measured on the state; ``strain`` (membranes,) is that of the membrane from which each one comes. What
    membrane 0 has from a reserve stays in its books, and so does what is left of the reserve.
    """
    relaxed, content = np.asarray(now.area, float) / (1 + strain), np.asarray(now.content, float) / (1 + strain)
    most = before.most
    if membrane.reservoir is not None:
        drawn = float(before.drawn(area, membrane.reservoir)[0])
        stretched = 1 + float(before.overstretch(area))
        relaxed[0] = float(now.area[0]) / stretched - drawn
        given = drawn * np.array(membrane.reservoir.fields)
        content[:, 0] = np.asarray(now.content[:, 0], float) / stretched - given
        most = most + (now.area[0] - area[0]) / stretched
    else:
        # New regions have other borders, which changes the sums a little. The difference is shared out by area.
        relaxed = relaxed * float(np.sum(np.asarray(before.area, float))) / relaxed.sum()
    lost = np.sum(np.asarray(before.content, float), 1) - content.sum(1)
    share = np.asarray(now.area, float) / np.sum(np.asarray(now.area, float))
    content = content + lost[:, None] * share
    real = membrane.grid.dtype
    return Conserved(jnp.asarray(relaxed, real), jnp.asarray(content, real), now.labels, most, before.drained)


def _events(membrane: Membrane, found: list[ClosedMembrane], overlap: np.ndarray) -> list[FissionEvent | FusionEvent]:
    """The events that lead to the membranes ``found``; ``overlap`` as :func:`_overlap` gives it."""
    origin = np.argmax(overlap, axis=0)
    events: list[FissionEvent | FusionEvent] = []
    for mother in range(overlap.shape[0]):
        descendants = [i for i in range(len(found)) if origin[i] == mother]
        largest = max(descendants, key=lambda i: found[i].area, default=None)
        energy = membrane.topological_energy(1)
        events += [
            FissionEvent(daughter=found[i], mother=mother, topological_energy=energy)
            for i in descendants
            if i != largest
        ]
    shared = overlap > 0.5 * np.minimum(overlap.sum(0)[None, :], overlap.sum(1)[:, None])
    for i, product in enumerate(found):
        merged = tuple(int(m) for m in np.flatnonzero(shared[:, i]) if np.argmax(overlap[m]) == i)
        if len(merged) > 1:
            events.append(FusionEvent(product=product, merged=merged))
    return events


def _lumen_of(topology: Topology, i: int) -> np.ndarray:
    """Where the lumen of limiting membrane ``i`` is looked for: not in the regions of other limiting membranes."""
    others = [j for j, sign in enumerate(topology.encloses_lumen) if sign > 0 and j != i]
    return ~np.isin(topology.labels, others)


def _centre(weight, grid) -> tuple[float, float, float]:
    """Centre of mass on the periodic box, (z, y, x) in nm, from the phase of the lowest Fourier mode of each axis."""
    centre = []
    for axis, length in enumerate(grid.extent):
        profile = weight.sum(tuple(a for a in range(3) if a != axis))
        phase = np.angle(np.sum(profile * np.exp(2j * np.pi * np.arange(profile.size) / profile.size)))
        centre.append(float(phase / (2 * np.pi) * length % length))
    return tuple(centre)
