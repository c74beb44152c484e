"""The lattice: a periodic rectangle or box of points, its spacing and its wavenumbers."""

import math
from functools import cached_property

import numpy as np


class Grid:
    """Periodic plane of ``shape = (n_y, n_x)`` points and ``extent = (l_y, l_x)`` nm, or periodic box of
    (n_z, n_y, n_x) points and (l_z, l_y, l_x) nm.

    Precision is a property of the grid: ``dtype`` is that of every field on it. So is the number of ``devices`` over
    which a box is cut in slabs (:mod:`membrane.lattice.fft`). A grid is immutable and hashable, so that it may stand in
    compiled code as a constant.

    Raises ValueError where a side has fewer than eight points, an extent is not positive, the dtype is neither float32
    nor float64, or the devices do not divide n_z and n_y.
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
        """The complex type of a transform."""
        return np.result_type(self.dtype, np.complex64)

    @property
    def spacing(self) -> tuple[float, ...]:
        """(dy, dx) or (dz, dy, dx) in nm."""
        return tuple(length / n for length, n in zip(self.extent, self.shape, strict=True))

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(self.shape)

    @property
    def area(self) -> float:
        """Area of a plane in nm^2."""
        self._require(2)
        return math.prod(self.extent)

    @property
    def cell_area(self) -> float:
        """Area of one cell of a plane in nm^2."""
        return self.area / self.size

    @property
    def volume(self) -> float:
        """Volume of a box in nm^3."""
        self._require(3)
        return math.prod(self.extent)

    @property
    def cell_volume(self) -> float:
        """Volume of one cell of a box in nm^3."""
        return self.volume / self.size

    @property
    def spectral_shape(self) -> tuple[int, ...]:
        """Shape (..., n_x // 2 + 1) of the transform of a real field."""
        return *self.shape[:-1], self.shape[-1] // 2 + 1

    @cached_property
    def k(self) -> tuple[np.ndarray, ...]:
        """Wavenumbers (k_y, k_x) or (k_z, k_y, k_x) in rad/nm, float64, each along its own axis of the transform."""
        whole = [np.fft.fftfreq(n, h) for n, h in zip(self.shape[:-1], self.spacing[:-1], strict=True)]
        return self._along_axes([*whole, np.fft.rfftfreq(self.shape[-1], self.spacing[-1])], 2 * np.pi)

    @cached_property
    def k2(self) -> np.ndarray:
        """k^2 in rad^2/nm^2, float64, ``spectral_shape``."""
        return sum(k**2 for k in self.k)

    @cached_property
    def points(self) -> tuple[np.ndarray, ...]:
        """Coordinates (y, x) or (z, y, x) of the points in nm, each along its own axis."""
        return self._along_axes([h * np.arange(n) for n, h in zip(self.shape, self.spacing, strict=True)], 1.0)

    def _along_axes(self, values, factor):
        last = len(self.shape) - 1
        return tuple(factor * np.expand_dims(v, [a for a in range(last + 1) if a != i]) for i, v in enumerate(values))

    def _require(self, dimensions):
        if len(self.shape) != dimensions:
            kind = {2: "plane", 3: "box"}
            raise ValueError(f"{self} is a {kind[len(self.shape)]}; this quantity belongs to a {kind[dimensions]}")
