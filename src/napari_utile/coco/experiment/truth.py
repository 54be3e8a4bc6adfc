"""Truth of a COCO file: its images, labels and annotations, and scores against them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.coco.drawing import CROWD, annotation_rle, draw_annotations
from napari_utile.coco.experiment.figure import Example
from napari_utile.coco.experiment.images import Chosen, usable_images
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
    """Images and objects of a COCO file, to predict and to score.

    Parameters
    ----------
    chosen : Chosen
        Categories of the objects.
    learnt : Learnt
        What the networks learnt, and from images of which size.
    skip_broken : bool, default False
        Whether to leave out images that cannot be read.

    Attributes
    ----------
    images : list of Stack
        Reduced, as the networks see them; axes (C, Y, X).
    annotated : sequence of CocoImage
        The same images in the file.
    labels : list of ndarray of int, shape (Y, X)
        Instances at full size; `CROWD` is ignored.
    coco : CocoTruth
        Their annotations.
    left_out : tuple of str
        Which images were left out, and why.

    Raises
    ------
    UserError
        If an image is missing, cannot be read, or does not fit into the memory.
    """

    def __init__(self, chosen: Chosen, learnt: Learnt, skip_broken: bool = False):
        self.annotated, self.images, self.left_out = usable_images(
            chosen.coco, chosen.coco.images, learnt.longest_side, skip_broken
        )
        if self.left_out:
            part = chosen.coco.part(image.id for image in self.annotated)
            chosen = Chosen(part, chosen.ids)
        self.chosen, self.learnt = chosen, learnt
        self.labels = [
            draw_annotations(chosen.coco, i.id, chosen.ids, behind=False).labels
            for i in self.annotated
        ]
        self.coco = CocoTruth(chosen, learnt.kinds)

    def foreground(self, found: Sequence[NDArray[Any]]) -> Contingency:
        """Count the overlap of found and true foreground over all images.

        Parameters
        ----------
        found : sequence of ndarray of int, shape (Y, X)
            Instances at full size, one array per image.
        """
        return combine_tables(
            [
                contingency(labels > 0, without_crowds(true) > 0, true == CROWD)
                for labels, true in zip(found, self.labels, strict=True)
            ]
        )

    def pixel_scores(self, found: Sequence[NDArray[Any]]) -> dict[str, float]:
        """Compute `iou`, `dice` and `pixel_error` of the foreground of all images together.

        `iou` and `dice` are NaN if there is no object.

        Parameters
        ----------
        found : sequence of ndarray of int, shape (Y, X)
            Instances at full size, one array per image.
        """
        table = self.foreground(found)
        scores = {"iou": iou(table), "dice": dice(table)}
        if not self.coco.objects:
            scores = dict.fromkeys(scores, np.nan)
        return scores | {"pixel_error": pixel_error(table)}

    def examples(self, count: int = 5) -> list[Example]:
        """Choose up to `count` images, evenly over the file, of 5 % to 60 % foreground."""
        shares = [(without_crowds(labels) > 0).mean() for labels in self.labels]
        good = [i for i, share in enumerate(shares) if 0.05 < share < 0.6] or [0]
        places = np.unique(np.linspace(0, len(good) - 1, count).round().astype(int))
        return [
            Example(i, self.images[i].data, without_crowds(self.labels[i]))
            for i in (good[place] for place in places)
        ]


def without_crowds(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels with background in place of crowds.

    Parameters
    ----------
    labels : ndarray of int, shape (Y, X)
    """
    return np.where(labels == CROWD, 0, labels)


Detections = list[dict[str, Any]]


class CocoTruth:
    """Annotations of some categories, to score detections by.

    Parameters
    ----------
    chosen : Chosen
        The categories.
    apart : bool
        Whether a detection must have the category of the object; otherwise all are one.

    Attributes
    ----------
    objects : int
        Number of objects, without crowds.
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
        """Size bands of the objects: `band`, `low` and `high` in pixels, see `CocoScores`."""
        return [*coco_annotation_scores(self._entries, []).sizes]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the scores must know."""
        return self._scores([]).notes

    def scores(self, found: Detections) -> dict[str, float]:
        """Compute the scores of COCO results, by name; see `metrics.coco.ap`.

        Parameters
        ----------
        found : list of dict
            COCO results of all images.

        Returns
        -------
        dict
            ``coco_ap coco_ap50 coco_ap75 coco_ar``; AP and AR also of each third of the objects
            by size, as ``coco_ap_small``; AP also of each category if they are apart, as
            ``coco_ap_dog``; and the numbers of COCOeval's summary, as ``coco_stock_ap``. AP and
            AR are NaN if there is no object; COCOeval's are -1 then.
        """
        scores = self._scores(found)
        numbers = {
            "coco_ap": scores.ap,
            "coco_ap50": scores.ap50,
            "coco_ap75": scores.ap75,
            "coco_ar": scores.ar,
        }
        if not self.objects:
            numbers = dict.fromkeys(numbers, np.nan)
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
    """Return the mean foreground probability in each object.

    Parameters
    ----------
    labels : ndarray of int, shape (Y, X)
        Instances.
    foreground : ndarray of float32, shape (Y, X)
        Probabilities.

    Returns
    -------
    list of float
        One per object, in ascending order of ids.
    """
    sizes = np.bincount(labels.ravel())
    sums = np.bincount(labels.ravel(), foreground.ravel())
    shown = np.flatnonzero(sizes[1:]) + 1
    means: list[float] = (sums[shown] / sizes[shown]).tolist()
    return means
