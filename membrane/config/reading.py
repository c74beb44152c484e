"""From a YAML file to a valid configuration, or to all its faults at once."""

import difflib
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from membrane.config.sections import RunConfig
from membrane.config.sheet import SheetConfig
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
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot be read ({error}); give the path of a YAML file such as configs/ceramide.yaml"
        ) from None
    return parse(text, overrides, source=str(path))


def parse(text: str, overrides: Sequence[str] = (), source: str = "configuration") -> Config:
    """As :func:`load`, from the text itself."""
    try:
        raw = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{source}: must be a mapping of keys to values, not {type(raw).__name__}")
    for override in overrides:
        _apply(raw, override)
    kind = raw.get("kind", "sheet")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ConfigError(f"{source}: 1 fault(s)\n  kind: {_hint(str(kind), KINDS)} (given: {kind!r})")
    try:
        return KINDS[kind].model_validate(raw)
    except ValidationError as error:
        faults = [_sentence(fault, KINDS[kind]) for fault in error.errors()]
        raise ConfigError("\n".join([f"{source}: {len(faults)} fault(s)", *(f"  {f}" for f in faults)])) from None


def _apply(raw: dict, override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override!r}: write it as dotted.key=VALUE, for example lipids.line_tension_pN=1.2")
    *path, last = key.strip().split(".")
    target: Any = raw
    for part in path:
        target = target.setdefault(part, {}) if isinstance(target, dict) else None
        if not isinstance(target, dict):
            raise ConfigError(f"--set {override!r}: {part!r} is a value, not a section that could hold {last!r}")
    try:
        target[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override!r}: {value!r} is not a YAML value") from None


def _hint(given: str, known) -> str:
    near = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(known))}"


def _sentence(fault: dict, config: type[RunConfig]) -> str:
    path = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{path}: unknown key; {_hint(str(fault['loc'][-1]), _section_at(config, fault['loc'][:-1]))}"
    if fault["type"] == "missing":
        return f"{path}: required, but missing"
    given = fault["input"]
    shown = f" (given: {given!r})" if not isinstance(given, dict) else ""
    message = fault["msg"].removeprefix("Value error, ")
    return f"{path}: {message}{shown}" if path else message


def _section_at(config: type[RunConfig], location) -> list[str]:
    section: Any = config
    for part in location:
        field = section.model_fields.get(part) if isinstance(section, type) and issubclass(section, BaseModel) else None
        if field is None:
            return []
        section = field.annotation
        if isinstance(section, types.UnionType) or typing.get_origin(section) is typing.Union:
            section = next(a for a in typing.get_args(section) if a is not type(None))
    return list(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else []
