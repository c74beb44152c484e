import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from matplotlib import animation
from matplotlib.text import Text
from PIL import Image

from membrane import paths
from membrane.archive import Archive, read
from membrane.archive.record import Frames
from membrane.commands.entry import main
from membrane.figures import canvas, style
from membrane.figures import sheet as plot
from membrane.figures.sizes import size_distribution_figure
from membrane.outcome.table import EVENT_DTYPE

SCRIPTS = Path(__file__).parents[2] / "scripts"


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


def assert_within(figure, folder, pixels=1.5):
    """All that is written lies in the figure, when it is drawn as it is saved."""
    with patch.object(Text, "draw", autospec=True, side_effect=Text.draw) as draw:
        canvas.save(figure, folder / "within.png", dpi=100)
    texts = {call.args[0] for call in draw.call_args_list if call.args[0].get_text().strip()}
    width, height = figure.bbox.size
    for text in texts:
        box = text.get_window_extent()
        inside = box.x0 > -pixels and box.y0 > -pixels and box.x1 < width + pixels and box.y1 < height + pixels
        assert inside, f"{text.get_text()!r} is cut off: {box} of {width} x {height}"
    return texts


def bud_count(axes):
    centres = np.concatenate([rings.get_offsets() for rings in axes.collections])
    return len(np.unique(np.round(centres % 256, 6), axis=0))


def test_size_distributions_overlaid(run, tmp_path):
    records = [run, make(tmp_path, "control", 0), make(tmp_path, "a single endosome", 7, endosomes=1)]
    figure = size_distribution_figure(records)
    sizes = run.size_distribution
    shown = " | ".join(labels(figure.axes[0]))
    assert f"ceramide: n = 40, median {sizes['median_nm']:.0f} [{sizes['q25_nm']:.0f}" in shown
    assert "control: no ILVs" in shown
    assert "a single endosome: n = 7" in shown
    written = style.save(figure, tmp_path / "pictures" / "sizes")
    assert [path.suffix for path in written] == [".png", ".pdf"]
    with Image.open(written[0]) as picture:
        assert picture.size[0] == 300 * style.WIDTH_INCH


@pytest.mark.parametrize("count", [0, 1])
def test_size_distributions_of_few(tmp_path, count):
    """A band, and its name, where there are endosomes enough for it."""
    figure = size_distribution_figure([make(tmp_path, "four endosomes", 40, endosomes=4)] * count)
    band = ["band: 95 %, over endosomes"] * count
    assert labels(figure.axes[0])[-2:-1] == band
    assert len(labels(figure.axes[0])) == (4 if count else 1)
    style.save(figure, tmp_path / "sizes")


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
    written = [text.get_text() for text in assert_within(figure, tmp_path)]
    assert "height (nm)\nlumen < 0 < cytosol" in written
    assert f"endosome 1; {plot.RINGS}" in written


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
    letters = {text.get_text() for text in assert_within(figure, tmp_path)} & {"a", "b", "c"}
    assert letters == ({"a", "b", "c"} if frames else {"a", "b"})


@pytest.mark.parametrize("name", ["x", "a name of a dozen words that goes on and on until no line holds it", "w" * 150])
def test_no_name_is_cut_off(run, tmp_path, name):
    """Short, long, and long without a space."""
    record = replace(run, attributes=run.attributes | {"name": name})
    for figure in (plot.summary_figure(record), size_distribution_figure([record, run])):
        assert_within(figure, tmp_path)


@pytest.mark.parametrize(
    ("left", "wanted", "chosen"),
    [
        ([4.1, 5.1, 6.1, 7.1, 8.1], 3, [4, 7, 9]),
        ([4.1, 5.1, 6.1, 7.1], 4, [4, 6, 7, 8]),
        ([4.1], 3, [0, 4, 5]),
        ([], 3, [0, 10, 20]),
        ([90.0, np.nan], 3, [0, 10, 20]),
        ([0.0], 2, [0, 20]),
    ],
)
def test_frames_follow_the_ilvs(run, left, wanted, chosen):
    """From none to all in even steps; where that gives too few, or there are none, spread over the run."""
    events = np.zeros(len(left), EVENT_DTYPE)
    events["time_s"], events["direction"] = left, 1
    record = replace(run, events=events, frames=Frames([None] * 21, np.arange(21.0), ()))
    assert plot.frames_to_show(record, 0, wanted) == chosen


def drawn_from(run, fields, events=None):
    """``run`` with other values in its frames: (frames, endosomes, y, x) by name."""
    frames = Frames([None] * len(next(iter(fields.values()))), 0.1 * np.arange(3)[: len(fields["phi"])], (*fields,))
    frames.frame = lambda name, index, endosome=0: fields[name][index, endosome]
    return replace(run, frames=frames, events=run.events if events is None else events)


