"""``membrane compare``: a run beside a measured file, as text, JSON and picture; what is wrong ends with 2."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from archives import archive_of, begin, finish

import membrane as mb
from membrane.archive import read
from membrane.commands.entry import main
from membrane.paths import signed

pytestmark = pytest.mark.usefixtures("settings_of_main")

LIST = "diameter_nm\n" + "\n".join(map(str, range(40, 90))) + "\n"


@pytest.fixture
def files(tmp_path):
    """An archive and a list of 50 diameters."""
    (measured := tmp_path / "grids.csv").write_text(LIST)
    return archive_of("sheet", tmp_path), measured


def left(folder):
    """Names and contents of all files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_report_json_and_picture(files, tmp_path, capsys):
    """The headline holds the numbers of the JSON; the picture is ours; neither input is changed."""
    archive, measured = files
    before = left(tmp_path)
    stem, table = tmp_path / "seen", tmp_path / "seen.json"
    words = ["--instrument", "thin_section", "--section-nm", "70", "--picture", str(stem), "--json", str(table)]
    assert main(["compare", str(archive), str(measured), *words]) == 0
    told, numbers = capsys.readouterr(), json.loads(table.read_text())
    assert told.out.startswith(f"seen by thin_section the median is {numbers['median_nm']['seen']:.1f} nm (")
    assert f"measured it is {numbers['median_nm']['measured']:.1f} nm (95 %: " in told.out.splitlines()[0]
    assert "the assumption that moves it most: " in told.out.splitlines()[0]
    assert numbers["settings"] == {"section_nm": 70, "cap_angle_deg": 41}
    assert (numbers["ilvs"], numbers["particles"]) == (len(read(archive).ilvs), 50)
    assert numbers["median_nm"]["measured"] == pytest.approx(64.5, abs=0.5)
    assert told.err == f"picture {stem}.png, {stem}.pdf\n"
    assert signed(stem.with_suffix(".png"))
    assert signed(stem.with_suffix(".pdf"))
    assert before.items() <= left(tmp_path).items()
    # A picture of ours may be replaced, a table of numbers may not.
    assert main(["compare", str(archive), str(measured), *words]) == 2
    assert f"{table} exists; choose another name" in capsys.readouterr().err


