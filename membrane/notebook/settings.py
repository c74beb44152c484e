"""How jax is set up for a run from a notebook, and given back as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax

from membrane.program.backend import set_up_environment, set_up_jax

SETTINGS = (
    "jax_enable_x64",
    "jax_default_matmul_precision",
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
)
"""Those that :func:`membrane.program.backend.set_up_jax` changes."""


@contextmanager
def jax_set_up(*, float64: bool = False, cache_from_s: float = 0.0) -> Iterator[None]:
    """A block in which jax is set up as for a command. After it jax computes as before, for what else a notebook does
    with it.

    ``float64``: whether numbers have 64 bits.
    ``cache_from_s``: programs that take as many seconds to compile are kept on disk.
    """
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    try:
        set_up_environment()
        set_up_jax(float64=float64, cache_from_s=cache_from_s)
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
