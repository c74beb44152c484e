"""The configuration of a sheet: the limiting membrane of an endosome as a periodic plane, and a law of budding."""

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from membrane.config.provenance import NO_SOURCE, NUMERICAL, Provenance
from membrane.config.sections import (
    CargoConfig,
    CeramideConfig,
    EndosomeConfig,
    Flag,
    GaussianContrast,
    NonNegative,
    Number,
    Order,
    OutputConfig,
    PhasesConfig,
    Positive,
    ReserveConfig,
    RigidityConfig,
    RunConfig,
    Section,
)
from membrane.config.text import Inconsistent
from membrane.config.times import count_faults, time_faults

MOST_POINTS = 2**26
"""Grid points of a sheet, 8192 x 8192. A state of five fields then takes 5 GiB."""

MOST_STEP_TICKS = 2**16
"""Ticks of the longest step."""


class Geometry(Section):
    """The periodic plane that stands for the limiting membrane of one endosome."""

    box_nm: Annotated[
        tuple[Positive, Positive],
        Provenance(
            (200.0, 1000.0),
            "area of a 433-nm sphere; endosomes (MVBs) of 400 nm",
            "unverified",
            "nm, diameter of the sphere of the box's area",
            of=lambda section: math.sqrt(math.prod(section.box_nm) / math.pi),
        ),
    ] = Field(description="side lengths (x, y) of the sheet, whose area is that of the endosome")
    spacing_nm: Annotated[
        Positive, Provenance(None, "0.8 of the interface width", "numerical", "at most the interface width")
    ] = Field(description="wanted grid spacing; each side is divided into the nearest whole number of spacings")

    @property
    def host_radius_nm(self) -> float:
        """Radius of the endosome: that of the sphere which has the area of the box."""
        return math.sqrt(math.prod(self.box_nm) / (4 * math.pi))


class LipidsConfig(PhasesConfig):
    """Separation into Lo and Ld."""

    mean_order: Annotated[
        Order | None, Provenance((-1.0, 1.0), "-0.4: Lo share 0.3; for endosomes unknown", "unverified")
    ] = Field(
        description="mean of the order parameter phi at the start: 1 is all Lo, -1 is all Ld; null with start: steady"
    )


class MembraneConfig(RigidityConfig):
    """Elasticity of the membrane."""

    gaussian_modulus_contrast_kBT: GaussianContrast = Field(description="kappa_G of Lo minus kappa_G of Ld")
    tension_uN_per_m: Annotated[
        Positive,
        Provenance(
            (0.1, 100.0),
            "**unknown**; no absolute value of an endosome found. Neighbours: Golgi about 5, ER about 13 (Upadhyaya & "
            "Sheetz 2004 Biophys J 86:2923)",
            "unverified",
        ),
    ] = Field(description="tension of the endosome's membrane at the start")
    spontaneous_curvature_other_per_nm: Annotated[Number, NO_SOURCE] = Field(
        default=0.0, description="uniform spontaneous curvature from all that the model does not name"
    )


class FilmConfig(Section):
    """The membrane as a viscous film between two solvents."""

    membrane_viscosity_nPa_s_m: Annotated[
        Positive,
        Provenance(
            (1.0, 20.0),
            "SOPC, bead on a vesicle. Values for one system differ by orders of magnitude (Faizi et al 2022 Biophys J)",
            "read in part",
        ),
    ] = Field(description="surface viscosity of the membrane")
    cytosol_viscosity_mPa_s: Annotated[Positive, Provenance((1.0, 10.0), "-", "unverified")] = Field(
        description="viscosity of the cytosol"
    )
    lumen_viscosity_mPa_s: Annotated[Positive, Provenance((1.0, 3.0), "-", "unverified")] = Field(
        description="viscosity of the lumen"
    )


class HydrodynamicsConfig(FilmConfig):
    """Flow within the membrane, a viscous film between two solvents."""

    in_plane_flow: Annotated[Flag, NUMERICAL] = Field(
        default=True, description="false: lipids and cargo move by diffusion only"
    )
    agitation_interval_us: Annotated[Positive, NUMERICAL] = Field(
        default=128.0, description="time between random displacements of the membrane by thermal flow"
    )


class ScissionAid(Section):
    """Proteins (ESCRT-III) that constrict the neck of an open bud."""

    constriction_force_pN: Annotated[
        Positive,
        Provenance(
            None,
            "about 100 was estimated: Agudo-Canalejo & Lipowsky 2018 PLoS Comput Biol 14:e1006422",
            "read in part",
        ),
    ] = Field(description="force on the neck: energy that it adds per nm of neck radius")
    waiting_time_s: Annotated[
        NonNegative, Provenance(None, "ESCRT-III events last 3-45 s: Adell et al 2017 eLife 6:e31652", "read")
    ] = Field(description="time from the bud to the arrival of the aid")


