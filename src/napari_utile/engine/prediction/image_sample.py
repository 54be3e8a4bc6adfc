"""A small sample of the pixels of an image of any size, the same at every call."""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.io.stack import Stack

PATCH = {2: 512, 3: 96}
"""Side of the patches in which outliers are looked for, in pixels, for each number of axes."""


def image_sample(stack: Stack, ndim: int, planes: int, side: int) -> NDArray[Any]:
    """Read patches of planes that are evenly spaced in a stack.

    Parameters
    ----------
    stack : Stack
    ndim : int
        Axes of a plane: 2, or 3 where the network sees a volume at once.
    planes : int
        Largest number of planes.
    side : int
        Of a patch, in pixels. There are three along each axis: at both ends and in the middle.
        A plane that is hardly larger is read as one patch.

    Returns
    -------
    ndarray, shape (C, N)
        Patches of a single value, such as the padding of aligned slices, are left out unless
        there are no others.

    Raises
    ------
    UserError
        If the file is damaged there.
    """
    indices = stack.indices_of(ndim)
    count = min(planes, len(indices))
    chosen = [indices[(2 * i + 1) * len(indices) // (2 * count)] for i in range(count)]
    windows = [*product(*(_patch_slices(size, side) for size in stack.shape[-ndim:]))]
    patches = [stack.window(index, window) for index in chosen for window in windows]
    flat = [patch.reshape(len(patch), -1) for patch in patches]
    sample = np.concatenate([p for p in flat if p.min() != p.max()] or flat, axis=1)
    return sample.view(np.uint8) if sample.dtype == bool else sample


def _patch_slices(size: int, side: int) -> list[slice]:
    """Return the parts of an axis that are read."""
    if size <= 3 * side:
        return [slice(0, size)]
    return [slice(start, start + side) for start in (0, (size - side) // 2, size - side)]
