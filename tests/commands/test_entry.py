"""The command ``membrane``: it finds its subcommands, and they start and end as programs do."""

import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from archives import archive_of

from membrane.commands import entry
from membrane.commands.entry import COMMANDS, main
from membrane.version import VERSION

ROOT = Path(__file__).parents[2]

SCRIPTS = {
    "figure_membrane": ["figure", "--kind", "membrane"],
    "figure_sensitivity": ["figure", "--kind", "sensitivity"],
    "figure_size_distribution": ["figure", "--kind", "sizes"],
    "figure_sweep": ["figure", "--kind", "sweep"],
    "figure_vesicle": ["figure", "--kind", "vesicle"],
    "movie_membrane": ["movie"],
    "movie_vesicle": ["movie"],
    "export_surface": ["export"],
}
"""The scripts, and the words of the command that each stands for."""

MODULES = {"__main__": []} | {name: [name] for name in ("run", "predict", "compare", "ensemble", "collect")}
"""What ``python -m membrane.MODULE`` stands for."""


def test_help_has_a_line_for_each_command(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out.splitlines()
    assert [name for name in COMMANDS if sum(line.startswith(f"  {name} ") for line in said) != 1] == []
    assert max(map(len, said)) <= 120


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: membrane {name} ")


def test_version(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"membrane {VERSION}\n"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "commands:"),
        (["predcit"], "there is no command 'predcit'; did you mean 'predict'?"),
        (["x"], "there is no command 'x'; membrane --help lists the commands"),
        (["runs/a.h5"], "membrane --help lists the commands"),
    ],
)
def test_what_is_no_command(argv, words, capsys):
    """Exit 2, and what helps, on the error stream."""
    assert main(argv) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.out == ""


def test_an_unknown_option(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--figure"])
    assert left.value.code == 2
    assert "unrecognized arguments: --figure" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["table", "info", "figure", "movie", "export"])
def test_what_is_no_archive(command, tmp_path, capsys):
    """Exit 2, one line that begins with the command and names the file; the file stays."""
    (text := tmp_path / "text.h5").write_text("no archive")
    for wrong in (text, tmp_path / "missing.h5"):
        assert main([command, str(wrong)]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith(f"membrane {command}: ")
        assert str(wrong) in said.err
        assert said.err.count("\n") == 1
    assert text.read_text() == "no archive"
    assert list(tmp_path.iterdir()) == [text]


@pytest.mark.parametrize("place", [*(f"scripts/{name}.py" for name in SCRIPTS), *MODULES])
def test_shells_call_the_command(place, monkeypatch):
    """Scripts and modules hand their own words and the rest of the line to ``main``, and exit with its code."""
    heard = []
    monkeypatch.setattr(entry, "let_interrupt_end_process", lambda: heard.append("let_interrupt_end_process"))
    monkeypatch.setattr(entry, "main", lambda argv: heard.append(argv) or 7)
    monkeypatch.setattr(sys, "argv", ["here", "a.h5", "--x"])
    run, where = (runpy.run_module, f"membrane.{place}") if place in MODULES else (runpy.run_path, str(ROOT / place))
    with pytest.raises(SystemExit) as left:
        run(where, run_name="__main__")
    assert left.value.code == 7
    words = MODULES[place] if place in MODULES else SCRIPTS[Path(place).stem]
    assert heard == ["let_interrupt_end_process", [*words, "a.h5", "--x"]]


INTERRUPTED = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
except BaseException as error:
    raise ImportError("half imported") from error
"""
"""A library that Ctrl-C reaches while it is imported, and that makes an error of its own of it, as some do."""


@pytest.mark.parametrize(
    ("library", "words"),
    [
        ("jax", ["run", "ceramide"]),
        ("jax", ["predict", "ceramide"]),
        ("h5py", ["ensemble", "sweep_tension"]),
        ("h5py", ["collect", "sweep_tension"]),
        ("matplotlib", ["figure", "a.h5"]),
    ],
)
def test_ctrl_c_while_a_library_is_imported(library, words, tmp_path):
    """The process ends at once by the signal, as others do, without a traceback; nothing is written."""
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / f"{library}.py").write_text(INTERRUPTED)
    (here := tmp_path / "here").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "membrane", *words],
        cwd=here,
        env={**os.environ, "PYTHONPATH": f"{tmp_path / 'fake'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == -signal.SIGINT, done.stderr
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr
    assert list(here.iterdir()) == []


def test_a_table_whose_reader_goes_away(tmp_path):
    """``membrane table ... | head``: the first line, no word of a broken pipe, exit code 0."""
    archive = archive_of("sheet", tmp_path)
    shell = f"{sys.executable} -m membrane table {archive} --all | head -c 8; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", shell], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "event_id", "")
