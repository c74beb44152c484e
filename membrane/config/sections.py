"""What the configurations of both geometries share: numbers with a range, sections, the parts of a membrane."""

from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Order = Annotated[float, Field(gt=-1, lt=1)]
Dilute = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class Section(BaseModel):
    """A part of the configuration: immutable, unknown keys are errors, and yes is no number."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_yes_for_a_number(cls, value, info):
        if isinstance(value, bool) and cls.model_fields[info.field_name].annotation is not bool:
            raise ValueError("Input should be a valid value of its kind; yes, no, true and false are none here")
        return value


class PhasesConfig(Section):
    """The phases Ld and Lo and the wall between them."""

    line_tension_pN: Positive
    interface_width_nm: Positive = Field(description="xi: the wall is tanh(x/(sqrt2 xi))")
    diffusion_ld_um2_per_s: Positive
    diffusion_lo_um2_per_s: Positive
    area_per_lipid_ld_nm2: Positive
    area_per_lipid_lo_nm2: Positive


class RigidityConfig(Section):
    """Bending rigidity of the phases."""

    bending_rigidity_ld_kBT: Positive
    bending_rigidity_lo_kBT: Positive


class Sphingomyelinase(Section):
    """The enzyme: dc/dt = rate w(phi) (saturation - c) on its leaflet."""

    leaflet: Literal["cytosolic", "luminal"]
    rate_per_s: NonNegative
    saturation_fraction: Fraction


class CeramideConfig(Section):
    """Ceramide in both leaflets, area fractions."""

    cytosolic_fraction: Dilute
    luminal_fraction: Dilute
    patch_area_nm2: Positive
    affinity_lo: Finite = Field(description="chi_c, kT a patch at the wall between p = -1 and p = +1, halved")
    monolayer_curvature_ceramide_per_nm: Finite
    monolayer_curvature_sphingomyelin_per_nm: Finite
    diffusion_ld_um2_per_s: Positive
    diffusion_lo_um2_per_s: Positive
    sphingomyelinase: Sphingomyelinase | None = None
    turnover_rate_per_s: NonNegative
    flip_flop_rate_per_s: NonNegative


class OligomersConfig(Section):
    """n-mers of the cargo."""

    size: Annotated[int, Field(ge=2, le=100)]
    bond_energy_kBT: NonNegative
    affinity_lo: Annotated[float, Field(ge=-2, le=2)] = Field(
        description="chi_n an n-mer; beyond 2 the drift is too stiff"
    )
    spontaneous_curvature_per_nm: Finite = Field(description="c0 per unit area fraction of n-mers")
    dissociation_rate_per_s: NonNegative
    diffusion_ld_um2_per_s: Positive
    diffusion_lo_um2_per_s: Positive


class CargoConfig(Section):
    """Cargo proteins; without ``oligomers`` they stay monomers."""

    fraction: Annotated[float, Field(gt=0, lt=0.9)]
    footprint_nm2: Positive
    affinity_lo: Annotated[float, Field(ge=-2, le=2)]
    diffusion_ld_um2_per_s: Positive
    diffusion_lo_um2_per_s: Positive
    oligomers: OligomersConfig | None = None


class OutputConfig(Section):
    """What is kept; intervals in simulated time."""

    series_interval_ms: Positive
    frame_interval_ms: Positive
    checkpoint_interval_ms: Positive
    keep_checkpoint: bool = Field(True, description="whether the archive holds the last state, to be extended from")


class RunConfig(Section):
    """What every run has."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    kind: str
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    endosomes: Annotated[int, Field(ge=1, le=100_000)]
    duration_s: Positive
    temperature_C: Annotated[float, Field(ge=0, le=100)] = 37.0

    def to_yaml(self) -> str:
        """The complete configuration, defaults included."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)
