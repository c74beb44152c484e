"""How jax is set up, alike in all commands: its devices, its precision and its cache of compiled programs."""

import logging
import os
from pathlib import Path

import jax
import platformdirs

log = logging.getLogger("membrane")


class BackendError(RuntimeError):
    """jax has no device to compute on; the message says what to do."""


def set_up_environment() -> None:
    """What jax has to find before it computes for the first time; what the user has set stays."""
    # Endosomes run side by side, one thread each: a step that spreads over all cores would only slow its neighbours.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")


def set_up_jax(*, float64: bool = False, cache_from_s: float = 0.0) -> None:
    """Precision, and a cache of programs whose compilation takes ``cache_from_s`` seconds or more. Raises BackendError
    where jax finds none of the devices that it is to use."""
    # Once jax is imported: a level that it finds at its import it hands on to XLA, which then tells too much.
    logging.getLogger("jax").setLevel(logging.WARNING)
    try:
        jax.default_backend()
    # An AssertionError without a word, where a platform is known but not installed.
    except Exception as error:
        asked = os.environ.get("JAX_PLATFORMS") or jax.config.jax_platforms
        what = f"JAX_PLATFORMS={asked}: jax finds" if asked else "jax finds"
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
    """In the folder that JAX_COMPILATION_CACHE_DIR names, else in the user's; without one where it cannot be used."""
    folder = jax.config.jax_compilation_cache_dir or platformdirs.user_cache_dir("membrane")
    try:
        # An address, such as gs://..., is the business of jax.
        if "://" not in folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(f"{folder} is not writable")
    except OSError as error:
        log.warning("compiled programs are not kept (%s); JAX_COMPILATION_CACHE_DIR names another folder", error)
        folder = None
    jax.config.update("jax_compilation_cache_dir", folder)
