"""The configuration: which keys a YAML file may have, with which values and units, and how faults are reported."""

from membrane.config.compare import FREE_TO_CHANGE, changes
from membrane.config.editor import json_schema
from membrane.config.kinetics import KineticsConfig
from membrane.config.reading import Config, changed, load, load_sweep, log_remarks, parse
from membrane.config.sheet import SheetConfig
from membrane.config.sweep import SweepConfig
from membrane.config.text import ConfigError, cut, shortened
from membrane.config.vesicle import VesicleConfig

__all__ = [
    "FREE_TO_CHANGE",
    "Config",
    "ConfigError",
    "KineticsConfig",
    "SheetConfig",
    "SweepConfig",
    "VesicleConfig",
    "changed",
    "changes",
    "cut",
    "json_schema",
    "load",
    "load_sweep",
    "log_remarks",
    "parse",
    "shortened",
]
