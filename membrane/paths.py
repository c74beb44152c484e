"""Which files a command may write: none twice, none that it also reads, none that this package did not make.

Pictures, movies, surfaces and scripts carry a signature (`signature`), by which `require_own_file` recognises them.
"""

import argparse
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

SIGN = "Software: membrane"
"""The signature in one of the first lines of a text file of this package, and in the comment of a movie."""

_SIGNATURES = {".png": {"Software": "membrane"}, ".pdf": {"Creator": "membrane"}}
_MARKS = {".png": b"tEXtSoftware\0membrane", ".pdf": b"/Creator (membrane)"}
_SEARCHED_BYTES = 65536
"""The bytes at either end of a file in which the signature is looked for."""

_OTHER_SUFFIXES = (
    ".png",
    ".pdf",
    ".svg",
    ".jpg",
    ".jpeg",
    ".gif",
    ".mp4",
    ".yaml",
    ".yml",
    ".json",
    ".csv",
    ".txt",
    ".log",
)
_OTHER_SUFFIXES += (".py", ".sh", ".md", ".docx", ".zip", ".partial", ".tmp")


class PathError(ValueError):
    """A path that may not be written, or cannot be understood. The message says what to do."""


def path(text: str) -> Path:
    """The path that an argument of a command means; ``~`` is the home folder. Raises argparse.ArgumentTypeError."""
    try:
        if not text or "\0" in text:
            raise RuntimeError("a path needs at least one character and none that is zero")
        return Path(text).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def figure_name(text: str) -> Path:
    """The path of a figure that an argument means: .png is appended unless the name ends in .png or .pdf."""
    given = path(text)
    return given if given.suffix in (".png", ".pdf") else given.with_name(given.name + ".png")


def picture_beside(archive: Path, ending: str) -> Path:
    """The path of a picture beside an archive, also of an unfinished one.

    ``archive``: the archive, or the ``.partial`` folder of an unfinished run.
    ``ending``: what follows the name, such as ".png" or "-sizes".

    Two archives share a picture only where their names differ in .h5 or .hdf5 alone. To append a further suffix, add it
    to the name: `Path.with_suffix` would cut names such as ``kappa_0.5``.

    >>> picture_beside(Path("kappa_0.5.h5"), ".png").name
    'kappa_0.5.png'
    >>> picture_beside(Path("kappa_0.5"), ".png").name
    'kappa_0.5.png'
    >>> picture_beside(Path("a.h5.partial"), "-sizes").name
    'a-sizes'
    """
    name = Path(archive).name.removesuffix(".partial")
    stem, suffix = os.path.splitext(name)
    return Path(archive).with_name((stem if suffix.lower() in (".h5", ".hdf5") else name) + ending)


def resolve_link(path: Path) -> Path:
    """The file that a symbolic link stands for; any other path is returned as it is.

    To replace a file by a rename would replace the link. With its target the link stays. Raises PathError for links
    that lead in a circle.
    """
    if not os.path.islink(path):
        return Path(path)
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise PathError(f"{path} is a symbolic link that leads in a circle; remove it or choose another path")
    return target


def signature(path: Path) -> dict[str, str]:
    """The metadata by which a file is recognised as one of this package.

    For a .png or .pdf: ``savefig(path, metadata=signature(path))``. For a movie it is the keyword ``comment`` of
    Pillow's ``save``, and of the metadata that matplotlib hands to ffmpeg.
    """
    return dict(_SIGNATURES.get(Path(path).suffix.lower(), {"comment": SIGN}))


def signed(path: Path) -> bool:
    """Whether a file has the signature of this package. Raises OSError where it cannot be read."""
    with open(path, "rb") as file:
        found = file.read(_SEARCHED_BYTES)
        file.seek(max(0, os.fstat(file.fileno()).st_size - _SEARCHED_BYTES))
        found += file.read(_SEARCHED_BYTES)
    return _MARKS.get(Path(path).suffix.lower(), SIGN.encode()) in found


def require_own_file(path: Path, *, ours: Callable[[Path], bool] = signed, remedy: str = "give another name") -> None:
    """Raise PathError unless ``path`` is free, or is a file of this package, which may be replaced.

    ``path``: where a file is to be written. A symbolic link stands for its target. Folders and devices are refused.
    ``ours``: says whether an existing file is of this package; by default, whether it has the signature.
    ``remedy``: what the message tells the user to do.
    """
    path = Path(path)
    target = resolve_link(path)
    try:
        if not target.exists():
            return
        if not target.is_file():
            what = "a folder" if target.is_dir() else "no ordinary file"
            raise PathError(f"{path} is {what}; {remedy}")
        known = ours(target)
    except OSError as error:
        raise PathError(f"{path} cannot be looked at ({error}); {remedy}") from None
    if not known:
        raise PathError(f"{path} exists and was not made by membrane, so it is not replaced; {remedy}")


def require_new_file(path: Path) -> None:
    """Raise PathError unless ``path`` is free and its folder exists: for files that carry no signature."""
    path = Path(path)
    if path.exists() or path.is_symlink():
        raise PathError(f"{path} exists; choose another name or remove it")
    if not path.parent.is_dir():
        raise PathError(f"{path.parent} is no folder; make it first or choose another name")


def require_distinct_paths(outputs: Mapping[str, Path], inputs: Iterable[Path] = ()) -> None:
    """Raise PathError where a command would write one file twice, or replace one that it reads.

    ``outputs``: the files and folders that are written, by what they are in words.
    ``inputs``: the files that are read.

    Files are compared by what they are, not by their names. An output may be a folder that holds an input.
    """
    seen: dict[str, Path] = {}
    for what, path in outputs.items():
        for other, before in seen.items():
            if same(path, before):
                raise PathError(f"{what} and {other} would be one file, {path}; give another --output")
        for source in inputs:
            if same(path, source) or any(same(path, parent) for parent in Path(os.path.realpath(source)).parents):
                raise PathError(f"{what} {path} would replace {source}, which this command reads; give another name")
        seen[what] = path


def same(one: Path, other: Path) -> bool:
    """Whether two paths mean one file, also through links. A file that does not exist is compared by its path."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def archive_name(path: Path) -> Path:
    """The path of an archive, as it is. Raises PathError where the suffix says that it is something else."""
    if Path(path).suffix.lower() in _OTHER_SUFFIXES:
        raise PathError(f"--output {path}: an archive is no {Path(path).suffix} file; give a name that ends in .h5")
    return Path(path)
