"""From a sweep to its members: points of a grid, of a list or of a design that fills a box, and replicas of each."""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import qmc

from membrane.config import Config, ConfigError, SweepConfig, changed, load, load_sweep
from membrane.config.sweep import RangeConfig, SamplesConfig


@dataclass(frozen=True)
class Member:
    """One run of a sweep. Members are numbered replica by replica, so that more replicas only append."""

    number: int
    point: int
    replica: int
    name: str
    seed: int
    varied: dict[str, Any]
    base: Config

    @property
    def config(self) -> Config:
        """Made anew each time: ten thousand of them would fill the memory. Raises ConfigError where it is not valid."""
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


def read_sweep(path: str | Path) -> Sweep:
    """All of a sweep; raises ConfigError with all faults at once, those of members by number."""
    config = load_sweep(path)
    base = load(Path(path).parent / config.base)
    base = changed(base, config.set, f"{path}: set, upon {config.base}")
    return Sweep(config, base, _members(config, base, str(path)))


def _members(config: SweepConfig, base: Config, source: str) -> list[Member]:
    points, members, faults = _points(config), [], []
    first = int(np.random.SeedSequence(config.seed).generate_state(1)[0])
    for number, (replica, (point, varied)) in enumerate(itertools.product(range(config.replicas), enumerate(points))):
        # Neighbouring seeds are as good as any: keys are hashed. No two members share one.
        seed = (first + number) % 2**31
        members.append(Member(number, point, replica, f"{config.name}-{number:06d}", seed, varied, base))
        try:
            _ = members[-1].config
        except ConfigError as error:
            faults.append(f"{source}: {error}")
            if len(faults) == _MOST_FAULTS:
                break
    if faults:
        raise ConfigError("\n".join(faults))
    return members


_MOST_FAULTS = 5
"""A key that is misspelt is wrong in every member."""


def _points(config: SweepConfig) -> list[dict[str, Any]]:
    vary = config.vary
    sections = [[dict(zip(vary.grid, values)) for values in itertools.product(*vary.grid.values())]]
    if vary.points:
        sections.append(vary.points)
    # Each design has a stream of its own; neither depends on the number of replicas.
    for stream, (kind, section) in enumerate(((qmc.LatinHypercube, vary.latin_hypercube), (qmc.Sobol, vary.sobol))):
        if section is not None:
            sections.append(_sampled(kind, section, np.random.default_rng([config.seed, stream])))
    return [{k: v for part in parts for k, v in part.items()} for parts in itertools.product(*sections)]


def _sampled(kind: type, section: SamplesConfig, generator: np.random.Generator) -> list[dict[str, float]]:
    unit = kind(len(section.ranges), rng=generator).random(section.samples)
    columns = [_scaled(u, section.ranges[key]) for u, key in zip(unit.T, section.ranges)]
    return [dict(zip(section.ranges, map(float, row))) for row in zip(*columns)]


def _scaled(unit: np.ndarray, range_: RangeConfig) -> np.ndarray:
    if range_.scale == "log":
        return range_.low * (range_.high / range_.low) ** unit
    return range_.low + (range_.high - range_.low) * unit


def shown(varied: dict[str, Any]) -> str:
    """Keys and values, in words."""
    numbers = {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in varied.items()}
    return ", ".join(f"{key} = {value}" for key, value in numbers.items())
