"""In which order the states of a path are searched for, and where on the path they lie.

All steps of the search stand in one list, so that they are compiled once. The list has six parts:

1. straight up: from the flat state up to x = BEGIN or just before it (for hard problems, through an easier problem);
2. turn: there, from the easier problem to the one that was asked for;
3. up: from there to the narrowest neck;
4. down: from there down to the flat state;
5. backward: from the flat state to x < 0;
6. from the narrowest neck back to x > 0.

Parts 2, 4 and 5 are needed only for hard problems, part 6 only where part 3 does not reach the narrowest neck.
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
        keeps: the first step of part 3. Near it the rim may pass a right angle, where an extrapolation misleads: if no
            turn came before, the shape of the state before is the first guess.
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
    keeps: np.ndarray
    turned: np.ndarray
    returns: np.ndarray
    narrowest: np.ndarray
    from_neck: np.ndarray


class Order(NamedTuple):
    """Indices of steps in the order of ascending x.

    Attributes:
        backward: states at x < 0.
        detour: states at 0 < x <= BEGIN of a hard problem.
        straight: states at 0 < x <= BEGIN of any other.
        up: states beyond BEGIN.
        from_neck: states at x > 0, found from the narrowest neck back.
    """

    backward: np.ndarray
    detour: np.ndarray
    straight: np.ndarray
    up: np.ndarray
    from_neck: np.ndarray


def _sizes(resolution):
    """Number of steps in each part of the list."""
    straight = int(BEGIN / resolution.step + 1e-9) + 1
    up = round(float(np.arccosh(1 / resolution.least_rim)) / resolution.step + 0.5) - straight
    return straight, TURNS, up, straight - 1, resolution.backward, straight + up


def steps(resolution: Resolution) -> Step:
    """All steps of a search."""
    sizes = straight, turns, up, down, back, from_neck = _sizes(resolution)
    begin = straight - 1
    index = np.concatenate(
        [
            np.arange(straight),
            np.full(turns, begin),
            straight + np.arange(up),
            begin - 1 - np.arange(down),
            -1 - np.arange(back),
            begin + up - np.arange(from_neck),
        ]
    )
    known_at_first = (0, 1, 1, 1, 0, 0)
    known = np.concatenate([np.minimum(np.arange(n) + k, 2) for n, k in zip(sizes, known_at_first, strict=True)])
    known[straight : straight + turns] = 1
    at = np.arange(len(index))
    easiness = np.zeros(len(index))
    easiness[:straight], easiness[straight : straight + turns] = 1.0, np.arange(turns)[::-1] / turns
    return Step(
        x=(index + 0.5) * resolution.step,
        heading=np.repeat([1.0, 0.0, 1.0, -1.0, -1.0, -1.0], sizes),
        easiness=easiness,
        known=known,
        hard_only=np.repeat([False, True, False, True, True, False], sizes),
        keeps=at == straight + turns,
        turned=at == straight + turns - 1,
        returns=at == straight + turns + up,
        narrowest=at == straight + turns + up - 1,
        from_neck=at >= len(index) - from_neck,
    )


def order(resolution: Resolution) -> Order:
    """Which steps of :func:`steps` make up which part of a path."""
    straight, turns, up, down, back, from_neck = _sizes(resolution)
    top = straight + turns + up
    return Order(
        backward=top + down + np.arange(back)[::-1],
        detour=np.append(top + np.arange(down)[::-1], straight + turns - 1),
        straight=np.arange(straight),
        up=straight + turns + np.arange(up),
        from_neck=top + down + back + np.arange(from_neck)[::-1],
    )


def coordinate(resolution: Resolution) -> np.ndarray:
    """x of the points of every path, ascending."""
    at = order(resolution)
    return steps(resolution).x[np.concatenate([at.backward, at.straight, at.up])]
