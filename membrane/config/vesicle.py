"""The configuration of a closed endosome in three dimensions."""

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from membrane.config.provenance import NO_SOURCE, NUMERICAL, Provenance
from membrane.config.sections import (
    CargoConfig,
    CeramideConfig,
    GaussianContrast,
    Number,
    Order,
    OutputConfig,
    PhasesConfig,
    Positive,
    RigidityConfig,
    RunConfig,
    Section,
    Whole,
)
from membrane.config.text import Inconsistent
from membrane.config.times import count_faults, time_faults

MOST_POINTS = 2**30
"""1024^3: one field of them takes 4 GiB."""


class ShapeConfig(Section):
    """The membrane at the start: a sphere, or a spheroid of its area and less volume, about the z axis, or a slab of
    lumen between two planes across it, which are booked as one vesicle."""

    kind: Annotated[Literal["sphere", "prolate", "oblate", "slab"], NUMERICAL]
    diameter_nm: Annotated[Positive | None, Provenance((200.0, 1000.0), "endosomes (MVBs) of 400 nm", "unverified")] = (
        Field(default=None, description="of the sphere of the same area; not of a slab")
    )
    thickness_nm: Annotated[Positive | None, NUMERICAL] = Field(
        default=None, description="of a slab: from plane to plane"
    )
    reduced_volume: Annotated[Annotated[Number, Field(ge=0.4, lt=1)] | None, NO_SOURCE] = Field(
        default=None, description="of a spheroid: volume over that of the sphere of its area"
    )

    @model_validator(mode="after")
    def _consistent(self):
        wanted = {"sphere": ["diameter_nm"], "slab": ["thickness_nm"]}.get(self.kind, ["diameter_nm", "reduced_volume"])
        ranges = {"diameter_nm": "", "thickness_nm": "", "reduced_volume": ", 0.4 to below 1"}
        for key, allowed in ranges.items():
            if (key in wanted) != (getattr(self, key) is not None):
                remedy = f"give {key}{allowed}" if key in wanted else f"leave {key} out"
                raise ValueError(f"the {self.kind} of kind and {key} do not fit: {remedy}")
        return self


class VesicleGeometry(Section):
    """The box and the closed membrane in it."""

    box_nm: Annotated[tuple[Positive, Positive, Positive], NUMERICAL] = Field(description="side lengths (x, y, z)")
    spacing_nm: Annotated[Positive, NUMERICAL] = Field(
        description="grid spacing asked for; the sides are divided into the nearest whole number"
    )
    shape: ShapeConfig

    @property
    def points(self) -> tuple[int, ...]:
        """Number of grid points (x, y, z)."""
        return tuple(round(side / self.spacing_nm) for side in self.box_nm)

    @property
    def area(self) -> float:
        """Of the membrane, nm^2."""
        if self.shape.kind == "slab":
            return 2 * self.box_nm[0] * self.box_nm[1]
        return math.pi * self.shape.diameter_nm**2


class CapConfig(Section):
    """One Lo domain about the +z pole of a membrane of Ld, or on the upper plane of a slab; its size by diameter or by
    area."""

    closed_diameter_nm: Annotated[Positive | None, NO_SOURCE] = Field(
        default=None, description="L of the vesicle it closes into: pi L^2"
    )
    area_nm2: Annotated[Positive | None, NO_SOURCE] = None

    @model_validator(mode="after")
    def _consistent(self):
        if (self.closed_diameter_nm is None) == (self.area_nm2 is None):
            raise ValueError("give the size of the cap once: closed_diameter_nm or area_nm2")
        return self

    @property
    def given(self) -> str:
        """The key that its size was given by."""
        return f"composition.cap.{'closed_diameter_nm' if self.area_nm2 is None else 'area_nm2'}"

    @property
    def area(self) -> float:
        """nm^2."""
        return math.pi * self.closed_diameter_nm**2 if self.area_nm2 is None else self.area_nm2


