"""Mutated configurations: each passes the check, or is refused with exit 2 and a message that names the key."""

import copy
import math

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_run import CONFIG

from membrane import run
from membrane.build import build
from membrane.config import ConfigError, parse

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
    st.sampled_from([0, -1, 1e-300, 1e300, True, False, None, "", "1e-3", "yes", "NaN", "µ", [], {}, [1, 2], {"a": 1}]),
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


def refusal(raw):
    """What is said of a configuration, None if nothing; reading alone."""
    try:
        parse(yaml.safe_dump(raw, allow_unicode=True))
    except ConfigError as error:
        return str(error)
    return None


def physics(raw, touched):
    """What --check builds of it; None where it was refused, as it should be: exit 2 with the name of a key."""
    if said := refusal(raw):
        # Where a key is gone, what lacks is named; where two disagree, both are.
        assert any(str(key) in said for key in touched), said
        return None
    try:
        return build(parse(yaml.safe_dump(raw, allow_unicode=True)))
    except ValueError as error:
        said = str(error)
    # As main() does; of the physics of the mixture, not of a key.
    assert "two coexisting phases" in said
    return None


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(mutated())
def test_mutated_configurations_are_read_or_refused(case):
    """Reading alone: no error but ConfigError, and a touched key is named."""
    raw, touched = case
    said = refusal(raw)
    assert said is None or any(str(key) in said for key in touched), said


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_mutated_configurations_pass_the_check_or_are_refused(case):
    """Two thousand through what --check builds."""
    physics(*case)


@pytest.mark.slow
def test_what_passes_runs(tmp_path, settings_of_main):
    """Fifty that pass run for a checkpoint or two: complete, or a numerical failure in words."""
    passed = []

    @settings(max_examples=400, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(mutated())
    def collected(case):
        raw, touched = case
        if len(passed) < 50 and touched and physics(raw, touched) is not None:
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
