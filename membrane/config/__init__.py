"""The configuration: what may stand in a YAML file, in which units, and how faults are reported."""

from membrane.config.compare import FREE_TO_CHANGE, changes
from membrane.config.reading import Config, changed, load, load_sweep, parse, tell
from membrane.config.sheet import SheetConfig
from membrane.config.sweep import SweepConfig
from membrane.config.text import ConfigError, cut, shortened
from membrane.config.vesicle import VesicleConfig

__all__ = [
    "FREE_TO_CHANGE",
    "Config",
    "ConfigError",
    "SheetConfig",
    "SweepConfig",
    "VesicleConfig",
    "changed",
    "changes",
    "cut",
    "load",
    "load_sweep",
    "parse",
    "shortened",
    "tell",
]
