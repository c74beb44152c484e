"""The examples in the docstrings of what readers of archives call give what they say."""

import doctest

import pytest
from archives import begin, finish

from membrane import paths
from membrane.archive import collected, record


@pytest.mark.parametrize("module", [record, collected, paths], ids=lambda module: module.__name__)
def test_examples(module, tmp_path, monkeypatch):
    """In a folder with the archive of a run."""
    monkeypatch.chdir(tmp_path)
    finish(begin(tmp_path / "runs" / "ceramide.h5"))
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed
