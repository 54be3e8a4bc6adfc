"""One-to-one matching of objects, and the scores that count matched objects.

`matching_ap` is TP / (TP + FP + FN) at one IoU, which some papers call AP. It is not COCO's
area under the precision-recall curve.

Without any object, true or predicted, every score here is 1; with objects on one side only,
every score is 0. None is ever NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from napari_utile.metrics.overlap import Contingency, ratio

IOU_THRESHOLDS = tuple(percent / 100 for percent in range(50, 100, 5))
"""IoU thresholds of COCO: 0.50, 0.55 ... 0.95."""


@dataclass(frozen=True, eq=False)
class Matching:
    """One-to-one pairs of true and predicted objects, and the number of objects.

    Parameters
    ----------
    truth, prediction : ndarray of int64, shape (K,)
        The pairs, as positions in the ids of the contingency table.
    ious : ndarray of float64, shape (K,)
        Of the same pairs.
    truth_objects, predicted_objects : int
        Objects in all, with or without a partner.
    """

    truth: NDArray[np.int64]
    prediction: NDArray[np.int64]
    ious: NDArray[np.float64]
    truth_objects: int
    predicted_objects: int

    @property
    def true_positives(self) -> int:
        """Number of matched pairs."""
        return self.truth.size

    @property
    def false_positives(self) -> int:
        """Number of predicted objects without a partner."""
        return self.predicted_objects - self.true_positives

    @property
    def false_negatives(self) -> int:
        """Number of true objects without a partner."""
        return self.truth_objects - self.true_positives


def match(table: Contingency, threshold: float = 0.5) -> Matching:
    """Pair true and predicted objects whose IoU reaches `threshold`, each at most once.

    Parameters
    ----------
    table : Contingency
    threshold : float, default 0.5
        Least IoU of a pair. A pair at exactly `threshold` is matched, as in StarDist,
        Cellpose and COCO.

    Returns
    -------
    Matching
        As many pairs as possible; among these choices, the one with the highest sum of IoUs.

    Notes
    -----
    Above an IoU of 0.5 no object can have two partners. At 0.5 and below it can: only these
    objects go through a sparse assignment problem, which takes time as the square of their
    number, some 10 s for a hundred thousand.
    """
    reach = np.flatnonzero(table.ious >= threshold)
    truth, prediction, ious = table.truth[reach], table.prediction[reach], table.ious[reach]

    contested = (np.bincount(truth)[truth] > 1) | (np.bincount(prediction)[prediction] > 1)
    chosen = ~contested
    if contested.any():
        chosen[contested] = _best_assignment(
            truth[contested], prediction[contested], ious[contested]
        )
    return Matching(
        truth[chosen],
        prediction[chosen],
        ious[chosen],
        table.truth_ids.size,
        table.prediction_ids.size,
    )


def matchings(table: Contingency, thresholds: Sequence[float]) -> list[Matching]:
    """Match at each of several IoU thresholds; see `match`.

    Parameters
    ----------
    table : Contingency
    thresholds : sequence of float

    Returns
    -------
    list of Matching

    Notes
    -----
    Pairs above an IoU of 0.5 are sorted once: the matching at any threshold above 0.5 is a
    prefix of them. So ten thresholds take hardly longer than one.
    """
    ious = table.ious
    sure = np.flatnonzero(ious > 0.5)
    best_first = sure[np.argsort(-ious[sure], kind="stable")]
    truth, prediction = table.truth[best_first], table.prediction[best_first]
    ious = ious[best_first]
    objects = table.truth_ids.size, table.prediction_ids.size

    def first(threshold: float) -> Matching:
        n = np.searchsorted(-ious, -threshold, side="right")
        return Matching(truth[:n], prediction[:n], ious[:n], *objects)

    return [first(t) if t > 0.5 else match(table, t) for t in thresholds]


def iou_rows(
    table: Contingency, thresholds: Sequence[float] = IOU_THRESHOLDS
) -> tuple[dict[str, float], ...]:
    """Score the objects at each IoU threshold.

    Parameters
    ----------
    table : Contingency
    thresholds : sequence of float, default `IOU_THRESHOLDS`

    Returns
    -------
    tuple of dict
        For each threshold `iou_threshold`, `true_positives`, `false_positives`,
        `false_negatives`, `precision`, `recall`, `f1`, `matching_ap` and `panoptic_quality`.

    Examples
    --------
    >>> from napari_utile.metrics.overlap import contingency
    >>> table = contingency(np.array([[5, 5, 5, 0]]), np.array([[2, 2, 2, 2]]))
    >>> [row["f1"] for row in iou_rows(table, [0.5, 0.75, 0.8])]
    [1.0, 1.0, 0.0]
    """
    return tuple(
        {
            "iou_threshold": threshold,
            "true_positives": matching.true_positives,
            "false_positives": matching.false_positives,
            "false_negatives": matching.false_negatives,
            "precision": precision(matching),
            "recall": recall(matching),
            "f1": f1(matching),
            "matching_ap": matching_ap(matching),
            "panoptic_quality": panoptic_quality(matching),
        }
        for threshold, matching in zip(thresholds, matchings(table, thresholds), strict=True)
    )


def _best_assignment(
    truth: NDArray[np.int64], prediction: NDArray[np.int64], ious: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which of the candidate pairs make the best one-to-one assignment."""
    rows, row = np.unique(truth, return_inverse=True)
    columns, column = np.unique(prediction, return_inverse=True)
    # Each row may also take a column of its own, "no partner", which earns 1. A partner earns
    # 2 and, all partners together, less than 1 more: so their number comes before their IoUs.
    alone = np.arange(rows.size)
    earnings = np.concatenate([2 + ious / (rows.size + 1), np.ones(rows.size)])
    places = (np.concatenate([row, alone]), np.concatenate([column, columns.size + alone]))
    graph = csr_array((earnings, places), shape=(rows.size, columns.size + rows.size))
    partner = np.empty(rows.size, dtype=np.int64)
    best_rows, best_columns = min_weight_full_bipartite_matching(graph, maximize=True)
    partner[best_rows] = best_columns
    return partner[row] == column


