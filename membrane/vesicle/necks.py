"""The necks of buds, into the lumen and away from it: where the way into a bud is narrower than the bud.

A bud into the lumen is full of cytosol. With D the distance of a point of the cytosol from the membrane, it is a part
of {D > r} that is apart from the outside, and joins it where r falls to about the radius of its neck. There the section
of least area across the way from the bud outwards is taken, psi = 0 its rim, and its radius is sqrt(area/pi). A bud
that psi = 0 closes, but that is no vesicle yet (topology), has a neck of radius 0. A dimple, as wide at its mouth as
further in, has no neck; one wider than :data:`WIDEST` eps is not told from the space between a vesicle and its image.

A bud away from the lumen is the same of -psi: a part of what the largest limiting membrane encloses, ILVs with it, that
is apart from where that is widest. Of a dumbbell the lesser half is such a bud.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from membrane.vesicle.topology import Topology, components

WIDEST = 5.0
"""Radius of the widest neck that is looked for, in interface widths."""

DEPTH = 0.5
"""How much wider than its neck a bud must be, in interface widths."""

LEVELS = np.array([WIDEST, 4.0, 3.0, 2.0, 1.0, 0.5, 0.0])
"""Distances from the membrane at which buds are looked for, in interface widths."""

MARGIN = 8
"""Points of periodic continuation in the distance from the membrane."""

FINER = 4
"""Points of the section per grid spacing, in each direction."""


@dataclass(frozen=True)
class Neck:
    """``radius`` (nm) of the neck, 0 where it is closed, and ``last`` (nm) its radius when last seen open, NaN if
    never; the ``bud``'s deepest point, (z, y, x) in nm; its ``direction``, +1 into the lumen, -1 away."""

    radius: float
    last: float
    bud: tuple[float, float, float]
    direction: int = 1


def followed(before: list[Neck], now: list[Neck], grid, reach: float) -> list[Neck]:
    """``now``, where closed necks know their last radius from the nearest bud ``before`` within ``reach`` nm."""
    return [
        n
        if n.radius > 0 or (b := nearest(before, n.bud, n.direction, grid, reach)) is None
        else replace(n, last=b.last)
        for n in now
    ]


def nearest(buds: list[Neck], point, direction: int, grid, reach: float) -> Neck | None:
    """The bud of that ``direction`` whose deepest point is nearest to a point (z, y, x) on the periodic box, if within
    ``reach`` nm."""
    extent = np.array(grid.extent)
    apart = lambda neck: float(np.linalg.norm((np.subtract(neck.bud, point) + extent / 2) % extent - extent / 2))
    best = min((neck for neck in buds if neck.direction == direction), key=apart, default=None)
    return best if best is not None and apart(best) < reach else None


def necks(psi, grid, eps: float, topology: Topology) -> list[Neck]:
    """The necks of all buds, narrowest first; ``topology``: the vesicles of psi."""
    psi, limiting = np.asarray(psi, float), topology.encloses_lumen > 0
    # What the largest limiting membrane, vesicle 0, encloses with its ILVs.
    own = ~limiting | (np.arange(limiting.size) == 0)
    held = ((psi > 0) | ~limiting[topology.labels]) & own[topology.labels]
    found = [*_found(psi, psi < 0, grid, eps, topology), *_found(-psi, held, grid, eps, topology, -1)]
    return sorted(found, key=lambda neck: neck.radius)


def _found(psi, inside, grid, eps, topology, direction=1) -> list[Neck]:
    """The necks of buds that are full of what is ``inside``, where psi < 0."""
    distance = _distance(inside, grid.spacing)
    found, apart, outside = [], {}, None
    for r in LEVELS * eps:
        labels, count = components(distance > r)
        around = labels == labels.flat[np.argmax(distance)]
        # A bud whose deepest point lies in the outside now has joined it at this level.
        for peak, bud in apart.items():
            if around[peak]:
                radius = _section(psi, grid, eps, peak, _gate(peak, bud, outside, around))
                found.append((radius, radius or np.nan, peak))
        apart, outside = {}, around
        rest = np.flatnonzero((labels > 0) & ~around) if count > 1 else np.zeros(0, int)
        for number in np.unique(labels.flat[rest]):
            points = rest[labels.flat[rest] == number]
            peak = np.unravel_index(points[np.argmax(distance.flat[points])], psi.shape)
            if distance[peak] > r + DEPTH * eps:
                apart[peak] = labels == number
    # What is still apart at psi = 0 is a vesicle, or a bud that has closed but not parted.
    found += [(0.0, np.nan, peak) for peak in apart if topology.encloses_lumen[topology.labels[peak]] > 0]
    place = lambda peak: tuple((np.array(peak) * grid.spacing).tolist())
    return [Neck(radius, last, place(peak), direction) for radius, last, peak in found if np.isfinite(radius)]


def _distance(inside, spacing) -> np.ndarray:
    """Distance (nm) from what is not ``inside``, 0 there, on the periodic box."""
    wide = np.pad(inside, MARGIN, mode="wrap")
    inner = tuple(slice(MARGIN, MARGIN + n) for n in inside.shape)
    return ndimage.distance_transform_edt(wide, spacing)[inner]


def _gate(peak, bud, outside, allowed) -> np.ndarray:
    """Index (z, y, x), fractional, at which two parts that grow within ``allowed`` meet; the peak if they do not."""
    grow, shape = ndimage.generate_binary_structure(3, 1), np.array(bud.shape)
    # The box is turned until the bud is in its middle: it may lie across its sides.
    shift = shape // 2 - peak
    bud, outside, allowed = (np.roll(part, shift, (0, 1, 2)) for part in (bud, outside, allowed))
    for _ in range(max(shape)):
        # Where there are several ways out, one of them.
        labels, count = ndimage.label(bud & outside, np.ones((3, 3, 3)))
        if count:
            return np.argwhere(labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1).mean(0) - shift
        bud, outside = (ndimage.binary_dilation(part, grow, mask=allowed) for part in (bud, outside))
    return np.array(peak, float)


def _section(psi, grid, eps, peak, gate) -> float:
    """Radius of the narrowest section near the gate, across the way from the peak; inf where all of them reach on for
    more than 1.5 WIDEST eps: what lies between other buds is no tube."""
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
    radii, shifts = [], np.arange(-3, 3.01, 0.5) * spacing.min()
    smooth = ndimage.spline_filter(psi, order=3, mode="grid-wrap")
    for shift in shifts:
        points = (gate + shift * axis + plane) / spacing
        value = ndimage.map_coordinates(smooth, np.moveaxis(points, -1, 0), order=3, mode="grid-wrap", prefilter=False)
        outward = 2**0.5 * eps * np.arctanh(np.clip(value, -0.999, 0.999))
        labels, _ = ndimage.label(outward < 0)
        middle = np.hypot(reach[:, None], reach[None, :])
        nearest = np.argmin(np.where(labels > 0, middle, np.inf))
        if middle.flat[nearest] > 2 * spacing.max():
            radii.append(0.0)
            continue
        # The rim passes through cells: each counts by the share of it that is inside.
        own = ndimage.binary_dilation(labels == labels.flat[nearest])
        edge = own[[0, -1]].any() or own[:, [0, -1]].any()
        area = np.sum(np.clip(0.5 - outward / fine, 0, 1) * own) * fine**2
        radii.append(np.inf if edge else float(np.sqrt(area / np.pi)))
    return min(radii)
