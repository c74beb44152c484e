"""All that a run of a vesicle needs, made by the builder once and used by every endosome."""

from collections.abc import Callable
from dataclasses import dataclass

from membrane.lattice.grid import Grid
from membrane.vesicle import Membrane, State, Transport
from membrane.vesicle.shape import AbstractDescent


@dataclass(frozen=True)
class VesiclePhysics:
    """All that a run needs. A tick is a round: the shape moves, ``shape_steps`` or as long as the tick, then the lipids
    take one step in time. ``initial_state`` of an endosome by its number; areas per lipid of a leaflet and of a cargo
    site (nm^2), line tension (pN)."""

    membrane: Membrane
    initial_state: Callable[[int], State]
    descent: AbstractDescent
    transport: Transport
    shape_steps: int
    tick_s: float
    look_ticks: int
    series_ticks: int
    frame_ticks: int
    checkpoint_ticks: int
    duration_ticks: int
    line_tension: float
    lipid_area_ld: float
    lipid_area_lo: float
    cargo_site_area: float

    boundary_ticks = 1
    """Every round is a function of the state alone: a run may stand still after each."""

    @property
    def grid(self) -> Grid:
        """The box."""
        return self.membrane.grid

    @property
    def last_boundary(self) -> int:
        """The last tick within the duration at which a run stands still."""
        return self.duration_ticks

    @property
    def attributes(self) -> dict[str, float]:
        """What the archive notes of it."""
        return {}
