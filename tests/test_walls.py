"""The walls of the house: which file may import which, read from the source (design.md section 7)."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from membrane.version import VERSION, version

ROOT = Path(__file__).parents[1] / "membrane"

WALLS = {
    # Ground: nothing of ours. `model` is abstract and stands on no grid; `mixing` is the ground of `energy`.
    "units": "",
    "version": "",
    "grid": "",
    "config": "",
    "slabs": "",
    "model": "",
    "hydrodynamics": "",
    "endosome": "",
    # What a number read off a few endosomes is worth: arrays only, for sizes, sweeps and sensitivities alike.
    "intervals": "",
    "sizes": "intervals",
    # slabs: a transform of a box on several devices is an exchange between them, and so are the neighbours of a point.
    "fft": "slabs",
    "landscape": "",
    "cap": "landscape",
    "bud": "",
    # bud: paths; landscape: what every law answers with.
    "budlaw": "bud landscape",
    "energy": "units",
    "spectral": "fft grid",
    # Design.md has sheet, spectral and energy only: noise, thermal agitation and flow are parts of the Sheet's physics
    # that were given files of their own, below it and above the grid.
    "noise": "fft grid",
    "agitation": "fft grid hydrodynamics noise spectral",
    # fft: fields are transformed where the scheme needs them, by the one file that knows how.
    "sheet": "agitation energy fft grid hydrodynamics model noise spectral",
    # fft, grid: as for the Sheet. It has no AbstractModel yet: its shape moves in pseudo-time, by descent.
    "vesicle": "energy fft grid slabs spectral",
    "stepper": "fft model spectral",
    "simulate": "model stepper",
    # grid: a label means area and perimeter only with a spacing.
    "domains": "grid model",
    # The rows that archives, figures and detectors share; apart from events, so that reading an archive needs no jax.
    "event_table": "",
    # energy: the names of the species, so that no name is written twice; endosome, sizes and units: budget, books and
    # density of a vesicle. Of laws it knows question and answer only (landscape).
    "events": "domains endosome energy event_table landscape model sizes units",
    # The line tension of a mixture is a property of the Sheet's own local density.
    "wall": "sheet",
    # A new file for /series, beside events: what is recorded of one endosome.
    "series": "domains endosome events model units",
    # event_table: the archive keeps EVENT_DTYPE and counts ILVs; sizes: it summarises them.
    # paths: what is not of this package is never replaced. version: archives name that of the package.
    "archive": "event_table paths sizes version",
    # Two halves of one border: the sheet and the vesicle share sections of the configuration, what is dissolved in a
    # membrane among them, and no other physics.
    "build_species": "energy units",
    "build_vesicle": "build_species config energy grid units vesicle",
    "build": "agitation budlaw build_species cap config endosome energy events grid hydrodynamics landscape noise sheet"
    " stepper units wall",
    # Programs on top.
    # canvas: the one file that knows matplotlib. picture_command: how scripts that draw end; it draws nothing itself.
    "canvas": "paths",
    "picture_command": "archive console paths",
    "plot": "archive canvas event_table paths sizes units",
    "predict": "backend build config console landscape paths units wall",
    # What differs between the geometries in a run: one endosome from checkpoint to checkpoint. The sheet's part of run,
    # now beside that of the vesicle. slabs: a restored state goes to the devices it belongs on.
    "sheet_replica": "build endosome events frames landscape series simulate",
    "vesicle_record": "build_vesicle energy event_table units vesicle",
    "vesicle_replica": "build_vesicle event_table frames simulate slabs vesicle vesicle_record",
    # Places for endosomes on several devices: it knows devices as slabs does, and of what is advanced only a function.
    "batch": "",
    # How frames that wait lie in a checkpoint, of both geometries.
    "frames": "",
    # Signals and time limits, and how many cores there are: for run and ensemble alike.
    "stop": "",
    "cores": "",
    # Which files a command may write: it knows names and signatures, of no format.
    "paths": "",
    # A sweep is configurations and designs, no physics and no jax; its folder knows how far each archive has come.
    "sweep": "config",
    "sweep_folder": "archive config paths sweep",
    "local": "archive console cores paths sweep sweep_folder",
    # Pictures in three dimensions: the rays know only arrays.
    "raycast": "canvas",
    # What figures and surfaces read: fields with their grid, and the vesicles in them.
    # plot: style, colours and words for times.
    "vesicle_frame": "archive grid vesicle",
    "mesh": "vesicle vesicle_frame",
    "vtp": "mesh paths",
    # Statistics of a sweep know arrays only; its figures have the style of the others.
    "sensitivity": "intervals",
    "plot_sweep": "archive canvas intervals plot sensitivity sizes",
    "plot_vesicle": "archive canvas grid plot raycast units vesicle_frame",
    # A member is a process of its own, so none of these imports run.
    "cluster": "console paths",
    # Exit codes, logging, options and streams, alike in all commands; how jax is set up in those that compute.
    "console": "",
    "backend": "",
    "ensemble": "cluster config console cores local paths stop sweep sweep_folder",
    # event_table: the columns by which members and collection are compared before anything is pruned.
    "collect": "archive config console event_table paths stop sweep sweep_folder",
    # By the key ``kind``: the one door from a configuration to physics and to an endosome of a run.
    "geometries": "build build_vesicle sheet_replica vesicle_replica",
    # The parts of the command run: its loop, what it says before and after.
    "engine": "archive batch config event_table geometries progress simulate stop",
    # A bar or lines: what is shown of numbers.
    "progress": "",
    "check": "config console cores event_table geometries simulate",
    "summary": "archive canvas event_table intervals paths plot plot_vesicle sizes",
    "launch": "archive backend batch check config console engine geometries paths stop summary",
    # Read before jax is imported, which takes seconds: launch, the last of its parts, is imported when it is needed.
    "run": "console cores launch paths stop",
}
"""File (or package) and all it may import of ours."""

PROGRAMS = ("run", "predict", "ensemble", "cluster", "collect", "plot", "plot_sweep", "plot_vesicle")
PARTS = ("launch", "engine", "check", "summary", "geometries")


def sources():
    """{name: [paths]}; a package counts as one name."""
    found = {p.stem: [p] for p in sorted(ROOT.glob("*.py")) if p.stem != "__init__"}
    return found | {p.parent.name: sorted(p.parent.glob("*.py")) for p in sorted(ROOT.glob("*/__init__.py"))}


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
    """The files of ours that ``name`` imports."""
    found = set()
    for path in sources()[name]:
        parts = [imported.split(".") for imported in imports(path)]
        found |= {p[1] for p in parts if p[0] == "membrane" and len(p) > 1}
    return found - {name}


def foreign(name):
    """The packages of others that ``name`` imports."""
    return {imported.split(".")[0] for path in sources()[name] for imported in imports(path)} - {"membrane"}


def dotted(path):
    """Every dotted expression in a file, such as jnp.fft.rfft2."""
    return {ast.unparse(node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("name", sources())
def test_walls(name):
    """A file imports nothing of ours beyond what the table grants it; a new file needs its line, and its reason, in
    the table."""
    assert name in WALLS, f"{name} is new: give it a line in WALLS that says what it stands on"
    assert ours(name) <= set(WALLS[name].split()), f"{name} imports {sorted(ours(name) - set(WALLS[name].split()))}"


def test_no_circles():
    """The imports between files, and between the files of a package, can be put in one order."""
    graph = {name: ours(name) & set(sources()) for name in sources()}
    graph |= {
        f"{path.parent.name}.{path.stem}": {
            ".".join(parts[1:3])
            for parts in (imported.split(".") for imported in imports(path))
            if parts[:2] == ["membrane", path.parent.name] and (path.parent / f"{parts[2]}.py").exists()
        }
        for name, paths in sources().items()
        for path in paths
        if len(paths) > 1 and path.stem != "__init__"
    }
    while graph:
        free = {name for name, needs in graph.items() if not needs & set(graph)}
        assert free, f"a circle among {sorted(graph)}"
        graph = {name: needs for name, needs in graph.items() if name not in free}


def test_programs_are_on_top():
    """No file below imports a program (run, plot, ...); run may call plot, and ensemble cluster."""
    for name in sources():
        used = ours(name) & set(PROGRAMS)
        allowed = {"plot", "plot_vesicle"} | ({"cluster"} if name == "ensemble" else set())
        assert used <= (allowed if name in (*PROGRAMS, *PARTS) else set()), f"{name} imports {sorted(used)}"


def test_geometries_do_not_know_each_other():
    """sheet and vesicle never import each other."""
    assert "vesicle" not in ours("sheet")
    if "vesicle" in sources():
        assert "sheet" not in ours("vesicle")


def test_transforms_in_one_file():
    """Only fft calls the transforms of jax, and only slabs (with the exchange in fft) and batch know devices, of one
    endosome and of many; numpy's frequencies are no transform."""
    users = set()
    for name, paths in sources().items():
        for path in paths:
            named = dotted(path) | imports(path)
            if any(
                n.startswith(("jnp.fft", "jax.numpy.fft", "jax.scipy.fft", "jax.lax.fft", "lax.fft")) for n in named
            ):
                users.add(name)
            transforms = [n for n in named if n.startswith(("np.fft.", "numpy.fft.", "scipy.fft"))]
            assert all(n.endswith("freq") for n in transforms), f"{path} transforms by itself: {transforms}"
            devices = ("jax.sharding", "jax.shard_map", "jax.devices", "jax.local_devices", "jax.device_put")
            devices += ("jax.lax.with_sharding_constraint", "jax.lax.all_to_all", "jax.lax.ppermute")
            assert name in ("slabs", "fft", "batch") or not any(n.startswith(devices) for n in named), (
                f"{path} knows devices"
            )
    assert users == {"fft"}


