"""The configuration: what may stand in a YAML file, in which units, and how faults are reported."""

import difflib
import math
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Order = Annotated[float, Field(gt=-1, lt=1)]
Dilute = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class ConfigError(ValueError):
    """Everything that is wrong with a configuration, one fault a line."""


class Section(BaseModel):
    """A part of the configuration: immutable, unknown keys are errors, and yes is no number."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_yes_for_a_number(cls, value, info):
        if isinstance(value, bool) and cls.model_fields[info.field_name].annotation is not bool:
            raise ValueError("Input should be a valid value of its kind; yes, no, true and false are none here")
        return value


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice, where the safe loader silently takes the last."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


class Geometry(Section):
    """The piece of limiting membrane that one endosome is represented by."""

    box_nm: tuple[Positive, Positive] = Field(description="side lengths (x, y)")
    spacing_nm: Positive = Field(
        description="grid spacing asked for; the sides are divided into the nearest whole number"
    )


class PhasesConfig(Section):
    """The phases Ld and Lo and the wall between them."""

    line_tension_pN: Positive
    interface_width_nm: Positive = Field(description="xi: the wall is tanh(x/(sqrt2 xi))")
    diffusion_ld_um2_per_s: Positive
    diffusion_lo_um2_per_s: Positive
    area_per_lipid_ld_nm2: Positive
    area_per_lipid_lo_nm2: Positive


class LipidsConfig(PhasesConfig):
    """Lo/Ld segregation from a mixed membrane."""

    mean_order: Order = Field(description="mean of phi, +1 all Lo, -1 all Ld")


class RigidityConfig(Section):
    """Bending rigidity of the phases."""

    bending_rigidity_ld_kBT: Positive
    bending_rigidity_lo_kBT: Positive


class MembraneConfig(RigidityConfig):
    """Elasticity."""

    gaussian_modulus_contrast_kBT: Finite = Field(description="kappa_G,Lo - kappa_G,Ld")
    tension_uN_per_m: Positive
    spontaneous_curvature_other_per_nm: Finite = 0.0


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


class OutputConfig(Section):
    """What is kept; intervals in simulated time."""

    series_interval_ms: Positive
    frame_interval_ms: Positive
    checkpoint_interval_ms: Positive


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


class ShapeConfig(Section):
    """The closed membrane at the start: a sphere, or a spheroid of its area and less volume, about the z axis."""

    kind: Literal["sphere", "prolate", "oblate"]
    diameter_nm: Positive = Field(description="of the sphere of the same area")
    reduced_volume: Annotated[float, Field(ge=0.4, lt=1)] | None = Field(
        default=None, description="of a spheroid: volume over that of the sphere of its area"
    )

    @model_validator(mode="after")
    def _consistent(self):
        if (self.kind == "sphere") != (self.reduced_volume is None):
            remedy = "leave reduced_volume out" if self.kind == "sphere" else "give reduced_volume, 0.4 to below 1"
            raise ValueError(f"the {self.kind} of kind and reduced_volume do not fit: {remedy}")
        return self


class VesicleGeometry(Section):
    """The box and the closed membrane in it."""

    box_nm: tuple[Positive, Positive, Positive] = Field(description="side lengths (x, y, z)")
    spacing_nm: Positive = Field(
        description="grid spacing asked for; the sides are divided into the nearest whole number"
    )
    shape: ShapeConfig

    @property
    def points(self) -> tuple[int, ...]:
        """Number of grid points (x, y, z)."""
        return tuple(round(side / self.spacing_nm) for side in self.box_nm)


class CapConfig(Section):
    """One Lo domain about the +z pole of a sphere of Ld; its size by diameter or by area."""

    closed_diameter_nm: Positive | None = Field(default=None, description="L of the vesicle it closes into: pi L^2")
    area_nm2: Positive | None = None

    @model_validator(mode="after")
    def _consistent(self):
        if (self.closed_diameter_nm is None) == (self.area_nm2 is None):
            raise ValueError("give the size of the cap once: closed_diameter_nm or area_nm2")
        return self

    @property
    def area(self) -> float:
        """nm^2."""
        return math.pi * self.closed_diameter_nm**2 if self.area_nm2 is None else self.area_nm2


class QuenchConfig(Section):
    """A mixed membrane: everywhere the mean order, and white noise from the seed."""

    mean_order: Order = Field(description="mean of phi, +1 all Lo, -1 all Ld")
    noise: Annotated[float, Field(gt=0, le=0.5)] = Field(
        default=0.1, description="standard deviation of phi at a point"
    )


class CompositionConfig(Section):
    """Where Lo is at the start: one of the two."""

    cap: CapConfig | None = None
    quench: QuenchConfig | None = None

    @model_validator(mode="after")
    def _consistent(self):
        if (self.cap is None) == (self.quench is None):
            raise ValueError("give one of the sections cap and quench")
        return self


class OsmosisConfig(Section):
    """What resists a change of the lumen's volume: (modulus/2) (V - V0)^2/V0."""

    modulus_kPa: Positive
    rest_volume_ratio: Positive = Field(default=1.0, description="V0 over the volume at the start")


