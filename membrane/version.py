"""The version of this package, and of others, as archives state them."""

from importlib import metadata

VERSION = "0.1.0"


def version(package: str) -> str:
    """Version of an installed package by its distribution name, or of this one, ``membrane``.

    The distribution of this package has another name, and the one called membrane on PyPI is a stranger's. Raises
    ``importlib.metadata.PackageNotFoundError`` where a package is not installed.
    """
    return VERSION if package == "membrane" else metadata.version(package)
