"""Borders of a given width between objects that touch, in the target of a training.

Where labels are dense, as those of neurites without background, the border between two objects
is a line that somebody drew, a pixel or two beside where it could have been. A border in the
target that is wider than this noise can be learnt.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.labels import Labels, blocks, with_gaps
from napari_utile.arrays.weight_maps.two_nearest import two_nearest

DENSE = 0.5
"""Share of the objects' outline beside other objects from which labels are dense."""
WIDTH_OF_DENSE = 4.0
"""Width of the border by default where labels are dense, in pixels. Of 1, 2, 4 and 6 px, 4 gave
the best objects, or as good ones, in three volumes: neurites with cubic voxels, every fourth
slice of them, and plant cells (foreground of a 3D U-Net after 200 to 440 steps, joined by mean
foreground along their common border)."""


def with_borders(
    instances: Labels,
    width: float,
    volumetric: bool = False,
    spacing: Sequence[float] | None = None,
) -> NDArray[np.int32]:
    """Return instances with background of a given width where they are near each other.

    Parameters
    ----------
    instances : ndarray of int >= 0, shape (..., Y, X)
    width : float
        Of the background between two objects, in pixels of x. Up to 1 it is a gap of one
        pixel, see `with_gaps`; wider ones are cut from both objects alike.
    volumetric : bool, default False
        Whether volumes (..., Z, Y, X) have borders; otherwise each slice is on its own.
    spacing : sequence of float, default 1
        Size of a pixel along (Y, X), or of a voxel along (Z, Y, X), in pixels of x.

    Returns
    -------
    ndarray of int32, shape (..., Y, X)
        1, 2, ...; an object that would vanish in the border is cut by a gap of one pixel only.

    Notes
    -----
    The border between two touching pixels runs half a pixel from the centre of each, so pixels
    whose centre is less than ``(width + 1) / 2`` from another object are background.

    Examples
    --------
    >>> with_borders(np.array([[1, 1, 1, 1, 2, 2, 2, 2]]), 4)
    array([[1, 1, 0, 0, 0, 0, 2, 2]], dtype=int32)
    """
    gapped = with_gaps(instances, volumetric)
    if width <= 1:
        return gapped
    # The gap of one pixel is found by ids in raster order, the border by distances.
    whole = np.where(instances > 0, instances, 0)
    cut = gapped.copy()
    parts = zip(blocks(whole, volumetric), blocks(cut, volumetric), strict=True)
    for objects, kept in parts:
        _, other = two_nearest(np.ascontiguousarray(objects, np.int32), spacing)
        kept[other < (width + 1) / 2] = 0
    lost = np.setdiff1d(np.unique(gapped), np.unique(cut))
    return np.where(np.isin(gapped, lost), gapped, cut) if lost.size else cut


def border_share(instances: Labels, volumetric: bool = False) -> float:
    """Return which share of the outline of objects lies against other objects, 0 to 1.

    Parameters
    ----------
    instances : ndarray of int >= 0, shape (..., Y, X)
    volumetric : bool, default False
        Whether neighbouring slices count.

    Returns
    -------
    float
        Of the faces between a pixel of an object and another object or background; 0 without.

    Examples
    --------
    >>> border_share(np.array([[1, 1, 2, 2, 0]]))
    0.5
    """
    touching = outline = 0
    for axis in range(-3 if volumetric else -2, 0):
        if -axis > instances.ndim:
            continue
        first = instances.take(range(instances.shape[axis] - 1), axis)
        second = instances.take(range(1, instances.shape[axis]), axis)
        is_edge = first != second
        outline += int(np.count_nonzero(is_edge))
        touching += int(np.count_nonzero(is_edge & (first > 0) & (second > 0)))
    return touching / outline if outline else 0.0


def default_width(instances: Labels, volumetric: bool = False) -> float:
    """Return the width of the border that suits labels, in pixels.

    Parameters
    ----------
    instances : ndarray of int >= 0, shape (..., Y, X)
    volumetric : bool, default False
        Whether borders are made in volumes.

    Returns
    -------
    float
        `WIDTH_OF_DENSE` if at least the share `DENSE` of the outline of objects lies against
        other objects; else 1.
    """
    return WIDTH_OF_DENSE if border_share(instances, volumetric) >= DENSE else 1.0
