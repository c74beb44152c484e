"""Bending in the wall between Lo and Ld, where c0 and kappa cross over: what it saves, and that nothing is left of it
where the membrane is at rest.

A stripe of Lo covers half of a plane of length X. Per length of the stripe, with curvature J:

- held flat (J = 0): int kappa c0^2/2. With one kappa this is less than with a sharp wall, by (kappa/2) c0^2 int p(1-p)
  for each wall. p is the share of Lo: int p(1-p) = (19/30) xi/sqrt2.
- at rest, without tension: J = c0 + M/kappa. The bending moment M is the same everywhere, and the two ends are level,
  so int J = 0. The energy is (int c0)^2/(2 int 1/kappa), and with one kappa the width of the wall has no part in it.
"""

import jax.numpy as jnp
import numpy as np
import pytest

from membrane.energy import Lipids, lo_order
from membrane.lattice.grid import Grid
from membrane.vesicle import Membrane, Relaxation, VesicleState, initial, surface

RIGIDITY, LENGTH, EPS, ROWS = 85.6, 96.0, 4.5, 8
"""kappa of Ld, pN nm; X and eps, nm; points along the stripe."""

pytestmark = pytest.mark.fast_compilation


def energies(curvature: float, ratio: float, width: float, steps: int) -> float:
    """Bending energy per length of the stripe after ``steps`` of the shape, pN."""
    h, levels = EPS / 1.5, 48
    grid = Grid((levels, ROWS, round(LENGTH / h)), (levels * h, ROWS * h, LENGTH), "float64")
    # So small a line tension does not pull at the tilted wall, and so soft a modulus leaves no tension.
    model = Membrane(
        grid,
        interface_width=EPS,
        bending_rigidity=(RIGIDITY, RIGIDITY * ratio),
        spontaneous_curvature=(0.0, curvature),
        lipids=Lipids.from_wall(line_tension=0.05, interface_width=width),
        area_modulus=1e-3,
    )
    z, _, x = initial.centred(grid)
    psi = initial.profile(initial.slab(grid, levels * h / 2), EPS, grid)
    # The stripe lies on the upper plane only.
    phi = initial.profile(np.where(z > 0, LENGTH / 4 - np.abs(x), -1e3) + np.zeros(grid.shape), width, grid)
    state = VesicleState.at_rest(model, psi, phi, model.conserved(psi, phi))
    if steps:
        state, _ = Relaxation(3 * EPS).run(model, state, jnp.asarray(steps))
    terms = model.terms(surface.derivatives(state.psi, grid), state.fields, state.conserved)
    return float(terms.bending) / (ROWS * h)


def ideal(curvature: float, ratio: float, width: float) -> tuple[float, float]:
    """The exact energies, pN, of a plane held flat and of one at rest, from the profile of the wall."""
    x = np.linspace(-LENGTH / 2, LENGTH / 2, 20001)
    share = 0.5 * (1 + np.asarray(lo_order(np.tanh((LENGTH / 4 - np.abs(x)) / (2**0.5 * width)))))
    kappa, c0 = RIGIDITY * (1 + (ratio - 1) * share), curvature * share
    flat = 0.5 * np.trapezoid(kappa * c0**2, x)
    return flat, 0.5 * np.trapezoid(c0, x) ** 2 / np.trapezoid(1 / kappa, x)


CASES = [(0.01, 1.0, 4.5), (-0.02, 1.0, 6.0), (0.01, 1.0, 7.0), (0.01, 4.0, 4.5), (0.015, 0.25, 6.0)]
"""c0 in 1/nm, kappa of Lo over that of Ld, xi in nm."""


@pytest.mark.parametrize(("curvature", "ratio", "width"), CASES)
def test_a_wall_that_is_held_flat_saves_bending(curvature, ratio, width):
    """The energy is that of the integral over the wall, to 1e-3. With one kappa the saving is the closed form."""
    flat, _ = ideal(curvature, ratio, width)
    assert energies(curvature, ratio, width, 0) == pytest.approx(flat, rel=1e-3)
    if ratio == 1:
        each = 0.5 * RIGIDITY * curvature**2 * (19 / 30 * width / 2**0.5)
        assert flat == pytest.approx(0.5 * RIGIDITY * curvature**2 * LENGTH / 2 - 2 * each, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("curvature", "ratio", "width"), CASES)
def test_a_wall_at_rest_saves_nothing(curvature, ratio, width):
    """The membrane follows c0 through the wall. The energy is the exact one to 2 % (slopes reach 0.24, whose square the
    exact value leaves out). With one kappa it is that of a sharp wall; what a flat wall saves is a sixth of it."""
    _, rest = ideal(curvature, ratio, width)
    assert energies(curvature, ratio, width, 1200) == pytest.approx(rest, rel=0.02)
    if ratio == 1:
        assert rest == pytest.approx(0.5 * RIGIDITY * LENGTH * (curvature / 2) ** 2, rel=1e-6)
