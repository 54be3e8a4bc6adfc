"""Label ids: check them, renumber them, split them into components, separate them by gaps.

Pixels are neighbours across their faces (4 in the plane, 6 in a volume): two objects that meet
at a corner only do not touch.
"""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_utile.arrays.compiled import compiled
from napari_utile.arrays.given import given_array
from napari_utile.arrays.instances.regions import regions
from napari_utile.errors import UserError

IGNORE = 255
"""Class of unannotated pixels in a training target."""

Labels = NDArray[np.integer[Any]]


def check_labels(labels: ArrayLike, name: str = "labels", ignore: int | None = None) -> Labels:
    """Return label ids as integers, none of them changed.

    Parameters
    ----------
    labels : array_like of int, bool or float, shape (..., Y, X)
    name : str, default "labels"
        What they are called in messages.
    ignore : int, optional
        Id of unannotated pixels; it may be negative.

    Returns
    -------
    ndarray of int, shape of `labels`
        Boolean becomes uint8, whole numbers in floating point become int64, integers stay.

    Raises
    ------
    UserError
        If ids are negative (except `ignore`), fractional, not finite, no numbers, or so large
        that their floating-point type merges neighbours; or if there are fewer than two axes.

    Examples
    --------
    >>> check_labels([[0.0, 2.0]])
    array([[0, 2]])
    """
    given = np.asarray(given_array(labels, name))
    if given.ndim < 2:
        raise UserError(f"The {name} have shape {given.shape}, but need the axes (Y, X).")
    if given.dtype.kind == "b":
        return given.view(np.uint8)
    if given.dtype.kind == "f":
        given = _whole_numbers(given, name)
    if given.dtype.kind not in "iu":
        raise UserError(f"The {name} are {given.dtype}, but ids are whole numbers.")
    if given.dtype.kind == "i" and given.min(initial=0) < 0:
        negative = given[(given < 0) & ~ignored_pixels(given, ignore)]
        if negative.size:
            raise UserError(
                f"The {name} ({given.dtype}) have the negative id {negative.min()}."
            )
    return given


def _whole_numbers(given: NDArray[np.floating[Any]], name: str) -> NDArray[np.int64]:
    broken = given[~np.isfinite(given) | (given != np.floor(given))]
    # Beyond 2 to the number of digits, neighbouring whole numbers are one floating-point value.
    largest = 2 ** (np.finfo(given.dtype).nmant + 1)
    if broken.size:
        raise UserError(
            f"The {name} ({given.dtype}) have the value {broken[0]}, but ids are whole numbers."
        )
    if given.size and (extreme := np.abs(given).max()) > largest:
        raise UserError(
            f"The {name} have the id {extreme:.0f}, which {given.dtype} cannot hold exactly: "
            "save them as integers."
        )
    return given.astype(np.int64)


def ignored_pixels(labels: Labels, ignore: int | None) -> NDArray[np.bool_]:
    """Return the mask of unannotated pixels.

    Parameters
    ----------
    labels : ndarray of int, any shape
    ignore : int or None
        Their id; None if there are none.

    Returns
    -------
    ndarray of bool, shape of `labels`
    """
    return np.zeros(labels.shape, bool) if ignore is None else labels == ignore


def as_instances(
    labels: ArrayLike, ignore: int | None = None, volumetric: bool = False
) -> NDArray[np.int32]:
    """Return instances 1, 2, ... from labels, or from a binary mask.

    Parameters
    ----------
    labels : array_like of int, shape (..., Y, X)
        Label ids, 0 for background. With a single other id they are a binary mask.
    ignore : int, optional
        Id of pixels that become background.
    volumetric : bool, default False
        Whether components extend over the slices of a volume (..., Z, Y, X).

    Returns
    -------
    ndarray of int32, shape of `labels`
        One number per id, in their order; of a binary mask one per connected component, slice
        by slice or volume by volume.

    Raises
    ------
    UserError
        If `labels` are not label ids; see `check_labels`.

    Examples
    --------
    >>> as_instances(np.array([[9, 0, 9]]))
    array([[1, 0, 2]], dtype=int32)
    """
    labels = check_labels(labels, ignore=ignore)
    labels = np.where(ignored_pixels(labels, ignore), 0, labels)
    instances = consecutive(labels)
    is_mask = instances.max(initial=0) == 1
    return components(instances, volumetric) if is_mask else instances


