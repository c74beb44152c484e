"""membrane: how an endosome makes exosomes.

``run`` runs a configuration, ``read`` reads an archive, ``predict`` asks the bud law without a run, ``load`` reads a
configuration, ``configs`` holds those that are shipped. ``read_measured`` reads the sizes that a laboratory has
measured, and ``compare`` puts a run beside them. Nothing heavy is imported before it is used.

>>> import membrane as mb
>>> mb.configs["ceramide"].membrane.tension_uN_per_m
1.0
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from membrane.archive import ArchiveError
    from membrane.config import ConfigError
    from membrane.measured import Measured, MeasuredError, read_measured
    from membrane.notebook.comparing import Comparison, compare
    from membrane.notebook.config import Config, load
    from membrane.notebook.prediction import Prediction, predict
    from membrane.notebook.result import Result, read
    from membrane.notebook.running import run
    from membrane.notebook.shipped import configs
    from membrane.notebook.sizes import Sizes
    from membrane.version import VERSION as __version__

__all__ = [
    "ArchiveError",
    "Comparison",
    "Config",
    "ConfigError",
    "Measured",
    "MeasuredError",
    "Prediction",
    "Result",
    "Sizes",
    "__version__",
    "compare",
    "configs",
    "load",
    "predict",
    "read",
    "read_measured",
    "run",
]

_HOMES = {
    "ArchiveError": "archive",
    "Comparison": "notebook.comparing",
    "Config": "notebook.config",
    "ConfigError": "config",
    "Measured": "measured",
    "MeasuredError": "measured",
    "Prediction": "notebook.prediction",
    "Result": "notebook.result",
    "Sizes": "notebook.sizes",
    "compare": "notebook.comparing",
    "configs": "notebook.shipped",
    "load": "notebook.config",
    "predict": "notebook.prediction",
    "read": "notebook.result",
    "read_measured": "measured",
    "run": "notebook.running",
    "__version__": "version:VERSION",
}
"""Where each name is imported from when it is first used; after a colon, what it is called there."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"membrane has no {name!r}; it has {', '.join(__all__)}")
    home, _, attribute = _HOMES[name].partition(":")
    found = getattr(import_module(f"membrane.{home}"), attribute or name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
