"""The picture of a comparison shows its numbers, whatever is known of either side."""

import numpy as np
import pytest

from membrane.comparison.compare import compare_sizes
from membrane.figures.compare import MEASURED, PREDICTED, comparison_figure
from membrane.measured import Measured

CASES = {
    # Edges of the bins, number of particles, endosomes, instrument.
    "narrow bins": (np.arange(0.0, 301.0), 400, 5, "nta"),
    "few wide bins": (np.array([20.0, 60.0, 100.0, 140.0]), 400, 3, "cryo_em"),
    "bins of one ratio": (20 * 1.1 ** np.arange(30), 400, 4, "mrps"),
    "no error is known": (np.arange(30.0, 130.0, 2.0), None, 2, "thin_section"),
}


@pytest.mark.parametrize("case", CASES)
def test_comparison_figure(case):
    edges, n, endosomes, instrument = CASES[case]
    rng = np.random.default_rng(1)
    values = np.histogram(rng.normal(90, 15, 400), edges)[0]
    measured = Measured(edges, values, "concentration", n)
    owner = np.arange(60) % endosomes
    found = compare_sizes(rng.normal(75, 8, 60), owner, endosomes, measured, instrument=instrument)
    figure = comparison_figure(found, "a $run$\nof two lines")
    density, cumulative = figure.axes
    figure.canvas.draw()
    # Medians are where they are said to be.
    places = {line.get_color(): line.get_xdata()[0] for line in density.lines}
    assert places == {PREDICTED: found.medians_nm["seen"], MEASURED: found.medians_nm["measured"]}
    # The upright line is as long as the distance is large, and the curves end at 1.
    ours, theirs, between = cumulative.lines
    assert np.ptp(between.get_ydata()) == pytest.approx(found.distances["kolmogorov_smirnov"])
    assert ours.get_ydata()[-1] == pytest.approx(1)
    assert theirs.get_ydata()[-1] == pytest.approx(1)
    # A density encloses the area 1, but for what lies beyond the axis.
    for stairs in density.patches:
        data = stairs.get_data() if hasattr(stairs, "get_data") else None
        if data is not None and not stairs.get_fill():
            assert np.sum(data.values * np.diff(data.edges)) == pytest.approx(1)
    bands = [patch for patch in density.patches if getattr(patch, "get_data", None) and patch.get_fill()]
    assert len(bands) == (0 if n is None else 2)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert any(f"median {found.medians_nm['measured']:.1f} nm" in text for text in legend)
    assert any("fewer than half" in text for text in legend) == (instrument in ("nta", "mrps"))
    assert density.get_xlim() == cumulative.get_xlim()
