"""Configurations as Python objects: loaded by path or name, changed by key, refused in words, printed."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from test_run import CONFIG

import membrane as mb
from membrane.config import SheetConfig, VesicleConfig

SHIPPED = Path(__file__).parents[2] / "configs"


@pytest.fixture
def tiny(tmp_path):
    """Path of the tiny configuration of the tests of the command."""
    path = tmp_path / "tiny.yaml"
    path.write_text(CONFIG)
    return path


def test_shipped_configurations():
    """All files of the folder configs that are no sweep are in the mapping, each valid and named as its file."""
    names = {file.stem for file in SHIPPED.glob("*.yaml") if not file.stem.startswith("sweep_")}
    assert len(names) >= 10
    assert set(mb.configs) == names
    assert len(mb.configs) == len(names)
    assert {mb.configs[name].name for name in names} == names
    assert isinstance(mb.configs["ceramide"], SheetConfig)
    assert isinstance(mb.configs["vesicle_bud"], VesicleConfig)
    assert all(isinstance(config, mb.Config) for config in mb.configs.values())
    assert "ceramide" in repr(mb.configs)


def test_no_such_shipped_configuration(tmp_path):
    """The nearest name is given. A sweep is no configuration of one run, but can be copied."""
    with pytest.raises(KeyError, match="did you mean 'ceramide'"):
        mb.configs["ceramid"]
    with pytest.raises(KeyError, match="did you mean 'ceramide'"):
        mb.configs.copy("ceramid", tmp_path)
    assert "sweep_tension" not in mb.configs
    assert mb.configs.copy("sweep_tension", tmp_path) == tmp_path / "sweep_tension.yaml"


def test_copy_never_replaces(tmp_path, monkeypatch):
    """A copy is the file to the byte. A file in the way stays."""
    monkeypatch.chdir(tmp_path)
    assert mb.configs.copy("ceramide") == Path("ceramide.yaml")
    assert Path("ceramide.yaml").read_bytes() == (SHIPPED / "ceramide.yaml").read_bytes()
    Path("here.yaml").write_text("mine")
    with pytest.raises(FileExistsError):
        mb.configs.copy("ceramide", "here.yaml")
    assert Path("here.yaml").read_text() == "mine"


def test_load_by_path_name_and_object(tiny, monkeypatch):
    """A path, a name and a configuration give the same; a file in the current folder comes before a shipped name."""
    config = mb.load(tiny)
    assert config == mb.load(str(tiny)) == mb.load(config)
    assert mb.load("ceramide") == mb.configs["ceramide"] == mb.load(SHIPPED / "ceramide.yaml")
    monkeypatch.chdir(tiny.parent)
    Path("ceramide").write_text(CONFIG)
    assert mb.load("ceramide").name == "tiny"


def test_changes_by_key(tiny):
    """The last part of a key, the whole key with underscores, and dotted keys mean the same; the file is not asked
    again, and the first configuration stays as it is."""
    config = mb.load(tiny)
    ways = [
        config.changed(tension_uN_per_m=10),
        config.changed(membrane__tension_uN_per_m=10),
        config.changed(set={"membrane.tension_uN_per_m": 10.0}),
        mb.load(tiny, tension_uN_per_m=np.float64(10)),
        config.changed(set={"tension_uN_per_m": np.array(10)}),
    ]
    assert all(way == ways[0] for way in ways)
    assert ways[0].membrane.tension_uN_per_m == 10.0
    assert config.membrane.tension_uN_per_m == 1.0
    assert type(ways[0]) is type(config)
    several = config.changed(box_nm=np.array([128, 96]), endosomes=3, ceramide=None)
    assert (several.geometry.box_nm, several.endosomes, several.ceramide) == ((128.0, 96.0), 3, None)
    assert config.changed() is config


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tensoin_uN_per_m": 3}, "tensoin_uN_per_m: unknown key; did you mean 'membrane.tension_uN_per_m'?"),
        ({"membrane__tensoin_uN_per_m": 3}, "membrane.tensoin_uN_per_m: unknown key; did you mean 'tension_uN_per_m'?"),
        ({"endosomes": 0, "duration_s": -1}, "2 faults"),
        ({"tension_uN_per_m": "high"}, "membrane.tension_uN_per_m: give a number (given: 'high')"),
        ({"tension_uN_per_m": 1, "set": {"membrane.tension_uN_per_m": 2}}, "tension_uN_per_m is given twice"),
        ({"geometry": {"box_nm": [96, 96]}, "spacing_nm": 4}, "geometry.spacing_nm is given, and so is geometry"),
        ({"name__first": 1}, "'name' is a value, not a section"),
    ],
)
def test_wrong_changes(tiny, changes, words):
    """Each is refused with the key, what was given and the likely remedy."""
    with pytest.raises(mb.ConfigError) as error:
        mb.load(tiny, **changes)
    assert words in str(error.value)


def test_ambiguous_key():
    """A last part that several keys have is refused; all of them are named, as they would be written."""
    with pytest.raises(mb.ConfigError) as error:
        mb.load("ceramide", diffusion_ld_um2_per_s=2)
    for section in ("lipids", "ceramide", "cargo", "cargo__oligomers"):
        assert f"{section}__diffusion_ld_um2_per_s" in str(error.value)
    assert mb.load("ceramide", cargo__oligomers__diffusion_ld_um2_per_s=2).cargo.diffusion_ld_um2_per_s == 0.2


def test_no_configuration(tmp_path):
    """What is no configuration is refused in words: a name, a path, a sweep."""
    with pytest.raises(mb.ConfigError, match=r"no shipped configuration; did you mean 'ceramide'\?"):
        mb.load("ceramid")
    with pytest.raises(mb.ConfigError, match="cannot be read"):
        mb.load(tmp_path / "none.yaml")
    with pytest.raises(mb.ConfigError, match="this is a sweep"):
        mb.load(SHIPPED / "sweep_tension.yaml")


def test_it_is_frozen_and_written(tiny):
    """A configuration does not change. Its YAML is complete, and read back it is the same."""
    config = mb.load(tiny)
    with pytest.raises(ValueError, match="frozen"):
        config.endosomes = 3
    again = tiny.with_name("again.yaml")
    again.write_text(config.to_yaml())
    assert mb.load(again) == config
    assert list(yaml.safe_load(config.to_yaml())) == list(SheetConfig.model_fields)


def test_completion():
    """Sections and keys are attributes that an editor at work in a notebook finds."""
    config = mb.configs["vesicle_bud"]
    assert {"membrane", "lipids", "changed", "to_yaml", "json_schema"} <= set(dir(config))
    assert "area_modulus_mN_per_m" in dir(config.endosome)


def test_it_prints_as_a_short_tree():
    """A title and a line for each section, none longer than 100 characters."""
    lines = repr(mb.configs["ceramide"]).split("\n")
    assert lines[0] == "ceramide: a sheet, 10 endosomes, 0.06 s, seed 1"
    assert lines[1] == "├─ geometry: box_nm 768×768, spacing_nm 4"
    assert lines[-1].startswith("└─ output: series_interval_ms 1, ")
    assert max(map(len, lines)) <= 100
    assert str(mb.configs["ceramide"]) == repr(mb.configs["ceramide"])
