"""The configuration of a sheet: the limiting membrane unrolled, and a law of budding."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from membrane.config.sections import (
    CargoConfig,
    CeramideConfig,
    Dilute,
    Finite,
    NonNegative,
    Order,
    OutputConfig,
    PhasesConfig,
    Positive,
    RigidityConfig,
    RunConfig,
    Section,
)

MOST_POINTS = 2**26
"""8192 x 8192: a state of five fields takes 5 GiB."""

MOST_TICKS = 2**31
"""Time is counted in 32 bits."""

MOST_STEP_TICKS = 2**16


class Geometry(Section):
    """The piece of limiting membrane that one endosome is represented by."""

    box_nm: tuple[Positive, Positive] = Field(description="side lengths (x, y)")
    spacing_nm: Positive = Field(
        description="grid spacing asked for; the sides are divided into the nearest whole number"
    )


class LipidsConfig(PhasesConfig):
    """Lo/Ld segregation from a mixed membrane."""

    mean_order: Order = Field(description="mean of phi, +1 all Lo, -1 all Ld")


class MembraneConfig(RigidityConfig):
    """Elasticity."""

    gaussian_modulus_contrast_kBT: Finite = Field(description="kappa_G,Lo - kappa_G,Ld")
    tension_uN_per_m: Positive
    spontaneous_curvature_other_per_nm: Finite = 0.0


class HydrodynamicsConfig(Section):
    """In-plane flow of the membrane."""

    membrane_viscosity_nPa_s_m: Positive
    cytosol_viscosity_mPa_s: Positive
    lumen_viscosity_mPa_s: Positive
    in_plane_flow: bool = True
    agitation_interval_us: Positive = Field(
        default=128.0, description="time between random displacements of the membrane"
    )


class ScissionAid(Section):
    """ESCRT-III at the neck of an open bud."""

    constriction_force_pN: Positive = Field(description="what it adds to the energy per nm of neck radius")
    waiting_time_s: NonNegative = Field(description="time from the bud to the aid")


class BuddingConfig(Section):
    """From a domain to a vesicle."""

    law: Literal["exact", "cap"] = "exact"
    neck_radius_nm: Positive
    circularity: Annotated[float, Field(gt=0, le=1)] = 0.9
    look_interval_ms: Positive = 1.024
    scission_aid: ScissionAid | None = None
    shell_density_g_per_ml: Positive
    lumen_density_g_per_ml: Positive


class EndosomeConfig(Section):
    """The budget of the whole organelle, a sphere of the box's area."""

    area_modulus_mN_per_m: Positive = 240.0
    lysis_tension_mN_per_m: Positive = 7.0
    shortest_undulation_nm: Positive = Field(default=5.0, description="half the shortest wavelength that stores area")
    volume_regulation_time_s: Positive | None = Field(default=None, description="none: the lumen keeps its fluid")


class SupplyConfig(Section):
    """Membrane for new vesicles: a reserve and fusing vesicles, both of the composition given; fractions default to the
    means of the sheet at the start."""

    reserve_fraction: NonNegative = Field(description="area in hand at the start, in units of the endosome's area")
    fusion_rate_per_s: NonNegative = Field(description="vesicles that fuse with one endosome")
    fusion_diameter_nm: Positive
    order: Annotated[float, Field(ge=-1, le=1)] = -1.0
    ceramide_cytosolic_fraction: Dilute | None = None
    ceramide_luminal_fraction: Dilute | None = None
    cargo_fraction: Annotated[float, Field(gt=0, lt=0.9)] | None = None


class NumericsConfig(Section):
    """Accuracy."""

    precision: Literal["float32", "float64"] = "float32"
    tick_us: Positive = 1.0
    max_step_us: Positive = 64.0
    error_tolerance: Positive = 0.1
    max_courant: Positive = 0.3
    thermal_noise: bool = True
    initial_noise: NonNegative = 0.02


class SheetConfig(RunConfig):
    """The limiting membrane unrolled: a periodic plane and a law of budding."""

    kind: Literal["sheet"] = "sheet"
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
        if self.duration_s * 1e6 >= MOST_TICKS * self.numerics.tick_us:
            faults.append(
                f"duration_s {self.duration_s:g} is more than {MOST_TICKS:.3g} times numerics.tick_us "
                f"{self.numerics.tick_us:g}: take a longer tick"
            )
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
        rest, lysis = self.membrane.tension_uN_per_m, self.endosome.lysis_tension_mN_per_m
        if rest >= 1e3 * lysis:
            faults.append(
                f"membrane.tension_uN_per_m {rest:g} must lie below endosome.lysis_tension_mN_per_m {lysis:g} "
                f"({1e3 * lysis:g} uN/m)"
            )
        if self.cargo is None and self.supply.cargo_fraction is not None:
            faults.append("supply.cargo_fraction is given, but there is no section cargo")
        if self.ceramide is None and (self.supply.ceramide_cytosolic_fraction or self.supply.ceramide_luminal_fraction):
            faults.append("supply.ceramide_*_fraction is given, but there is no section ceramide")
        if faults:
            raise ValueError("; ".join(faults))
        return self
