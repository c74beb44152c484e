"""One frame of a run in three dimensions, read from its archive."""

import numpy as np

from membrane.archive import RunRecord
from membrane.lattice.grid import Grid
from membrane.vesicle.topology import Topology, find_topology


class VesicleFrame:
    """One frame of one endosome, with all that is needed to draw its membrane.

    Args:
        record: what was read from the archive of a run of kind vesicle.
        index: number of the frame, counted from 0.
        endosome: number of the endosome, counted from 0.

    Attributes:
        psi: the phase field, (n_z, n_y, n_x), float32. It is +1 in the lumen, -1 in the cytosol, 0 on the membrane.
        fields: the other fields by name, of the same shape, such as the lipid order ``phi``.
        grid: the lattice on which they lie.
        eps: width of the interface in nm.
        time_s: time of the frame in seconds.

    Raises ValueError if the run is not of kind vesicle, or if there is no such frame or endosome.
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
        # A thin neck cannot be told from two separate membranes by psi alone; the run's own count decides.
        row = np.searchsorted(record.series["time_s"], self.time_s * (1 + 1e-9), side="right") - 1
        self._number = int(record.series["vesicle_number"][max(row, 0), endosome])

    @property
    def vesicles(self) -> Topology:
        """The closed membranes in this frame."""
        return find_topology(self.psi, self.grid, self.eps, self._number)
