"""Tests run in float64 with strict shapes; float32 enters where a test builds its grid so."""

import jax
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "allow")


@pytest.fixture(autouse=True, scope="module")
def _clear_compiled_programs():
    """Compiled programs of one file are of no use to the next and would fill the memory."""
    yield
    jax.clear_caches()
