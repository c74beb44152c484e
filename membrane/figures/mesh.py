"""The membrane as triangles: the surface psi = 0, found by marching cubes, with the fields at its points."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage
from skimage import measure

from membrane.figures.frame import VesicleFrame
from membrane.vesicle import surface

FINER = 2
"""How many times finer the lattice of marching cubes is than that of the field, along each axis."""


@dataclass(frozen=True)
class Mesh:
    """A surface of triangles.

    Args:
        points: x, y, z of each point in nm, (n, 3).
        triangles: three numbers of points each, (m, 3), counter-clockwise when seen from the cytosol.
        fields: values at the points by name, each (n,).
    """

    points: np.ndarray
    triangles: np.ndarray
    fields: dict[str, np.ndarray]

    @property
    def area(self) -> float:
        """Area of all membranes in nm^2."""
        return float(0.5 * np.linalg.norm(self._normals, axis=1).sum())

    @property
    def volume(self) -> float:
        """Volume of the lumen in nm^3: that inside limiting membranes without that of the vesicles in them."""
        return float((self.points[self.triangles].mean(1) * self._normals).sum() / 6)

    @property
    def _normals(self) -> np.ndarray:
        """Of each triangle: a vector along its normal, twice as long as its area."""
        a, b, c = np.moveaxis(self.points[self.triangles], 1, 0)
        return np.cross(b - a, c - a)


def surface_mesh(frame: VesicleFrame) -> Mesh:
    """The membranes of a frame as triangles.

    At the points are the fields of the frame and two more: ``mean_curvature_per_nm``, positive where the membrane bends
    into the lumen (-1/R on a limiting membrane that is a sphere of radius R, +1/R on a vesicle in the lumen), and
    ``vesicle``, the number of the closed membrane (0: the limiting membrane). A membrane that crosses a side of the box
    is open there.
    """
    grid, spacing = frame.grid, np.array(frame.grid.spacing)
    finer = ndimage.zoom(frame.psi, FINER, order=3, grid_mode=True, mode="grid-wrap")
    # Marching cubes interpolate linearly. The distance is linear across the membrane and psi is not.
    distance = np.arctanh(np.clip(finer, -0.9999, 0.9999))
    closed = np.pad(distance, (0, 1), mode="wrap")
    vertices, triangles, _, _ = measure.marching_cubes(closed, 0.0, gradient_direction="descent")
    # Point i of a lattice that is n times finer lies at (i + 1/2)/n - 1/2 on the coarse one.
    index = (vertices + 0.5) / FINER - 0.5
    at = lambda field, order=1: ndimage.map_coordinates(field, index.T, order=order, mode="grid-wrap", prefilter=False)
    fields = {name: at(values).astype(np.float32) for name, values in frame.fields.items()}
    fields["mean_curvature_per_nm"] = at(np.asarray(mean_curvature(frame.psi, grid))).astype(np.float32)
    fields["vesicle"] = at(frame.vesicles.labels, order=0).astype(np.int32)
    # "descent" gives triangles that face inwards, and the change from z, y, x to x, y, z turns them over.
    return Mesh((index * spacing)[:, ::-1].astype(np.float32), triangles.astype(np.int32), fields)


@partial(jax.jit, static_argnames="grid")
def mean_curvature(psi, grid):
    """Mean curvature H = div(grad psi/|grad psi|)/2 of the level sets of psi, in 1/nm, (n_z, n_y, n_x).

    It is 0 away from the membrane, where psi is flat.
    """
    psi = jnp.asarray(psi, grid.dtype)
    near, second = surface.derivatives(psi, grid), surface.hessian(psi, grid)
    z, y, x = near.gradient / near.slope
    zz, yy, xx, yx, zx, zy = second
    along = zz * z * z + yy * y * y + xx * x * x + 2 * (yx * y * x + zx * z * x + zy * z * y)
    return jnp.where(jnp.abs(psi) < 0.95, 0.5 * (near.laplacian - along) / near.slope, 0)
