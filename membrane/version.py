"""The version of this package and of others, as archives name them."""

from importlib import metadata

VERSION = "0.1.0"


def version(package: str) -> str:
    """The version of an installed package, by the name of its distribution; ``membrane`` means this package.

    The distribution of this package has another name: the one called membrane on PyPI is another project's. Raises
    ``importlib.metadata.PackageNotFoundError`` where a package is not installed.
    """
    return VERSION if package == "membrane" else metadata.version(package)
