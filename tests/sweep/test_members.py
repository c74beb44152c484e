"""A sweep: which members it has, what is refused before anything runs, what its folder holds to."""

import json
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kstest

from membrane.commands import ensemble
from membrane.config import ConfigError, load
from membrane.sweep.folder import SweepFolder
from membrane.sweep.members import read_sweep

CERAMIDE = Path(__file__).parents[2] / "configs" / "ceramide.yaml"
TENSION, LINE = "membrane.tension_uN_per_m", "lipids.line_tension_pN"


def write(tmp_path, vary, **others):
    """Path of a sweep of the main configuration."""
    others = {"name": "trial", "base": str(CERAMIDE)} | others
    text = "".join(f"{key}: {value}\n" for key, value in others.items())
    (path := tmp_path / "sweep.yaml").write_text(text + "vary:\n" + textwrap.indent(textwrap.dedent(vary), "  "))
    return path


def members(tmp_path, vary, **others):
    """All members."""
    return read_sweep(write(tmp_path, vary, **others)).members


def told(several):
    """All that tells members apart."""
    return [(m.number, m.point, m.replica, m.name, m.seed, m.varied) for m in several]


GRID = f"grid: {{{TENSION}: [1.0, 10.0, 100.0], {LINE}: [0.5, 1.0]}}"


def test_grid(tmp_path):
    """Every combination, in the order of the file; the configuration of a member is the base with its values."""
    found = members(tmp_path, GRID)
    assert [m.varied for m in found] == [{TENSION: t, LINE: line} for t in (1.0, 10.0, 100.0) for line in (0.5, 1.0)]
    assert [m.number for m in found] == list(range(6))
    last = found[-1].config
    assert (last.membrane.tension_uN_per_m, last.lipids.line_tension_pN, last.name) == (100.0, 1.0, "trial-000005")
    assert last.cargo == load(CERAMIDE).cargo


def test_points_and_other_values(tmp_path):
    """A list is taken as it is; ``set`` holds for all; sections multiply."""
    vary = f"""
    points: [{{{LINE}: 0.5, endosomes: 3}}, {{{LINE}: 1.0, endosomes: 4}}]
    grid: {{{TENSION}: [1.0, 2.0]}}
    """
    found = members(tmp_path, vary, set="{duration_s: 0.012, cargo.oligomers.size: 4}")
    assert len(found) == 4
    assert {m.config.cargo.oligomers.size for m in found} == {4}
    assert {m.config.duration_s for m in found} == {0.012}
    assert {(m.config.lipids.line_tension_pN, m.config.endosomes) for m in found} == {(0.5, 3), (1.0, 4)}


@pytest.mark.parametrize("kind", ["latin_hypercube", "sobol"])
def test_designs_fill_the_box(tmp_path, kind):
    """Each of 64 equal slices of every axis holds one point, on the scale asked for."""
    vary = f"""
    {kind}:
      samples: 64
      ranges:
        {TENSION}: {{low: 0.1, high: 100.0, scale: log}}
        {LINE}: {{low: 0.5, high: 1.5}}
    """
    varied = [m.varied for m in members(tmp_path, vary)]
    unit = {
        TENSION: np.log([v[TENSION] / 0.1 for v in varied]) / np.log(1000),
        LINE: np.array([v[LINE] for v in varied]) - 0.5,
    }
    for u in unit.values():
        assert sorted(np.floor(64 * u).astype(int)) == list(range(64))
        assert kstest(u, "uniform").statistic < 1 / 64
    again = members(tmp_path, vary)
    other = members(tmp_path, vary, seed=1)
    assert [m.varied for m in again] == varied
    assert all(m.varied != v for m, v in zip(other, varied, strict=True))


def test_replicas_only_append(tmp_path):
    """More replicas leave every member that was there, its number, values and seed; no two share a seed."""
    few, many = members(tmp_path, GRID, replicas=2), members(tmp_path, GRID, replicas=5)
    assert told(many)[: len(few)] == told(few)
    assert [m.replica for m in few] == [0] * 6 + [1] * 6
    assert few[7].point == few[1].point
    assert len({m.config.seed for m in many}) == len(many) == 30
    assert not {m.config.seed for m in many} & {m.config.seed for m in members(tmp_path, GRID, replicas=5, seed=1)}


