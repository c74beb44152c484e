"""The grid: a periodic rectangle or box of points, its spacing and its wavenumbers."""

import math
from functools import cached_property

import numpy as np


class Grid:
    """A periodic plane, or a periodic box, of evenly spaced points.

    Arguments:
        shape: number of points, (n_y, n_x) of a plane or (n_z, n_y, n_x) of a box; at least eight a side.
        extent: lengths of the sides in nm, in the same order.
        dtype: precision of every field on the grid, float32 or float64.
        devices: number of devices over which a box is cut into slabs (:mod:`membrane.lattice.slabs`).

    A grid does not change and can be hashed. Compiled code may therefore hold it as a constant.

    Raises ValueError if a side has fewer than eight points, if an extent is not positive, if the dtype is neither
    float32 nor float64, or if the number of devices does not divide n_z and n_y.

    >>> grid = Grid((48, 64), (144.0, 192.0))
    >>> grid.spacing
    (3.0, 3.0)
    >>> grid.spectral_shape
    (48, 33)
    """

    def __init__(self, shape: tuple[int, ...], extent: tuple[float, ...], dtype="float32", devices: int = 1):
        shape, extent, dtype = tuple(map(int, shape)), tuple(map(float, extent)), np.dtype(dtype)
        if len(shape) not in (2, 3) or min(shape) < 8:
            raise ValueError(f"grid shape {shape} must be (n_y, n_x) or (n_z, n_y, n_x) with at least 8 points a side")
        if len(extent) != len(shape) or not min(extent) > 0:
            raise ValueError(f"grid extent {extent} must be {len(shape)} positive lengths in nm, one for each side")
        if dtype not in (np.float32, np.float64):
            raise ValueError(f"grid dtype {dtype} must be float32 or float64")
        if devices < 1 or (devices > 1 and (len(shape) == 2 or any(n % devices for n in shape[:2]))):
            raise ValueError(
                f"{devices} devices cannot share a grid of shape {shape}: a box is cut along z and its transform along "
                "y, so their number must divide n_z and n_y; a plane stays on one"
            )
        self.shape, self.extent, self.dtype, self.devices = shape, extent, dtype, devices

    def __eq__(self, other):
        return isinstance(other, Grid) and self._key == other._key

    def __hash__(self):
        return hash(self._key)

    def __repr__(self):
        cut = f", devices={self.devices}" if self.devices > 1 else ""
        return f"Grid(shape={self.shape}, extent={self.extent}, dtype='{self.dtype}'{cut})"

    @property
    def _key(self):
        return self.shape, self.extent, self.dtype, self.devices

    @property
    def complex_dtype(self) -> np.dtype:
        """Type of the transform of a field: complex, of the same precision."""
        return np.result_type(self.dtype, np.complex64)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance between neighbouring points, (h_y, h_x) or (h_z, h_y, h_x), in nm."""
        return tuple(length / n for length, n in zip(self.extent, self.shape, strict=True))

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(self.shape)

    @property
    def area(self) -> float:
        """Area of a plane in nm^2. Raises ValueError for a box."""
        self._require(2)
        return math.prod(self.extent)

    @property
    def cell_area(self) -> float:
        """Area that belongs to one point of a plane, in nm^2. Raises ValueError for a box."""
        return self.area / self.size

    @property
    def volume(self) -> float:
        """Volume of a box in nm^3. Raises ValueError for a plane."""
        self._require(3)
        return math.prod(self.extent)

    @property
    def cell_volume(self) -> float:
        """Volume that belongs to one point of a box, in nm^3. Raises ValueError for a plane."""
        return self.volume / self.size

    @property
    def spectral_shape(self) -> tuple[int, ...]:
        """Shape of the transform of a real field: (n_y, n_x // 2 + 1) or (n_z, n_y, n_x // 2 + 1)."""
        return *self.shape[:-1], self.shape[-1] // 2 + 1

    @cached_property
    def k(self) -> tuple[np.ndarray, ...]:
        """Wavenumbers (k_y, k_x) or (k_z, k_y, k_x) in rad/nm, in float64.

        Each one varies along its own axis and has length 1 along the others, so that they broadcast.
        """
        whole = [np.fft.fftfreq(n, h) for n, h in zip(self.shape[:-1], self.spacing[:-1], strict=True)]
        return self._along_axes([*whole, np.fft.rfftfreq(self.shape[-1], self.spacing[-1])], 2 * np.pi)

    @cached_property
    def k2(self) -> np.ndarray:
        """k^2 in rad^2/nm^2, in float64, of shape ``spectral_shape``."""
        return sum(k**2 for k in self.k)

    @cached_property
    def points(self) -> tuple[np.ndarray, ...]:
        """Coordinates (y, x) or (z, y, x) of the points in nm. They broadcast as :attr:`k` does."""
        return self._along_axes([h * np.arange(n) for n, h in zip(self.shape, self.spacing, strict=True)], 1.0)

    def _along_axes(self, values, factor):
        """Each one-dimensional array of ``values``, times ``factor``, along the axis of its place in the list."""
        last = len(self.shape) - 1
        return tuple(factor * np.expand_dims(v, [a for a in range(last + 1) if a != i]) for i, v in enumerate(values))

    def _require(self, dimensions):
        """Raises ValueError if the grid has another number of dimensions."""
        if len(self.shape) != dimensions:
            kind = {2: "plane", 3: "box"}
            raise ValueError(f"{self} is a {kind[len(self.shape)]}; this quantity belongs to a {kind[dimensions]}")
