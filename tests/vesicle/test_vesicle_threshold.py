"""A flat domain becomes unstable at the exact line tension, extrapolated in the interface width.

F is taken for a membrane that is bent along the exact mode, at constant area of Lo. The line tension is a factor of
the energy of the rim. At the threshold the energy that the rim loses equals the bending energy gained plus the tension
times the area taken up. Their ratio is therefore the line tension at which the second variation of F changes its sign.

The exact condition is that of the linearised Helfrich energy, in which line tension acts as the negative tension
-lambda/L within the domain (:func:`exact`). l = lambda L/kappa, and the tension is s = sigma L^2/kappa. In units of
lambda^2/kappa the tension is sigma kappa/lambda^2 = s/l^2.
"""

import numpy as np
import pytest
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import brentq, minimize_scalar
from scipy.spatial import cKDTree
from scipy.special import i0e, i1e, j0, j1, k0e, k1e

from membrane.energy import Lipids
from membrane.lattice.grid import Grid
from membrane.vesicle import Conserved, Membrane, initial, surface

RIGIDITY, DOMAIN, REACH = 85.6, 45.0, 2.5
"""kappa, L, and where the host's slope ends, in L."""

FINER = 2.4
"""Points an eps."""

MILD, HIGHEST = 0.5078, 6.392
"""s of sigma kappa/lambda^2 = 0.01 at the threshold, and of the highest tension at which there is one."""


def host(tension: float):
    """(slope of the host at r L over that at the rim, cost T of bending it).

    The slope is A/r + B r, or under tension A K1(y r) + B I1(y r) with y^2 = s, and it is zero at REACH. T is minus the
    Laplacian of the height at the rim."""
    if tension == 0:
        return lambda r: (1 / r - r / REACH**2) / (1 - 1 / REACH**2), 2 / (REACH**2 - 1)
    y = np.sqrt(tension)
    # Scaled by exp(-y (r - 1)). The part that grows outwards comes from the end of the host.
    back = lambda r: k1e(y * REACH) / i1e(y * REACH) * np.exp(2 * y * (r - REACH))
    slope = lambda r: (k1e(y * r) - back(r) * i1e(y * r)) * np.exp(y * (1 - r))
    return lambda r: slope(r) / slope(1), y * (k0e(y) + back(1) * i0e(y)) / slope(1)


def exact(contrast: float, tension: float = 0.0) -> float:
    """Critical l = lambda L/kappa, from q J0(q)/J1(q) + g + T = 0, q^2 = l - s; g is ``contrast``, s ``tension``."""
    mode = lambda q: q * j0(q) / j1(q) + contrast + host(tension)[1]
    return brentq(mode, 0.5, 3.8) ** 2 + tension


def bent(grid: Grid, slope: float, contrast: float, tension: float):
    """Signed distances of two facing membranes, and along the upper one from the rim of a domain of area pi L^2. The
    upper membrane has the exact mode, with ``slope`` at the rim."""
    q, r = np.sqrt(exact(contrast, tension) - tension), np.linspace(0, REACH, 20001)
    tangent = slope * np.where(r < 1, j1(q * r) / j1(q), host(tension)[0](np.maximum(r, 0.5)))
    height = cumulative_trapezoid(tangent, r, initial=0)
    height = DOMAIN * (height[-1] - height)
    pace = np.sqrt(1 + tangent**2)
    length, covered = (cumulative_trapezoid(f, r, initial=0) for f in (pace, 2 * r * pace))
    rim = np.interp(1.0, covered, length)
    z, y, x = initial.centred(grid)
    level, radius = grid.extent[0] / 4, np.hypot(y, x) + 0 * z
    # The nearest point of the meridian: of its polygon's corners, then along the tangent.
    line = np.stack([DOMAIN * r, level - height], 1)
    upper = np.broadcast_to(z, radius.shape) > 0
    points = np.stack([radius, np.broadcast_to(z, radius.shape)], -1)[upper]
    at = cKDTree(line).query(points)[1]
    gap = points - line[at]
    # The tangent is (1, t)/sqrt(1 + t^2): around a bud into the lumen the membrane rises outwards.
    off = np.where(radius[upper] < DOMAIN * REACH, (gap[:, 1] - tangent[at] * gap[:, 0]) / pace[at], gap[:, 1])
    along = DOMAIN * (rim - length[at]) - (gap[:, 0] + tangent[at] * gap[:, 1]) / pace[at]
    distance, order = level + z + 0 * radius, np.full(radius.shape, -1e3)
    distance[upper], order[upper] = -off, along
    return distance, order


