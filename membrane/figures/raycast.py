"""Pictures of closed membranes: rays marched through the phase field onto the bilayer, a shell of real thickness.

The shell is where |d| < BILAYER/2, d = sqrt2 eps artanh(psi) the distance from the mid-plane. A wedge that faces the
camera may be taken out of limiting membranes; vesicles in the lumen stay whole. Parallel projection; light from a key
lamp at the camera's upper left, from the camera, and from all sides, dimmed where walls are near.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from membrane.figures.canvas import to_rgb

BILAYER = 5.0
"""Thickness of the shell in nm."""

LD, LO = "#0072B2", "#E69F00"
"""Colours of the phases."""

OPENING = 110.0
"""Angle of the wedge in degrees."""

FINER = 2
"""Points of the finer lattice that rays see, per point of the field."""

LEAST_STEP, STEPS, HALVINGS = 0.6, 400, 5
"""Least step of a ray (nm), most steps, halvings of the interval in which a ray meets the shell."""

NEAR = (2.0, 6.0, 14.0, 30.0)
"""Distances (nm) at which a point looks for walls that dim it."""


@dataclass(frozen=True)
class Camera:
    """Azimuth and elevation (degrees) from which one looks at ``centre`` (z, y, x) in nm, half the side of the square
    picture ``reach`` in nm."""

    centre: tuple[float, float, float]
    reach: float
    azimuth: float = -50.0
    elevation: float = 24.0

    @property
    def axes(self) -> np.ndarray:
        """(right, up, towards the camera), unit vectors (z, y, x)."""
        a, e = np.radians([self.azimuth, self.elevation])
        right = [0, np.cos(a), -np.sin(a)]
        toward = [np.sin(e), np.cos(e) * np.sin(a), np.cos(e) * np.cos(a)]
        up = [np.cos(e), -np.sin(e) * np.sin(a), -np.sin(e) * np.cos(a)]
        return np.array([right, up, toward])


class Scene:
    """Fields psi, phi (n_z, n_y, n_x) of a box with ``spacing`` (nm), interface width eps (nm), and where the membrane
    is that of a vesicle in the lumen (``whole``); ``cut``: whether the wedge is taken out."""

    def __init__(self, psi, phi, whole, spacing, eps: float, cut: bool = True):
        zoom = lambda f: ndimage.zoom(f, FINER, order=3, grid_mode=True, mode="grid-wrap")
        self.distance = (2**0.5 * eps * np.arctanh(np.clip(zoom(psi), -0.9999, 0.9999))).astype(np.float32)
        self.order = np.asarray(phi, np.float32)
        self.whole, self.spacing, self.cut = np.asarray(whole, bool), np.asarray(spacing, float), cut

    def _at(self, field, points, fine: int = 1, order: int = 1):
        # Point i of a lattice that is n times finer lies at (i + 1/2)/n - 1/2 of the coarse one.
        index = (points / self.spacing + 0.5) * fine - 0.5
        return ndimage.map_coordinates(field, index.T, order=order, mode="grid-wrap", prefilter=False)

    def signed(self, points):
        """d in nm at points (n, 3)."""
        return self._at(self.distance, points, FINER)

    def _open(self, points, camera: Camera):
        """How deep in the wedge each point lies in nm (negative: outside it, or on a vesicle that stays whole), and
        the outward normal of the nearer of its two planes."""
        right, _, toward = camera.axes
        level = np.array([0, *toward[1:]]) / np.hypot(*toward[1:])
        half = np.radians(OPENING / 2)
        planes = np.sin(half) * level + np.cos(half) * np.array([right, -right])
        along = (points - np.array(camera.centre)) @ planes.T
        depth = along.min(1)
        if not self.cut:
            return np.full_like(depth, -np.inf), planes[np.zeros(len(points), int)]
        whole = self._at(self.whole.astype(np.uint8), points, order=0).astype(bool)
        return np.where(whole, -np.inf, depth), planes[along.argmin(1)]

    def solid(self, points, camera: Camera):
        """Positive inside what is seen, in nm."""
        return np.minimum(BILAYER / 2 - np.abs(self.signed(points)), -self._open(points, camera)[0])

    def meet(self, start, direction, first, last, camera: Camera):
        """Distance along each ray, from ``first`` to ``last``, at which it meets the membrane; inf where it does
        not."""
        travelled, met = first.copy(), np.full(len(start), np.inf)
        alive, step = np.flatnonzero(last > first), np.zeros(len(start))
        for _ in range(STEPS):
            points = start[alive] + travelled[alive, None] * direction
            room = np.abs(self.signed(points)) - BILAYER / 2
            near = np.flatnonzero(room < 0)
            depth, _ = self._open(points[near], camera)
            inside = np.zeros(len(alive), bool)
            inside[near] = depth < 0
            # What the wedge takes away is crossed in steps in which no other shell can hide.
            room[near] = np.minimum(depth, BILAYER / 2)
            met[alive[inside]] = travelled[alive[inside]]
            go = ~inside & (travelled[alive] < last[alive])
            alive, room = alive[go], room[go]
            if not alive.size:
                break
            step[alive] = np.maximum(0.8 * room, LEAST_STEP)
            travelled[alive] += step[alive]
        hit = np.flatnonzero(np.isfinite(met))
        high, low = met[hit], met[hit] - step[hit]
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            inside = self.solid(start[hit] + middle[:, None] * direction, camera) > 0
            low, high = np.where(inside, low, middle), np.where(inside, middle, high)
        met[hit] = high
        return met

    def normals(self, points, camera: Camera):
        """Outward unit normals of what is seen, and whether a point lies on a plane of the wedge."""
        shifts = 1.5 * np.eye(3)
        gradient = np.stack([self.signed(points + s) - self.signed(points - s) for s in shifts], 1)
        gradient /= np.linalg.norm(gradient, axis=1, keepdims=True) + 1e-12
        signed = self.signed(points)
        depth, planes = self._open(points, camera)
        section = -depth < BILAYER / 2 - np.abs(signed)
        return np.where(section[:, None], planes, np.sign(signed)[:, None] * gradient), section, signed, gradient

    def colours(self, points, camera: Camera):
        """Linear RGB of points on the membrane."""
        normal, section, signed, gradient = self.normals(points, camera)
        share = 0.5 * (1 + lo_order(self._at(self.order, points - signed[:, None] * gradient)))[:, None]
        ld, lo = (np.array(to_rgb(c)) ** 2.2 for c in (LD, LO))
        paint = (1 - share) * ld + share * lo
        paint = np.where(section[:, None], 0.5 * paint + 0.5, paint)
        light = np.zeros(len(points))
        for reach in NEAR:
            room = np.abs(self.signed(points + reach * normal)) - BILAYER / 2
            light += np.clip(room / reach, 0, 1) / len(NEAR)
        light[section] = 1
        right, up, toward = camera.axes
        key = -0.45 * right + 0.75 * up + 0.65 * toward
        key /= np.linalg.norm(key)
        half = key + toward
        shine = np.clip(normal @ half / np.linalg.norm(half), 0, 1) ** 40
        lamp = np.clip(0.15 + 0.85 * (normal @ key), 0, 1)
        front = np.clip(normal @ toward, 0, 1)
        strength = (0.28 + 0.72 * lamp + 0.22 * front) * (0.4 + 0.6 * light)
        return paint * strength[:, None] + 0.12 * (shine * light * ~section)[:, None]


def lo_order(phi) -> np.ndarray:
    """p(phi) of the free energy, from -1 in Ld to +1 in Lo: how much of each colour a point has."""
    phi = np.clip(phi, -1, 1)
    return 0.5 * phi * (3 - phi**2)


def picture(scene: Scene, camera: Camera, pixels: int, smooth: int = 2) -> np.ndarray:
    """RGBA (pixels, pixels, 4) in 0..1, transparent where there is no membrane; ``smooth`` rays a side of a pixel."""
    n = pixels * smooth
    right, up, toward = camera.axes
    at = camera.reach * (2 * (np.arange(n) + 0.5) / n - 1)
    across, down = np.meshgrid(at, -at)
    start = np.array(camera.centre) + across.reshape(-1, 1) * right + down.reshape(-1, 1) * up
    # Rays begin and end at the sides of the box: beyond it lie its images.
    low, high = -0.5 * scene.spacing, (np.array(scene.order.shape) - 0.5) * scene.spacing
    sides = (np.stack([low, high])[:, None] - start) / np.where(toward == 0, -1e-12, -toward)
    met = scene.meet(start, -toward, sides.min(0).max(1), sides.max(0).min(1), camera)
    hit = np.flatnonzero(np.isfinite(met))
    points = start[hit] - met[hit, None] * toward
    linear = np.zeros((n * n, 4))
    linear[hit, :3], linear[hit, 3] = scene.colours(points, camera), 1
    linear = linear.reshape(pixels, smooth, pixels, smooth, 4).mean((1, 3))
    alpha = linear[..., 3:]
    colour = np.clip(linear[..., :3] / np.maximum(alpha, 1e-9), 0, 1) ** (1 / 2.2)
    return np.concatenate([colour, alpha], -1)
