"""From a YAML file to a valid configuration, or to all its faults at once."""

import difflib
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from membrane.config.sections import Section
from membrane.config.sheet import SheetConfig
from membrane.config.sweep import SweepConfig
from membrane.config.vesicle import VesicleConfig


class ConfigError(ValueError):
    """Everything that is wrong with a configuration, one fault a line."""


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice, where the safe loader silently takes the last."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


Config = SheetConfig | VesicleConfig

KINDS = {"sheet": SheetConfig, "vesicle": VesicleConfig}
"""The geometries by the key ``kind``; without it, a sheet."""


def load(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read, override (``dotted.key=VALUE``) and validate a YAML file; raises ConfigError with all faults at once."""
    return parse(_text(path, "configs/ceramide.yaml"), overrides, source=str(path))


def parse(text: str, overrides: Sequence[str] = (), source: str = "configuration") -> Config:
    """As :func:`load`, from the text itself."""
    raw = _mapping(text, source)
    for override in overrides:
        _apply(raw, override)
    return _of_kind(raw, source)


def load_sweep(path: str | Path) -> SweepConfig:
    """Read and validate a sweep, without its base; raises ConfigError with all faults at once."""
    return _valid(_mapping(_text(path, "configs/sweep_tension.yaml"), str(path)), SweepConfig, str(path))


def changed(config: Config, values: dict[str, Any], source: str) -> Config:
    """``config`` with other ``values`` by dotted key, validated; raises ConfigError with all faults at once."""
    raw = config.model_dump(mode="json")
    for key, value in values.items():
        _set(raw, key, value, f"{key}: {value!r}")
    return _of_kind(raw, source)


def _text(path: str | Path, example: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); give the path of a YAML file such as {example}") from None


def _mapping(text: str, source: str) -> dict:
    try:
        raw = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{source}: must be a mapping of keys to values, not {type(raw).__name__}")
    return raw


def _of_kind(raw: dict, source: str) -> Config:
    kind = raw.get("kind", "sheet")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ConfigError(f"{source}: 1 fault(s)\n  kind: {_hint(str(kind), KINDS)} (given: {kind!r})")
    return _valid(raw, KINDS[kind], source)


def _valid(raw: dict, model: type[Section], source: str):
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        faults = [_sentence(fault, model) for fault in error.errors()]
        raise ConfigError("\n".join([f"{source}: {len(faults)} fault(s)", *(f"  {f}" for f in faults)])) from None


def _apply(raw: dict, override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override!r}: write it as dotted.key=VALUE, for example lipids.line_tension_pN=1.2")
    try:
        value = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override!r}: {value!r} is not a YAML value") from None
    _set(raw, key.strip(), value, f"--set {override!r}")


def _set(raw: dict, key: str, value: Any, source: str) -> None:
    *path, last = key.split(".")
    target: Any = raw
    for part in path:
        if target.get(part) is None:
            target[part] = {}
        target = target[part]
        if not isinstance(target, dict):
            raise ConfigError(f"{source}: {part!r} is a value, not a section that could hold {last!r}")
    target[last] = value


def _hint(given: str, known) -> str:
    near = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(known))}"


def _sentence(fault: dict, config: type[Section]) -> str:
    path = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{path}: unknown key; {_hint(str(fault['loc'][-1]), _section_at(config, fault['loc'][:-1]))}"
    if fault["type"] == "missing":
        return f"{path}: required, but missing"
    given = fault["input"]
    shown = f" (given: {given!r})" if not isinstance(given, dict) else ""
    message = fault["msg"].removeprefix("Value error, ")
    return f"{path}: {message}{shown}" if path else message


def _section_at(config: type[Section], location) -> list[str]:
    section: Any = config
    for part in location:
        if typing.get_origin(section) is dict:
            section = typing.get_args(section)[1]
            continue
        field = section.model_fields.get(part) if isinstance(section, type) and issubclass(section, BaseModel) else None
        if field is None:
            return []
        section = field.annotation
        if isinstance(section, types.UnionType) or typing.get_origin(section) is typing.Union:
            section = next(a for a in typing.get_args(section) if a is not type(None))
    return list(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else []
