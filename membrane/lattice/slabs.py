"""How a box is shared out over the devices of this process, and how a point sees its neighbours.

A box may be cut into slabs, one for each device. Fields are cut along z, and their transforms along y. The compiler
looks at where the fields lie and cuts products, sums and shifts by itself. Only transforms and stencils are written
here for one slab (:func:`on_slabs`); they say themselves what the devices send to one another.
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

SLABS = "slabs"
"""Name of the only axis of the mesh of devices."""


@lru_cache
def mesh(devices: int) -> Mesh:
    """The first ``devices`` devices of this process, in a row. Raises ValueError if there are fewer."""
    found = jax.local_devices()
    if devices > len(found):
        raise ValueError(
            f"{devices} devices asked for, but this process sees {len(found)} ({found[0].device_kind}): ask for at "
            f"most {len(found)}, or, on a CPU, set the environment variable "
            f"XLA_FLAGS=--xla_force_host_platform_device_count={devices}"
        )
    return Mesh(np.array(found[:devices]), (SLABS,), axis_types=(AxisType.Auto,))


def placed(tree, grid):
    """The arrays of a tree, each placed on the devices that it belongs to.

    Fields (last three axes ``grid.shape``) are cut along z, transforms (``grid.spectral_shape``) along y. Every device
    holds all other arrays whole. Outside compiled code this moves the arrays. Inside compiled code it is a constraint
    for the compiler. On one device it does nothing.

    Raises ValueError if there are fewer devices than ``grid.devices``.
    """
    if grid.devices == 1:
        return tree

    def place(leaf):
        axis = {grid.shape: -3, grid.spectral_shape: -2}.get(leaf.shape[-3:])
        return jax.lax.with_sharding_constraint(leaf, NamedSharding(mesh(grid.devices), _cut(leaf.ndim, axis)))

    return jax.tree.map(place, tree)


def on_slabs(function, devices: int, before: int = -3, after: int = -3):
    """``function``, carried out by every device on its own slab.

    Arguments:
        function: takes trees of boxes (..., n_z, n_y, n_x) and of numbers, and returns one box.
        devices: number of devices; with one, ``function`` is returned as it is.
        before: axis along which the boxes given are cut.
        after: axis along which the box returned is cut. It has as many axes as the first box given.
    """
    if devices == 1:
        return function

    def done(*arguments):
        cut = lambda leaf: _cut(jnp.ndim(leaf), before if jnp.ndim(leaf) >= 3 else None)
        specs = {"in_specs": jax.tree.map(cut, arguments), "out_specs": _cut(jax.tree.leaves(arguments)[0].ndim, after)}
        return jax.jit(jax.shard_map(function, mesh=mesh(devices), **specs))(*arguments)

    return done


def ghosted(field, devices: int):
    """A box (n_z, n_y, n_x) with one layer of ghost points on all sides, (n_z + 2, n_y + 2, n_x + 2).

    Ghost points are copies of the periodic neighbours. For a slab, those along z come from the devices beside it.
    """
    for axis, n in enumerate(field.shape):
        first, last = (jax.lax.slice_in_dim(field, i, i + 1, axis=axis) for i in (0, n - 1))
        if axis == 0 and devices > 1:
            ring = [(i, (i + 1) % devices) for i in range(devices)]
            last = jax.lax.ppermute(last, SLABS, ring)
            first = jax.lax.ppermute(first, SLABS, [(there, here) for here, there in ring])
        field = jnp.concatenate([last, field, first], axis)
    # Without the barrier the compiler would build this array again for every neighbour that is read from it.
    return jax.lax.optimization_barrier(field)


def beside(wide, axis: int, side: int):
    """The value at the neighbour of every point, (n_z, n_y, n_x), read from a :func:`ghosted` field.

    The neighbour lies along ``axis``: the next point for ``side`` 1, the one before for -1, the point itself for 0.
    """
    corner, shape = np.ones(3, int), np.array(wide.shape) - 2
    corner[axis] += side
    return window(wide, corner, shape)


def window(field, corner, shape):
    """The part of ``field`` that has the given ``shape`` and starts at the point ``corner``."""
    return jax.lax.slice(field, tuple(corner), tuple(np.add(corner, shape)))


def _cut(dimensions: int, axis: int | None) -> PartitionSpec:
    """How an array with so many axes is cut: along the (negative) ``axis``, or not at all if that is None."""
    return PartitionSpec() if axis is None else PartitionSpec(*[None] * (dimensions + axis), SLABS)
