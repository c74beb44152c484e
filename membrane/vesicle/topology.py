"""Which closed membranes there are in the periodic box, found from the sign of psi.

Each membrane separates one connected part of the lumen from one connected part of the cytosol. The largest part of the
cytosol is the outside. The inside of a membrane is the one of its two parts that is farther from the outside. The
limiting membrane of an endosome therefore encloses lumen. An ILV (intraluminal vesicle) encloses cytosol again. Euler's
characteristic of closed membranes is 2 each, so a fission adds one membrane.

Two membranes are told apart once what lies between them is open: |psi| > SEPARATION everywhere there. At that value
Euler's characteristic has reached its new value. They count as one again when psi has one sign all the way between
them. In between, the earlier answer holds.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

SMALLEST_RADIUS = 2.0
"""Connected parts smaller than a sphere of this radius, in interface widths, are remains of a neck and are ignored."""

SEPARATION = 0.5
"""Value that |psi| must exceed between two membranes before they are told apart."""

LEAST_ROOM = 5.0
"""Interface widths between a membrane and its periodic image below which they feel each other's tails."""

MARGIN = 16
"""Points by which the box is continued periodically in the search for the nearest membrane."""


@dataclass(frozen=True)
class Topology:
    """The closed membranes of a phase field.

    Arguments:
        labels: index of the membrane that is nearest to each point of the box, (n_z, n_y, n_x). Index 0 is the largest
            limiting membrane.
        encloses_lumen: +1 for a membrane that encloses lumen, -1 for an ILV, which encloses cytosol; (membranes,).
    """

    labels: np.ndarray
    encloses_lumen: np.ndarray

    @property
    def count(self) -> int:
        """Number of closed membranes."""
        return len(self.encloses_lumen)


def components(inside) -> tuple[np.ndarray, int]:
    """Connected parts of a boolean array on a periodic plane or box.

    Points are connected across faces. Returns the number of the part of each point, from 1 on and 0 where ``inside`` is
    False, and how many parts there are.
    """
    labels, count = ndimage.label(inside)
    parent = np.arange(count + 1)

    def root(i):
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for axis in range(inside.ndim):
        first, last = np.take(labels, 0, axis), np.take(labels, -1, axis)
        for pair in np.unique(np.stack([first, last])[:, (first > 0) & (last > 0)], axis=1).T:
            a, b = root(pair[0]), root(pair[1])
            parent[max(a, b)] = min(a, b)
    roots = np.array([root(i) for i in range(count + 1)])
    kept = np.unique(roots[1:])
    number = np.zeros(count + 1, int)
    number[kept] = np.arange(1, kept.size + 1)
    return number[roots][labels], kept.size


def smallest_vesicle(eps: float) -> float:
    """Diameter in nm below which a vesicle is not told apart from the remains of a neck.

    Its inside, where |psi| > SEPARATION, must be larger than a sphere of SMALLEST_RADIUS eps. That part of a sphere of
    diameter D has the radius D/2 - sqrt2 eps artanh(SEPARATION).

    >>> round(smallest_vesicle(4.5), 1)
    25.0
    """
    return float(2 * eps * (SMALLEST_RADIUS + 2**0.5 * np.arctanh(SEPARATION)))


def room(psi, spacing) -> list[float]:
    """Widest stretch of each axis (z, y, x) in nm that no lumen reaches: what lies between it and its image.

    It is 0 along an axis all along which there is lumen.
    """
    widths = []
    for axis, h in enumerate(spacing):
        empty = ~(np.asarray(psi) > 0).any(tuple(a for a in range(3) if a != axis))
        twice = np.concatenate([empty, empty]).astype(int)
        ends = np.flatnonzero(np.diff(np.concatenate([[0], twice, [0]])))
        runs = ends[1::2] - ends[::2]
        widths.append(float(min(runs.max(initial=0), empty.size) * h))
    return widths


