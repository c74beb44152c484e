"""All that a run of a sheet needs, made by the builder once and used by every endosome."""

from collections.abc import Callable
from dataclasses import dataclass

from membrane.endosome.budget import Endosome, VesicleSupply
from membrane.endosome.tension import TensionLaw
from membrane.lattice.grid import Grid
from membrane.sheet.budding import Buddings
from membrane.sheet.plane import Sheet
from membrane.sheet.stepper import Bdf2
from membrane.sheet.wall import Wall


@dataclass(frozen=True)
class Physics:
    """All that a run needs: model, stepper, rules of budding, fusing vesicles, the law and the beginning of an
    endosome's budget, the measured wall, and times in ticks. Whatever is recorded, a run stands still at whole
    multiples of ``boundary_ticks``: there checkpoints may lie, and from there it goes on."""

    model: Sheet
    stepper: Bdf2
    rules: Buddings
    fusion: VesicleSupply
    tension_law: TensionLaw
    new_endosome: Callable[[], Endosome]
    wall: Wall
    tick_s: float
    first_step_ticks: int
    duration_ticks: int
    look_ticks: int
    boundary_ticks: int
    series_ticks: int
    frame_ticks: int
    checkpoint_ticks: int

    @property
    def grid(self) -> Grid:
        """The plane."""
        return self.model.grid

    @property
    def last_boundary(self) -> int:
        """The last tick within the duration at which a run stands still."""
        return self.duration_ticks // self.boundary_ticks * self.boundary_ticks

    @property
    def attributes(self) -> dict[str, float]:
        """What the archive notes of it."""
        return {"measured_line_tension_pN": self.wall.line_tension}
