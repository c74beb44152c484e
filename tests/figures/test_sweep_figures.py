"""Figures of a sweep: the numbers in them, and what parameters are said to decide."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from test_sheet_figures import assert_within

from membrane.archive import Archive, Collection, read
from membrane.commands import figure
from membrane.figures import sweep as plot_sweep
from membrane.outcome.sensitivity import partial_rank_correlations
from membrane.outcome.table import EVENT_DTYPE

TENSION, LINE = "membrane.tension_uN_per_m", "lipids.line_tension_pN"
ENDOSOMES = 6
FINISH = dict(status="complete", wall_time_s=1.0, units={}, grid_spacing_nm=(1.0, 1.0), number_of_endosomes=1)


def collected(folder, points, diameters):
    """A collected archive: a member a point (tension, line tension), ``diameters`` of its ILVs, one list a member."""
    table = {"member": list(range(len(points))), "point": list(range(len(points)))}
    table |= {"status": ["complete"] * len(points), "endosomes": [ENDOSOMES] * len(points)}
    table |= {TENSION: [p[0] for p in points], LINE: [p[1] for p in points]}
    path = folder / "sweep.h5"
    shared = dict(
        attributes={"config_yaml": "", "status": "complete", "seed": 0, "name": "sweep", "wall_time_s": 1.0},
        times_s=np.zeros(1),
        members=table,
    )
    with Collection(path, **shared, endosomes=ENDOSOMES * len(points)) as collection:
        for row, own in enumerate(diameters):
            events = np.zeros(len(own), EVENT_DTYPE)
            events["diameter_nm"], events["direction"] = own, 1
            events["endosome"] = np.arange(len(own)) % ENDOSOMES
            with Archive.create(folder / "m.h5", config_yaml="", name="m", seed=0, overwrite=True) as run:
                run.checkpoint([{}] * ENDOSOMES, {}, events, {"time_s": np.zeros(1)})
                run.finish(
                    status="complete",
                    wall_time_s=1.0,
                    units={},
                    grid_spacing_nm=(1.0, 1.0),
                    number_of_endosomes=ENDOSOMES,
                )
            collection.add(row, read(folder / "m.h5"))
    return read(path)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three tensions by two line tensions; the higher the tension, the larger and the fewer; none at the highest."""
    rng = np.random.default_rng(0)
    points = [(t, line) for t in (1.0, 10.0, 100.0) for line in (0.5, 1.0)]
    diameters = [rng.normal(50 + 20 * np.log10(t), 3, 0 if t == 100 else int(24 / t**0.5)) for t, _ in points]
    return collected(tmp_path_factory.mktemp("sweep"), points, diameters)


def test_outcomes(record):
    """Median, yield and share of members taken together, each inside its interval."""
    found = plot_sweep.outcomes(record, np.array([0, 1]))
    ilvs = record.ilvs[np.isin(record.ilvs["member"], [0, 1])]["diameter_nm"]
    assert found["median_nm"].value == np.median(ilvs)
    assert found["ilvs_per_endosome"].value == len(ilvs) / 12 == 4.0
    assert found["fraction_40_100_nm"].value == np.mean((ilvs >= 40) & (ilvs <= 100))
    assert all(of.low <= of.value <= of.high for of in found.values())
    assert found["median_nm"].high - found["median_nm"].low < 5
    assert {(of.ilvs, of.endosomes) for of in found.values()} == {(48, 12)}


def test_unknown_diameters(tmp_path):
    """They count in the yield; sizes are those of the others, as in the table."""
    record = collected(tmp_path, [(1.0, 1.0)], [np.array([50.0, 120.0, np.nan, np.nan])])
    found = plot_sweep.outcomes(record, np.array([0]))
    assert found["fraction_40_100_nm"].value == record.members["fraction_40_100_nm"][0] == 0.5
    assert found["ilvs_per_endosome"].value == 4 / ENDOSOMES
    assert found["median_nm"].value == 85.0
    assert [found[name].ilvs for name in plot_sweep.OUTCOMES] == [2, 4, 2]
    assert {of.endosomes for of in found.values()} == {ENDOSOMES}


