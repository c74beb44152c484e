"""Particle tracking: exact moments of finite tracks, and measured bead standards."""

from pathlib import Path

import numpy as np
import pytest

from membrane.instruments.registry import INSTRUMENTS

pytestmark = pytest.mark.fast_compilation

nta_tracks, nta = INSTRUMENTS["nta_tracks"].matrix, INSTRUMENTS["nta"].matrix

DATA = Path(__file__).parent / "data"
ALL_SEEN = {"limit_nm": 0.0}


@pytest.mark.parametrize(
    ("steps", "mean", "cv"), [(5, 1.25, 0.58), (10, 1.11, 0.35), (20, 1.05, 0.24), (100, 1.01, 0.10)]
)
@pytest.mark.parametrize("diameter", [60.0, 130.0])
def test_moments_of_finite_tracks(steps, mean, cv, diameter):
    """The mean is d n/(n - 1) and the standard deviation 1/sqrt(n - 2) of it: moments of an inverse gamma variable."""
    edges = diameter * np.concatenate([np.linspace(0.02, 10, 20_000), np.geomspace(10.01, 1e4, 5_001)])
    share = np.asarray(nta_tracks(edges, np.array([diameter]), steps=steps, **ALL_SEEN))[:, 0]
    middle = (edges[1:] + edges[:-1]) / 2 / diameter
    first, second = share @ middle, share @ middle**2
    spread = np.sqrt(second - first**2) / first
    assert share.sum() == pytest.approx(1, abs=1e-9)
    assert first == pytest.approx(steps / (steps - 1), rel=1e-5)
    assert spread == pytest.approx(1 / np.sqrt(steps - 2), rel=2e-3)
    assert (first, spread) == pytest.approx((mean, cv), abs=5e-3)


@pytest.mark.parametrize("cv", [0.05, 0.12, 0.4])
def test_point_spread_keeps_the_mean(cv):
    """Mean d and coefficient of variation ``cv``, exactly."""
    edges = np.geomspace(1.0, 3000.0, 25_001)
    share = np.asarray(nta(edges, np.array([90.0]), spread_cv=cv, **ALL_SEEN))[:, 0]
    middle = (edges[1:] + edges[:-1]) / 2
    first = share @ middle
    assert first == pytest.approx(90, rel=1e-6)
    assert np.sqrt(share @ (middle - first) ** 2) / first == pytest.approx(cv, rel=1e-4)


def beads(name):
    """Bin centres and the distributions of single videos, from files whose first line states their origin."""
    with (DATA / name).open() as file:
        assert "MIT" in next(file)
        names = next(file).strip().split(",")
        table = np.array(
            [[float(x or 0) for x in line.strip().split(",")[: len(names)]] for line in file if line.strip()]
        )
    videos = [column for column, title in enumerate(names) if title.startswith(("std_", "stdv"))]
    return table[:, 0], table[:, videos].T


@pytest.mark.parametrize(("name", "videos"), [("nta_beads.csv", 12), ("nta_beads2.csv", 5)])
def test_point_spread_of_beads(name, videos):
    """The main peak of beads of 100 nm has a CV of 0.09 to 0.15 in each video, and of 0.10 to 0.13 in their sum, which
    the default of 0.12 stands for. Outside of the peak, 60 to 150 nm, lie clusters and strays."""
    centre, distributions = beads(name)
    assert len(distributions) == videos
    peak = (centre > 60) & (centre < 150)
    moments = lambda share: (share @ centre[peak] / share.sum(), share)
    for share in [*distributions[:, peak], distributions[:, peak].sum(axis=0)]:
        mean, _ = moments(share)
        cv = np.sqrt(share @ (centre[peak] - mean) ** 2 / share.sum()) / mean
        assert mean == pytest.approx(100, abs=5)
        assert 0.085 < cv < 0.15
    assert cv == pytest.approx(0.115, abs=0.015)


@pytest.mark.parametrize("name", ["nta_beads.csv", "nta_beads2.csv"])
def test_beads_are_seen_as_the_kernel_says(name):
    """The kernel of one diameter lies as near to the measured distribution as its videos lie to each other."""
    centre, distributions = beads(name)
    edges = np.append(centre - 0.5, centre[-1] + 0.5)
    cumulative = np.cumsum(distributions, axis=1) / distributions.sum(axis=1, keepdims=True)
    mean_of_all = distributions.sum(axis=0) / distributions.sum()
    peak = (centre > 60) & (centre < 150)
    bead = mean_of_all[peak] @ centre[peak] / mean_of_all[peak].sum()
    kernel = np.asarray(nta(edges, np.array([bead]), **ALL_SEEN))[:, 0]
    away = lambda one, other: np.abs(one - other).max()
    between_videos = max(away(one, other) for one in cumulative for other in cumulative)
    assert away(np.cumsum(kernel), np.cumsum(mean_of_all)) < between_videos
    # A spread that is three times as large, or a mean that is off by a fifth, is farther away than any video.
    for wrong in ({"spread_cv": 0.5}, {"layer_nm": 10.0}):
        other = np.asarray(nta(edges, np.array([bead]), **{**ALL_SEEN, **wrong}))[:, 0]
        assert away(np.cumsum(other), np.cumsum(mean_of_all)) > between_videos
