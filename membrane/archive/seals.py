"""Seals of an archive: a digest of each part, by which a reader notices that a part has changed.

A digest is made of what a reader gets (names, types, shapes, values, attributes), not of the bytes in the file. So a
file that was copied or compressed anew keeps its seals. Root attributes and data that others add later have no seal.
"""

import hashlib
import json

import h5py
import numpy as np

from membrane.archive.border import shortened
from membrane.archive.files import ArchiveError
from membrane.archive.tables import field_names, is_dimension, plain

SEALED_SINCE = 3
"""From this minor version of the schema on, an archive without seals is damaged."""

# In these attributes HDF5 keeps the links between data sets and their dimension scales.
_OF_SCALES = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates"}
_PARTS = ("events", "size_distribution", "series", "members")


def seal(file) -> None:
    """Write the root attribute ``seals`` of a finished archive. Nothing is written to the archive afterwards."""
    file.attrs.pop("seals", None)
    seals = {"attributes": {name: _attribute_digest(value) for name, value in sorted(file.attrs.items())}}
    seals["parts"] = {name: _digest(file[name]) for name in _PARTS if name in file}
    frames = file["frames"]
    seals["parts"]["frames"] = _digest(frames, leave_out=field_names(frames))
    seals["frames"] = [frame_digest(frames, row) for row in range(len(frames["index"]))]
    if "checkpoint" in file:
        seals["parts"]["checkpoint"] = _digest(file["checkpoint"], leave_out=("states",))
        seals["states"] = {name: _digest(state) for name, state in file["checkpoint/states"].items()}
    file.attrs["seals"] = json.dumps(seals)


class Seals:
    """The seals of an open archive. Its root attributes are verified at once.

    Raises ArchiveError where the seals are missing or an attribute does not fit its seal. A file of a schema before 1.3
    has no seals, and nothing of it can be verified.
    """

    def __init__(self, file):
        self.file = file
        self._seals = _seals_of(file)
        for name, found in self._section("attributes").items():
            if name not in file.attrs or _attribute_digest(file.attrs[name]) != found:
                raise ArchiveError(f"the attribute {name} does not fit its seal: it has changed since it was written")

    def verify(self, part: str) -> None:
        """Raise ArchiveError where a part has changed since it was written.

        ``part``: events, size_distribution, series, members, checkpoint, or frames (all of them but the fields).
        """
        if self._seals is None or (part not in self._section("parts") and part not in self.file):
            return
        leave_out = {"frames": field_names(self.file["frames"]), "checkpoint": ("states",)}.get(part, ())
        self._compare(part, lambda: _digest(self.file[part], leave_out), self._section("parts").get(part))
        if part == "checkpoint":
            known = self._section("states")
            for name in sorted(known | self.file["checkpoint/states"].keys()):
                what = f"checkpoint of endosome {int(name)}"
                self._compare(what, lambda name=name: _digest(self.file["checkpoint/states"][name]), known.get(name))

    def verify_frame(self, row: int) -> None:
        """Raise ArchiveError where the fields of frame ``row`` have changed since they were written."""
        if self._seals is not None:
            known = dict(enumerate(self._seals["frames"]))
            self._compare(f"frame {row}", lambda: frame_digest(self.file["frames"], row), known.get(row))

    def _section(self, name: str) -> dict:
        return (self._seals or {}).get(name, {})

    def _compare(self, what, compute, known) -> None:
        """Raise ArchiveError where the digest that ``compute`` returns is not the ``known`` one."""
        try:
            fits = compute() == known
        # Where data are damaged, h5py raises any of these.
        except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise ArchiveError(f"{what} cannot be read ({shortened(error)})") from error
        if not fits:
            raise ArchiveError(f"{what} does not fit its seal: it has changed since it was written")


def _seals_of(file) -> dict | None:
    """The attribute ``seals``, checked; None for an older schema."""
    minor = str(plain(file.attrs["schema_version"])).partition(".")[2]
    if "seals" not in file.attrs:
        if not minor.isdigit() or int(minor) >= SEALED_SINCE:
            raise ArchiveError("its seals are gone")
        return None
    try:
        seals = json.loads(file.attrs["seals"])
        sections = [seals["attributes"], seals["parts"], seals.get("states", {})]
        frames = seals["frames"]
        whole = all(isinstance(section, dict) for section in sections) and isinstance(frames, list)
        # There may be no frames, but every archive has these parts.
        if not whole or not {"events", "series", "frames"} <= sections[1].keys() or "seed" not in sections[0]:
            raise ValueError("they are not complete")
    except (ValueError, TypeError, KeyError) as error:
        raise ArchiveError(f"its seals are damaged ({shortened(error)})") from error
    return seals


def frame_digest(frames, row: int) -> str:
    """The digest of one frame: its time, its number and its fields. A field that is NaN everywhere counts as absent."""
    digest = hashlib.sha256()
    _add(digest, "time_s", np.asarray(frames["time_s"][row]))
    _add(digest, "index", np.asarray(frames["index"][row]))
    for name in field_names(frames):
        values = frames[name][row]
        if not np.isnan(values).all():
            _add(digest, name, values)
    return digest.hexdigest()


def _digest(node, leave_out=()) -> str:
    """The digest of a group or a data set, without the members ``leave_out`` of a group."""
    digest = hashlib.sha256()
    _add_node(digest, "", node, leave_out)
    return digest.hexdigest()


def _add_node(digest, name, node, leave_out=()) -> None:
    """Add a group or a data set, with its attributes, to a digest."""
    digest.update(f"{name}:{type(node).__name__};".encode())
    for key in sorted(set(node.attrs) - _OF_SCALES):
        digest.update(f"{key}={_attribute_digest(node.attrs[key])};".encode())
    if isinstance(node, h5py.Group):
        for key in sorted(node):
            if key not in leave_out:
                _add_node(digest, key, node[key])
    elif is_dimension(node):
        digest.update(f"{node.shape};".encode())
    elif node.chunks and node.size:
        # No more than one chunk is in memory.
        for where in node.iter_chunks():
            _add(digest, str(where), node[where])
    else:
        _add(digest, "", np.asarray(node[()]))


def _add(digest, name, values) -> None:
    if values.dtype == object:
        texts = [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in values.ravel()]
        digest.update(f"{name}:text{values.shape}:{json.dumps(texts)};".encode())
    else:
        digest.update(f"{name}:{values.dtype.descr}{values.shape};".encode())
        digest.update(np.ascontiguousarray(values).tobytes())


def _attribute_digest(value) -> str:
    digest = hashlib.sha256()
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    _add(digest, "", np.array(value, object) if isinstance(value, str) else np.asarray(value))
    return digest.hexdigest()
