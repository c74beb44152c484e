"""The configuration of a sweep: a base, and what varies from member to member."""

import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from membrane.config.sections import Name, Number, Section, Whole
from membrane.config.text import Inconsistent, cut

OWN = ("name", "seed")
"""Keys of a member that the sweep itself gives."""

MOST_MEMBERS = 1_000_000
"""Points times replicas of one sweep."""

MOST_SAMPLED = 10_000_000
"""Samples times ranges of one design: all are held in memory."""


class RangeConfig(Section):
    """From ``low`` to ``high``, evenly in the value or in its logarithm."""

    low: Number
    high: Number
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

    samples: Annotated[Whole, Field(ge=2, le=MOST_MEMBERS)]
    ranges: Annotated[dict[str, RangeConfig], Field(min_length=1)]

    @model_validator(mode="after")
    def _countable(self):
        if self.samples * len(self.ranges) > MOST_SAMPLED:
            raise ValueError(
                f"samples {self.samples} of {len(self.ranges)} ranges are more than {MOST_SAMPLED} numbers: take fewer"
            )
        return self


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

    @property
    def keys(self) -> list[str]:
        """All that varies, a key as often as it is given."""
        sampled = [s.ranges for s in (self.latin_hypercube, self.sobol) if s is not None]
        return [key for section in (self.grid, *self.points[:1], *sampled) for key in section]

    @property
    def sizes(self) -> list[int]:
        """How many points each section has, a grid one by key; their product is the number of all points."""
        sampled = [s.samples for s in (self.latin_hypercube, self.sobol) if s is not None]
        return [*map(len, self.grid.values()), *([len(self.points)] if self.points else []), *sampled]

    @model_validator(mode="after")
    def _consistent(self):
        keys, faults = self.keys, []
        faults += [f"{cut(key)} is varied twice" for key in sorted({key for key in keys if keys.count(key) > 1})]
        faults += [f"{cut(inner)} is varied, and so is {cut(outer)}, which holds it" for outer, inner in nested(keys)]
        faults += [f"{key} is given by the sweep: see seed and replicas" for key in OWN if key in keys]
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
    """A sweep: ``replicas`` runs, each with a seed of its own, of every point of ``vary``."""

    name: Name
    base: str = Field(description="configuration of a run, beside this file; ~ is the home folder")
    set: dict[str, Any] = Field(default={}, description="dotted keys of the base that are other in all members")
    vary: VaryConfig
    replicas: Annotated[Whole, Field(ge=1, le=MOST_MEMBERS)] = 1
    seed: Annotated[Whole, Field(ge=0, lt=2**31)] = 0

    @property
    def members(self) -> int:
        """How many runs there are, known before any is made."""
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
    """Pairs (outer, inner) of dotted keys of which the outer is a section that holds the inner."""
    keys = dict.fromkeys(keys)
    pairs = []
    for key in keys:
        parts = key.split(".")
        outer = (".".join(parts[:count]) for count in range(1, len(parts)))
        pairs += [(start, key) for start in outer if start in keys]
    return pairs


def _leaves(values: dict[str, Any], prefix: str = "") -> Iterable[str]:
    """The dotted keys of all values, those of sections given whole included."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"
