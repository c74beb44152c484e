"""Shapes and domains to start from: signed distances, which :func:`profile` turns into phase fields."""

import jax.numpy as jnp
import numpy as np
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import brentq

from membrane.lattice.grid import Grid


def profile(distance, width: float, grid: Grid):
    """tanh(d/(sqrt2 w)), (n_z, n_y, n_x), in the precision of the grid.

    Arguments:
        distance: signed distance d, nm.
        width: interface width w, nm.
        grid: the box.
    """
    return jnp.asarray(np.tanh(distance / (2**0.5 * width)), grid.dtype)


def centred(grid: Grid, centre=None) -> tuple[np.ndarray, ...]:
    """Coordinates (z, y, x) in nm of the points, measured from the nearest periodic image of ``centre``.

    ``centre`` is (z, y, x) in nm, the middle of the box if it is not given. The coordinates broadcast.
    """
    middle = [0.5 * length for length in grid.extent] if centre is None else centre
    return tuple(
        (p - c + 0.5 * length) % length - 0.5 * length
        for p, c, length in zip(grid.points, middle, grid.extent, strict=True)
    )


def sphere(grid: Grid, radius: float, centre=None):
    """Signed distance (nm) from a sphere of ``radius`` (nm), positive inside, (n_z, n_y, n_x).

    >>> grid = Grid((32, 32, 32), (96.0, 96.0, 96.0))
    >>> float(sphere(grid, 30.0)[16, 16, 16])
    30.0
    """
    return radius - np.sqrt(sum(p**2 for p in centred(grid, centre)))


def slab(grid: Grid, thickness: float):
    """Signed distance (nm) from two planes across z, positive between them, (n_z, n_y, n_x).

    They are ``thickness`` (nm) apart, and the middle of the box lies half-way between them.
    """
    z, _, _ = centred(grid)
    return np.broadcast_to(0.5 * thickness - np.abs(z), grid.shape)


def cylinder(grid: Grid, radius: float, centre=None):
    """Signed distance (nm) from a cylinder of ``radius`` (nm) along z, positive inside, (n_z, n_y, n_x)."""
    _, y, x = centred(grid, centre)
    return np.broadcast_to(radius - np.sqrt(y**2 + x**2), grid.shape)


def torus(grid: Grid, major: float, minor: float, centre=None):
    """Signed distance (nm) from a torus about the z axis, positive inside, (n_z, n_y, n_x).

    ``major`` (nm) is the radius of the circle in the middle of the tube, ``minor`` < ``major`` that of the tube.
    """
    z, y, x = centred(grid, centre)
    return minor - np.sqrt((np.sqrt(y**2 + x**2) - major) ** 2 + z**2)


def spheroid_axes(area: float, reduced_volume: float, prolate: bool) -> tuple[float, float]:
    """Semi-axes of a spheroid, polar c and equatorial a, in nm.

    Arguments:
        area: its area A, nm^2.
        reduced_volume: V/(4 pi/3 (A/4 pi)^(3/2)), its volume over that of the sphere of the same area.
        prolate: True for c > a (elongated), False for c < a (oblate, flattened).

    Raises ValueError if the reduced volume does not lie between 0.3 and 1.
    """
    if not 0.3 < reduced_volume < 1:
        raise ValueError(f"reduced volume {reduced_volume} must lie between 0.3 and 1 (a sphere)")

    def unit(ratio):
        """Area and volume of the spheroid with a = 1 and c = ratio."""
        if ratio > 1:
            e = np.sqrt(1 - 1 / ratio**2)
            surface = 2 * np.pi * (1 + ratio / e * np.arcsin(e))
        else:
            e = np.sqrt(1 - ratio**2)
            surface = 2 * np.pi * (1 + (1 - e**2) / e * np.arctanh(e))
        return surface, 4 * np.pi / 3 * ratio

    def excess(ratio):
        """Reduced volume of that spheroid, less the one that is wanted."""
        surface, enclosed = unit(ratio)
        return enclosed / (4 * np.pi / 3 * (surface / (4 * np.pi)) ** 1.5) - reduced_volume

    ratio = brentq(excess, 1 + 1e-6, 30) if prolate else brentq(excess, 1 / 30, 1 - 1e-6)
    equatorial = np.sqrt(area / unit(ratio)[0])
    return ratio * equatorial, equatorial


def spheroid(grid: Grid, polar: float, equatorial: float, centre=None):
    """Signed distance (nm) from a spheroid about the z axis, positive inside, (n_z, n_y, n_x).

    ``polar`` and ``equatorial`` are its semi-axes in nm, along z and across it.
    """
    z, y, x = centred(grid, centre)
    rho = np.hypot(y, x)
    foot = _nearest_on_spheroid(z, rho, polar, equatorial)
    gap = np.hypot(rho - foot[0], np.abs(z) - foot[1])
    return np.where(rho**2 / equatorial**2 + z**2 / polar**2 < 1, gap, -gap)


