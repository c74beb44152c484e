import importlib.util
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib import animation
from PIL import Image

from membrane import plot
from membrane.archive import Archive, read
from membrane.event_table import EVENT_DTYPE

SCRIPTS = Path(__file__).parent.parent / "scripts"


def make(folder, name, ilvs, endosomes=2, frames=3, fields=("phi", "ceramide_cytosolic", "cargo_oligomer", "height")):
    rng = np.random.default_rng(len(name))
    events = np.zeros(ilvs, EVENT_DTYPE)
    events["time_s"] = np.sort(rng.uniform(0, 0.2, ilvs))
    events["endosome"] = np.arange(ilvs) % endosomes
    events["x_nm"], events["y_nm"] = rng.uniform(0, 256, (2, ilvs))
    events["diameter_nm"] = rng.normal(60, 8, ilvs)
    events["direction"] = 1
    path = folder / f"{name}.h5"
    with Archive.create(path, config_yaml="", name=name, seed=0) as run:
        series = {"time_s": np.linspace(0, 0.2, 5), "tension": np.ones((5, endosomes))}
        run.checkpoint([{"x": np.zeros(1)}] * endosomes, {}, events, series)
        for index in range(frames):
            values = {field: rng.normal(size=(endosomes, 32, 32)) for field in fields}
            run.add_frame(index, 0.2 * index / max(frames - 1, 1), values)
        run.finish(
            status="complete", wall_time_s=1.0, units={}, grid_spacing_nm=(8.0, 8.0), number_of_endosomes=endosomes
        )
    return read(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make(tmp_path_factory.mktemp("run"), "ceramide", 40)


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def bud_count(axes):
    return len({(round(bud.center[0] % 256, 6), round(bud.center[1] % 256, 6)) for bud in axes.patches})


def test_size_distributions_overlaid(run, tmp_path):
    records = [run, make(tmp_path, "control", 0), make(tmp_path, "a single endosome", 7, endosomes=1)]
    figure = plot.size_distribution_figure(records)
    sizes = run.size_distribution
    shown = " | ".join(labels(figure.axes[0]))
    assert f"ceramide: n = 40, median {sizes['median_nm']:.0f} [{sizes['q25_nm']:.0f}" in shown
    assert "control: no ILVs" in shown
    assert "a single endosome: n = 7" in shown
    written = plot.save(figure, tmp_path / "pictures" / "sizes")
    assert [path.suffix for path in written] == [".png", ".pdf"]
    with Image.open(written[0]) as picture:
        assert picture.size[0] == 300 * plot.WIDTH_INCH


@pytest.mark.parametrize("count", [0, 1])
def test_size_distributions_of_few(run, tmp_path, count):
    figure = plot.size_distribution_figure([run] * count)
    assert len(labels(figure.axes[0])) == (3 if count else 1)
    plot.save(figure, tmp_path / "sizes")


def test_membrane_shows_fields_times_and_buds(run, tmp_path):
    figure = plot.membrane_figure(run, endosome=1)
    panels = np.array([axes for axes in figure.axes if axes.images]).reshape(4, 3)
    assert [axes.get_title() for axes in panels[0]] == ["t = 0", "t = 100 ms", "t = 200 ms"]
    times = np.sort(run.ilvs["time_s"][run.ilvs["endosome"] == 1])
    expected = [np.sum(times <= until) for until in (0, 0.1, 0.2)]
    assert [bud_count(axes) for axes in panels[2]] == expected
    assert 0 < expected[1] < expected[2] == 20
    shown = run.frames.frame("phi", 2, 1)
    np.testing.assert_array_equal(panels[0, 2].images[0].get_array(), shown)
    low, high = panels[0, 0].images[0].get_clim()
    assert low == -high
    figure.savefig(tmp_path / "membrane.png", dpi=40)


def test_four_times_at_most_and_the_last_among_them(tmp_path):
    record = make(tmp_path, "long", 3, frames=9, fields=("phi", "cargo_monomer", "cargo_oligomer"))
    figure = plot.membrane_figure(record)
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 2 * 4
    assert panels[3].get_title() == "t = 200 ms"
    total = record.frames.frame("cargo_monomer", 8, 0) + record.frames.frame("cargo_oligomer", 8, 0)
    np.testing.assert_allclose(panels[-1].images[0].get_array(), total)
    assert len([axes for axes in plot.membrane_figure(record, frames=[4]).axes if axes.images]) == 2


def test_membrane_that_cannot_be_shown(run, tmp_path):
    with pytest.raises(ValueError, match="no frames"):
        plot.membrane_figure(make(tmp_path, "blind", 2, frames=0))
    with pytest.raises(ValueError, match="no endosome 2"):
        plot.membrane_figure(run, endosome=2)


@pytest.mark.parametrize(("ilvs", "endosomes", "frames"), [(30, 2, 3), (0, 1, 1), (40, 12, 0)])
def test_summary(tmp_path, ilvs, endosomes, frames):
    record = make(tmp_path, "summary", ilvs, endosomes, frames)
    figure = plot.summary_figure(record)
    counts = next(axes for axes in figure.axes if axes.get_ylabel() == "ILVs")
    ends = [line.get_ydata()[-1] for line in counts.lines[:endosomes]]
    assert ends == [np.sum(record.ilvs["endosome"] == endosome) for endosome in range(endosomes)]
    assert len([axes for axes in figure.axes if axes.images]) == frames
    figure.savefig(tmp_path / "summary.png", dpi=40)


def test_movie(run, tmp_path, monkeypatch):
    path = plot.movie(run, tmp_path / "m.gif", endosome=1, fps=5)
    with Image.open(path) as picture:
        assert picture.n_frames == 3
        assert picture.info["duration"] == 200
    with pytest.raises(ValueError, match=r"\.gif or an \.mp4"):
        plot.movie(run, tmp_path / "m.avi")
    monkeypatch.setattr(animation.writers, "is_available", lambda name: False)
    with pytest.raises(RuntimeError, match="ffmpeg"):
        plot.movie(run, tmp_path / "m.mp4")


def load(script):
    spec = importlib.util.spec_from_file_location(script, SCRIPTS / f"{script}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.mark.parametrize(
    ("script", "output", "written"),
    [
        ("figure_size_distribution", "sizes", ["sizes.pdf", "sizes.png"]),
        ("figure_membrane", "fields", ["fields.pdf", "fields.png"]),
        ("movie_membrane", "film.gif", ["film.gif"]),
    ],
)
def test_scripts(run, tmp_path, capsys, script, output, written):
    main = load(script)
    assert main([str(run.path), "--output", str(tmp_path / output)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == written
    text = tmp_path / "text.h5"
    text.write_text("no archive")
    capsys.readouterr()
    for wrong in (text, tmp_path / "missing.h5"):
        assert main([str(wrong)]) == 2
        message = capsys.readouterr().err
        assert message.startswith("error: ")
        assert message.count("\n") == 1


def test_a_script_started_by_itself_exits_with_2(run):
    done = subprocess.run(
        [sys.executable, SCRIPTS / "figure_membrane.py", run.path, "--endosome", "9"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr == "error: no endosome 9; there are 2, counted from 0\n"