class NeckConfig(Section):
    """When the neck of a bud breaks, and how dense the vesicle is."""

    neck_radius_nm: Annotated[
        Positive,
        Provenance(
            (3.0, 5.0),
            "fission needs a neck of 3-5 nm lumen radius: Kozlovsky & Kozlov 2003 Biophys J 85:85",
            "unverified",
        ),
    ] = Field(description="radius at which a neck breaks")
    scission_aid: ScissionAid | None = None
    shell_density_g_per_ml: Annotated[
        Positive,
        Provenance(
            (1.08, 1.20), "illustration of the shell model; its arithmetic is derived", "unverified", "examples"
        ),
    ] = Field(description="density of a vesicle's shell, for its buoyant density")
    lumen_density_g_per_ml: Annotated[
        Positive,
        Provenance(
            (1.06, 1.15), "illustration of the shell model; its arithmetic is derived", "unverified", "examples"
        ),
    ] = Field(description="density of a vesicle's lumen, for its buoyant density")


class BuddingConfig(NeckConfig):
    """How a domain becomes a vesicle."""

    law: Annotated[Literal["exact", "cap"], Provenance(None, "-", "-")] = Field(
        default="exact", description="exact: the axisymmetric shapes of least energy; cap: spherical caps"
    )
    circularity: Annotated[Number, Field(gt=0, le=1), NUMERICAL] = Field(
        default=0.9, description="domains at least as round as this are put to the bud law (1: a circle)"
    )
    look_interval_ms: Annotated[Positive, NUMERICAL] = Field(
        default=1.024, description="simulated time between looks for domains that bud"
    )


class SupplyConfig(ReserveConfig):
    """Membrane for new vesicles: a reserve at the start, and vesicles that fuse with the endosome.

    Both have the composition that is given here. Fractions that are not given are the means of the sheet at the start.
    What is said here of ceramide or cargo has no effect where that section is absent.
    """

    fusion_rate_per_s: Annotated[NonNegative, Provenance(None, "rate of fusing vesicles unknown", "unverified")] = (
        Field(description="number of vesicles that fuse with one endosome in a second")
    )
    fusion_diameter_nm: Annotated[Positive, Provenance(None, "early endosomal carriers, assumed", "unverified")] = (
        Field(description="mean diameter of the fusing vesicles")
    )
    fusion_diameter_sd_nm: Annotated[NonNegative, NO_SOURCE] = Field(
        default=0.0, description="standard deviation of their diameters, which are lognormal; 0: all alike"
    )
    recycling: Annotated[Flag, NO_SOURCE] = Field(
        default=False,
        description="true: a fusing vesicle becomes a patch of the membrane, its Lo in one piece, and as much host and "
        "fluid leave as keep the endosome at its size; false: it adds to the reserve and to the lumen",
    )


class NumericsConfig(Section):
    """Accuracy of the computation."""

    precision: Annotated[Literal["float32", "float64"], NUMERICAL] = Field(
        default="float32", description="floating-point type of the fields"
    )
    tick_us: Annotated[Positive, NUMERICAL] = Field(
        default=1.0, description="unit of time; every step and interval is a whole number of ticks"
    )
    max_step_us: Annotated[Positive, NUMERICAL] = Field(default=64.0, description="longest step")
    error_tolerance: Annotated[Positive, NUMERICAL] = Field(
        default=0.1, description="largest estimated error of a step"
    )
    max_courant: Annotated[Positive, NUMERICAL] = Field(
        default=0.3, description="largest displacement by flow in a step, in grid spacings"
    )
    thermal_noise: Annotated[Flag, NUMERICAL] = Field(
        default=True, description="whether phi and the membrane's flow fluctuate thermally"
    )
    initial_noise: Annotated[NonNegative, NUMERICAL] = Field(
        default=0.02, description="standard deviation of phi at the start"
    )


