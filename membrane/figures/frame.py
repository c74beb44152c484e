"""A frame of a run in three dimensions, read back from its archive."""

import numpy as np

from membrane.archive import RunRecord
from membrane.lattice.grid import Grid
from membrane.vesicle.topology import Topology, find_topology


class VesicleFrame:
    """Frame ``index`` of one endosome: ``psi``, the ``fields`` on the membrane by name (all (n_z, n_y, n_x), float32),
    their ``grid``, interface width ``eps`` (nm) and ``time_s``.

    Raises ValueError where the run is none in three dimensions or holds no such frame or endosome.
    """

    def __init__(self, record: RunRecord, index: int, endosome: int = 0):
        names = record.frames.field_names
        if "psi" not in names:
            raise ValueError(f"{record.path} holds no frames of a vesicle (field psi); is it a run of kind vesicle?")
        if record.spacing_nm is None:
            raise ValueError(f"{record.path} is unfinished and does not tell its grid spacing; wait for the archive")
        self.psi = record.frames.frame("psi", index, endosome)
        self.fields = {name: record.frames.frame(name, index, endosome) for name in names if name != "psi"}
        self.time_s = float(record.frames.frame_times_s[index])
        self.eps = float(record.config["membrane"]["interface_width_nm"])
        extent = tuple(n * h for n, h in zip(self.psi.shape, record.spacing_nm, strict=True))
        self.grid = Grid(self.psi.shape, extent)
        # How many there were says whether a neck that is closing has parted already.
        seen = np.searchsorted(record.series["time_s"], self.time_s * (1 + 1e-9), side="right") - 1
        self._number = int(record.series["vesicle_number"][max(seen, 0), endosome])

    @property
    def vesicles(self) -> Topology:
        """Which vesicles there are."""
        return find_topology(self.psi, self.grid, self.eps, self._number)
