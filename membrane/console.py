"""What all commands share: exit codes, logging, and how jax is set up."""

import logging
import sys

COMPLETE, BAD_INPUT, FAILED, INTERRUPTED = 0, 2, 3, 75


def set_up_logging(quiet: bool) -> None:
    """Plain lines on the error stream; only warnings if ``quiet``."""
    logging.basicConfig(
        level=logging.WARNING if quiet else logging.INFO, format="%(message)s", stream=sys.stderr, force=True
    )
    logging.getLogger("jax").setLevel(logging.WARNING)
