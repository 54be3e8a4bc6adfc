"""COCO's average precision: the area under the precision-recall curve, of all detections.

COCO's own summary considers the best 100 detections per image, so that a perfect prediction of
1000 objects scores 0.109. Here all count. The numbers of COCO's summary are in `stock`.

References
----------
.. [1] Lin et al., "Microsoft COCO: common objects in context", ECCV 2014; the scores are those
   of cocodataset.org, "Detection evaluation", as computed by pycocotools (cocoapi).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_utile.metrics.coco.candidates import (
    Candidates,
    Entry,
    candidates_of_annotations,
    candidates_of_table,
)
from napari_utile.metrics.coco.matching import SparseEvaluation
from napari_utile.metrics.overlap import Contingency

ScoreRow = dict[str, Any]

BANDS = ("small", "medium", "large")
STOCK = (
    *("coco_stock_ap", "coco_stock_ap50", "coco_stock_ap75"),
    *("coco_stock_ap_small", "coco_stock_ap_medium", "coco_stock_ap_large"),
    *("coco_stock_ar_1", "coco_stock_ar_10", "coco_stock_ar_100"),
    *("coco_stock_ar_small", "coco_stock_ar_medium", "coco_stock_ar_large"),
)
"""The 12 numbers of pycocotools' summary, in its order."""
ALL_SIZES = (0.0, np.inf)


def coco_scores(
    tables: Sequence[Contingency],
    scores: Sequence[ArrayLike] | None = None,
    pixel_area: float = 1.0,
) -> "CocoScores":
    """Return COCO's scores of label images, from the overlaps of their objects.

    Parameters
    ----------
    tables : sequence of Contingency
        One per image. Detections of all images are ranked together.
    scores : sequence of array_like, each of shape (P,), optional
        Score of each predicted object, in the order of `prediction_ids`. By default all scores
        are 1, and objects rank in their order.
    pixel_area : float, default 1
        Area of a pixel in the unit of the bounds of the size bands, such as um2.

    Returns
    -------
    CocoScores

    Raises
    ------
    ValueError
        If there is not one score per predicted object, or one is not finite.
    """
    if scores is None:
        scores = [np.ones(table.prediction_ids.size) for table in tables]
    images = [candidates_of_table(*of_image) for of_image in zip(tables, scores, strict=True)]
    return CocoScores({1: images}, pixel_area)


def coco_annotation_scores(
    truth: Iterable[Entry], detections: Iterable[Entry], pixel_area: float = 1.0
) -> "CocoScores":
    """Return COCO's scores of detections and annotations as run lengths, which may overlap.

    Parameters
    ----------
    truth : iterable of mapping
        "image_id", "category_id", "segmentation" (compressed run lengths); optionally
        "iscrowd" (default 0) and "area" in pixels (default: that of the mask), by which COCO
        sorts into size bands.
    detections : iterable of mapping
        "image_id", "category_id", "segmentation" and "score".
    pixel_area : float, default 1
        As in `coco_scores`.

    Returns
    -------
    CocoScores

    Raises
    ------
    ValueError
        If a segmentation is not compressed run lengths, the masks of an image differ in size,
        or a score is not finite.
    """
    return CocoScores(candidates_of_annotations(truth, detections), pixel_area)


