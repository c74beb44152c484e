"""Content of vesicles over that of their host, and how it varies."""

import numpy as np
import pytest

from membrane.outcome.content import enrichment, fano_factor


def test_enrichment_is_over_the_last_row_before():
    """Each vesicle over its own endosome: at the last row that does not hold its own loss yet."""
    times, host = [0.0, 1.0, 2.0], np.array([[0.10, 0.20], [0.05, 0.40], [0.01, 0.0]])
    found = enrichment([0.3, 0.3, 0.3, 0.3, 0.3], [0.0, 0.7, 1.0, 1.5, 9.0], [0, 1, 0, 1, 1], times, host)
    np.testing.assert_allclose(found, [3.0, 1.5, 3.0, 0.75, np.nan])


@pytest.mark.parametrize("mean", [4.0, 90.0])
def test_fano_factor_of_independent_molecules_is_one(mean):
    """Poisson copies have 1, a fixed number 0, and copies of a spread area A the mean times the CV^2 of A more."""
    rng = np.random.default_rng(1)
    copies = rng.poisson(mean, 100_000)
    assert fano_factor(copies) == pytest.approx(1, abs=0.02)
    assert fano_factor(np.append(np.full(9, mean), np.nan)) == 0
    area = rng.normal(1, 0.1, 100_000)
    assert fano_factor(rng.poisson(mean * area)) == pytest.approx(1 + 0.01 * mean, rel=0.03)


@pytest.mark.parametrize("copies", [[], [5.0], [np.nan, 5.0], [0.0, 0.0], [np.nan, np.nan]])
def test_fano_factor_that_is_not_known(copies):
    assert np.isnan(fano_factor(copies))
