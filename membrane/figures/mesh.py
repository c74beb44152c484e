"""The membrane as triangles, psi = 0 by marching cubes, with what lies on it."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from scipy import ndimage
from skimage import measure

from membrane.figures.frame import VesicleFrame
from membrane.vesicle import surface

FINER = 2
"""Points of the lattice of the cubes per point of the field, along each axis."""


@dataclass(frozen=True)
class Mesh:
    """``points`` (n, 3), x, y, z in nm; ``triangles`` (m, 3), seen from the cytosol counter-clockwise; ``fields`` (n,)
    at the points, by name."""

    points: np.ndarray
    triangles: np.ndarray
    fields: dict[str, np.ndarray]

    @property
    def area(self) -> float:
        """nm^2."""
        return float(0.5 * np.linalg.norm(self._normals, axis=1).sum())

    @property
    def volume(self) -> float:
        """nm^3 of lumen: what lies in limiting membranes less what lies in vesicles inside them."""
        return float((self.points[self.triangles].mean(1) * self._normals).sum() / 6)

    @property
    def _normals(self) -> np.ndarray:
        a, b, c = np.moveaxis(self.points[self.triangles], 1, 0)
        return np.cross(b - a, c - a)


def surface_mesh(frame: VesicleFrame) -> Mesh:
    """The membranes of a frame with its fields, ``mean_curvature_per_nm`` (H > 0 bends into the lumen: a sphere has
    -1/R, a vesicle in the lumen 1/R) and ``vesicle``, the number of the vesicle (0: the limiting membrane).

    A membrane that crosses the sides of the box is open there.
    """
    grid, spacing = frame.grid, np.array(frame.grid.spacing)
    finer = ndimage.zoom(frame.psi, FINER, order=3, grid_mode=True, mode="grid-wrap")
    # The distance is linear across the membrane, psi is not: its zeros are found more exactly.
    distance = np.arctanh(np.clip(finer, -0.9999, 0.9999))
    closed = np.pad(distance, (0, 1), mode="wrap")
    vertices, triangles, _, _ = measure.marching_cubes(closed, 0.0, gradient_direction="descent")
    # Point i of a lattice that is n times finer lies at (i + 1/2)/n - 1/2 of the coarse one.
    index = (vertices + 0.5) / FINER - 0.5
    at = lambda field, order=1: ndimage.map_coordinates(field, index.T, order=order, mode="grid-wrap", prefilter=False)
    fields = {name: at(values).astype(np.float32) for name, values in frame.fields.items()}
    fields["mean_curvature_per_nm"] = at(mean_curvature(frame.psi, grid)).astype(np.float32)
    fields["vesicle"] = at(frame.vesicles.labels, order=0).astype(np.int32)
    # From z, y, x to x, y, z triangles turn over, and those of "descent" look inwards.
    return Mesh((index * spacing)[:, ::-1].astype(np.float32), triangles.astype(np.int32), fields)


def mean_curvature(psi, grid) -> np.ndarray:
    """H = div(grad psi/|grad psi|)/2 in 1/nm on the box, of level sets near the membrane; 0 where psi is flat."""
    psi = jnp.asarray(psi, grid.dtype)
    near, second = surface.derivatives(psi, grid), surface.hessian(psi, grid)
    z, y, x = near.gradient / near.slope
    zz, yy, xx, yx, zx, zy = second
    along = zz * z * z + yy * y * y + xx * x * x + 2 * (yx * y * x + zx * z * x + zy * z * y)
    return np.asarray(jnp.where(jnp.abs(psi) < 0.95, 0.5 * (near.laplacian - along) / near.slope, 0))
