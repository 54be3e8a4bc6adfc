"""The area under the precision-recall curve as COCO has it, for any number of objects.

COCO's own summary looks at the best 100 detections per image: a perfect prediction of 1000
objects scores 0.109. Here all count. What COCO's summary says stays at hand as `stock`.

References
----------
.. [1] Lin et al., "Microsoft COCO: common objects in context", ECCV 2014; the scores are those
   of cocodataset.org, "Detection evaluation", as computed by pycocotools.
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

Row = dict[str, Any]

BANDS = ("small", "medium", "large")
STOCK = (
    *("coco_stock_ap", "coco_stock_ap50", "coco_stock_ap75"),
    *("coco_stock_ap_small", "coco_stock_ap_medium", "coco_stock_ap_large"),
    *("coco_stock_ar_1", "coco_stock_ar_10", "coco_stock_ar_100"),
    *("coco_stock_ar_small", "coco_stock_ar_medium", "coco_stock_ar_large"),
)
"""The 12 numbers of pycocotools' summary, in its order."""
ALL = (0.0, np.inf)


def coco_scores(
    tables: Sequence[Contingency],
    scores: Sequence[ArrayLike] | None = None,
    pixel_area: float = 1.0,
) -> "CocoScores":
    """Score label images as COCO does, from the overlaps of their objects.

    Parameters
    ----------
    tables : sequence of Contingency
        One per image. Detections of all images are ranked together.
    scores : sequence of array_like, each of shape (P,), optional
        How sure each predicted object is, in the order of `prediction_ids`. Without, all are
        as sure, and rank as they come.
    pixel_area : float, default 1
        Area of a pixel, such as in um2, in which the bounds of the size bands are given.

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
    """Score detections against annotations, both as run lengths; they may overlap.

    Parameters
    ----------
    truth : iterable of mapping
        "image_id", "category_id", "segmentation" (compressed run lengths); "iscrowd" (else 0)
        and "area" (px, else that of the mask), by which COCO sorts into size bands.
    detections : iterable of mapping
        "image_id", "category_id", "segmentation" and "score".
    pixel_area : float, default 1
        As in `coco_scores`.

    Raises
    ------
    ValueError
        If a segmentation is not compressed run lengths, the masks of an image differ in size,
        or a score is not finite.
    """
    return CocoScores(candidates_of_annotations(truth, detections), pixel_area)


class CocoScores:
    """COCO's scores, each computed when it is first asked for.

    Parameters
    ----------
    candidates : mapping of category id to a sequence of Candidates, one per image
    pixel_area : float, default 1

    Notes
    -----
    A category without true objects is left out of every mean, as in COCO; `notes` says so.
    Where no category has any, COCO says -1; here a score is 1 if no detection counts either,
    and 0 if one does. Crowds are not counted, nor are any detections on them.
    """

    def __init__(self, candidates: Mapping[int, Sequence[Candidates]], pixel_area: float = 1.0):
        self._candidates, self._pixel_area = candidates, pixel_area

    @property
    def ap(self) -> float:
        """Area under the precision-recall curve, the mean over IoU 0.50, 0.55, ... 0.95."""
        return _mean(self._whole, slice(None))

    @property
    def ap50(self) -> float:
        """That area at IoU 0.50."""
        return _mean(self._whole, 0)

    @property
    def ap75(self) -> float:
        """That area at IoU 0.75."""
        return _mean(self._whole, 5)

    @property
    def ar(self) -> float:
        """Share of the true objects that are found, the mean over IoU 0.50, 0.55, ... 0.95."""
        return _mean(self._whole, slice(None), "recall")

    @property
    def precision_recall(self) -> tuple[Row, ...]:
        """The curves: iou_threshold, recall (0, 0.01, ... 1) and precision.

        Precision is the best at that recall or a higher one, 0 where no such recall is
        reached, and the mean over the categories. Empty if there are no true objects.
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
    def by_category(self) -> tuple[Row, ...]:
        """Scores of each category that has true objects."""
        rows = []
        for k, (category, images) in enumerate(sorted(self._candidates.items())):
            if objects := sum(int((~image.crowds).sum()) for image in images):
                row: Row = {"category": category}
                for name, t in (("ap", slice(None)), ("ap50", 0), ("ap75", 5)):
                    row[f"coco_{name}"] = _mean(self._whole, t, category=k)
                row["coco_ar"] = _mean(self._whole, slice(None), "recall", category=k)
                row["objects"] = objects
                row["detections"] = sum(image.scores.size for image in images)
                rows.append(row)
        return tuple(rows)

    @cached_property
    def sizes(self) -> tuple[Row, ...]:
        """Scores by size: a third each of the true objects is small, medium and large.

        An object is in a band if low <= area < high (low <= area <= high in the last); `low`
        and `high` are in units of `pixel_area`. Detections without a match count only if their
        own area is in the band. A band without objects, as where all are equally large, is
        left out.
        """
        areas = self._areas
        if not areas.size:
            return ()
        one, two = np.quantile(areas, [1 / 3, 2 / 3])
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
        """The 12 numbers of pycocotools' summary, with all that is peculiar to it.

        It looks at the best 100 detections per image, calls objects below 32 x 32 px small and
        those above 96 x 96 large, and says -1 where there is nothing to be found.
        """
        result = SparseEvaluation(self._candidates)
        result.summarize()
        return dict(zip(STOCK, map(float, result.stats), strict=True))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers must know."""
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
        return SparseEvaluation(self._candidates, [ALL], [self._most])

    @property
    def _most(self) -> int:
        """As many detections as any image has."""
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
    """Average a score over what has true objects; else say whether nothing was found either."""
    values = result.eval[what][threshold][..., category, band, 0]
    values = values[values > -1]
    if values.size:
        return float(values.mean())
    counted = result.counted[:, category, band].reshape(len(result.counted), -1).sum(1)
    return float((counted[threshold] == 0).mean())