def find_topology(psi, grid, eps: float, known: int | None = None) -> Topology:
    """The closed membranes of a phase field.

    Arguments:
        psi: the phase field, (n_z, n_y, n_x).
        grid: the box.
        eps: interface width, nm.
        known: how many membranes there were before. Further ones are reported only where they are separated. Without
            it, the sign of psi alone decides.

    Raises ValueError if there is no membrane.

    >>> from membrane.lattice.grid import Grid
    >>> from membrane.vesicle import initial
    >>> grid = Grid((32, 32, 32), (96.0, 96.0, 96.0))
    >>> psi = initial.profile(initial.sphere(grid, 30.0), 4.0, grid)
    >>> find_topology(psi, grid, 4.0).count
    1
    """
    psi = np.asarray(psi)
    closed = _membranes_where_positive(psi, grid, eps)
    if known is None or closed.count <= known:
        return closed
    # An ILV separates on the side of the lumen, a vesicle that buds away from the lumen on the side of the cytosol.
    levels = (psi - SEPARATION, psi + SEPARATION)
    separated = min((_membranes_where_positive(level, grid, eps) for level in levels), key=lambda t: t.count)
    return separated if separated.count >= known else closed


def _membranes_where_positive(psi, grid, eps) -> Topology:
    """The closed membranes between psi > 0 and the rest."""
    lumen, full, lumens, empty, cytosols = _parts(psi, grid, eps)
    if lumens == 0 or cytosols == 0:
        raise ValueError(
            "no membrane: psi has the same sign everywhere, or the part with the other sign is smaller than a neck"
        )
    part = np.where(lumen, full, lumens + empty)
    if lumens + cytosols == 2:
        return Topology(np.zeros(lumen.shape, np.int32), np.array([1]))
    facing = part.ravel()[_nearest_opposite(lumen, grid.spacing)]
    pair = np.stack([np.minimum(part, facing), np.maximum(part, facing)])
    membranes = sorted({(int(a), int(b)) for a, b in np.unique(pair.reshape(2, -1), axis=1).T})
    outside = lumens + 1 + int(np.argmax(np.bincount(empty.ravel(), minlength=cytosols + 1)[1:]))
    depth = _depths(membranes, outside)
    size = np.bincount(part.ravel())
    limiting = [m for m in membranes if depth[m[0]] > depth[m[1]]]
    order = sorted(membranes, key=lambda m: (depth[m[0]] < depth[m[1]], -size[m[0] if m in limiting else m[1]]))
    number = np.zeros((lumens + 1, lumens + cytosols + 1), int)
    for i, (a, b) in enumerate(order):
        number[a, b] = i
    return Topology(number[pair[0], pair[1]].astype(np.int32), np.array([1 if m in limiting else -1 for m in order]))


def _parts(psi, grid, eps):
    """The connected parts of lumen and cytosol, without those that are too small.

    Returns whether a point is lumen, the parts of the lumen (numbered from 1), how many there are, the parts of the
    cytosol (numbered from 1), and how many there are.
    """
    lumen = psi > 0
    least = 4 * np.pi / 3 * (SMALLEST_RADIUS * eps) ** 3 / grid.cell_volume
    while True:
        full, lumens = components(lumen)
        empty, cytosols = components(~lumen)
        # A small part takes the sign of its surroundings. That may join two other parts, so they are found again.
        small = [np.flatnonzero(np.bincount(labels.ravel())[1:] < least) + 1 for labels in (full, empty)]
        if not (small[0].size or small[1].size):
            return lumen, full, lumens, empty, cytosols
        lumen = (lumen & ~np.isin(full, small[0])) | np.isin(empty, small[1])


def _depths(membranes, outside) -> dict[int, int]:
    """For each part, how many membranes lie between it and the outside; ``membranes`` are pairs of parts."""
    depth, edge = {outside: 0}, [outside]
    while edge:
        here = edge.pop(0)
        for a, b in membranes:
            for near, far in ((a, b), (b, a)):
                if near == here and far not in depth:
                    depth[far] = depth[here] + 1
                    edge.append(far)
    return depth


def _nearest_opposite(lumen, spacing) -> np.ndarray:
    """For each point, the flat index of the nearest point on the other side of a membrane, (n_z, n_y, n_x)."""
    wide = np.pad(lumen, MARGIN, mode="wrap")
    index = np.zeros(lumen.shape, int)
    inner = (slice(None), *(slice(MARGIN, MARGIN + n) for n in lumen.shape))
    for sign in (True, False):
        at = ndimage.distance_transform_edt(wide == sign, spacing, return_distances=False, return_indices=True)[inner]
        flat = np.ravel_multi_index([(a - MARGIN) % n for a, n in zip(at, lumen.shape, strict=True)], lumen.shape)
        index = np.where(lumen == sign, flat, index)
    return index
