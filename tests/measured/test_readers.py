"""Files of laboratories are read to the numbers that stand in them. Those here were read by eye, not by a reader."""

import doctest
import re
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from membrane.measured import Measured, MeasuredError, read_measured
from membrane.measured.grid import numbers
from membrane.outcome.binned import quantile

DATA = Path(__file__).parent / "data"

NANOSIGHT = {
    # File: captures at 99.5 nm, medians (D50) in nm and particles per ml of the captures, tracks, dilution.
    "nanosight_3.4": (
        [8475156, 8151440, 7723146, 7261534, 6806460],
        [95.0, 99.0, 103.0, 107.0, 111.0],
        [6.0e8, 6.1e8, 6.2e8, 6.3e8, 6.4e8],
        9000,
        1000,
    ),
    "nanosight_3.3_two_weightings": (
        [8475156, 8151440, 7723146],
        [95.0, 99.0, 103.0],
        [6.0e8, 6.1e8, 6.2e8],
        5400,
        None,
    ),
    "nanosight_3.2_excel_resaved": (
        [8475156, 8151440, 7723146, 7261534],
        [95.0, 99.0, 103.0, 107.0],
        [6.0e8, 6.1e8, 6.2e8, 6.3e8],
        7200,
        None,
    ),
}


def nanosight(name):
    return DATA / f"{name}_ExperimentSummary.csv"


@pytest.mark.parametrize("name", NANOSIGHT)
def test_nanosight(name):
    """Captures, tracks and dilution; each capture has the D50 and the concentration that its own file states."""
    at_99, medians, totals, tracks, dilution = NANOSIGHT[name]
    found = read_measured(nanosight(name))
    assert (found.what, found.instrument, found.weighting) == ("concentration", "nta", "number")
    np.testing.assert_array_equal(found.edges_nm, np.arange(1001.0))
    np.testing.assert_array_equal(found.captures[:, 99], at_99)
    assert found.values[99] == np.mean(at_99)
    np.testing.assert_allclose(found.captures.sum(axis=1), totals, rtol=1e-7)
    assert (found.n_effective, found.dilution) == (tracks, dilution)
    assert any("smoothed" in sentence for sentence in found.assumed)
    assert any("not recorded" in sentence for sentence in found.assumed) == (dilution is None)
    for capture, median in zip(found.captures, medians):
        own = Measured(found.edges_nm, capture, "concentration")
        assert own.median_nm == pytest.approx(median, abs=0.51)


def test_averages_agree_with_the_file():
    """The mean of the captures is the column of averages, which the reader leaves out."""
    found = read_measured(nanosight("nanosight_3.4"))
    stated = {40.5: 273422, 99.5: 7683547, 101.5: 7546558}
    for centre, average in stated.items():
        assert found.values[int(centre)] == pytest.approx(average, abs=0.51)


REAL = """NTA Experiment Summary File,
Created with NTA 3.4 Build 3.4.003,
[Results],,,,,,Average,Standard Error,
Dilution factor (concentrations adjusted for this factor),1.00e+04,1.00e+04,1.00e+04,1.00e+04,1.00e+04,,,
Concentration (Particles / ml),5.91e+12,6.05e+12,6.01e+12,6.25e+12,6.24e+12,6.09e+12,6.67e+10,

[Size Data],,
Weighting,Number,
D10,88.1,89.2,88.1,88.1,90.1,88.7,0.4,
D50,98.6,99.7,101.0,100.2,99.6,99.8,0.4,
D90,116.7,117.8,113.4,115.0,113.6,115.3,0.9,
Valid Tracks,1872.0,1898.0,1879.0,1948.0,1929.0,,,
Graph Data,
Bin centre (nm),{heads}Concentration average,Standard Error,
"""
"""The head of a real file, nguyens7/tidyNano inst/extdata/beads2.csv (MIT), without the lines that are not read."""


