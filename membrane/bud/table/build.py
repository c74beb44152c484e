"""The nodes of a table of paths, solved by the exact law."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np

from membrane.bud import exact as bud
from membrane.bud.exact_law import height_of_gate
from membrane.bud.table.axes import Axis
from membrane.bud.table.node import NOTHING, node_path
from membrane.bud.table.situation import Constants, scaled_problem


def solve_nodes(
    axes: tuple[Axis, ...],
    constants: Constants,
    host_radius: tuple[float, float],
    *,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[np.ndarray, np.ndarray]:
    """(rows of the path at every node, whether each is one branch), arrays (nodes of each axis, ...).

    Paths of which no domain below the search limit has need are not solved.

    Arguments:
        axes: one for each coordinate.
        constants: of the configuration.
        host_radius: (least, most) radius of the host, nm.
        threads: number of paths that are solved at a time.
        progress: called with the number of nodes that are done, and of all.
    """
    grid = np.stack(np.meshgrid(*(a.nodes for a in axes), indexing="ij"), -1)
    needed = np.argwhere(_needed(grid, constants, host_radius))
    shape = grid.shape[:-1]
    rows, whole = np.broadcast_to(NOTHING.rows, (*shape, *NOTHING.rows.shape)).copy(), np.zeros(shape, bool)

    def solve(index):
        return node_path(scaled_problem(tuple(map(float, grid[tuple(index)])), constants))

    with ThreadPoolExecutor(threads) as pool:
        for done, (index, path) in enumerate(zip(needed, pool.map(solve, needed), strict=True)):
            rows[tuple(index)], whole[tuple(index)] = path
            progress(done + 1, len(needed))
    return rows, whole


def _needed(grid, constants: Constants, host_radius) -> np.ndarray:
    """Whether each node is a corner of a cell in which a gate may lie below the search limit."""
    small, large = host_radius
    with jax.enable_x64(True), jax.default_device("cpu"):
        # The line tension of the largest host and the gate of the smallest make the height of the gate least.
        length = grid[..., 0]
        line_tension = constants.line_tension * length * large / constants.bending_rigidity
        gate = constants.gate.neck_radius / (length * small)
        place = np.moveaxis(grid, -1, 0)
        values = scaled_problem(place, constants).values()
        height = jax.jit(_height)([jnp.asarray(np.broadcast_to(v, length.shape)) for v in values], line_tension, gate)
    low = np.asarray(height) < constants.search_limit_kT * constants.gate.thermal_energy / constants.bending_rigidity
    for axis in range(grid.ndim - 1):
        low = _spread(low, axis)
    return low


def _height(values, line_tension, gate):
    return height_of_gate(bud.Problem.of(values), line_tension, gate, True)


def _spread(low, axis):
    """``low`` and its neighbours along an axis."""
    wide = low.copy()
    ahead, behind = [slice(None)] * low.ndim, [slice(None)] * low.ndim
    ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
    wide[tuple(ahead)] |= low[tuple(behind)]
    wide[tuple(behind)] |= low[tuple(ahead)]
    return wide
