"""Which vesicles there are: connected parts of lumen and cytosol on the periodic box, and the membranes between them.

Every membrane separates one part of the lumen from one of the cytosol. The largest part of the cytosol is the outside;
a membrane's inside is the part that is farther from the outside, so that the limiting membrane encloses lumen, an ILV
cytosol again. Euler's characteristic of the membranes is 2 each: a fission adds one membrane.

Vesicles are apart once what lies between them is open: |psi| > OPEN, where Euler's characteristic has reached its new
value. They are one again when not even the sign of psi parts them. Between the two, what was before holds.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

LEAST_RADIUS = 2.0
"""Parts smaller than a sphere of so many eps are no parts yet, but the remains of a neck."""

OPEN = 0.5
"""How far psi must have gone between two vesicles that part."""

MARGIN = 16
"""Points of periodic continuation in the search for the nearest membrane."""


@dataclass(frozen=True)
class Topology:
    """``labels`` (n_z, n_y, n_x): the vesicle whose membrane is nearest; vesicle 0 is the largest limiting membrane.
    ``encloses_lumen`` (vesicles,): whether its inside is lumen (+1) or cytosol (-1: an ILV)."""

    labels: np.ndarray
    encloses_lumen: np.ndarray

    @property
    def vesicles(self) -> int:
        return len(self.encloses_lumen)


def components(inside) -> tuple[np.ndarray, int]:
    """Connected parts of a boolean array on the periodic box (faces connect), labelled from 1; 0 elsewhere."""
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


def find(psi, grid, eps: float, vesicles: int | None = None) -> Topology:
    """The vesicles of a phase field (n_z, n_y, n_x); ``vesicles``: how many there were, where parting is in question.

    Raises ValueError where there is no membrane.
    """
    psi = np.asarray(psi)
    closed = _at(psi, grid, eps)
    if vesicles is None or closed.vesicles <= vesicles:
        return closed
    # Both sides: an ILV leaves through the lumen, a vesicle that buds away through the cytosol.
    least = min((_at(psi - OPEN, grid, eps), _at(psi + OPEN, grid, eps)), key=lambda t: t.vesicles)
    return least if least.vesicles >= vesicles else closed


def _at(psi, grid, eps) -> Topology:
    lumen, full, lumens, empty, cytosols = _parts(psi, grid, eps)
    if lumens == 0 or cytosols == 0:
        raise ValueError("no membrane: psi has one sign everywhere, or what has the other is smaller than a neck")
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
    """(whether lumen, its parts from 1 and their number, the cytosol's parts and their number), without specks."""
    lumen = psi > 0
    least = 4 * np.pi / 3 * (LEAST_RADIUS * eps) ** 3 / grid.cell_volume
    while True:
        full, lumens = components(lumen)
        empty, cytosols = components(~lumen)
        # A speck takes the sign of what surrounds it, which may join two parts.
        small = [np.flatnonzero(np.bincount(labels.ravel())[1:] < least) + 1 for labels in (full, empty)]
        if not (small[0].size or small[1].size):
            return lumen, full, lumens, empty, cytosols
        lumen = (lumen & ~np.isin(full, small[0])) | np.isin(empty, small[1])


def _depths(membranes, outside) -> dict[int, int]:
    """How many membranes lie between each part and the outside."""
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
    """Flat index of the nearest point on the other side of a membrane."""
    wide = np.pad(lumen, MARGIN, mode="wrap")
    index = np.zeros(lumen.shape, int)
    inner = (slice(None), *(slice(MARGIN, MARGIN + n) for n in lumen.shape))
    for sign in (True, False):
        at = ndimage.distance_transform_edt(wide == sign, spacing, return_distances=False, return_indices=True)[inner]
        flat = np.ravel_multi_index([(a - MARGIN) % n for a, n in zip(at, lumen.shape, strict=True)], lumen.shape)
        index = np.where(lumen == sign, flat, index)
    return index