def test_settings_make_the_member_of_the_base(tmp_path):
    """The overrides that a member is run with give its configuration, small numbers and texts included."""
    vary = f"points: [{{{LINE}: 1.0e-05, ceramide.sphingomyelinase.leaflet: luminal, cargo.oligomers: null}}]"
    (member,) = members(tmp_path, vary)
    assert load(CERAMIDE, member.settings) == member.config
    assert member.config.cargo.oligomers is None


REFUSALS = {
    "misspelt key of the sweep": (GRID, {"replica": 2}, "replica: unknown key; did you mean 'replicas'?"),
    "misspelt varied key": (
        "grid: {membrane.tension_uNperm: [1.0]}",
        {},
        "membrane.tension_uNperm: unknown key; did you mean 'tension_uN_per_m'?",
    ),
    "misspelt section": (
        "grid: {membran.tension_uN_per_m: [1.0]}",
        {},
        "membran: unknown key; did you mean 'membrane'?",
    ),
    "value as a section": ("grid: {name.first: [1.0]}", {}, "'name' is a value, not a section"),
    "value out of range": (f"grid: {{{TENSION}: [1.0, -1.0]}}", {}, f"member 1, {TENSION} = -1"),
    "misspelt key of set": (GRID, {"set": "{duration: 1.0}"}, "duration: unknown key; did you mean 'duration_s'?"),
    "absent base": (GRID, {"base": "absent.yaml"}, "absent.yaml: cannot be read"),
    "no name": (GRID, {"name": "a/b"}, "name: a name is made of the letters"),
    "no member": (GRID, {"replicas": 0}, "replicas: must be at least 1"),
    "nothing varies": ("grid: {}", {}, "vary: nothing varies"),
    "empty list": (f"grid: {{{TENSION}: []}}", {}, f"vary.grid.{TENSION}: must not be empty"),
    "twice": (f"{{grid: {{{TENSION}: [1.0]}}, points: [{{{TENSION}: 1.0}}]}}", {}, f"{TENSION} is varied twice"),
    "own key": ("grid: {seed: [1, 2]}", {}, "seed is given by the sweep: see seed and replicas"),
    "ragged points": (f"points: [{{{TENSION}: 1.0}}, {{{LINE}: 1.0}}]", {}, "points.1 must have the keys of points.0"),
    "turned range": (
        f"latin_hypercube: {{samples: 4, ranges: {{{LINE}: {{low: 2.0, high: 1.0}}}}}}",
        {},
        f"vary.latin_hypercube.ranges.{LINE}: low 2 must lie below high 1",
    ),
    "logarithm of zero": (
        f"latin_hypercube: {{samples: 4, ranges: {{{LINE}: {{low: 0, high: 1.0, scale: log}}}}}}",
        {},
        "low 0 must be positive",
    ),
    "unbalanced": (
        f"sobol: {{samples: 100, ranges: {{{LINE}: {{low: 0.5, high: 1.0}}}}}}",
        {},
        "samples 100 must be a power of two, such as 64 or 128",
    ),
    "section and what is in it": (
        "grid: {geometry.spacing_nm: [4.0], geometry: [{box_nm: [768, 768], spacing_nm: 3.0}]}",
        {},
        "geometry.spacing_nm is varied, and so is geometry, which holds it",
    ),
    "section in points, key in a design": (
        f"{{points: [{{lipids: {{}}}}], sobol: {{samples: 4, ranges: {{{LINE}: {{low: 0.5, high: 1.0}}}}}}}}",
        {},
        f"{LINE} is varied, and so is lipids, which holds it",
    ),
    "deep section": (
        "grid: {cargo: [null], cargo.oligomers.size: [4, 5]}",
        {},
        "cargo.oligomers.size is varied, and so is cargo, which holds it",
    ),
    "set and vary": (GRID, {"set": f"{{{TENSION}: 2.0}}"}, f"{TENSION} is given by set and by vary: one would be lost"),
    "section of set and vary": (
        GRID,
        {"set": "{lipids: {line_tension_pN: 2.0}}"},
        f"{LINE} is given by set and by vary: one would be lost",
    ),
    "section turned off by set": (
        "grid: {cargo.oligomers.size: [4, 5]}",
        {"set": "{cargo: null}"},
        "cargo and cargo.oligomers.size are given by set and by vary: one would be lost",
    ),
    "key of set in a varied section": (
        "grid: {cargo: [null]}",
        {"set": "{cargo.fraction: 0.1}"},
        "cargo and cargo.fraction are given by set and by vary: one would be lost",
    ),
    "nested keys of set": (
        GRID,
        {"set": "{cargo: null, cargo.fraction: 0.1}"},
        "set: cargo.fraction is given, and so is cargo, which holds it",
    ),
    "octal in a grid": (GRID.replace("10.0", "010"), {}, "010 is not read as a decimal number"),
    "base 60 in points": (f"points: [{{{TENSION}: 1:30}}]", {}, "1:30 is read as a number to base 60"),
    "octal in a range": (
        f"sobol: {{samples: 010, ranges: {{{LINE}: {{low: 0.5, high: 1.0}}}}}}",
        {},
        "010 is not read as a decimal number",
    ),
    "base 60 in a range": (
        f"sobol: {{samples: 4, ranges: {{{LINE}: {{low: 0.5, high: 1:30}}}}}}",
        {},
        "1:30 is read as a number to base 60",
    ),
    "octal in set": (GRID, {"set": "{endosomes: 012}"}, "012 is not read as a decimal number"),
    "octal in quotes": ("grid: {endosomes: ['012']}", {}, "endosomes: give a whole number (given: '012')"),
    "octal replicas": (GRID, {"replicas": "010"}, "010 is not read as a decimal number"),
    "name of dots": (GRID, {"name": ".."}, "name: a name begins with a letter"),
    "too many points": (
        f"grid: {{{', '.join(f'k{i}: {list(range(1000))}' for i in range(3))}}}",
        {},
        "1e+09 points of vary with replicas 1 are 1e+09 members; 1000000 are the most",
    ),
    "too many replicas": (
        f"grid: {{{TENSION}: {list(range(1, 1001))}}}",
        {"replicas": 1_000_000},
        "1000 points of vary with replicas 1000000 are 1e+09 members",
    ),
    "too many samples": (
        f"sobol: {{samples: 524288, ranges: {{{', '.join(f'k{i}: {{low: 0, high: 1}}' for i in range(20))}}}}}",
        {},
        "samples 524288 of 20 ranges are more than 10000000 numbers",
    ),
    "range with another name": (
        f"sobol: {{samples: 4, ranges: {{{LINE}: {{lo: 0.5, high: 1.0}}}}}}",
        {},
        f"vary.sobol.ranges.{LINE}.lo: unknown key; did you mean 'low'?",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(tmp_path, case, capsys):
    """Exit 2 before anything runs, with the key and the remedy; not a file is written."""
    vary, others, words = REFUSALS[case]
    path = write(tmp_path, vary, **others)
    assert ensemble.main([str(path), "--folder", str(tmp_path / "folder"), "--quiet"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("membrane ensemble: ")
    assert words in said.err
    assert said.out == ""
    assert list(tmp_path.iterdir()) == [path]


def test_all_faulty_members_are_named_up_to_five(tmp_path):
    """A key wrong everywhere is said of five points, not of a thousand, and of one replica."""
    with pytest.raises(ConfigError) as caught:
        members(tmp_path, f"grid: {{{TENSION}: [-1.0, 1.0, -2.0]}}")
    assert "member 0" in str(caught.value)
    assert "member 1," not in str(caught.value)
    assert "member 2" in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        members(tmp_path, f"grid: {{membrane.x: {list(range(1000))}}}", replicas=10)
    assert str(caught.value).count("unknown key") == 5
    with pytest.raises(ConfigError) as caught:
        members(tmp_path, "grid: {membrane.x: [1.0]}", replicas=10_000)
    assert str(caught.value).count("unknown key") == 1


def test_set_may_hold_what_vary_refines(tmp_path):
    """A section given by set, and another key of it varied: neither is lost."""
    found = members(tmp_path, "grid: {endosome.area_modulus_mN_per_m: [200.0, 300.0]}",
                    set="{endosome: {lysis_tension_mN_per_m: 8.0}}")  # fmt: skip
    assert {m.config.endosome.lysis_tension_mN_per_m for m in found} == {8.0}
    assert [m.config.endosome.area_modulus_mN_per_m for m in found] == [200.0, 300.0]


def test_a_section_may_be_varied_whole(tmp_path):
    """Ceramide or none, by one key."""
    base = load(CERAMIDE)
    found = members(tmp_path, f"grid: {{ceramide: [null, {json.dumps(base.ceramide.model_dump())}]}}")
    assert [m.config.ceramide for m in found] == [None, base.ceramide]
    assert load(CERAMIDE, found[0].settings) == found[0].config


def test_large_sweeps_are_read_quickly(tmp_path):
    """A hundred thousand members are counted, not made; replicas are not checked again. Process time, for other
    processes do not count."""
    begin = time.process_time()
    found = members(tmp_path, f"grid: {{{TENSION}: {list(range(1, 101))}, {LINE}: [0.5, 1.0]}}", replicas=500)
    assert len(found) == 100_000
    assert found[-1].varied == {TENSION: 100, LINE: 1.0}
    assert time.process_time() - begin < 10
    assert len({m.seed for m in found[::100]}) == 1000


def folder(tmp_path, vary, **others):
    """A folder that keeps the sweep."""
    (kept := SweepFolder(tmp_path / "folder", read_sweep(write(tmp_path, vary, **others)))).keep()
    return kept


def test_folder_needs_nothing_else(tmp_path):
    """The sweep as the folder keeps it has the same members, whatever becomes of the files it was made of."""
    kept = folder(tmp_path, GRID, replicas=2, set="{duration_s: 0.012}")
    (tmp_path / "sweep.yaml").unlink()
    again = read_sweep(tmp_path / "folder" / "kept" / "sweep.yaml").members
    assert told(again) == told(kept.sweep.members)
    assert [m.config for m in again] == [m.config for m in kept.sweep.members]


def test_folder_keeps_what_it_can_read_again(tmp_path):
    """A sweep that fits its file may take more room in the folder, where every value has a line."""
    kept = folder(tmp_path, f"grid: {{{TENSION}: [{','.join(map(str, range(1, 1001)))}]}}")
    file = kept.kept_sweep
    file.write_bytes(file.read_bytes().ljust(2**20 + 1, b"\n"))
    with pytest.raises(ConfigError, match="larger than 1048576 bytes"):
        read_sweep(file)
    kept.keep()


def test_folder_goes_on_with_more(tmp_path):
    """More replicas and a longer duration are the same sweep; another grid, seed, base or a shorter one is not."""
    folder(tmp_path, GRID, replicas=2)
    folder(tmp_path, GRID, replicas=3)
    folder(tmp_path, GRID, replicas=3, set="{duration_s: 0.12}")
    for vary, others, words in (
        (GRID.replace("10.0,", "11.0,"), {}, rf"member 2: {TENSION} = 10, .* in the folder, {TENSION} = 11"),
        (GRID, {"seed": 7}, "member 0: .*seed"),
        (GRID, {"set": "{duration_s: 0.12, endosomes: 3}"}, "endosomes: 10 in the archive, 3 now"),
        (GRID, {"set": "{duration_s: 0.06}"}, "0.06 is shorter than 0.12"),
        (GRID, {"replicas": 2}, "18 members in the folder, 12 now"),
    ):
        with pytest.raises(ConfigError, match=words):
            folder(tmp_path, vary, **{"replicas": 3, "set": "{duration_s: 0.12}"} | others)
    assert len(read_sweep(tmp_path / "folder" / "kept" / "sweep.yaml").members) == 18
