"""From a file to plain values: YAML in which everything means one thing, with bounds of size, depth and number."""

import os
import re
import reprlib
import stat
from pathlib import Path
from typing import Any

import yaml

MOST_BYTES = 2**20
"""The largest file that is read as a configuration."""

MOST_KEPT_BYTES = 8 * MOST_BYTES
"""The largest sweep that is read from the folder of a sweep. Written there in full, it is up to five times larger."""

MOST_COPIES = 100_000
"""The most values that the aliases of a text may add to those that are written in it."""

MOST_LEVELS = 30
"""How deep sections and lists may be nested. A configuration needs five levels."""

MOST_DIGITS = 30
"""The longest whole number."""


class ConfigError(ValueError):
    """All faults of a configuration, one a line: the key, what was given, what is allowed."""


class Inconsistent(ValueError):
    """Keys that do not fit each other. ``faults`` holds a sentence for each case."""

    def __init__(self, faults: list[str]):
        super().__init__("; ".join(faults))
        self.faults = faults


def read_text(path: str | Path, example: str, most: int = MOST_BYTES) -> str:
    """The text of a regular file of at most ``most`` bytes.

    Raises ConfigError where it cannot be read; the message names ``example``, a file that would do.
    """
    remedy = f"give the path of a YAML file such as {example}"
    try:
        # Asked before the file is opened: opening a pipe would wait for its writer.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ConfigError(f"{path}: cannot be read (it is no regular file); {remedy}")
        with open(path, "rb") as file:
            found = file.read(most + 1)
        if len(found) > most:
            raise ConfigError(f"{path}: cannot be read (it is larger than {most} bytes); {remedy}")
        # Every kind of line end becomes one, as in a file that is opened for text.
        return found.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); {remedy}") from None


def read_yaml(text: str) -> Any:
    """The value of YAML text. Raises ConfigError with line and column.

    What YAML reads otherwise than it seems is refused: octal, hexadecimal and binary numbers, numbers to base 60,
    dates, tags, a key that is given twice, a key that is no text. Merge keys (``<<:``) work; a key that stands beside
    them wins.

    >>> read_yaml("length_nm: 1e-3")
    {'length_nm': 0.001}
    """
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, loader.written + MOST_COPIES, {})
        return _value(node)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"line {line}: the character U+{error.character:04X} is not allowed") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        # Only the first of the two is always there; the second says in which part it happened.
        raise ConfigError(f"{where}{cut(str(error.problem or error.context), 200)}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # Impossible escapes such as "\UFFFFFFFF" make PyYAML raise errors of Python.
        line = f"line {loader.line + 1}: " if loader else ""
        raise ConfigError(f"{line}{cut(str(error), 200)}") from None


def shortened(value: Any, most: int = 80) -> str:
    """A value as a message quotes it: at most ``most`` characters, however large the value is."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    return cut(_SHORT.repr(value), most)


def cut(text: str, most: int = 80) -> str:
    """At most ``most`` characters of a text, in one line; dots stand for what is left out."""
    text = text if len(text) <= most else f"{text[: most - 3]}..."
    return " ".join(text.split())


_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict, _SHORT.maxstring, _SHORT.maxother = 2, 6, 4, 60, 60


def _fault(node: yaml.Node | yaml.Event, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(None, None, problem, node.start_mark)


class _Loader(yaml.SafeLoader):
    """The loader of PyYAML, which refuses tags and what is nested deeper than MOST_LEVELS."""

    level = written = 0

    def compose_node(self, parent, index):
        event = self.peek_event()
        if getattr(event, "tag", None) not in (None, "!"):
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise _fault(event, f"the tag {shortened(tag)} is not used here: leave it out")
        self.level, self.written = self.level + 1, self.written + 1
        if self.level > MOST_LEVELS:
            raise _fault(event, f"sections and lists are nested more than {MOST_LEVELS} levels deep")
        node = super().compose_node(parent, index)
        self.level -= 1
        return node


EXPONENT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+")
"""Numbers such as 1e-3, which PyYAML takes for text."""

_Loader.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+.0123456789"))

_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9_]*)")


def _measure(node: yaml.Node, most: int, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """The number of values that a node would hold with its aliases expanded, and of their levels. None is expanded."""
    if id(node) in known:
        if known[id(node)] is None:
            raise _fault(node, "this part holds itself by an alias")
        return known[id(node)]
    known[id(node)] = None
    parts = [] if isinstance(node, yaml.ScalarNode) else node.value
    if isinstance(node, yaml.MappingNode):
        parts = [part for pair in parts for part in pair]
    measured = [_measure(part, most, known) for part in parts]
    count, levels = 1 + sum(size for size, _ in measured), 1 + max((depth for _, depth in measured), default=0)
    if count > most:
        raise _fault(node, f"aliases add more than {MOST_COPIES} values to this text")
    if levels > MOST_LEVELS:
        raise _fault(node, f"aliases nest this part more than {MOST_LEVELS} levels deep")
    known[id(node)] = count, levels
    return count, levels


def _value(node: yaml.Node) -> Any:
    """The plain value of a node. Every alias becomes a separate copy, so that a change of one changes no other."""
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item) for item in node.value]
    explicit, merged = {}, None
    for key_node, item in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            if merged is not None:
                raise _fault(key_node, "<< is given twice; write it once with a list, <<: [*first, *second]")
            merged = _merged(item)
            continue
        key = _key(key_node)
        if key in explicit:
            raise _fault(key_node, f"key {shortened(key)} is given twice")
        explicit[key] = _value(item)
    return (merged or {}) | explicit


def _merged(node: yaml.Node) -> dict:
    parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
    if not all(isinstance(part, yaml.MappingNode) for part in parts):
        raise _fault(node, "<< merges sections only: give the alias of a section, or a list of such aliases")
    found = {}
    for part in parts:
        # Of two sections that have a key, the first one wins.
        found = _value(part) | found
    return found


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _fault(node, "a list or a section cannot be a key; keys are words such as duration_s")
    key = _scalar(node)
    if not isinstance(key, str):
        raise _fault(node, f"the key {cut(node.value)} is no text; keys are words such as duration_s")
    return key


def _scalar(node: yaml.ScalarNode) -> Any:
    text, kind = node.value, node.tag.removeprefix("tag:yaml.org,2002:")
    if kind == "null":
        return None
    if kind == "bool":
        return yaml.SafeLoader.bool_values[text.lower()]
    if kind == "timestamp":
        raise _fault(node, f"{cut(text)} is read as a date; if it is text, write it in quotes")
    if kind in ("int", "float"):
        return _number(node, text, kind)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise _fault(node, "half of a surrogate pair is no character") from None
    return text


def _number(node: yaml.ScalarNode, text: str, kind: str) -> int | float:
    if ":" in text:
        raise _fault(
            node, f"{cut(text)} is read as a number to base 60; write a plain number, such as 90, or text in quotes"
        )
    if kind == "float":
        # YAML writes infinity and "not a number" as .inf and .nan.
        return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    if not _DECIMAL.fullmatch(text):
        raise _fault(
            node,
            f"{cut(text)} is not read as a decimal number (a leading 0 means octal, 0x hexadecimal, 0b binary); write "
            "a plain number, such as 10, or text in quotes",
        )
    if len(text) > MOST_DIGITS:
        raise _fault(node, f"{cut(text)} has {len(text)} digits; {MOST_DIGITS} are the most")
    return int(text.replace("_", ""))
