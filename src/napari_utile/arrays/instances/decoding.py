"""Decode the probabilities of a network: instances, classes, foreground."""

from collections.abc import Generator, Sequence
from typing import Any
from warnings import warn

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.given import given_array
from napari_utile.arrays.instances.affinity_sums import affinity_table, near_and_far
from napari_utile.arrays.instances.assembly import PlaneObjects, assemble
from napari_utile.arrays.instances.evidence import ruin_text, unfit_text
from napari_utile.arrays.instances.fragments import fragments
from napari_utile.arrays.instances.link_costs import LinkCosts
from napari_utile.arrays.instances.linking import Numbering, overlaps
from napari_utile.arrays.instances.object_rule import ObjectRule
from napari_utile.arrays.instances.offsets import Offset
from napari_utile.errors import UserError
from napari_utile.events import drain
from napari_utile.settings.options import InstanceMethod, Linking

HALF_PRECISION = 1e-3
"""By how much probabilities in half precision may lie outside 0 to 1."""


def instances(
    probabilities: NDArray[Any],
    threshold: float = ObjectRule.threshold,
    min_size: int = ObjectRule.min_size,
    volumetric: bool = False,
    method: InstanceMethod | None = None,
    fill_holes: int = ObjectRule.fill_holes,
    linking: Linking = ObjectRule.linking,
    link_iou: float = ObjectRule.link_iou,
    costs: LinkCosts = ObjectRule.costs,
    growth: float | Sequence[float] = 0.0,
    offsets: Sequence[Offset] = (),
) -> NDArray[np.int32]:
    """Return the instances of a probability map.

    Parameters
    ----------
    probabilities : ndarray, shape (C, ..., Y, X)
        Of each class, background first; or of the foreground, if C is 1. Integers are
        fractions of their largest value: 255 in uint8 is 1. Other types are rounded to
        uint8, see `foreground`.
    threshold : float, default 0.5
        A pixel is foreground if its foreground probability is higher.
    min_size : int, default 0
        Smaller objects are dropped: in pixels of each slice, or if `linking` is "touch" or with
        `volumetric`, in voxels of the whole object.
    volumetric : bool, default False
        Find the objects of each volume (..., Z, Y, X) at once, not slice by slice. `linking`
        does not count then.
    method : {"watershed", "components"}, optional
        Watershed and merging, which separates objects that only a narrow neck joins, see
        `arrays.instances.merging`; or connected components. By default "watershed", of
        volumes "components".
    fill_holes : int, default 0
        Background of up to this many pixels of a slice, or voxels with `volumetric`, becomes
        part of the object around it.
    linking : {"graph", "overlap", "touch", "none"}, default "graph"
        Which objects of neighbouring slices become one, see `arrays.instances.linking`: those
        that a graph over the stack joins, the two that overlap most, all that touch, or none.
    link_iou : float, default 0.25
        Least IoU of two objects that become one by "overlap".
    costs : LinkCosts, optional
        By which "graph" decides.
    growth : float or sequence of float, default 0
        By how many pixels objects of a "watershed" grow where the gap to a neighbour is narrow,
        along all axes or each; at most 4. Networks that learnt a wide border end objects half
        of it too early.
    offsets : sequence of tuple of int, optional
        `probabilities` are those of the foreground and, for each offset, the affinity of each
        voxel and its partner: how likely they are in one object. For volumes and "watershed".

    Returns
    -------
    ndarray of int32, shape (..., Y, X)
        Instances 1, 2, ... in raster order of their first pixels; 0 is background.

    Raises
    ------
    ValueError
        If `probabilities` has fewer than three axes, or an option is out of range.
    UserError
        If they are NaN, negative or above 1, signed integers, or do not add up to 1.

    Notes
    -----
    Block by block, `arrays.instances.fragments` finds the same instances in a prediction of
    any size; here each slice, or volume, is one block. Neighbours share a side, in a volume a
    face. Lengths are in voxels: a volume of distant slices is divided by the same rule.

    Examples
    --------
    >>> instances(np.array([[[0.9, 0.9, 0.2, 0.8]]]))
    array([[1, 1, 0, 2]], dtype=int32)
    """
    probabilities = np.asarray(given_array(probabilities, "probabilities"))
    _refuse_no_classes(probabilities)
    if offsets:
        _refuse_other_maps(probabilities, volumetric, method, offsets)
    _refuse_no_probabilities(probabilities[:1] if offsets else probabilities)
    ndim = min(3, probabilities.ndim - 1) if volumetric else 2
    if volumetric:
        method, linking = method or "components", "none"
    method = method or ObjectRule.method
    widths = (float(growth),) * ndim if isinstance(growth, int | float) else tuple(growth)
    options = (threshold, min_size, fill_holes, method, linking, link_iou, costs, widths)
    rule = ObjectRule(*options, tuple(offsets))

    def say(doubt: str) -> None:
        if doubt:
            warn(doubt, stacklevel=4)

    return drain(instances_by_rule(probabilities, rule, ndim), say)


