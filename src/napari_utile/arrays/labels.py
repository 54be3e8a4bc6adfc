"""Labels: checked, and turned from instances into training targets and from probabilities back.

Objects are connected, touch and are kept apart across the faces of their pixels (4 neighbours
in the plane), so two that meet at a corner only are two.
"""

from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_utile.arrays.compiled import compiled
from napari_utile.arrays.linking import Numbering, overlaps
from napari_utile.arrays.objects import ObjectRule, PlaneObjects, assembled, fragments
from napari_utile.arrays.stitching import regions
from napari_utile.errors import UserError

IGNORE = 255
"""Class of pixels that nobody annotated, in a training target."""

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Target:
    """What a network shall learn from labels.

    Attributes
    ----------
    classes : ndarray of uint8, shape of the labels
        0 is background, then 1, 2, ...; `IGNORE` where nobody annotated.
    objects : ndarray of int32, shape of the labels
        Instances whose gaps the weight map stresses. 0 is everything else.
    ids : tuple of int
        Label id of each class. In a target of instances (0, 1), or (1, 2) if sparse.
    """

    classes: NDArray[np.uint8]
    objects: NDArray[np.int32]
    ids: tuple[int, ...]


def training_target(
    labels: ArrayLike,
    target: Literal["instances", "classes"] = "instances",
    ignore: int | None = None,
    sparse: bool = False,
    *,
    alone: bool = True,
) -> Target:
    """Say for every pixel of `labels` which class the network shall find there.

    Parameters
    ----------
    labels : array_like of int, shape (..., Y, X)
        Label ids; see `check_labels` for what else is taken.
    target : {"instances", "classes"}
        What an id means. Instances become two classes, background and object, with a gap of
        background between touching objects; a binary mask counts as its connected components.
    ignore : int, optional
        Id of pixels that nobody annotated.
    sparse : bool, default False
        0 means "not annotated" too, 1 is background, 2... are the objects or classes.

    alone : bool, default True
        These are all the labels there are; otherwise they need not show every class.

    Raises
    ------
    UserError
        If the labels cannot be learnt from: nothing annotated, one class only, more than 254
        classes, or ids that `check_labels` refuses.

    Notes
    -----
    In a target of classes the connected components of each class are the objects. Background
    is class 0 even where no pixel shows it.

    Examples
    --------
    >>> training_target(np.array([[5, 5, 8, 8, 0]])).classes
    array([[1, 1, 0, 1, 0]], dtype=uint8)
    >>> training_target(np.array([[5, 5, 8, 8, 0]]), "classes")
    Target(classes=array([[1, 1, 2, 2, 0]], dtype=uint8), objects=array([[1, 1, 2, 2, 0]], dtype=int32), ids=(0, 5, 8))
    """  # noqa: E501
    labels = check_labels(labels, ignore=ignore)
    background = 1 if sparse else 0
    ignored = ignored_pixels(labels, ignore)
    if sparse:
        ignored |= labels == 0
    labels = np.where(ignored, background, labels)

    if target == "instances":
        objects = with_gaps(as_instances(np.where(labels == background, 0, labels)))
        classes = (objects > 0).astype(np.uint8)
        ids: tuple[int, ...] = (background, background + 1)
    else:
        ids = _class_ids(labels, background)
        classes = np.searchsorted(np.array(ids, labels.dtype), labels).astype(np.uint8)
        objects = components(classes)
    classes[ignored] = IGNORE
    if alone:
        _refuse_one_class(classes, ids, target)
    return Target(classes, objects, ids)


def _class_ids(labels: Labels, background: int) -> tuple[int, ...]:
    ids = tuple(sorted({background, *np.unique(labels).tolist()}))
    if len(ids) >= IGNORE:
        raise UserError(
            f"The labels have {len(ids):,} different ids, and at most {IGNORE - 1} can be "
            "classes; if each id is one object, learn instances."
        )
    return ids


def _refuse_one_class(classes: NDArray[np.uint8], ids: tuple[int, ...], target: str) -> None:
    counts = np.bincount(classes.ravel(), minlength=IGNORE + 1)[:IGNORE]
    annotated = f"{counts.sum():,} annotated of {classes.size:,} pixels"
    match np.flatnonzero(counts).tolist():
        case []:
            raise UserError(f"The labels annotate no pixel: {annotated}.")
        case [0]:
            raise UserError(f"The labels show no object, only background: {annotated}.")
        case [1] if target == "instances":
            raise UserError(f"The labels show no background, only objects: {annotated}.")
        case [only]:
            raise UserError(f"The labels show one class only, id {ids[only]}: {annotated}.")


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
    """Give each object its own id: 1, 2, ... in the order of the ids, 0 for background.

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
    """Number the connected regions of equal, non-zero label: 1, 2, ... over the whole stack.

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
    """View (..., Y, X) as slices (N, Y, X), or (..., Z, Y, X) as volumes (N, Z, Y, X)."""
    spatial = array.shape[-3 if volumetric else -2 :]
    return array.reshape(prod(array.shape[: array.ndim - len(spatial)]), *spatial)


def consecutive(labels: Labels) -> NDArray[np.int32]:
    """Number the ids of `labels` 1, 2, ... in their order, and keep 0.

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
    """Part touching objects by one pixel of background, slice by slice; number them 1, 2, ...

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
        _part(plane, sizes)
    return parted


@compiled
def _part(plane: NDArray[Any], sizes: NDArray[Any]) -> None:
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


