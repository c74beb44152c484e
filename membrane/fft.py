"""Transforms of real fields on a grid; the only file that knows how they are carried out, and on how many devices.

A box may be cut in slabs over the first ``devices`` of this process: fields along z, their transforms along y. A
transform is done in x and y where the slabs are, then every device sends each other one its share of the y and gets
all of z (one all-to-all, in which the batch goes along), and is done in z there. Nothing else is written for several
devices: from where fields lie the compiler cuts products, sums and neighbours by itself.
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

SLABS = "slabs"
"""Name of the axis of the mesh of devices."""


def forward(fields, dimensions: int = 2, devices: int = 1):
    """Unnormalised transform over the last two (or three) axes: sum_x f(x) exp(-i k x); the last axis n_x becomes
    n_x // 2 + 1. With several ``devices`` fields are boxes, cut along z, and what comes out is cut along y."""
    if devices == 1:
        return jnp.fft.rfftn(fields, axes=tuple(range(-dimensions, 0)))

    def slab(fields):
        hat = jnp.fft.rfftn(fields, axes=(-2, -1))
        hat = jax.lax.all_to_all(hat, SLABS, hat.ndim - 2, hat.ndim - 3, tiled=True)
        return jnp.fft.fft(hat, axis=-3)

    return _on_slabs(slab, fields.ndim, devices, -3, -2)(fields)


def inverse(fields_hat, shape, devices: int = 1):
    """Inverse of :func:`forward`, back to real fields of ``shape = (n_y, n_x)`` or (n_z, n_y, n_x)."""
    if devices == 1:
        return jnp.fft.irfftn(fields_hat, s=shape, axes=tuple(range(-len(shape), 0)))

    def slab(hat):
        hat = jnp.fft.ifft(hat, axis=-3)
        hat = jax.lax.all_to_all(hat, SLABS, hat.ndim - 3, hat.ndim - 2, tiled=True)
        return jnp.fft.irfftn(hat, s=shape[-2:], axes=(-2, -1))

    return _on_slabs(slab, fields_hat.ndim, devices, -2, -3)(fields_hat)


def placed(tree, grid):
    """Arrays of a tree where they belong: of the last three axes ``grid.shape`` cut along z, ``grid.spectral_shape``
    along y, all others whole on every device. Outside compiled code it moves them, inside it is what the compiler has
    to keep to. On one device it does nothing.

    Raises ValueError where there are fewer devices than ``grid.devices``.
    """
    if grid.devices == 1:
        return tree

    def place(leaf):
        cut = {grid.shape: -3, grid.spectral_shape: -2}.get(leaf.shape[-3:])
        return jax.lax.with_sharding_constraint(leaf, NamedSharding(mesh(grid.devices), _cut(leaf.ndim, cut)))

    return jax.tree.map(place, tree)


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


def _on_slabs(function, dimensions, devices, before, after):
    """``function`` of a slab, for arrays cut along axis ``before`` whose image is cut along ``after``."""
    specs = {"in_specs": _cut(dimensions, before), "out_specs": _cut(dimensions, after)}
    return jax.jit(jax.shard_map(function, mesh=mesh(devices), **specs))


def _cut(dimensions: int, axis: int | None) -> PartitionSpec:
    return PartitionSpec() if axis is None else PartitionSpec(*[None] * (dimensions + axis), SLABS)