def instances_by_rule(
    probabilities: NDArray[Any], rule: ObjectRule, ndim: int
) -> Generator[str, None, NDArray[np.int32]]:
    """Find the instances of probabilities slice by slice, or volume by volume.

    Parameters
    ----------
    probabilities : ndarray, shape (C, ..., Y, X)
        See `instances`. Not checked.
    rule : ObjectRule
        Its linking counts for slices along the last of the axes before them.
    ndim : {2, 3}
        Axes of what is one plane: (Y, X) or (Z, Y, X).

    Yields
    ------
    str
        Empty after each plane; at the end a sentence about each that looks ruined.

    Returns
    -------
    ndarray of int32, shape (..., Y, X)
    """
    linking, numbering = rule.linking, Numbering(rule)
    found = np.zeros(probabilities.shape[1:], np.int32)
    before: list[NDArray[np.uint32]] = []  # objects of the two slices before
    for index in np.ndindex(found.shape[:-ndim]):
        here, objects = _objects_at(probabilities[:, *index], rule)
        lower = index[-1] if index and linking != "none" else 0
        overlap = overlaps(before[-1], here) if lower > 0 else None
        skipped = overlaps(before[-2], here) if lower > 1 and linking == "graph" else None
        ids = numbering.plane(objects, overlap, skipped)
        found[index] = ids[here]
        before = [*before[-1:], here]
        yield ""
    # By "graph" and "touch" a later slice may unite earlier objects: ids are final only now.
    final = numbering.final()
    for plane in numbering.graph.ruined if numbering.graph else ():
        yield _ruin_text(plane, found.shape[:-2])
    for plane in numbering.graph.unfit if numbering.graph else ():
        name = ", ".join(map(str, np.unravel_index(plane, found.shape[:-2])))
        yield unfit_text(name)
    return found if final is None else final.astype(np.int32)[found]


def _objects_at(
    probabilities: NDArray[Any], rule: ObjectRule
) -> tuple[NDArray[np.uint32], PlaneObjects]:
    """Return the objects of probabilities (C, Y, X) or (C, Z, Y, X)."""
    if not rule.offsets:
        return plane_objects(foreground(probabilities), rule)
    maps = np.stack([foreground(each[np.newaxis]) for each in probabilities])
    return plane_objects(maps[0], rule, maps[1:])


def _ruin_text(plane: int, leading: tuple[int, ...]) -> str:
    """Return a sentence about the plane of that number."""
    names = (
        ", ".join(map(str, np.unravel_index(number, leading)))
        for number in (plane, plane - 1, plane + 1)
    )
    return ruin_text(*names)


def plane_objects(
    foreground: NDArray[np.uint8],
    rule: ObjectRule,
    affinities: NDArray[np.uint8] | None = None,
) -> tuple[NDArray[np.uint32], PlaneObjects]:
    """Return the objects of a plane or volume, found in one block.

    Parameters
    ----------
    foreground : ndarray of uint8, shape (Y, X) or (Z, Y, X)
        Foreground probabilities; 255 is 1.
    rule : ObjectRule
    affinities : ndarray of uint8, shape (offsets, Z, Y, X), optional
        For a rule with offsets.

    Returns
    -------
    ids : ndarray of uint32, shape of `foreground`
        1, 2, ... in raster order; 0 is background.
    objects : PlaneObjects
    """
    shape = foreground.shape
    inner = tuple(slice(0, size) for size in shape)
    near, tables = None, []
    if affinities is not None:
        near_ones, far_ones = near_and_far(rule.offsets)
        near = affinities[near_ones]
    whole = fragments(foreground, inner, (0,) * len(shape), shape, rule, near)
    if affinities is not None:
        far = affinities[far_ones], [rule.offsets[i] for i in far_ones]
        blocks = [(0, inner, len(whole.tables["sizes"]))]
        tables = [affinity_table(whole.labels, blocks, inner, *far)]
    objects = assemble([whole.tables], (1,) * len(shape), rule, tables)
    return objects.maps[0][whole.labels], objects


def foreground(probabilities: NDArray[Any]) -> NDArray[np.uint8]:
    """Return foreground probabilities as uint8; 255 is 1.

    Parameters
    ----------
    probabilities : ndarray, shape (C, ..., Y, X)
        Of each class, background first; or of the foreground, if C is 1. Integers are
        fractions of their largest value.

    Returns
    -------
    ndarray of uint8, shape (..., Y, X)
        Half-way is rounded down, so a probability of 0.5 is not above the threshold 0.5.

    Examples
    --------
    >>> foreground(np.array([[[0.0, 0.5, 0.501, 1.0]]]))
    array([[  0, 127, 128, 255]], dtype=uint8)
    """
    if probabilities.dtype == np.uint8:
        first = probabilities[0]
        return first if len(probabilities) == 1 else 255 - first
    share = foreground_probability(probabilities)
    return np.ceil(share * np.float32(255) - np.float32(0.5)).astype(np.uint8)


