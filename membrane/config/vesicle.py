"""The configuration of a vesicle: a closed endosome in three dimensions."""

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from membrane.config.provenance import NO_SOURCE, NUMERICAL, Provenance
from membrane.config.sections import (
    CargoConfig,
    CeramideConfig,
    EndosomeConfig,
    GaussianContrast,
    Number,
    Order,
    OutputConfig,
    PhasesConfig,
    Positive,
    ReserveConfig,
    RigidityConfig,
    RunConfig,
    Section,
    Whole,
)
from membrane.config.text import Inconsistent
from membrane.config.times import count_faults, time_faults

MOST_POINTS = 2**30
"""Grid points of a box, 1024^3. One field then takes 4 GiB."""

GAP = 4.0
"""What must lie between the rims of two domains at the start, in widths of their walls. Half-way phi is then -0.89."""


class ShapeConfig(Section):
    """The shape of the membrane at the start, about the z axis.

    It is a sphere, a spheroid (prolate or oblate), which has less volume than the sphere of its area, or a slab of
    lumen between two planes across the z axis. Both planes together count as one vesicle.
    """

    kind: Annotated[Literal["sphere", "prolate", "oblate", "slab"], NUMERICAL] = Field(
        description="shape of the membrane at the start"
    )
    diameter_nm: Annotated[Positive | None, Provenance((200.0, 1000.0), "endosomes (MVBs) of 400 nm", "unverified")] = (
        Field(default=None, description="diameter of the sphere of the same area; not of a slab")
    )
    thickness_nm: Annotated[Positive | None, NUMERICAL] = Field(
        default=None, description="distance between the two planes of a slab"
    )
    reduced_volume: Annotated[Annotated[Number, Field(ge=0.4, lt=1)] | None, NO_SOURCE] = Field(
        default=None, description="volume of a spheroid over that of the sphere of its area"
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

    box_nm: Annotated[tuple[Positive, Positive, Positive], NUMERICAL] = Field(
        description="side lengths (x, y, z) of the periodic box"
    )
    spacing_nm: Annotated[Positive, NUMERICAL] = Field(
        description="wanted grid spacing; each side is divided into the nearest whole number of spacings"
    )
    shape: ShapeConfig

    @property
    def points(self) -> tuple[int, ...]:
        """Number of grid points (x, y, z)."""
        return tuple(round(side / self.spacing_nm) for side in self.box_nm)

    @property
    def area(self) -> float:
        """Area of the membrane, nm^2."""
        if self.shape.kind == "slab":
            return 2 * self.box_nm[0] * self.box_nm[1]
        return math.pi * self.shape.diameter_nm**2


class CapConfig(Section):
    """One Lo domain about the +z pole of a membrane of Ld, or on the upper plane of a slab.

    Its size is given once: by the area, or by the diameter of the vesicle into which it closes.
    """

    closed_diameter_nm: Annotated[Positive | None, NO_SOURCE] = Field(
        default=None, description="diameter L of the vesicle into which the domain closes; its area is pi L^2"
    )
    area_nm2: Annotated[Positive | None, NO_SOURCE] = Field(default=None, description="area of the domain")

    @model_validator(mode="after")
    def _consistent(self):
        if (self.closed_diameter_nm is None) == (self.area_nm2 is None):
            raise ValueError("give the size of the cap once: closed_diameter_nm or area_nm2")
        return self

    @property
    def given(self) -> str:
        """The dotted key by which the size was given."""
        return f"composition.cap.{'closed_diameter_nm' if self.area_nm2 is None else 'area_nm2'}"

    @property
    def area(self) -> float:
        """Area of the domain, nm^2."""
        return math.pi * self.closed_diameter_nm**2 if self.area_nm2 is None else self.area_nm2


class PlacedCapConfig(Section):
    """One of several Lo domains on a sphere of Ld, with its place."""

    closed_diameter_nm: Annotated[Positive, NO_SOURCE] = Field(
        description="diameter L of the vesicle into which the domain closes; its area is pi L^2"
    )
    polar_deg: Annotated[Number, Field(ge=0, le=180), NO_SOURCE] = Field(
        description="angle of the middle of the domain from the z axis"
    )
    azimuth_deg: Annotated[Number, Field(ge=-360, le=360), NO_SOURCE] = Field(
        default=0.0, description="angle about the z axis, from x to y"
    )

    @property
    def area(self) -> float:
        """Area of the domain, nm^2."""
        return math.pi * self.closed_diameter_nm**2

    @property
    def direction(self) -> tuple[float, float, float]:
        """Unit vector (z, y, x) from the middle of the sphere to that of the domain."""
        polar, azimuth = math.radians(self.polar_deg), math.radians(self.azimuth_deg)
        return math.cos(polar), math.sin(polar) * math.sin(azimuth), math.sin(polar) * math.cos(azimuth)

    def half_angle(self, radius: float) -> float:
        """Angle between the middle and the rim on a sphere of ``radius`` (nm), in rad. The domain must fit there."""
        return math.acos(1 - self.area / (2 * math.pi * radius**2))


class QuenchConfig(Section):
    """A mixed membrane: the mean order everywhere, and white noise that the seed decides."""

    mean_order: Annotated[Order, Provenance((-1.0, 1.0), "-0.4: Lo share 0.3; for endosomes unknown", "unverified")] = (
        Field(description="mean of the order parameter phi: 1 is all Lo, -1 is all Ld")
    )
    noise: Annotated[Number, Field(gt=0, le=0.5), NUMERICAL] = Field(
        default=0.1, description="standard deviation of phi at a grid point"
    )


class CompositionConfig(Section):
    """Where Lo is at the start. One of the three is given."""

    cap: CapConfig | None = None
    caps: Annotated[tuple[PlacedCapConfig, ...] | None, NO_SOURCE] = Field(
        default=None,
        min_length=1,
        description="several domains on a sphere, a list: closed_diameter_nm (L), polar_deg (from +z) and azimuth_deg "
        "(about z, from x; none: 0) of each",
    )
    quench: QuenchConfig | None = None

    @model_validator(mode="after")
    def _consistent(self):
        if [self.cap, self.caps, self.quench].count(None) != 2:
            raise ValueError("give one of cap, caps and quench")
        return self


class OsmosisConfig(Section):
    """The energy of a lumen of volume V, (modulus/2) (V - V0)^2/V0. Without this section the volume is free."""

    modulus_kPa: Annotated[Positive, NO_SOURCE] = Field(description="stiffness of the lumen's volume")
    rest_volume_ratio: Annotated[Positive, NO_SOURCE] = Field(
        default=1.0, description="V0 over the volume at the start"
    )


class VesicleMembraneConfig(RigidityConfig):
    """Elasticity of the closed membrane."""

    interface_width_nm: Annotated[Positive, NUMERICAL] = Field(
        description="eps, width of the membrane's phase field: psi = tanh(d/(sqrt2 eps)) at distance d"
    )
    spontaneous_curvature_ld_per_nm: Annotated[Number, NO_SOURCE] = Field(
        default=0.0, description="spontaneous curvature c0 of Ld; positive buds into the lumen"
    )
    spontaneous_curvature_lo_per_nm: Annotated[Number, NO_SOURCE] = Field(
        description="spontaneous curvature c0 of Lo; positive buds into the lumen"
    )
    gaussian_modulus_contrast_kBT: GaussianContrast = Field(
        default=0.0, description="kappa_G of Lo minus kappa_G of Ld"
    )
    tension_uN_per_m: Annotated[
        Positive | None,
        Provenance(
            (0.1, 100.0),
            "**unknown**; no absolute value of an endosome found. Neighbours: Golgi about 5, ER about 13 (Upadhyaya & "
            "Sheetz 2004 Biophys J 86:2923)",
            "unverified",
        ),
    ] = Field(
        default=None,
        description="tension at rest, at which a reserve gives area to the limiting membrane; none: its area is given",
    )
    osmosis: OsmosisConfig | None = None


class VesicleNumericsConfig(Section):
    """Accuracy of the computation, which goes on in rounds.

    In a round the shape makes a number of steps, or it moves with the fluid for the time of the round; then lipids and
    cargo move for that time.
    """

    precision: Annotated[Literal["float32", "float64"], NUMERICAL] = Field(
        default="float32", description="floating-point type of the fields"
    )
    devices: Annotated[Whole, Field(ge=1, le=1024), NUMERICAL] = Field(
        default=1, description="number of devices; the box is cut along z into as many slabs"
    )
    transport_step_us: Annotated[Positive, NUMERICAL] = Field(default=4.0, description="simulated time of a round")
    mobility: Annotated[Literal["sobolev", "stokes"], NUMERICAL] = Field(
        default="sobolev",
        description="sobolev: the shape descends in energy without a clock; stokes: it moves with the fluid, in time",
    )
    viscosity_mPa_s: Annotated[Positive | None, Provenance(None, "water: 0.7", "unverified")] = Field(
        default=None, description="viscosity of lumen and cytosol; of stokes only"
    )
    shape_steps: Annotated[Whole, Field(ge=1, le=10_000), NUMERICAL] = Field(
        default=10, description="steps of the shape in a round, at least; of sobolev only"
    )
    rest_descent_pN_nm: Annotated[Positive | None, NUMERICAL] = Field(
        default=None,
        description="a round goes on until F falls more slowly than this (descent_pN_nm of the series), or until "
        "most_shape_steps; none: each round has shape_steps; of sobolev only",
    )
    most_shape_steps: Annotated[Whole, Field(ge=1, le=100_000), NUMERICAL] = Field(
        default=200,
        description="largest number of steps of a round, or of its parts where it is done in parts, with "
        "rest_descent_pN_nm",
    )
    look_rounds: Annotated[Whole, Field(ge=1, le=1000), NUMERICAL] = Field(
        default=2, description="rounds between looks for fission"
    )
    smoothing_length_nm: Annotated[Positive | None, NUMERICAL] = Field(
        default=None, description="length over which the velocity is smoothed; none: three eps; of sobolev only"
    )
    mending: Annotated[Positive | None, NUMERICAL] = Field(
        default=None,
        description="how much faster than the shape the profile of psi recovers, and fission goes; none: 8, stokes 1.5",
    )
    inertia: Annotated[Number, Field(ge=0, lt=1), NUMERICAL] = Field(
        default=0.9, description="share of a step's velocity that the next step keeps; of sobolev only"
    )
    max_courant: Annotated[Number, Field(gt=0, le=0.5), NUMERICAL] = Field(
        default=0.3, description="largest displacement of the membrane in a step, in grid spacings"
    )
    max_area_strain: Annotated[Positive, NUMERICAL] = Field(
        default=5e-4, description="largest strain of an area that a step may add"
    )

    @model_validator(mode="after")
    def _consistent(self):
        if (self.mobility == "stokes") != (self.viscosity_mPa_s is not None):
            remedy = "give viscosity_mPa_s, 0.7 for water" if self.mobility == "stokes" else "leave viscosity_mPa_s out"
            raise ValueError(f"mobility {self.mobility} and viscosity_mPa_s do not fit: {remedy}")
        for name in ("smoothing_length_nm", "rest_descent_pN_nm"):
            if self.mobility == "stokes" and getattr(self, name) is not None:
                raise ValueError(f"mobility stokes has no {name}: leave it out")
        if self.rest_descent_pN_nm is not None and self.most_shape_steps < self.shape_steps:
            raise ValueError(
                f"most_shape_steps {self.most_shape_steps} is below shape_steps {self.shape_steps}: give more"
            )
        return self


class VesicleConfig(RunConfig):
    """A run of a closed endosome in three dimensions whose membrane is a phase field."""

    kind: Literal["vesicle"] = Field(description="geometry of the run")
    geometry: VesicleGeometry
    composition: CompositionConfig
    lipids: PhasesConfig
    membrane: VesicleMembraneConfig
    ceramide: CeramideConfig | None = None
    cargo: CargoConfig | None = None
    endosome: EndosomeConfig = EndosomeConfig()
    supply: ReserveConfig | None = None
    numerics: VesicleNumericsConfig = VesicleNumericsConfig()
    output: OutputConfig

    @model_validator(mode="after")
    def _consistent(self):
        geometry, step_us, output = self.geometry, self.numerics.transport_step_us, self.output
        points = math.prod(side / geometry.spacing_nm for side in geometry.box_nm)
        if points > MOST_POINTS:
            # Nothing else is checked: so large a number of points may be beyond the numbers of a computer.
            raise ValueError(
                f"geometry.box_nm {list(geometry.box_nm)} holds {points:.3g} cubes of geometry.spacing_nm "
                f"{geometry.spacing_nm:g}; {MOST_POINTS:.3g} are the most: take a coarser grid or a smaller box"
            )
        checks = (self._grid_faults, self._device_faults, self._contrast_faults)
        checks += (self._cap_faults, self._caps_faults, self._tension_faults)
        faults = [fault for check in checks for fault in check()]
        times = {"duration_s": (self.duration_s, self.duration_s)}
        times |= {f"output.{name}": (value, value * 1e-3) for name, value in output if name.endswith("_ms")}
        faults += time_faults(times, "numerics.transport_step_us", step_us, step_us * 1e-6)
        if not faults:
            faults += count_faults(self, step_us * 1e-6, points)
        if faults:
            raise Inconsistent(faults)
        return self

    def _grid_faults(self) -> list[str]:
        """The box is at least 16 spacings wide, and both interfaces are resolved."""
        geometry, eps = self.geometry, self.membrane.interface_width_nm
        if min(geometry.points) < 16:
            return [
                f"geometry.box_nm {list(geometry.box_nm)} must span at least 16 spacings "
                f"(geometry.spacing_nm) of {geometry.spacing_nm:g} nm"
            ]
        faults = []
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
        return faults

    def _device_faults(self) -> list[str]:
        """The devices divide the points along z, and those along y, which a transform cuts in its turn."""
        along, devices = self.geometry.points[:0:-1], self.numerics.devices
        if not any(n % devices for n in along):
            return []
        possible = [str(n) for n in range(1, min(along) + 1) if not any(m % n for m in along)]
        return [
            f"numerics.devices {devices} must divide the points along z and y, {along[0]} and {along[1]}: "
            f"give {', '.join(possible)}, or another geometry.box_nm or spacing_nm"
        ]

    def _contrast_faults(self) -> list[str]:
        """A large kappa_G contrast would crumple the phase whose kappa_G is the lower one."""
        contrast = self.membrane.gaussian_modulus_contrast_kBT
        phase = "lo" if contrast < 0 else "ld"
        kappa = getattr(self.membrane, f"bending_rigidity_{phase}_kBT")
        if abs(contrast) <= 1.5 * kappa:
            return []
        return [
            f"membrane.gaussian_modulus_contrast_kBT {contrast:g} would crumple the membrane: it may be at most "
            f"1.5 membrane.bending_rigidity_{phase}_kBT, {1.5 * kappa:g}, in size"
        ]

    def _cap_faults(self) -> list[str]:
        """The domain of Lo fits into the membrane, or into the plane of a slab."""
        cap, room, size, what = self.composition.cap, self.geometry.area, "geometry.shape.diameter_nm", "membrane"
        if self.geometry.shape.kind == "slab":
            room, size = math.pi / 4 * min(self.geometry.box_nm[:2]) ** 2, "geometry.box_nm"
            what = "largest disc of the plane"
        if cap is None or cap.area < room:
            return []
        return [
            f"composition.cap of {cap.area:.5g} nm2 ({cap.given}) must be smaller than the {what} of "
            f"geometry.shape ({size}), {room:.5g} nm2"
        ]

    def _caps_faults(self) -> list[str]:
        """Several domains lie on a sphere, fit into it, and leave room for their walls between each other."""
        caps, shape = self.composition.caps or (), self.geometry.shape
        if not caps:
            return []
        if shape.kind != "sphere":
            return [f"composition.caps lie on a sphere, but geometry.shape.kind is {shape.kind}: give composition.cap"]
        radius, gap, faults = shape.diameter_nm / 2, GAP * self.lipids.interface_width_nm, []
        if sum(cap.area for cap in caps) >= self.geometry.area:
            return [
                f"composition.caps have {sum(cap.area for cap in caps):.5g} nm2 together (pi L^2 each), which must be "
                f"less than the membrane of geometry.shape (geometry.shape.diameter_nm), {self.geometry.area:.5g} nm2"
            ]
        for i, first in enumerate(caps):
            for j, second in enumerate(caps[:i]):
                cosine = sum(a * b for a, b in zip(first.direction, second.direction, strict=True))
                apart = radius * math.acos(max(-1.0, min(1.0, cosine)))
                needed = radius * (first.half_angle(radius) + second.half_angle(radius)) + gap
                if apart < needed:
                    faults.append(
                        f"composition.caps: domains {j + 1} and {i + 1} overlap or nearly touch: along the sphere "
                        f"their middles are {apart:.4g} nm apart, and {needed:.4g} nm are needed (their radii and "
                        f"{GAP:g} lipids.interface_width_nm); change polar_deg or azimuth_deg, or closed_diameter_nm"
                    )
        return faults

    def _tension_faults(self) -> list[str]:
        """A reserve has a tension at rest, below lysis. With one the volume must be held: a closed membrane would
        shrink for ever. What regulates the volume needs a reserve that ends and a volume that can change."""
        section, fluid = self.membrane, self.numerics.mobility == "stokes"
        rest = section.tension_uN_per_m
        time, faults = self.endosome.volume_regulation_time_s, []
        if self.supply is not None and rest is None:
            faults.append("supply is a reserve of membrane: give membrane.tension_uN_per_m, its tension at rest")
        if rest is not None and section.osmosis is None and not fluid:
            faults.append(
                f"membrane.tension_uN_per_m {rest:g} with a free volume would make the endosome shrink to nothing: "
                "give membrane.osmosis.modulus_kPa, which holds the volume, or numerics.mobility stokes"
            )
        if self.supply is not None and rest is not None:
            faults += self.endosome.tension_faults(rest)
        if time is not None and (self.supply is None or section.osmosis is None or fluid):
            faults.append(
                f"endosome.volume_regulation_time_s {time:g} lets fluid leave once the reserve is spent: give "
                "supply.reserve_fraction, membrane.osmosis.modulus_kPa and numerics.mobility sobolev, or leave it out"
            )
        return faults
