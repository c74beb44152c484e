"""The documentation builds as a site without one warning, and what is looked for is found in it."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
TEXTS = [*PAGES, ROOT / "README.md"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built with warnings as errors."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(
        build, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def found(site):
    """Address: text of everything that the search of the site looks through."""
    index = json.loads((site / "search/search_index.json").read_text())
    return {entry["location"]: f"{entry['title']} {entry['text']}" for entry in index["docs"]}


def table_of(page, heading):
    """Rows of the first table below a heading, as lists of cells."""
    below = (ROOT / "docs" / page).read_text().split(f"## {heading}\n")[1]
    lines = [line for line in below.split("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize(
    ("words", "places"),
    [
        ("line tension", ["glossary/", "parameters/", "reference/energy/", "reference/bud/"]),
        ("ILV", ["glossary/", "limits/"]),
        ("barrier_kBT", ["archive/", "reference/bud/"]),
        ("neck_radius_nm", ["parameters/", "archive/"]),
        ("Saffman", ["model/"]),
    ],
)
def test_search(found, words, places):
    """The search looks through pages that hold these words: explanations, and docstrings alike."""
    hits = {location.partition("#")[0] for location, text in found.items() if words.lower() in text.lower()}
    assert set(places) <= hits


def test_reference_is_complete(found):
    """Every room of the package has a page, and its public classes and functions with docstrings are on it."""
    package = ROOT / "membrane"
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    assert rooms <= {path.stem for path in (ROOT / "docs/reference").glob("*.md")}
    for location in ("energy/#membrane.energy.lipids.Lipids", "bud/#membrane.bud.landscape.BudAnswer"):
        assert f"reference/{location}" in found


def test_picture_of_the_house():
    """The table of rooms in design.md is that of the walls, room by room and import by import."""
    spec = importlib.util.spec_from_file_location("walls", ROOT / "tests/test_walls.py")
    spec.loader.exec_module(walls := importlib.util.module_from_spec(spec))
    shown = {room.strip("`"): imports for room, _, imports in table_of("design.md", "The rooms")}
    shells = set(walls.COMMANDS) | {"__main__"}
    assert shown == {room: imports or "-" for room, imports in walls.ROOMS.items() if room not in shells}


def test_glossary():
    """A term has one entry, and a name of the code that has one is defined in the file that is named."""
    terms, names = [], {}
    for heading in ("The cell", "The membrane", "From a domain to a vesicle", "What an instrument sees", "A run"):
        terms += [row[0] for row in table_of("glossary.md", heading)]
    assert len(set(terms)) == len(terms)
    names = table_of("glossary.md", "Names in the code")
    assert len(names) > 10
    for name, place, _ in names:
        defined = re.search(
            rf"^(class|def) {name.strip('`')}\b", (ROOT / "membrane" / place.strip("`")).read_text(), re.M
        )
        assert defined, f"{name} is not defined in {place}"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_lines(path):
    """Prose has lines of at most 120 characters."""
    assert not [line for line in path.read_text().splitlines() if len(line) > 120 and not line.startswith("|")]


def test_pictures_of_the_gallery():
    """The page shows pictures that its own commands draw, and they are small."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import gallery
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    page = gallery.PAGE.read_text()
    drawn = {Path(one[one.index("--output") + 1]).name for one in gallery.commands(page) if one[0] == "figure"}
    assert set(gallery.pictures(page)) == drawn
    for name in drawn:
        assert (ROOT / f"docs/gallery/{name}.webp").stat().st_size < 300_000, name
