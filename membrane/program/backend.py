"""How JAX is set up, in all commands alike: its devices, its precision and its cache of compiled programs."""

import logging
import os
from pathlib import Path

import jax
import platformdirs

log = logging.getLogger("membrane")


class BackendError(RuntimeError):
    """JAX has no device to compute on. The message says what to do."""


def set_up_environment() -> None:
    """Sets the environment variables that JAX reads when it first computes. What the user has set stays."""
    # Each endosome has a thread of its own. A step that spreads over all cores would only slow down the others.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")


def set_up_jax(*, float64: bool = False, cache_from_s: float = 0.0) -> None:
    """Sets precision and cache of JAX, for the whole process.

    ``float64``: whether numbers have 64 bits; else 32.
    ``cache_from_s``: programs whose compilation takes as many seconds or more are kept on disk.

    Raises BackendError where JAX finds none of the devices that it is to use.
    """
    # Only after the import of jax, which would hand this level on to XLA, and XLA would print too much.
    logging.getLogger("jax").setLevel(logging.WARNING)
    try:
        jax.default_backend()
    # Where a platform is known but not installed, this is an AssertionError without a message.
    except Exception as error:
        platforms = os.environ.get("JAX_PLATFORMS") or jax.config.jax_platforms
        what = f"JAX_PLATFORMS={platforms}: jax finds" if platforms else "jax finds"
        why = f" ({' '.join(str(error).split())})" if str(error) else ""
        raise BackendError(
            f"{what} no such device here{why}; unset JAX_PLATFORMS or set it to cpu, and for a GPU install "
            "jax for CUDA (pip install 'jax[cuda12]')"
        ) from None
    jax.config.update("jax_enable_x64", float64)
    jax.config.update("jax_default_matmul_precision", "highest")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", cache_from_s)
    _set_up_cache()


def _set_up_cache() -> None:
    """Compiled programs are kept in the folder that JAX_COMPILATION_CACHE_DIR names, else in one of the user's cache. A
    folder that cannot be used is no error: programs are then not kept."""
    folder = jax.config.jax_compilation_cache_dir or platformdirs.user_cache_dir("membrane")
    try:
        # JAX itself looks after an address such as gs://...
        if "://" not in folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(f"{folder} is not writable")
    except OSError as error:
        log.warning("compiled programs are not kept (%s); JAX_COMPILATION_CACHE_DIR names another folder", error)
        folder = None
    jax.config.update("jax_compilation_cache_dir", folder)
