"""Docstrings as Markdown, for the reference pages of the site (mkdocs.yml names this file).

Our docstrings are plain text. Three things in them are not Markdown, and are made so: examples with >>>, lists of
arguments (one a line), and roles such as :func:`run`. A name that a room imports is shown where it is defined only.
"""

import re

import griffe

ARGUMENT = re.compile(r"``[^`]+``(, ``[^`]+``)*: |\w+(, \w+)*: (?=\S)")
ROLE = re.compile(r":(?:func|class|meth|mod|attr):`~?([^`]+)`")


def as_markdown(text: str) -> str:
    """The docstring ``text`` as Markdown.

    >>> as_markdown("Doubles.\\n\\nx: a number, nm")
    'Doubles.\\n\\n- `x`: a number, nm'
    >>> as_markdown(">>> 1 + 1\\n2")
    '```pycon\\n>>> 1 + 1\\n2\\n```'
    """
    paragraphs = re.split(r"\n\s*\n", ROLE.sub(r"`\1`", text))
    return "\n\n".join(_example(part) if part.lstrip().startswith(">>>") else _arguments(part) for part in paragraphs)


def _example(paragraph: str) -> str:
    return f"```pycon\n{paragraph}\n```"


def _arguments(paragraph: str) -> str:
    """A list, where two lines or the first one name arguments; text before them stays text."""
    lines = paragraph.split("\n")
    found = [at for at, line in enumerate(lines) if ARGUMENT.match(line)]
    if not found or (found[0] > 0 and len(found) < 2):
        return paragraph
    before, listed = lines[: found[0]], []
    for line in lines[found[0] :]:
        if match := ARGUMENT.match(line):
            name, rest = match.group().rstrip(": "), line[match.end() :]
            listed.append(f"- {name if '`' in name else f'`{name}`'}: {rest}")
        else:
            listed.append(f"    {line.strip()}")
    return "\n".join([*before, *([""] if before else []), *listed])


class DocstringsAsMarkdown(griffe.Extension):
    """Rewrites every docstring, and leaves out what a room only passes on."""

    def on_package(self, *, pkg: griffe.Module, **_) -> None:
        """Called once, with the whole package."""
        self._visit(pkg)

    def _visit(self, found) -> None:
        if found.docstring:
            found.docstring.value = as_markdown(found.docstring.value)
        for name, member in list(found.members.items()):
            if member.is_alias:
                del found.members[name]
            else:
                self._visit(member)
