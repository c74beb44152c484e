"""Figures under any setup of the user, and what they may replace; no jax is imported."""

import doctest
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rc_context, rcParams

from membrane.archive import Archive
from membrane.commands import drawing
from membrane.figures import canvas, style, sweep
from membrane.figures import sheet as plot
from membrane.paths import PathError, signed
from membrane.program import summary

ROOT = Path(__file__).parents[2]


@pytest.fixture
def archive(tmp_path):
    """A finished run of a sheet without ILVs, with one frame."""
    path = tmp_path / "run.h5"
    with Archive.create(path, config_yaml="kind: sheet", name="run", seed=0) as run:
        run.add_frame(0, 0.0, {"phi": np.zeros((1, 8, 8))})
        run.finish(status="complete", wall_time_s=1.0, units={}, grid_spacing_nm=(4.0, 4.0), number_of_endosomes=1)
    return path


LATEX = "text.usetex: True\nfont.family: no-such-font\nsavefig.format: nonsense\n"
SETUPS = {
    "notebook": ({"MPLBACKEND": "module://matplotlib_inline.backend_inline", "HOME": None}, LATEX),
    "nonsense": ({"MPLBACKEND": "nonsense", "MPLCONFIGDIR": "/dev/null/no"}, "this is: no: matplotlibrc\n\n: :\n"),
    "no backend": ({"MPLBACKEND": "", "DISPLAY": None}, "backend: TkAgg\naxes.grid: maybe\n"),
}


def environment(changes):
    known = {name: value for name, value in (os.environ | changes).items() if value is not None}
    return known | {"PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("setup", SETUPS)
def test_any_setup(archive, setup):
    """The summary is drawn, and signed, whatever backend, matplotlibrc, fonts and folders the user has."""
    changes, settings = SETUPS[setup]
    (archive.parent / "matplotlibrc").write_text(settings)
    command = "from pathlib import Path; from membrane.program.summary import summarise; "
    command += "summarise(Path('run.h5'), picture=True)"
    done = subprocess.run(
        [sys.executable, "-c", command],
        cwd=archive.parent,
        env=environment(changes),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "picture run.png" in done.stdout
    assert signed(archive.with_suffix(".png"))


def test_a_setup_that_matplotlib_itself_cannot_read(archive):
    """Where it cannot even be imported, the run says so and has not failed; a script ends in one line."""
    (archive.parent / "matplotlibrc").write_bytes(b"font.size: \xff\xfe\n")
    commands = {
        "from pathlib import Path; from membrane.program.summary import summarise; "
        "summarise(Path('run.h5'), picture=True)": 0,
        f"import runpy, sys; sys.argv = ['figure', 'run.h5']; "
        f"runpy.run_path({str(ROOT / 'scripts' / 'figure_size_distribution.py')!r}, run_name='__main__')": 2,
    }
    for command, code in commands.items():
        done = subprocess.run(
            [sys.executable, "-c", command], cwd=archive.parent, env=environment({}), capture_output=True, text=True
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        assert ("no picture (UnicodeDecodeError" in done.stdout) == (code == 0)
    assert not archive.with_suffix(".png").exists()


@pytest.mark.parametrize("error", [KeyError("a"), TypeError("b\nc"), MemoryError(), ValueError("$"), OSError("full")])
def test_no_failure_of_a_picture_is_one_of_the_run(archive, monkeypatch, capsys, error):
    def fail(record):
        raise error

    monkeypatch.setattr(plot, "summary_figure", fail)
    summary.summarise(archive, picture=True)
    said = capsys.readouterr().out
    assert f"no picture ({type(error).__name__}" in said
    assert said.endswith("; the archive is whole\n")
    assert drawing.draw("membrane figure", lambda: fail(None)) in (2, 3)
    assert capsys.readouterr().err.count("\n") == 1


def test_a_foreign_picture_stays(archive, capsys):
    """A picture that is not ours stays; ours is drawn anew."""
    picture = archive.with_suffix(".png")
    picture.write_bytes(b"my holidays")
    summary.summarise(archive, picture=True)
    assert "no picture (PathError" in capsys.readouterr().out
    assert picture.read_bytes() == b"my holidays"
    picture.unlink()
    for _ in range(2):
        summary.summarise(archive, picture=True)
        assert f"picture {picture}\n" in capsys.readouterr().out
    assert sorted(path.name for path in archive.parent.iterdir()) == ["run.h5", "run.png"]


def test_where_figures_go(tmp_path):
    """A suffix is no part of the stem; what is read, and what is not ours, is not replaced."""
    archive = tmp_path / "kappa_0.5"
    assert drawing.stem(None, [archive], "-sizes") == tmp_path / "kappa_0.5-sizes"
    assert drawing.stem(tmp_path / "f.png") == drawing.stem(tmp_path / "f") == tmp_path / "f"
    (tmp_path / "f.pdf").write_text("mine")
    with pytest.raises(PathError, match="not made by membrane"):
        drawing.stem(tmp_path / "f", [archive])
    with pytest.raises(PathError, match="would replace"):
        drawing.stem(tmp_path / "x", [tmp_path / "x.png"])


def test_style_ends():
    """Inside, defaults and ours; afterwards the user's own again."""
    names = ("figure.dpi", "pdf.fonttype", "text.usetex", "font.family")
    of = lambda: [rcParams[name] for name in names]
    with rc_context({"text.usetex": True, "font.family": ["no-such-font"]}):
        before = of()
        with canvas.style(figure_dpi=77):
            assert of() == [77, 42, False, ["sans-serif"]]
        assert of() == before


def test_a_pdf_is_written_without_messages(tmp_path, caplog):
    """Also where a command shows messages of the level INFO."""
    figure = canvas.Figure()
    figure.text(0, 0, "Lo")
    with caplog.at_level(logging.INFO):
        canvas.save(figure, tmp_path / "a.pdf")
    assert caplog.records == []


def test_texts_of_users_are_plain():
    """No formula, no second line, an end."""
    assert canvas.plain("a$b_c$\n\0d") == r"a\$b_c\$ d"
    assert len(canvas.plain("x" * 5000)) == 200


@pytest.mark.parametrize("module", [canvas, style, sweep])
def test_examples_in_docstrings(module):
    """They give what they say; there are some."""
    result = doctest.testmod(module)
    assert result.failed == 0
    assert result.attempted > 0
