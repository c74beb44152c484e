"""The picture of profiles and what they unfold to: densities, whatever the bins and the diameters are."""

import numpy as np
import pytest

from membrane.figures.style import save
from membrane.figures.unfolding import Unfolding, unfolding_figure


def test_densities(tmp_path):
    rng = np.random.default_rng(2)
    edges, diameters = np.arange(0.0, 61.0, 2.0), np.arange(20.25, 60, 0.5)
    weights = np.exp(-(((diameters - 45) / 4) ** 2) / 2)
    profiles, truth = rng.integers(0, 9, (2, 30))
    panel = Unfolding("a set", edges, profiles, diameters, weights, weights * rng.uniform(0.8, 1.2, (50, 1)), truth)
    figure = unfolding_figure([panel, panel._replace(title="another")])
    assert [axes.get_title() for axes in figure.axes] == ["a set", "another"]
    axes = figure.axes[0]
    for steps, counts in zip(axes.patches, (profiles, truth)):
        np.testing.assert_allclose(steps.get_data().values, counts / counts.sum() / 2)
    (line,) = axes.lines
    assert line.get_ydata().sum() * 0.5 == pytest.approx(1)
    # A factor that is the same for all diameters changes no density: the band is as thin as the line.
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx(line.get_ydata().max())
    assert [path.suffix for path in save(figure, tmp_path / "unfolded")] == [".png", ".pdf"]
