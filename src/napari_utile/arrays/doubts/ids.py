"""What may be wrong with the ids of labels, as seen in all labels of a set together."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.doubts.wording import Doubt
from napari_utile.arrays.labels import Labels

LOWEST_WHITE = 100
"""Of masks, whose object is white: 255, or 65535."""
MOST_LISTED = 5
"""Ids that are told."""
MANY_IDS = 20
"""From which ids are rather objects than classes."""
PIECES = 1.4
"""Regions of an id in a plane, on average, if it is one object that others may cut: up to 1.3
in EM, in photos from 1.5."""
SLIVER = 0.1
"""Of the pixels of an id in a plane: smaller regions are not counted."""
ALIKE = 15
"""Ratio of the quartiles of areas up to which objects are of one kind: in EM up to 12."""


class IdRegions(NamedTuple):
    """The connected regions of one plane of labels, without background."""

    sizes: NDArray[np.int64]
    """Pixels of each region."""
    ids: NDArray[Any]
    """Id of each region."""

    def counted(self) -> tuple[NDArray[Any], NDArray[Any], int]:
        """Return the different ids, the pixels of each, and the number of large regions."""
        ids, of = np.unique(self.ids, return_inverse=True)
        areas = np.bincount(of, self.sizes)
        return ids, areas, int((self.sizes > SLIVER * areas[of]).sum())


def has_two_values(plane: NDArray[Any]) -> bool:
    """Whether a plane has two values at most.

    Parameters
    ----------
    plane : ndarray, any shape

    Returns
    -------
    bool
    """
    low, high = plane.min(), plane.max()
    return bool(((plane == low) | (plane == high)).all())


def ids_in(labels: Labels) -> NDArray[Any]:
    """Return the different ids of labels, in order.

    Parameters
    ----------
    labels : ndarray of int, any shape

    Returns
    -------
    ndarray of int, shape (N,)
    """
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (-1, 0)
    if low < 0 or high > max(labels.size, 2**16):
        return np.unique(labels)
    present = np.zeros(high + 1, bool)  # many times faster than sorting
    present[labels] = True
    return np.flatnonzero(present)


def ids_doubts(
    of: Sequence[tuple[str, NDArray[Any]]],
    ignore: int | None,
    is_classes: bool = False,
    kind: str = "labels",
) -> list[str]:
    """Return what may be wrong with the ids of all labels of a set.

    Parameters
    ----------
    of : sequence of (str, ndarray of int)
        The name of each image, and the ids of its labels.
    ignore : int, optional
        Id of unannotated pixels.
    is_classes : bool, default False
        Whether an id is a class.
    kind : str, default "labels"
        What messages call them.

    Returns
    -------
    list of str

    Examples
    --------
    >>> ids_doubts([("a", np.array([0, 1, 255]))], ignore=254)
    ['No pixel of the labels has the id 254, which ignore names: their ids are 0, 1, 255. Correct ignore, or leave it out.']
    """  # noqa: E501
    if not of:
        return []
    every = np.unique(np.concatenate([ids for _, ids in of]))
    found = []
    if ignore is not None and every.size and ignore not in every:
        found.append(
            f"No pixel of the {kind} has the id {ignore}, which ignore names: their ids are "
            f"{listed(every)}. Correct ignore, or leave it out."
        )
    if is_classes and (mixed := _mixed_masks(of, ignore, kind)):
        found.append(mixed)
    return found


def one_id_per_object(planes: Sequence[IdRegions], who: str) -> Doubt | None:
    """Doubt classes of which each is one region in a plane, as objects with an id each are.

    Parameters
    ----------
    planes : sequence of IdRegions
        Of one stack, or of several images.
    who : str
        What messages call the labels.

    Returns
    -------
    Doubt or None
        None if there are fewer than `MANY_IDS`, if they are in several regions or of very
        different areas as the parts of a scene are, or if most planes have the same ids, as
        those of an atlas have.
    """
    shown = [plane for plane in planes if plane.ids.size]
    if not shown:
        return None
    ids, areas, counts = zip(*(plane.counted() for plane in shown), strict=True)
    different, regions = len(np.unique(np.concatenate(ids))), sum(counts)
    low, high = np.percentile(np.concatenate(areas), [25, 75])
    is_scene = regions > PIECES * sum(map(len, ids)) or high > ALIKE * low
    same = Counter(each.tobytes() for each in ids).most_common(1)[0][1]
    is_atlas = len(shown) > 1 and 2 * same > len(shown)
    if different < MANY_IDS or is_scene or is_atlas:
        return None
    among = f" of {len(shown)} planes" if len(shown) > 1 else ""
    return Doubt(
        "instances",
        f"{who} have {different} ids in {regions} regions{among}, so that they look like "
        "one id per object, but each id counts as a class of its own: choose the target "
        "instances.",
    )


def listed(ids: NDArray[Any]) -> str:
    """Return ids in words, the first and the last of many.

    Examples
    --------
    >>> listed(np.array([0, 4])), listed(np.arange(9))
    ('0, 4', '0, 1, 2, ... 8')
    """
    if len(ids) <= MOST_LISTED:
        return ", ".join(map(str, ids.tolist()))
    first = ", ".join(map(str, ids[: MOST_LISTED - 2].tolist()))
    return f"{first}, ... {ids[-1]}"


def _mixed_masks(of: Sequence[tuple[str, NDArray[Any]]], ignore: int | None, kind: str) -> str:
    """Doubt masks whose object is white in some, and another id in others."""
    objects: dict[int, list[str]] = {}
    for name, ids in of:
        marks = [i for i in ids.tolist() if i not in (0, ignore)]
        if len(marks) > 1:
            return ""
        if marks:
            objects.setdefault(marks[0], []).append(name)
    if len(objects) < 2 or max(objects) < LOWEST_WHITE:
        return ""
    told = "; ".join(
        f"{id_} in {len(names)} ('{names[0]}'{', ...' * (len(names) > 1)})"
        for id_, names in sorted(objects.items())
    )
    return (
        f"The {kind} are masks of different ids, each of which counts as a class of its own: "
        f"{told}. If they mean the same, save all with one id."
    )
