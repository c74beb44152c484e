"""Membranes to start from, as signed distances turned into profiles."""

import jax.numpy as jnp
import numpy as np
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import brentq

from membrane.lattice.grid import Grid


def profile(distance, width: float, grid: Grid):
    """tanh(d/(sqrt2 w)) in the precision of the grid, from a signed distance d and an interface width w in nm."""
    return jnp.asarray(np.tanh(distance / (2**0.5 * width)), grid.dtype)


def centred(grid: Grid, centre=None) -> tuple[np.ndarray, ...]:
    """Coordinates (z, y, x) in nm from ``centre`` (default: the middle of the box) to the nearest image."""
    middle = [0.5 * length for length in grid.extent] if centre is None else centre
    return tuple(
        (p - c + 0.5 * length) % length - 0.5 * length
        for p, c, length in zip(grid.points, middle, grid.extent, strict=True)
    )


def sphere(grid: Grid, radius: float, centre=None):
    """Signed distance (nm) from a sphere, positive inside."""
    return radius - np.sqrt(sum(p**2 for p in centred(grid, centre)))


def slab(grid: Grid, thickness: float):
    """Signed distance (nm) from two planes across z, ``thickness`` apart about the middle of the box, positive
    between them."""
    z, _, _ = centred(grid)
    return np.broadcast_to(0.5 * thickness - np.abs(z), grid.shape)


def cylinder(grid: Grid, radius: float, centre=None):
    """Signed distance (nm) from a cylinder along z, positive inside."""
    _, y, x = centred(grid, centre)
    return np.broadcast_to(radius - np.sqrt(y**2 + x**2), grid.shape)


def torus(grid: Grid, major: float, minor: float, centre=None):
    """Signed distance (nm) from a torus about the z axis with radii ``major`` > ``minor``, positive inside."""
    z, y, x = centred(grid, centre)
    return minor - np.sqrt((np.sqrt(y**2 + x**2) - major) ** 2 + z**2)


def spheroid_axes(area: float, reduced_volume: float, prolate: bool) -> tuple[float, float]:
    """Semi-axes (polar c, equatorial a) in nm of the spheroid of given area and V/(4 pi/3 (A/4 pi)^(3/2)).

    Raises ValueError where the reduced volume is not in (0.3, 1).
    """
    if not 0.3 < reduced_volume < 1:
        raise ValueError(f"reduced volume {reduced_volume} must lie between 0.3 and 1")

    def unit(ratio):
        """Area and volume of the spheroid a = 1, c = ratio."""
        if ratio > 1:
            e = np.sqrt(1 - 1 / ratio**2)
            surface = 2 * np.pi * (1 + ratio / e * np.arcsin(e))
        else:
            e = np.sqrt(1 - ratio**2)
            surface = 2 * np.pi * (1 + (1 - e**2) / e * np.arctanh(e))
        return surface, 4 * np.pi / 3 * ratio

    def excess(ratio):
        surface, enclosed = unit(ratio)
        return enclosed / (4 * np.pi / 3 * (surface / (4 * np.pi)) ** 1.5) - reduced_volume

    ratio = brentq(excess, 1 + 1e-6, 30) if prolate else brentq(excess, 1 / 30, 1 - 1e-6)
    equatorial = np.sqrt(area / unit(ratio)[0])
    return ratio * equatorial, equatorial


def spheroid(grid: Grid, polar: float, equatorial: float, centre=None):
    """Signed distance (nm) from a spheroid about the z axis, positive inside."""
    z, y, x = centred(grid, centre)
    rho = np.hypot(y, x)
    foot = _foot(z, rho, polar, equatorial)
    gap = np.hypot(rho - foot[0], np.abs(z) - foot[1])
    return np.where(rho**2 / equatorial**2 + z**2 / polar**2 < 1, gap, -gap)


def _foot(z, rho, polar, equatorial):
    """(rho, |z|) of the nearest point of a spheroid, by bisection."""
    # Off the planes of symmetry by a hair: on them the nearest point may be off them, and the equation degenerate.
    z, rho = np.broadcast_arrays(np.maximum(np.abs(z), 1e-6), np.maximum(rho, 1e-6))
    # The nearest point is (a^2 rho/(t + a^2), c^2 z/(t + c^2)) with t the largest root of its equation of the ellipse.
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
    """Signed distance (nm) along the meridians of a spheroid about z from the rim of the cap of ``area`` about its +z
    pole, positive in it; constant along normals. :func:`cap` where it is a sphere.

    Raises ValueError where the cap is larger than the spheroid.
    """
    # Meridian and area from the +z pole on, by the parametric angle.
    angle = np.linspace(0, np.pi, 4001)
    pace = np.hypot(equatorial * np.cos(angle), polar * np.sin(angle))
    length = cumulative_trapezoid(pace, angle, initial=0)
    covered = cumulative_trapezoid(2 * np.pi * equatorial * np.sin(angle) * pace, angle, initial=0)
    if not 0 < area < covered[-1]:
        raise ValueError(f"a cap of {area} nm^2 does not fit a spheroid of {covered[-1]:.5g} nm^2")
    z, y, x = centred(grid, centre)
    rho, height = _foot(z, np.hypot(y, x), polar, equatorial)
    at = np.arctan2(rho / equatorial, np.sign(z) * height / polar)
    return np.interp(area, covered, length) - np.interp(at, angle, length)


def disc(grid: Grid, area: float):
    """Signed distance (nm) from the rim of a disc of ``area`` about the z axis on a slab's upper plane, positive in it.

    Constant along normals near the membrane; it ends in the middle of lumen and cytosol. Raises ValueError where the
    disc meets its image.
    """
    z, y, x = centred(grid)
    radius = np.sqrt(area / np.pi)
    if 2 * radius >= min(grid.extent[1:]):
        raise ValueError(f"a disc of {area} nm^2 does not fit a plane of {grid.extent[2]} x {grid.extent[1]} nm")
    ends = np.minimum(z, 0.5 * grid.extent[0] - z)
    return np.minimum(radius - np.sqrt(y**2 + x**2), ends)


def cap(grid: Grid, radius: float, area: float, centre=None):
    """Signed distance (nm) along a sphere of ``radius`` from the rim of the cap of ``area`` about +z, positive in it.

    Constant along normals. Raises ValueError where the cap is larger than the sphere.
    """
    cosine = 1 - area / (2 * np.pi * radius**2)
    if not -1 < cosine < 1:
        raise ValueError(f"a cap of {area} nm^2 does not fit a sphere of radius {radius} nm")
    z, y, x = centred(grid, centre)
    return radius * (np.arccos(cosine) - np.arctan2(np.sqrt(y**2 + x**2), z))
