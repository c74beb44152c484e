"""The shipped configurations as a mapping."""

from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path

from membrane.config.shipped import files, near
from membrane.notebook.config import Face, load


class ShippedConfigs(Mapping[str, Face]):
    """The configurations that come with the package, by name.

    >>> import membrane as mb
    >>> "ceramide" in mb.configs
    True
    >>> mb.configs["ceramide"].endosomes
    10
    """

    def __getitem__(self, name: str) -> Face:
        if name not in list(self):
            raise KeyError(f"no shipped configuration is called {name!r}; {near(name)}")
        return load(files()[name])

    def __iter__(self) -> Iterator[str]:
        # A sweep is no configuration of one run.
        return (name for name in files() if not name.startswith("sweep_"))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def copy(self, name: str, path: str | PathLike[str] | None = None) -> Path:
        """Copy a shipped YAML file, to be changed. Returns the path of the copy.

        ``name``: of a configuration or of a sweep.
        ``path``: where the copy goes, a file or a folder; by default ``NAME.yaml`` in the current folder.

        Raises KeyError where nothing shipped has this name, and FileExistsError where a file is in the way.
        """
        if name not in files():
            raise KeyError(f"nothing shipped is called {name!r}; {near(name)}")
        copy = Path(path).expanduser() if path is not None else Path()
        copy = copy / f"{name}.yaml" if copy.is_dir() else copy
        with open(copy, "xb") as file:
            file.write(files()[name].read_bytes())
        return copy

    def __repr__(self) -> str:
        return f"shipped configurations: {', '.join(self)}"


configs = ShippedConfigs()
"""The shipped configurations."""