def matching_ap(matching: Matching) -> float:
    """Matching AP: TP / (TP + FP + FN); 1 without any object.

    The "average precision" of StarDist [1]_, Cellpose and the DSB 2018.

    Parameters
    ----------
    matching : Matching

    Returns
    -------
    float
        0 to 1.

    References
    ----------
    .. [1] Schmidt et al., "Cell detection with star-convex polygons", MICCAI 2018.
    """
    found = matching.true_positives
    return ratio(found, matching.truth_objects + matching.predicted_objects - found)


def precision(matching: Matching) -> float:
    """Precision: TP / (TP + FP). Without predicted objects 0, or 1 without true ones too.

    Parameters
    ----------
    matching : Matching

    Returns
    -------
    float
        0 to 1.
    """
    nothing = float(matching.truth_objects == 0)
    return ratio(matching.true_positives, matching.predicted_objects, of_nothing=nothing)


def recall(matching: Matching) -> float:
    """Recall: TP / (TP + FN). Without true objects 0, or 1 without predicted ones too.

    Parameters
    ----------
    matching : Matching

    Returns
    -------
    float
        0 to 1.
    """
    nothing = float(matching.predicted_objects == 0)
    return ratio(matching.true_positives, matching.truth_objects, of_nothing=nothing)


def f1(matching: Matching) -> float:
    """F1 score: 2 TP / (2 TP + FP + FN); 1 without any object.

    Parameters
    ----------
    matching : Matching

    Returns
    -------
    float
        0 to 1.
    """
    objects = matching.truth_objects + matching.predicted_objects
    return ratio(2 * matching.true_positives, objects)


def panoptic_quality(matching: Matching) -> float:
    """Panoptic quality: sum of the matched IoUs over TP + FP / 2 + FN / 2; 1 without objects.

    [1]_ matches above 0.5; here a pair at exactly 0.5 counts as it does in `f1`, so that PQ is
    always F1 times the mean IoU of the matched pairs.

    Parameters
    ----------
    matching : Matching

    Returns
    -------
    float
        0 to 1.

    References
    ----------
    .. [1] Kirillov et al., "Panoptic segmentation", CVPR 2019, eq. 1.
    """
    objects = matching.truth_objects + matching.predicted_objects
    return ratio(2 * matching.ious.sum(), objects)


def seg(table: Contingency) -> float:
    """SEG: mean over true objects of the IoU with the object that covers more than half of it.

    A true object that no predicted object covers by more than half counts 0 [1]_.

    Parameters
    ----------
    table : Contingency

    Returns
    -------
    float
        0 to 1. Without true objects 1 if nothing was predicted, else 0.

    References
    ----------
    .. [1] Maška et al., "A benchmark for comparison of cell tracking algorithms",
       Bioinformatics 30(11), 2014: SEG of the Cell Tracking Challenge.
    """
    if table.truth_ids.size == 0:
        return float(table.prediction_ids.size == 0)
    covers = 2 * table.overlaps > table.truth_areas[table.truth]
    return float(table.ious[covers].sum() / table.truth_ids.size)
