"""Every command that the documentation tells a reader to type is one that the program knows."""

import re
import shlex
from pathlib import Path

import pytest

from membrane.commands import entry
from membrane.config import load
from membrane.config.shipped import files

ROOT = Path(__file__).parents[2]
TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def typed(path):
    """The command lines of a page, as lists of words: what stands in its blocks of shell, without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", path.read_text(), re.S)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def pages_with(first):
    """(page, words) of every command line that begins with ``first``, named by the page and the line."""
    found = [(path, words) for path in TEXTS for words in typed(path) if words[: len(first)] == first]
    return [pytest.param(words, id=f"{path.stem}: {' '.join(words)}"[:80]) for path, words in found]


def help_of(name, capsys):
    """What ``membrane NAME --help`` prints."""
    with pytest.raises(SystemExit) as end:
        entry.main([name, "--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("words", pages_with(["membrane"]))
def test_membrane(words, capsys):
    """The subcommand and its options exist; the keys that are set are those of a configuration, with fitting values."""
    name, *rest = words[1:]
    if name in ("--help", "--version"):
        return
    assert name in entry.COMMANDS
    known = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", help_of(name, capsys)))
    used = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
    assert used <= known
    changes = [rest[at + 1] for at, word in enumerate(rest) if word == "--set"]
    # The tutorial on laws adds the law "neck" first.
    if rest and rest[0] in files() and "budding.law=neck" not in changes:
        load(files()[rest[0]], changes)


@pytest.mark.parametrize("words", pages_with(["python"]))
def test_python(words):
    """A script or a module that is named exists."""
    if words[1] == "-c":
        compile(words[2], "the line", "exec")
    elif words[1] == "-m":
        module = words[2].split(".")
        assert module[0] != "membrane" or ROOT.joinpath(*module).with_suffix(".py").is_file()
    else:
        assert (ROOT / words[1]).is_file()
