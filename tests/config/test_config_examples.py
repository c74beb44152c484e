"""The examples in the docstrings of what users of configurations and sweeps call give what they say."""

import doctest
from pathlib import Path

import pytest

from membrane.config import editor, reading, sweep, text
from membrane.sweep import cluster, members


@pytest.mark.parametrize("module", [editor, reading, sweep, text, cluster, members], ids=lambda module: module.__name__)
def test_examples(module, monkeypatch):
    """As in a checkout."""
    monkeypatch.chdir(Path(__file__).parents[2])
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed
