"""What is known of a value: its range, where that comes from, and how far it may be trusted; beside each key."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Trust = Literal["read", "read in part", "derived", "recalled", "unverified", "numerical", "-"]
"""The words of docs/parameters.md."""


@dataclass(frozen=True)
class Provenance:
    """A ``range`` of published or plausible values (in the unit of the key; None: none is known), its ``source`` and
    its ``trust``. ``note`` says what the range is of, where it is not of the key itself; ``of`` then takes the section
    and gives the value that the range bounds, or None where there is none."""

    range: tuple[float, float] | None
    source: str
    trust: Trust
    note: str = ""
    of: Callable[[Any], float | None] | None = None

    @property
    def said(self) -> str:
        """The range in words, "-" where none is known."""
        if self.range is None:
            return self.note or "-"
        return f"{self.range[0]:g} to {self.range[1]:g}" + (f" ({self.note})" if self.note else "")


NUMERICAL = Provenance(None, "-", "numerical")
"""A choice of the method."""

NO_SOURCE = Provenance(None, "no source", "unverified")
"""Nobody has measured it, as far as is known here."""


def provenances(field: FieldInfo) -> list[Provenance]:
    """All that is known of a key, in the order of the schema."""
    return [known for known in field.metadata if isinstance(known, Provenance)]


def outside(config: BaseModel) -> list[str]:
    """A line for each value that lies outside every documented range of its key: key, value, range and source."""
    return list(_outside(config, ""))


def _outside(section: BaseModel, path: str) -> Iterator[str]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _outside(value, f"{path}{name}.")
            continue
        bounded = [(known, known.of(section) if known.of else value) for known in provenances(field) if known.range]
        bounded = [(known, number) for known, number in bounded if number is not None]
        if bounded and not any(known.range[0] <= number <= known.range[1] for known, number in bounded):
            given = f"{value:g}" if isinstance(value, float) else f"{value}"
            ranges = " or ".join(f"{known.said} ({known.source}; {known.trust})" for known, _ in bounded)
            # The source is written for a document, where stars make letters bold.
            ranges = ranges.replace("**", "")
            yield f"{path}{name} {given} lies outside its documented range, {ranges}"
