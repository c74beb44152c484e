"""From a sweep to its members: points of a grid, of a list or of a design, and replicas of each point."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from membrane.config import Config, ConfigError, SweepConfig, changed, cut, load, load_sweep, shortened
from membrane.config.sweep import RangeConfig, SamplesConfig


class Points:
    """The points of a sweep. Each is made when it is asked for: a million of them would fill the memory."""

    def __init__(self, config: SweepConfig, base: Config):
        self.config, self.base = config, base
        self.first_seed = int(np.random.SeedSequence(config.seed).generate_state(1)[0])
        vary = config.vary
        self._axes = [[{key: value} for value in values] for key, values in vary.grid.items()]
        if vary.points:
            self._axes.append(vary.points)
        # It takes a second to import, which --help does not wait for.
        from scipy.stats import qmc

        # Each design has its own stream of random numbers, which does not depend on the number of replicas.
        for stream, (kind, section) in enumerate(((qmc.LatinHypercube, vary.latin_hypercube), (qmc.Sobol, vary.sobol))):
            if section is not None:
                self._axes.append(_Sampled(kind, section, np.random.default_rng([config.seed, stream])))

    def __len__(self) -> int:
        return math.prod(map(len, self._axes))

    def __getitem__(self, number: int) -> dict[str, Any]:
        """The values of a point by dotted key. From point to point the last section of ``vary`` changes fastest."""
        parts = []
        for axis in reversed(self._axes):
            number, at = divmod(number, len(axis))
            parts.append(axis[at])
        return {key: value for part in reversed(parts) for key, value in part.items()}


class _Sampled:
    """The points of a Latin hypercube or a Sobol sequence."""

    def __init__(self, kind: type, section: SamplesConfig, generator: np.random.Generator):
        unit = kind(len(section.ranges), rng=generator).random(section.samples)
        self._keys = list(section.ranges)
        self._columns = [_scaled(u, section.ranges[key]) for u, key in zip(unit.T, self._keys)]

    def __len__(self) -> int:
        return len(self._columns[0])

    def __getitem__(self, at: int) -> dict[str, float]:
        return {key: float(column[at]) for key, column in zip(self._keys, self._columns)}


def _scaled(unit: np.ndarray, range_: RangeConfig) -> np.ndarray:
    """Numbers between 0 and 1 as values of a range."""
    if range_.scale == "log":
        return range_.low * (range_.high / range_.low) ** unit
    return range_.low + (range_.high - range_.low) * unit


@dataclass(frozen=True, eq=False, slots=True)
class Member:
    """One run of a sweep. Members are numbered replica by replica, so that further replicas get the next numbers.

    ``number``: the number of the member, from 0.
    ``points``: the points of the sweep. All else is computed from both when it is asked for.
    """

    number: int
    points: Points

    @property
    def point(self) -> int:
        """The number of its point."""
        return self.number % len(self.points)

    @property
    def replica(self) -> int:
        """Its number among the runs of its point."""
        return self.number // len(self.points)

    @property
    def name(self) -> str:
        """The name of the sweep, followed by the number of the member."""
        return f"{self.points.config.name}-{self.number:06d}"

    @property
    def seed(self) -> int:
        """The seed of the run. No two members share one. Seeds may be neighbours, because random keys are hashed."""
        return (self.points.first_seed + self.number) % 2**31

    @property
    def varied(self) -> dict[str, Any]:
        """The values by dotted key in which the member differs from the base."""
        return self.points[self.point]

    @property
    def base(self) -> Config:
        """The base configuration of the sweep."""
        return self.points.base

    @property
    def config(self) -> Config:
        """The complete configuration. Raises ConfigError where it is not valid."""
        values = self.varied | {"name": self.name, "seed": self.seed}
        return changed(self.base, values, f"member {self.number}, {self.description}")

    @property
    def settings(self) -> list[str]:
        """The texts for ``--set`` that make this member of the base."""
        values = self.varied | {"name": self.name, "seed": self.seed}
        # Every JSON text is YAML.
        return [f"{key}={json.dumps(value)}" for key, value in values.items()]

    @property
    def description(self) -> str:
        """What varies, in words."""
        return described(self.varied)


@dataclass(frozen=True)
class Sweep:
    """A sweep with its base and all its members, which are validated."""

    config: SweepConfig
    base: Config
    members: list[Member]


def read_sweep(path: str | Path, kept: bool = False) -> Sweep:
    """A sweep, read from a YAML file and validated, with its base and all members.

    ``path``: the file of the sweep; ``~`` is the home folder.
    ``kept``: whether it is the copy in the folder of a sweep, as for `load_sweep`.

    Raises ConfigError, which holds all faults at once and names members by their number.

    >>> sweep = read_sweep("configs/sweep_tension.yaml")
    >>> len(sweep.members), sweep.members[1].description
    (45, 'membrane.tension_uN_per_m = 0.3, ceramide.cytosolic_fraction = 0.06')
    """
    path = Path(path).expanduser()
    config = load_sweep(path, kept)
    base = load(path.parent / Path(config.base).expanduser())
    base = changed(base, config.set, f"{path}: set, upon {shortened(config.base)}")
    members = [Member(number, points) for points in [Points(config, base)] for number in range(config.members)]
    _check(members[: config.members // config.replicas], str(path))
    return Sweep(config, base, members)


def _check(members: list[Member], source: str) -> None:
    """Validate one member of each point: its replicas differ by name and seed only."""
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
"""Only so many faulty members are named, because a misspelt key is wrong in every member."""


def described(varied: dict[str, Any]) -> str:
    """Dotted keys and their values, in words."""
    return ", ".join(f"{cut(key)} = {_value_text(value)}" for key, value in varied.items())


def _value_text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return cut(value) if isinstance(value, str) else shortened(value)
