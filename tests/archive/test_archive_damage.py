"""Damage on disk is never silent: whatever bit has changed, what is read is what was written, or the part is named."""

import json
import shutil
import warnings
from itertools import pairwise

import h5py
import numpy as np
import pytest
from archives import archive_of, begin, finish, make_events, make_states

from membrane.archive import Archive, ArchiveError, prune, read, run_extent, run_status
from membrane.archive.folder import numbered
from membrane.archive.seals import seal

FLIPS = 60


@pytest.fixture(autouse=True)
def _no_waiting_for_disks(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def told(function):
    """What a function returns (None where it raises ArchiveError), and whether anything was named."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            return function(), bool(seen)
        except ArchiveError:
            return None, True


def flat(content):
    """Nested content as {path: bytes}."""
    if isinstance(content, dict):
        pairs = content.items()
    elif isinstance(content, list | tuple):
        pairs = enumerate(content)
    else:
        array = np.asarray(content)
        return {"": (str(array.dtype), array.shape, str(content) if array.dtype == object else array.tobytes())}
    return {f"{key}/{name}": value for key, part in pairs for name, value in flat(part).items()}


def record_of(path):
    """All that `read` tells of a run."""
    record = read(path)
    attributes = {name: value for name, value in record.attributes.items() if name != "seals"}
    count, names = len(record.frames), record.frames.field_names
    frames = {n: [record.frames.frame(n, i, e) for i in range(count) for e in range(2)] for n in names}
    told = [attributes, record.events, record.series, record.size_distribution, frames, record.frames.frame_times_s]
    return flat([*told, record.spacing_nm, record.members, record.units])


def extension_of(path):
    """All that a run that goes on from a finished archive starts with."""
    with Archive.resume(path) as run:
        frames = []
        for file in numbered(run._partial, "frame"):
            with h5py.File(file) as segment:
                frames.append({name: values[()] for name, values in segment.items()})
        return flat([list(run.latest()), run.header, frames])


def flips(size, count, seed):
    """(byte, bit) of ``count`` flips, evenly over a file of ``size`` bytes."""
    rng = np.random.default_rng(seed)
    edges = np.linspace(0, size, count + 1).astype(int)
    return [(int(rng.integers(a, max(b, a + 1))), int(rng.integers(8))) for a, b in pairwise(edges)]


def spoil(path, content, byte, bit):
    """``content`` with one bit flipped."""
    damaged = bytearray(content)
    damaged[byte] ^= 1 << bit
    path.write_bytes(damaged)


@pytest.mark.parametrize("kind", ["sheet", "vesicle", "collected"])
def test_no_flip_of_a_finished_archive_is_silent(tmp_path, kind):
    """Neither for who reads it nor for who extends it, glances at it or collects it."""
    path = archive_of(kind, tmp_path)
    content = path.read_bytes()
    whole, extended = record_of(path), extension_of(path) if kind != "collected" else None
    outlined = flat(list(vars(run_extent(path)).values()))
    harmless = 0
    for number, (byte, bit) in enumerate(flips(len(content), FLIPS, 1)):
        spoil(path, content, byte, bit)
        found, named = told(lambda: record_of(path))
        assert named or found == whole, (byte, bit)
        harmless += not named
        assert run_status(path).status in ("complete", "unreadable")
        found, named = told(lambda: flat(list(vars(run_extent(path)).values())))
        assert named or found == outlined, (byte, bit)
        if extended and number % 2:
            found, named = told(lambda: extension_of(path))
            assert named or found == extended, (byte, bit)
            assert not path.with_name(f"{path.name}.partial").exists()
    assert 0 < harmless < FLIPS
    assert len(list(tmp_path.iterdir())) == (3 if kind == "collected" else 1)


@pytest.mark.parametrize("name", ["generation-000001.h5", "frame-000001.h5", "header.json"])
def test_no_flip_in_the_folder_of_an_unfinished_run_is_silent(tmp_path, name):
    """It is named, and what it damages is left out; the other generation is kept whole."""
    path = tmp_path / "run.h5"
    begin(path).close()
    damaged = tmp_path / "run.h5.partial" / name
    content = damaged.read_bytes()
    with Archive.resume(path) as run:
        whole, states = record_of(path), flat(list(run.latest()))
        for byte, bit in flips(len(content), FLIPS, 2):
            spoil(damaged, content, byte, bit)
            found, named = told(lambda: record_of(path))
            assert named or found == whole, (byte, bit)
            if name == "header.json":
                continue
            # Within the seal's own block nothing but the seal counts, and it is padded.
            assert named or 64 <= byte < 512, (byte, bit)
            found, named = told(lambda: flat(list(run.latest())))
            assert named or found == states
            if named:
                assert found["1/wall_time_s/"] == flat(0.0)[""]


def test_damaged_frames_of_a_finished_archive_are_left_out(tmp_path):
    """With their number; the others are read, and go on with the run."""
    path = archive_of("sheet", tmp_path)
    with h5py.File(path, "r+") as file:
        file["frames/phi"][1, 0, 2, 2] += 1
    with pytest.warns(UserWarning, match="frame 1 does not fit its seal"):
        np.testing.assert_allclose(read(path).frames.frame_times_s, [0, 0.2])
    with pytest.warns(UserWarning, match="frame 1 does not fit its seal"), Archive.resume(path) as run:
        finish(run)
    np.testing.assert_allclose(read(path).frames.frame_times_s, [0, 0.2])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: file["checkpoint/states"].pop("000001"), "checkpoint of endosome 1"),
        (lambda file: file["checkpoint/states/000000"].pop("tick"), "checkpoint of endosome 0"),
        (lambda file: file.pop("checkpoint"), "checkpoint cannot be read"),
        (lambda file: file["checkpoint"].attrs.update(scalars="{}"), "checkpoint does not fit its seal"),
    ],
)
def test_a_changed_checkpoint_is_noticed(tmp_path, change, words):
    """The run cannot be extended, and can be read."""
    path = archive_of("sheet", tmp_path)
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(ArchiveError, match=words):
        Archive.resume(path)
    assert len(read(path).events) == 12
    assert list(tmp_path.iterdir()) == [path]


def test_endosomes_missing_from_an_unsealed_checkpoint(tmp_path):
    """Of an older schema: their number is known."""
    path = archive_of("sheet", tmp_path)
    with h5py.File(path, "r+") as file:
        del file["checkpoint/states/000001"], file.attrs["seals"]
        file.attrs["schema_version"] = "1.2"
    with pytest.raises(ArchiveError, match="1 endosomes of 2"):
        Archive.resume(path)


def test_older_archives_have_no_seals(tmp_path):
    """They are read and extended; in one of this schema, seals that are gone are damage."""
    path = archive_of("sheet", tmp_path)
    with h5py.File(path, "r+") as file:
        del file.attrs["seals"]
    with pytest.raises(ArchiveError, match="its seals are gone"):
        read(path)
    with h5py.File(path, "r+") as file:
        file.attrs["schema_version"] = "1.2"
        for name in ("y_nm", "x_nm", "endosome"):
            del file["frames"][name]
    assert len(read(path).frames) == 3
    with Archive.resume(path) as run:
        assert run.latest()[1]["wall_time_s"] == 1.0
        finish(run)
    assert read(path).attributes["schema_version"] == "1.4"


def test_a_damaged_size_distribution_is_made_anew(tmp_path):
    """From the events, with a warning."""
    path = archive_of("sheet", tmp_path)
    whole = read(path).size_distribution
    with h5py.File(path, "r+") as file:
        file["size_distribution/count"][3] += 1
    with pytest.warns(UserWarning, match="made anew from the events"):
        assert flat(read(path).size_distribution) == flat(whole)


def test_what_others_add_is_no_damage(tmp_path):
    """A note of the user's, a data set of a later version."""
    path = archive_of("sheet", tmp_path)
    with h5py.File(path, "r+") as file:
        file.attrs["note"], file["mine"] = "a good one", np.arange(3)
    assert read(path).attributes["note"] == "a good one"


@pytest.mark.parametrize("damaged", [1, 0])
def test_two_good_generations_are_kept(tmp_path, damaged):
    """Also where one of the two is damaged: the next checkpoint takes the place of that one."""
    path = tmp_path / "run.h5"
    run = begin(path)
    spoilt = tmp_path / "run.h5.partial" / f"generation-{damaged:06d}.h5"
    spoil(spoilt, spoilt.read_bytes(), 700, 3)
    run.checkpoint(make_states(seed=2), {"wall_time_s": 2.0}, make_events(12), {"time_s": np.zeros(0)})
    left = numbered(tmp_path / "run.h5.partial", "generation")
    assert [file.name for file in left] == [f"generation-{1 - damaged:06d}.h5", "generation-000002.h5"]
    spoil(left[1], left[1].read_bytes(), 700, 3)
    with pytest.warns(UserWarning, match="falling back"):
        assert run.latest()[1]["wall_time_s"] == 1.0 - damaged


def go_on(path):
    """One more checkpoint, then the end."""
    with Archive.resume(path) as run:
        run.checkpoint(make_states(), {}, make_events(12), {"time_s": np.zeros(0)})
        finish(run)


NEIGHBOURS = ["generation-abc.h5", "generation-000002 (copy).h5", "frame-000001 (copy).h5", "frame-.h5"]


@pytest.mark.parametrize("name", NEIGHBOURS)
@pytest.mark.parametrize("folder", [False, True])
def test_odd_neighbours_are_passed_over(tmp_path, name, folder):
    """With a warning that names them; the run goes on and ends."""
    path = tmp_path / "run.h5"
    begin(path).close()
    odd = tmp_path / "run.h5.partial" / name
    odd.mkdir() if folder else shutil.copy(tmp_path / "run.h5.partial" / "frame-000001.h5", odd)
    with pytest.warns(UserWarning, match="passed over"):
        record = read(path)
    assert (len(record.frames), len(record.events)) == (3, 12)
    with pytest.warns(UserWarning, match=r"passed over|renamed"):
        go_on(path)
    assert len(read(path).frames) == 3


@pytest.mark.parametrize("name", ["generation-000002.h5", "frame-000003.h5"])
def test_a_folder_in_the_place_of_a_file_makes_room(tmp_path, name):
    """It is renamed, nothing in it is touched, and the run writes its file there."""
    path = tmp_path / "run.h5"
    begin(path).close()
    (tmp_path / "run.h5.partial" / name).mkdir()
    with pytest.warns(UserWarning, match="renamed"):
        run = Archive.resume(path)
    with run:
        run.checkpoint(make_states(), {}, make_events(12), {"time_s": np.zeros(0)})
        run.add_frame(3, 0.3, {"phi": np.zeros((2, 6, 5))})
        assert (tmp_path / "run.h5.partial" / name).is_file()


def test_a_folder_with_the_name_of_an_archive(tmp_path):
    """Read, run_status and resume say so."""
    path = tmp_path / "000001.h5"
    path.mkdir()
    with pytest.raises(ArchiveError, match="is no file"):
        read(path)
    assert run_status(path).status == "unreadable"
    with pytest.raises(ArchiveError, match="nothing to resume"):
        Archive.resume(path)


def test_nothing_added_leaves_no_folder(tmp_path):
    """A finished archive that is reopened and closed again is finished; one that has come further is not."""
    path = archive_of("sheet", tmp_path)
    with pytest.raises(RuntimeError), Archive.resume(path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == [path]
    with Archive.resume(path) as run:
        run.checkpoint(make_states(), {}, make_events(12), {"time_s": np.zeros(0)})
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, f"{path.name}.partial"]


def test_without_a_checkpoint_an_archive_cannot_be_extended(tmp_path):
    """It can be read; resume says why, and leaves nothing."""
    path = archive_of("small", tmp_path)
    assert len(read(path).events) == 12
    with pytest.raises(ArchiveError, match=r"output.keep_checkpoint.*--overwrite"):
        Archive.resume(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_run_keeps_its_last_state(tmp_path):
    """Whatever was asked for: it is the last good one."""
    path = finish(begin(tmp_path / "run.h5"), status="failed", keep_checkpoint=False)
    with Archive.resume(path) as run:
        assert run.latest()[1]["wall_time_s"] == 1.0


@pytest.mark.parametrize("finished", [True, False])
def test_another_version_is_told_and_kept(tmp_path, finished, monkeypatch):
    """One warning with old and new; the archive keeps the versions of its start and all it went on with."""
    path = tmp_path / "run.h5"
    run = begin(path)
    finish(run) if finished else run.close()
    started = json.loads(read(path).attributes["versions"])
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    with pytest.warns(UserWarning, match="XLA_FLAGS.*-> --xla_cpu_enable_fast_math=true") as seen:
        run = Archive.resume(path)
    assert len(seen) == 1
    run.checkpoint(make_states(), {}, make_events(12), {"time_s": np.zeros(0)})
    run.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = Archive.resume(path)
    finish(run)
    attributes = read(path).attributes
    assert json.loads(attributes["versions"]) == started
    (other,) = json.loads(attributes["resumed_with"])
    assert other["XLA_FLAGS"] == "--xla_cpu_enable_fast_math=true"
    assert other["jax"] == started["jax"]


def test_seals_are_of_content(tmp_path):
    """A copy that stores the same otherwise keeps them."""
    path = archive_of("vesicle", tmp_path)
    with h5py.File(path) as file, h5py.File(tmp_path / "copy.h5", "w") as copy:
        before = file.attrs["seals"]
        for name in file:
            file.copy(name, copy)
        copy.attrs.update(file.attrs)
        values, attributes = copy["frames/phi"][()], dict(copy["frames/phi"].attrs)
        del copy["frames/phi"]
        copy["frames"].create_dataset("phi", data=values).attrs["units"] = attributes["units"]
        seal(copy)
        assert json.loads(copy.attrs["seals"]) == json.loads(before)


def test_an_older_archive_is_pruned(tmp_path):
    """It becomes one of this schema: sealed, with its events and series, without frames and checkpoint."""
    path = archive_of("vesicle", tmp_path)
    with h5py.File(path, "r+") as file:
        del file.attrs["seals"], file["size_distribution"].attrs["interval_method"]
        file.attrs["schema_version"] = "1.2"
    before = read(path)
    assert prune(path) > 0
    after = read(path)
    assert after.attributes["schema_version"] == "1.4"
    assert after.events.tobytes() == before.events.tobytes()
    assert flat(after.series) == flat(before.series)
    assert (len(after.frames), after.spacing_nm) == (0, before.spacing_nm)
    with pytest.raises(ArchiveError, match="cannot be extended"):
        Archive.resume(path)
