"""From a sweep to its members: points of a grid, of a list or of a design that fills a box, and replicas of each."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import qmc

from membrane.config import Config, ConfigError, SweepConfig, changed, cut, load, load_sweep, shortened
from membrane.config.sweep import RangeConfig, SamplesConfig


class Points:
    """The points of a sweep, each made when it is asked for: a million of them would fill the memory."""

    def __init__(self, config: SweepConfig, base: Config):
        self.config, self.base = config, base
        self.first_seed = int(np.random.SeedSequence(config.seed).generate_state(1)[0])
        vary = config.vary
        self._axes = [[{key: value} for value in values] for key, values in vary.grid.items()]
        if vary.points:
            self._axes.append(vary.points)
        # Each design has a stream of its own; neither depends on the number of replicas.
        for stream, (kind, section) in enumerate(((qmc.LatinHypercube, vary.latin_hypercube), (qmc.Sobol, vary.sobol))):
            if section is not None:
                self._axes.append(_Sampled(kind, section, np.random.default_rng([config.seed, stream])))

    def __len__(self) -> int:
        return math.prod(map(len, self._axes))

    def __getitem__(self, number: int) -> dict[str, Any]:
        """What varies, by key; the last section of ``vary`` is the fastest."""
        parts = []
        for axis in reversed(self._axes):
            number, at = divmod(number, len(axis))
            parts.append(axis[at])
        return {key: value for part in reversed(parts) for key, value in part.items()}


class _Sampled:
    """The points of one design."""

    def __init__(self, kind: type, section: SamplesConfig, generator: np.random.Generator):
        unit = kind(len(section.ranges), rng=generator).random(section.samples)
        self._keys = list(section.ranges)
        self._columns = [_scaled(u, section.ranges[key]) for u, key in zip(unit.T, self._keys)]

    def __len__(self) -> int:
        return len(self._columns[0])

    def __getitem__(self, at: int) -> dict[str, float]:
        return {key: float(column[at]) for key, column in zip(self._keys, self._columns)}


def _scaled(unit: np.ndarray, range_: RangeConfig) -> np.ndarray:
    if range_.scale == "log":
        return range_.low * (range_.high / range_.low) ** unit
    return range_.low + (range_.high - range_.low) * unit


@dataclass(frozen=True, eq=False, slots=True)
class Member:
    """One run of a sweep. Members are numbered replica by replica, so that more replicas only append. All but the
    number is made anew each time it is asked for."""

    number: int
    points: Points

    @property
    def point(self) -> int:
        """Number of its point."""
        return self.number % len(self.points)

    @property
    def replica(self) -> int:
        """Number among the runs of its point."""
        return self.number // len(self.points)

    @property
    def name(self) -> str:
        """That of the sweep, with its number."""
        return f"{self.points.config.name}-{self.number:06d}"

    @property
    def seed(self) -> int:
        """Its own. Neighbouring seeds are as good as any: keys are hashed. No two members share one."""
        return (self.points.first_seed + self.number) % 2**31

    @property
    def varied(self) -> dict[str, Any]:
        """Dotted keys and values in which it differs from the base."""
        return self.points[self.point]

    @property
    def base(self) -> Config:
        """What it differs from."""
        return self.points.base

    @property
    def config(self) -> Config:
        """The whole. Raises ConfigError where it is not valid."""
        values = self.varied | {"name": self.name, "seed": self.seed}
        return changed(self.base, values, f"member {self.number}, {self.said}")

    @property
    def settings(self) -> list[str]:
        """What ``--set`` has to say to make this member of the base."""
        own = {"name": self.name, "seed": self.seed}
        # JSON is YAML.
        return [f"{key}={json.dumps(value)}" for key, value in {**self.varied, **own}.items()]

    @property
    def said(self) -> str:
        """What varies, in words."""
        return shown(self.varied)


@dataclass(frozen=True)
class Sweep:
    """A sweep with its base, and all members, each validated."""

    config: SweepConfig
    base: Config
    members: list[Member]


def read_sweep(path: str | Path, kept: bool = False) -> Sweep:
    """All of a sweep; raises ConfigError with all faults at once, members by number. ``kept``: as for load_sweep."""
    path = Path(path).expanduser()
    config = load_sweep(path, kept)
    base = load(path.parent / Path(config.base).expanduser())
    base = changed(base, config.set, f"{path}: set, upon {shortened(config.base)}")
    members = [Member(number, points) for points in [Points(config, base)] for number in range(config.members)]
    _check(members[: config.members // config.replicas], str(path))
    return Sweep(config, base, members)


def _check(members: list[Member], source: str) -> None:
    """One member of each point: replicas differ from it by name and seed only."""
    faults = []
    for member in members:
        try:
            _ = member.config
        except ConfigError as error:
            faults.append(f"{source}: {error}")
            if len(faults) == _MOST_FAULTS:
                break
    if faults:
        raise ConfigError("\n".join(faults))


_MOST_FAULTS = 5
"""A key that is misspelt is wrong in every member."""


def shown(varied: dict[str, Any]) -> str:
    """Keys and values, in words."""
    return ", ".join(f"{cut(key)} = {_said(value)}" for key, value in varied.items())


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return cut(value) if isinstance(value, str) else shortened(value)
