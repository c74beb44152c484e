"""Tests run in float64 with strict shapes; float32 enters where a test builds its grid so.

Compiled programs are kept on disk, the small ones too, for most of the time of the suite is compilation. Workers, the
processes that tests start, and later runs share them. A program is filed under a digest of itself, its flags and the
compiler: nothing stale is ever found. A damaged entry is compiled anew, and the folder may be deleted at any time.
"""

import logging
import os

import platformdirs
import pytest

# Before jax is imported, and in the environment, for the processes that tests start.
CACHE = platformdirs.user_cache_path("membrane-tests")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE / "membrane"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import jax  # noqa: E402

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "allow")


LONGEST = (
    "test_exact",
    "test_vesicle_species",
    "test_ensemble",
    "test_run",
    "test_devices",
    "test_batch",
    "test_stepper",
    "test_vesicle_shape",
    "test_vesicle_run",
    "test_exact_law",
    "test_vesicle_stokes",
    "test_plane",
    "test_endosome",
    "test_vesicle_composition",
    "test_vesicle_replica",
    "test_vesicle_slab",
    "test_sealed",
    "test_predict",
)
"""Files whose tests take longest, the longest first."""


def pytest_collection_modifyitems(items):
    """The longest files go first to the workers, so that both end together; within a file the order stays."""
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture(autouse=True, scope="module")
def _clear_compiled_programs():
    """Compiled programs of one file are of no use to the next and would fill the memory; nor is the precision that a
    command has set in one."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.clear_caches()


@pytest.fixture
def fast_compilation(request):
    """Programs are compiled with few optimisations; what they compute is the same up to rounding.

    For tests that run each program a few times only, and so spend their time on compiling it. Slow tests, and the
    whole runs of tests/commands and tests/program, compile their programs as users do.
    """
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", request.node.get_closest_marker("slow") is None)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


JAX_SETTINGS = (
    "jax_enable_x64",
    "jax_default_matmul_precision",
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
)


@pytest.fixture(scope="module")
def settings_of_main():
    """main() sets precision and cache of the whole process, and the root logger: restores them; the caches of
    main() are those of the tests. Yields what patches for as long."""
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
    """The wall compiles for seconds and is the same in almost every run here."""
    from membrane.builder import sheet as build

    walls, measure = {}, build.measure_wall

    def remembered(mixture, means):
        key = str((mixture, means))
        if key not in walls:
            walls[key] = measure(mixture, means)
        return walls[key]

    settings_of_main.setattr(build, "measure_wall", remembered)
