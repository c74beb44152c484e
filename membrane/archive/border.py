"""The border: an HDF5 file that anybody may have written is opened here, and nothing in it is followed out of it."""

import json
import warnings
from contextlib import contextmanager

import h5py
import numpy as np

from membrane.archive.files import SCHEMA_VERSION, ArchiveError
from membrane.archive.tables import is_dimension, plain

MOST_BYTES = 2**33
"""Of one data set that is read as a whole."""

_DEEPEST = 5
_MOST_NODES = 200_000
# gzip packs 1032 times at best, and a chunk at the edge holds more than what is declared.
_PACKED = 1100
_SMALL = 2**16
_HDF5_ERRORS = (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, IndexError, OverflowError)
"""What is damaged inside a file HDF5 tells with any of these."""


@contextmanager
def understood(path):
    """Whatever is wrong with the content of ``path`` becomes an ArchiveError that names it."""
    try:
        yield
    except ArchiveError as error:
        if str(path) in str(error):
            raise
        raise ArchiveError(f"{path} is unreadable: {error}") from error
    except (*_HDF5_ERRORS, MemoryError, RecursionError) as error:
        what = f"{type(error).__name__}: {error}"
        words = f"{path} is no readable archive of membrane ({shortened(what)}); is it the right file?"
        raise ArchiveError(words) from error


@contextmanager
def opened(path):
    """An archive for reading; ArchiveError where it is none, is damaged, follows another schema or leads out of
    itself."""
    with understood(path), h5py.File(path) as file:
        found = plain(file.attrs.get("schema_version", "none"))
        if not isinstance(found, str) or found.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
            if isinstance(found, str) and found != "none":
                raise ArchiveError(f"schema_version {shortened(found)}; this version of membrane reads 1.x")
            raise ArchiveError("it has no schema_version; is it the right file?")
        closed(file)
        yield file


def closed(file) -> None:
    """ArchiveError where anything in an open file leads out of it, or declares far more than it stores.

    Links that are not hard, external storage and virtual data sets could copy another file of the reader into what is
    made of this one.
    """
    _closed(file, 0, 0)


def _closed(group, depth, nodes) -> int:
    if depth > _DEEPEST:
        raise ArchiveError(f"its groups lie deeper than {_DEEPEST}")
    for name in group:
        where, nodes = shortened(f"{group.name.rstrip('/')}/{name}"), nodes + 1
        if nodes > _MOST_NODES:
            raise ArchiveError(f"it has more than {_MOST_NODES} data sets")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ArchiveError(f"{where} is a link to elsewhere; an archive holds its data itself")
        node = group[name]
        if isinstance(node, h5py.Group):
            nodes = _closed(node, depth + 1, nodes)
        elif isinstance(node, h5py.Dataset):
            _bounded(where, node)
    return nodes


def _bounded(where, dataset) -> None:
    if dataset.shape is None:
        raise ArchiveError(f"{where} is empty")
    if dataset.external or dataset.is_virtual:
        raise ArchiveError(f"{where} keeps its data in another file; an archive holds them itself")
    declared, stored = int(np.prod([float(n) for n in dataset.shape])) * dataset.dtype.itemsize, 0
    if declared > _SMALL and not is_dimension(dataset):
        stored = dataset.id.get_storage_size()
        if declared > _PACKED * stored:
            raise ArchiveError(f"{where} declares {declared:.3g} bytes, of which {stored} are stored")
        chunk = dataset.chunks and int(np.prod([float(n) for n in dataset.chunks])) * dataset.dtype.itemsize
        if chunk and chunk > max(_PACKED * stored, _SMALL):
            raise ArchiveError(f"{where} has chunks of {chunk:.3g} bytes, of which {stored} are stored")


def shortened(text, most: int = 300) -> str:
    """At most ``most`` characters of a text from outside, on one line."""
    text = " ".join(str(text)[: 2 * most].split())
    return text if len(text) <= most else text[:most] + " ..."


def json_object(text, what: str) -> dict:
    """The object that a JSON text holds; ArchiveError where it holds none."""
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise ArchiveError(f"{what} is no JSON ({shortened(error)})") from error
    if not isinstance(found, dict):
        raise ArchiveError(f"{what} is {type(found).__name__}, not an object of JSON")
    return found


def warn(message: str) -> None:
    """Tell whoever reads that something is left out."""
    warnings.warn(message, stacklevel=4)
