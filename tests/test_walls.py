"""The walls of the house: which room may import which, and which file within a room, read from the source."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from membrane.commands.entry import COMMANDS
from membrane.version import VERSION, version

ROOT = Path(__file__).parents[1] / "membrane"

ROOMS = {
    # Ground: nothing of ours.
    "units": "",
    "version": "",
    "paths": "",
    "replica": "",
    # Libraries that only some functions need.
    "extras": "",
    "lattice": "",
    "energy": "",
    "endosome": "",
    "outcome": "extras",
    # outcome: the density of a shell around a lumen, and its thickness.
    "instruments": "outcome",
    "config": "",
    # What laboratories measure, and that beside what an instrument sees: no runs are known here.
    "measured": "extras outcome",
    "comparison": "instruments measured outcome",
    # units: a prediction is told in the units of the configuration.
    "bud": "units",
    # outcome: the columns of an event. paths: what is not of this package is never replaced.
    "archive": "outcome paths version",
    # The two geometries do not know each other. What a domain does is asked of bud, what is left to spend of endosome.
    "vesicle": "energy lattice outcome replica units",
    "sheet": "bud endosome energy lattice outcome replica units",
    # A sphere with a list of domains: no fields, no grid.
    "kinetics": "bud endosome energy outcome replica units",
    # Figures read archives. They find vesicles in frames by themselves, with the rules of the run.
    "figures": "archive comparison lattice outcome paths units vesicle",
    # The one border between a configuration and physics.
    "builder": "bud config endosome energy kinetics lattice outcome replica sheet units vesicle",
    "program": "archive builder config figures outcome paths replica",
    # Members are processes of their own: a sweep knows configurations and folders, no physics.
    "sweep": "archive config paths program",
    "commands": "archive bud builder comparison config figures measured outcome paths program sweep version",
    # What a notebook sees: it runs by the engine of the commands, and draws.
    "notebook": "archive bud builder comparison config extras figures measured outcome paths program",
    # What ``python -m membrane`` and ``python -m membrane.NAME`` start.
    "__main__": "commands",
    "run": "commands",
    "predict": "commands",
    "compare": "commands",
    "ensemble": "commands",
    "collect": "commands",
}
"""Room (or file beside the rooms), the lower before the higher, and all the rooms that it imports."""

WITHIN = {
    "lattice": {
        "grid": "",
        "slabs": "",
        # A transform of a box on several devices is an exchange between them.
        "fft": "slabs",
        "spectral": "fft",
    },
    "instruments": {
        "kernel": "",
        "thickness": "",
        "scattering": "",
        "thin_section": "kernel",
        "cryo_em": "kernel",
        "negative_stain": "kernel",
        "nta": "kernel scattering",
        "resistive_pulse": "kernel",
        "dls": "kernel scattering",
        "isopycnic": "kernel",
        "registry": "cryo_em dls isopycnic negative_stain nta resistive_pulse thin_section",
        "unfolding": "",
        "cap_angle": "thin_section",
    },
    "sheet": {
        "state": "",
        "hydrodynamics": "",
        "domains": "",
        "noise": "",
        "agitation": "hydrodynamics noise",
        "plane": "agitation hydrodynamics noise state",
        "stepper": "plane state",
        "simulate": "plane state stepper",
        "fate": "",
        "exchange": "",
        "budding": "domains exchange fate plane state",
        "series": "budding domains plane state",
        "replica": "budding plane series simulate stepper",
    },
    # checkpoint, rows and replica take more through the package itself.
    "vesicle": {
        "surface": "",
        "initial": "",
        "topology": "",
        "necks": "topology",
        "reserve": "",
        "patches": "",
        "conserved": "patches reserve",
        "correction": "",
        "energy": "conserved correction reserve surface",
        "composition": "conserved energy surface",
        "division": "conserved energy patches surface topology",
        "shape": "composition conserved energy surface",
        "mobility": "energy shape surface",
        "fission": "conserved energy shape surface topology",
        "evolve": "composition division energy fission shape surface",
        "checkpoint": "necks",
        "rows": "energy necks surface topology",
        "replica": "checkpoint evolve necks rows shape topology",
    },
    "measured": {
        "grid": "",
        "histogram": "grid",
        "nanosight": "grid histogram",
        "zetaview": "grid histogram",
        "columns": "grid histogram",
        "reading": "columns grid histogram nanosight zetaview",
    },
    "comparison": {
        "seen": "",
        "compare": "seen",
        "words": "compare seen",
    },
}
"""Within these rooms: file, the lower before the higher, and the files of the room that it imports."""

SHELLS = ("__main__", "run", "predict", "compare", "ensemble", "collect")


def dotted_name(path):
    """lattice.fft of membrane/lattice/fft.py, lattice of its __init__, and nothing of that of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {dotted_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports(path):
    """Absolute dotted names of everything that a file imports, anywhere in it, names after `from` included."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}; write membrane.x"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def ours(name):
    """The files of ours that the file ``name`` imports, by their dotted names."""
    found = set()
    for imported in imports(FILES[name]):
        first, *parts = imported.split(".")
        if first == "membrane":
            while parts and ".".join(parts) not in FILES:
                parts.pop()
            found.add(".".join(parts))
    return found - {name, ""}


def room(name):
    """The room of a file."""
    return name.split(".")[0]


def files_of(name):
    """The files of a room."""
    return [file for file in FILES if room(file) == name]


def rooms_of(name):
    """The rooms that a room imports."""
    return {room(other) for file in files_of(name) for other in ours(file)} - {name}


def libraries(*names):
    """The packages of others that files import."""
    return {imported.split(".")[0] for name in names for imported in imports(FILES[name])} - {"membrane"}


def dotted(path):
    """Every dotted expression in a file, such as jnp.fft.rfft2."""
    return {ast.unparse(node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}


def test_every_room_has_its_line():
    """The table names every room, and nothing else."""
    assert set(ROOMS) == {room(name) for name in FILES if name}


@pytest.mark.parametrize("name", ROOMS)
def test_rooms(name):
    """A room imports what the table grants it, all of that, and nothing that stands above it."""
    assert rooms_of(name) == set(ROOMS[name].split())
    below = list(ROOMS)[: list(ROOMS).index(name)]
    assert rooms_of(name) <= set(below), "the table goes from the lower to the higher"


@pytest.mark.parametrize("name", WITHIN)
def test_within_rooms(name):
    """The same within a room."""
    table = WITHIN[name]
    files = {file.partition(".")[2]: ours(file) for file in files_of(name) if file != name}
    assert set(table) == set(files)
    for place, (file, granted) in enumerate(table.items()):
        found = {other.partition(".")[2] for other in files[file] if room(other) == name} - {""}
        assert found == set(granted.split()), file
        assert found <= set(list(table)[:place]), file


def test_no_circles():
    """All files can be put in one order in which each imports only those before it.

    A file of a package that is imported by way of the package is reached through its __init__, which may name files
    that import their neighbours: only what a file names itself counts.
    """
    graph = {name: {other for other in ours(name) if not name.startswith(f"{other}.")} for name in FILES if name}
    while graph:
        free = {name for name, needs in graph.items() if not needs & set(graph)}
        assert free, f"a circle among {sorted(graph)}"
        graph = {name: needs for name, needs in graph.items() if name not in free}


def test_commands_are_shells():
    """What ``python -m membrane.NAME`` starts holds no more than the call of the command."""
    for name in SHELLS:
        assert ours(name) == {"commands.entry"}, name
    assert set(COMMANDS) < {file.partition(".")[2] for file in files_of("commands")}


def test_transforms_in_one_file():
    """Only lattice.fft calls the transforms of jax, and only lattice.slabs (with the exchange in fft) and program.batch
    know devices, of one endosome and of many; numpy's frequencies are no transform."""
    users = set()
    for name, path in FILES.items():
        named = dotted(path) | imports(path)
        if any(n.startswith(("jnp.fft", "jax.numpy.fft", "jax.scipy.fft", "jax.lax.fft", "lax.fft")) for n in named):
            users.add(name)
        transforms = [n for n in named if n.startswith(("np.fft.", "numpy.fft.", "scipy.fft"))]
        assert all(n.endswith("freq") for n in transforms), f"{path} transforms by itself: {transforms}"
        devices = ("jax.sharding", "jax.shard_map", "jax.devices", "jax.local_devices", "jax.device_put")
        devices += ("jax.lax.with_sharding_constraint", "jax.lax.all_to_all", "jax.lax.ppermute")
        knows = any(n.startswith(devices) for n in named)
        assert not knows or name in ("lattice.slabs", "lattice.fft", "program.batch"), f"{path} knows devices"
    assert users == {"lattice.fft"}


def test_one_home_for_each_library():
    """HDF5 in archive, pydantic in config, matplotlib in figures.canvas, so that nothing of the user's setup
    decides what a figure looks like; scripts take it from there."""
    home = lambda *wanted: {name for name in FILES if set(wanted) & libraries(name)}
    assert {room(name) for name in home("h5py")} == {"archive"}
    assert {room(name) for name in home("pydantic")} == {"config"}
    assert home("matplotlib", "mpl_toolkits", "pylab") == {"figures.canvas"}
    for script in sorted((ROOT.parent / "scripts").glob("*.py")):
        assert not {name.split(".")[0] for name in imports(script)} & {"matplotlib", "mpl_toolkits"}, script.name


def reached_at_once(start):
    """The files that are imported when ``start`` is, those within functions left out, packages on the way included."""

    def at_once(name):
        tree = ast.parse(FILES[name].read_text())
        for function in [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]:
            function.body = [ast.Pass()]
        found = set()
        for node in [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module]:
            for alias in node.names:
                parts = f"{node.module}.{alias.name}".split(".")[1:]
                found |= {".".join(parts[:n]) for n in range(1, len(parts) + 1)} & set(FILES)
        return found

    reached, ahead = set(), {start}
    while ahead:
        name = ahead.pop()
        reached.add(name)
        ahead |= at_once(name) - reached
    return reached


@pytest.mark.parametrize("start", ["commands.entry", *(f"commands.{name}" for name in COMMANDS), "sweep.cluster"])
def test_commands_start_at_once(start):
    """What a command imports when it starts reaches neither jax, which takes seconds, nor matplotlib, whose broken
    setup must stop no run."""
    found = libraries(*reached_at_once(start))
    assert not found & {"jax", "equinox", "jaxlib", "matplotlib"}


def test_border_of_the_configuration():
    """Only builder turns a configuration into physics: config knows no jax and no numpy, and no room of physics knows
    config."""
    assert libraries(*files_of("config")) - sys.stdlib_module_names == {"yaml", "pydantic"}
    assert {name for name in ROOMS if "config" in rooms_of(name)} == {
        "builder",
        "program",
        "sweep",
        "commands",
        "notebook",
    }


def test_mechanics_without_jax():
    """The bud law, budgets, what is made of events, and archives need numpy and scipy only."""
    files = ["bud.landscape", "bud.cap", "bud.situation", "bud.words", "paths", "units"]
    for name in files + [file for room in ("endosome", "outcome", "archive") for file in files_of(room)]:
        assert not libraries(name) & {"jax", "equinox", "jaxlib"}, name


def test_sweeps_without_jax():
    """Listing, submitting and collecting ten thousand members must not wait for jax."""
    names, seen = ["commands.ensemble", "commands.collect"], set()
    while names:
        seen.add(name := names.pop())
        assert not libraries(name) & {"jax", "equinox", "jaxlib"}, name
        names += sorted(ours(name) - seen)


def test_energies_are_pure():
    """energy imports jax and equinox, no numpy arrays, no transforms, no grid; the wall is measured on the host."""
    pure = [name for name in files_of("energy") if name != "energy.wall"]
    assert libraries(*pure) - sys.stdlib_module_names <= {"jax", "equinox", "jaxtyping"}


def test_no_stranger_is_installed():
    """Nothing tells a user to install ``membrane`` from PyPI, where that name is another project's; the version of the
    distribution is that of the package, wherever a stranger's lies beside it."""
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())
    assert project["project"]["name"] != "membrane"
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "membrane.version.VERSION"}
    assert version("membrane") == VERSION
    assert version("numpy") == np.__version__
    told = [*ROOT.rglob("*.py"), *ROOT.parent.glob("docs/*.md"), *ROOT.parent.glob("*.md"), ROOT.parent / "Makefile"]
    installs = re.compile(r"pip3? install [^`\n]*\bmembrane(?![-\w])")
    found = {p.name: installs.findall(p.read_text()) for p in told}
    # README says why not to.
    assert {name: len(lines) for name, lines in found.items() if lines} == {"README.md": 1}
    assert "installs a stranger's" in (ROOT.parent / "README.md").read_text()