def test_no_ilvs_is_an_answer(record):
    """A yield of zero has an upper end, the exact one of Poisson; a median of nothing is unknown."""
    found = plot_sweep.outcomes(record, np.array([4, 5]))
    nothing = found["ilvs_per_endosome"]
    assert (nothing.value, nothing.low) == (0.0, 0.0)
    assert np.exp(-nothing.high * 12) == pytest.approx(0.025, rel=0.01)
    assert np.isnan(found["median_nm"].value)
    assert np.isnan(found["fraction_40_100_nm"].value)


def written(axes):
    return [text.get_text() for text in axes.texts]


def test_one_parameter(record):
    """Three panels over the tension, on a logarithmic axis; members that differ in the other key are together; the
    numbers of ILVs and endosomes stand at each point, and a share lies in 0 to 1."""
    figure = plot_sweep.sweep_figure(record, [TENSION])
    assert len(figure.axes) == 3
    median, number, share = figure.axes
    assert median.get_xscale() == "log"
    x, y = number.lines[0].get_data()
    assert x.tolist() == [1.0, 10.0, 100.0]
    np.testing.assert_allclose(y, [4.0, 7 / 6, 0.0])
    assert median.get_ylabel() == "median diameter (nm)"
    assert share.get_ylim() == (0, 1)
    assert written(number) == ["48 / 12", "14 / 12", "0 / 12"]


def test_members_under_way_are_not_drawn(record):
    """They have had less time to bud; where no others are, that is said."""
    status = record.members["status"].copy()
    status[[0, 1]] = "partial"
    figure = plot_sweep.sweep_figure(replace(record, members=record.members | {"status": status}), [TENSION])
    assert figure.axes[1].lines[0].get_xdata().tolist() == [10.0, 100.0]
    none = replace(record, members=record.members | {"status": np.full_like(status, "partial")})
    for draw in (lambda: plot_sweep.sweep_figure(none, [TENSION]), lambda: plot_sweep.sensitivity_figure(none)):
        with pytest.raises(ValueError, match=r"no member in .* is complete"):
            draw()


def test_two_parameters(record, tmp_path):
    """A cell a pair of values: its number, its interval where it has one, n of ILVs and endosomes; none is cut off."""
    figure = plot_sweep.sweep_figure(record, [TENSION, LINE])
    median, number, share = (axes for axes in figure.axes if axes.images)
    image = number.images[0].get_array()
    assert image.shape == (2, 3)
    np.testing.assert_allclose(image[:, 0], 4.0)
    assert len(written(median)) == 6
    for axes in (median, number, share):
        for text in written(axes):
            value, *interval, numbers = text.split("\n")
            assert set(numbers.split(" / ")[1:]) == {"6"}
            assert len(interval) <= 1
            for ends in interval:
                low, high = map(float, ends.split("\N{EN DASH}"))
                assert low < high
                assert low <= float(value) <= high
    assert "\N{EN DASH}\n0 / 6" in written(median)
    assert share.images[0].get_clim() == (0, 1)
    assert_within(figure, tmp_path)


def test_many_columns_stay_legible(tmp_path):
    """Sixteen columns: the words of a cell do not reach into the next."""
    points = [(float(t), line) for t in range(1, 17) for line in (0.5, 1.0)]
    rng = np.random.default_rng(7)
    figure = plot_sweep.sweep_figure(
        collected(tmp_path, points, [rng.normal(60, 9, 30)] * len(points)), [TENSION, LINE]
    )
    assert_within(figure, tmp_path)
    (axes, *_) = (axes for axes in figure.axes if axes.images)
    cell = axes.transData.transform((1, 0))[0] - axes.transData.transform((0, 0))[0]
    assert len(axes.texts) == 32
    assert all(text.get_window_extent().width < cell and text.get_fontsize() >= 6 for text in axes.texts)


def test_chance_is_not_stretched(tmp_path):
    """Medians that differ by chance get nearly one colour; those that differ much get the whole range."""
    rng = np.random.default_rng(8)
    points = [(t, line) for t in (1.0, 10.0) for line in (0.5, 1.0)]
    for apart, whole in ((0.0, False), (40.0, True)):
        diameters = [rng.normal(60 + apart * (t > 1), 0.1, 30) for t, _ in points]
        figure = plot_sweep.sweep_figure(collected(tmp_path, points, diameters), [TENSION, LINE])
        image = figure.axes[0].images[0]
        share = np.ptp(image.get_array()) / np.ptp(image.get_clim())
        assert (share > 0.8) if whole else (share < 0.05)
        (tmp_path / "sweep.h5").unlink()