class VesicleMembraneConfig(RigidityConfig):
    """Elasticity of the closed membrane."""

    interface_width_nm: Positive = Field(description="eps: psi = tanh(d/(sqrt2 eps)), d from the mid-plane")
    spontaneous_curvature_ld_per_nm: Finite = Field(default=0.0, description="c0, positive buds into the lumen")
    spontaneous_curvature_lo_per_nm: Finite
    gaussian_modulus_contrast_kBT: Finite = Field(default=0.0, description="kappa_G,Lo - kappa_G,Ld")
    area_modulus_mN_per_m: Positive = 240.0
    osmosis: OsmosisConfig | None = Field(default=None, description="none: the volume is free")


class VesicleNumericsConfig(Section):
    """Accuracy: a round is a number of steps of the shape, then lipids move for one step in time."""

    precision: Literal["float32", "float64"] = "float32"
    transport_step_us: Positive = Field(default=4.0, description="time of a round")
    shape_steps: Annotated[int, Field(ge=1, le=10_000)] = Field(default=10, description="steps of the shape a round")
    look_rounds: Annotated[int, Field(ge=1, le=1000)] = Field(default=2, description="rounds between looks for fission")
    smoothing_length_nm: Positive | None = Field(default=None, description="of the velocity; none: three eps")
    mending: Positive = Field(default=8.0, description="pace of the profile, and of fission, over that of the shape")
    inertia: Annotated[float, Field(ge=0, lt=1)] = 0.9
    max_courant: Annotated[float, Field(gt=0, le=0.5)] = Field(
        default=0.3, description="largest displacement of a step in spacings"
    )
    max_area_strain: Positive = Field(default=5e-4, description="largest change of an area in a step, relative")


