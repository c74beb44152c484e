"""What the commands that draw share: where they write, and how they end. It draws nothing and imports no matplotlib."""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from membrane.archive import ArchiveError
from membrane.paths import picture_beside, require_distinct_paths, require_own_file
from membrane.program.console import BAD_INPUT, COMPLETE, FAILED


def draw(name: str, work: Callable[[], Iterable[Path]]) -> int:
    """Does the ``work`` of the command ``name``, prints the files that it has written, and returns the exit code.

    Bad input gives 2. Whatever else fails gives 3. Both say why in one line; no archive is ever changed.
    """
    try:
        for path in work():
            print(path)
    except (ArchiveError, ValueError, OSError) as error:
        print(f"{name}: {_line(error)}", file=sys.stderr)
        return BAD_INPUT
    except Exception as error:
        why = f"{type(error).__name__}: {_line(error)}"
        print(f"{name}: not drawn ({why}); the archive is as it was", file=sys.stderr)
        return FAILED
    return COMPLETE


def stem(output: Path | None, read: Sequence[Path] = (), ending: str = "") -> Path:
    """Where a figure goes, without suffix: ``output`` (its .png or .pdf is dropped), or beside the first of what is
    ``read``.

    Raises PathError where the PNG or the PDF would replace what is read, or a file that is not ours.
    """
    chosen = output or picture_beside(read[0], ending)
    if chosen.suffix.lower() in (".png", ".pdf"):
        chosen = chosen.with_name(chosen.name[: -len(chosen.suffix)])
    written = {suffix[1:].upper(): chosen.with_name(chosen.name + suffix) for suffix in (".png", ".pdf")}
    check_outputs(written, read)
    return chosen


def check_outputs(outputs: dict[str, Path], read: Sequence[Path]) -> None:
    """Raises PathError unless all ``outputs`` (by what they are, in words) may be written without replacing what is
    ``read``."""
    require_distinct_paths(outputs, read)
    for path in outputs.values():
        require_own_file(path)


def _line(error) -> str:
    return " ".join(str(error).split()) or type(error).__name__
