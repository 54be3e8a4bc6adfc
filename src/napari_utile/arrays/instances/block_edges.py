"""The pixels along the sides of a block, which tell what lies on both sides of a face.

Sides are numbered: where the axes 0, 1, ... begin, then in reverse order where they end, so
that ``2 * ndim - 1 - side`` is the opposite one. In a plane: up, left, right, down.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def axis_of_side(side: int, ndim: int) -> tuple[int, int]:
    """Return the axis of a side, and the step (-1 or 1) that leads out of the block there."""
    return (side, -1) if side < ndim else (2 * ndim - 1 - side, 1)


def edge_of(block: NDArray[Any]) -> NDArray[Any]:
    """Return the pixels along all sides of a block, one side after the other."""
    sides = (axis_of_side(side, block.ndim) for side in range(2 * block.ndim))
    ends = (block.take(0 if step < 0 else -1, axis) for axis, step in sides)
    return np.concatenate([end.ravel() for end in ends])


def side_of_edge(line: NDArray[Any], shape: NDArray[np.integer], side: int) -> NDArray[Any]:
    """Return one side of the edge of a block of `shape`; see `edge_of`."""
    sizes = shape.prod() // shape
    ends = np.cumsum([0, *sizes, *sizes[::-1]])
    return line[ends[side] : ends[side + 1]]