def threshold(eps: float, contrast: float, tension: float = 0.0, slope: float = 0.15) -> float:
    """lambda L/kappa at which bending the membrane by ``slope`` costs nothing."""
    side = 2.04 * REACH * DOMAIN
    # Second-order slopes of phi err by their direction, so tilting costs: at 1.6 points an eps 2 % more than at 2.4.
    points, levels = 2 * round(side * FINER / 2 / eps), 2 * round(20 * FINER)
    grid = Grid((levels, points, points), (levels * eps / FINER, side, side), "float64")
    lipids = Lipids.from_wall(line_tension=1.0, interface_width=eps)
    gaussian = (0.0, contrast * RIGIDITY) if contrast < 0 else (-contrast * RIGIDITY, 0.0)
    model = Membrane(
        grid,
        interface_width=eps,
        bending_rigidity=(RIGIDITY, RIGIDITY),
        spontaneous_curvature=(0.0, 0.0),
        lipids=lipids,
        area_modulus=240.0,
        gaussian_rigidity=gaussian,
    )
    found, lo = [], None
    for amount in (0.0, slope):
        psi, phi = (initial.profile(d, eps, grid) for d in bent(grid, amount, contrast, tension))
        near = surface.derivatives(psi, grid)
        conserved = model.conserved(psi, phi)
        # The membrane that bending asks for comes from a reservoir of Ld: the area of Lo, (area + content)/2, is kept.
        lo = lo or 0.5 * float(conserved.area[0] + conserved.lo[0])
        conserved = Conserved(conserved.area, 2 * lo - conserved.area[None], conserved.labels)
        terms = model.terms(near, model.corrected(near, phi, conserved), conserved)
        taken_up = tension * RIGIDITY / DOMAIN**2 * float(conserved.area[0])
        found.append((float(terms.bending) + taken_up, float(terms.lipids)))
    (flat, rim), (curved, shorter) = found
    return (curved - flat) / (rim - shorter) * DOMAIN / RIGIDITY


@pytest.mark.slow
@pytest.mark.parametrize(("contrast", "tension"), [(0.0, 0.0), (-0.72, 0.0), (0.5, 0.0), (0.0, MILD), (0.0, HIGHEST)])
def test_threshold_of_the_flat_domain(contrast, tension):
    """lambda L/kappa is exact to 1 % from the parabola through three eps. At each eps it is too high, and less so at
    a smaller one."""
    widths, critical = np.array([6.0, 4.5, 3.5]), exact(contrast, tension)
    found = np.array([threshold(eps, contrast, tension) for eps in widths])
    assert np.polyfit(widths, found, 2)[-1] == pytest.approx(critical, rel=0.01)
    assert critical < found[2] < found[1] < found[0]


def test_reference_is_that_of_an_infinite_host(monkeypatch):
    """When the end of the host goes to infinity, thresholds are those of an infinite host, such as j01^2 = 5.7832.

    Its condition is x J0(x)/J1(x) = -[g + y K0(y)/K1(y)] with x^2 = l - s and y^2 = s. The numbers below solve it. They
    agree to 4e-4 with eigenvalues of the radial problem in finite elements. Above sigma = 0.02755 lambda^2/kappa no
    domain of any size is unstable."""
    monkeypatch.setitem(globals(), "REACH", 1e5)
    for contrast, critical in ((0.0, 5.78319), (-0.72, 4.14654), (0.5, 6.70204)):
        assert exact(contrast) == pytest.approx(critical, rel=1e-5)
    sigma = lambda s: s / exact(0.0, s) ** 2
    for given, critical in ((0.001, 5.95077), (0.005, 6.46443), (0.01, 7.12621), (0.02, 9.04513)):
        assert exact(0.0, brentq(lambda s, given=given: sigma(s) - given, 0.0, 4.0)) == pytest.approx(
            critical, rel=1e-5
        )
    assert sigma(MILD) == pytest.approx(0.01, rel=1e-4)
    highest = minimize_scalar(lambda s: -sigma(s), (1.0, 5.0, 20.0))
    assert -highest.fun == pytest.approx(0.02755, rel=2e-4)
    assert highest.x == pytest.approx(HIGHEST, rel=1e-3)
