"""Collecting members: nothing lost, nothing double, whatever state the members are in."""

import os
import re
import textwrap
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas
import pytest
import xarray

from membrane.archive import Archive, ArchiveError, collected, read
from membrane.commands import collect
from membrane.outcome.sizes import size_distribution
from membrane.outcome.table import EVENT_DTYPE, is_ilv
from membrane.sweep.folder import SweepFolder
from membrane.sweep.members import read_sweep

ROOT = Path(__file__).parents[2]
TENSION, LEAFLET = "membrane.tension_uN_per_m", "ceramide.sphingomyelinase.leaflet"

SWEEP = f"""
name: trial
base: {ROOT}/configs/ceramide.yaml
set: {{endosomes: 3}}
vary:
  grid: {{{TENSION}: [1.0, 10.0, 100.0], {LEAFLET}: [cytosolic, luminal]}}
seed: 4
"""


def make_events(number, count):
    """Events of one member: every column random, some outward, some of unknown diameter."""
    rng = np.random.default_rng(number)
    events = np.zeros(count, EVENT_DTYPE)
    for name in EVENT_DTYPE.names:
        events[name] = rng.uniform(40, 90, count) if EVENT_DTYPE[name].kind == "f" else rng.integers(0, 2, count)
    events["event_id"], events["endosome"] = np.arange(count), rng.integers(0, 3, count)
    events["diameter_nm"][: count // 10] = np.nan
    return events


def leave(folder, member, *, status="complete", events=None, times=5, tick_s=0.01):
    """What a run of ``member`` would have left."""
    number = member.number
    run = Archive.create(
        folder.archive(member), config_yaml=member.config.to_yaml(), name=member.config.name, seed=member.config.seed
    )
    time_s = np.arange(times) * round(0.01 / tick_s) * tick_s
    series = {"time_s": time_s, "free_energy_pN_nm": np.full((times, 3), float(number))}
    series |= {f"only_{number}": np.ones((times, 3))}
    state = {"fields": np.zeros(3)}
    run.checkpoint([state] * 3, {}, make_events(number, 30 + number) if events is None else events, series)
    if status == "partial":
        run.close()
        return
    run.finish(
        status=status,
        wall_time_s=2.0,
        units={"free_energy_pN_nm": "pN nm"},
        grid_spacing_nm=(4.0, 4.0),
        number_of_endosomes=3,
        attributes={"failure": "" if status == "complete" else "a field is no longer finite"},
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A sweep of six members of which 0 and 4 are complete, 1 failed, 2 is half finished, 3 is garbage, 5 is missing
    but has said why."""
    monkeypatch.chdir(tmp_path)
    Path("sweep.yaml").write_text(SWEEP)
    kept = SweepFolder(Path("runs/trial"), read_sweep("sweep.yaml"))
    kept.keep()
    members = kept.sweep.members
    leave(kept, members[0])
    leave(kept, members[1], status="failed")
    leave(kept, members[2], status="partial")
    kept.archive(members[3]).write_bytes(b"no HDF5 at all")
    leave(kept, members[4], times=8)
    kept.log(members[5]).write_text("$ command\nmembrane run: there are no two phases\n  and more\n")
    return kept


def run(*options):
    """Exit code of the command."""
    return collect.main(["sweep.yaml", "--quiet", *options])


def test_complete_members(folder, capsys):
    """Complete members in one archive, events renumbered, others listed with their reason; exit 0."""
    assert run() == 0
    said = capsys.readouterr().out
    assert "2 of 6 members collected in " in said
    for words in (
        "member 000001 failed: a field is no longer finite",
        "member 000002 partial: unfinished",
        "member 000003 unreadable: ",
        "member 000005 missing: membrane run: there are no two phases and more",
    ):
        assert words in said
    record = read("runs/trial.h5")
    assert record.attributes["status"] == "partial"
    assert (record.attributes["name"], record.attributes["number_of_endosomes"]) == ("trial", 6)
    assert record.config["endosomes"] == 3
    events = record.events
    assert events["member"].tolist() == [0] * 30 + [4] * 34
    assert events["event_id"].tolist() == list(range(64))
    for own, offset in ((make_events(0, 30), 0), (make_events(4, 34), 3)):
        part = events[events["endosome"] // 3 == offset // 3]
        np.testing.assert_array_equal(part["endosome"] - offset, own["endosome"])
        for name in set(EVENT_DTYPE.names) - {"event_id", "endosome"}:
            np.testing.assert_array_equal(part[name], own[name])
    expected = size_distribution(record.ilvs["diameter_nm"], record.ilvs["endosome"], 6)
    for name, values in expected.items():
        np.testing.assert_array_equal(record.size_distribution[name], values, err_msg=name)


def test_a_member_damaged_within(folder, capsys):
    """An archive whose outline can be read but whose events cannot: listed and left out, the others as ever."""
    with h5py.File(folder.archive(folder.sweep.members[0]), "r+") as file:
        del file["events"]
    assert run() == 0
    said = capsys.readouterr().out
    assert "1 of 6 members collected in " in said
    assert "member 000000 unreadable: " in said
    record = read("runs/trial.h5")
    assert record.members["status"].tolist()[:2] == ["unreadable", "failed"]
    assert record.members["endosomes"].tolist() == [0, 0, 0, 0, 3, 0]
    assert record.attributes["number_of_endosomes"] == 3
    assert record.events["endosome"].max() < 3
    assert set(record.events["member"]) == {4}
    assert record.series["free_energy_pN_nm"].shape == (8, 3)


def test_table(folder):
    """A row a member, with what varied, its state and its sizes; numbers are numbers."""
    assert run() == 0
    table = pandas.DataFrame(read("runs/trial.h5").members).set_index("member")
    assert table["status"].tolist() == ["complete", "failed", "partial", "unreadable", "complete", "missing"]
    assert table[TENSION].tolist() == [1.0, 1.0, 10.0, 10.0, 100.0, 100.0]
    assert table[LEAFLET].tolist() == ["cytosolic", "luminal"] * 3
    assert table["seed"].tolist() == [m.config.seed for m in folder.sweep.members]
    assert table["first_endosome"].tolist() == [0, -1, -1, -1, 3, -1]
    assert table["endosomes"].tolist() == [3, 0, 0, 0, 3, 0]
    assert table["archive"][4] == "000004.h5"
    ilvs = make_events(4, 34)
    ilvs = ilvs[is_ilv(ilvs)]
    assert table["ilv_count"][4] == len(ilvs)
    assert table["median_nm"][4] == np.nanmedian(ilvs["diameter_nm"])
    assert np.isnan(table["median_nm"][1])


def test_series(folder):
    """Endosomes side by side on the times of the longest; what a member lacks is NaN; units stay."""
    assert run() == 0
    record = read("runs/trial.h5")
    np.testing.assert_array_equal(record.series["time_s"], 0.01 * np.arange(8))
    energy = record.series["free_energy_pN_nm"]
    np.testing.assert_array_equal(energy[:5], [[0.0] * 3 + [4.0] * 3] * 5)
    np.testing.assert_array_equal(energy[5:], [[np.nan] * 3 + [4.0] * 3] * 3)
    assert np.isnan(record.series["only_4"][:, :3]).all()
    assert record.units["free_energy_pN_nm"] == "pN nm"
    assert len(record.frames) == 0


def test_series_of_members_with_other_ticks(folder):
    """Times that differ by rounding are one: no row twice, none lost."""
    member = folder.sweep.members[5]
    leave(folder, member, times=40, tick_s=1e-6)
    assert not np.isin(np.arange(8) * 10000 * 1e-6, 0.01 * np.arange(8)).all()
    assert run() == 0
    series = read("runs/trial.h5").series
    np.testing.assert_allclose(series["time_s"], 0.01 * np.arange(40), rtol=1e-15)
    known = np.isfinite(series["free_energy_pN_nm"])
    assert known.sum(axis=0).tolist() == [5] * 3 + [8] * 3 + [40] * 3


def test_unfinished_members(folder):
    """--unfinished takes what failed and half-finished members have."""
    assert run("--unfinished") == 0
    record = read("runs/trial.h5")
    assert np.unique(record.events["member"]).tolist() == [0, 1, 2, 4]
    assert record.members["endosomes"].tolist() == [3, 3, 3, 0, 3, 0]
    assert record.members["status"][2] == "partial"


def test_unfinished_members_that_go_on(folder, monkeypatch):
    """A member that comes further while others are collected: its later times are left to the next time."""
    outlined = collect.run_extent

    def earlier(path):
        found = outlined(path)
        return replace(found, times_s=found.times_s[:3]) if "000002" in str(path) else found

    for number in (0, 1, 4):
        folder.archive(folder.sweep.members[number]).unlink()
    monkeypatch.setattr(collect, "run_extent", earlier)
    assert run("--unfinished") == 0
    record = read("runs/trial.h5")
    np.testing.assert_array_equal(record.series["time_s"], 0.01 * np.arange(3))
    np.testing.assert_array_equal(record.series["free_energy_pN_nm"], np.full((3, 3), 2.0))


def test_without_a_checkpoint_there_is_nothing_to_collect(folder):
    """Such a member is listed and adds no endosome to the yield."""
    member = folder.sweep.members[5]
    Archive.create(folder.archive(member), config_yaml=member.config.to_yaml(), name="x", seed=0).close()
    assert run("--unfinished") == 0
    record = read("runs/trial.h5")
    assert (record.members["status"][5], record.members["endosomes"][5]) == ("partial", 0)
    assert record.attributes["number_of_endosomes"] == 12


def test_again(folder):
    """Collecting again replaces what was collected, and nothing else: the archive of a member is refused, exit 2."""
    assert run() == 0
    folder.archive(folder.sweep.members[3]).unlink()
    leave(folder, folder.sweep.members[3])
    assert run() == 0
    assert read("runs/trial.h5").members["status"][3] == "complete"
    own = folder.archive(folder.sweep.members[0])
    before = own.read_bytes()
    assert run("--output", str(own)) == 2
    assert own.read_bytes() == before
    assert not list(Path("runs").rglob("*.tmp"))


def test_failure_while_writing_leaves_nothing(folder, monkeypatch):
    """An error in the middle leaves the archive before it, and no temporary file."""
    assert run() == 0
    before = Path("runs/trial.h5").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(collected.Collection, "_finish", full)
        assert run() == 3
    assert Path("runs/trial.h5").read_bytes() == before
    assert not list(Path("runs").rglob("*.tmp"))


def test_nothing_to_collect(tmp_path, monkeypatch, capsys):
    """Exit 2, and the remedy."""
    monkeypatch.chdir(tmp_path)
    Path("sweep.yaml").write_text(SWEEP)
    assert run() == 2
    assert "run membrane ensemble first" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["sweep.yaml"]


def test_no_ilvs_at_all(folder):
    """Members in which nothing budded are an answer."""
    for member in (folder.sweep.members[0], folder.sweep.members[4]):
        folder.archive(member).unlink()
        leave(folder, member, events=np.zeros(0, EVENT_DTYPE))
    assert run() == 0
    record = read("runs/trial.h5")
    assert (len(record.events), record.size_distribution["n"]) == (0, 0)
    assert record.members["ilv_count"].tolist() == [0] * 6


def test_documented_examples(folder, capsys):
    """The examples of docs/archive.md run as they stand, and read slices only."""
    assert run() == 0
    text = (ROOT / "docs" / "archive.md").read_text().partition("## Collected archives")[2]
    examples = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(examples) == 2
    for example in examples:
        exec(textwrap.dedent(example).replace("runs/tension.h5", "runs/trial.h5"), {})
    assert "100.0" in capsys.readouterr().out


def test_xarray_is_lazy(folder):
    """Series and table open as data sets with their coordinates, unread."""
    assert run() == 0
    with xarray.open_dataset("runs/trial.h5", group="series", engine="h5netcdf") as series:
        assert series["free_energy_pN_nm"].dims == ("time_s", "endosome")
        assert not series["free_energy_pN_nm"].variable._in_memory
        assert float(series["free_energy_pN_nm"].sel(endosome=4).isel(time_s=-1)) == 4.0
    with h5py.File("runs/trial.h5") as file:
        assert file["events"].chunks is not None


def test_pruning(folder, capsys):
    """After the archive is whole, complete members lose checkpoint and frames and nothing else, and collecting again
    gives the same; members in any other state stay as they are."""
    archives = [folder.archive(member) for member in folder.sweep.members]
    others = {n: archives[n].read_bytes() for n in (1, 3)}
    before, size = [read(archives[n]) for n in (0, 4)], archives[0].stat().st_size
    assert run("--prune") == 0
    assert "2 members pruned" in capsys.readouterr().out
    whole = read("runs/trial.h5")
    for n, record in zip((0, 4), before):
        after = read(archives[n])
        assert after.events.tobytes() == record.events.tobytes()
        for name in record.series:
            np.testing.assert_array_equal(after.series[name], record.series[name])
        assert after.units == record.units
        assert after.attributes["pruned"] == "checkpoint, frames"
        assert len(after.frames) == 0
        kept = {name: value for name, value in after.attributes.items() if name not in ("pruned", "seals")}
        assert kept == {name: value for name, value in record.attributes.items() if name != "seals"}
        with pytest.raises(ArchiveError, match="cannot be extended"):
            Archive.resume(archives[n])
    assert archives[0].stat().st_size < size
    assert {n: archives[n].read_bytes() for n in others} == others
    assert run("--prune") == 0
    assert "0 members pruned" in capsys.readouterr().out
    assert read("runs/trial.h5").events.tobytes() == whole.events.tobytes()


def test_what_was_not_collected_is_not_pruned(folder, monkeypatch):
    """Where the collected archive does not hold a member as it is: exit 3, and nothing is removed."""
    add = collected.Collection.add

    def fewer(self, row, record):
        add(self, row, replace(record, events=record.events[1:]))

    monkeypatch.setattr(collected.Collection, "add", fewer)
    before = folder.archive(folder.sweep.members[0]).read_bytes()
    assert run("--prune") == 3
    assert folder.archive(folder.sweep.members[0]).read_bytes() == before


@pytest.mark.parametrize("number", collect.Stop.signals)
def test_interrupted(folder, monkeypatch, capsys, number):
    """Told to stop between two members: 75, one line, what was there before is left, and nothing beside it."""
    assert run() == 0
    before, names = Path("runs/trial.h5").read_bytes(), sorted(Path("runs").iterdir())
    capsys.readouterr()
    monkeypatch.setattr(collect, "read", lambda path: (os.kill(os.getpid(), number), read(path))[1])
    assert run() == 75
    assert capsys.readouterr().err.endswith("membrane collect: interrupted\n")
    assert Path("runs/trial.h5").read_bytes() == before
    assert sorted(Path("runs").iterdir()) == names
