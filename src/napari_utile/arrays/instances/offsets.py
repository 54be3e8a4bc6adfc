"""Offsets between the voxels of affinities, and the maps that a network has of them.

Where two voxels are in the same object, their affinity is 1.
"""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

Offset = tuple[int, ...]
"""From a voxel to its partner, per axis."""
DISTANCES = (1, 3, 9)
"""Between a voxel and its partners along each axis, in sides of a cube of the finest voxel."""
FOREGROUND = "foreground"
"""What the map in front of those of affinities is called."""


def affinity_offsets(spacing: Sequence[float]) -> tuple[Offset, ...]:
    """Return offsets to three partners along each axis, by the size of a voxel.

    Parameters
    ----------
    spacing : sequence of float
        Size of a voxel along each axis, in any unit.

    Returns
    -------
    tuple of tuple of int
        The nearest partners of all axes first. Each lies as near to its distance of
        `DISTANCES` as whole voxels allow, and at least one voxel beyond the one before.

    Examples
    --------
    >>> affinity_offsets((40, 10))
    ((-1, 0), (0, -1), (-2, 0), (0, -3), (-3, 0), (0, -9))
    """
    finest, axes = min(spacing), range(len(spacing))
    return tuple(
        tuple(-max(least, round(far * finest / spacing[axis])) * (axis == i) for i in axes)
        for least, far in enumerate(DISTANCES, start=1)
        for axis in axes
    )


def affinity_names(offsets: Sequence[Offset]) -> tuple[str, ...]:
    """Return what the maps of foreground and affinities are called.

    Parameters
    ----------
    offsets : sequence of tuple of int

    Examples
    --------
    >>> affinity_names([(-1, 0, 0), (0, 0, -9)])
    ('foreground', 'affinity_z-1', 'affinity_x-9')
    """
    named = (zip("zyx"[-len(offset) :], offset, strict=True) for offset in offsets)
    steps = ("".join(f"{axis}{step:+d}" for axis, step in each if step) for each in named)
    return (FOREGROUND, *(f"affinity_{each}" for each in steps))


def class_maps(probabilities: NDArray[Any], offsets: Sequence[Offset]) -> NDArray[Any]:
    """Return the probabilities of classes, or of the foreground, without affinities.

    Parameters
    ----------
    probabilities : ndarray, shape (C, ...)
    offsets : sequence of tuple of int
        Of the affinities, which are the maps behind the foreground; empty if there are none.
    """
    return probabilities[:1] if offsets else probabilities
