"""The configuration of kinetics: an endosome as a sphere with a list of domains, through minutes and hours."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from membrane.config.provenance import NUMERICAL, Provenance
from membrane.config.sections import (
    CargoConfig,
    CeramideConfig,
    EndosomeConfig,
    Number,
    PhasesConfig,
    Positive,
    RecordConfig,
    RunConfig,
    Section,
)
from membrane.config.sheet import FilmConfig, MembraneConfig, NeckConfig, SupplyConfig, unused_supply
from membrane.config.text import Inconsistent
from membrane.config.times import count_faults, time_faults

MOST_TICKS = 2**31 - 1
"""Ticks are counted in 32 bits."""


class SphereConfig(Section):
    """The sphere that stands for the limiting membrane of one endosome."""

    diameter_nm: Annotated[Positive, Provenance((200.0, 1000.0), "endosomes (MVBs) of 400 nm", "unverified", "nm")] = (
        Field(description="diameter of the endosome at the start; its membrane is that of the sphere")
    )

    @property
    def host_radius_nm(self) -> float:
        """Radius of the endosome at the start."""
        return self.diameter_nm / 2


class StepsConfig(Section):
    """Accuracy of the computation."""

    tick_us: Annotated[Positive, NUMERICAL] = Field(
        default=20.0, description="unit of time; every step and interval is a whole number of ticks"
    )
    max_step_ms: Annotated[Positive, NUMERICAL] = Field(default=500.0, description="longest step")
    growth_tolerance: Annotated[Annotated[Number, Field(gt=0, le=0.2)], NUMERICAL] = Field(
        default=0.02, description="largest change of a domain's area in a step, relative to the area"
    )
    travel_step: Annotated[Annotated[Number, Field(gt=0, le=0.5)], NUMERICAL] = Field(
        default=0.15,
        description="standard deviation of the change of a gap between two domains in a step, relative to their "
        "distance at contact and to what is left of it",
    )

    @property
    def precision(self) -> str:
        """Accounts of hours need double precision."""
        return "float64"


class KineticsConfig(RunConfig):
    """A run of the limiting membrane as a sphere with a list of domains."""

    kind: Literal["kinetics"] = Field(description="geometry of the run")
    start: Annotated[Literal["resting", "steady"], NUMERICAL] = Field(
        default="steady",
        description="without domains. resting: ceramide as in arriving membrane; steady: the balance of supply, "
        "recycling, enzyme, turnover and flip-flop",
    )
    acceleration: Annotated[Annotated[Number, Field(ge=1, le=1e6)], NUMERICAL] = Field(
        default=1.0,
        description="factor by which all slow rates are multiplied: supply, recycling, enzyme, turnover, flip-flop, "
        "regulation of the volume and scission aid; nominal time is simulated time multiplied by it",
    )
    geometry: SphereConfig
    lipids: PhasesConfig
    membrane: MembraneConfig
    ceramide: CeramideConfig | None = None
    cargo: CargoConfig | None = None
    hydrodynamics: FilmConfig
    budding: NeckConfig
    endosome: EndosomeConfig = EndosomeConfig()
    supply: SupplyConfig
    numerics: StepsConfig = StepsConfig()
    output: RecordConfig

    @model_validator(mode="after")
    def _consistent(self):
        numerics, output = self.numerics, self.output
        times = {
            "duration_s": (self.duration_s, self.duration_s),
            "numerics.max_step_ms": (numerics.max_step_ms, numerics.max_step_ms * 1e-3),
        } | {f"output.{name}": (value, value * 1e-3) for name, value in output if name.endswith("_ms")}
        faults = time_faults(times, "numerics.tick_us", numerics.tick_us, numerics.tick_us * 1e-6)
        if numerics.max_step_ms * 1e3 < numerics.tick_us:
            faults.append(
                f"numerics.max_step_ms {numerics.max_step_ms:g} is below numerics.tick_us {numerics.tick_us:g}"
            )
        faults += self.endosome.tension_faults(self.membrane.tension_uN_per_m)
        if not self.supply.recycling:
            faults.append(
                "supply.recycling: false leaves an endosome of kinetics without any domain, for these come with "
                "vesicles that become patches of the membrane; give true"
            )
        if self.start == "steady" and not self.supply.fusion_rate_per_s > 0:
            faults.append(
                "start: steady is the balance of membrane that comes and goes: give a supply.fusion_rate_per_s above "
                "0, or start: resting"
            )
        if self.membrane.gaussian_modulus_contrast_kBT:
            faults.append(
                f"membrane.gaussian_modulus_contrast_kBT {self.membrane.gaussian_modulus_contrast_kBT:g} must be 0: "
                "the bud law of kinetics knows no contrast; a run of kind sheet does"
            )
        # A run ends with a whole longest step.
        if (self.duration_s + numerics.max_step_ms * 1e-3) / (numerics.tick_us * 1e-6) >= MOST_TICKS:
            faults.append(
                f"duration_s {self.duration_s:g} with numerics.tick_us {numerics.tick_us:g} has more than {MOST_TICKS} "
                f"ticks: give at most {MOST_TICKS * numerics.tick_us * 1e-6 - numerics.max_step_ms * 1e-3:.6g} s, or a "
                "longer tick"
            )
        if not faults:
            faults += count_faults(self, numerics.max_step_ms * 1e-3, 1.0)
        if faults:
            raise Inconsistent(faults)
        return self

    @property
    def unused(self) -> list[str]:
        """Keys of ``supply`` without effect, because the section that they speak of is absent."""
        return unused_supply(self)
