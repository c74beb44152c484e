"""The mixture: its species in their order, its mobilities in closed form, and its wall where that is known exactly."""

import doctest
from pathlib import Path

import numpy as np
import pytest

from membrane import builder
from membrane.energy import Cargo, Ceramide, Lipids, Mixture, Oligomers, lipids, mixture, wall
from membrane.energy.mixture import diffusion_at
from membrane.energy.wall import measure_wall

KT, PATCH, SITE, N = 4.2821, 10.0, 12.0, 6
LIPIDS = Lipids.from_wall(line_tension=0.8, interface_width=5.0)
CERAMIDE = Ceramide(thermal_energy=KT, patch_area=PATCH, affinity=0.5)
MONOMERS, OLIGOMERS = (
    Cargo(thermal_energy=KT, site_area=SITE, affinity=0.7),
    Cargo(
        thermal_energy=KT,
        site_area=SITE,
        affinity=0.7,
        oligomers=Oligomers(size=N, bond_energy=4.5, affinity=1.6, dissociation_rate=40.0),
    ),
)
CYT, LUM, MONOMER, OLIGOMER = "ceramide_cytosolic", "ceramide_luminal", "cargo_monomer", "cargo_oligomer"
DIFFUSION = (1e6, 3e5)


@pytest.mark.parametrize(
    ("mixture", "species"),
    [
        (Mixture(LIPIDS), ("phi",)),
        (Mixture(LIPIDS, CERAMIDE), ("phi", CYT, LUM)),
        (Mixture(LIPIDS, None, MONOMERS), ("phi", MONOMER)),
        (Mixture(LIPIDS, CERAMIDE, OLIGOMERS), ("phi", CYT, LUM, MONOMER, OLIGOMER)),
    ],
)
def test_species(mixture, species):
    """phi, then ceramide, then cargo; fields of another number are refused."""
    assert mixture.species == species
    assert mixture.has_oligomers == (OLIGOMER in species)
    assert mixture.named(range(len(species))) == {name: i for i, name in enumerate(species)}
    with pytest.raises(ValueError, match="zip"):
        mixture.named(range(len(species) + 1))


@pytest.mark.parametrize("phi", [-1.3, -1.0, -0.4, 0.0, 0.9, 1.0, 1.3])
def test_mobilities(phi):
    """M = D/(2b), D c (1-c) a_c/kT, D u1 u0 a_1/kT and n D un u0 a_1/kT, with D between that of Ld and that of Lo."""
    order = np.clip(phi, -1, 1)
    diffusion = 1e6 - 7e5 * (1 + 0.5 * order * (3 - order**2)) / 2
    assert float(diffusion_at(phi, DIFFUSION)) == pytest.approx(diffusion, rel=1e-12)
    named = {"phi": phi, CYT: 0.2, LUM: 0.05, MONOMER: 0.06, OLIGOMER: 0.04}
    expected = {
        "phi": diffusion / (2 * LIPIDS.well),
        CYT: diffusion * 0.2 * 0.8 * PATCH / KT,
        LUM: diffusion * 0.05 * 0.95 * PATCH / KT,
        MONOMER: diffusion * 0.06 * 0.9 * SITE / KT,
        OLIGOMER: N * diffusion * 0.04 * 0.9 * SITE / KT,
    }
    mixture = Mixture(LIPIDS, CERAMIDE, OLIGOMERS)
    found = {name: float(mixture.mobility(name, named, DIFFUSION)) for name in mixture.species}
    assert found == pytest.approx(expected, rel=1e-12)


def test_wall_of_lipids_alone():
    """Its line tension is (2 sqrt2/3) sqrt(K b) to 0.1 %, and its phases lie at +-1."""
    found = measure_wall(Mixture(LIPIDS), {"phi": -0.3})
    assert found.line_tension == pytest.approx(LIPIDS.line_tension, rel=1e-3)
    assert (found.phi_ld, found.phi_lo) == pytest.approx((-1, 1), abs=5e-3)
    assert (found.ld, found.lo) == ({}, {})


@pytest.mark.parametrize("module", [builder, lipids, mixture, wall], ids=lambda module: module.__name__)
def test_examples(module, monkeypatch):
    """The examples of the docstrings give what they say."""
    monkeypatch.chdir(Path(__file__).parents[2])
    failed, tried = doctest.testmod(module)
    assert (failed, tried > 0) == (0, True)