class CocoScores:
    """COCO's scores, each computed at its first use.

    Parameters
    ----------
    candidates : mapping of category id to a sequence of Candidates, one per image
    pixel_area : float, default 1
        As in `coco_scores`.

    Notes
    -----
    A category without true objects is left out of every mean, as in COCO, and named in `notes`.
    If no category has any, COCO's scores are -1; here they are 1 if no detection counts either,
    else 0. Neither crowds nor detections on them are counted.
    """

    def __init__(self, candidates: Mapping[int, Sequence[Candidates]], pixel_area: float = 1.0):
        self._candidates, self._pixel_area = candidates, pixel_area

    @property
    def ap(self) -> float:
        """Area under the precision-recall curve, the mean over IoU 0.50, 0.55, ... 0.95."""
        return _mean(self._whole, slice(None))

    @property
    def ap50(self) -> float:
        """Area under the precision-recall curve at IoU 0.50."""
        return _mean(self._whole, 0)

    @property
    def ap75(self) -> float:
        """Area under the precision-recall curve at IoU 0.75."""
        return _mean(self._whole, 5)

    @property
    def ar(self) -> float:
        """Recall (found share of the true objects), the mean over IoU 0.50, 0.55, ... 0.95."""
        return _mean(self._whole, slice(None), "recall")

    @property
    def precision_recall(self) -> tuple[ScoreRow, ...]:
        """The curves: iou_threshold, recall (0, 0.01, ... 1) and precision.

        Precision is the highest at that recall or above, 0 if it is not reached, averaged over
        the categories. Empty if there are no true objects.
        """
        precision = self._whole.eval["precision"][..., 0, 0]
        precision = precision[..., (precision > -1).all((0, 1))]
        if not precision.size:
            return ()
        p = self._whole.params
        return tuple(
            {"iou_threshold": float(t), "recall": float(r), "precision": float(value)}
            for t, of_recall in zip(p.iouThrs.round(2), precision.mean(2), strict=True)
            for r, value in zip(p.recThrs.round(2), of_recall, strict=True)
        )

    @property
    def by_category(self) -> tuple[ScoreRow, ...]:
        """Scores of each category that has true objects."""
        rows = []
        for k, (category, images) in enumerate(sorted(self._candidates.items())):
            if objects := sum(int((~image.crowds).sum()) for image in images):
                row: ScoreRow = {"category": category}
                for name, t in (("ap", slice(None)), ("ap50", 0), ("ap75", 5)):
                    row[f"coco_{name}"] = _mean(self._whole, t, category=k)
                row["coco_ar"] = _mean(self._whole, slice(None), "recall", category=k)
                row["objects"] = objects
                row["detections"] = sum(image.scores.size for image in images)
                rows.append(row)
        return tuple(rows)

    @cached_property
    def sizes(self) -> tuple[ScoreRow, ...]:
        """Scores by size: small, medium and large are a third each of the true objects.

        An object is in a band if low <= area < high (low <= area <= high in the last); `low`
        and `high` are in units of `pixel_area`. Detections without a match count only if their
        own area is in the band. Bands without objects are left out.
        """
        areas = self._areas
        if not areas.size:
            return ()
        one, two = np.quantile(areas, [1 / 3, 2 / 3])
        # COCO's ranges include both ends; so that no object is in two, one ends just below.
        below = [np.nextafter(bound, 0) for bound in (one, two)]
        bands = [(0.0, below[0]), (one, below[1]), (two, np.inf)]
        bounds = [(0.0, one), (one, two), (two, areas.max())]
        result = SparseEvaluation(self._candidates, bands, [self._most])
        rows = []
        for a, (name, (low, high)) in enumerate(zip(BANDS, bounds, strict=True)):
            objects = int(((areas >= bands[a][0]) & (areas <= bands[a][1])).sum())
            if objects:
                bound = {"low": low * self._pixel_area, "high": high * self._pixel_area}
                of_band = {
                    "coco_ap": _mean(result, slice(None), band=a),
                    "coco_ar": _mean(result, slice(None), "recall", band=a),
                }
                rows.append({"band": name, **bound, **of_band, "objects": objects})
        return tuple(rows)

    @cached_property
    def stock(self) -> dict[str, float]:
        """The 12 numbers of pycocotools' summary, unchanged.

        It considers the best 100 detections per image, calls objects below 32 x 32 px small and
        those above 96 x 96 large, and returns -1 where there are no true objects.
        """
        result = SparseEvaluation(self._candidates)
        result.summarize()
        return dict(zip(STOCK, map(float, result.stats), strict=True))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the scores must know."""
        without = [
            category
            for category, images in self._candidates.items()
            if all(image.crowds.all() for image in images)
        ]
        if not without:
            return ()
        if not self._areas.size:
            return (
                "There are no true objects: COCO's scores are 1 if nothing is found, else 0.",
            )
        found = sum(i.scores.size for category in without for i in self._candidates[category])
        named = ", ".join(map(str, without))
        return (
            f"Categories without true objects are left out of COCO's means: {named} "
            f"({found:,} detections).",
        )

    @cached_property
    def _whole(self) -> SparseEvaluation:
        return SparseEvaluation(self._candidates, [ALL_SIZES], [self._most])

    @property
    def _most(self) -> int:
        """The largest number of detections in an image."""
        images = [image for of_category in self._candidates.values() for image in of_category]
        return max((image.scores.size for image in images), default=0)

    @property
    def _areas(self) -> NDArray[np.float64]:
        images = [image for of_category in self._candidates.values() for image in of_category]
        areas = [np.asarray(i.truth_areas[~i.crowds], np.float64) for i in images]
        return np.concatenate([np.zeros(0), *areas])


def _mean(
    result: SparseEvaluation,
    threshold: int | slice,
    what: str = "precision",
    band: int = 0,
    category: int | slice = slice(None),
) -> float:
    """Return the mean of a score over all categories with true objects.

    Without any, it is the share of the IoU thresholds at which no detection counts.
    """
    values = result.eval[what][threshold][..., category, band, 0]
    values = values[values > -1]
    if values.size:
        return float(values.mean())
    counted = result.counted[:, category, band].reshape(len(result.counted), -1).sum(1)
    return float((counted[threshold] == 0).mean())
