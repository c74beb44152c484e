"""In which order the states of a path are searched for, and where on the path they lie.

All steps of the search stand in one list, so that they are compiled once. The list has six parts:

1. straight up: from the flat state up to x = BEGIN (for hard problems, through an easier problem);
2. turn: at x = BEGIN, from the easier problem to the one that was asked for;
3. up: from BEGIN to the narrowest neck;
4. down: from BEGIN down to the flat state;
5. backward: from the flat state to x < 0;
6. from the narrowest neck back to x > 0.

Parts 4 and 5 are needed only for hard problems, part 6 only where part 3 does not reach the narrowest neck.
"""

from typing import NamedTuple

import numpy as np

from membrane.bud.exact.curve import Resolution

BEGIN = 0.8
"""The x at which the easier problem is turned into the one that was asked for."""

TURNS = 4
"""In how many stages it is turned."""


class Step(NamedTuple):
    """The steps of the search, arrays (steps,).

    Attributes:
        x: where the state lies.
        heading: +1 where x grows from the state before, -1 where it falls, 0 where it stays.
        easiness: share of the easier problem that is mixed in.
        known: number of neighbours that the first guess is extrapolated from: 0, 1 or 2.
        hard_only: the step is needed only for hard problems.
        turned: the last step of the turn, from whose state the search comes back to later.
        returns: the first step that starts from that state again.
        narrowest: the step that reaches the narrowest neck.
        from_neck: the step is needed only where the narrowest neck was not reached.
    """

    x: np.ndarray
    heading: np.ndarray
    easiness: np.ndarray
    known: np.ndarray
    hard_only: np.ndarray
    turned: np.ndarray
    returns: np.ndarray
    narrowest: np.ndarray
    from_neck: np.ndarray


class Order(NamedTuple):
    """Indices of steps in the order of ascending x.

    Attributes:
        backward: states at x < 0.
        detour: states at 0 < x < BEGIN of a hard problem.
        straight: states at 0 < x < BEGIN of any other.
        up: states from BEGIN on.
        from_neck: states at x > 0, found from the narrowest neck back.
    """

    backward: np.ndarray
    detour: np.ndarray
    straight: np.ndarray
    up: np.ndarray
    from_neck: np.ndarray


def _sizes(resolution):
    """Number of steps in each part of the list."""
    begin = int(BEGIN / resolution.step + 1e-9)
    up = round(float(np.arccosh(1 / resolution.least_rim)) / resolution.step + 0.5) - begin - 1
    return begin, TURNS, up, begin, resolution.backward, begin + up + 1


def steps(resolution: Resolution) -> Step:
    """All steps of a search."""
    sizes = begin, turns, up, down, back, from_neck = _sizes(resolution)
    index = np.concatenate(
        [
            np.arange(begin),
            np.full(turns, begin),
            begin + 1 + np.arange(up),
            begin - 1 - np.arange(down),
            -1 - np.arange(back),
            begin + up - np.arange(from_neck),
        ]
    )
    known_at_first = (0, 1, 1, 1, 0, 0)
    known = np.concatenate([np.minimum(np.arange(n) + k, 2) for n, k in zip(sizes, known_at_first, strict=True)])
    known[begin : begin + turns] = 1
    at = np.arange(len(index))
    turned = at == begin + turns - 1
    easiness = np.zeros(len(index))
    easiness[:begin], easiness[begin : begin + turns] = 1.0, np.arange(turns)[::-1] / turns
    return Step(
        x=(index + 0.5) * resolution.step,
        heading=np.repeat([1.0, 0.0, 1.0, -1.0, -1.0, -1.0], sizes),
        easiness=easiness,
        known=known,
        hard_only=np.repeat([False, True, False, True, True, False], sizes) & ~turned,
        turned=turned,
        returns=at == begin + turns + up,
        narrowest=at == begin + turns + up - 1,
        from_neck=at >= len(index) - from_neck,
    )


def order(resolution: Resolution) -> Order:
    """Which steps of :func:`steps` make up which part of a path."""
    begin, turns, up, down, back, from_neck = _sizes(resolution)
    top = begin + turns + up
    return Order(
        backward=top + down + np.arange(back)[::-1],
        detour=top + np.arange(down)[::-1],
        straight=np.arange(begin),
        up=begin + turns - 1 + np.arange(up + 1),
        from_neck=top + down + back + np.arange(from_neck)[::-1],
    )


def coordinate(resolution: Resolution) -> np.ndarray:
    """x of the points of every path, ascending."""
    at = order(resolution)
    return steps(resolution).x[np.concatenate([at.backward, at.straight, at.up])]
