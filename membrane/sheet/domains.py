"""Domains of the Lo phase on a periodic plane: labelling, size, shape, and masks for their removal."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from membrane.lattice.grid import Grid


@dataclass(frozen=True)
class Domains:
    """Connected regions phi > 0; arrays of one entry a domain, in order of their first point.

    ``labels`` (n_y, n_x) is 0 in Ld and i + 1 in domain i. ``area`` (nm^2) is sub-pixel, ``perimeter`` (nm) from
    Cauchy-Crofton counts in four directions, ``centroid`` (domains, 2) as (y, x) in the box, ``circularity`` is
    A/(2 pi trace of the second moments): 1 for a disc, smaller for anything else. A ``percolating`` domain meets its
    own image across the box; its centroid and circularity are NaN.
    """

    labels: np.ndarray
    area: np.ndarray
    perimeter: np.ndarray
    centroid: np.ndarray
    circularity: np.ndarray
    percolating: np.ndarray

    def __len__(self):
        return len(self.area)

    def mean(self, field) -> np.ndarray:
        """Mean of a field (n_y, n_x) over each domain."""
        index = np.arange(1, len(self) + 1)
        return np.asarray(ndimage.mean(field, self.labels, index)) if len(self) else np.zeros(0)


def find_domains(phi: np.ndarray, grid: Grid) -> Domains:
    """All Lo domains of ``phi`` (n_y, n_x)."""
    phi = np.asarray(phi, float)
    labels, offsets, percolating = _label_periodic(phi > 0)
    n = len(percolating)
    dy, dx = grid.spacing
    area = grid.cell_area * np.bincount(_grown(labels).ravel(), _covered(phi).ravel(), n + 1)[1:]
    inside = np.nonzero(labels)
    which = labels[inside]
    # Coordinates continued across the box, so that a domain on the edge is one piece.
    y = dy * (inside[0] + offsets[inside][:, 0] * grid.shape[0])
    x = dx * (inside[1] + offsets[inside][:, 1] * grid.shape[1])
    count = np.maximum(np.bincount(which, minlength=n + 1)[1:], 1)
    mean = lambda v: np.bincount(which, v, n + 1)[1:] / count
    cy, cx = mean(y), mean(x)
    # dx^2/12: the second moment of a pixel about its own centre.
    spread = mean((y - cy[which - 1]) ** 2) + mean((x - cx[which - 1]) ** 2) + (dx**2 + dy**2) / 12
    circularity = count * grid.cell_area / (2 * np.pi * spread)
    centroid = np.stack([cy % grid.extent[0], cx % grid.extent[1]], axis=-1)
    centroid[percolating] = np.nan
    circularity[percolating] = np.nan
    return Domains(labels, area, _perimeter(labels, n, grid), centroid, circularity, percolating)


def removal_masks(domains: Domains, index: int, grid: Grid, interface_width: float) -> tuple[np.ndarray, np.ndarray]:
    """(vesicle, hole) masks of domain ``index``, smooth, in [0, 1], (n_y, n_x), vesicle <= hole.

    Both are (1 - tanh(d/w))/2 of the signed distance d from the rim, w = interface_width/2 (nm): the vesicle's with
    d shifted such that its integral is the domain's area, the hole's 2.5 interface widths further out, where the
    wall has ended.
    """
    inside = domains.labels == index + 1
    shift = [int(n // 2 - c / h) for n, c, h in zip(grid.shape, domains.centroid[index], grid.spacing, strict=True)]
    inside = np.roll(inside, shift, (0, 1))
    outer = ndimage.distance_transform_edt(~inside, sampling=grid.spacing)
    inner = ndimage.distance_transform_edt(inside, sampling=grid.spacing)
    # Both are measured between centres of pixels: the rim lies half a pixel nearer.
    half = 0.5 * max(grid.spacing)
    signed = np.where(inside, half - inner, outer - half)
    distance = np.roll(signed, [-s for s in shift], (0, 1))
    profile = lambda d: 0.5 * (1 - np.tanh(2 * d / interface_width))
    low, high = -4 * max(grid.spacing), 4 * max(grid.spacing)
    for _ in range(50):
        middle = 0.5 * (low + high)
        too_large = profile(distance - middle).sum() * grid.cell_area > domains.area[index]
        low, high = (low, middle) if too_large else (middle, high)
    return profile(distance - middle), profile(distance - middle - 2.5 * interface_width)


def _label_periodic(mask):
    """(labels, offset of the image of each point (n_y, n_x, 2), percolating per domain) with 4-neighbours, periodic."""
    pieces, n = ndimage.label(mask)
    links = {i: [] for i in range(1, n + 1)}
    for axis in (0, 1):
        last, first = np.take(pieces, -1, axis), np.take(pieces, 0, axis)
        step = np.eye(2, dtype=int)[axis]
        for a, b in set(zip(last.tolist(), first.tolist(), strict=True)):
            if a and b:
                links[a].append((b, step))
                links[b].append((a, -step))
    group, offset, percolating = np.zeros(n + 1, int), np.zeros((n + 1, 2), int), []
    for root in range(1, n + 1):
        if group[root]:
            continue
        percolating.append(False)
        group[root] = len(percolating)
        queue = [root]
        while queue:
            a = queue.pop()
            for b, step in links[a]:
                if not group[b]:
                    group[b], offset[b] = group[root], offset[a] + step
                    queue.append(b)
                elif np.any(offset[b] != offset[a] + step):
                    percolating[-1] = True
    return group[pieces], offset[pieces], np.array(percolating, bool)


def _grown(labels):
    """Labels extended by one point, so that boundary pixels outside count for the domain they touch."""
    around = np.maximum.reduce([np.roll(labels, s, a) for a in (0, 1) for s in (1, -1)])
    return np.where(labels > 0, labels, around)


def _covered(phi):
    """Share of each pixel where phi > 0, from the local plane."""
    slope = sum(0.5 * np.abs(np.roll(phi, -1, a) - np.roll(phi, 1, a)) for a in (0, 1))
    return np.clip(0.5 + phi / np.maximum(slope, 1e-12), 0, 1)


def _perimeter(labels, n, grid):
    """Cauchy-Crofton: P = (1/2) sum over 4 directions of (angle weight) x (line spacing) x crossings."""
    dy, dx = grid.spacing
    angle = np.arctan2(dy, dx)
    diagonal = dx * dy / np.hypot(dx, dy)
    total = np.zeros(n + 1)
    directions = [
        ((0, 1), dy, angle),
        ((1, 0), dx, np.pi / 2 - angle),
        ((1, 1), diagonal, np.pi / 4),
        ((1, -1), diagonal, np.pi / 4),
    ]
    for shift, spacing, weight in directions:
        next_label = np.roll(labels, shift, (0, 1))
        cut = labels != next_label
        crossings = np.bincount(labels[cut], minlength=n + 1) + np.bincount(next_label[cut], minlength=n + 1)
        total = total + 0.5 * weight * spacing * crossings
    return total[1:]