STRANGE = {
    "NaN": np.full((3, 2, 16, 16), np.nan, np.float32),
    "infinite": np.full((3, 2, 16, 16), np.inf, np.float32),
    "constant": np.full((3, 2, 16, 16), 0.25, np.float32),
    "one frame": np.zeros((1, 2, 16, 16), np.float32),
    "huge": np.full((3, 2, 16, 16), 3e38, np.float32),
    "one point": np.zeros((3, 2, 1, 1), np.float32),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_strange_fields_are_drawn(run, tmp_path, kind):
    """Summary, membrane and movie of fields that have nothing to show."""
    record = drawn_from(run, dict.fromkeys(("phi", "ceramide_cytosolic", "height"), STRANGE[kind]))
    plot.summary_figure(record).savefig(tmp_path / "s.png", dpi=30)
    plot.membrane_figure(record).savefig(tmp_path / "m.png", dpi=30)
    assert plot.movie(record, tmp_path / "m.gif").stat().st_size > 100


def test_noise_is_not_stretched(run):
    """A field that is the same everywhere keeps its colour, whatever its last digits do."""
    noise = 1e-6 * np.random.default_rng(0).normal(size=(3, 2, 16, 16))
    record = drawn_from(run, {"phi": noise, "ceramide_cytosolic": 0.1 + noise, "height": noise})
    for axes in [axes for axes in plot.membrane_figure(record).axes if axes.images]:
        low, high = axes.images[0].get_clim()
        assert np.ptp(axes.images[0].get_array()) < 0.01 * (high - low)


def test_strange_events_are_drawn(run, tmp_path):
    """A thousand ILVs, and ILVs of unknown time, place and size."""
    many = np.zeros(1000, EVENT_DTYPE)
    many["direction"], many["diameter_nm"], many["time_s"] = 1, 50.0, np.linspace(0, 0.2, 1000)
    unknown = many[:5].copy()
    for name in ("time_s", "x_nm", "y_nm", "diameter_nm"):
        unknown[name] = np.nan
    phi = {"phi": np.zeros((3, 2, 16, 16), np.float32)}
    for events in (many, unknown):
        figure = plot.summary_figure(drawn_from(run, phi, events))
        counts = next(axes for axes in figure.axes if axes.get_ylabel() == "ILVs")
        assert counts.lines[0].get_ydata()[-1] == len(events)
        figure.savefig(tmp_path / "s.png", dpi=30)


def test_three_dimensions_are_drawn_elsewhere(run):
    with pytest.raises(ValueError, match="three dimensions; draw it with --kind vesicle"):
        plot.membrane_figure(replace(run, spacing_nm=(1.0, 1.0, 1.0)))


def durations(path):
    with Image.open(path) as picture:
        found = []
        for index in range(picture.n_frames):
            picture.seek(index)
            found.append(picture.info["duration"])
    return found


def test_movie(run, tmp_path, monkeypatch):
    """Few frames are held until five seconds are full; many go by as asked; the picture says whose it is."""
    path = plot.movie(run, tmp_path / "m.gif", endosome=1, fps=5)
    assert durations(path) == [1670, 1660, 1670]
    assert paths.signed(path)
    figure, made = size_distribution_figure([]), tmp_path / "many.gif"
    canvas.FigureCanvasAgg(figure)
    with canvas.style(figure_dpi=20):
        figure.set_dpi(20)
        draw = lambda index: figure.axes[0].set_xlim(0, 50 + index)
        style.save_movie(figure, draw, 60, made, 10, lambda pictures: [p.quantize(4) for p in pictures])
    assert sum(durations(made)) == 6000
    for fps in (0, -1, np.nan, np.inf, 51):
        with pytest.raises(ValueError, match="fps"):
            plot.movie(run, tmp_path / "m.gif", fps=fps)
    (tmp_path / "foreign.gif").write_bytes(b"my holidays")
    with pytest.raises(paths.PathError):
        plot.movie(run, tmp_path / "foreign.gif")
    with pytest.raises(ValueError, match=r"\.gif or an \.mp4"):
        plot.movie(run, tmp_path / "m.avi")
    monkeypatch.setattr(animation.writers, "is_available", lambda name: False)
    with pytest.raises(RuntimeError, match="ffmpeg"):
        plot.movie(run, tmp_path / "m.mp4")


@pytest.mark.parametrize(
    ("command", "output", "written"),
    [
        (["figure", "--kind", "sizes"], "sizes", ["sizes.pdf", "sizes.png"]),
        (["figure", "--kind", "membrane"], "fields", ["fields.pdf", "fields.png"]),
        (["movie"], "film.gif", ["film.gif"]),
    ],
)
def test_commands(run, tmp_path, capsys, command, output, written):
    assert main([*command, str(run.path), "--output", str(tmp_path / output)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == written
    text = tmp_path / "text.h5"
    text.write_text("no archive")
    capsys.readouterr()
    for wrong in (text, tmp_path / "missing.h5"):
        assert main([*command, str(wrong)]) == 2
        message = capsys.readouterr().err
        assert message.startswith(f"membrane {command[0]}: ")
        assert message.count("\n") == 1


def test_a_script_started_by_itself_exits_with_2(run):
    done = subprocess.run(
        [sys.executable, SCRIPTS / "figure_membrane.py", run.path, "--endosome", "9"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr == "membrane figure: no endosome 9; there are 2, counted from 0\n"