def test_a_scattered_design_is_a_scatter(tmp_path):
    """Each point where it lies, on logarithmic axes where it was drawn so; open where its median is unknown."""
    rng = np.random.default_rng(9)
    points = [(float(10 ** rng.uniform(0, 2)), float(rng.uniform(0.5, 2))) for _ in range(24)]
    diameters = [rng.normal(60, 5, count) for count in [0, 0, *[5] * 22]]
    figure = plot_sweep.sweep_figure(collected(tmp_path, points, diameters), [TENSION, LINE])
    assert not any(axes.images for axes in figure.axes[:3])
    median, number, share = figure.axes[:3]
    unknown, known = median.collections
    assert sorted(unknown.get_offsets().tolist()) == sorted(map(list, points[:2]))
    assert sorted(known.get_offsets().tolist()) == sorted(map(list, points[2:]))
    assert (median.get_xscale(), median.get_yscale()) == ("log", "linear")
    assert len(number.collections[1].get_offsets()) == 24
    assert share.collections[1].get_clim() == (0, 1)
    assert "24 points, of 0\N{EN DASH}5 ILVs from 6 endosomes each" in figure.get_supxlabel()
    assert_within(figure, tmp_path)


def test_nothing_has_budded_anywhere(tmp_path):
    """All that a sweep without ILVs has to say is drawn."""
    for points in (
        [(t, line) for t in (1.0, 10.0) for line in (0.5, 1.0)],
        [(1.0, 0.3), (2.0, 0.9), (5.0, 0.5), (7.0, 0.7), (9.0, 0.1)],
    ):
        record = collected(tmp_path, points, [[]] * len(points))
        for keys in ([TENSION], [TENSION, LINE]):
            assert_within(plot_sweep.sweep_figure(record, keys), tmp_path)
        if len(points) >= 5:
            assert_within(plot_sweep.sensitivity_figure(record), tmp_path)
        (tmp_path / "sweep.h5").unlink()


def test_parameters_from_a_range_are_classed(tmp_path):
    """Forty different values make eight classes of five, at their medians."""
    rng = np.random.default_rng(2)
    points = [(float(t), 1.0 + 0.01 * i) for i, t in enumerate(np.linspace(1, 40, 40))]
    record = collected(tmp_path, points, [rng.normal(60, 1, 2) for _ in points])
    figure = plot_sweep.sweep_figure(record, [TENSION])
    assert figure.axes[0].lines[0].get_xdata().tolist() == np.linspace(1, 40, 40).reshape(8, 5)[:, 2].tolist()


def test_bad_keys(record, tmp_path):
    """Messages name what there is."""
    for keys in ([], ["membrane.tension"], [TENSION, LINE, "x"], [TENSION, TENSION]):
        with pytest.raises(ValueError, match=f"give one or two of .*{TENSION}"):
            plot_sweep.sweep_figure(record, keys)
    with Archive.create(tmp_path / "run.h5", config_yaml="", name="m", seed=0) as run:
        run.finish(**FINISH)
    with pytest.raises(ValueError, match="no collected archive"):
        plot_sweep.varied(read(tmp_path / "run.h5"))


def test_command(record, tmp_path, capsys):
    """Both write PNG and PDF; an archive that is not there is refused with 2."""
    for kind in ("sweep", "sensitivity"):
        assert figure.main([str(record.path), "--kind", kind, "--output", str(tmp_path / kind)]) == 0
        assert capsys.readouterr().out.count(kind) == 2
        assert (tmp_path / f"{kind}.png").stat().st_size > 5000
        assert figure.main([str(tmp_path / "x.h5"), "--kind", kind]) == 2


def test_of_one_parameter_it_is_spearman():
    """With nothing else to take out, the rank correlation, ties included."""
    rng = np.random.default_rng(3)
    x = rng.integers(0, 9, 60).astype(float)
    y = np.exp(x / 3) + rng.normal(0, 3, 60)
    (found,) = partial_rank_correlations(x[:, None], y, np.arange(60))
    assert found.value == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)


