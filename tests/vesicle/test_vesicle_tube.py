"""A tube that is held at its ends: its radius sqrt(kappa/(2 sigma)) and the force 2 pi sqrt(2 kappa sigma) along it."""

import numpy as np
import pytest

from membrane.energy import Lipids
from membrane.lattice.grid import Grid
from membrane.vesicle import Conserved, Membrane, Relaxation, VesicleState, initial, surface

pytestmark = pytest.mark.fast_compilation

RIGIDITY = 85.6


def membrane(grid: Grid, eps: float) -> Membrane:
    """One material. The area modulus is so soft that the area changes by per cents, and the lipids do not hinder
    that."""
    lipids = Lipids.from_wall(line_tension=1e-4, interface_width=eps)
    return Membrane(
        grid,
        interface_width=eps,
        bending_rigidity=(RIGIDITY, RIGIDITY),
        spontaneous_curvature=(0.0, 0.0),
        lipids=lipids,
        area_modulus=1.0,
    )


@pytest.mark.parametrize("start", [28.0, 36.0])
def test_radius_and_force(start):
    """A periodic tube with too little area for its length: r = sqrt(kappa/(2 sigma)), and the force f = 2 pi sqrt(2
    kappa sigma), the derivative of F with respect to the length of the box. sigma is the tension that the tube has
    reached. Both to 1 % at r = 10 eps."""
    eps, spacing = 3.2, 2.5
    grid = Grid((9, 44, 45), (9 * spacing, 44 * spacing, 45 * spacing), "float64")
    model = membrane(grid, eps)
    psi, phi = initial.profile(initial.cylinder(grid, start), eps, grid), -np.ones(grid.shape)
    conserved = model.conserved(psi, phi)
    # The area at rest is that of r = 31 nm, whatever the start.
    conserved = Conserved(conserved.area * 31.0 / start, conserved.content * 31.0 / start, conserved.labels)
    state = VesicleState.at_rest(model, psi, phi, conserved)
    state, _ = Relaxation(3.5 * eps).run(model, state, np.asarray(400))
    near = surface.derivatives(state.psi, grid)
    sigma = float(model.stretch_tension(near, conserved)[0])
    radius = float(np.sqrt(surface.volume(state.psi, grid) / (np.pi * grid.extent[0])))
    assert radius == pytest.approx(np.sqrt(RIGIDITY / (2 * sigma)), rel=0.01)

    def energy(stretch):
        longer = Grid(grid.shape, (grid.extent[0] * stretch, *grid.extent[1:]), "float64")
        terms = membrane(longer, eps).terms(surface.derivatives(state.psi, longer), state.fields, conserved)
        return float(terms.bending + terms.stretch)

    force = (energy(1.001) - energy(0.999)) / (0.002 * grid.extent[0])
    assert force == pytest.approx(2 * np.pi * np.sqrt(2 * RIGIDITY * sigma), rel=0.01)
