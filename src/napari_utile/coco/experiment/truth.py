"""Images of a COCO file as networks see them, and what is truly in them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.coco.drawing import CROWD, annotation_rle, draw_annotations
from napari_utile.coco.experiment.figure import Example
from napari_utile.coco.experiment.images import Chosen, small_images
from napari_utile.coco.experiment.train import Learnt
from napari_utile.metrics.coco.ap import CocoScores, coco_annotation_scores
from napari_utile.metrics.overlap import (
    Contingency,
    combine_tables,
    contingency,
    dice,
    iou,
    pixel_error,
)


class Truth:
    """Images, small and large, and what is in them.

    Attributes
    ----------
    images : list of Stack
        As the networks see them.
    annotated : list of CocoImage
    labels : list of ndarray of int, shape (Y, X)
        Instances at full size; `CROWD` is ignored.
    coco : CocoTruth
    """

    def __init__(self, chosen: Chosen, learnt: Learnt):
        self.chosen, self.learnt = chosen, learnt
        self.annotated = chosen.coco.images
        self.images = small_images(chosen.coco, self.annotated, learnt.longest_side)
        self.labels = [
            draw_annotations(chosen.coco, i.id, chosen.ids).labels for i in self.annotated
        ]
        self.coco = CocoTruth(chosen, learnt.kinds)

    def foreground(self, found: Sequence[NDArray[Any]]) -> Contingency:
        """Lay the foregrounds of all images on the true ones."""
        return combine_tables(
            [
                contingency(labels > 0, without_crowds(true) > 0, true == CROWD)
                for labels, true in zip(found, self.labels, strict=True)
            ]
        )

    def pixel_scores(self, found: Sequence[NDArray[Any]]) -> dict[str, float]:
        """Score the foreground of all images together."""
        table = self.foreground(found)
        return {"iou": iou(table), "dice": dice(table), "pixel_error": pixel_error(table)}

    def examples(self, count: int = 5) -> list[Example]:
        """Choose images whose objects can be seen, evenly over the file."""
        shares = [(without_crowds(labels) > 0).mean() for labels in self.labels]
        good = [i for i, share in enumerate(shares) if 0.05 < share < 0.6] or [0]
        places = np.unique(np.linspace(0, len(good) - 1, count).round().astype(int))
        return [
            Example(i, self.images[i].data, without_crowds(self.labels[i]))
            for i in (good[place] for place in places)
        ]


def without_crowds(labels: NDArray[Any]) -> NDArray[Any]:
    """Give labels with background in place of crowds."""
    return np.where(labels == CROWD, 0, labels)


Detections = list[dict[str, Any]]


class CocoTruth:
    """Annotations of some categories, ready to score detections by.

    Parameters
    ----------
    chosen : Chosen
    apart : bool
        Whether an object counts only if its category is right.

    Attributes
    ----------
    objects : int
        Crowds are not among them.
    """

    def __init__(self, chosen: Chosen, apart: bool):
        self.apart = apart
        part = chosen.coco.part(categories=chosen.ids)
        self._entries = [
            {
                "image_id": annotation.image_id,
                "category_id": annotation.category_id,
                "segmentation": annotation_rle(part, annotation),
                "area": annotation.area,
                "iscrowd": int(annotation.is_crowd),
            }
            for annotation in part.annotations
        ]
        self._name_of = {category.id: category.name for category in part.categories}
        self.objects = sum(not annotation.is_crowd for annotation in part.annotations)

    @property
    def bands(self) -> list[dict[str, Any]]:
        """Sizes between which the objects of a band lie: `band`, `low` and `high` in pixels."""
        return [*coco_annotation_scores(self._entries, []).sizes]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the scores must know."""
        return self._scores([]).notes

    def scores(self, found: Detections) -> dict[str, float]:
        """Score COCO results.

        Returns
        -------
        dict
            ``coco_ap coco_ap50 coco_ap75 coco_ar``, the first and the last also for a third
            of the objects, as ``coco_ap_small``, and for each category if they are told
            apart, as ``coco_ap_dog``; and COCOeval's own numbers as
            ``coco_stock_ap`` and so on; see `metrics.coco_ap`.
        """
        scores = self._scores(found)
        numbers = {
            "coco_ap": scores.ap,
            "coco_ap50": scores.ap50,
            "coco_ap75": scores.ap75,
            "coco_ar": scores.ar,
        }
        for row in scores.sizes:
            numbers[f"coco_ap_{row['band']}"] = row["coco_ap"]
            numbers[f"coco_ar_{row['band']}"] = row["coco_ar"]
        if self.apart:
            for row in scores.by_category:
                numbers[f"coco_ap_{self._name_of[row['category']]}"] = row["coco_ap"]
        return numbers | scores.stock

    def _scores(self, found: Detections) -> CocoScores:
        entries, found = self._entries, list(found)
        if not self.apart:
            entries, found = ([{**e, "category_id": 1} for e in es] for es in (entries, found))
        return coco_annotation_scores(entries, found)


def mean_in_objects(
    labels: NDArray[np.integer], foreground: NDArray[np.float32]
) -> list[float]:
    """Give the mean foreground probability of every object 1, 2, ... of labels (Y, X)."""
    sizes = np.bincount(labels.ravel())
    sums = np.bincount(labels.ravel(), foreground.ravel())
    shown = np.flatnonzero(sizes[1:]) + 1
    means: list[float] = (sums[shown] / sizes[shown]).tolist()
    return means
