"""A table of paths: the path of any domain between its nodes, for programs of JAX.

All rows of a path are sums of a few shapes over x (singular vectors of the rows of all nodes), so that only their
shares are interpolated. The cells of the axes are cut into simplices of five corners, by the order of the coordinates
in the cell. With the corners p_i, their barycentric weights W_i and the derivatives g_i there, a share is

    a(p) = sum_i W_i(p) [a_i + g_i (p - p_i)/2],

which is exact for polynomials of second degree. A simplex with a corner that has no path gives nan.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from membrane.bud.table.axes import Axis

RESIDUE = (5e-4, 5e-3, 1e-2, 1e-2)
"""How far the sums of shapes may be from the rows of whole paths, in units of the rows."""


class PathTable(eqx.Module):
    """Paths at the nodes of four axes.

    Attributes:
        axes: one for each coordinate.
        shapes: for each row of a path, array (shapes, points).
        shares: of every shape at every node and 1/2 of its change to the next node along each axis, array
            (nodes, 5, shapes of all rows).
        whole: 1.0 where the path of a node is one branch, array (nodes,).
    """

    axes: tuple[Axis, ...] = eqx.field(static=True)
    shapes: tuple[jax.Array, ...]
    shares: jax.Array
    whole: jax.Array

    def __call__(self, places):
        """The paths at many places.

        Arguments:
            places: the four coordinates of each; array (places, 4).

        Returns (rows of the paths, array (4, points, places), with the places last because the rest goes along the
        points for all of them at once; whether the paths can be trusted to be one branch, array (places,)).
        """
        share, whole = jax.vmap(self._shares)(places)
        ends = np.cumsum([len(s) for s in self.shapes])[:-1]
        parts = jnp.split(share.T, ends)
        return jnp.stack([shape.T @ part for shape, part in zip(self.shapes, parts, strict=True)]), whole

    def _shares(self, place):
        """(shares of all shapes at one place, whether all corners of its simplex are whole)."""
        start, spacing, counts = (np.array([getattr(a, n) for a in self.axes]) for n in ("start", "spacing", "count"))
        scaled = (place - start.astype(place.dtype)) / spacing.astype(place.dtype)
        cell = jnp.clip(jnp.floor(scaled), 0, np.maximum(counts - 2, 0)).astype(int)
        part = jnp.where(counts > 1, scaled - cell, 0.0)
        # From the first corner of the cell along the axes to the last, along the largest part first.
        order = jnp.argsort(-part)
        steps = jnp.concatenate([jnp.zeros((1, 4), int), jnp.cumsum(jax.nn.one_hot(order, 4, dtype=int), 0)])
        falling = jnp.concatenate([jnp.ones(1, part.dtype), part[order], jnp.zeros(1, part.dtype)])
        strides = np.append(np.cumprod(counts[:0:-1])[::-1], 1)
        index = ((cell + jnp.where(counts > 1, steps, 0)) * strides).sum(-1)
        away = jnp.concatenate([jnp.ones((5, 1), part.dtype), part - steps], 1)
        share = jnp.einsum("c,cd,cdk->k", -jnp.diff(falling), away, self.shares[index])
        return share, jnp.all(self.whole[index] > 0)

    def inside(self, places):
        """Whether each of ``places``, array (places, 4), lies in the box of the axes."""
        ends = np.array([a.nodes[[0, -1]] for a in self.axes], places.dtype)
        # Rounding; an axis of one node holds for its value alone.
        margin = 1e-5 * np.maximum(np.abs(ends).max(1), ends[:, 1] - ends[:, 0])
        return jnp.all((places >= ends[:, 0] - margin) & (places <= ends[:, 1] + margin), -1)


def table_of_paths(axes: tuple[Axis, ...], rows: np.ndarray, whole: np.ndarray, dtype=float) -> PathTable:
    """The table of the paths of all nodes.

    Arguments:
        axes: one for each coordinate.
        rows: of every path, array (nodes of each axis, 4, points); nan where there is none.
        whole: whether it is one branch, array (nodes of each axis).
        dtype: of the numbers of the table.
    """
    shapes, shares = [], []
    for i, residue in enumerate(RESIDUE):
        found = _shapes(rows[whole, i], residue)
        shapes.append(found.astype(dtype))
        shares.append(rows[..., i, :] @ found.T)
    shares = np.concatenate(shares, -1)
    there = np.isfinite(shares[..., 0])
    slopes = [_slope(shares, whole, there, axis) for axis in range(4)]
    stacked = np.stack([shares, *(0.5 * s for s in slopes)], -2)
    flat = stacked.reshape(-1, *stacked.shape[4:]).astype(dtype)
    return PathTable(axes, tuple(map(jnp.asarray, shapes)), jnp.asarray(flat), jnp.asarray(whole.ravel(), dtype))


def _shapes(rows, residue):
    """The fewest orthonormal shapes, array (shapes, points), of which all ``rows`` are sums but for ``residue``."""
    _, _, shapes = np.linalg.svd(rows, full_matrices=False)
    for count in range(1, len(shapes)):
        kept = shapes[:count]
        if np.abs(rows - rows @ kept.T @ kept).max() < residue:
            return kept
    return shapes


def _slope(values, whole, there, axis):
    """Change of ``values`` to the next node along ``axis``, to second order, from nodes that are whole as well.

    0 at nodes that are not whole.
    """
    v, w = np.moveaxis(values, axis, 0), np.moveaxis(whole, axis, 0)
    beyond = {by: (_shifted(v, by, np.nan), _shifted(w, by, False)) for by in (-2, -1, 1, 2) if abs(by) < len(v)}
    slope, known = np.zeros_like(v), np.zeros_like(w)

    def take(where, value):
        nonlocal known
        where = where & w & ~known
        slope[where] = value[where]
        known = known | where

    if 1 in beyond:
        (up, has_up), (down, has_down) = beyond[1], beyond[-1]
        take(has_up & has_down, 0.5 * (up - down))
        for by, sign in ((1, 1), (-1, -1)):
            if 2 * by in beyond:
                (one, has_one), (two, has_two) = beyond[by], beyond[2 * by]
                take(has_one & has_two, sign * (2 * one - 1.5 * v - 0.5 * two))
        take(has_up, up - v)
        take(has_down, v - down)
    return np.moveaxis(slope, 0, axis)


def _shifted(values, by, fill):
    """``values`` from ``by`` places on along the first axis; ``fill`` where there are none."""
    moved = np.roll(values, -by, 0)
    moved[slice(-by, None) if by > 0 else slice(0, -by)] = fill
    return moved
