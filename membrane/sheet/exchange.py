"""Exchange with the rest of the cell: a vesicle that fuses becomes a patch of the plane, and as much host leaves.

The plane keeps its area. A disc of host, far from domains, is recycled, and the membrane of the vesicle takes its
place. The Lo of the vesicle lies in one piece in the middle of the disc.
"""

import numpy as np
from scipy import ndimage
from scipy.optimize import brentq

from membrane.lattice.grid import Grid


def arrival_place(phi: np.ndarray, grid: Grid, radius: float, rng: np.random.Generator) -> tuple[float, float]:
    """Where a vesicle fuses, (y, x) in nm: any point that is at least ``radius`` (nm) away from Lo, all alike.

    Where there is no such point, it is the one that is farthest from Lo.

    Arguments:
        phi: order parameter of the plane, (n_y, n_x).
        grid: the plane.
        radius: of the disc, in nm.
        rng: draws one random number.
    """
    lo = np.asarray(phi) > 0
    away = np.full(grid.shape, np.inf)
    if lo.any():
        # One period on every side, for the plane is periodic.
        wide = ndimage.distance_transform_edt(~np.tile(lo, (3, 3)), sampling=grid.spacing)
        away = wide[tuple(slice(n, 2 * n) for n in grid.shape)]
    free = np.flatnonzero(away >= min(radius, away.max()))
    chosen = int(free[int(rng.random() * free.size)])
    y, x = np.unravel_index(chosen, grid.shape)
    return float(y * grid.spacing[0]), float(x * grid.spacing[1])


def carrier_patch(
    grid: Grid, centre: tuple[float, float], diameter: float, composition: np.ndarray, interface_width: float
) -> tuple[np.ndarray, np.ndarray]:
    """The membrane of a vesicle that has fused: the disc that it covers, and the fields in it.

    The disc is a smooth mask, (1 - tanh(2 (r - R)/xi))/2, and phi = tanh((r_Lo - r)/(sqrt2 xi)) in it. R and r_Lo are
    such that the area of the disc is pi d^2 and the mean of phi over it that of the composition. All else is even.

    Arguments:
        grid: the plane, which must be wider than the disc.
        centre: (y, x) in nm.
        diameter: d of the vesicle, in nm.
        composition: mean of every species in its membrane, phi first, (species,).
        interface_width: xi, in nm.

    Returns the mask (n_y, n_x), from 0 to 1, and the fields (species, n_y, n_x).

    Raises ValueError where the plane has no room for the disc.

    >>> grid = Grid((60, 72), (240.0, 288.0))
    >>> mask, fields = carrier_patch(grid, (120.0, 40.0), 60.0, np.array([-0.4, 0.01]), 5.0)
    >>> round(float(mask.sum() * grid.cell_area)), round(float((mask * fields[0]).sum() / mask.sum()), 6)
    (11310, -0.4)
    """
    area = np.pi * diameter**2
    if 2 * diameter + 4 * interface_width > min(grid.extent):
        raise ValueError(
            f"a vesicle of {diameter:g} nm covers a disc of {2 * diameter:g} nm, too large for a plane of "
            f"{grid.extent[1]:g} x {grid.extent[0]:g} nm: give a wider geometry.box_nm or a smaller "
            "supply.fusion_diameter_nm"
        )
    away = []
    for n, h, length, at in zip(grid.shape, grid.spacing, grid.extent, centre, strict=True):
        offset = h * np.arange(n) - at
        away.append(offset - length * np.round(offset / length))
    distance = np.hypot(away[0][:, None], away[1][None, :])
    disc = lambda edge: 0.5 * (1 - np.tanh(2 * (distance - edge) / interface_width))
    edge = brentq(lambda r: disc(r).sum() * grid.cell_area - area, 0.1 * diameter, 2 * diameter, xtol=1e-12)
    mask = disc(edge)
    fields = np.broadcast_to(np.asarray(composition, float)[:, None, None], (len(composition), *grid.shape)).copy()
    fields[0] = _order(distance, mask, float(composition[0]), edge, interface_width)
    return mask, fields


def _order(distance, mask, mean, edge, width):
    """phi of Lo in the middle of Ld, whose mean over the disc is ``mean``; one phase where it is -1 or 1."""
    if abs(mean) >= 1:
        return np.full_like(distance, np.sign(mean))
    order = lambda radius: np.tanh((radius - distance) / (2**0.5 * width))
    excess = lambda radius: (mask * (order(radius) - mean)).sum()
    return order(brentq(excess, -20 * width, edge + 20 * width, xtol=1e-12))
