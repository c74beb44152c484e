"""What the tutorials tell a reader to write works, as it stands on the page."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import yaml

from membrane.energy import Mixture
from membrane.sheet.plane import Sheet

PAGES = Path(__file__).parents[2] / "docs/tutorials"


def blocks(page, language):
    """The blocks of code of a page."""
    return re.findall(rf"```{language}\n(.*?)```", (PAGES / page).read_text(), re.S)


@pytest.mark.parametrize(
    ("page", "module"),
    [("bud_law.md", "membrane.bud.neck_rule"), ("species.md", "membrane.energy.lysolipid")],
)
def test_module_and_its_test(page, module, tmp_path, monkeypatch):
    """The first block of the page is a module, the second one its tests: they pass."""
    found = {}
    for name, text in zip((module, "the_test"), blocks(page, "python"), strict=False):
        (path := tmp_path / f"{name}.py").write_text(text)
        spec = importlib.util.spec_from_file_location(name, path)
        monkeypatch.setitem(sys.modules, name, found := importlib.util.module_from_spec(spec))
        spec.loader.exec_module(found)
    tests = [value for name, value in vars(found).items() if name.startswith("test_")]
    assert tests
    for test in tests:
        test()


def test_places_of_a_species():
    """The places that the tutorial names are there."""
    assert {"species", "part", "density"} <= set(vars(Mixture))
    assert hasattr(Sheet, "_stabilisation")
    for path in re.findall(r"`((?:membrane|tests|scripts)/[\w/]+\.py)`", (PAGES / "species.md").read_text()):
        assert "lysolipid" in path or (PAGES.parents[1] / path).is_file(), path


def test_sweep():
    """The sweep on the page is that of the gallery."""
    (text,) = blocks("sweep.md", "yaml")
    of_gallery = yaml.safe_load((PAGES.parent / "gallery/tension_small.yaml").read_text())
    assert yaml.safe_load(text) | {"base": of_gallery["base"]} == of_gallery
