"""Archives that anybody may have written: each is read, or refused in words that say what is wrong with it."""

import json
import shutil
import time

import h5py
import numpy as np
import pytest
from archives import archive_of, begin

from membrane.archive import Archive, ArchiveError, read, run_extent, run_status
from membrane.archive.folder import write_generation
from membrane.archive.seals import seal

MUTANTS = 20
SECRET = b"a file of the reader's own"


@pytest.fixture(autouse=True)
def _no_waiting_for_disks(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    kinds = ("sheet", "vesicle", "collected")
    return {kind: archive_of(kind, tmp_path_factory.mktemp(kind)) for kind in kinds}


def use(path):
    """All that reads an archive, or ArchiveError."""
    assert run_status(path).status in ("complete", "failed", "partial", "unreadable")
    for function in (run_extent, everything, extended):
        message = refusal(function, path)
        assert len(message) < 2000
        assert "\n" not in message
        assert not path.with_name(f"{path.name}.partial").exists()


def refusal(function, path):
    """What an ArchiveError says; "" where there is none."""
    try:
        function(path)
    except ArchiveError as error:
        return str(error)
    return ""


def everything(path):
    """What figures ask for."""
    record = read(path)
    assert record.ilvs["diameter_nm"].max(initial=0) <= 1e5
    assert all(np.isfinite(time) for time in record.frames.frame_times_s)
    for name in record.frames.field_names:
        for index in range(len(record.frames)):
            assert record.frames.frame(name, index, 0).dtype == np.float32
    assert isinstance(record.config, dict)
    assert all(isinstance(unit, str) for unit in record.units.values())
    return record


def extended(path):
    """What a run that goes on starts with."""
    with Archive.resume(path) as run:
        run.latest()


VALUES = [
    "a text",
    np.array([b"bytes", b"more"]),
    7,
    -3,
    2**62,
    np.nan,
    1e13,
    -np.inf,
    np.zeros((3, 3, 3)),
    np.zeros(0),
    np.zeros((4, 2), complex),
    np.array([[True, False]]),
    np.zeros(3, [("a", "f8"), ("b", "S3")]),
    h5py.Empty("f8"),
    np.array(["x", "yy"], h5py.string_dtype()),
    np.void(b"\x00\xff" * 20),
    "{" * 5000,
    "[1, 2]",
    "a: &a [x]\nb: *a",
    "!!timestamp foo",
    "d: 2024-13-45",
    "? [a, b]\n: c",
    "[" * 3000,
    "9" * 5000,
]


def huge(parent, name):
    parent.create_dataset(name, (10**6, 10**6), "f8", chunks=(1000, 1000), compression="gzip")


def huge_chunks(parent, name):
    parent.create_dataset(name, (3, 2**28), "f8", chunks=(1, 2**28), compression="gzip")


def huge_and_late(parent, name):
    parent.create_dataset(name, (2**40,), "f8")


def elsewhere(parent, name):
    parent[name] = h5py.ExternalLink("/tmp/other.h5", "/x")


def soft(parent, name):
    parent[name] = h5py.SoftLink("/frames/time_s")


def stored_elsewhere(parent, name):
    parent.create_dataset(name, (20,), "u1", external=[(parent.file.attrs["secret"], 0, 20)])


def virtual(parent, name):
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", (4,))
    parent.create_virtual_dataset(name, layout)


def looped(parent, name):
    parent[name] = parent.file


def nothing(parent, name):
    pass


def a_group(parent, name):
    parent.create_group(name)["x"] = 1.0


def a_type(parent, name):
    parent[name] = np.dtype("f8")


NODES = [huge, huge_chunks, huge_and_late, elsewhere, soft, stored_elsewhere, virtual, looped, nothing, a_group, a_type]


def targets(file):
    """All data sets, groups and attributes: (parent, name, whether it is an attribute)."""
    found = [("/", name, True) for name in file.attrs]

    def see(name, node):
        parent, _, own = name.rpartition("/")
        found.append((f"/{parent}", own, False))
        found.extend((f"/{name}", key, True) for key in node.attrs if key not in ("DIMENSION_LIST", "REFERENCE_LIST"))

    file.visititems(see)
    return found


def mutate(file, rng):
    """Replace one attribute, data set or group by something else; returns what was done."""
    options = targets(file)
    where, name, is_attribute = options[rng.integers(len(options))]
    parent = file[where]
    value = VALUES[rng.integers(len(VALUES))]
    if is_attribute:
        if isinstance(value, h5py.Empty) or rng.random() > 0.1:
            parent.attrs[name] = value
        else:
            del parent.attrs[name]
        return where, name, value
    if rng.random() < 0.4:
        value = NODES[rng.integers(len(NODES))]
        del parent[name]
        value(parent, name)
    elif isinstance(parent[name], h5py.Dataset) and parent[name].size and rng.random() < 0.5:
        # Values that are out of bounds, in their own type and shape.
        value = [np.nan, 1e13, -1.0, 0.0, np.inf][rng.integers(5)]
        content = parent[name][()]
        columns = [content[key] for key in content.dtype.names or ()] or [content]
        column = columns[rng.integers(len(columns))]
        if column.dtype.kind in "fiu" and column.ndim:
            with np.errstate(invalid="ignore"):
                column[rng.integers(len(column))] = np.asarray(value).astype(column.dtype)
            parent[name][...] = content
    else:
        del parent[name]
        parent[name] = value
    return where, name, value


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("kind", ["sheet", "vesicle", "collected"])
def test_a_mutated_archive_is_read_or_refused(originals, tmp_path, kind, sealed):
    """Never a traceback, never seconds or gigabytes, never a folder left behind; with new seals where they can be made,
    and as a file of an older schema."""
    rng, path = np.random.default_rng(3 + sealed), tmp_path / "mutant.h5"
    for _ in range(MUTANTS):
        shutil.copy(originals[kind], path)
        with h5py.File(path, "r+") as file:
            file.attrs["secret"] = str(tmp_path / "secret")
            file.attrs["schema_version"] = "1.2"
            done = mutate(file, rng)
            if sealed and not callable(done[-1]):
                file.attrs["schema_version"] = "1.4"
                try:
                    seal(file)
                except Exception:
                    continue
            elif "seals" in file.attrs:
                del file.attrs["seals"]
        begun = time.monotonic()
        try:
            use(path)
        except Exception as error:
            raise AssertionError(f"{done}: {type(error).__name__}: {error}") from error
        assert time.monotonic() - begun < 20, done


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (elsewhere, "link to elsewhere"),
        (soft, "link to elsewhere"),
        (stored_elsewhere, "another file"),
        (virtual, "another file"),
        (huge, "declares"),
        (huge_and_late, "declares"),
        (huge_chunks, "declares"),
    ],
)
@pytest.mark.parametrize("where", ["series/ilv_count", "frames/phi", "checkpoint/states/000000/tick", "events", "mine"])
def test_nothing_leads_out_of_an_archive(originals, tmp_path, make, words, where):
    """Neither links nor storage elsewhere, in no part, and nothing far larger than what is stored is read."""
    path = tmp_path / "run.h5"
    shutil.copy(originals["sheet"], path)
    (tmp_path / "secret").write_bytes(SECRET)
    with h5py.File(path, "r+") as file:
        file.attrs["secret"] = str(tmp_path / "secret")
        if where in file:
            del file[where]
        make(file, where)
    for function in (read, run_extent, Archive.resume):
        with pytest.raises(ArchiveError, match=words):
            function(path)
    assert run_status(path).status == "unreadable"
    assert {p.name for p in tmp_path.iterdir()} == {"run.h5", "secret"}