class SheetConfig(RunConfig):
    """A run of the limiting membrane as a periodic plane, whose round domains bud by a law."""

    kind: Literal["sheet"] = Field(default="sheet", description="geometry of the run")
    start: Annotated[Literal["mixed", "resting", "steady"], NUMERICAL] = Field(
        default="mixed",
        description="mixed: the means that are given; resting: the same, but ceramide as in arriving membrane; steady: "
        "the balance of supply, recycling, enzyme, turnover and flip-flop in a host without domains",
    )
    acceleration: Annotated[Annotated[Number, Field(ge=1, le=1e6)], NUMERICAL] = Field(
        default=1.0,
        description="factor by which all slow rates are multiplied: supply, recycling, enzyme, turnover, flip-flop, "
        "regulation of the volume and scission aid; nominal time is simulated time multiplied by it",
    )
    geometry: Geometry
    lipids: LipidsConfig
    membrane: MembraneConfig
    ceramide: CeramideConfig | None = None
    cargo: CargoConfig | None = None
    hydrodynamics: HydrodynamicsConfig
    budding: BuddingConfig
    endosome: EndosomeConfig = EndosomeConfig()
    supply: SupplyConfig
    numerics: NumericsConfig = NumericsConfig()
    output: OutputConfig

    @model_validator(mode="after")
    def _consistent(self):
        faults = []
        spacing, width = self.geometry.spacing_nm, self.lipids.interface_width_nm
        if spacing > width:
            faults.append(
                f"geometry.spacing_nm {spacing:g} does not resolve lipids.interface_width_nm {width:g}: "
                "choose a spacing of at most the width (0.8 of it is enough)"
            )
        if min(self.geometry.box_nm) < 16 * spacing:
            faults.append(
                f"geometry.box_nm {list(self.geometry.box_nm)} must span at least 16 spacings of {spacing:g} nm"
            )
        points = [side / spacing for side in self.geometry.box_nm]
        if points[0] * points[1] > MOST_POINTS:
            faults.append(
                f"geometry.box_nm {list(self.geometry.box_nm)} holds {points[0]:.3g} x {points[1]:.3g} spacings of "
                f"geometry.spacing_nm {spacing:g}; {MOST_POINTS:.2g} points are the most"
            )
        faults += self._time_faults() + self._start_faults()
        if self.numerics.max_step_us > MOST_STEP_TICKS * self.numerics.tick_us:
            faults.append(
                f"numerics.max_step_us {self.numerics.max_step_us:g} is more than {MOST_STEP_TICKS} times "
                f"numerics.tick_us {self.numerics.tick_us:g}"
            )
        if self.numerics.max_step_us < self.numerics.tick_us:
            faults.append(
                f"numerics.max_step_us {self.numerics.max_step_us:g} is below "
                f"numerics.tick_us {self.numerics.tick_us:g}"
            )
        faults += self.endosome.tension_faults(self.membrane.tension_uN_per_m)
        if not faults:
            # The longest step is a power of two of ticks, and so at least half of max_step_us.
            faults += count_faults(self, self.numerics.max_step_us * 0.5e-6, points[0] * points[1])
        if faults:
            raise Inconsistent(faults)
        return self

    def _start_faults(self) -> list[str]:
        """The mean order is given where the start needs it; a balance needs membrane that comes and goes."""
        order, supply, faults = self.lipids.mean_order, self.supply, []
        if self.start != "steady" and order is None:
            faults.append(f"lipids.mean_order null: start: {self.start} begins with it: give a number")
        if self.start == "steady" and order is not None:
            faults.append(f"lipids.mean_order {order:g}: start: steady finds it from the rates: give null")
        if self.start == "steady" and not (supply.recycling and supply.fusion_rate_per_s > 0):
            faults.append(
                "start: steady is the balance of membrane that comes and goes: give supply.recycling: true and a "
                "supply.fusion_rate_per_s above 0, or start: mixed or resting"
            )
        return faults

    def _time_faults(self) -> list[str]:
        """A sentence for each time that holds too many ticks."""
        output, tick_us = self.output, self.numerics.tick_us
        look, agitation = self.budding.look_interval_ms, self.hydrodynamics.agitation_interval_us
        times = {
            "duration_s": (self.duration_s, self.duration_s),
            "budding.look_interval_ms": (look, look * 1e-3),
            "hydrodynamics.agitation_interval_us": (agitation, agitation * 1e-6),
        } | {f"output.{name}": (value, value * 1e-3) for name, value in output if name.endswith("_ms")}
        return time_faults(times, "numerics.tick_us", tick_us, tick_us * 1e-6)

    @property
    def unused(self) -> list[str]:
        """Keys of ``supply`` without effect, because the section that they speak of is absent."""
        return unused_supply(self)


def unused_supply(config) -> list[str]:
    """Keys of ``supply`` that speak of ceramide or cargo where ``config`` has no such section."""
    given = [name for name, value in config.supply if value is not None]
    absent = [section for section in ("ceramide", "cargo") if getattr(config, section) is None]
    return [f"supply.{name}" for name in given for section in absent if name.startswith(f"{section}_")]