def _nearest_on_spheroid(z, rho, polar, equatorial):
    """(rho, |z|) in nm of the point of a spheroid that is nearest to each point (z, rho), by bisection."""
    # On a plane of symmetry the nearest point may lie off that plane, and the equation below degenerates. All points
    # are therefore kept a little away from it.
    z, rho = np.broadcast_arrays(np.maximum(np.abs(z), 1e-6), np.maximum(rho, 1e-6))
    # The nearest point is (a^2 rho/(t + a^2), c^2 z/(t + c^2)). t is the largest value that puts it on the ellipse.
    a2, c2 = equatorial**2, polar**2
    low = np.full(rho.shape, -min(a2, c2) * (1 - 1e-12))
    high = equatorial * rho + polar * z + 1.0
    for _ in range(80):
        t = 0.5 * (low + high)
        outside = a2 * rho**2 / (t + a2) ** 2 + c2 * z**2 / (t + c2) ** 2 > 1
        low, high = np.where(outside, t, low), np.where(outside, high, t)
    t = 0.5 * (low + high)
    return a2 * rho / (t + a2), c2 * z / (t + c2)


def spheroid_cap(grid: Grid, polar: float, equatorial: float, area: float, centre=None):
    """Signed distance (nm) from the rim of a cap on a spheroid, positive in the cap, (n_z, n_y, n_x).

    The distance is measured along the meridians and is constant along normals of the spheroid. For a sphere it is
    :func:`cap`.

    Arguments:
        grid: the box.
        polar, equatorial: semi-axes of the spheroid along z and across it, nm.
        area: area of the cap, nm^2. Its middle is the +z pole.
        centre: centre of the spheroid, (z, y, x) in nm.

    Raises ValueError if the cap is larger than the spheroid.
    """
    # Arc length of the meridian and area covered, both from the +z pole on, as functions of the parametric angle.
    angle = np.linspace(0, np.pi, 4001)
    arc_rate = np.hypot(equatorial * np.cos(angle), polar * np.sin(angle))
    length = cumulative_trapezoid(arc_rate, angle, initial=0)
    covered = cumulative_trapezoid(2 * np.pi * equatorial * np.sin(angle) * arc_rate, angle, initial=0)
    if not 0 < area < covered[-1]:
        raise ValueError(f"a cap of {area} nm^2 does not fit a spheroid of {covered[-1]:.5g} nm^2")
    z, y, x = centred(grid, centre)
    rho, height = _nearest_on_spheroid(z, np.hypot(y, x), polar, equatorial)
    at = np.arctan2(rho / equatorial, np.sign(z) * height / polar)
    return np.interp(area, covered, length) - np.interp(at, angle, length)


def disc(grid: Grid, area: float):
    """Signed distance (nm) from the rim of a disc on the upper plane of a slab, positive in the disc, (n_z, n_y, n_x).

    The disc has the given ``area`` (nm^2), and the z axis passes through its middle. Near the membrane the distance is
    constant along normals. The disc ends half-way to the other plane, in the lumen and in the cytosol.

    Raises ValueError if the disc touches its periodic image.
    """
    z, y, x = centred(grid)
    radius = np.sqrt(area / np.pi)
    if 2 * radius >= min(grid.extent[1:]):
        raise ValueError(f"a disc of {area} nm^2 does not fit a plane of {grid.extent[2]} x {grid.extent[1]} nm")
    ends = np.minimum(z, 0.5 * grid.extent[0] - z)
    return np.minimum(radius - np.sqrt(y**2 + x**2), ends)


def cap(grid: Grid, radius: float, area: float, centre=None, direction=(1.0, 0.0, 0.0)):
    """Signed distance (nm) from the rim of a cap on a sphere, positive in the cap, (n_z, n_y, n_x).

    The distance is measured along the sphere and is constant along its normals.

    Arguments:
        grid: the box.
        radius: radius of the sphere, nm.
        area: area of the cap, nm^2.
        centre: centre of the sphere, (z, y, x) in nm.
        direction: from the centre to the middle of the cap, a unit vector (z, y, x); the +z pole if it is not given.

    Raises ValueError if the cap is larger than the sphere.
    """
    cosine = 1 - area / (2 * np.pi * radius**2)
    if not -1 < cosine < 1:
        raise ValueError(f"a cap of {area} nm^2 does not fit a sphere of radius {radius} nm")
    position = np.stack(np.broadcast_arrays(*centred(grid, centre)), -1)
    along = position @ np.asarray(direction)
    across = np.linalg.norm(np.cross(position, direction), axis=-1)
    return radius * (np.arccos(cosine) - np.arctan2(across, along))