def foreground_probability(probabilities: NDArray[Any]) -> NDArray[Any]:
    """Return foreground probabilities, 0 to 1, unrounded.

    Parameters
    ----------
    probabilities : ndarray, shape (C, ..., Y, X)
        Of each class, background first; or of the foreground, if C is 1. Integers count as
        fractions of their largest value.

    Returns
    -------
    ndarray of float, shape (..., Y, X)
        Of the type of `probabilities`; float32 for integers of up to 16 bits.

    Examples
    --------
    >>> foreground_probability(np.array([[[1.0, 0.75]], [[0.0, 0.25]]]))
    array([[0.  , 0.25]])
    """
    share: NDArray[Any] = probabilities[0] / np.float32(value_of_one(probabilities))
    return share if len(probabilities) == 1 else 1 - share


def classes(
    probabilities: NDArray[Any], threshold: float = ObjectRule.threshold
) -> NDArray[np.unsignedinteger]:
    """Return the most probable class of each pixel, the first one of ties.

    Parameters
    ----------
    probabilities : ndarray, shape (C, ..., Y, X)
        Of each class, or of the foreground if C is 1. Integers are fractions of their
        largest value.
    threshold : float, default 0.5
        If C is 1, class 1 is where the foreground is likelier than this.

    Returns
    -------
    ndarray of uint8 (uint16 for more than 256 classes), shape (..., Y, X)

    Raises
    ------
    ValueError
        If C is 1 and `probabilities` has fewer than three axes.

    Examples
    --------
    >>> classes(np.array([[[0.2, 0.3]], [[0.5, 0.3]], [[0.3, 0.4]]]))
    array([[1, 2]], dtype=uint8)
    """
    if len(probabilities) == 1:
        _refuse_no_classes(probabilities)
        is_foreground = probabilities[0] > threshold * value_of_one(probabilities)
        return is_foreground.astype(np.uint8)
    dtype = np.uint8 if len(probabilities) <= 256 else np.uint16
    return probabilities.argmax(axis=0).astype(dtype)


def _refuse_no_classes(probabilities: NDArray[Any]) -> None:
    if probabilities.ndim < 3:
        raise ValueError(f"probabilities must be (C, ..., Y, X), got {probabilities.shape}")


def _refuse_other_maps(
    probabilities: NDArray[Any],
    volumetric: bool,
    method: InstanceMethod | None,
    offsets: Sequence[Offset],
) -> None:
    """Refuse what has no affinities of these offsets."""
    if not volumetric or method != "watershed" or probabilities.ndim < 4:
        raise ValueError(
            "affinities are those of volumes (C, Z, Y, X): set volumetric, and the method to "
            "watershed"
        )
    if len(probabilities) != 1 + len(offsets):
        raise ValueError(
            f"foreground and affinities of {len(offsets)} offsets are {1 + len(offsets)} maps, "
            f"got {len(probabilities)}"
        )


def _refuse_no_probabilities(probabilities: NDArray[Any]) -> None:
    """Refuse what is not between 0 and 1, or whose largest value does not say what 1 is."""
    kind = probabilities.dtype.kind
    if kind not in "buf":
        raise UserError(
            f"The probabilities are {probabilities.dtype}: give fractions in floating point, "
            "or unsigned integers, of which the largest that there can be stands for 1."
        )
    low, high = probabilities.min(initial=0), probabilities.max(initial=0)
    if kind == "f" and not (low >= -HALF_PRECISION and high <= 1 + HALF_PRECISION):
        raise UserError(
            f"The probabilities are {low:.4g} to {high:.4g}, but should be 0 to 1: divide by "
            "the largest possible value, or apply the soft-max to logits."
        )
    if not probabilities.size:
        raise UserError(f"The probabilities {probabilities.shape} hold nothing.")
    first = probabilities
    while first.ndim > 3:
        first = first[:, 0]  # one slice tells
    missing = first.sum(axis=0, dtype=np.float64) / value_of_one(first) - 1
    if len(first) > 1 and np.abs(missing).max() > 10 * HALF_PRECISION + len(first) / 100:
        raise UserError(
            f"The {len(first)} channels of the probabilities do not add up to 1: classes come "
            "first, (C, ..., Y, X); of the foreground alone, C is 1."
        )


def value_of_one(probabilities: NDArray[Any]) -> float:
    """Return the value that stands for a probability of 1.

    Parameters
    ----------
    probabilities : ndarray, any shape
        Only its dtype counts.

    Returns
    -------
    float or int
        The largest value of an integer dtype; 1.0 for others.
    """
    return np.iinfo(probabilities.dtype).max if probabilities.dtype.kind in "iu" else 1.0
