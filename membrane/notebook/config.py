"""A configuration as a Python object: loaded, changed, printed."""

from collections.abc import Mapping
from os import PathLike
from typing import Any

from membrane.config import ConfigError, KineticsConfig, SheetConfig, VesicleConfig, changed, parse
from membrane.config import load as load_file
from membrane.config.faults import leaves
from membrane.config.sections import RunConfig, Section
from membrane.config.shipped import config_file
from membrane.config.sweep import nested
from membrane.notebook.tree import tree


class Config(RunConfig):
    """A valid configuration of a run. :func:`load` and ``membrane.configs`` give one.

    Values are attributes, in sections as in the YAML file: ``config.membrane.tension_uN_per_m``. Names end in their
    unit. A configuration never changes; :meth:`changed` gives a new one.

    >>> import membrane as mb
    >>> config = mb.load("ceramide", tension_uN_per_m=10)
    >>> config.membrane.tension_uN_per_m
    10.0
    >>> config.changed(endosomes=2).endosomes
    2
    """

    def changed(self, *, set: Mapping[str, Any] | None = None, **changes: Any) -> "Config":
        """The same configuration with other values.

        ``changes``: values by key. A key is the last part of the dotted key in the YAML file where only one key ends
            so (``tension_uN_per_m=10``), or the whole key with two underscores for each dot
            (``membrane__tension_uN_per_m=10``). None removes an optional section (``ceramide=None``).
        ``set``: the same with dotted keys, ``{"membrane.tension_uN_per_m": 10}``.

        Raises ConfigError, with all faults at once, where a key does not exist, may mean several keys or is given
        twice, and where a value is not allowed.
        """
        values: dict[str, Any] = {}
        for given, value in [*(set or {}).items(), *((key.replace("__", "."), v) for key, v in changes.items())]:
            key = _whole_key(type(self), given)
            if key in values:
                raise ConfigError(f"{key} is given twice; give it once")
            values[key] = _plain(value)
        for outer, inner in nested(values):
            raise ConfigError(f"{inner} is given, and so is {outer}, which holds it; give one of them")
        return face(changed(self, values, self.name)) if values else self

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON schema of a YAML file, by which editors complete keys and check values."""
        from membrane.config import json_schema

        return json_schema()

    def __repr__(self) -> str:
        title = f"{self.name}: a {self.kind}, {self.endosomes} endosomes, {self.duration_s:g} s, seed {self.seed}"
        sections = [(key, value) for key, value in self if isinstance(value, Section)]
        return tree(title, [(key, ", ".join(f"{name} {_said(v)}" for name, v in part)) for key, part in sections])

    __str__ = __repr__


class ConfigOfSheet(SheetConfig, Config):
    """A configuration of kind ``sheet``."""


class ConfigOfVesicle(VesicleConfig, Config):
    """A configuration of kind ``vesicle``."""


class ConfigOfKinetics(KineticsConfig, Config):
    """A configuration of kind ``kinetics``."""


FACES = {"sheet": ConfigOfSheet, "vesicle": ConfigOfVesicle, "kinetics": ConfigOfKinetics}

Face = ConfigOfSheet | ConfigOfVesicle | ConfigOfKinetics

Source = str | PathLike[str] | SheetConfig | VesicleConfig | KineticsConfig
"""What stands for a configuration: a path, a shipped name, or a configuration."""


def load(config: Source, *, set: Mapping[str, Any] | None = None, **changes: Any) -> Face:
    """Read and check a configuration.

    ``config``: the path of a YAML file, the name of a shipped configuration (``list(membrane.configs)``), or a
        configuration. A file of that name in the current folder comes before a shipped configuration.
    ``set``, ``changes``: other values than those of the file, see :meth:`Config.changed`.

    Raises ConfigError, with all faults at once, where there is no such file or name, where a key or a value is not
    allowed, and where the file is a sweep.

    >>> import membrane as mb
    >>> mb.load("ceramide", duration_s=0.01).duration_s
    0.01
    """
    checked = isinstance(config, SheetConfig | VesicleConfig | KineticsConfig)
    found = config if checked else load_file(config_file(config))
    return face(found).changed(set=set, **changes)


def face(config: SheetConfig | VesicleConfig | KineticsConfig) -> Face:
    """A checked configuration as users see it."""
    kind = FACES[config.kind]
    return config if isinstance(config, kind) else kind.model_validate(dict(config))


def from_text(text: str, source: str) -> Face:
    """The configuration that an archive keeps as text. ``source``: the archive, for error messages."""
    return face(parse(text, source=source))


def _whole_key(kind: type[RunConfig], given: str) -> str:
    """The dotted key that ``given`` means, which may be its last part. Raises ConfigError where several keys end so.

    A key that does not exist is returned as it is: the check of the configuration names the nearest one.
    """
    if given.partition(".")[0] in kind.model_fields:
        return given
    found = [leaf for leaf in leaves(kind) if leaf.endswith(f".{given}")]
    if len(found) > 1:
        ways = " or ".join(leaf.replace(".", "__") for leaf in found)
        raise ConfigError(f"{given}: several keys end so; write {ways}")
    return found[0] if found else given


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy as those of Python, which the check of a configuration asks for."""
    return value.tolist() if hasattr(value, "tolist") else value


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return "\N{MULTIPLICATION SIGN}".join(map(_said, value))
    if isinstance(value, Section):
        return f"({', '.join(f'{name} {_said(inner)}' for name, inner in value)})"
    return "none" if value is None else str(value)