def components(
    labels: Labels | NDArray[np.bool_], volumetric: bool = False
) -> NDArray[np.int32]:
    """Return the connected components of equal, non-zero label.

    Parameters
    ----------
    labels : ndarray of int or bool, shape (..., Y, X)
    volumetric : bool, default False
        Whether components extend over the slices of a volume (..., Z, Y, X); otherwise each
        slice has its own.

    Returns
    -------
    ndarray of int32, shape of `labels`
        1, 2, ... over the whole stack, in raster order of their first pixels; 0 where
        `labels` is 0.

    Examples
    --------
    >>> components(np.array([[7, 0, 7, 9], [7, 0, 7, 0]]))
    array([[1, 0, 2, 3],
           [1, 0, 2, 0]], dtype=int32)
    """
    numbered = np.zeros(labels.shape, np.int32)
    count = 0
    for block, out in zip(
        blocks(labels, volumetric), blocks(numbered, volumetric), strict=True
    ):
        connected, firsts = regions(block)
        np.add(connected, count, out=out, where=connected > 0, casting="same_kind")
        count += len(firsts)
    return numbered


def blocks(array: NDArray[Any], volumetric: bool = False) -> NDArray[Any]:
    """Return a view of a stack as slices (N, Y, X), or as volumes (N, Z, Y, X).

    Parameters
    ----------
    array : ndarray, shape (..., Y, X) or (..., Z, Y, X)
    volumetric : bool, default False
        Whether volumes are kept whole.

    Returns
    -------
    ndarray, shape (N, Y, X) or (N, Z, Y, X)
    """
    spatial = array.shape[-3 if volumetric else -2 :]
    return array.reshape(prod(array.shape[: array.ndim - len(spatial)]), *spatial)


def consecutive(labels: Labels) -> NDArray[np.int32]:
    """Return labels with their ids replaced by 1, 2, ... in order; 0 stays.

    Parameters
    ----------
    labels : ndarray of int >= 0, any shape

    Returns
    -------
    ndarray of int32, shape of `labels`

    Examples
    --------
    >>> consecutive(np.array([0, 2**63, 5], np.uint64))
    array([0, 2, 1], dtype=int32)
    """
    # A lookup table is many times faster than sorting, but needs memory for the largest id.
    if labels.max(initial=0) > max(labels.size, 2**16):
        ids, inverse = np.unique(labels, return_inverse=True)
        return (inverse.reshape(labels.shape) + (ids[0] > 0)).astype(np.int32)
    present = np.zeros(int(labels.max(initial=0)) + 1, bool)
    present[labels] = True
    present[0] = False
    return np.cumsum(present, dtype=np.int32)[labels] * (labels > 0)


def with_gaps(instances: Labels, volumetric: bool = False) -> NDArray[np.int32]:
    """Return instances 1, 2, ... with one pixel of background between touching objects.

    Of every two neighbours (4 in the plane) that still belong to different objects, in raster
    order, the pixel of the object with more pixels in the whole stack becomes background, or
    the later pixel if they are equal. So the gap is one pixel wide, and small objects lose
    fewest pixels.

    Parameters
    ----------
    instances : ndarray of int >= 0, shape (..., Y, X)
    volumetric : bool, default False
        Whether objects of neighbouring slices are separated, too: 6 neighbours in a volume
        (..., Z, Y, X). Otherwise each slice is on its own.

    Returns
    -------
    ndarray of int32, shape (..., Y, X)

    Examples
    --------
    >>> with_gaps(np.array([[1, 1, 2, 2, 2, 0, 3]]))
    array([[1, 1, 0, 2, 2, 0, 3]], dtype=int32)
    """
    separate = consecutive(instances)
    sizes = np.bincount(separate.ravel())
    for part in blocks(separate, volumetric):
        _clear_touching(part if volumetric else part[np.newaxis], sizes)
    return separate


@compiled
def _clear_touching(volume: NDArray[Any], sizes: NDArray[Any]) -> None:
    """Clear one pixel of each touching pair, in place."""
    for z in range(volume.shape[0]):
        for y in range(volume.shape[1]):
            for x in range(volume.shape[2]):
                for before, above, left in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
                    here = volume[z, y, x]
                    is_inside = z >= before and y >= above and x >= left
                    other = volume[z - before, y - above, x - left] if is_inside else here
                    if 0 != here != other != 0:
                        if sizes[other] > sizes[here]:
                            volume[z - before, y - above, x - left] = 0
                        else:
                            volume[z, y, x] = 0
