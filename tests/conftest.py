"""What all tests share. They run in float64 with strict shapes; a test that wants float32 builds its grid so.

Compiled programs are kept on disk, small ones as well, because most of the time of the suite is compilation. The
workers of pytest, the processes that tests start, and later runs share them. A program is found by a digest of itself,
its flags and the compiler, so no outdated one is ever used. A damaged entry is compiled anew. The folder may be deleted
at any time.
"""

import logging
import os

import platformdirs
import pytest

# This is set before jax is imported, and in the environment, so that the processes that tests start see it too.
CACHE = platformdirs.user_cache_path("membrane-tests")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE / "membrane"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# As the commands set it (membrane/program/backend.py): other flags are other programs, and would not be shared.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax  # noqa: E402
from jax._src import compiler  # noqa: E402

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "allow")


LONGEST = (
    "test_run",
    "test_exact",
    "test_vesicle_species",
    "test_notebooks",
    "test_plane",
    "test_pinned",
    "test_vesicle_run",
    "test_vesicle_shape",
    "test_stepper",
    "test_ensemble",
    "test_batch",
    "test_devices",
    "test_builder",
    "test_vesicle_composition",
    "test_vesicle_stokes",
    "test_vesicle_replica",
    "test_exact_law",
    "test_sealed",
    "test_vesicle_ceramide",
    "test_vesicle_fission",
    "test_kinetics_run",
    "test_replica",
    "test_vesicle_patches",
)
"""The files whose tests take longest, the longest first; test_run well before test_ensemble, whose processes find its
programs compiled."""


def pytest_collection_modifyitems(items):
    """Give the longest files to the workers first, so that both end at the same time. The order in a file stays."""
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture(autouse=True, scope="module")
def _clear_compiled_programs():
    """Each file begins in float64, and ends without the compiled programs, which would fill the memory."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.clear_caches()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """The programs of a test with the mark fast_compilation, and of its fixtures, are compiled with few optimisations.
    What they compute is the same up to rounding.

    For tests that run each program a few times only, and so spend their time on compiling it. In a marked file
    ``fast_compilation(False)`` takes a test out. Slow tests, and the whole runs of tests/commands and tests/program,
    compile their programs as users do.
    """
    mark = item.get_closest_marker("fast_compilation")
    if mark is None or False in mark.args or item.get_closest_marker("slow"):
        return (yield)
    from membrane.bud.exact.compiled import OPTIONS

    # JAX has no setting for options of all programs; they are given to a single one only.
    asked = compiler.get_compile_options

    def with_options(*args, env_options_overrides=None, **others):
        return asked(*args, env_options_overrides=OPTIONS | (env_options_overrides or {}), **others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiler, "get_compile_options", with_options)
        jax.config.update("jax_disable_most_optimizations", True)
        try:
            return (yield)
        finally:
            jax.config.update("jax_disable_most_optimizations", False)


JAX_SETTINGS = (
    "jax_enable_x64",
    "jax_default_matmul_precision",
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
)


@pytest.fixture(scope="module")
def settings_of_main():
    """Restores what the main() of a command sets for the whole process: precision, caches and the root logger.

    Programs that main() compiles go to the cache of the tests. Yields a monkeypatch that lasts as long as the file.
    """
    before = {name: getattr(jax.config, name) for name in JAX_SETTINGS}
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(CACHE))
        yield patch
    for name, value in before.items():
        jax.config.update(name, value)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="module")
def remembered_walls(settings_of_main):
    """Each wall between Lo and Ld is measured once in a file: it compiles for seconds, and most runs have the same."""
    from membrane.builder import sheet as build

    walls, measure = {}, build.measure_wall

    def remembered(mixture, means):
        key = str((mixture, means))
        if key not in walls:
            walls[key] = measure(mixture, means)
        return walls[key]

    settings_of_main.setattr(build, "measure_wall", remembered)
