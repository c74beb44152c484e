"""What all commands share: exit codes, logging, types of options, and a clean end even where the output is lost."""

import argparse
import logging
import math
import os
import sys
from collections.abc import Callable
from contextlib import contextmanager

COMPLETE, BAD_INPUT, FAILED, INTERRUPTED = 0, 2, 3, 75

UNSUPPORTED = "needs signals and file locks that Windows lacks; use WSL, the Windows Subsystem for Linux"


def set_up_logging(quiet: bool) -> None:
    """Plain lines on the error stream: what this package has to say, or only warnings if ``quiet``.

    Of other libraries only warnings are shown: matplotlib would name every glyph that it puts into a PDF.
    """
    logging.basicConfig(
        level=logging.WARNING if quiet else logging.INFO, format="%(message)s", stream=sys.stderr, force=True
    )
    logging.getLogger().handlers[0].addFilter(_is_for_users)


def _is_for_users(record: logging.LogRecord) -> bool:
    return record.name == "membrane" or record.levelno >= logging.WARNING


def quiet_xla() -> None:
    """Called before jax is imported: XLA prints no lines about the features of the CPU, which a program from the cache
    makes it do. What the user has set stays."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def command(name: str, body: Callable[[], int]) -> int:
    """Runs the ``body`` of the command ``name`` and returns its exit code.

    A KeyboardInterrupt gives one line and INTERRUPTED. A reader that has gone away (``| head``) is no error. Where the
    output cannot be written for another reason, such as a full disk, the body goes on to its end, and FAILED takes the
    place of COMPLETE.
    """
    with _unfailing_streams() as (output, _):
        try:
            code = body()
        except KeyboardInterrupt:
            print(f"{name}: interrupted", file=sys.stderr)
            return INTERRUPTED
        output.flush()
        if output.error is None or isinstance(output.error, BrokenPipeError):
            return code
        print(
            f"{name}: the output could not be written ({output.error}); archives are not touched by this",
            file=sys.stderr,
        )
        return code or FAILED


class _Unfailing:
    """A text stream that does not raise: it keeps its first error as ``error``, and ignores all later text."""

    def __init__(self, stream):
        self._stream, self.error = stream, None

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        """As of a text stream."""
        self._try("write", text)
        return len(text)

    def flush(self):
        """As of a text stream."""
        self._try("flush")

    def _try(self, what, *arguments):
        # The stream is None where the shell has closed it.
        if self._stream is not None and self.error is None:
            try:
                getattr(self._stream, what)(*arguments)
            except OSError as error:
                self.error = error
                if self._stream in (sys.__stdout__, sys.__stderr__):
                    # Else what is left in the buffer would raise again at the end of the process.
                    os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


@contextmanager
def _unfailing_streams():
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = streams = tuple(map(_Unfailing, before))
    try:
        yield streams
    finally:
        for stream in streams:
            stream.flush()
        sys.stdout, sys.stderr = before


def positive(text: str) -> int:
    """The type of an option that is a whole number from 1 on."""
    return _number(text, int, 1)


def count(text: str) -> int:
    """The type of an option that is a whole number from 0 on."""
    return _number(text, int, 0)


def seconds(text: str) -> float:
    """The type of an option that is a time in s, finite and not negative."""
    return _number(text, float, 0)


def _number(text, kind, least):
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not least <= value < math.inf:
        what = "a whole number" if kind is int else "a finite number of seconds"
        raise argparse.ArgumentTypeError(f"{text!r}: give at least {least}, {what}")
    return value
