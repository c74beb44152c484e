"""The configuration of a sweep: a base configuration, and what varies from member to member."""

import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from membrane.config.sections import Name, Number, Section, Whole
from membrane.config.text import Inconsistent, cut

GIVEN_BY_SWEEP = ("name", "seed")
"""Keys to which the sweep gives a value in every member, so that they cannot be varied."""

MOST_MEMBERS = 1_000_000
"""Members (points times replicas) of one sweep."""

MOST_SAMPLED = 10_000_000
"""Numbers (samples times ranges) of one design, which are all held in memory."""


class RangeConfig(Section):
    """A range of values, from ``low`` to ``high``."""

    low: Number = Field(description="least value")
    high: Number = Field(description="largest value")
    scale: Literal["linear", "log"] = Field(
        default="linear", description="whether values are spread evenly, or their logarithms"
    )

    @model_validator(mode="after")
    def _consistent(self):
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} must lie below high {self.high:g}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"low {self.low:g} must be positive where scale is log")
        return self


class SamplesConfig(Section):
    """A number of points that fill the box of several ranges evenly."""

    samples: Annotated[Whole, Field(ge=2, le=MOST_MEMBERS)] = Field(description="number of points")
    ranges: Annotated[dict[str, RangeConfig], Field(min_length=1)] = Field(
        description="a range for each dotted key that varies"
    )

    @model_validator(mode="after")
    def _countable(self):
        if self.samples * len(self.ranges) > MOST_SAMPLED:
            raise ValueError(
                f"samples {self.samples} of {len(self.ranges)} ranges are more than {MOST_SAMPLED} numbers: take fewer"
            )
        return self


class SobolConfig(SamplesConfig):
    """Points of a scrambled Sobol sequence. It is balanced only where their number is a power of two."""

    @model_validator(mode="after")
    def _consistent(self):
        if self.samples & (self.samples - 1):
            below = 2 ** (self.samples.bit_length() - 1)
            raise ValueError(f"samples {self.samples} must be a power of two, such as {below} or {2 * below}")
        return self


class VaryConfig(Section):
    """Dotted keys of the base and their values. The points of several sections are combined in every way."""

    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        default={}, description="a list of values for each dotted key; every combination is a point"
    )
    points: list[dict[str, Any]] = Field(
        default=[], description="a list of points, each with a value for the same dotted keys"
    )
    latin_hypercube: SamplesConfig | None = Field(
        default=None, description="points of a Latin hypercube in the box of all ranges"
    )
    sobol: SobolConfig | None = Field(
        default=None, description="points of a scrambled Sobol sequence in the box of all ranges"
    )

    @property
    def keys(self) -> list[str]:
        """The dotted keys that vary, each as often as it is given."""
        sampled = [s.ranges for s in (self.latin_hypercube, self.sobol) if s is not None]
        return [key for section in (self.grid, *self.points[:1], *sampled) for key in section]

    @property
    def sizes(self) -> list[int]:
        """The number of points of each section, of a grid for each key; their product is the number of all points."""
        sampled = [s.samples for s in (self.latin_hypercube, self.sobol) if s is not None]
        return [*map(len, self.grid.values()), *([len(self.points)] if self.points else []), *sampled]

    @model_validator(mode="after")
    def _consistent(self):
        keys, faults = self.keys, []
        faults += [f"{cut(key)} is varied twice" for key in sorted({key for key in keys if keys.count(key) > 1})]
        faults += [f"{cut(inner)} is varied, and so is {cut(outer)}, which holds it" for outer, inner in nested(keys)]
        faults += [f"{key} is given by the sweep: see seed and replicas" for key in GIVEN_BY_SWEEP if key in keys]
        for number, point in enumerate(self.points):
            if point.keys() != self.points[0].keys():
                first = cut(", ".join(self.points[0]))
                faults.append(f"points.{number} must have the keys of points.0: {first}")
                if len(faults) > 20:
                    break
        if not keys:
            faults.append("nothing varies: give one of grid, points, latin_hypercube, sobol")
        if faults:
            raise Inconsistent(faults)
        return self


class SweepConfig(Section):
    """A sweep: several runs (replicas) of every point of what varies, each run with its own seed."""

    name: Name = Field(description="name of the sweep; its members are kept in runs/<name>/")
    base: str = Field(description="file of the base configuration, beside this file; ~ is the home folder")
    set: dict[str, Any] = Field(
        default={}, description="dotted keys of the base that have another value in all members"
    )
    vary: VaryConfig = Field(description="what varies from member to member")
    replicas: Annotated[Whole, Field(ge=1, le=MOST_MEMBERS)] = Field(
        default=1, description="runs of every point, each with a seed of its own"
    )
    seed: Annotated[Whole, Field(ge=0, lt=2**31)] = Field(
        default=0, description="seed of the designs and of the members' seeds"
    )

    @property
    def members(self) -> int:
        """The number of runs."""
        return math.prod(self.vary.sizes) * self.replicas

    @model_validator(mode="after")
    def _consistent(self):
        faults = []
        if self.members > MOST_MEMBERS:
            points = self.members // self.replicas
            faults.append(
                f"{points:.6g} points of vary with replicas {self.replicas} are {self.members:.6g} members; "
                f"{MOST_MEMBERS} are the most: take fewer values, samples or replicas"
            )
        faults += [
            f"set: {cut(inner)} is given, and so is {cut(outer)}, which holds it" for outer, inner in nested(self.set)
        ]
        given, varied = list(_leaves(self.set)), set(self.vary.keys)
        faults += [f"{cut(key)} is given by set and by vary: one would be lost" for key in sorted(varied & set(given))]
        for outer, inner in nested([*given, *varied]):
            if (outer in varied) != (inner in varied):
                faults.append(f"{cut(outer)} and {cut(inner)} are given by set and by vary: one would be lost")
        if faults:
            raise Inconsistent(faults)
        return self


def nested(keys: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs (outer, inner) of dotted keys in which the outer one is a section that holds the inner one.

    >>> nested(["lipids", "lipids.line_tension_pN"])
    [('lipids', 'lipids.line_tension_pN')]
    """
    keys = dict.fromkeys(keys)
    pairs = []
    for key in keys:
        parts = key.split(".")
        outer = (".".join(parts[:count]) for count in range(1, len(parts)))
        pairs += [(start, key) for start in outer if start in keys]
    return pairs


def _leaves(values: dict[str, Any], prefix: str = "") -> Iterable[str]:
    """The dotted keys of all values, also of sections that are given as a whole."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"
