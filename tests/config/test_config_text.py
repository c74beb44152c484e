"""YAML of which every part means one thing, and what is bounded: sizes, depths, numbers, what messages quote."""

import os
import time
from pathlib import Path

import pytest
import yaml

from membrane.config import ConfigError, SheetConfig, VesicleConfig, changed, load, load_sweep, parse, shortened
from membrane.config.faults import leaves
from membrane.config.sections import Section
from membrane.config.text import MOST_BYTES, MOST_LEVELS, read_yaml
from membrane.sweep.members import read_sweep

FOLDER = Path(__file__).parents[2] / "configs"
CERAMIDE, BUD = FOLDER / "ceramide.yaml", FOLDER / "vesicle_bud.yaml"

OTHER_BASES = ["010", "-010", "012", "0_7", "0x1F", "0b11", "1:30", "1:30:00", "-1:30", "1:30.5"]
ODD = ["08", "0o10", "010.5.1", "1__e3"]
DATES = ["2020-01-01", "2020-01-01 10:00:00", "2020-01-01T10:00:00Z"]


def refusal(text):
    """The message of the ConfigError of this YAML text."""
    with pytest.raises(ConfigError) as caught:
        read_yaml(text)
    return str(caught.value)


@pytest.mark.parametrize("written", OTHER_BASES + DATES)
@pytest.mark.parametrize("place", ["seed: {}", "a: [1, {}]", "a: {{b: {}}}", "vary: {{grid: {{x: [{}]}}}}"])
def test_what_yaml_reads_otherwise_is_refused(written, place):
    """Octal, hexadecimal, binary, base 60 and dates: with line, column, what was written and the remedy. In quotes they
    are text."""
    said = refusal(f"\n{place.format(written)}")
    assert said.startswith("line 2, column ")
    assert written.split(" ")[0] in said
    assert "quotes" in said
    assert str(read_yaml(place.format(f"'{written}'"))).count(f"'{written}'") == 1


@pytest.mark.parametrize("written", OTHER_BASES + DATES + ODD)
@pytest.mark.parametrize("key", ["seed", "endosomes", "duration_s", "lipids.line_tension_pN"])
def test_no_number_is_silently_another(written, key):
    """As a value of --set, plain or in quotes, none of them becomes a number."""
    for value in (written, f"'{written}'"):
        with pytest.raises(ConfigError) as caught:
            load(CERAMIDE, [f"{key}={value}"])
        assert key in str(caught.value)


PLAIN = {"0": 0, "-0": 0, "7": 7, "+12": 12, "1_000": 1000, "0.5": 0.5, "010.5": 10.5, "1e-3": 1e-3, "1E3": 1000.0}
PLAIN |= {"-2.5e+10": -2.5e10, ".5e1": 5.0, "1.": 1.0, ".inf": float("inf")}


@pytest.mark.parametrize(("written", "value"), PLAIN.items())
def test_plain_numbers(written, value):
    """Decimal numbers are what they seem."""
    found = read_yaml(f"a: {written}")["a"]
    assert (found, type(found)) == (value, type(value))


TWICE = [
    "a: 1\na: 2",
    "{a: 1, a: 1}",
    "b: {a: 1, a: 2}",
    "- {a: 1, 'a': 2}",
    "? a\n: 1\n? a\n: 2",
    "{<<: {a: 1}, <<: {b: 2}}",
]


@pytest.mark.parametrize("text", TWICE)
def test_a_key_given_twice_is_refused(text):
    """In blocks, flows and lists, and in a value of --set; named with its line."""
    assert refusal(text).startswith("line ")
    assert "given twice" in refusal(text)
    if "\n" not in text:
        with pytest.raises(ConfigError, match="given twice"):
            load(CERAMIDE, [f"geometry={text}"])


def test_geometry_with_two_spacings_is_refused():
    """The case it began with."""
    with pytest.raises(ConfigError, match="'spacing_nm' is given twice"):
        load(CERAMIDE, ["geometry={box_nm: [768, 768], spacing_nm: 4, spacing_nm: 2}"])