def test_a_real_file(tmp_path):
    """Its table, with the head that it had: each capture has the D10, D50 and D90 and the concentration that the
    software of the instrument found, to the last digit that it tells. Bins are named by their centres, then."""
    table = DATA.parents[1] / "instruments/data/nta_beads2.csv"
    rows = [line for line in table.read_text().splitlines() if line[:1].isdigit()]
    assert len(rows) == 1000
    found = read_measured(written(tmp_path, REAL.format(heads=5 * "Concentration (particles / ml),") + "\n".join(rows)))
    assert (found.n_effective, found.dilution) == (9526, 10000)
    stated = {line.split(",")[0]: [float(cell) for cell in line.split(",")[1:6]] for line in REAL.splitlines()[7:11]
              if line[0] == "D"}  # fmt: skip
    for capture, *quantiles in zip(found.captures, *(stated[name] for name in ("D10", "D50", "D90"))):
        own = [quantile(found.edges_nm, capture, share) for share in (0.1, 0.5, 0.9)]
        np.testing.assert_allclose(own, quantiles, atol=0.06)
    np.testing.assert_allclose(found.captures.sum(axis=1), [5.91e12, 6.05e12, 6.01e12, 6.25e12, 6.24e12], rtol=1e-3)
    assert not any("stated" in sentence or "states" in sentence for sentence in found.assumed)


def test_diffusion_coefficients_are_no_sizes(tmp_path):
    """Files of NTA 3.3 hold them as well, with a number weighting of their own."""
    text = nanosight("nanosight_3.3_two_weightings").read_text("latin-1")
    more = text[text.index("Analysis Method") :].replace("Bin centre (nm)", "Bin centre (E4 nm\xb2/s)")
    path = written(tmp_path, f"{text}[Diffusion Coefficient Data],,\n{more}", encoding="latin-1")
    found, same = read_measured(path), read_measured(nanosight("nanosight_3.3_two_weightings"))
    np.testing.assert_array_equal(found.captures, same.captures)
    assert found.assumed == same.assumed


def test_bins_that_were_taken_away(tmp_path):
    """The file states the concentration of all bins; where a fifth of it is missing, that is said."""
    lines = nanosight("nanosight_3.4").read_text("latin-1").splitlines()
    short = [line for line in lines if not (line.split(",")[0].endswith(".5") and float(line.split(",")[0]) > 130)]
    found = read_measured(written(tmp_path, "\n".join(short)))
    share = found.captures.sum() / 3.1e9
    assert 0.5 < share < 0.9
    assert any(f"the bins hold {100 * share:.0f} % of the concentration" in sentence for sentence in found.assumed)


@pytest.mark.parametrize(("separator", "mark"), [(";", ","), ("\t", ","), ("\t", ".")])
def test_a_file_that_was_saved_again_elsewhere(separator, mark, tmp_path):
    """Spreadsheets of other countries write semicolons or tabs, and decimal commas."""
    lines = nanosight("nanosight_3.4").read_text("latin-1").splitlines()
    cells = [[re.sub(r"^(\d+)\.(\d+)", rf"\1{mark}\2", cell) for cell in line.split(",")] for line in lines]
    path = written(tmp_path, "\r\n".join(separator.join(row) for row in cells), encoding="utf-8-sig")
    found, same = read_measured(path), read_measured(nanosight("nanosight_3.4"))
    np.testing.assert_array_equal(found.captures, same.captures)
    np.testing.assert_array_equal(found.edges_nm, same.edges_nm)
    assert (found.n_effective, found.dilution, found.assumed) == (same.n_effective, same.dilution, same.assumed)