class VesicleConfig(RunConfig):
    """A closed endosome in three dimensions whose membrane is a phase field."""

    kind: Literal["vesicle"]
    geometry: VesicleGeometry
    composition: CompositionConfig
    lipids: PhasesConfig
    membrane: VesicleMembraneConfig
    ceramide: CeramideConfig | None = None
    cargo: CargoConfig | None = None
    numerics: VesicleNumericsConfig = VesicleNumericsConfig()
    output: OutputConfig

    @model_validator(mode="after")
    def _consistent(self):
        faults, geometry, eps = [], self.geometry, self.membrane.interface_width_nm
        if min(geometry.points) < 16:
            faults.append(
                f"geometry.box_nm {list(geometry.box_nm)} must span at least 16 spacings of {geometry.spacing_nm:g} nm"
            )
        else:
            spacing = max(side / n for side, n in zip(geometry.box_nm, geometry.points, strict=True))
            if eps < 1.2 * spacing * (1 - 1e-9):
                faults.append(
                    f"membrane.interface_width_nm {eps:g} is not resolved: make it at least 1.2 spacings, "
                    f"{1.2 * spacing:.3g} nm, or geometry.spacing_nm at most {eps / 1.2:.3g}"
                )
            if self.lipids.interface_width_nm < spacing:
                faults.append(
                    f"lipids.interface_width_nm {self.lipids.interface_width_nm:g} is not resolved: "
                    f"make it at least one spacing, {spacing:.3g} nm"
                )
        contrast = self.membrane.gaussian_modulus_contrast_kBT
        # The phase whose kappa_G is lower is the one that would crumple.
        phase = "lo" if contrast < 0 else "ld"
        kappa = getattr(self.membrane, f"bending_rigidity_{phase}_kBT")
        if abs(contrast) > 1.5 * kappa:
            faults.append(
                f"membrane.gaussian_modulus_contrast_kBT {contrast:g} would crumple the membrane: it may be at most "
                f"1.5 membrane.bending_rigidity_{phase}_kBT, {1.5 * kappa:g}, in size"
            )
        if self.composition.cap is not None:
            sphere = math.pi * geometry.shape.diameter_nm**2
            if geometry.shape.kind != "sphere":
                faults.append(
                    f"composition.cap needs geometry.shape.kind sphere, not {geometry.shape.kind}: "
                    "start a spheroid from composition.quench"
                )
            if self.composition.cap.area >= sphere:
                faults.append(
                    f"composition.cap of {self.composition.cap.area:.5g} nm2 must be smaller than the membrane of "
                    f"geometry.shape, {sphere:.5g} nm2"
                )
        if faults:
            raise ValueError("; ".join(faults))
        return self


Config = SheetConfig | VesicleConfig

KINDS = {"sheet": SheetConfig, "vesicle": VesicleConfig}
"""The geometries by the key ``kind``; without it, a sheet."""


def load(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read, override (``dotted.key=VALUE``) and validate a YAML file; raises ConfigError with all faults at once."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot be read ({error}); give the path of a YAML file such as configs/ceramide.yaml"
        ) from None
    return parse(text, overrides, source=str(path))


def parse(text: str, overrides: Sequence[str] = (), source: str = "configuration") -> Config:
    """As :func:`load`, from the text itself."""
    try:
        raw = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{source}: must be a mapping of keys to values, not {type(raw).__name__}")
    for override in overrides:
        _apply(raw, override)
    kind = raw.get("kind", "sheet")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ConfigError(f"{source}: 1 fault(s)\n  kind: {_hint(str(kind), KINDS)} (given: {kind!r})")
    try:
        return KINDS[kind].model_validate(raw)
    except ValidationError as error:
        faults = [_sentence(fault, KINDS[kind]) for fault in error.errors()]
        raise ConfigError("\n".join([f"{source}: {len(faults)} fault(s)", *(f"  {f}" for f in faults)])) from None


def _apply(raw: dict, override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override!r}: write it as dotted.key=VALUE, for example lipids.line_tension_pN=1.2")
    *path, last = key.strip().split(".")
    target: Any = raw
    for part in path:
        target = target.setdefault(part, {}) if isinstance(target, dict) else None
        if not isinstance(target, dict):
            raise ConfigError(f"--set {override!r}: {part!r} is a value, not a section that could hold {last!r}")
    try:
        target[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override!r}: {value!r} is not a YAML value") from None


def _hint(given: str, known) -> str:
    near = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(known))}"


def _sentence(fault: dict, config: type[RunConfig]) -> str:
    path = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{path}: unknown key; {_hint(str(fault['loc'][-1]), _section_at(config, fault['loc'][:-1]))}"
    if fault["type"] == "missing":
        return f"{path}: required, but missing"
    given = fault["input"]
    shown = f" (given: {given!r})" if not isinstance(given, dict) else ""
    message = fault["msg"].removeprefix("Value error, ")
    return f"{path}: {message}{shown}" if path else message


def _section_at(config: type[RunConfig], location) -> list[str]:
    section: Any = config
    for part in location:
        field = section.model_fields.get(part) if isinstance(section, type) and issubclass(section, BaseModel) else None
        if field is None:
            return []
        section = field.annotation
        if isinstance(section, types.UnionType) or typing.get_origin(section) is typing.Union:
            section = next(a for a in typing.get_args(section) if a is not type(None))
    return list(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else []
