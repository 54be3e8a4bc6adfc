"""What may be wrong with a prediction, or with its truth, as seen beside each other."""

from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.doubts.wording import Doubt
from napari_utile.arrays.labels import Labels
from napari_utile.settings.options import Target

LOW = 0.1
"""IoU of objects that hardly agree at all."""
SAME = 0.5
"""IoU from which two areas are the same."""
LARGER = 3
"""Times the mean object that an id is larger which is background."""
FEWEST_SHARED = 6
"""Ids in two neighbouring slices: fewer are chance."""
MOST_FREQUENT = 3
"""Ids that may be background."""


def background_doubt(
    prediction: Labels,
    truth: Labels,
    who: str,
    ignored: NDArray[np.bool_] | None = None,
    made_of: Literal["", "mask", "probabilities"] = "",
) -> Doubt | None:
    """Doubt a prediction of which an id other than 0 lies where the truth has background.

    Parameters
    ----------
    prediction, truth : ndarray of int, same shape
        0 is background.
    who : str
        What messages call the prediction.
    ignored : ndarray of bool, same shape, optional
        Pixels that do not count.
    made_of : {"", "mask", "probabilities"}, default ""
        What its ids were made of, if they were made here.

    Returns
    -------
    Doubt or None
        If all pixels of other ids are where the truth has objects, far more so than pixels
        that are not 0. Whatever a network mistakes, it does not leave such an id.
    """
    known = np.ones(truth.shape, bool) if ignored is None else ~ignored
    predicted, is_object = prediction[known], truth[known] > 0
    as_given = _iou(predicted > 0, is_object)
    zeros = np.count_nonzero(predicted == 0), np.count_nonzero(~is_object)
    if as_given > LOW and 2 * zeros[0] > zeros[1]:
        return None
    ids, counts = np.unique(predicted[predicted > 0], return_counts=True)
    frequent = ids[np.argsort(-counts, kind="stable")[:MOST_FREQUENT]].tolist()
    # The background of a stack is a part of the mask in each slice.
    whole = [None] if made_of else []
    for id_ in [*whole, *([] if made_of == "probabilities" else frequent)]:
        others = predicted == 0 if id_ is None else predicted != id_
        without = _iou(others, is_object)
        if without > max(SAME, as_given + LOW) and _iou(~others, ~is_object) > SAME:
            said = f"{without:.2f}", f"{as_given:.2f}"
            return Doubt("exchanged", f"{who} {_exchanged_text(made_of, id_, *said)}")
    return None


def _exchanged_text(made_of: str, id_: int | None, without: str, as_given: str) -> str:
    if made_of == "probabilities":
        return (
            "seems to have probabilities of background in place of objects: where they are "
            f"low, they agree with the true objects at an IoU of {without}, where they are "
            f"high, at {as_given}. If so, exchange the channels, so that background is first, "
            "or invert the only one."
        )
    is_mask = made_of == "mask"
    which = f"id {id_}" if not is_mask else "its largest part" if id_ else "the mask"
    way_on = "invert the mask" if is_mask else f"give background the id 0, not {id_}"
    return (
        f"seems to have another id than 0 as background: all pixels but those of {which} agree "
        f"with the true objects at an IoU of {without}, all but those of 0 at {as_given}. If "
        f"so, {way_on}."
    )


def sparse_doubt(
    prediction: Labels,
    truth: Labels,
    who: str,
    target: Target = "instances",
    ignored: NDArray[np.bool_] | None = None,
) -> Doubt | None:
    """Doubt a truth in which 0 seems to be unannotated, and 1 background.

    Parameters
    ----------
    prediction, truth : ndarray of int, same shape
        0 is background.
    who : str
        What messages call the truth.
    target : {"instances", "classes"}, default "instances"
        What an id means.
    ignored : ndarray of bool, same shape, optional
        Pixels that do not count.

    Returns
    -------
    Doubt or None
        If objects are predicted where the truth has ids above 1, but not on id 1, which is
        larger than those, and beside most of them or far larger. Of classes: if 1 is predicted
        where the truth has it, and 0 nowhere.
    """
    known = np.ones(truth.shape, bool) if ignored is None else ~ignored
    ones, others = known & (truth == 1), known & (truth > 1)
    pixels, rest = int(np.count_nonzero(ones)), int(np.count_nonzero(others))
    if not pixels or not rest or not (known & (truth == 0)).any():
        return None
    if target == "classes":
        hits = np.count_nonzero(prediction[ones] == 1)
        if hits < SAME * pixels or (known & (prediction == 0)).any():
            return None
        seen = "is predicted there, and 0 nowhere"
    else:
        hits, found = (np.count_nonzero(prediction[here]) for here in (ones, others))
        if hits > LOW * pixels or found < SAME * rest:
            return None
        ids, areas = np.unique(truth[others], return_counts=True)
        is_around = 2 * len(_beside_ones(truth)) > len(ids)
        if pixels < areas.max() or not (is_around or pixels > LARGER * areas.mean()):
            return None
        seen = "is predicted as background, and the other ids as objects"
    return Doubt(
        "sparse",
        f"{who} seem to be sparse: id 1, {pixels:,} px, {seen}. If 0 is unannotated and 1 is "
        "background, set sparse.",
    )


def _beside_ones(labels: Labels) -> NDArray[Any]:
    """Return the ids above 1 that have a pixel beside one of id 1 in their plane."""
    found = []
    for axis in (-1, -2):
        moved = np.moveaxis(labels, axis, 0)
        for here, there in ((moved[1:], moved[:-1]), (moved[:-1], moved[1:])):
            found.append(np.unique(there[(here == 1) & (there > 1)]))
    return np.unique(np.concatenate(found))


def restart_doubt(labels: Labels, who: str) -> Doubt | None:
    """Doubt instances of a volume whose ids begin anew in each slice.

    Parameters
    ----------
    labels : ndarray of int, shape (..., Z, Y, X)
        0 is background.
    who : str
        What messages call them.

    Returns
    -------
    Doubt or None
        If most of the ids that neighbouring slices share are nowhere one above the other.
    """
    if labels.ndim < 3:
        return None
    shared = touching = 0
    for volume in labels.reshape(-1, *labels.shape[-3:]):
        for above, below in pairwise(volume):
            shared += len(np.setdiff1d(np.intersect1d(above, below), [0]))
            touching += len(np.unique(above[(above == below) & (above > 0)]))
    if shared < FEWEST_SHARED or 2 * touching > shared:
        return None
    return Doubt(
        "restart",
        f"{who}: objects seem to be numbered anew in each slice: of {shared:,} ids in two "
        f"neighbouring slices, {touching:,} lie on each other, but with volumetric an id is "
        "one object. Leave out volumetric, or link the slices.",
    )


def _iou(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the intersection over union of two areas, 0 if both are empty."""
    return int(np.count_nonzero(a & b)) / max(int(np.count_nonzero(a | b)), 1)
