"""Mutated configurations: each passes the check, or is refused with exit 2 and a message that names the key."""

import contextlib
import copy
import io
import math

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_config_text import HOSTILE
from test_run import CONFIG

from membrane.builder.sheet import build_sheet
from membrane.commands import collect, ensemble, predict, run
from membrane.program import launch

pytestmark = pytest.mark.usefixtures("remembered_walls")

BASE = yaml.safe_load(CONFIG)


def paths(tree, prefix=()):
    """Every key, sections included."""
    for key, value in tree.items():
        yield (*prefix, key)
        if isinstance(value, dict):
            yield from paths(value, (*prefix, key))


PATHS = sorted(paths(BASE))

VALUES = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(0, 10),
    st.integers(-(2**70), 2**70),
    st.sampled_from(
        [0, -1, 1e-300, 1e300, 1e-12, 1e12, True, False, None, "", "1e-3", "yes", "NaN", "µ", [], {}, [1, 2]]
    ),
    st.sampled_from([{"a": 1}, "010", "1:30", "{{ x }}", "2020-01-01", ".", "..", "-x", "<<", [[1, 2]], [True, False]]),
    st.text(max_size=8),
    st.lists(st.floats(-10, 1e4), max_size=3),
)
NAMES = st.text(st.sampled_from("abz_0µ .-"), min_size=1, max_size=6)


@st.composite
def mutated(draw):
    """(configuration, the keys that were touched): one to three of values changed, scaled, keys dropped, misspelt,
    added."""
    raw, touched = copy.deepcopy(BASE), []
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(PATHS))
        section = raw
        for part in path[:-1]:
            section = section.get(part) if isinstance(section, dict) else None
        if not isinstance(section, dict) or path[-1] not in section:
            continue
        key, value = path[-1], section[path[-1]]
        how = draw(st.sampled_from(["value", "scale", "drop", "misspell", "add"]))
        if how == "value":
            section[key] = draw(VALUES)
        elif how == "scale" and isinstance(value, float):
            section[key] = value * 10.0 ** draw(st.floats(-6, 6))
        elif how == "drop":
            del section[key]
        elif how == "misspell":
            section[key + draw(NAMES)] = section.pop(key)
        elif how == "add":
            section[key := draw(NAMES)] = draw(VALUES)
        touched.append(key)
    return raw, touched


ANY = dict(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


class OnlyBuilt:
    """In place of the physics, and of its endosome: a sheet of which nothing is measured and compiled."""

    def __init__(self, config):
        self.grid = build_sheet(config).grid

    def endosome(self, _):
        """Itself."""
        return self

    def arrays(self):
        """Nothing to keep."""
        return {}

    def check(self):
        """Nothing to say."""
        return []


@pytest.fixture
def only_built(monkeypatch):
    """--check reads the configuration and builds the sheet, but measures no wall and compiles no program."""
    monkeypatch.setattr(launch, "build", OnlyBuilt)


def passes(case, path):
    """Whether --check exits with 0 and a word; else with 2, one message that names a key, and no other word."""
    raw, touched = case
    path.write_text(yaml.safe_dump(raw, allow_unicode=True))
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = run.main([str(path), "--check"])
    said, told = err.getvalue(), out.getvalue()
    if code == 0:
        # Only what is remarkable about a valid value.
        assert all("lies outside its documented range" in line for line in said.splitlines()), said
        assert "is valid" in told
        return True
    assert code == 2, (code, said)
    assert said.startswith("membrane run: ")
    assert told == ""
    # Where a key is gone, what lacks is named; where two disagree, both are.
    assert any(str(key) in said for key in touched), said
    return False


@settings(max_examples=100, **ANY)
@given(case=mutated())
def test_mutated_configurations_are_read_or_refused(case, tmp_path, only_built):
    """A hundred through the command, but for what takes long: exit 0, or 2 with a touched key."""
    passes(case, tmp_path / "mutated.yaml")


PROGRAMS = {"run": run.main, "predict": predict.main, "ensemble": ensemble.main, "collect": collect.main}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_end_every_command_alike(text, tmp_path, monkeypatch, capsys):
    """As a configuration, as a sweep and as the base of one: exit 2 and a line of the file, no traceback, no file."""
    monkeypatch.chdir(tmp_path)
    (path := tmp_path / "hostile.yaml").write_text(text)
    (sweep := tmp_path / "sweep.yaml").write_text("name: s\nbase: hostile.yaml\nvary: {grid: {endosomes: [1]}}\n")
    for command, main in PROGRAMS.items():
        for argument in (path, sweep) if command in ("ensemble", "collect") else (path,):
            assert main([str(argument)]) == 2
            said = capsys.readouterr()
            assert said.err.startswith(f"membrane {command}: {path}: not valid YAML: line ")
            assert said.out == ""
    assert sorted(tmp_path.iterdir()) == [path, sweep]


@pytest.mark.slow
@settings(max_examples=2000, **ANY)
@given(case=mutated())
def test_mutated_configurations_pass_the_check_or_are_refused(case, tmp_path):
    """Two thousand through the command."""
    passes(case, tmp_path / "mutated.yaml")


@pytest.mark.slow
def test_what_passes_runs(tmp_path):
    """Fifty that pass run for a checkpoint or two: complete, or a numerical failure in words."""
    passed = []

    @settings(max_examples=800, **ANY)
    @given(mutated())
    def collected(case):
        raw, touched = case
        if len(passed) < 50 and touched and passes(case, tmp_path / "mutated.yaml"):
            passed.append(raw)

    collected()
    assert len(passed) == 50
    for number, raw in enumerate(passed):
        raw["duration_s"] = min(raw["duration_s"], 0.001) if math.isfinite(raw["duration_s"]) else 0.001
        raw["endosomes"] = min(raw["endosomes"], 2)
        raw["output"]["checkpoint_interval_ms"] = min(raw["output"]["checkpoint_interval_ms"], 1.0)
        (path := tmp_path / f"{number}.yaml").write_text(yaml.safe_dump(raw, allow_unicode=True))
        output = tmp_path / f"{number}.h5"
        code = run.main([str(path), "--output", str(output), "--quiet", "--no-picture", "--max-wall-time", "60"])
        assert code in (0, 3, 75), raw
