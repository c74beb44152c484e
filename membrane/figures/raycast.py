"""Pictures of closed membranes, made by ray marching.

The distance of a point from the middle of the membrane is d = sqrt(2) eps artanh(psi). The bilayer is drawn as the
shell |d| < BILAYER/2, which has its real thickness. A ray starts at each pixel and goes on until it meets the shell. A
wedge that faces the camera may be cut out of limiting membranes; vesicles in the lumen are never cut. The projection is
parallel. Light comes from a lamp at the camera's upper left, from the camera, and from all sides; the last is weaker
where other membranes are near.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from membrane.figures.canvas import to_rgb

BILAYER = 5.0
"""Thickness of the bilayer in nm."""

LD, LO = "#0072B2", "#E69F00"
"""Colours of the phases."""

OPENING = 110.0
"""Angle of the wedge that is cut out, in degrees."""

FINER = 2
"""How many times finer the lattice that rays see is than that of the field, along each axis."""

LEAST_STEP, STEPS, HALVINGS = 0.6, 400, 5
"""Shortest step of a ray (nm), largest number of steps, and how often the last step is halved to find the shell."""

NEAR = (2.0, 6.0, 14.0, 30.0)
"""Distances (nm) at which a point looks for other membranes, which take some of its light."""


@dataclass(frozen=True)
class Camera:
    """From where the membrane is seen, and how much of it.

    Args:
        centre: the point (z, y, x) in nm that is in the middle of the picture.
        reach: half the side of the square picture in nm.
        azimuth: direction to the camera in the plane of x and y, in degrees from the x axis.
        elevation: angle of the camera above that plane in degrees.
    """

    centre: tuple[float, float, float]
    reach: float
    azimuth: float = -50.0
    elevation: float = 24.0

    @property
    def axes(self) -> np.ndarray:
        """Unit vectors (z, y, x) to the right, up, and towards the camera, (3, 3)."""
        a, e = np.radians([self.azimuth, self.elevation])
        right = [0, np.cos(a), -np.sin(a)]
        toward = [np.sin(e), np.cos(e) * np.sin(a), np.cos(e) * np.cos(a)]
        up = [np.cos(e), -np.sin(e) * np.sin(a), -np.sin(e) * np.cos(a)]
        return np.array([right, up, toward])


class Scene:
    """What a picture shows.

    Args:
        psi: phase field of the membrane, (n_z, n_y, n_x).
        phi: lipid order on the membrane, of the same shape.
        whole: True where the nearest membrane is that of a vesicle in the lumen, which is never cut; of the same shape.
        spacing: of the lattice along z, y, x in nm.
        eps: interface width of psi in nm.
        cut: whether the wedge is cut out of the other membranes.
    """

    def __init__(self, psi, phi, whole, spacing, eps: float, cut: bool = True):
        zoom = lambda f: ndimage.zoom(f, FINER, order=3, grid_mode=True, mode="grid-wrap")
        self.distance = (2**0.5 * eps * np.arctanh(np.clip(zoom(psi), -0.9999, 0.9999))).astype(np.float32)
        self.order = np.asarray(phi, np.float32)
        self.whole, self.spacing, self.cut = np.asarray(whole, bool), np.asarray(spacing, float), cut

    def _at(self, field, points, finer: int = 1, order: int = 1):
        """Values of a field at points (n, 3) in nm; the field's lattice is ``finer`` times finer than that of psi."""
        # Point i of a lattice that is n times finer lies at (i + 1/2)/n - 1/2 on the coarse one.
        index = (points / self.spacing + 0.5) * finer - 0.5
        return ndimage.map_coordinates(field, index.T, order=order, mode="grid-wrap", prefilter=False)

    def signed_distance(self, points):
        """d in nm at points (n, 3): positive on the side of the lumen."""
        return self._at(self.distance, points, FINER)

    def _wedge(self, points, camera: Camera):
        """How deep in the wedge each point lies in nm, and the outward normal of the nearer of the wedge's two planes.

        The depth is negative outside of the wedge, and -inf on a vesicle that is not cut.
        """
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

    def depth(self, points, camera: Camera):
        """How deep each point lies inside the cut shell in nm; negative outside of it."""
        return np.minimum(BILAYER / 2 - np.abs(self.signed_distance(points)), -self._wedge(points, camera)[0])

    def distance_along_rays(self, start, direction, first, last, camera: Camera):
        """How far each ray goes until it meets the membrane, in nm, (n,); inf if it does not.

        Args:
            start: where the rays begin, (n, 3) in nm.
            direction: unit vector (z, y, x) along which all of them go.
            first, last: distances from ``start`` between which the membrane is looked for, (n,) in nm.
            camera: decides where the wedge is.
        """
        travelled, met = first.copy(), np.full(len(start), np.inf)
        alive, step = np.flatnonzero(last > first), np.zeros(len(start))
        for _ in range(STEPS):
            points = start[alive] + travelled[alive, None] * direction
            room = np.abs(self.signed_distance(points)) - BILAYER / 2
            near = np.flatnonzero(room < 0)
            depth, _ = self._wedge(points[near], camera)
            inside = np.zeros(len(alive), bool)
            inside[near] = depth < 0
            # Inside the part of the shell that is cut out, steps are so short that no other shell is passed over.
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
            inside = self.depth(start[hit] + middle[:, None] * direction, camera) > 0
            low, high = np.where(inside, low, middle), np.where(inside, middle, high)
        met[hit] = high
        return met

    def normals(self, points, camera: Camera):
        """For points (n, 3) on what is seen: outward unit normals (n, 3), whether each lies on a plane of the wedge,
        its signed distance d in nm, and the unit gradient of d (n, 3)."""
        shifts = 1.5 * np.eye(3)
        gradient = np.stack([self.signed_distance(points + s) - self.signed_distance(points - s) for s in shifts], 1)
        gradient /= np.linalg.norm(gradient, axis=1, keepdims=True) + 1e-12
        signed = self.signed_distance(points)
        depth, planes = self._wedge(points, camera)
        section = -depth < BILAYER / 2 - np.abs(signed)
        return np.where(section[:, None], planes, np.sign(signed)[:, None] * gradient), section, signed, gradient

    def colours(self, points, camera: Camera):
        """Colours of points (n, 3) on the membrane, (n, 3), as amounts of red, green and blue light."""
        normal, section, signed, gradient = self.normals(points, camera)
        share = 0.5 * (1 + lo_order(self._at(self.order, points - signed[:, None] * gradient)))[:, None]
        ld, lo = (np.array(to_rgb(c)) ** 2.2 for c in (LD, LO))
        paint = (1 - share) * ld + share * lo
        paint = np.where(section[:, None], 0.5 * paint + 0.5, paint)
        light = np.zeros(len(points))
        for reach in NEAR:
            room = np.abs(self.signed_distance(points + reach * normal)) - BILAYER / 2
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
    """phi (3 - phi^2)/2, from -1 in Ld to +1 in Lo: the free energy mixes the phases by it, and so does the picture."""
    phi = np.clip(phi, -1, 1)
    return 0.5 * phi * (3 - phi**2)


