"""The necks of buds: where the way into a bud is narrower than the bud itself.

A bud into the lumen is full of cytosol. Let D be the distance of a point of the cytosol from the membrane. The points
with D > r form connected parts: one of them is the outside, and each bud has one of its own. As r is made smaller, the
part of a bud joins the outside when r is about the radius of the neck. There, of all sections across the way from the
bud outwards, the one with the smallest area is taken. psi = 0 is its rim, and the radius of the neck is sqrt(area/pi).

- A bud that psi = 0 closes, but that is not yet a membrane of its own (:mod:`membrane.vesicle.topology`), has a neck
  of radius 0.
- A dimple is as wide at its mouth as further in. It has no neck.
- A neck wider than :data:`WIDEST` interface widths cannot be told from the space between a membrane and its periodic
  image.

A bud away from the lumen is the same for -psi. It is a part of what the largest limiting membrane encloses (ILVs
included) that is apart from the widest part. The smaller half of a dumbbell is such a bud.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from membrane.vesicle.topology import Topology, components

WIDEST = 5.0
"""Radius of the widest neck that is looked for, in interface widths."""

DEPTH = 0.5
"""How much larger the radius of a bud must be than that of its neck, in interface widths."""

LEVELS = np.array([WIDEST, 4.0, 3.0, 2.0, 1.0, 0.5, 0.0])
"""Distances r from the membrane at which buds are looked for, in interface widths."""

MARGIN = 8
"""Points by which the box is continued periodically for the distance from the membrane."""

FINER = 4
"""Points of a section for each spacing of the grid, in each direction."""


@dataclass(frozen=True, kw_only=True)
class BudNeck:
    """The neck of one bud.

    Arguments:
        radius: its radius, nm; 0 if the neck is closed.
        last_open_radius: its radius when it was last seen open, nm; NaN if it never was.
        deepest_point: the point of the bud that is farthest from the membrane, (z, y, x) in nm.
        direction: +1 for a bud into the lumen, -1 for one away from it.
    """

    radius: float
    last_open_radius: float
    deepest_point: tuple[float, float, float]
    direction: int = 1


def track_necks(before: list[BudNeck], now: list[BudNeck], grid, reach: float) -> list[BudNeck]:
    """The necks ``now``, where closed ones have taken over the last open radius from the necks ``before``.

    A closed neck takes it from the nearest bud of the same direction, if there is one within ``reach`` (nm).
    """
    return [
        neck
        if neck.radius > 0 or (earlier := nearest_bud(before, neck.deepest_point, neck.direction, grid, reach)) is None
        else replace(neck, last_open_radius=earlier.last_open_radius)
        for neck in now
    ]


def nearest_bud(buds: list[BudNeck], point, direction: int, grid, reach: float) -> BudNeck | None:
    """The bud of a direction whose deepest point is nearest to a point on the periodic box.

    Arguments:
        buds: the buds to choose from, by their necks.
        point: (z, y, x) in nm.
        direction: +1 or -1, as in :class:`BudNeck`.
        grid: the box.
        reach: distance from which on a bud does not count, nm. If no bud is nearer, None is returned.
    """
    extent = np.array(grid.extent)
    away = lambda neck: np.subtract(neck.deepest_point, point)
    distance = lambda neck: float(np.linalg.norm((away(neck) + extent / 2) % extent - extent / 2))
    best = min((neck for neck in buds if neck.direction == direction), key=distance, default=None)
    return best if best is not None and distance(best) < reach else None


def find_necks(psi, grid, eps: float, topology: Topology) -> list[BudNeck]:
    """The necks of all buds, the narrowest first.

    Arguments:
        psi: the phase field, (n_z, n_y, n_x).
        grid: the box.
        eps: interface width, nm.
        topology: the closed membranes of ``psi``.
    """
    psi, limiting = np.asarray(psi, float), topology.encloses_lumen > 0
    # What membrane 0, the largest limiting membrane, encloses together with its ILVs.
    within_host = ~limiting | (np.arange(limiting.size) == 0)
    enclosed = ((psi > 0) | ~limiting[topology.labels]) & within_host[topology.labels]
    inward = _necks_of(psi, psi < 0, grid, eps, topology, 1)
    outward = _necks_of(-psi, enclosed, grid, eps, topology, -1)
    return sorted([*inward, *outward], key=lambda neck: neck.radius)


def _necks_of(psi, inside, grid, eps, topology, direction) -> list[BudNeck]:
    """The necks of the buds of one direction. They are parts of what is ``inside``, where psi < 0."""
    distance = _distance(inside, grid.spacing)
    found, apart, outside = [], {}, None
    for r in LEVELS * eps:
        labels, count = components(distance > r)
        around = labels == labels.flat[np.argmax(distance)]
        # If the deepest point of a bud now lies in the outside, the bud has joined the outside at this level.
        for peak, bud in apart.items():
            if around[peak]:
                radius = _narrowest_section(psi, grid, eps, peak, _gate(peak, bud, outside, around))
                found.append((radius, radius or np.nan, peak))
        apart, outside = {}, around
        rest = np.flatnonzero((labels > 0) & ~around) if count > 1 else np.zeros(0, int)
        for number in np.unique(labels.flat[rest]):
            points = rest[labels.flat[rest] == number]
            peak = np.unravel_index(points[np.argmax(distance.flat[points])], psi.shape)
            if distance[peak] > r + DEPTH * eps:
                apart[peak] = labels == number
    # What is still apart at psi = 0 is an ILV, which has no neck, or a bud that has closed but has not separated yet.
    found += [(0.0, np.nan, peak) for peak in apart if topology.encloses_lumen[topology.labels[peak]] > 0]
    place = lambda peak: tuple((np.array(peak) * grid.spacing).tolist())
    return [
        BudNeck(radius=radius, last_open_radius=last, deepest_point=place(peak), direction=direction)
        for radius, last, peak in found
        if np.isfinite(radius)
    ]


def _distance(inside, spacing) -> np.ndarray:
    """Distance (nm) of each point from what is not ``inside``, on the periodic box; 0 there."""
    wide = np.pad(inside, MARGIN, mode="wrap")
    inner = tuple(slice(MARGIN, MARGIN + n) for n in inside.shape)
    return ndimage.distance_transform_edt(wide, spacing)[inner]


def _gate(peak, bud, outside, allowed) -> np.ndarray:
    """Where a bud and the outside meet when both grow within ``allowed``: a fractional index (z, y, x).

    If they do not meet, it is the peak of the bud.
    """
    grow, shape = ndimage.generate_binary_structure(3, 1), np.array(bud.shape)
    # The bud may lie across the sides of the box. It is shifted to the middle.
    shift = shape // 2 - peak
    bud, outside, allowed = (np.roll(part, shift, (0, 1, 2)) for part in (bud, outside, allowed))
    for _ in range(max(shape)):
        # If there are several ways out, the largest is taken.
        labels, count = ndimage.label(bud & outside, np.ones((3, 3, 3)))
        if count:
            return np.argwhere(labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1).mean(0) - shift
        bud, outside = (ndimage.binary_dilation(part, grow, mask=allowed) for part in (bud, outside))
    return np.array(peak, float)


def _narrowest_section(psi, grid, eps, peak, gate) -> float:
    """Radius (nm) of the narrowest section near the gate, across the way from the peak.

    It is infinite if every section reaches farther than 1.5 WIDEST eps. Such a space between other buds is no tube.
    """
    spacing = np.array(grid.spacing)
    bud, gate = spacing * peak, spacing * gate
    axis = gate - bud
    if not axis.any():
        return np.inf
    axis /= np.linalg.norm(axis)
    across = np.linalg.svd(axis[None])[2][1:]
    fine = spacing.min() / FINER
    reach = np.arange(-1.5 * WIDEST * eps, 1.5 * WIDEST * eps, fine)
    plane = reach[:, None, None] * across[0] + reach[None, :, None] * across[1]
    smooth = ndimage.spline_filter(psi, order=3, mode="grid-wrap")
    radii = []
    for shift in np.arange(-3, 3.01, 0.5) * spacing.min():
        points = (gate + shift * axis + plane) / spacing
        value = ndimage.map_coordinates(smooth, np.moveaxis(points, -1, 0), order=3, mode="grid-wrap", prefilter=False)
        outward = 2**0.5 * eps * np.arctanh(np.clip(value, -0.999, 0.999))
        radii.append(_section_radius(outward, reach, fine, 2 * spacing.max()))
    return min(radii)


def _section_radius(outward, reach, fine, most) -> float:
    """sqrt(area/pi) in nm of the part of a section that is nearest to its middle.

    Arguments:
        outward: distance from the membrane, negative inside, nm.
        reach: the coordinates of the section, nm; they are the same along both of its axes.
        fine: spacing of these coordinates, nm.
        most: how far from the middle a part may begin, nm. If all begin farther away, the radius is 0.

    It is infinite if the part reaches the edge of the section.
    """
    labels, _ = ndimage.label(outward < 0)
    middle = np.hypot(reach[:, None], reach[None, :])
    nearest = np.argmin(np.where(labels > 0, middle, np.inf))
    if middle.flat[nearest] > most:
        return 0.0
    # The rim passes through cells. Each cell counts by the share of it that is inside.
    part = ndimage.binary_dilation(labels == labels.flat[nearest])
    if part[[0, -1]].any() or part[:, [0, -1]].any():
        return np.inf
    area = np.sum(np.clip(0.5 - outward / fine, 0, 1) * part) * fine**2
    return float(np.sqrt(area / np.pi))
