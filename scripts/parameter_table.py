"""Write what docs/ says of the keys of a configuration: the tables of parameters.md, and configuration.schema.json.

Each key has a row with its value or default, and with the range, source and trust that stand beside it in the package.
The JSON schema lets an editor complete and check the keys.

    python scripts/parameter_table.py            # writes both files
    python scripts/parameter_table.py --check    # writes nothing; exit code 1 where a file would change
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from membrane.config import KineticsConfig, SheetConfig, VesicleConfig, json_schema
from membrane.config.faults import section_of
from membrane.config.provenance import Provenance, provenances
from membrane.config.sections import Section

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "parameters.md"
SCHEMA = ROOT / "docs" / "configuration.schema.json"

GEOMETRIES = {
    "sheet": (SheetConfig, "configs/ceramide.yaml"),
    "vesicle": (VesicleConfig, "configs/vesicle_bud.yaml"),
    "kinetics": (KineticsConfig, "configs/life.yaml"),
}
"""For each geometry its configuration and the file whose values are shown."""

MARKED = re.compile(r"(<!-- table: (\w+) (.+?) -->\n).*?(<!-- end of table -->)", re.DOTALL)
"""The place of a table, with its geometry and the sections that it shows ("run": the keys outside of all sections)."""


def written(document: str) -> str:
    """The document with all its tables made anew."""
    return MARKED.sub(lambda place: f"{place[1]}{table(place[2], place[3].split())}{place[4]}", document)


def table(geometry: str, sections: list[str]) -> str:
    """The table of some sections of a geometry's configuration, in Markdown."""
    schema, path = GEOMETRIES[geometry]
    values = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    rows = [("key", "value", "meaning", "range", "source", "trust"), ("---",) * 6]
    for key, field in keys(schema):
        first = key.partition(".")[0] if "." in key else "run"
        if first in sections and key != "kind":
            known = provenances(field) or [Provenance(None, "-", "-")]
            given = value_text(key, field, values)
            rows.append(
                (f"`{key}`", given, (field.description or ""), known[0].range_text, known[0].source, known[0].trust)
            )
            rows += [("", "", "", more.range_text, more.source, more.trust) for more in known[1:]]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)


def keys(schema: type[Section], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every dotted key of a configuration and its field, also in optional sections."""
    for name, field in schema.model_fields.items():
        section = section_of(field.annotation)
        if section is None:
            yield f"{prefix}{name}", field
        else:
            yield from keys(section, f"{prefix}{name}.")


def value_text(key: str, field: FieldInfo, values: dict[str, Any]) -> str:
    """The value in the file; else the default, which is marked, or a mark that the key is required in its section."""
    found: Any = values
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if found is not None:
        return _written(found)
    return "(required)" if field.is_required() else f"default {_written(field.default)}"


def _written(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return " x ".join(map(_written, value))
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def main(argv: list[str] | None = None) -> int:
    """Write, or check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where a file would change")
    check = parser.parse_args(argv).check
    files = {
        DOCUMENT: written(DOCUMENT.read_text(encoding="utf-8")),
        SCHEMA: json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n",
    }
    stale = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if check:
            print(f"{path} is not what {Path(__file__).name} writes: run it", file=sys.stderr)
        else:
            path.write_text(files[path], encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
