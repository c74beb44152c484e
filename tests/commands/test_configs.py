"""The shipped configurations: listed, copied, and taken by name."""

import json
from pathlib import Path

import pytest

from membrane.commands.entry import main
from membrane.config import ConfigError, json_schema, load, load_sweep
from membrane.config.shipped import config_file, files

CONFIGS = Path(__file__).parents[2] / "configs"


def test_all_are_there():
    """Every YAML file of configs/, by name, and each can be read."""
    assert list(files()) == sorted(file.stem for file in CONFIGS.glob("*.yaml"))
    for name, file in files().items():
        assert (load_sweep if name.startswith("sweep_") else load)(file).name


def test_list(capsys):
    """A line each, with what its header says first."""
    assert main(["configs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(files())
    assert lines[0].endswith("oligomerising cargo on the limiting membranes of ten endosomes")
    assert all(len(line.split(maxsplit=1)[1]) > 20 for line in lines)
    assert max(map(len, lines)) <= 126


def test_schema(capsys):
    """The JSON schema of an editor, as JSON."""
    assert main(["configs", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json_schema()


def test_copy(tmp_path, monkeypatch, capsys):
    """Byte by byte, to NAME.yaml here, to a file, or into a folder; what is there stays."""
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    original = (CONFIGS / "ceramide.yaml").read_bytes()
    for words, copy in (([], "ceramide.yaml"), (["mine.yaml"], "mine.yaml"), (["folder"], "folder/ceramide.yaml")):
        assert main(["configs", "--copy", "ceramide", *words]) == 0
        assert capsys.readouterr().out == f"{copy}: change it, then membrane run {copy}\n"
        assert Path(copy).read_bytes() == original
        Path(copy).write_text("changed")
        assert main(["configs", "--copy", "ceramide", *words]) == 2
        assert f"{copy} exists and is not replaced" in capsys.readouterr().err
        assert Path(copy).read_text() == "changed"


def test_copy_of_a_sweep_says_what_it_needs(tmp_path, monkeypatch, capsys):
    """With its base beside it, it can be read."""
    monkeypatch.chdir(tmp_path)
    assert main(["configs", "--copy", "sweep_tension"]) == 0
    said = capsys.readouterr().out
    assert "then membrane ensemble sweep_tension.yaml (it needs its base beside it: membrane configs" in said
    assert main(["configs", *said.partition("membrane configs ")[2].strip(" )\n").split()]) == 0
    assert load_sweep("sweep_tension.yaml").base == "ceramide.yaml"
    assert load("ceramide.yaml").name == "ceramide"


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["ceramid"], "no shipped configuration 'ceramid'; did you mean 'ceramide'?"),
        (["../pyproject"], "no shipped configuration '../pyproject'; shipped are ceramide, "),
        (["ceramide", "no/where.yaml"], "No such file"),
        (["ceramide", "a", "b"], "--copy takes NAME and, at most, one FILE; given are 2"),
    ],
)
def test_copies_that_cannot_be(words, fault, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["configs", "--copy", *words]) == 2
    assert fault in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_names_and_files(tmp_path, monkeypatch, caplog):
    """A file here comes before a shipped configuration, and the log says which was taken; paths are left alone."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level("INFO", logger="membrane")
    assert config_file(Path("ceramide")) == files()["ceramide"]
    assert caplog.messages == [f"ceramide is the shipped configuration {files()['ceramide']}"]
    caplog.clear()
    for name, words in (("ceramide", ", not the shipped configuration of that name"), ("mine", "")):
        Path(f"{name}.yaml").write_text("")
        assert config_file(Path(name)) == Path(f"{name}.yaml")
        assert caplog.messages.pop() == f"{name} is the file {name}.yaml of this folder{words}"
        caplog.clear()
    Path("ceramide").write_text("")
    for given in ("ceramide", "ceramide.yaml", "missing.yaml", "folder/ceramide"):
        assert config_file(Path(given)) == Path(given)
    assert caplog.messages == []


@pytest.mark.parametrize("command", ["run", "predict", "ensemble", "collect"])
def test_a_name_that_nothing_has(command, tmp_path, monkeypatch, capsys, settings_of_main):
    """Exit 2, with the near name."""
    monkeypatch.chdir(tmp_path)
    assert main([command, "no_ceramid"]) == 2
    assert capsys.readouterr().err == (
        f"membrane {command}: no_ceramid is no file here and no shipped configuration; did you mean 'no_ceramide'?\n"
    )
    with pytest.raises(ConfigError, match="shipped are ceramide, "):
        config_file(Path("xyz"))


def test_a_sweep_and_a_run_by_name(tmp_path, monkeypatch, capsys, caplog, settings_of_main):
    """Both are found wherever one is."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level("INFO", logger="membrane")
    assert main(["ensemble", "sweep_tension", "--dry-run", "--trial", "0"]) == 0
    assert "members in" in capsys.readouterr().out
    assert main(["predict", "vesicle_bud"]) == 2
    assert "the kind is vesicle" in capsys.readouterr().err