def test_hdf5_in_one_file():
    """Only the package archive imports h5py."""
    assert {name for name in sources() if "h5py" in foreign(name)} == {"archive"}


def test_matplotlib_in_one_file():
    """Only canvas imports matplotlib, so that nothing of the user's setup decides what a figure looks like; scripts
    and raycast take it from there."""
    libraries = {"matplotlib", "mpl_toolkits", "pylab"}
    assert {name for name in sources() if libraries & foreign(name)} == {"canvas"}
    for script in sorted((ROOT.parent / "scripts").glob("*.py")):
        assert not {name.split(".")[0] for name in imports(script)} & libraries, script.name


def test_commands_import_matplotlib_late():
    """What a command imports when it starts does not reach matplotlib: a broken setup of it stops no run."""

    def at_once(path):
        tree = ast.parse(path.read_text())
        for function in [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]:
            function.body = [ast.Pass()]
        found = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module]
        return {p for n in found for p in (*n.module.split(".")[1:2], *(a.name for a in n.names)) if p in sources()}

    for start in ("run", "ensemble", "predict", "collect", "cluster", "picture_command"):
        reached, ahead = set(), {start}
        while ahead:
            name = ahead.pop()
            reached.add(name)
            ahead |= {found for path in sources()[name] for found in at_once(path)} - reached
        assert "canvas" not in reached, start
    assert "canvas" in {found for path in sources()["plot"] for found in at_once(path)}


