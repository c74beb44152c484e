"""Opening HDF5 files that anybody may have written: damage becomes an ArchiveError, no link leads out of the file."""

import json
import warnings
from contextlib import contextmanager

import h5py
import numpy as np

from membrane.archive.files import SCHEMA_VERSION, ArchiveError
from membrane.archive.tables import is_dimension, plain

MOST_DATASET_BYTES = 2**33
"""The largest data set that is read as a whole."""

_MOST_LEVELS = 5
_MOST_NODES = 200_000
# gzip makes data at most 1032 times smaller, and a chunk at the edge holds more than is declared.
_MOST_COMPRESSION = 1100
_SMALL_BYTES = 2**16
_HDF5_ERRORS = (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, IndexError, OverflowError)
"""Errors that h5py raises where a file is damaged inside."""


@contextmanager
def translate_read_errors(path):
    """Turn every error of the block into an ArchiveError that names the file ``path``."""
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
def open_archive(path):
    """An archive, open for reading within the block.

    Raises ArchiveError where the file is no archive, is damaged, has another schema, or holds links to other files.
    """
    with translate_read_errors(path), h5py.File(path) as file:
        found = plain(file.attrs.get("schema_version", "none"))
        if not isinstance(found, str) or found.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
            if isinstance(found, str) and found != "none":
                raise ArchiveError(f"schema_version {shortened(found)}; this version of membrane reads 1.x")
            raise ArchiveError("it has no schema_version; is it the right file?")
        refuse_outside_data(file)
        yield file


def refuse_outside_data(file) -> None:
    """Raise ArchiveError where an open file refers to other files, or declares far more data than it stores.

    Soft and external links, external storage and virtual data sets could copy another file of the reader into what is
    made of this one.
    """
    _check_group(file, 0, 0)


def _check_group(group, depth, nodes) -> int:
    """Check all that a group holds; returns the number of nodes seen so far."""
    if depth > _MOST_LEVELS:
        raise ArchiveError(f"its groups lie deeper than {_MOST_LEVELS}")
    for name in group:
        where, nodes = shortened(f"{group.name.rstrip('/')}/{name}"), nodes + 1
        if nodes > _MOST_NODES:
            raise ArchiveError(f"it has more than {_MOST_NODES} data sets")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ArchiveError(f"{where} is a link to elsewhere; an archive holds its data itself")
        node = group[name]
        if isinstance(node, h5py.Group):
            nodes = _check_group(node, depth + 1, nodes)
        elif isinstance(node, h5py.Dataset):
            _check_dataset(where, node)
    return nodes


def _check_dataset(where, dataset) -> None:
    """Check one data set: where its data lie, and how large it claims to be."""
    if dataset.shape is None:
        raise ArchiveError(f"{where} is empty")
    if dataset.external or dataset.is_virtual:
        raise ArchiveError(f"{where} keeps its data in another file; an archive holds them itself")
    declared, stored = int(np.prod([float(n) for n in dataset.shape])) * dataset.dtype.itemsize, 0
    if declared > _SMALL_BYTES and not is_dimension(dataset):
        stored = dataset.id.get_storage_size()
        if declared > _MOST_COMPRESSION * stored:
            raise ArchiveError(f"{where} declares {declared:.3g} bytes, of which {stored} are stored")
        chunk = dataset.chunks and int(np.prod([float(n) for n in dataset.chunks])) * dataset.dtype.itemsize
        if chunk and chunk > max(_MOST_COMPRESSION * stored, _SMALL_BYTES):
            raise ArchiveError(f"{where} has chunks of {chunk:.3g} bytes, of which {stored} are stored")


def shortened(text, most: int = 300) -> str:
    """At most ``most`` characters of a text from a file, on one line."""
    text = " ".join(str(text)[: 2 * most].split())
    return text if len(text) <= most else text[:most] + " ..."


def json_object(text, what: str) -> dict:
    """The object that a JSON text holds. Raises ArchiveError where it holds none; ``what`` names the text."""
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise ArchiveError(f"{what} is no JSON ({shortened(error)})") from error
    if not isinstance(found, dict):
        raise ArchiveError(f"{what} is {type(found).__name__}, not an object of JSON")
    return found


def warn(message: str) -> None:
    """Warn the reader of an archive that something is damaged or left out."""
    warnings.warn(message, stacklevel=4)
