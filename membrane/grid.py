"""The lattice: a doubly periodic rectangle of points, its spacing and its wavenumbers."""

from functools import cached_property

import numpy as np


class Grid:
    """Doubly periodic plane of ``shape = (n_y, n_x)`` points and ``extent = (l_y, l_x)`` nm.

    Precision is a property of the grid: ``dtype`` is that of every field on it. A grid is immutable and
    hashable, so that it may stand in compiled code as a constant.

    Raises ValueError where a side has fewer than eight points, an extent is not positive, or the dtype is
    neither float32 nor float64.
    """

    def __init__(self, shape: tuple[int, int], extent: tuple[float, float], dtype="float32"):
        shape, extent, dtype = tuple(map(int, shape)), tuple(map(float, extent)), np.dtype(dtype)
        if len(shape) != 2 or min(shape) < 8:
            raise ValueError(f"grid shape {shape} must be (n_y, n_x) with at least 8 points a side")
        if len(extent) != 2 or not min(extent) > 0:
            raise ValueError(f"grid extent {extent} must be two positive lengths in nm")
        if dtype not in (np.float32, np.float64):
            raise ValueError(f"grid dtype {dtype} must be float32 or float64")
        self.shape, self.extent, self.dtype = shape, extent, dtype

    def __eq__(self, other):
        return isinstance(other, Grid) and self._key == other._key

    def __hash__(self):
        return hash(self._key)

    def __repr__(self):
        return f"Grid(shape={self.shape}, extent={self.extent}, dtype='{self.dtype}')"

    @property
    def _key(self):
        return self.shape, self.extent, self.dtype

    @property
    def complex_dtype(self) -> np.dtype:
        """The complex type of a transform."""
        return np.result_type(self.dtype, np.complex64)

    @property
    def spacing(self) -> tuple[float, float]:
        """(dy, dx) in nm."""
        return self.extent[0] / self.shape[0], self.extent[1] / self.shape[1]

    @property
    def size(self) -> int:
        """Number of points."""
        return self.shape[0] * self.shape[1]

    @property
    def area(self) -> float:
        """Area of the box in nm^2."""
        return self.extent[0] * self.extent[1]

    @property
    def cell_area(self) -> float:
        """Area of one cell in nm^2."""
        return self.area / self.size

    @property
    def spectral_shape(self) -> tuple[int, int]:
        """Shape (n_y, n_x // 2 + 1) of the transform of a real field."""
        return self.shape[0], self.shape[1] // 2 + 1

    @cached_property
    def k(self) -> tuple[np.ndarray, np.ndarray]:
        """Wavenumbers (k_y, k_x) in rad/nm, float64, shapes (n_y, 1) and (1, n_x // 2 + 1)."""
        dy, dx = self.spacing
        ky = 2 * np.pi * np.fft.fftfreq(self.shape[0], dy)[:, None]
        kx = 2 * np.pi * np.fft.rfftfreq(self.shape[1], dx)[None, :]
        return ky, kx

    @cached_property
    def k2(self) -> np.ndarray:
        """k_y^2 + k_x^2 in rad^2/nm^2, float64, ``spectral_shape``."""
        ky, kx = self.k
        return ky**2 + kx**2

    @cached_property
    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates (y, x) of the points in nm, shapes (n_y, 1) and (1, n_x)."""
        dy, dx = self.spacing
        return dy * np.arange(self.shape[0])[:, None], dx * np.arange(self.shape[1])[None, :]
