"""Scores of classes: IoU and Dice of each class, their mean, and the pixel error.

Ids are classes here, the same on both sides, and background, id 0, is one of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.metrics.overlap import Contingency, ratio


@dataclass(frozen=True, eq=False)
class ClassAreas:
    """Pixels of each class.

    Parameters
    ----------
    ids : tuple of int
        Of the K classes that occur on either side.
    truth, prediction, common : ndarray of int64, shape (K,)
        Pixels of the class on each side, and on both at once.
    """

    ids: tuple[int, ...]
    truth: NDArray[np.int64]
    prediction: NDArray[np.int64]
    common: NDArray[np.int64]


def class_scores(tables: Sequence[Contingency]) -> dict[str, float]:
    """Compute the scores of the classes of one image, or of several together.

    Parameters
    ----------
    tables : sequence of Contingency
        One of each slice, see `overlap.contingency`. Their pixels are pooled: a class in two
        slices is one class.

    Returns
    -------
    dict
        `mean_iou`: the mean over the classes that occur on either side, background among them;
        `pixel_error`: fraction of the pixels whose classes differ; and `iou_<id>` and
        `dice_<id>` of each class that occurs. Without pixels only the first two, 1 and 0.

    Notes
    -----
    A class on one side only has an IoU of 0, and counts in the mean. Ignored pixels are in no
    table, so they count nowhere.

    Examples
    --------
    >>> from napari_utile.metrics.overlap import contingency
    >>> class_scores([contingency(np.array([[0, 1, 1, 2]]), np.array([[0, 1, 2, 2]]))])
    {'mean_iou': 0.6666666666666666, 'pixel_error': 0.25,
     'iou_0': 1.0, 'iou_1': 0.5, 'iou_2': 0.5,
     'dice_0': 1.0, 'dice_1': 0.6666666666666666, 'dice_2': 0.6666666666666666}
    """
    areas = class_areas(tables)
    ious = class_ious(areas.common, areas.truth, areas.prediction)
    dices = class_dices(areas.common, areas.truth, areas.prediction)
    pixels = sum(table.pixels for table in tables)
    return {
        "mean_iou": float(ious.mean()) if ious.size else 1.0,
        "pixel_error": ratio(pixels - areas.common.sum(), pixels, of_nothing=0.0),
        **{f"iou_{id_}": float(iou) for id_, iou in zip(areas.ids, ious, strict=True)},
        **{f"dice_{id_}": float(dice) for id_, dice in zip(areas.ids, dices, strict=True)},
    }


def class_areas(tables: Sequence[Contingency]) -> ClassAreas:
    """Add up the pixels of each class over several tables. Id 0, background, is a class.

    Parameters
    ----------
    tables : sequence of Contingency

    Returns
    -------
    ClassAreas
    """
    sides = [
        [(table.truth_ids, table.truth_areas) for table in tables],
        [(table.prediction_ids, table.prediction_areas) for table in tables],
        [_agreeing(table) for table in tables],
    ]
    whole = sum(table.pixels for table in tables)
    totals = [_sum_by_id(side) for side in sides]
    true, predicted, common = totals
    true[0] = whole - sum(true.values())
    predicted[0] = whole - sum(predicted.values())
    # Common background, by inclusion and exclusion: |T0 and P0| = |T0| + |P0| - |T0 or P0|.
    of_both = sum(int(table.overlaps.sum()) for table in tables)
    common[0] = true[0] + predicted[0] - whole + of_both
    ids = sorted(id_ for id_ in true.keys() | predicted if true.get(id_) or predicted.get(id_))
    counts = [np.array([side.get(id_, 0) for id_ in ids], np.int64) for side in totals]
    return ClassAreas(tuple(ids), *counts)


def class_ious(
    common: NDArray[np.int64], truth: NDArray[np.int64], prediction: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Compute the IoU of each class; 1 where it has no pixels on either side.

    Parameters
    ----------
    common, truth, prediction : ndarray of int64, shape (K,)
        Pixels of each class on both sides at once, and on each side.

    Returns
    -------
    ndarray of float64, shape (K,)
    """
    either = truth + prediction - common
    return np.where(either > 0, common / np.maximum(either, 1), 1.0)


def class_dices(
    common: NDArray[np.int64], truth: NDArray[np.int64], prediction: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Compute the Dice coefficient of each class; 1 where it has no pixels on either side.

    Parameters
    ----------
    common, truth, prediction : ndarray of int64, shape (K,)
        Pixels of each class on both sides at once, and on each side.

    Returns
    -------
    ndarray of float64, shape (K,)
    """
    both = truth + prediction
    return np.where(both > 0, 2 * common / np.maximum(both, 1), 1.0)


def _agreeing(table: Contingency) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the ids that both sides have at the same pixels, and how many pixels."""
    ids = table.truth_ids[table.truth]
    same = ids == table.prediction_ids[table.prediction]
    return ids[same], table.overlaps[same]


def _sum_by_id(counts: Sequence[tuple[NDArray[Any], NDArray[np.int64]]]) -> dict[int, int]:
    """Sum the pixels of each id."""
    totals: dict[int, int] = {}
    for ids, pixels in counts:
        for id_, count in zip(ids.tolist(), pixels.tolist(), strict=True):
            totals[id_] = totals.get(id_, 0) + count
    return totals
