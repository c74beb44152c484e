"""What is known of the value of a key: a range, its source, and how far it may be trusted. It stands beside the key."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Trust = Literal["read", "read in part", "derived", "recalled", "unverified", "numerical", "-"]
"""The words of docs/parameters.md."""


@dataclass(frozen=True)
class Provenance:
    """What is known of the value of a key.

    ``range``: published or plausible values (least, largest) in the unit of the key; None where none are known.
    ``source``: where the range comes from.
    ``trust``: how far it may be trusted, in a word of docs/parameters.md.
    ``note``: what the range is of, where it is not of the value itself.
    ``of``: takes the section of the key and returns the number that the range bounds, where it is not the value itself;
        None where there is no such number.
    """

    range: tuple[float, float] | None
    source: str
    trust: Trust
    note: str = ""
    of: Callable[[Any], float | None] | None = None

    @property
    def range_text(self) -> str:
        """The range in words; "-" where none is known."""
        if self.range is None:
            return self.note or "-"
        return f"{self.range[0]:g} to {self.range[1]:g}" + (f" ({self.note})" if self.note else "")


NUMERICAL = Provenance(None, "-", "numerical")
"""Of a key that is a choice of the method, no property of a membrane."""

NO_SOURCE = Provenance(None, "no source", "unverified")
"""Of a key that nobody has measured, as far as is known here."""


def provenances(field: FieldInfo) -> list[Provenance]:
    """All that is known of the value of a key, in the order in which it stands beside the key."""
    return [known for known in field.metadata if isinstance(known, Provenance)]


def values_outside(config: BaseModel) -> list[str]:
    """A line for each value that lies outside all documented ranges of its key: key, value, ranges and sources."""
    return list(_values_outside(config, ""))


def _values_outside(section: BaseModel, path: str) -> Iterator[str]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _values_outside(value, f"{path}{name}.")
            continue
        bounded = [(known, known.of(section) if known.of else value) for known in provenances(field) if known.range]
        bounded = [(known, number) for known, number in bounded if number is not None]
        if bounded and not any(known.range[0] <= number <= known.range[1] for known, number in bounded):
            given = f"{value:g}" if isinstance(value, float) else f"{value}"
            ranges = " or ".join(f"{known.range_text} ({known.source}; {known.trust})" for known, _ in bounded)
            # In the document two stars make letters bold.
            ranges = ranges.replace("**", "")
            yield f"{path}{name} {given} lies outside its documented range, {ranges}"
