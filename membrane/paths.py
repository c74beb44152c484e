"""Which files a command may write: none twice, none that it reads, none that this package did not make.

Pictures, movies, surfaces and scripts carry a signature (`signature`), by which `may_write` knows them again.
"""

import argparse
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

SIGN = "Software: membrane"
"""What a text file of this package says in one of its first lines, and a movie in its comment."""

_SIGNATURES = {".png": {"Software": "membrane"}, ".pdf": {"Creator": "membrane"}}
_MARKS = {".png": b"tEXtSoftware\0membrane", ".pdf": b"/Creator (membrane)"}
_ENDS = 65536
"""Bytes at either end of a file that are searched for the signature."""

_NO_ARCHIVES = (
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
_NO_ARCHIVES += (".py", ".sh", ".md", ".docx", ".zip", ".partial", ".tmp")


class PathError(ValueError):
    """A path that may not be written to, or cannot be understood; the message says what to do."""


def path(text: str) -> Path:
    """The type of every path argument of a command: ``~`` is the home folder. Raises ArgumentTypeError."""
    try:
        if not text or "\0" in text:
            raise RuntimeError("a path needs at least one character and none that is zero")
        return Path(text).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def figure_name(text: str) -> Path:
    """As :func:`path`, of one figure: .png is appended unless the name ends in .png or .pdf."""
    given = path(text)
    return given if given.suffix in (".png", ".pdf") else given.with_name(given.name + ".png")


def picture_beside(archive: Path, ending: str) -> Path:
    """A file beside an archive, by its ``ending`` (".png", "-sizes", ".gif"): that of ``a.h5`` is ``a.png``, that of
    ``kappa_0.5`` is ``kappa_0.5.png``, that of an unfinished ``a.h5.partial`` is ``a.png``. No two archives that differ
    in more than .h5 or .hdf5 share one. Append further suffixes to the name; `Path.with_suffix` would cut it."""
    name = Path(archive).name.removesuffix(".partial")
    stem, suffix = os.path.splitext(name)
    return Path(archive).with_name((stem if suffix.lower() in (".h5", ".hdf5") else name) + ending)


def followed(path: Path) -> Path:
    """What a symbolic link points to, for a file that is replaced by a rename, so that the link stays; another path as
    it is. Raises PathError for links that lead in a circle."""
    if not os.path.islink(path):
        return Path(path)
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise PathError(f"{path} is a symbolic link that leads in a circle; remove it or choose another path")
    return target


def signature(path: Path) -> dict[str, str]:
    """What makes a file ours: ``savefig(path, metadata=signature(path))`` for a .png or .pdf; for a movie the keyword
    ``comment`` of Pillow's ``save`` and of the metadata that matplotlib hands to ffmpeg."""
    return dict(_SIGNATURES.get(Path(path).suffix.lower(), {"comment": SIGN}))


def signed(path: Path) -> bool:
    """Whether a file carries our signature. Raises OSError where it cannot be read."""
    with open(path, "rb") as file:
        found = file.read(_ENDS)
        file.seek(max(0, os.fstat(file.fileno()).st_size - _ENDS))
        found += file.read(_ENDS)
    return _MARKS.get(Path(path).suffix.lower(), SIGN.encode()) in found


def may_write(path: Path, *, ours: Callable[[Path], bool] = signed, remedy: str = "give another name") -> None:
    """Raises PathError unless nothing is at ``path``, or a file of this package, which may be replaced.

    ``ours`` says whether an existing file is of this package: by default whether it carries the signature. Folders,
    devices, pipes and sockets are refused. A symbolic link stands for its target.
    """
    path = Path(path)
    target = followed(path)
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


def all_differ(outputs: Mapping[str, Path], inputs: Iterable[Path] = ()) -> None:
    """Raises PathError where two of the ``outputs`` (by what they are, in words) are one file, or one of them is, or as
    a folder holds, one of the ``inputs``. Files are compared by what they are, not by how they are named."""
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
    """Whether two paths are one file, through links of either kind; a file that does not exist is its path."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def archive_name(path: Path) -> Path:
    """``path``, unless its suffix says that it is something other than an archive: PathError."""
    if Path(path).suffix.lower() in _NO_ARCHIVES:
        raise PathError(f"--output {path}: an archive is no {Path(path).suffix} file; give a name that ends in .h5")
    return Path(path)
