"""How a box lies on the devices of this process, and what its points see of their neighbours.

A box may be cut in slabs over the first ``devices``: fields along z, their transforms along y. From where fields lie
the compiler cuts products, sums and shifts by itself; only transforms and stencils are written for one slab
(:func:`on_slabs`), and say themselves what neighbours send.
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

SLABS = "slabs"
"""Name of the axis of the mesh of devices."""


@lru_cache
def mesh(devices: int) -> Mesh:
    """The first ``devices`` of this process in a row. Raises ValueError where there are fewer."""
    found = jax.local_devices()
    if devices > len(found):
        raise ValueError(
            f"{devices} devices asked for, but this process sees {len(found)} ({found[0].device_kind}): ask for at "
            f"most {len(found)}, or, on a CPU, set the environment variable "
            f"XLA_FLAGS=--xla_force_host_platform_device_count={devices}"
        )
    return Mesh(np.array(found[:devices]), (SLABS,), axis_types=(AxisType.Auto,))


def placed(tree, grid):
    """Arrays of a tree where they belong: of the last three axes ``grid.shape`` cut along z, ``grid.spectral_shape``
    along y, all others whole on every device. Outside compiled code it moves them, inside it is what the compiler has
    to keep to. On one device it does nothing.

    Raises ValueError where there are fewer devices than ``grid.devices``.
    """
    if grid.devices == 1:
        return tree

    def place(leaf):
        axis = {grid.shape: -3, grid.spectral_shape: -2}.get(leaf.shape[-3:])
        return jax.lax.with_sharding_constraint(leaf, NamedSharding(mesh(grid.devices), _cut(leaf.ndim, axis)))

    return jax.tree.map(place, tree)


def on_slabs(function, devices: int, before: int = -3, after: int = -3):
    """``function`` done by every device on its own slab: of trees of boxes (..., n_z, n_y, n_x), cut along axis
    ``before``, and of numbers; to boxes cut along axis ``after``, of as many axes as the first it was given."""
    if devices == 1:
        return function

    def done(*arguments):
        cut = lambda leaf: _cut(jnp.ndim(leaf), before if jnp.ndim(leaf) >= 3 else None)
        specs = {"in_specs": jax.tree.map(cut, arguments), "out_specs": _cut(jax.tree.leaves(arguments)[0].ndim, after)}
        return jax.jit(jax.shard_map(function, mesh=mesh(devices), **specs))(*arguments)

    return done


def ghosted(field, devices: int):
    """A box (n_z, n_y, n_x) with one layer of its periodic neighbours all around, or a slab with those of the box."""
    for axis, n in enumerate(field.shape):
        first, last = (jax.lax.slice_in_dim(field, i, i + 1, axis=axis) for i in (0, n - 1))
        if axis == 0 and devices > 1:
            ring = [(i, (i + 1) % devices) for i in range(devices)]
            last = jax.lax.ppermute(last, SLABS, ring)
            first = jax.lax.ppermute(first, SLABS, [(there, here) for here, there in ring])
        field = jnp.concatenate([last, field, first], axis)
    # Materialised, else every neighbour puts it together anew.
    return jax.lax.optimization_barrier(field)


def beside(wide, axis: int, side: int):
    """Of a :func:`ghosted` field what stands next to every point along ``axis``, ahead (side 1) or behind (-1); itself
    where side is 0."""
    corner, shape = np.ones(3, int), np.array(wide.shape) - 2
    corner[axis] += side
    return window(wide, corner, shape)


def window(field, corner, shape):
    """The part of ``field`` of that ``shape`` whose first point is ``corner``."""
    return jax.lax.slice(field, tuple(corner), tuple(np.add(corner, shape)))


def _cut(dimensions: int, axis: int | None) -> PartitionSpec:
    return PartitionSpec() if axis is None else PartitionSpec(*[None] * (dimensions + axis), SLABS)