class QuenchConfig(Section):
    """A mixed membrane: everywhere the mean order, and white noise from the seed."""

    mean_order: Annotated[Order, Provenance((-1.0, 1.0), "-0.4: Lo share 0.3; for endosomes unknown", "unverified")] = (
        Field(description="mean of phi, +1 all Lo, -1 all Ld")
    )
    noise: Annotated[Number, Field(gt=0, le=0.5), NUMERICAL] = Field(
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

    modulus_kPa: Annotated[Positive, NO_SOURCE]
    rest_volume_ratio: Annotated[Positive, NO_SOURCE] = Field(
        default=1.0, description="V0 over the volume at the start"
    )


class VesicleMembraneConfig(RigidityConfig):
    """Elasticity of the closed membrane."""

    interface_width_nm: Annotated[Positive, NUMERICAL] = Field(
        description="eps: psi = tanh(d/(sqrt2 eps)), d from the mid-plane"
    )
    spontaneous_curvature_ld_per_nm: Annotated[Number, NO_SOURCE] = Field(
        default=0.0, description="c0, positive buds into the lumen"
    )
    spontaneous_curvature_lo_per_nm: Annotated[Number, NO_SOURCE]
    gaussian_modulus_contrast_kBT: GaussianContrast = Field(default=0.0, description="kappa_G,Lo - kappa_G,Ld")
    area_modulus_mN_per_m: Annotated[Positive, Provenance(None, "-", "unverified")] = Field(
        default=240.0, description="stretching of the membrane"
    )
    osmosis: OsmosisConfig | None = Field(default=None, description="none: the volume is free")


class VesicleNumericsConfig(Section):
    """Accuracy: a round is a number of steps of the shape, or its motion in the fluid for the time of a round, then
    lipids move for one step in time."""

    precision: Annotated[Literal["float32", "float64"], NUMERICAL] = "float32"
    devices: Annotated[Whole, Field(ge=1, le=1024), NUMERICAL] = Field(
        default=1, description="the box is cut along z in slabs for so many devices"
    )
    transport_step_us: Annotated[Positive, NUMERICAL] = Field(default=4.0, description="time of a round")
    mobility: Annotated[Literal["sobolev", "stokes"], NUMERICAL] = Field(
        default="sobolev", description="sobolev: the shape has no clock; stokes: it moves with the fluid, in time"
    )
    viscosity_mPa_s: Annotated[Positive | None, Provenance(None, "water: 0.7", "unverified")] = Field(
        default=None, description="of lumen and cytosol; of stokes only"
    )
    shape_steps: Annotated[Whole, Field(ge=1, le=10_000), NUMERICAL] = Field(
        default=10, description="steps of the shape a round; of sobolev only"
    )
    look_rounds: Annotated[Whole, Field(ge=1, le=1000), NUMERICAL] = Field(
        default=2, description="rounds between looks for fission"
    )
    smoothing_length_nm: Annotated[Positive | None, NUMERICAL] = Field(
        default=None, description="of the velocity; none: three eps; of sobolev only"
    )
    mending: Annotated[Positive | None, NUMERICAL] = Field(
        default=None, description="pace of the profile, and of fission, over that of the shape; none: 8, stokes 1.5"
    )
    inertia: Annotated[Number, Field(ge=0, lt=1), NUMERICAL] = Field(default=0.9, description="of sobolev only")
    max_courant: Annotated[Number, Field(gt=0, le=0.5), NUMERICAL] = Field(
        default=0.3, description="largest displacement of a step in spacings"
    )
    max_area_strain: Annotated[Positive, NUMERICAL] = Field(
        default=5e-4, description="the most that a step may add to the strain of an area"
    )

    @model_validator(mode="after")
    def _consistent(self):
        if (self.mobility == "stokes") != (self.viscosity_mPa_s is not None):
            remedy = "give viscosity_mPa_s, 0.7 for water" if self.mobility == "stokes" else "leave viscosity_mPa_s out"
            raise ValueError(f"mobility {self.mobility} and viscosity_mPa_s do not fit: {remedy}")
        if self.mobility == "stokes" and self.smoothing_length_nm is not None:
            raise ValueError("mobility stokes has no smoothing_length_nm: leave it out")
        return self


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
        points = math.prod(side / geometry.spacing_nm for side in geometry.box_nm)
        if points > MOST_POINTS:
            # So many that their number may be no number of a computer: nothing else is asked of them.
            raise ValueError(
                f"geometry.box_nm {list(geometry.box_nm)} holds {points:.3g} cubes of geometry.spacing_nm "
                f"{geometry.spacing_nm:g}; {MOST_POINTS:.3g} are the most: take a coarser grid or a smaller box"
            )
        if min(geometry.points) < 16:
            faults.append(
                f"geometry.box_nm {list(geometry.box_nm)} must span at least 16 spacings "
                f"(geometry.spacing_nm) of {geometry.spacing_nm:g} nm"
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
        along, devices = geometry.points[:0:-1], self.numerics.devices
        if any(n % devices for n in along):
            possible = [str(n) for n in range(1, min(along) + 1) if not any(m % n for m in along)]
            faults.append(
                f"numerics.devices {devices} must divide the points along z and y, {along[0]} and {along[1]}: "
                f"give {', '.join(possible)}, or another geometry.box_nm or spacing_nm"
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
            room = geometry.area
            if geometry.shape.kind == "slab":
                room = math.pi / 4 * min(geometry.box_nm[:2]) ** 2
            if self.composition.cap.area >= room:
                size = "geometry.box_nm" if geometry.shape.kind == "slab" else "geometry.shape.diameter_nm"
                what = "largest disc of the plane" if geometry.shape.kind == "slab" else "membrane"
                faults.append(
                    f"composition.cap of {self.composition.cap.area:.5g} nm2 ({self.composition.cap.given}) must be "
                    f"smaller than the {what} of "
                    f"geometry.shape ({size}), {room:.5g} nm2"
                )
        step_us, output = self.numerics.transport_step_us, self.output
        times = {"duration_s": (self.duration_s, self.duration_s)}
        times |= {f"output.{name}": (value, value * 1e-3) for name, value in output if name.endswith("_ms")}
        faults += time_faults(times, "numerics.transport_step_us", step_us, step_us * 1e-6)
        if not faults:
            faults += count_faults(self, step_us * 1e-6, points)
        if faults:
            raise Inconsistent(faults)
        return self
