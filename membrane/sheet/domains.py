"""Domains of the Lo phase on a periodic plane: how they are found, their size and shape, and masks to remove them."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from membrane.lattice.grid import Grid


@dataclass(frozen=True)
class Domains:
    """Connected regions in which phi > 0. Arrays have one entry for each domain, in the order of their first points.

    Attributes:
        labels: (n_y, n_x), 0 in Ld and i + 1 in domain i.
        area: in nm^2, more exact than a count of pixels.
        perimeter: in nm, counted along lines in four directions (Cauchy-Crofton).
        centroid: (domains, 2) as (y, x) in nm, within the box.
        circularity: area over 2 pi times the trace of the second moments; 1 for a disc, smaller for anything else.
        percolating: whether the domain meets its own periodic image; its centroid and circularity are then NaN.
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
        """Mean of a field (n_y, n_x) over each domain, (domains,)."""
        index = np.arange(1, len(self) + 1)
        return np.asarray(ndimage.mean(field, self.labels, index)) if len(self) else np.zeros(0)


def find_domains(phi: np.ndarray, grid: Grid) -> Domains:
    """All Lo domains of the order parameter ``phi`` (n_y, n_x)."""
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
    """Smooth masks (n_y, n_x) of the vesicle that takes a domain away and of the hole that it leaves, between 0 and 1.

    Both are (1 - tanh(2 d/xi))/2 of the signed distance d from the rim. That of the vesicle is shifted until its
    integral is the area of the domain. That of the hole lies 2.5 xi further out, where the wall has ended.

    Arguments:
        index: number of the domain.
        interface_width: xi, in nm.
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
    """Label connected points of a periodic ``mask`` (n_y, n_x); each point has four neighbours.

    Returns the labels, the offset in boxes of the image of each point that makes a domain one piece (n_y, n_x, 2), and
    which domains percolate.
    """
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
    """Labels extended by one point, so that a pixel on the boundary counts for the domain that it touches."""
    around = np.maximum.reduce([np.roll(labels, s, a) for a in (0, 1) for s in (1, -1)])
    return np.where(labels > 0, labels, around)


def _covered(phi):
    """The share of each pixel in which phi > 0, from the local slope."""
    slope = sum(0.5 * np.abs(np.roll(phi, -1, a) - np.roll(phi, 1, a)) for a in (0, 1))
    return np.clip(0.5 + phi / np.maximum(slope, 1e-12), 0, 1)


def _perimeter(labels, n, grid):
    """Perimeters by Cauchy-Crofton: half the sum over four directions of angle weight x line spacing x crossings."""
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
