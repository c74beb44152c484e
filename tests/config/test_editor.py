"""The JSON schema of configurations takes every shipped file, refuses what loading refuses, and says what is known."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from membrane.config import (
    ConfigError,
    KineticsConfig,
    SheetConfig,
    SweepConfig,
    VesicleConfig,
    json_schema,
    load,
    load_sweep,
    parse,
)
from membrane.config.editor import UNITS, unit_of
from membrane.config.faults import leaves, section_of
from membrane.config.provenance import provenances
from membrane.config.text import read_yaml

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "configs").glob("*.yaml"))
KINDS = {
    "SheetConfig": SheetConfig,
    "VesicleConfig": VesicleConfig,
    "KineticsConfig": KineticsConfig,
    "SweepConfig": SweepConfig,
}

SCHEMA = json_schema()
VALIDATOR = Draft7Validator(SCHEMA)


def shipped(name):
    """The values of a shipped file."""
    return read_yaml((ROOT / "configs" / f"{name}.yaml").read_text())


def field_of(kind, key):
    """The field of a dotted key."""
    *path, last = key.split(".")
    for part in path:
        kind = section_of(kind.model_fields[part].annotation)
    return kind.model_fields[last]


def described(kind, key):
    """The schema of a dotted key, found as an editor finds it."""
    node = SCHEMA["definitions"][kind]
    for part in key.split("."):
        node = node["properties"][part] if "properties" in node else node
        for choice in (node, *node.get("anyOf", ())):
            if "$ref" in choice:
                node = SCHEMA["definitions"][choice["$ref"].rpartition("/")[2]]
    return node


def test_it_is_a_schema_and_the_shipped_one():
    """Of draft 7; docs/configuration.schema.json holds what the package says."""
    Draft7Validator.check_schema(SCHEMA)
    assert json.loads((ROOT / "docs" / "configuration.schema.json").read_text()) == SCHEMA


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_configuration_is_valid(path):
    """And so is the complete configuration, with all defaults, that an archive keeps."""
    values = read_yaml(path.read_text())
    assert not list(VALIDATOR.iter_errors(values))
    if "vary" not in values:
        assert not list(VALIDATOR.iter_errors(yaml.safe_load(load(path).to_yaml())))
    else:
        assert not list(VALIDATOR.iter_errors(load_sweep(path).model_dump(mode="json")))


def edited(name, key, value):
    """The values of a shipped file with another value at a dotted key."""
    values = shipped(name)
    *path, last = key.split(".")
    section = values
    for part in path:
        section = section[part]
    section[last] = value
    return values


FAULTS = [
    ("ceramide", "membrane.tension_uN_per_n", 1.0),
    ("ceramide", "duratoin_s", 1.0),
    ("ceramide", "membrane.tension_uN_per_m", "1.0"),
    ("ceramide", "membrane.tension_uN_per_m", 0.0),
    ("ceramide", "lipids.mean_order", 1.0),
    ("ceramide", "geometry.box_nm", [768.0]),
    ("ceramide", "geometry.box_nm", [768.0, 768.0, 768.0]),
    ("ceramide", "geometry.box_nm", [768.0, "wide"]),
    ("ceramide", "kind", "sphere"),
    ("ceramide", "cargo.oligomers.size", 2.5),
    ("ceramide", "ceramide.sphingomyelinase.leaflet", "outer"),
    ("ceramide", "composition", {"quench": {"mean_order": 0.0}}),
    ("vesicle_bud", "numerics", {"mobility": "fast"}),
    ("vesicle_bud", "geometry.shape.diameter", 200.0),
    ("vesicle_bud", "hydrodynamics", {}),
]


@pytest.mark.parametrize(("name", "key", "value"), FAULTS, ids=lambda value: str(value)[:40])
def test_what_loading_refuses_is_refused(name, key, value):
    """A misspelt key, a key of another kind, a number as text, a number out of bounds, a list of another length."""
    values = edited(name, key, value)
    with pytest.raises(ConfigError):
        parse(yaml.safe_dump(values))
    assert list(VALIDATOR.iter_errors(values))


def test_a_sweep_with_a_misspelt_key_is_refused():
    """A file with base or vary is a sweep."""
    assert list(VALIDATOR.iter_errors(shipped("sweep_tension") | {"replica": 3}))
    assert list(VALIDATOR.iter_errors({"name": "a", "base": "ceramide.yaml"}))
    assert list(VALIDATOR.iter_errors(edited("sweep_screening", "vary.sobol.sample", 64)))


KEYS = [(kind, key) for kind, model in KINDS.items() for key in leaves(model)]


@pytest.mark.parametrize(("kind", "key"), KEYS, ids=lambda value: value)
def test_every_key_is_described(kind, key):
    """With its meaning, its unit, and the ranges, sources and words of trust that stand beside it."""
    found, field = described(kind, key), field_of(KINDS[kind], key)
    text = found["description"]
    assert field.description
    assert text.startswith(field.description)
    assert found.get("unit", "") == unit_of(key)
    assert not unit_of(key) or f"[{unit_of(key)}]" in text.splitlines()[0]
    for known in provenances(field):
        assert known.trust == "-" or f"Trust: {known.trust}." in text
        assert known.source == "-" or f"Source: {known.source.replace('**', '')}." in text
        assert known.range is None or f"Range: {known.range_text}." in text
        assert known.range is None or known.of or list(known.range) in found["documented_ranges"]
    assert field.is_required() or "default" in found


PURE = {"samples", "replicas", "seed", "endosomes", "size", "devices", "shape_steps", "most_shape_steps", "look_rounds"}
PURE |= {"mean_order", "order", "affinity_lo", "saturation_fraction", "fraction", "reserve_fraction", "circularity"}
PURE |= {"cytosolic_fraction", "luminal_fraction", "ceramide_cytosolic_fraction", "ceramide_luminal_fraction"}
PURE |= {"cargo_fraction", "error_tolerance", "max_courant", "initial_noise", "noise", "reduced_volume"}
PURE |= {"growth_tolerance", "travel_step"}
PURE |= {"acceleration", "rest_volume_ratio", "mending", "inertia", "max_area_strain"}


def test_units():
    """Every key of a number has a unit at its end, or is one of the pure numbers above; the longest end counts."""
    numbers = set()
    for kind, key in KEYS:
        found = described(kind, key)
        choices = [found, *found.get("anyOf", ())]
        lists = [choice["items"][0] for choice in choices if isinstance(choice.get("items"), list)]
        if any(choice.get("type") in ("number", "integer") for choice in choices + lists):
            numbers.add(key)
    without = {key.rpartition(".")[2] for key in numbers if not unit_of(key)}
    assert without == PURE
    assert {unit_of(key) for key in numbers} == {"", *UNITS.values()}
    assert unit_of("diffusion_ld_um2_per_s") == "um^2/s"
    assert unit_of("membrane_viscosity_nPa_s_m") == "nPa s m"
    endings = list(UNITS)
    for place, ending in enumerate(endings):
        assert not any(ending.endswith(f"_{before}") for before in endings[:place])
