"""Libraries that only some functions need, and how they are installed."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needed(extra: str) -> Iterator[None]:
    """A block that imports libraries of an optional ``extra`` of this package.

    Raises ImportError with the command that installs them, where one of them is missing.
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{error.name} is missing: pip install 'membrane-exosomes[{extra}]' installs it", name=error.name
        ) from error
