"""The configuration of a sweep: a base, and what varies from member to member."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from membrane.config.sections import Finite, Section

OWN = ("name", "seed")
"""Keys of a member that the sweep itself gives."""


class RangeConfig(Section):
    """From ``low`` to ``high``, evenly in the value or in its logarithm."""

    low: Finite
    high: Finite
    scale: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _consistent(self):
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} must lie below high {self.high:g}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"low {self.low:g} must be positive where scale is log")
        return self


class SamplesConfig(Section):
    """A number of points that fill the box of all ranges."""

    samples: Annotated[int, Field(ge=2, le=1_000_000)]
    ranges: Annotated[dict[str, RangeConfig], Field(min_length=1)]


class SobolConfig(SamplesConfig):
    """Points of a scrambled Sobol sequence; balanced only where their number is a power of two."""

    @model_validator(mode="after")
    def _consistent(self):
        if self.samples & (self.samples - 1):
            below = 2 ** (self.samples.bit_length() - 1)
            raise ValueError(f"samples {self.samples} must be a power of two, such as {below} or {2 * below}")
        return self


class VaryConfig(Section):
    """Dotted keys of the base and their values. Where several sections are given, every combination is a point."""

    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default={}, description="every combination")
    points: list[dict[str, Any]] = Field(default=[], description="points as they are, all with the same keys")
    latin_hypercube: SamplesConfig | None = None
    sobol: SobolConfig | None = None

    @model_validator(mode="after")
    def _consistent(self):
        sampled = [s.ranges for s in (self.latin_hypercube, self.sobol) if s is not None]
        sections = [self.grid, self.points[0] if self.points else {}, *sampled]
        keys, faults = [key for section in sections for key in section], []
        faults += [f"{key} is varied twice" for key in sorted({key for key in keys if keys.count(key) > 1})]
        faults += [f"{key} is given by the sweep: see seed and replicas" for key in OWN if key in keys]
        for number, point in enumerate(self.points):
            if point.keys() != self.points[0].keys():
                faults.append(f"points.{number} must have the keys of points.0: {', '.join(self.points[0])}")
        if not keys:
            faults.append("nothing varies: give one of grid, points, latin_hypercube, sobol")
        if faults:
            raise ValueError("; ".join(faults))
        return self


class SweepConfig(Section):
    """A sweep: ``replicas`` runs, each with a seed of its own, of every point of ``vary``."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    base: str = Field(description="configuration of a run, beside this file")
    set: dict[str, Any] = Field(default={}, description="dotted keys of the base that are other in all members")
    vary: VaryConfig
    replicas: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