def test_merge_keys():
    """An explicit key wins over a merged one wherever it stands, the first of several merged wins, and every alias is
    a copy of its own."""
    text = """
    first: &first {x: 1, y: 2}
    second: &second {y: 3, z: 4}
    before: {<<: *first, y: 5}
    after: {y: 5, <<: *first}
    both: {<<: [*first, *second]}
    alias: *first
    """
    found = read_yaml(text)
    assert found["before"] == found["after"] == {"x": 1, "y": 5}
    assert found["both"] == {"x": 1, "y": 2, "z": 4}
    found["alias"]["x"] = 7
    assert found["first"] == {"x": 1, "y": 2}
    merged = CERAMIDE.read_text().replace("\nlipids:\n", "\nlipids: &lipids\n")
    merged += "numerics: {<<: {tick_us: 2.0, max_step_us: 32.0}, tick_us: 1.0}\n"
    config = parse(merged)
    assert (config.numerics.tick_us, config.numerics.max_step_us) == (1.0, 32.0)


def bomb(levels):
    """Each level ten times the one before."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels + 1)]
    return "\n".join(lines)


HOSTILE = {
    "template": "{{ x }}",
    "template as a value": "a: {{ x }}",
    "list as a key": "? [a, b]\n: 1",
    "flow list as a key": "[a]: 1",
    "section as a key": "? {a: 1}\n: 1",
    "number as a key": "7: 1",
    "yes as a key": "on: 1",
    "nothing as a key": "? \n: 1",
    "bool that is none": "a: !!bool maybe",
    "time that is none": "a: !!timestamp foo",
    "python": "a: !!python/object/apply:os.system [echo]",
    "set": "a: !!set {x}",
    "own tag": "a: !own x",
    "many digits": "a: " + "1" * 5000,
    "many lists": "a: " + "[" * 500,
    "many sections": "a: " + "{a: " * 500,
    "many blocks": "\n".join(" " * i + "a:" for i in range(500)),
    "alias bomb": bomb(9),
    "alias in itself": "a: &a [*a]",
    "section in itself": "a: &a {<<: *a}",
    "deep by aliases": "a0: &a0 [x]\n" + "\n".join(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 500)),
    "no such alias": "a: *b",
    "merged text": "<<: text",
    "character that is none": r'a: "\UFFFFFFFF"',
    "half a character": r'a: "\uD800"',
    "control character": "a: \x01",
    "directive": "%YAML " + "1" * 5000 + ".1\n---\na: 1",
    "two documents": "a: 1\n---\nb: 2",
    "open": "a: [",
    "tabs": "\tname: x",
    "colons": "a: b: c",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_refused_with_its_line(text):
    """At once, in one short line."""
    begin = time.process_time()
    said = refusal(text)
    assert time.process_time() - begin < 5
    assert said.startswith("line ")
    assert len(said) < 300
    assert "\n" not in said


def test_bounds_leave_room():
    """What is just within them is read."""
    deepest = "[" * (MOST_LEVELS - 1) + "]" * (MOST_LEVELS - 1)
    assert str(read_yaml(f"a: {deepest}")["a"]) == deepest
    assert read_yaml(f"a: {'1' * 30}")["a"] == int("1" * 30)


@pytest.mark.parametrize("read", [load, load_sweep, read_sweep])
def test_only_regular_files_of_some_size_are_read(tmp_path, read):
    """Devices without end, pipes, folders and huge files are refused at once, with the remedy."""
    os.mkfifo(pipe := tmp_path / "pipe.yaml")
    (huge := tmp_path / "huge.yaml").write_bytes(b"#" * (MOST_BYTES + 1))
    (nul := tmp_path / "nul.yaml").write_bytes(b"a: \0")
    for path, words in (("/dev/zero", "no regular file"), (pipe, "no regular file"), (tmp_path, "no regular file"),
                        (huge, "larger than 1048576 bytes"), (nul, "U+0000"), ("a\0b", "null")):  # fmt: skip
        with pytest.raises(ConfigError, match=words.replace("+", r"\+")):
            read(path)
    (full := tmp_path / "full.yaml").write_bytes(CERAMIDE.read_bytes().ljust(MOST_BYTES, b"#"))
    assert load(full) == load(CERAMIDE)


def test_home_folder_is_expanded(tmp_path, monkeypatch):
    """~ in the path of a configuration, of a sweep, and in the sweep's base."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "own.yaml").write_text(CERAMIDE.read_text())
    (tmp_path / "sweep.yaml").write_text("name: s\nbase: ~/own.yaml\nvary: {grid: {endosomes: [1, 2]}}\n")
    assert load("~/own.yaml") == load(CERAMIDE) == read_sweep("~/sweep.yaml").base


