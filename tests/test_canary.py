"""A canary for jaxlib: reductions under vmap on the CPU, which jaxlib 0.10.2 computes wrongly and silently (jax
39103)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-13)])
def test_reductions_under_vmap(dtype, tolerance):
    """jit(vmap(row -> sum((M row)^2))) over 129^2 points equals numpy's; power-of-two counts would not show the
    fault."""
    rng = np.random.default_rng(0)
    matrix, points = rng.normal(size=(3, 3)), rng.normal(size=(129**2, 3))
    rows, m = jnp.asarray(points, dtype), jnp.asarray(matrix, dtype)
    assert rows.dtype == dtype
    found = np.asarray(jax.jit(jax.vmap(lambda row: jnp.sum((m @ row) ** 2)))(rows), np.float64)
    exact = np.sum((points @ matrix.T) ** 2, axis=1)
    error = np.max(np.abs(found - exact)) / np.max(exact)
    assert error < tolerance, "this jaxlib miscompiles reductions on the CPU; see the README"
