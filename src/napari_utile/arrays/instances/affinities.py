"""Affinities: whether two voxels are in one object, in what is learnt of labels.

An offset says which two: a voxel, and the one that lies so far from it. `affinity_sums` makes
objects of them.
"""

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.offsets import Offset
from napari_utile.arrays.labels import IGNORE
from napari_utile.arrays.tiling import Window

UNANNOTATED = int(np.iinfo(np.int32).min)
"""In `signed_ids`: what nobody annotated."""


def signed_ids(instances: NDArray[np.int32], classes: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return instances and foreground in one array: what affinities are learnt from.

    Parameters
    ----------
    instances : ndarray of int32 >= 0, any shape
        Without borders between them.
    classes : ndarray of uint8, same shape
        1 is foreground, which has borders; `IGNORE` is unannotated.

    Returns
    -------
    ndarray of int32, same shape
        The id of an instance in its foreground, its negative in its border; 0 is background,
        `UNANNOTATED` the rest.

    Examples
    --------
    >>> signed_ids(np.array([[5, 5, 8, 0]], np.int32), np.array([[1, 0, 1, 0]], np.uint8))
    array([[ 5, -5,  8,  0]], dtype=int32)
    """
    signed = np.where(classes == 1, instances, -instances).astype(np.int32)
    signed[classes == IGNORE] = UNANNOTATED
    return signed


def pair_windows(shape: tuple[int, ...], offset: Offset) -> tuple[Window, Window]:
    """Return the windows of voxels that have a partner inside, and of their partners.

    Parameters
    ----------
    shape : tuple of int
    offset : tuple of int
        Per axis.
    """
    here, there = [], []
    for size, step in zip(shape, offset, strict=True):
        start = max(0, -step)
        stop = max(start, min(size, size - step))
        here.append(slice(start, stop))
        there.append(slice(start + step, stop + step))
    return tuple(here), tuple(there)
