"""Labels: checked, numbered, split into components, and separated by gaps.

Objects are connected, touch and are kept apart across the faces of their pixels (4 neighbours
in the plane), so two that meet at a corner only are two.
"""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_utile.arrays.compiled import compiled
from napari_utile.arrays.instances.regions import regions
from napari_utile.errors import UserError

IGNORE = 255
"""Class of unannotated pixels in a training target."""

Labels = NDArray[np.integer[Any]]


def check_labels(labels: ArrayLike, name: str = "labels", ignore: int | None = None) -> Labels:
    """Return label ids as integers, none of them changed.

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
    given = np.asarray(labels)
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
    """Mask of the pixels with the id `ignore`; none if there is no such id."""
    return np.zeros(labels.shape, bool) if ignore is None else labels == ignore


def as_instances(labels: ArrayLike, ignore: int | None = None) -> NDArray[np.int32]:
    """Return one id per object: 1, 2, ... in the order of the ids, 0 for background.

    Labels with a single id are a binary mask and are split into `components`, slice by slice.
    Pixels of `ignore` become background.
    """
    labels = check_labels(labels, ignore=ignore)
    labels = np.where(ignored_pixels(labels, ignore), 0, labels)
    instances = consecutive(labels)
    return components(instances) if instances.max(initial=0) == 1 else instances


def components(
    labels: Labels | NDArray[np.bool_], volumetric: bool = False
) -> NDArray[np.int32]:
    """Return the connected regions of equal, non-zero label: 1, 2, ... over the whole stack.

    Each slice (..., Y, X) is on its own, or each volume (..., Z, Y, X) if `volumetric`.

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
    """Return a view as slices (N, Y, X), or as volumes (N, Z, Y, X) if `volumetric`."""
    spatial = array.shape[-3 if volumetric else -2 :]
    return array.reshape(prod(array.shape[: array.ndim - len(spatial)]), *spatial)


def consecutive(labels: Labels) -> NDArray[np.int32]:
    """Return labels with their ids replaced by 1, 2, ... in order; 0 stays.

    Examples
    --------
    >>> consecutive(np.array([0, 2**63, 5], np.uint64))
    array([0, 2, 1], dtype=int32)
    """
    if labels.max(initial=0) > max(labels.size, 2**16):
        ids, inverse = np.unique(labels, return_inverse=True)
        return (inverse.reshape(labels.shape) + (ids[0] > 0)).astype(np.int32)
    present = np.zeros(int(labels.max(initial=0)) + 1, bool)
    present[labels] = True
    present[0] = False
    return np.cumsum(present, dtype=np.int32)[labels] * (labels > 0)


def with_gaps(instances: Labels) -> NDArray[np.int32]:
    """Return instances 1, 2, ... with one pixel of background between touching objects.

    In reading order, of every two neighbours (4-neighbourhood) that still belong to different
    objects, the pixel of the object with more pixels becomes background, or the later pixel
    if they are equal. So the gap is one pixel wide and small objects are eaten last.

    Examples
    --------
    >>> with_gaps(np.array([[1, 1, 2, 2, 2, 0, 3]]))
    array([[1, 1, 0, 2, 2, 0, 3]], dtype=int32)
    """
    parted = consecutive(instances)
    sizes = np.bincount(parted.ravel())
    for plane in blocks(parted):
        _clear_touching(plane, sizes)
    return parted


@compiled
def _clear_touching(plane: NDArray[Any], sizes: NDArray[Any]) -> None:
    """Clear one pixel of each touching pair, in place."""
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            for above, left in ((1, 0), (0, 1)):
                here = plane[y, x]
                other = plane[y - above, x - left] if y >= above and x >= left else here
                if 0 != here != other != 0:
                    if sizes[other] > sizes[here]:
                        plane[y - above, x - left] = 0
                    else:
                        plane[y, x] = 0