BAD_NAMES = [
    "",
    ".",
    "..",
    "...",
    ".hidden",
    "-rf",
    "--help",
    "a/b",
    "../a",
    "a b",
    "a\nb",
    "µ",
    "end.",
    "CON",
    "con.txt",
]
BAD_NAMES += ["nul", "COM1", "lpt9.h5", "a.h5", "a.h5.partial", "A.PNG", "a" * 101, "~", "a\\b", "a:b", "1e-3"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_are_no_files(tmp_path, name):
    """Of a run and of a sweep alike: refused by the key."""
    quoted = yaml.safe_dump({"name": name})
    text = CERAMIDE.read_text().replace("name: ceramide\n", quoted)
    with pytest.raises(ConfigError, match=r"name: a name |name: this name |name: give text"):
        parse(text)
    (path := tmp_path / "sweep.yaml").write_text(f"{quoted}base: x.yaml\nvary: {{grid: {{endosomes: [1]}}}}\n")
    with pytest.raises(ConfigError, match=r"name: a name |name: this name |name: give text"):
        load_sweep(path)


@pytest.mark.parametrize("name", ["a", "A.b-c_d", "_x", "0", "kappa_0.5", "console", "com10x", "010", "2020-01-01"])
def test_names_that_are_files_survive(name):
    """Written by to_yaml they are read as the same text."""
    config = changed(load(CERAMIDE), {"name": name}, "trial")
    assert parse(config.to_yaml()) == config


OVERLAPS = [
    ["seed=1", "seed=2"],
    ["seed=1", "seed=1"],
    ["cargo=null", "cargo.fraction=0.1"],
    ["cargo.oligomers.size=4", "cargo.oligomers=null"],
    ["line_tension_pN=1", "lipids.line_tension_pN=2"],
    ["lipids.line_tension_pN=1", "line_tension_pN=1"],
    [" seed=1", "seed =2"],
]


@pytest.mark.parametrize("settings", OVERLAPS)
def test_settings_of_which_one_would_be_lost(settings):
    """The same key twice, short or whole, or a section and what is in it: refused."""
    with pytest.raises(ConfigError, match=r"is given twice|which holds it"):
        load(CERAMIDE, settings)


def test_the_end_of_a_key_is_enough():
    """Where only one key ends so it is found, in sheets and vesicles; where several do they are all proposed; a key of
    the top is itself."""
    short = ["line_tension_pN=1.2", "oligomers.size=8", "box_nm=[800, 800]"]
    config = load(CERAMIDE, short)
    assert (config.lipids.line_tension_pN, config.cargo.oligomers.size) == (1.2, 8)
    assert config.geometry.box_nm == (800.0, 800.0)
    assert load(BUD, ["shape.diameter_nm=140"]).geometry.shape.diameter_nm == 140
    assert load(BUD, ["kind=vesicle"]).kind == "vesicle"
    with pytest.raises(ConfigError) as caught:
        load(CERAMIDE, ["diffusion_ld_um2_per_s=2"])
    for section in ("lipids", "ceramide", "cargo", "cargo.oligomers"):
        assert f"{section}.diffusion_ld_um2_per_s" in str(caught.value)


@pytest.mark.parametrize("base", [CERAMIDE, BUD])
def test_every_key_can_be_given_by_its_end(base):
    """Each ends as no other, or is proposed with the others."""
    kind = type(load(base))
    keys = leaves(kind)
    for key in keys:
        end = key.rpartition(".")[2]
        alike = [other for other in keys if other.rpartition(".")[2] == end]
        if end in kind.model_fields or len(alike) == 1:
            continue
        with pytest.raises(ConfigError) as caught:
            load(base, [f"{end}=1"])
        assert all(other in str(caught.value) for other in alike)


ABSENT = {"ceramide": ["supply.ceramide_cytosolic_fraction", "supply.ceramide_luminal_fraction"]}
ABSENT |= {"cargo": ["supply.cargo_fraction"]}


@pytest.mark.parametrize("section", ABSENT)
def test_one_key_turns_a_section_off(section):
    """What supply says of it stays and is named as without effect; with the section nothing is."""
    config = load(CERAMIDE, ["supply.cargo_fraction=0.05"])
    assert config.unused == []
    without = load(CERAMIDE, ["supply.cargo_fraction=0.05", f"{section}=null"])
    assert without.unused == ABSENT[section]
    assert without.supply == config.supply
    assert getattr(without, section) is None
    assert load(BUD, [f"{section}=null"]).unused == []


QUOTED = [
    0,
    1.5,
    "text",
    None,
    True,
    [1, 2],
    {"a": [1]},
    "x" * 10**7,
    [[[0] * 10**6] * 9] * 9,
    {"k" * 9999: 1},
    "\n\0\x1b",
]


@pytest.mark.parametrize("value", QUOTED, ids=range(len(QUOTED)))
def test_quotes_are_short(value):
    """One line of at most 80 characters, whatever is quoted; what is short stays whole."""
    said = shortened(value)
    assert len(said) <= 80
    assert said.isprintable()
    assert shortened(1.5), shortened("text") == ("1.5", "'text'")


@pytest.mark.parametrize(
    "override",
    [
        "lipids.{}=1",
        "{}=1",
        "name={}",
        "seed={}",
        "lipids=[{}]",
        "geometry.box_nm=[{}, {}]",
        "kind={}",
        "name={{{}: 1}}",
        "{}",
    ],
)
def test_faults_with_huge_texts_are_short(override):
    """What was given is quoted in short, keys as well as values."""
    with pytest.raises(ConfigError) as caught:
        load(CERAMIDE, [override.replace("{}", "x" * 10**5)])
    assert len(str(caught.value)) < 1000


VALUES = ["[]", "[1, [2]]", "{}", "{a: {b: 1}}", "null", "true", "text", "-1", "1.5", "[null]", "[{}]", "''"]


@pytest.mark.parametrize("base", [CERAMIDE, BUD], ids=["sheet", "vesicle"])
@pytest.mark.parametrize("value", VALUES)
def test_every_key_takes_or_refuses_every_kind_of_value(base, value):
    """Sections, lists, texts and nothing in the place of each key and of each section: a configuration, or a fault that
    names the key, or what its section lacks besides."""
    config = load(base)
    keys = leaves(type(config))
    for key in sorted({*keys, *(key.rpartition(".")[0] for key in keys)} - {""}):
        try:
            said = changed(config, {key: read_yaml(value)}, "trial").to_yaml()
        except ConfigError as error:
            said = str(error)
        assert key.partition(".")[0] in said


@pytest.mark.parametrize("value", VALUES)
def test_kinds_that_are_none(value):
    """In the file as in --set."""
    for text, settings in ((f"kind: {value}\n", []), ("", [f"kind={value}"])):
        with pytest.raises(ConfigError, match="kind: known here: kinetics, sheet, vesicle"):
            parse(CERAMIDE.read_text() + text, settings)


def test_many_faults_are_told_in_short():
    """Twenty of a hundred thousand."""
    text = CERAMIDE.read_text() + "".join(f"key{number}: 1\n" for number in range(3000))
    with pytest.raises(ConfigError) as caught:
        parse(text, source="trial.yaml")
    assert str(caught.value).startswith("trial.yaml: 3000 faults\n")
    assert str(caught.value).endswith("  and 2980 more")


def numbers(config, prefix=""):
    """The dotted keys of all numbers of a configuration."""
    for name, value in config:
        if isinstance(value, Section):
            yield from numbers(value, f"{prefix}{name}.")
        elif isinstance(value, int | float | tuple) and not isinstance(value, bool):
            yield f"{prefix}{name}"


EXTREMES = [5e-324, 1e-300, 1e-38, 1e-13, 1e-12, 1e-9, 1e9, 1e12, 1e13, 1e38, 1e300, 1.7976931348623157e308, 10**29]


@pytest.mark.parametrize("base", [CERAMIDE, BUD], ids=["sheet", "vesicle"])
@pytest.mark.parametrize("extreme", EXTREMES)
def test_extreme_numbers(base, extreme):
    """Each number of a configuration in turn: refused by its key, or what is counted of it stays countable."""
    config = load(base)
    for key in numbers(config):
        value = [extreme] * (2 if isinstance(config, SheetConfig) else 3) if key.endswith("box_nm") else extreme
        try:
            found = changed(config, {key: value}, "trial")
        except ConfigError as error:
            found = str(error)
        if isinstance(found, str):
            assert key in found
            continue
        tick_us = found.numerics.tick_us if isinstance(found, SheetConfig) else found.numerics.transport_step_us
        assert found.duration_s * 1e6 / tick_us < 2**31
        for _, interval in found.output:
            assert interval * 1e3 / tick_us < 2**30
        rows = found.duration_s / max(found.output.series_interval_ms * 1e-3, tick_us * 1e-6)
        assert rows * found.endosomes < 1e10
        sides = [side / found.geometry.spacing_nm for side in found.geometry.box_nm]
        assert max(sides) < 2**31


TICKS = [
    "numerics.tick_us=1e-12",
    "numerics.tick_us=1e-9",
    "numerics.tick_us=1e-6",
    "duration_s=1e4",
    "duration_s=1e12",
]
TICKS += [f"output.{name}_interval_ms=1e8" for name in ("series", "frame", "checkpoint")]
TICKS += ["budding.look_interval_ms=1e8", "hydrodynamics.agitation_interval_us=1e12", "numerics.tick_us=1e-300"]


@pytest.mark.parametrize("setting", TICKS)
def test_times_beyond_counting_name_their_key(setting):
    """Too tiny a tick, too long a time or interval."""
    with pytest.raises(ConfigError, match=setting.partition("=")[0]):
        load(CERAMIDE, [setting])


TOO_MANY = {
    "more points than memory": (["geometry.box_nm=[30000, 30000]", "endosomes=100000"], "endosomes"),
    "more rows than memory": (
        ["output.series_interval_ms=0.001", "endosomes=100000", "duration_s=1000"],
        "series_interval",
    ),
    "more frames than a disk": (["output.frame_interval_ms=0.001", "duration_s=1000"], "frame_interval_ms"),
    "a grid without end": (["geometry.spacing_nm=0.01"], "geometry.spacing_nm"),
}


@pytest.mark.parametrize(("settings", "words"), TOO_MANY.values(), ids=TOO_MANY)
def test_more_than_can_be_kept(settings, words):
    """Is refused by its key, with the count."""
    with pytest.raises(ConfigError, match=f"{words}.* the most"):
        load(CERAMIDE, settings)


def test_a_sweep_for_a_run_and_the_reverse():
    """Each says which command it is for."""
    with pytest.raises(ConfigError, match=r"this is a sweep; run it with membrane ensemble .*sweep_tension.yaml"):
        load(FOLDER / "sweep_tension.yaml")
    for path in (CERAMIDE, BUD):
        with pytest.raises(ConfigError, match=rf"one run; run it with membrane run .*{path.name}"):
            load_sweep(path)


def test_vesicle_grid_without_end():
    """A spacing so fine that its points cannot be counted is a fault of the configuration."""
    with pytest.raises(ConfigError, match=r"geometry.spacing_nm 1e-12; 1.07e"):
        load(BUD, ["geometry.spacing_nm=1e-12"])
    assert isinstance(load(BUD), VesicleConfig)
