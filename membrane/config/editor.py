"""What an editor has to know to complete and check the keys of a configuration: a JSON schema (draft 7)."""

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from membrane.config.faults import section_of
from membrane.config.kinetics import KineticsConfig
from membrane.config.provenance import provenances
from membrane.config.sections import Section
from membrane.config.sheet import SheetConfig
from membrane.config.sweep import SweepConfig
from membrane.config.vesicle import VesicleConfig

UNITS = {
    "um2_per_s": "um^2/s",
    "uN_per_m": "uN/m",
    "mN_per_m": "mN/m",
    "g_per_ml": "g/ml",
    "nPa_s_m": "nPa s m",
    "mPa_s": "mPa s",
    "per_nm": "1/nm",
    "per_s": "1/s",
    "kBT": "k_B T",
    "kPa": "kPa",
    "nm2": "nm^2",
    "nm": "nm",
    "pN": "pN",
    "us": "us",
    "ms": "ms",
    "s": "s",
    "C": "degrees Celsius",
}
"""The unit that the end of a key names. Of two ends that fit, the longer one stands first."""


def unit_of(key: str) -> str:
    """The unit of a key in words; "" where it has none.

    >>> unit_of("membrane.tension_uN_per_m")
    'uN/m'
    """
    return next((unit for ending, unit in UNITS.items() if key.endswith(f"_{ending}")), "")


def json_schema() -> dict[str, Any]:
    """The JSON schema of all files that membrane reads: runs of each ``kind``, and sweeps.

    A file with the key ``vary`` or ``base`` is a sweep. Any other is a run, of the kind that ``kind`` names, else of a
    sheet. The description of a key holds its meaning, unit, default, documented range, source and trust. The
    schema knows each key by itself; keys that do not fit each other are found when the file is loaded.

    >>> json_schema().get("title")
    'Configuration of membrane'
    """
    kinds = (SheetConfig, VesicleConfig, KineticsConfig, SweepConfig)
    adapters = [(kind.__name__, "validation", TypeAdapter(kind)) for kind in kinds]
    _, found = TypeAdapter.json_schemas(adapters, ref_template="#/definitions/{model}")
    definitions = found["$defs"]
    for section in {section for kind in kinds for section in _sections(kind)}:
        properties = definitions[section.__name__]["properties"]
        for key, field in section.model_fields.items():
            properties[key] = _described(key, field, properties[key])
    sheet, vesicle, kinetics, sweep = ({"$ref": f"#/definitions/{kind.__name__}"} for kind in kinds)
    is_kind = lambda kind: {"properties": {"kind": {"const": kind}}, "required": ["kind"]}
    other = {"if": is_kind("kinetics"), "then": kinetics, "else": sheet}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Configuration of membrane",
        "type": "object",
        "if": {"anyOf": [{"required": ["vary"]}, {"required": ["base"]}]},
        "then": sweep,
        "else": {"if": is_kind("vesicle"), "then": vesicle, "else": other},
        "definitions": {name: _simplified(definitions[name]) for name in sorted(definitions)},
    }


def _sections(config: type[Section]) -> Iterator[type[Section]]:
    """A section and all sections in it."""
    yield config
    for field in config.model_fields.values():
        if inner := section_of(field.annotation):
            yield from _sections(inner)


def _described(key: str, field: FieldInfo, found: dict) -> dict:
    """The schema of a key with what is known of it. A section keeps the description of its own definition."""
    if section_of(field.annotation):
        return found
    unit, known = unit_of(key), provenances(field)
    lines = [f"{field.description}{f' [{unit}]' if unit else ''}"]
    for each in known:
        parts = {"Range": each.range_text, "Source": each.source.replace("**", ""), "Trust": each.trust}
        lines.append(" ".join(f"{name}: {text}." for name, text in parts.items() if text != "-"))
    ranges = [list(each.range) for each in known if each.range and not each.of]
    extra = {"unit": unit} if unit else {}
    return (
        found
        | {"description": "\n".join(filter(None, lines))}
        | extra
        | ({"documented_ranges": ranges} if ranges else {})
    )


def _simplified(node: Any) -> Any:
    """Without the titles that pydantic makes of names; lists of a fixed length as draft 7 writes them."""
    if isinstance(node, list):
        return [_simplified(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _simplified(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))}
    if "prefixItems" in found:
        found["items"] = found.pop("prefixItems")
    return found
