"""The faults that pydantic finds in a configuration, in plain words."""

import difflib
import types
import typing
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

from membrane.config.sections import LEAST, Section
from membrane.config.text import ConfigError, Inconsistent, cut, shortened

MOST_SHOWN = 20
"""Faults that a message names one by one; the others are only counted."""


def error_of(faults: list[str], source: str, more: int = 0) -> ConfigError:
    """One error that holds all ``faults`` of a ``source``, a line for each, and the number of ``more``."""
    total = len(faults) + more
    lines = [f"{source}: {total} fault{'s' if total > 1 else ''}", *(f"  {fault}" for fault in faults)]
    return ConfigError("\n".join(lines + [f"  and {more} more"] * (more > 0)))


def error_from(error: ValidationError, config: type[Section], source: str) -> ConfigError:
    """The error of pydantic with a sentence for each fault: the key, what is allowed, and what was given.

    ``error``: what pydantic raised.
    ``config``: the class of the configuration.
    ``source``: what the message calls the configuration.
    """
    found: list[str] = []
    faults = error.errors(include_url=False)
    for fault in faults[:MOST_SHOWN]:
        cause = fault.get("ctx", {}).get("error")
        if isinstance(cause, Inconsistent):
            path = f"{_path(fault['loc'])}: " if fault["loc"] else ""
            found += [f"{path}{sentence}" for sentence in cause.faults[:MOST_SHOWN]]
        else:
            found.append(_sentence(fault, config))
    # A list that is too short lacks each of its members; that is one fault.
    return error_of(list(dict.fromkeys(found)), source, max(0, len(faults) - MOST_SHOWN))


def hint(given: str, known: Iterable[str]) -> str:
    """A remedy for an unknown name: the nearest known name, or else all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(cut(given), known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"


def leaves(config: type[Section]) -> list[str]:
    """The dotted keys of all values of a configuration, also those in optional sections."""
    found = []
    for name, field in config.model_fields.items():
        inner = section_of(field.annotation)
        found += [f"{name}.{leaf}" for leaf in leaves(inner)] if inner else [name]
    return found


def section_of(annotation: Any) -> type[Section] | None:
    """The section that an annotation stands for, also where it may be absent; None where it stands for a value."""
    kinds = [annotation]
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        kinds = typing.get_args(annotation)
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _sentence(fault: dict, config: type[Section]) -> str:
    location, given, kind = fault["loc"], fault["input"], fault["type"]
    numbers = _list_of_numbers(config, location) if kind in ("missing", "too_long", "tuple_type") else None
    if kind == "value_error":
        problem = str(fault["ctx"]["error"])
    elif kind == "extra_forbidden":
        return f"{_path(location)}: unknown key; {_suggestion(str(location[-1]), location[:-1], config)}"
    elif numbers is not None:
        # One message for all that can be wrong with the list itself, also that it lacks a number.
        depth, length = numbers
        location, problem = location[:depth], f"give a list of {length} numbers"
    elif kind == "missing":
        return f"{_path(location)}: required, but missing"
    else:
        problem = _problem(fault)
    shown = "" if isinstance(given, dict | BaseModel) else f" (given: {shortened(given)})"
    return f"{_path(location)}: {problem}{shown}" if location else problem


def _suggestion(given: str, location, config: type[Section]) -> str:
    """A remedy for an unknown key: the nearest name in the same section, else the dotted keys that end so."""
    known, everywhere = _known(config, location), {}
    for leaf in leaves(config):
        everywhere.setdefault(leaf.rpartition(".")[2], []).append(leaf)
    if given not in everywhere and difflib.get_close_matches(cut(given), known, n=1, cutoff=0.5):
        return hint(given, known)
    near = [given] if given in everywhere else difflib.get_close_matches(cut(given), everywhere, n=1, cutoff=0.7)
    return f"did you mean {' or '.join(map(repr, everywhere[near[0]]))}?" if near else hint(given, known)


def _problem(fault: dict) -> str:
    kind, context = fault["type"], fault.get("ctx", {})
    limits = {
        "greater_than": "must be greater than {gt:g}",
        "greater_than_equal": "must be at least {ge:g}",
        "less_than": "must be less than {lt:g}",
        "less_than_equal": "must be at most {le:g}",
    }
    if kind == "greater_than_equal" and context["ge"] == LEAST and float(fault["input"]) <= 0:
        return "must be greater than 0"
    if kind in limits:
        return limits[kind].format(**context)
    if kind == "literal_error":
        return f"give {context['expected']}"
    if kind == "too_short":
        return "must not be empty"
    if kind == "too_long":
        return f"must hold at most {context['max_length']}"
    plain = {
        "finite_number": "give a finite number",
        "bool": "give true or false",
        "int": "give a whole number",
        "float": "give a number",
        "string": "give text",
        "list": "give a list",
        "tuple": "give a list",
        "dict": "give a section: keys with their values",
        "model": "give a section: keys with their values",
    }
    for start, words in plain.items():
        if kind.startswith(start):
            return words
    return fault["msg"]


def _path(location) -> str:
    return ".".join(cut(str(part), 60) for part in location)


def _list_of_numbers(config: type[Section], location) -> tuple[int, int] | None:
    """The depth at which the location enters a list of a fixed length, and that length; None where it enters none."""
    section: Any = config
    for depth, part in enumerate(location, 1):
        field = section.model_fields.get(part) if section else None
        if field is None:
            return None
        if typing.get_origin(field.annotation) is tuple:
            return depth, len(typing.get_args(field.annotation))
        section = section_of(field.annotation)
    return None


def _known(config: type[Section], location) -> list[str]:
    """The keys of the section at a location."""
    section: Any = config
    for part in location:
        if typing.get_origin(section) is dict:
            section = typing.get_args(section)[1]
            continue
        field = section.model_fields.get(part) if section else None
        if field is None:
            return []
        inner = field.annotation
        section = inner if typing.get_origin(inner) is dict else section_of(inner)
    return list(section.model_fields) if section else []
