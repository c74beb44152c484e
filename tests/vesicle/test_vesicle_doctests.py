"""The examples in the docstrings of the grids and of the vesicle give what they say."""

import doctest
from importlib import import_module

import pytest

MODULES = ["lattice.grid", *(f"vesicle.{file}" for file in ("composition", "energy", "evolve", "initial", "topology"))]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    failed, tried = doctest.testmod(import_module(f"membrane.{name}"))
    assert tried > 0
    assert failed == 0