def test_zetaview():
    """The linear table and its counts; n is that of the traces, not of the counts."""
    found = read_measured(DATA / "zetaview_size_488.txt")
    assert (found.what, found.instrument) == ("count", "nta")
    np.testing.assert_array_equal(found.edges_nm, np.arange(0, 1005, 5))
    assert [found.values[int(size // 5)] for size in (32.5, 102.5, 122.5, 462.5, 997.5)] == [1, 813, 898, 1, 0]
    assert (found.values.sum(), found.n_effective, found.dilution) == (20140, 5200, 1000)


def test_blockades():
    """A bead calibrates them by the cube root: twice the bead's diameter doubles all diameters."""
    path = DATA / "trps_events_noheader.csv"
    found = read_measured(path, bead=(200, 0.3))
    assert (found.n_effective, found.values.sum(), found.instrument) == (60, 60, "trps")
    # The 30th and the 31st of the 60 blockades are 0.142801 and 0.144016 nA, the least and the largest 0.0543881 and
    # 0.375316 nA.
    assert found.median_nm == pytest.approx(200 * (0.1434 / 0.3) ** (1 / 3), abs=0.6)
    assert found.edges_nm[0] < 200 * (0.0543881 / 0.3) ** (1 / 3) < found.edges_nm[0] + 1
    assert found.edges_nm[-1] - 1 < 200 * (0.375316 / 0.3) ** (1 / 3) < found.edges_nm[-1]
    assert read_measured(path, bead=(400, 0.3)).median_nm == pytest.approx(2 * found.median_nm, abs=1)
    with pytest.raises(MeasuredError, match="blockades in nA and no diameters; give the diameter of a bead"):
        read_measured(path)


def test_replicates():
    """A wider table: a column is named; empty cells are no vesicles."""
    path = DATA / "replicate_sizes_semicolon.csv"
    found = read_measured(path, column="Size_nm")
    assert found.n_effective == found.values.sum() == 12
    assert found.median_nm == pytest.approx(121.55, abs=0.51)
    assert found.edges_nm[0] <= 112.0 < 155.6 <= found.edges_nm[-1]
    with pytest.raises(MeasuredError, match=r"columns found: Strain, Size_nm, .*--column"):
        read_measured(path)


def written(folder, text, name="mine.csv", encoding="utf-8"):
    (path := folder / name).write_bytes(text.encode(encoding))
    return path


HISTOGRAMS = {
    "heading tells all": ("bin centre (nm),count\n40,3\n50,9\n60,4\n", [35, 45, 55, 65], "count", 16),
    "lower edges": ("bin_low_nm,count\n40,3\n50,9\n60,4\n", [40, 50, 60, 70], "count", 16),
    "from zero": ("0,0\n20,9\n40,4\n", [0, 20, 40, 60], "count", 13),
    "semicolons and decimal commas": ("Größe;Anzahl\n40,5;3\n41,5;9\n42,5;4\n", [40, 41, 42, 43], "count", 16),
    "tabs": ("size / nm\tconcentration / ml\n45\t3e8\n55\t9e8\n", [40, 50, 60], "concentration", None),
    "density": ("diameter_nm,probability_density_per_nm\n45,0.03\n55,0.01\n", [40, 50, 60], "density", None),
    "even ratio": ("centre_nm,count\n40,3\n80,9\n160,4\n", 2**0.5 * np.array([20, 40, 80, 160]), "count", 16),
    "remarks": ("# grid 3\n\ncentre_nm,count\n40,3\n50,9\n\n60,4\n", [35, 45, 55, 65], "count", 16),
    "blanks": ("centre_nm  count\n40 3\n50  9\n60 4\n", [35, 45, 55, 65], "count", 16),
    "blanks and a heading of words": ("Size (nm) Count\n40 3\n50 9\n60 4\n", [35, 45, 55, 65], "count", 16),
    "no heading, fractions": ("40,0.3\n50,0.9\n60,0.4\n", [35, 45, 55, 65], "concentration", None),
}  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
@pytest.mark.parametrize("case", HISTOGRAMS)
def test_histograms(case, encoding, tmp_path):
    """Two columns, in four encodings."""
    text, edges, what, n = HISTOGRAMS[case]
    found = read_measured(written(tmp_path, text, encoding=encoding))
    np.testing.assert_allclose(found.edges_nm, edges)
    assert (found.what, found.n_effective) == (what, n)


def test_what_the_user_says_counts(tmp_path):
    """The bins, the values and n, where the file does not tell; what is concluded is said, what is told is not."""
    path = written(tmp_path, "40,3\n50,9\n60,4\n")
    concluded = read_measured(path)
    assert len(concluded.assumed) == 2
    told = read_measured(path, diameters="lower_edges", values="density", particles=70)
    np.testing.assert_array_equal(told.edges_nm, [40, 50, 60, 70])
    assert (told.what, told.n_effective) == ("density", 70)
    assert told.assumed == ("n is 70, as was said",)


def test_lists(tmp_path):
    """A list of diameters, with a heading or without; whole numbers lie in the middle of their bins."""
    for text in ("40\n41\n41\n90\n", "diameter_nm\n40\n41\n41\n90\n", "40,0\n41,2\n40,8\n90,3\n".replace(",", ".")):
        found = read_measured(written(tmp_path, text, "list.txt"))
        np.testing.assert_array_equal(found.edges_nm, np.arange(39.5, 91.0))
        assert (found.values[0], found.values[1], found.values[-1], found.n_effective) == (1, 2, 1, 4)


def test_a_list_of_decimal_commas(tmp_path):
    """With semicolons behind the numbers, as spreadsheets of many countries save one column among empty ones."""
    found = read_measured(written(tmp_path, "Durchmesser;\n40,0;\n41,2;\n40,8;\n90,3;\n"))
    assert (found.n_effective, found.edges_nm[0]) == (4, 39.5)


@pytest.mark.parametrize("name", ["nanosight_3.4", "histogram"])
def test_spreadsheets(name, tmp_path):
    """A table in a spreadsheet is read as its text is; an empty sheet before it is passed over."""
    import openpyxl

    text = nanosight(name).read_text("latin-1") if name != "histogram" else HISTOGRAMS["heading tells all"][0]
    (book := openpyxl.Workbook()).create_sheet("sizes")
    for line in text.splitlines():
        book["sizes"].append([float(cell) if cell.replace(".", "", 1).isdigit() else cell for cell in line.split(",")])
    book.save(path := tmp_path / "mine.xlsx")
    found, same = read_measured(path), read_measured(written(tmp_path, text))
    np.testing.assert_array_equal(found.edges_nm, same.edges_nm)
    np.testing.assert_array_equal(found.values, same.values)
    assert (found.n_effective, found.dilution) == (same.n_effective, same.dilution)


def test_a_spreadsheet_needs_a_library(tmp_path, monkeypatch):
    """Without it the remedy is told."""
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    (path := tmp_path / "mine.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(ImportError, match=r"pip install 'membrane-exosomes\[analysis\]'"):
        read_measured(path)


def test_table(tmp_path):
    """The tidy table has a row for each bin; shares are those of particles, also where bins differ in width."""
    path = written(tmp_path, "low_nm,density\n40,0.03\n50,0.01\n80,0\n")
    table = read_measured(path).table()
    assert list(table.columns) == ["from_nm", "to_nm", "density", "share"]
    np.testing.assert_allclose(table["share"], [0.5, 0.5, 0])


def test_a_histogram_of_ours(tmp_path):
    """The numbers of a file come back unchanged from a file of the same numbers."""
    first = read_measured(nanosight("nanosight_3.3_two_weightings"))
    centres = (first.edges_nm[1:] + first.edges_nm[:-1]) / 2
    lines = [f"{centre!r},{value!r}" for centre, value in zip(centres.tolist(), first.values.tolist())]
    again = read_measured(written(tmp_path, "\n".join(["centre_nm,concentration_per_ml", *lines])))
    np.testing.assert_array_equal(again.values, first.values)
    np.testing.assert_allclose(again.edges_nm, first.edges_nm, atol=1e-9)
    assert again.median_nm == pytest.approx(first.median_nm)


def cut(text, line):
    return "\n".join(text.splitlines()[:line])


def changed(name, before, after):
    text = nanosight(name).read_text("latin-1")
    assert before in text
    return text.replace(before, after, 1)


MUTILATED = {
    "empty": ("", "is empty"),
    "blank": (" \n\n ; ;\n", "is empty"),
    "picture": (b"\x89PNG\r\n\x1a\n\0\0", "is a picture"),
    "binary": (b"\1\2\0\3\0\0\4", "has bytes that no text has"),
    "zip": (b"PK\x03\x04rest", "is an archive of ZIP"),
    "pdf": (b"%PDF-1.7 rest", "is a PDF"),
    "web page": ("<!DOCTYPE html><html><table><tr><td>40</td></tr></table></html>", "is a web page"),
    "UTF-16 without its mark": ("40,3\n50,9\n".encode("utf-16-le"), "has bytes that no text has"),
    "words": ("the sizes are in the other file\n", "has no row of numbers"),
    "one number": ("62.5\n", "has 1 diameter; expected a list of at least 2"),
    "negative count": ("centre_nm,count\n40,3\n50,-9\n60,4\n", "-9 is negative"),
    "negative diameter": ("40\n-50\n60\n", "-50 is negative"),
    "a diameter of zero": ("40\n0\n60\n", "a diameter is 0"),
    "NaN": ("centre_nm,count\n40,3\n50,NaN\n60,4\n", "'NaN' stands where a number is expected"),
    "infinite": ("centre_nm,count\n40,3\n50,1e999\n60,4\n", "too large to be one"),
    "text in a column": ("40\n50\nbroken\n60\n", "'broken' stands where a number is expected"),
    "unit in a cell": ("40 nm\n50\n0.06 um\n", "'0.06 um' stands where a number is expected"),
    "falling": ("centre_nm,count\n60,3\n50,9\n40,4\n", "do not rise"),
    "twice": ("centre_nm,count\n40,3\n40,9\n50,4\n", "do not rise"),
    "two headings": ("diameter,count\nnm,-\n40,3\n50,9\n", "has two headings"),
    "a heading within": ("centre_nm,count\n40,3\n50,9\ncentre_nm,count\n40,2\n", "'centre_nm' stands where a number"),
    "decimal commas among commas": ("40,5\n90,3\n41,2\n", "if commas are decimal marks, save with semicolons"),
    "mixed marks": ("a;b\n40,5;3\n41.5;9\n42,5;4\n", "points and decimal commas are mixed"),
    "thousands": ("a;b\n1.040,5;3\n1.050,5;9\n", "'1.040,5' stands where a number is expected"),
    "heading in um": ("diameter (um),count\n0.04,3\n0.05,9\n", "a heading says um"),
    "heading in um, as the Greek letter": ("diameter (µm),count\n0.04,3\n0.05,9\n", "a heading says µm"),
    "radius": ("radius (nm),count\n40,3\n50,9\n", "a heading says radius"),
    "um suspected": ("0.04\n0.05\n0.09\n", "are the sizes in another unit, such as um"),
    "all zero": ("centre_nm,count\n40,0\n50,0\n", "all values are zero"),
    "row too long": ("centre_nm,count\n40,3\n50,9,1\n60,4\n", "columns found: centre_nm, count"),
    "row too short": ("centre_nm,count\n40,3\n50\n60,4\n", "a row has not two cells"),
    "a number before each size": ("vesicle,diameter_nm\n101,45\n102,55\n103,40\n", "the second column (diameter_nm)"),
    "two sizes": ("diameter_nm,mean_nm\n45,3\n55,7\n", "the second column (mean_nm) seems to hold sizes"),
    "a row of numbers": ("45.2 50.1 60.2 70.5\n", "columns found: 4 without a heading"),
    "uneven centres": ("centre_nm,count\n40,3\n50,9\n90,4\n", "do not tell the bins"),
    "no centre": ("centre_nm,count\n0,3\n50,9\n100,9\n", "the diameters are lower edges"),
    "nanosight, cut": (cut(nanosight("nanosight_3.4").read_text("latin-1"), 150), "the table ends after"),
    "nanosight, percentiles only": (
        "\n".join(
            line for line in nanosight("nanosight_3.4").read_text("latin-1").splitlines()
            if not line.startswith("Bin centre") and not line[:1].isdigit()
        ) + "\n0,0.0,0.0\n50,95.0,99.0\n",
        "Percentiles alone are no distribution",
    ),
    "nanosight, surface only": (
        changed("nanosight_3.4", "Weighting,Number", "Weighting,Surface Area"),
        "weightings found: surface area; expected one block 'Weighting,Number'",
    ),
    "nanosight, negative": (changed("nanosight_3.4", "\n99.5,8475156", "\n99.5,-8475156"), "is negative"),
    "nanosight, word": (changed("nanosight_3.4", "\n99.5,8475156", "\n99.5,n/a"), "'n/a' stands where a number"),
    "nanosight, word for a bin": (changed("nanosight_3.4", "\n99.5,", "\nhere,"), "'here' follows bin 98.5 nm"),
    "nanosight, a bin is missing": (
        "\n".join(
            line for line in nanosight("nanosight_3.4").read_text("latin-1").splitlines()
            if not line.startswith("99.5,")
        ),
        "do not rise by even steps",
    ),
    "nanosight, a short row": (changed("nanosight_3.3_two_weightings", ",7723146,", ""), "99.5 nm has 3 cells"),
    "nanosight, two experiments": (
        2 * nanosight("nanosight_3.4").read_text("latin-1"), "weightings found: number, number",
    ),
    "zetaview, cut": (
        cut((DATA / "zetaview_size_488.txt").read_text("latin-1"), 120), "does not end with a line of -1",
    ),
    "zetaview, no counts": (
        (DATA / "zetaview_size_488.txt").read_text("latin-1").replace("\tNumber\t", "\tAmount\t"),
        "expected one that is called Number",
    ),
    "blockades, cut": (
        (DATA / "trps_events_noheader.csv").read_text()[:-30], "a row has not 18 cells",
    ),
    "blockades without a bead": ((DATA / "trps_events_noheader.csv").read_text(), "no diameters"),
}  # fmt: skip


@pytest.mark.parametrize("case", MUTILATED)
def test_mutilated_files_are_refused(case, tmp_path):
    """In one sentence that names the file and what was found."""
    content, words = MUTILATED[case]
    (path := tmp_path / "mine.csv").write_bytes(content if isinstance(content, bytes) else content.encode("latin-1"))
    with pytest.raises(MeasuredError) as refused:
        read_measured(path)
    assert words in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"diameters": "middle"}, "expected centres or lower_edges"),
        ({"values": "volume"}, "expected count or concentration or density"),
        ({"particles": 0}, "must be positive"),
        ({"particles": 20}, "tells the number of particles, 16; leave particles out"),
        ({"column": "Size"}, "has no column 'Size'; found: centre_nm, count"),
        ({"bead": (200, 0.3)}, "Leave the bead out"),
    ],
)
def test_options_that_do_not_fit(options, words, tmp_path):
    """An option is used or refused, never passed over."""
    path = written(tmp_path, "centre_nm,count\n40,3\n50,9\n60,4\n")
    with pytest.raises(MeasuredError, match=words):
        read_measured(path, **options)
    if "particles" not in options:
        with pytest.raises(MeasuredError, match="tells by itself what it holds; leave"):
            read_measured(nanosight("nanosight_3.4"), **options)


