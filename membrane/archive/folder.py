"""The folder of an unfinished run: its header, its checkpoints (generations), each a sealed file, and its frames."""

import hashlib
import json
import warnings

import h5py

from membrane.archive.files import ArchiveError, new_hdf5, replacing
from membrane.archive.tables import read, write

HEADER = ("config_yaml", "name", "seed", "created_utc", "versions")

_SEAL_BYTES = 512


def numbered(partial, kind):
    """Files ``kind``-NNNNNN.h5 in the order of their numbers."""
    return sorted(partial.glob(f"{kind}-*.h5"), key=number_of)


def number_of(file):
    """NNNNNN."""
    return int(file.stem.partition("-")[2])


def write_generation(path, content, scalars):
    """HDF5 ignores a block in front of its own: there stands the SHA-256 of all that follows."""
    with replacing(path) as temporary:
        with new_hdf5(temporary, userblock_size=_SEAL_BYTES) as file:
            write(file, content)
            file.attrs["scalars"] = scalars
        with open(temporary, "rb+") as raw:
            raw.seek(_SEAL_BYTES)
            seal = hashlib.file_digest(raw, "sha256").hexdigest()
            raw.seek(0)
            raw.write(seal.encode())


def read_generation(path):
    """(states, scalars, events, series); OSError where a single bit is wrong."""
    with open(path, "rb") as raw:
        seal = raw.read(_SEAL_BYTES).rstrip(b"\0").decode(errors="replace")
        if seal != hashlib.file_digest(raw, "sha256").hexdigest():
            raise OSError("its checksum does not fit")
    with h5py.File(path) as file:
        content = read(file)
        scalars = json.loads(file.attrs["scalars"])
    states = [content["states"][name] for name in sorted(content["states"])]
    return states, scalars, content["events"], content["series"]


def latest(partial):
    """The newest readable generation, with a warning for each that is not; None before the first."""
    generations = numbered(partial, "generation")
    for path in reversed(generations):
        try:
            return read_generation(path)
        except OSError as error:
            warnings.warn(f"{path} is damaged ({error}); falling back to the checkpoint before it", stacklevel=3)
    if generations:
        raise ArchiveError(f"no checkpoint in {partial} is readable; start anew with --overwrite")
    return None


def frame_files(partial):
    """The files of readable frames in their order and their times (s), with a warning for each that is damaged."""
    files, times = [], []
    for path in numbered(partial, "frame"):
        try:
            with h5py.File(path) as segment:
                times.append(float(segment["time_s"][0]))
            files.append(path)
        except (OSError, KeyError) as error:
            warnings.warn(f"{path} is damaged ({error}); the archive will lack this frame", stacklevel=3)
    return files, times


def segments(files):
    """What `gather` takes, of one file a frame."""
    for path in files:
        with h5py.File(path) as segment:
            yield segment, 0


def read_header(partial):
    """What the folder says of its run; ArchiveError where it does not."""
    try:
        return json.loads((partial / "header.json").read_text())
    except (OSError, ValueError) as error:
        raise ArchiveError(f"{partial} has no readable header ({error}); start anew with --overwrite") from error


def write_header(folder, header):
    """``header``: the keys of HEADER."""
    with replacing(folder / "header.json") as temporary:
        temporary.write_text(json.dumps(header, indent=2))
