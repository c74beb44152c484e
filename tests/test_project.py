"""What a release says of itself: one version everywhere, and files for people that can be read."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from membrane.version import VERSION

ROOT = Path(__file__).parents[1]


def test_one_version():
    """pyproject reads it from membrane.version; the citation repeats it, and the changelog has it or leads to it."""
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dynamic"] == ["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == VERSION
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## \[{re.escape(VERSION)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.M) or (
        f"## [Unreleased]\n\nWhat {VERSION} will be" in changelog
    )


def test_citation():
    """What version 1.2.0 of the format demands, and the licence and the title of the package; no invented DOI."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["cff-version"] == "1.2.0"
    assert citation["message"]
    assert citation["title"].startswith("membrane")
    assert citation["license"] == project["license"] == "MIT"
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in project["authors"]]
    assert citation["keywords"] == project["keywords"]
    assert "doi" not in citation


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.stem)
def test_issue_templates(path):
    """A form has a name, a description and at least one required field; each field has a label."""
    form = yaml.safe_load(path.read_text())
    assert form["name"]
    assert form["description"]
    assert all(field["attributes"]["label"] for field in form["body"])
    assert any(field.get("validations", {}).get("required") for field in form["body"])
    assert len({field["id"] for field in form["body"]}) == len(form["body"])


def test_hooks_are_the_checks_of_make_test():
    """Before a commit the same ruff runs as in ``make test``."""
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    hooks = [hook["entry"].removesuffix(" --force-exclude") for hook in repository["hooks"]]
    rules = (ROOT / "Makefile").read_text().split("\ntest:")[1].split("\n\n")[0]
    assert re.findall(r"\$\(BIN\)/(ruff \w+)", rules) == hooks


def test_make_help_names_every_target():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split()) - {"help", "newest-python"}
    assert set(re.findall(r'@echo "make ([\w-]+)', makefile)) == targets


def test_contributing_names_what_is_there():
    """Every file and folder that it names, and every target of make."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for name in re.findall(r"`((?:membrane|tests|docs|configs|scripts|benchmarks)/[\w/.]*)`", text):
        assert (ROOT / name).exists(), name
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`?make ([\w-]+)", text):
        assert re.search(rf"^{target}:", makefile, re.M), target
    assert max(map(len, text.splitlines())) <= 120