def test_of_two_it_is_the_formula():
    """Of two parameters it is (r_1y - r_12 r_2y) / sqrt((1 - r_12^2) (1 - r_2y^2)) of the ranks."""
    rng = np.random.default_rng(4)
    a = rng.permutation(50).astype(float)
    b, y = rng.permutation(a + rng.normal(0, 30, 50)), a**3 + rng.normal(0, 2e4, 50)
    rank = lambda v: np.argsort(np.argsort(v)).astype(float)
    r12, r1, r2 = (pearsonr(rank(p), rank(q)).statistic for p, q in ((a, b), (a, y), (b, y)))
    found = partial_rank_correlations(np.stack([a, b], 1), y, np.arange(50))
    assert found[0].value == pytest.approx((r1 - r12 * r2) / np.sqrt((1 - r12**2) * (1 - r2**2)), abs=1e-12)


def test_a_confounded_parameter_is_cleared():
    """Where one parameter follows another that alone decides, its own share is nothing; replicas narrow nothing by
    being many."""
    rng = np.random.default_rng(5)
    cause = rng.normal(size=200)
    follower = cause + rng.normal(0, 0.5, 200)
    y = cause + rng.normal(0, 0.3, 200)
    first, second = partial_rank_correlations(np.stack([cause, follower], 1), y, np.arange(200))
    # corr(y, x_1 | x_2) = sqrt(0.2/0.29) for normal variables.
    assert first.low < 0.83 < first.high
    assert second.low < 0 < second.high
    assert spearmanr(follower, y).statistic > 0.8
    few = slice(0, 20)
    once = partial_rank_correlations(np.stack([cause, follower], 1)[few], y[few], np.arange(20))
    often = partial_rank_correlations(
        np.tile(np.stack([cause, follower], 1)[few], (5, 1)), np.tile(y[few], 5), np.tile(np.arange(20), 5)
    )
    assert often[1].high - often[1].low == pytest.approx(once[1].high - once[1].low, rel=0.15)


def test_unknown_sensitivities():
    """Too few members, an outcome that never changes, one that is NaN: NaN, not a number."""
    x = np.random.default_rng(6).normal(size=(30, 2))
    for outcome in (np.ones(30), np.full(30, np.nan)):
        assert np.isnan([s.value for s in partial_rank_correlations(x, outcome, np.arange(30))]).all()
    assert np.isnan(partial_rank_correlations(x[:4], x[:4, 0], np.arange(4))[0].value)
    # Replicas are no points.
    assert np.isnan(partial_rank_correlations(x, x[:, 0], np.arange(30) % 4)[0].value)
    with pytest.raises(ValueError, match="do not fit"):
        partial_rank_correlations(x, np.ones(29), np.arange(30))


def test_sensitivity_figure(record, tmp_path):
    """A bar a parameter and outcome: the tension decides, the line tension does not and is pale; the figure says what
    pale and empty mean."""
    figure = plot_sweep.sensitivity_figure(record)
    assert "pale: it holds zero" in figure.get_supxlabel()
    assert figure.axes[0].get_title().endswith("known at 4 points, 5 are needed")
    assert written(figure.axes[0]) == ["unknown", "unknown"]
    assert written(figure.axes[1]) == ["unknown"]
    assert_within(figure, tmp_path)
    number = figure.axes[1]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "membrane: tension (µN/m)",
        "lipids: line tension (pN)",
    ]
    tension, line = number.patches
    assert tension.get_width() < -0.9
    # The yield is a function of the tension alone: nothing is left that another could explain.
    assert np.isnan(line.get_width())
    assert line.get_alpha() < 1


def test_too_few_points_for_a_sensitivity(tmp_path, capsys):
    """The number of points given and needed is said, and which parameters vary; the script leaves with 2."""
    points = [(1.0, 0.5), (10.0, 1.0), (100.0, 2.0), (1000.0, 4.0)]
    record = collected(tmp_path, points, [np.full(4, 60.0)] * 4)
    with pytest.raises(ValueError, match=rf"has 4 .* but 2 parameters vary \({LINE}, {TENSION}\): at least 5 points"):
        plot_sweep.sensitivity_figure(record)
    assert figure.main([str(record.path), "--kind", "sensitivity", "--output", str(tmp_path / "x")]) == 2
    assert "at least 5 points are needed" in capsys.readouterr().err
    assert not list(tmp_path.glob("x*"))
