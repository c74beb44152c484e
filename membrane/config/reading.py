"""From a YAML file to a valid configuration, or to all its faults at once."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from membrane.config.faults import error_from, error_of, hint, leaves
from membrane.config.kinetics import KineticsConfig
from membrane.config.provenance import values_outside
from membrane.config.sections import RunConfig, Section
from membrane.config.sheet import SheetConfig
from membrane.config.sweep import SweepConfig, nested
from membrane.config.text import MOST_BYTES, MOST_KEPT_BYTES, ConfigError, cut, read_text, read_yaml, shortened
from membrane.config.vesicle import VesicleConfig

log = logging.getLogger("membrane")

Config = SheetConfig | VesicleConfig | KineticsConfig

KINDS = {"sheet": SheetConfig, "vesicle": VesicleConfig, "kinetics": KineticsConfig}
"""The kinds of run, by the key ``kind``. Without that key a run is of a sheet."""


def load(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """The configuration of a run, read from a YAML file and validated.

    ``path``: the YAML file; ``~`` is the home folder.
    ``overrides``: texts ``dotted.key=VALUE``, each of which replaces a value of the file. VALUE is YAML.

    Raises ConfigError, which holds all faults at once, a line for each.

    >>> config = load("configs/ceramide.yaml", ["lipids.line_tension_pN=1.2"])
    >>> config.lipids.line_tension_pN
    1.2
    """
    path = Path(path).expanduser()
    return parse(read_text(path, "configs/ceramide.yaml"), overrides, source=str(path))


def log_remarks(config: Config, source: str | Path) -> None:
    """Log what the user should know of a valid configuration.

    A warning for each value outside its documented range, a message for each key that has no effect. ``source`` is what
    messages call the configuration.
    """
    for line in values_outside(config):
        log.warning("%s: %s", source, line)
    for key in config.unused:
        section = key.partition(".")[2].partition("_")[0]
        log.info("%s: %s has no effect, since there is no section %s", source, key, section)


def parse(text: str, overrides: Sequence[str] = (), source: str = "configuration") -> Config:
    """The configuration of a run, as `load` reads it, from the text of a YAML file.

    ``text``: YAML.
    ``overrides``: as for `load`.
    ``source``: what messages call the text.

    >>> text = load("configs/ceramide.yaml").to_yaml()
    >>> parse(text, ["duration_s=0.5"]).duration_s
    0.5
    """
    raw = _mapping(text, source)
    if "vary" in raw or "base" in raw:
        raise ConfigError(f"{source}: this is a sweep; run it with membrane ensemble {source}")
    settings = [_setting(override) for override in overrides]
    kind = next((value for key, value, _ in settings if key == "kind"), raw.get("kind", "sheet"))
    if isinstance(kind, str) and kind in KINDS:
        settings = [(_full_key(key, KINDS[kind], given), value, given) for key, value, given in settings]
    _refuse_overlaps(settings)
    for key, value, given in settings:
        _set(raw, key, value, f"--set {shortened(given)}")
    return _of_kind(raw, source)


def load_sweep(path: str | Path, kept: bool = False) -> SweepConfig:
    """A sweep, read from a YAML file and validated, without its base.

    ``path``: the YAML file; ``~`` is the home folder.
    ``kept``: whether it is the copy in the folder of a sweep. A copy is written in full and may be larger.

    Raises ConfigError, which holds all faults at once.
    """
    path = Path(path).expanduser()
    raw = _mapping(read_text(path, "configs/sweep_tension.yaml", MOST_KEPT_BYTES if kept else MOST_BYTES), str(path))
    if not {"vary", "base"} & raw.keys() and {"geometry", "lipids", "membrane", "output"} & raw.keys():
        raise ConfigError(
            f"{path}: this is the configuration of one run; run it with membrane run {path}, or write a "
            "sweep such as configs/sweep_tension.yaml with this file as its base"
        )
    return _valid(raw, SweepConfig, str(path))


def changed(config: Config, values: dict[str, Any], source: str) -> Config:
    """A copy of a configuration in which some keys have other values; the copy is validated.

    ``config``: the configuration, which stays as it is.
    ``values``: the new values by dotted key.
    ``source``: what messages call the copy.

    Raises ConfigError, which holds all faults at once.

    >>> config = load("configs/ceramide.yaml")
    >>> changed(config, {"membrane.tension_uN_per_m": 10.0}, "trial").membrane.tension_uN_per_m
    10.0
    """
    # Sections that no key touches are taken over as they are: ten thousand members are then checked in a second.
    raw = {name: getattr(config, name) for name in type(config).model_fields}
    for key in values:
        if isinstance(section := raw.get(key.partition(".")[0]), BaseModel):
            raw[key.partition(".")[0]] = section.model_dump(mode="json")
    for key, value in values.items():
        _set(raw, key, value, f"{source}: {cut(key)}")
    return _of_kind(raw, source)


def _mapping(text: str, source: str) -> dict:
    try:
        raw = read_yaml(text)
    except ConfigError as error:
        raise ConfigError(f"{source}: not valid YAML: {error}") from None
    if not isinstance(raw, dict):
        kinds = {type(None): "nothing", list: "a list", str: "text", bool: "true or false"}
        raise ConfigError(f"{source}: must hold keys with their values, not {kinds.get(type(raw), 'a number')}")
    return raw


def _of_kind(raw: dict, source: str) -> Config:
    kind = raw.get("kind", "sheet")
    if not isinstance(kind, str) or kind not in KINDS:
        raise error_of([f"kind: {hint(str(kind), KINDS)} (given: {shortened(kind)})"], source)
    return _valid(raw, KINDS[kind], source)


def _valid(raw: dict, model: type[Section], source: str):
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise error_from(error, model, source) from None


def _setting(override: str) -> tuple[str, Any, str]:
    """(key, value, as given) of ``dotted.key=VALUE``."""
    key, equals, value = (part.strip() for part in override.partition("="))
    if not equals or not key:
        raise ConfigError(
            f"--set {shortened(override)}: write it as dotted.key=VALUE, for example lipids.line_tension_pN=1.2"
        )
    try:
        return key, read_yaml(value), override
    except ConfigError as error:
        raise ConfigError(f"--set {shortened(override)}: {shortened(value)} is not a YAML value ({error})") from None


def _full_key(key: str, kind: type[RunConfig], given: str) -> str:
    """The dotted key whose end was given. Raises ConfigError where several keys end so."""
    if key.partition(".")[0] in kind.model_fields:
        return key
    found = [leaf for leaf in leaves(kind) if leaf.endswith(f".{key}")]
    if len(found) > 1:
        raise ConfigError(f"--set {shortened(given)}: which one? There are {', '.join(found)}")
    if found:
        log.info("--set %s: %s is %s", shortened(given), key, found[0])
    return found[0] if found else key


def _refuse_overlaps(settings: list[tuple[str, Any, str]]) -> None:
    """Raise ConfigError where one setting would overwrite another."""
    keys = [key for key, _, _ in settings]
    for key in keys:
        if keys.count(key) > 1:
            raise ConfigError(f"--set {cut(key)} is given twice; give it once")
    for outer, inner in nested(keys):
        raise ConfigError(f"--set {cut(inner)} is given, and so is {cut(outer)}, which holds it; give one of them")


def _set(raw: dict, key: str, value: Any, source: str) -> None:
    *path, last = key.split(".")
    target: Any = raw
    for part in path:
        if target.get(part) is None:
            target[part] = {}
        target = target[part]
        if not isinstance(target, dict):
            raise ConfigError(f"{source}: {cut(part)!r} is a value, not a section that could hold {cut(last)!r}")
    target[last] = value
