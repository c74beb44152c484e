"""The names of the package: imported when they are used, complete, and each with an example that works."""

import doctest
import importlib
import inspect
import subprocess
import sys
import typing

import pytest

import membrane as mb

LIGHT = """
import sys, time
before = set(sys.modules)
begun = time.process_time()
import membrane as mb
spent = time.process_time() - begun
heavy = {"jax", "numpy", "pandas", "xarray", "matplotlib", "pydantic", "yaml", "h5py", "scipy", "SALib", "pyvista"}
assert not heavy & {name.partition(".")[0] for name in set(sys.modules) - before}, set(sys.modules) - before
assert spent < 0.1, spent
assert mb.configs["ceramide"].membrane.tension_uN_per_m == 1.0
assert not {"jax", "pandas", "xarray", "matplotlib"} & set(sys.modules)
"""


def test_import_is_light():
    """``import membrane`` takes less than 0.1 s of computing and imports nothing heavy; nor does a configuration need
    jax, pandas or matplotlib."""
    subprocess.run([sys.executable, "-c", LIGHT], check=True)


def test_every_name():
    """All names that are promised are there, in ``dir`` as well, and another one is refused."""
    for name in mb.__all__:
        assert getattr(mb, name) is not None
    assert dir(mb) == sorted(mb.__all__)
    with pytest.raises(AttributeError, match="membrane has no 'runs'"):
        mb.runs  # noqa: B018
    assert issubclass(mb.ConfigError, ValueError)


def test_functions_are_not_hidden_by_commands():
    """``membrane.run``, ``membrane.predict`` and ``membrane.compare`` are functions, also after somebody has tried to
    import the commands of these names."""
    for name in ("run", "predict", "compare"):
        with pytest.raises(ImportError, match="is a command"):
            importlib.import_module(f"membrane.{name}")
        assert inspect.isfunction(getattr(mb, name))


def public():
    """(name, function) of all that users call."""
    for name in mb.__all__:
        found = getattr(mb, name)
        if inspect.isfunction(found):
            yield name, found
        elif inspect.isclass(found) and not issubclass(found, Exception):
            own = [(key, getattr(value, "fget", value)) for key, value in vars(found).items() if key[0] != "_"]
            own = [(key, getattr(value, "func", getattr(value, "__func__", value))) for key, value in own]
            yield from ((f"{name}.{key}", value) for key, value in own if inspect.isfunction(value))


@pytest.mark.parametrize(
    ("name", "function"), list(public()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_annotations(name, function):
    """Every argument and every result has an annotation, and every function says what it does."""
    arguments = inspect.signature(function).parameters.values()
    bare = [a.name for a in arguments if a.annotation is a.empty and a.name not in ("self", "cls")]
    assert not bare
    assert inspect.signature(function).return_annotation is not inspect.Signature.empty
    assert function.__doc__


def test_package_is_typed():
    """Type checkers read the annotations; they are told of all names that are lazy."""
    folder = importlib.resources.files("membrane")
    assert (folder / "py.typed").is_file()
    source = (folder / "__init__.py").read_text()
    block = source[source.index("if TYPE_CHECKING:") : source.index("__all__")]
    assert all(name in block for name in mb.__all__)
    assert typing.get_type_hints(mb.read)["return"] is mb.Result


FILES = (
    "membrane",
    *(
        f"membrane.notebook.{name}"
        for name in (
            "comparing",
            "config",
            "prediction",
            "result",
            "running",
            "shipped",
            "sizes",
            "tree",
        )
    ),
    *(f"membrane.outcome.{name}" for name in ("binned", "density", "intervals", "sizes")),
)


@pytest.mark.parametrize("name", FILES)
def test_examples(name, settings_of_main, remembered_walls, tmp_path, monkeypatch):
    """The examples in the docstrings give what they say."""
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0
