"""A collected sweep as a notebook sees it: its members, what decides, and its figures."""

import sys

import numpy as np
import pytest
from scipy.stats import qmc
from test_sweep_figures import LINE, TENSION, collected

import membrane as mb


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """64 points of two parameters: the line tension makes the size, the tension a window of the yield."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("sweep")
    design = qmc.Sobol(2, seed=1).random(64)
    points = [(1 + 99 * a, 0.5 + b) for a, b in design]
    number = [4 + 12 * (abs(a - 0.5) < 0.25) for a, _ in design]
    collected(folder, points, [rng.normal(55 + 20 * b, 3, int(n)) for (_, b), n in zip(design, number)])
    return mb.read(folder / "sweep.h5")


def test_members(sweep):
    """One row a member, with what varies; the number of members is in what is printed."""
    assert len(sweep.members) == 64
    assert {TENSION, LINE, "status", "median_nm"} <= set(sweep.members.columns)
    assert "members: 64" in repr(sweep)


def test_sensitivity(sweep):
    """Both measures, with intervals. The window is seen by the index alone."""
    table = sweep.sensitivity
    assert len(table) == 2 * 3 * 2
    by = table.set_index(["measure", "outcome", "parameter"])
    rank, index = (
        by.loc[(measure, "ilvs_per_endosome", TENSION)] for measure in ("partial_rank_correlation", "first_order_index")
    )
    assert rank.low < 0 < rank.high
    assert index.low > 0.5
    assert by.loc[("first_order_index", "median_nm", LINE)].value > 0.8
    assert (table.low.isna() | (table.low <= table.value)).all()
    assert set(table.points) == {64}


def test_figures(sweep):
    """Two rows of three panels, with a bar for each parameter; without SALib one row, and why."""
    figure = sweep.plot_sensitivity()
    assert len(figure.axes) == 6
    assert [len(axes.patches) for axes in figure.axes] == [2] * 6
    assert "first-order index: share of the variance" in figure.get_supxlabel()
    assert len(sweep.plot_sweep(TENSION).axes) == 3
    with pytest.raises(ValueError, match="give one or two of"):
        sweep.plot_sweep("seed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "SALib.analyze.rbd_fast", None)
        figure = sweep.plot_sensitivity()
    assert len(figure.axes) == 3
    assert "pip install 'membrane-exosomes[analysis]'" in figure.get_supxlabel()