def test_yaml_border():
    """Only build turns a configuration into physics: config knows no jax and no numpy, but pydantic and YAML, and no
    file of physics knows config."""
    assert foreign("config") - sys.stdlib_module_names == {"yaml", "pydantic"}
    assert {name for name in sources() if "config" in ours(name)} <= {
        "build",
        "build_vesicle",
        "sweep",
        "sweep_folder",
        *PROGRAMS,
        *PARTS,
    }
    assert {name for name in sources() if "pydantic" in foreign(name)} == {"config"}


def test_mechanics_without_jax():
    """The bud law, books, units and size statistics need numpy and scipy only."""
    for name in ("landscape", "cap", "endosome", "units", "intervals", "sizes", "grid", "event_table", "archive"):
        assert not foreign(name) & {"jax", "equinox", "jaxlib"}, name


def test_sweeps_without_jax():
    """Listing, submitting and collecting ten thousand members must not wait for jax."""
    names, seen = ["ensemble", "collect"], set()
    while names:
        seen.add(name := names.pop())
        assert not foreign(name) & {"jax", "equinox", "jaxlib"}, name
        names += sorted(ours(name) - seen)


def test_energies_are_pure():
    """energy imports jax and equinox, no numpy arrays, no transforms, no grid."""
    assert foreign("energy") <= {"jax", "equinox", "membrane", "jaxtyping"}


def test_table_has_no_dead_lines():
    """Every line of the table is a file, and grants only what exists."""
    assert set(WALLS) == set(sources())
    assert set(" ".join(WALLS.values()).split()) <= set(sources())


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
