"""The examples in the docstrings of the bud law and of the budget give what they say."""

import doctest

import pytest

from membrane.bud import cap, landscape, situation, words
from membrane.endosome import tension


@pytest.mark.parametrize("module", [cap, landscape, situation, words, tension], ids=lambda module: module.__name__)
def test_examples(module):
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed
