"""The folder of an unfinished run: its header, its checkpoints (generations) and its frames, each a sealed file."""

import hashlib
import json
import os
import platform
import re
from contextlib import contextmanager

import h5py
import numpy as np

from membrane.archive import schema
from membrane.archive.border import refuse_outside_data, shortened, translate_read_errors, warn
from membrane.archive.files import SCHEMA_VERSION, ArchiveError, new_hdf5, replacing
from membrane.archive.schema import HEADER
from membrane.archive.tables import create_field, field_names, write
from membrane.version import version

_PACKAGES = ("membrane", "jax", "jaxlib", "numpy", "h5py")
_DECISIVE = ("membrane", "jax", "jaxlib", "numpy", "XLA_FLAGS")
"""Of these another version, or another value, may change the numbers of a run that goes on."""

_SEAL_BYTES = 512
_HDF5 = b"\x89HDF"


def numbered(partial, kind):
    """The files ``kind``-NNNNNN.h5 in a folder, in the order of their numbers.

    Others of similar names are ignored, with a warning.
    """
    found = []
    for path in sorted(partial.glob(f"{kind}-*.h5")):
        if re.fullmatch(rf"{kind}-\d{{6,12}}\.h5", path.name) and path.is_file() and not path.is_symlink():
            found.append(path)
        else:
            warn(f"{path} is none of the files of this run; it is passed over")
    return sorted(found, key=number_of)


def number_of(file):
    """The number NNNNNN in the name of a file."""
    return int(file.stem.partition("-")[2])


def rename_foreign_entries(partial):
    """Rename, with a warning, what has the name of a frame or a checkpoint and is no file: the name is needed."""
    for kind in ("generation", "frame"):
        for path in partial.glob(f"{kind}-*.h5"):
            if not path.is_file() or path.is_symlink():
                path.rename(path.with_name(f"{path.name}.aside-{os.getpid()}"))
                warn(f"{path} is no file of this run; it was renamed to {path.name}.aside-{os.getpid()}")


@contextmanager
def _new_sealed(path):
    """A new sealed file: HDF5 ignores the block in front, which holds the SHA-256 of all that follows."""
    with replacing(path) as temporary:
        with new_hdf5(temporary, userblock_size=_SEAL_BYTES) as file:
            yield file
        with open(temporary, "rb+") as raw:
            raw.seek(_SEAL_BYTES)
            seal = hashlib.file_digest(raw, "sha256").hexdigest()
            raw.seek(0)
            raw.write(seal.encode())


def check_seal(path, *, older=False):
    """Raise ArchiveError where a single bit of a sealed file is wrong.

    ``older``: whether a file without a seal is accepted, as older versions wrote it.
    """
    with translate_read_errors(path), open(path, "rb") as raw:
        seal = raw.read(_SEAL_BYTES)
        if older and seal.startswith(_HDF5):
            return
        written = (seal.rstrip(b"\0")).decode(errors="replace")
        if written != hashlib.file_digest(raw, "sha256").hexdigest():
            raise ArchiveError("its checksum does not fit")


@contextmanager
def _open_sealed(path, *, older=False):
    """A sealed file, checked and open for reading within the block."""
    check_seal(path, older=older)
    with translate_read_errors(path), h5py.File(path) as file:
        refuse_outside_data(file)
        yield file


def write_generation(path, states, scalars, events, series):
    """Write one checkpoint. It is soon replaced, and so it is not compressed."""
    states = {f"{i:06d}": state for i, state in enumerate(states)}
    with _new_sealed(path) as file:
        write(file, {"states": states, "events": events, "series": series}, storage={})
        file.attrs["scalars"] = scalars


def read_generation(path):
    """The checkpoint in a file: (states, scalars, events, series).

    Raises ArchiveError where a single bit is wrong, or where a type, shape or value is not allowed.
    """
    with _open_sealed(path) as file:
        scalars = schema.scalars(file.attrs["scalars"])
        states = schema.states(schema.child(file, "states"))
        endosomes = max(len(states), 1)
        series = schema.child(file, "series")
        # The series of a run that has recorded nothing are empty.
        series = schema.series(series, endosomes) if len(series) else {}
        return states, scalars, schema.events(file, endosomes), series


def latest(partial):
    """The newest checkpoint that can be read, with a warning for each that cannot; None before the first.

    Raises ArchiveError where there are checkpoints and none can be read.
    """
    generations = numbered(partial, "generation")
    for path in reversed(generations):
        try:
            return read_generation(path)
        except ArchiveError as error:
            warn(f"{path} is damaged ({error}); falling back to the checkpoint before it")
    if generations:
        raise ArchiveError(f"no checkpoint in {partial} is readable; start anew with --overwrite")
    return None


def newest_intact(generations):
    """The newest checkpoint whose seal fits; None where there is none."""
    for path in reversed(generations):
        try:
            check_seal(path)
        except ArchiveError:
            continue
        return path
    return None


def write_frame(path, index, time_s, fields):
    """Write frame ``index`` at the time ``time_s`` (s), with fields (endosome, [z,] y, x) by name."""
    with _new_sealed(path) as file:
        file["time_s"], file["index"] = np.array([time_s], float), np.array([index], np.int64)
        for name, values in fields.items():
            values = np.asarray(values, np.float32)[None]
            create_field(file, name, values.shape)[...] = values


@contextmanager
def open_frame(path):
    """The file of one frame, checked and open for reading. Raises ArchiveError where a single bit is wrong."""
    with _open_sealed(path, older=True) as segment:
        names = field_names(segment)
        endosomes = segment[names[0]].shape[1] if names else 0
        schema.fields(segment, names, 1, endosomes)
        if schema.times(segment).shape != (1,) or schema.array(segment, "index", (1,), "iu") != [number_of(path)]:
            raise ArchiveError("it is another frame than its name says")
        yield segment


def frame_files(partial):
    """The readable frames in their order: their files, their times (s) and the names of the fields of each.

    A frame that is damaged, or has another shape than those before it, is left out with a warning.
    """
    files, times, names, layout = [], [], [], {}
    for path in numbered(partial, "frame"):
        try:
            with open_frame(path) as segment:
                fields = field_names(segment)
                shapes = {name: segment[name].shape for name in fields}
                if any(layout.setdefault(name, shape) != shape for name, shape in shapes.items()):
                    raise ArchiveError("it has another shape than the frames before it")
                if len(set(layout.values())) > 1:
                    raise ArchiveError("it has another grid than the frames before it")
                times.append(float(segment["time_s"][0]))
            files.append(path)
            names.append(fields)
        except ArchiveError as error:
            warn(f"{path} is damaged ({error}); the archive will lack this frame")
    return files, times, names


def segments(files):
    """The frames in files, one a file, as `gather` takes them."""
    for path in files:
        with h5py.File(path) as segment:
            yield segment, 0


def environment():
    """Versions of what computes a run, and the flags of its compiler."""
    versions = {package: version(package) for package in _PACKAGES} | {"python": platform.python_version()}
    return versions | {"XLA_FLAGS": os.environ.get("XLA_FLAGS", "")}


def resumed(header, now):
    """The header of a run that goes on.

    ``header``: the header so far.
    ``now``: the time, as text.

    Where a version or flag that may change numbers differs from before, the header says so, and there is one warning.
    """
    before = ([header["versions"], *header.get("resumed_with", [])])[-1]
    found = environment()
    other = [name for name in _DECISIVE if name in before and before[name] != found[name]]
    if not other:
        return header
    words = ", ".join(f"{name} {shortened(before[name], 80) or 'none'} -> {found[name] or 'none'}" for name in other)
    warn(f"this run goes on with others than before: {words}; it will not equal an uninterrupted one bit for bit")
    return header | {"resumed_with": [*header.get("resumed_with", []), {"resumed_utc": now, **found}]}


def read_header(partial):
    """The header of an unfinished run. Raises ArchiveError where it is missing, or a single character is wrong."""
    path = partial / "header.json"
    try:
        if path.stat().st_size > 4 * schema.MOST_TEXT:
            raise ArchiveError("it is too long")
        return _checked_header(json.loads(path.read_text()))
    except (OSError, ValueError, RecursionError, ArchiveError) as error:
        raise ArchiveError(
            f"{partial} has no readable header ({shortened(error)}); start anew with --overwrite"
        ) from error


def _checked_header(header):
    if not isinstance(header, dict):
        raise ArchiveError("it is no object of JSON")
    # Before schema 1.3 headers had no checksum.
    if not header.keys() == set(HEADER) and header.pop("sha256", None) != _header_digest(header):
        raise ArchiveError("its checksum does not fit")
    header.pop("schema_version", None)
    resumed_with = header.get("resumed_with", [])
    if not isinstance(resumed_with, list) or not all(map(_texts, [header.get("versions"), *resumed_with])):
        raise ArchiveError("its versions are no texts")
    schema.checked_attributes(header | {"versions": ""}, HEADER)
    return header


def _texts(found):
    return isinstance(found, dict) and "membrane" in found and all(isinstance(value, str) for value in found.values())


def _header_digest(header):
    return hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()


def write_header(folder, header):
    """Write the header: the keys HEADER, and ``resumed_with`` if there is any; a checksum is added."""
    header = {"schema_version": SCHEMA_VERSION} | header
    with replacing(folder / "header.json") as temporary:
        temporary.write_text(json.dumps(header | {"sha256": _header_digest(header)}, indent=2))


def header_of(attributes):
    """The header of an unfinished run, from the root attributes of a finished archive."""
    header = {key: attributes[key] for key in HEADER} | {"versions": json.loads(attributes["versions"])}
    if "resumed_with" in attributes:
        header["resumed_with"] = json.loads(attributes["resumed_with"])
    return _checked_header(header | {"sha256": _header_digest(header)})


def attributes_of(header):
    """The root attributes of an archive, from the header of its run."""
    return {key: json.dumps(value) if isinstance(value, dict | list) else value for key, value in header.items()}
