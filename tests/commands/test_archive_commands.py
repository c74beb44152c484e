"""What the commands say of an archive: ``table`` its events as CSV, ``info`` a short tree, ``figure`` the kind that
suits it."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from archives import archive_of, begin, collect, finish

from membrane.archive import MEMBER_DTYPE, read
from membrane.commands import figure
from membrane.commands.entry import main
from membrane.outcome.table import EVENT_DTYPE, KINDS, MECHANISMS, is_ilv
from membrane.version import VERSION


def rows_of(text):
    """The rows of a CSV text, by column."""
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def unfinished(tmp_path):
    """A run that has not come to its end."""
    with begin(tmp_path / "unfinished.h5"):
        pass
    return tmp_path / "unfinished.h5"


# table -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sheet", "vesicle", "collected"])
@pytest.mark.parametrize("all_events", [False, True])
def test_table_holds_every_number(kind, all_events, tmp_path, capsys):
    """Every column of every row, to the last digit; kind and mechanism are words."""
    archive = archive_of(kind, tmp_path)
    assert main(["table", str(archive), *(["--all"] if all_events else [])]) == 0
    rows, events = rows_of(capsys.readouterr().out), read(archive).events
    events = events if all_events else events[is_ilv(events)]
    assert len(rows) == len(events) > 0
    names = (MEMBER_DTYPE if kind == "collected" else EVENT_DTYPE).names
    assert tuple(rows[0]) == names
    for name in set(names) - {"kind", "mechanism"}:
        np.testing.assert_array_equal([float(row[name]) for row in rows], events[name])
    for name, words in (("kind", KINDS), ("mechanism", MECHANISMS)):
        assert [words[row[name]] for row in rows] == events[name].tolist()


def test_table_of_all_kinds_and_of_what_is_not_known(tmp_path, capsys):
    """Each kind and mechanism has its word, a number of a later schema stays one; NaN is an empty cell."""
    run = begin(tmp_path / "a.h5", checkpoints=0)
    events = np.zeros(4, EVENT_DTYPE)
    events["kind"], events["mechanism"], events["diameter_nm"] = [0, 1, 2, 9], [0, 1, 2, 3], [50.0, np.nan, 60.5, 0.1]
    events["direction"] = [1, -1, 0, 0]
    run.checkpoint([{"x": np.zeros(1)}] * 2, {}, events, {"time_s": np.zeros(1)})
    finish(run)
    assert main(["table", str(tmp_path / "a.h5"), "--all"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert [row["kind"] for row in rows] == ["scission", "back_fusion", "ilv_fusion", "9"]
    assert [row["mechanism"] for row in rows] == ["barrier_free", "activated", "resolved", "aided_scission"]
    assert [row["diameter_nm"] for row in rows] == ["50.0", "", "60.5", "0.1"]


@pytest.mark.parametrize("kind", ["empty", "sheet"])
def test_table_to_a_file(kind, tmp_path, capsys):
    """The same text as on the standard output; a file that is there, and a folder that is not, are refused."""
    archive, output = archive_of(kind, tmp_path), tmp_path / "ilvs.csv"
    assert main(["table", str(archive), "--output", str(output)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["table", str(archive)]) == 0
    assert output.read_text() == capsys.readouterr().out
    before = output.read_bytes()
    for wrong, words in ((output, "exists and is not replaced"), (tmp_path / "no" / "a.csv", "No such file")):
        assert main(["table", str(archive), "--output", str(wrong)]) == 2
        assert words in capsys.readouterr().err
    assert output.read_bytes() == before


def test_table_of_an_unfinished_run(unfinished, capsys):
    """What it has saved so far."""
    assert main(["table", str(unfinished)]) == 0
    assert len(rows_of(capsys.readouterr().out)) == len(read(unfinished).ilvs) == 6


# info --------------------------------------------------------------------------------------------------------------


def test_info_of_a_run(tmp_path, capsys):
    archive = archive_of("sheet", tmp_path)
    assert main(["info", str(archive)]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == f"{archive}: trial, a run of kind sheet"
    told = {line.split()[1]: line.split(maxsplit=2)[2] for line in lines}
    record = read(archive)
    sizes = record.size_distribution
    assert told["made"].startswith(record.attributes["created_utc"])
    assert f"by membrane {VERSION}, schema {record.attributes['schema_version']}, seed 5" in told["made"]
    assert told["status"] == "complete"
    assert told["endosomes"] == "2"
    assert told["time"] == "0.4 of 0.5 s simulated, in 2 s on the clock"
    assert told["events"] == "12 (12 scission); 6 ILVs"
    assert told["sizes"].startswith(
        f"of 6 ILVs: median {sizes['median_nm']:.1f} nm (no interval, 2 endosomes: too few), quartiles "
    )
    assert told["series"] == "2 at 4 times: ilv_count, tension_uN_per_m"
    assert told["frames"] == "2 at 3 times: height, phi; 5 x 6 points of 3 x 4 nm"


def test_info_of_all_kinds(tmp_path, unfinished, capsys):
    """Several at once: an empty run, a vesicle, an unfinished run and a collected sweep with a failed member."""
    failed = finish(begin(tmp_path / "failed.h5"), status="failed", attributes={"failure": "no step is small enough"})
    archives = [archive_of("empty", tmp_path), archive_of("vesicle", tmp_path), unfinished, failed]
    archives.append(collect(tmp_path / "c.h5", archives[1], failed))
    assert main(["info", *map(str, archives)]) == 0
    said = capsys.readouterr().out
    for words in (
        "sizes      of no ILV",
        "frames     none",
        "trial, a run of kind vesicle",
        "5 x 6 x 4 points of 3 x 4 x 5 nm",
        "unfinished.h5.partial: trial, a run of kind sheet",
        "status     partial",
        "status     failed: no step is small enough",
        "sweep, a collected sweep",
        "members    2 complete",
    ):
        assert words in said, words


# figure ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("archives", "kind"),
    [
        (["sheet"], "sizes"),
        (["vesicle"], "vesicle"),
        (["empty"], "sizes"),
        (["collected"], "sweep"),
        (["vesicle", "collected"], "sizes"),
    ],
)
def test_figure_chooses_its_kind(archives, kind, tmp_path, caplog):
    """From what the archives hold; it says which it took, and which others there are."""
    with caplog.at_level("INFO", logger="membrane"):
        assert figure._kind([read(archive_of(name, tmp_path)) for name in archives]) == kind
    assert caplog.messages == [f"--kind {kind}; the others are {', '.join(k for k in figure.KINDS if k != kind)}"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kind", "sizes", "--endosome", "1"], "--endosome is of --kind membrane or vesicle; the figure is of"),
        (["--kind", "membrane", "--frames", "1"], "--frames is of --kind vesicle"),
        (["--kind", "sizes", "--over", "seed"], "--over is of --kind sweep"),
        (["--kind", "sweep"], "no collected archive"),
        (["--kind", "membrane", "other.h5"], "--kind membrane draws one archive; 2 were given"),
    ],
)
def test_figure_refuses_what_it_would_pass_over(options, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    archive_of("sheet", Path()).rename("other.h5")
    archive = archive_of("sheet", Path())
    before = sorted(tmp_path.iterdir())
    assert main(["figure", str(archive), *options]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_figure_by_itself(tmp_path, capsys, settings_of_main):
    """Without options: the files are named after archive and kind."""
    archive = archive_of("empty", tmp_path)
    assert main(["figure", str(archive)]) == 0
    written, said = [str(tmp_path / f"empty-sizes{suffix}") for suffix in (".png", ".pdf")], capsys.readouterr()
    assert said.out.splitlines() == written
    assert said.err == "--kind sizes; the others are membrane, vesicle, sweep, sensitivity\n"
    assert all(Path(file).stat().st_size > 1000 for file in written)