def test_a_book_that_is_none(tmp_path):
    shutil.copy(nanosight("nanosight_3.4"), path := tmp_path / "mine.xlsx")
    with pytest.raises(MeasuredError, match="is no spreadsheet that can be read"):
        read_measured(path)
    (path := tmp_path / "mine.xls").write_bytes(b"old")
    with pytest.raises(MeasuredError, match=r"\.xls is not read; save it as \.xlsx or as CSV"):
        read_measured(path)


@pytest.mark.parametrize("name", ["replicate_sizes_semicolon.csv", "trps_events_noheader.csv", "zetaview_size_488.txt"])
def test_damage_is_refused_or_harmless(name, tmp_path):
    """A file with a few random bytes changed is read, or refused in our words: nothing else is raised."""
    rng = np.random.default_rng(1)
    whole = (DATA / name).read_bytes()
    options = {"replicate_sizes_semicolon.csv": {"column": "Size_nm"}, "trps_events_noheader.csv": {"bead": (200, 0.3)}}
    for trial in range(24):
        damaged = bytearray(whole[: rng.integers(1, len(whole))] if trial % 2 else whole)
        for place in rng.integers(0, len(damaged), 3):
            damaged[place] = rng.choice(list(b'\n\t,;."-+eE09x\xb5\xff '))
        (path := tmp_path / name).write_bytes(bytes(damaged))
        try:
            found = read_measured(path, **options.get(name, {}))
        except MeasuredError:
            continue
        assert np.isfinite(found.median_nm)
        assert found.probability.sum() == pytest.approx(1)


def test_numbers_of_one_mark():
    """A column of whole numbers has no mark."""
    np.testing.assert_array_equal(numbers(["1", "2"], "x"), [1, 2])
    np.testing.assert_array_equal(numbers(["1,5", "2"], "x"), [1.5, 2])


@pytest.mark.parametrize("name", ["grid", "histogram", "reading"])
def test_examples(name, tmp_path, monkeypatch):
    """The examples of the docstrings."""
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(import_module(f"membrane.measured.{name}"))
    assert (failed, tried > 0) == (0, True)


def test_a_comma_that_may_part_thousands_is_refused(tmp_path):
    """Beside a whole number of a hundred and more "1,020" may be either; beside small numbers it is a decimal comma."""
    path = tmp_path / "sizes.csv"
    path.write_text('diameter_nm\n980\n"1,020"\n990\n1000\n')
    with pytest.raises(MeasuredError, match="may mean thousands or a decimal comma"):
        read_measured(path)
    path.write_text('diameter_nm\n"50,125"\n"61,5"\n"70,25"\n100\n')
    assert len(read_measured(path).values) > 0