def picture(scene: Scene, camera: Camera, pixels: int, smooth: int = 2) -> np.ndarray:
    """A square picture, (pixels, pixels, 4): red, green, blue and opacity from 0 to 1, transparent beside the membrane.

    Args:
        scene: what is drawn.
        camera: from where it is seen.
        pixels: along each side.
        smooth: rays along each side of a pixel; their mean is its colour.
    """
    n = pixels * smooth
    right, up, toward = camera.axes
    at = camera.reach * (2 * (np.arange(n) + 0.5) / n - 1)
    across, down = np.meshgrid(at, -at)
    start = np.array(camera.centre) + across.reshape(-1, 1) * right + down.reshape(-1, 1) * up
    # Rays begin and end at the sides of the box; beyond them the periodic field would repeat the membrane.
    low, high = -0.5 * scene.spacing, (np.array(scene.order.shape) - 0.5) * scene.spacing
    sides = (np.stack([low, high])[:, None] - start) / np.where(toward == 0, -1e-12, -toward)
    met = scene.distance_along_rays(start, -toward, sides.min(0).max(1), sides.max(0).min(1), camera)
    hit = np.flatnonzero(np.isfinite(met))
    points = start[hit] - met[hit, None] * toward
    linear = np.zeros((n * n, 4))
    linear[hit, :3], linear[hit, 3] = scene.colours(points, camera), 1
    linear = linear.reshape(pixels, smooth, pixels, smooth, 4).mean((1, 3))
    alpha = linear[..., 3:]
    colour = np.clip(linear[..., :3] / np.maximum(alpha, 1e-9), 0, 1) ** (1 / 2.2)
    return np.concatenate([colour, alpha], -1)