def test_json_to_the_terminal(files, capsys):
    """Nothing else is printed there, so that it can be piped."""
    assert main(["compare", *map(str, files), "--instrument", "cryo_em", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["instrument"] == "cryo_em"


def test_python_has_the_same_numbers(files, capsys):
    """``membrane.compare`` gives what the command gives, as numbers, table, words and picture."""
    archive, measured = files
    assert main(["compare", str(archive), str(measured), "--instrument", "nta", "--limit-nm=60", "--json", "-"]) == 0
    expected = json.loads(capsys.readouterr().out)
    for result in (archive, mb.read(archive)):
        found = mb.compare(result, mb.read_measured(measured), instrument="nta", limit_nm=60)
        rows = expected["rows"]
        for name, value in found.numbers.items():
            assert expected[name] == value, name
        table = found.table
        np.testing.assert_allclose(table["predicted_share"], [row["predicted_share"] for row in rows])
        assert list(table.columns) == list(rows[0])
    assert main(["compare", str(archive), str(measured), "--instrument", "nta", "--limit-nm=60"]) == 0
    assert capsys.readouterr().out == f"{found!r}\n"
    assert len(found.plot().axes) == 2


def test_options_of_the_file(tmp_path, capsys):
    """What a file does not tell is told by options: a column, the bins, the values, the particles, a bead."""
    archive = archive_of("sheet", tmp_path)
    data = Path(__file__).parents[1] / "measured" / "data"
    (plain := tmp_path / "plain.csv").write_text("40,0.3\n50,0.9\n60,0.4\n70,0.2\n")
    told = ["--diameters", "lower_edges", "--values", "density", "--particles", "80", "--instrument", "cryo_em"]
    for words, particles in (
        ([data / "replicate_sizes_semicolon.csv", "--column", "Size_nm", "--instrument", "cryo_em"], 12),
        ([data / "trps_events_noheader.csv", "--bead", "200", "0.3", "--instrument", "cryo_em"], 60),
        ([plain, *told], 80),
        ([data / "nanosight_3.3_two_weightings_ExperimentSummary.csv"], 5400),
    ):
        assert main(["compare", str(archive), *map(str, words), "--json", "-"]) == 0
        numbers = json.loads(capsys.readouterr().out)
        assert numbers["particles"] == particles
    assert (numbers["instrument"], numbers["captures"]) == ("nta", 3)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "the file does not tell its instrument; --instrument may be thin_section"),
        (["--instrument", "telescope"], "there is no instrument 'telescope'"),
        (["--instrument", "nta", "--sectoin-nm", "70"], "unknown setting sectoin_nm; known are spread_cv"),
        (["--instrument", "nta", "--limit-nm", "-5"], "limit_nm is -5.0 nm; allowed is"),
        (["--instrument", "trps"], "trps records none of"),
        (["--instrument", "nta", "--thickness-nm", "nan"], "the thickness of the membrane is nan nm"),
        (["--instrument", "nta", "--particles", "0"], "must be positive"),
        (["--instrument", "nta", "--column", "size"], "has no column 'size'; found: diameter_nm"),
        (["--instrument", "nta", "--json", "grids.csv"], "would replace"),
        (["--instrument", "nta", "--json", "none/a.json"], "is no folder"),
        (["--instrument", "nta", "--json", "seen.png", "--picture", "seen"], "would be one file"),
        (["--instrument", "nta", "--picture", "foreign"], "was not made by membrane"),
    ],
)
def test_bad_input(words, told, files, tmp_path, capsys, monkeypatch):
    """Exit 2, one line that says what is allowed; no file is made or changed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "foreign.png").write_bytes(b"a picture of somebody else")
    before = left(tmp_path)
    assert main(["compare", *map(str, files), *words]) == 2
    said = capsys.readouterr()
    assert told in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("membrane compare: ")
    assert left(tmp_path) == before


@pytest.mark.parametrize(
    ("option", "value"), [("--limit-nm", "seventy"), ("--values", "volume"), ("--bead", "200"), ("--instrument", None)]
)
def test_an_option_with_a_wrong_value(option, value, files, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["compare", *map(str, files), option, *([value] if value else [])])
    assert ended.value.code == 2
    assert option in capsys.readouterr().err


def test_archives_that_cannot_be_compared(files, tmp_path, capsys):
    """A collected sweep mixes runs; a run without ILVs has nothing to compare; a text is no archive."""
    (tmp_path / "sweep").mkdir()
    collected, measured = archive_of("collected", tmp_path / "sweep"), files[1]
    finish(begin(tmp_path / "none.h5", events=0))
    for archive, words in (
        (collected, "is a collected sweep, whose runs differ"),
        (tmp_path / "none.h5", "no ILV of known size came of this run"),
        (measured, str(measured)),
        (tmp_path / "missing.h5", "missing.h5"),
    ):
        assert main(["compare", str(archive), str(measured), "--instrument", "cryo_em"]) == 2
        assert words in capsys.readouterr().err
    with pytest.raises(ValueError, match="is a collected sweep"):
        mb.compare(collected, measured, instrument="cryo_em")


def test_measured_files_that_cannot_be_read(files, tmp_path, capsys):
    """Exit 2 and what was found; also for a file that is missing, a folder, and a spreadsheet without its library."""
    (wrong := tmp_path / "wrong.csv").write_text("centre_nm,count\n40,3\n50,-9\n")
    for measured, words in ((wrong, "-9 is negative"), (tmp_path / "no.csv", "no.csv"), (tmp_path, str(tmp_path))):
        assert main(["compare", str(files[0]), str(measured), "--instrument", "cryo_em"]) == 2
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1


def test_a_picture_that_cannot_be_drawn(files, tmp_path, capsys, monkeypatch):
    """It is said, and the comparison is complete all the same."""
    from membrane.figures import compare

    def fail(*_):
        raise RuntimeError("no ink")

    monkeypatch.setattr(compare, "comparison_figure", fail)
    table = tmp_path / "a.json"
    words = ["--instrument", "cryo_em", "--picture", str(tmp_path / "seen"), "--json", str(table)]
    assert main(["compare", *map(str, files), *words]) == 0
    assert capsys.readouterr().err == "no picture (RuntimeError: no ink)\n"
    assert json.loads(table.read_text())["ilvs"] > 0


def test_a_copy_of_a_measured_file_is_never_replaced(files, tmp_path, capsys):
    """A measured file whose name ends in .png is an input, too."""
    shutil.copy(files[1], picture := tmp_path / "measured.png")
    words = ["--instrument", "cryo_em", "--picture", str(tmp_path / "measured")]
    assert main(["compare", str(files[0]), str(picture), *words]) == 2
    assert picture.read_text() == LIST
    assert "would replace" in capsys.readouterr().err


def test_settings_are_no_abbreviations(files, capsys):
    """An option that begins as one of ours is a setting of its own."""
    assert main(["compare", *map(str, files), "--instrument", "cryo_em", "--particle", "7"]) == 2
    assert "unknown setting particle; known are error_nm" in capsys.readouterr().err