HEADERS = ["", "[]", "7", "null", "{}", "[" * 100_000, '{"seed": 1}', '{"seed": "' + "9" * 9000 + '"}', "\x00" * 50]


@pytest.mark.parametrize("text", HEADERS, ids=range(len(HEADERS)))
def test_headers_of_anybody(tmp_path, text):
    """Refused in words, and the lock is free again."""
    path = tmp_path / "run.h5"
    begin(path).close()
    (tmp_path / "run.h5.partial" / "header.json").write_text(text)
    for _ in range(2):
        with pytest.raises(ArchiveError, match="no readable header"):
            Archive.resume(path)
    with pytest.raises(ArchiveError, match="no readable header"):
        read(path)


@pytest.mark.parametrize("name", ["config_yaml", "name", "seed", "created_utc", "versions"])
@pytest.mark.parametrize("value", [None, 1.5, [1], {"a": 1}, "text", True])
def test_headers_of_other_types(tmp_path, name, value):
    """Without a seal, as before schema 1.3."""
    path = tmp_path / "run.h5"
    begin(path).close()
    header = tmp_path / "run.h5.partial" / "header.json"
    content = json.loads(header.read_text())
    del content["sha256"], content["schema_version"]
    header.write_text(json.dumps(content | {name: value}))
    if isinstance(value, str) and name in ("config_yaml", "name", "created_utc"):
        assert read(path).attributes[name] == value
    else:
        with pytest.raises(ArchiveError, match="no readable header"):
            read(path)


@pytest.mark.parametrize(
    "scalars",
    ["", "[]", "{" * 9000, '{"wall_time_s": "x"}', '{"wall_time_s": -1}', '{"grid_spacing_nm": "abc"}',
     '{"grid_spacing_nm": [0, 1]}', '{"grid_spacing_nm": [1, 2, 3, 4]}', '{"grid_spacing_nm": {"a": 1}}'],
)  # fmt: skip
def test_sealed_generations_of_anybody(tmp_path, scalars):
    """A seal proves no good will: what it covers is checked."""
    path = tmp_path / "run.h5"
    run = begin(path)
    states, _, events, series = run.latest()
    run.close()
    write_generation(tmp_path / "run.h5.partial" / "generation-000005.h5", states, scalars, events, series)
    with pytest.warns(UserWarning, match=r"generation-000005.*falling back"):
        assert len(read(path).events) == 12