def instances(
    probabilities: NDArray[Any],
    threshold: float = 0.5,
    min_size: int = 0,
    volumetric: bool = False,
    method: Literal["watershed", "components"] = "watershed",
    fill_holes: int = 0,
    linking: Literal["overlap", "touch", "none"] = "overlap",
    link_iou: float = 0.25,
) -> NDArray[np.int32]:
    """Number the objects that are likely foreground.

    Parameters
    ----------
    probabilities : ndarray, shape (C, ..., Y, X)
        Of each class, background first; or of the foreground, if C is 1. Integers count as
        shares of their largest value: 255 in uint8 is 1. All else is rounded to that, see
        `foreground`.
    threshold : float, default 0.5
        A pixel is foreground if its foreground probability is higher.
    min_size : int, default 0
        Smaller objects are dropped: in pixels of each slice, or if `linking` is "touch", in
        voxels of the whole object.
    volumetric : bool, default False
        Find the connected components of each volume (..., Z, Y, X): the method "components",
        and the linking "touch", whatever else is said.
    method : {"watershed", "components"}, default "watershed"
        Take apart what only a leak joins, see `arrays.separation`; or number the connected
        components as they are. Each slice is on its own.
    fill_holes : int, default 0
        Background of up to this many pixels of a slice becomes part of the object around it.
    linking : {"overlap", "touch", "none"}, default "overlap"
        How objects of neighbouring slices Z become one, see `arrays.linking.Numbering`: the
        two that overlap most, all that touch, or never.
    link_iou : float, default 0.25
        Least IoU of two objects that become one by "overlap".

    Returns
    -------
    ndarray of int32, shape (..., Y, X)
        Instances 1, 2, ...; 0 is background.

    Notes
    -----
    A prediction of any size gives the same objects block by block, see `arrays.objects`; here
    each slice is one block.

    Examples
    --------
    >>> instances(np.array([[[0.9, 0.9, 0.2, 0.8]]]))
    array([[1, 1, 0, 2]], dtype=int32)
    """
    _refuse_no_classes(probabilities)
    if volumetric:
        method, linking = "components", "touch"
    rule = ObjectRule(threshold, min_size, fill_holes, method, linking, link_iou)
    numbering = Numbering(rule)
    found = np.zeros(probabilities.shape[1:], np.int32)
    planes = np.zeros((0, 0), np.uint32)
    for index in np.ndindex(found.shape[:-2]):
        below, (here, objects) = planes, _plane(foreground(probabilities[:, *index]), rule)
        planes = here
        is_next = bool(index) and index[-1] > 0 and linking != "none"
        ids = numbering.plane(objects, overlaps(below, here) if is_next else None)
        found[index] = ids[here]
    final = numbering.final()
    return found if final is None else final.astype(np.int32)[found]


def _plane(
    foreground: NDArray[np.uint8], rule: ObjectRule
) -> tuple[NDArray[np.uint32], PlaneObjects]:
    """Find the objects of a plane in one block."""
    height, width = foreground.shape
    whole = fragments(foreground, np.s_[0:height, 0:width], (0, 0), (height, width), rule)
    objects = assembled([whole.tables], (1, 1), rule)
    return objects.maps[0][whole.labels], objects


def foreground(probabilities: NDArray[Any]) -> NDArray[np.uint8]:
    """Round the foreground probabilities (C, ..., Y, X) to uint8 (..., Y, X); 255 is 1.

    Half-way is rounded down, so a probability of 0.5 is not above the threshold 0.5.

    Examples
    --------
    >>> foreground(np.array([[[0.0, 0.5, 0.501, 1.0]]]))
    array([[  0, 127, 128, 255]], dtype=uint8)
    """
    first, certain = probabilities[0], _certain(probabilities)
    if probabilities.dtype == np.uint8:
        return first if len(probabilities) == 1 else 255 - first
    share = first / np.float32(certain)
    share = share if len(probabilities) == 1 else 1 - share
    return np.ceil(share * np.float32(255) - np.float32(0.5)).astype(np.uint8)


def classes(probabilities: NDArray[Any], threshold: float = 0.5) -> NDArray[np.unsignedinteger]:
    """Name the most probable class of each pixel, the first one of equals.

    Parameters
    ----------
    probabilities : ndarray, shape (C, ..., Y, X)
        Of each class, or of the foreground if C is 1: then class 1 is where it is higher than
        `threshold`, as in `instances`.

    Returns
    -------
    ndarray of uint8 (uint16 for more than 256 classes), shape (..., Y, X)
    """
    if len(probabilities) == 1:
        return _foreground(probabilities, threshold).astype(np.uint8)
    dtype = np.uint8 if len(probabilities) <= 256 else np.uint16
    return probabilities.argmax(axis=0).astype(dtype)


def _foreground(probabilities: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    _refuse_no_classes(probabilities)
    if len(probabilities) == 1:
        return probabilities[0] > threshold * _certain(probabilities)
    return probabilities[0] < (1 - threshold) * _certain(probabilities)


def _refuse_no_classes(probabilities: NDArray[Any]) -> None:
    if probabilities.ndim < 3:
        raise ValueError(f"probabilities must be (C, ..., Y, X), got {probabilities.shape}")


def _certain(probabilities: NDArray[Any]) -> float:
    """Give the value that stands for a probability of 1."""
    return np.iinfo(probabilities.dtype).max if probabilities.dtype.kind in "iu" else 1.0
