"""Images of a COCO file as networks see them, and what is truly in them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.engine.coco_figure import Example
from napari_utile.engine.coco_images import Chosen, small_images
from napari_utile.engine.coco_scoring import CocoTruth
from napari_utile.engine.coco_training import Learnt
from napari_utile.files.coco_drawing import CROWD, draw
from napari_utile.metrics.overlap import (
    Contingency,
    contingency,
    dice,
    iou,
    pixel_error,
    side_by_side,
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
        self.labels = [draw(chosen.coco, i.id, chosen.ids).labels for i in self.annotated]
        self.coco = CocoTruth(chosen, learnt.kinds)

    def foreground(self, found: Sequence[NDArray[Any]]) -> Contingency:
        """Lay the foregrounds of all images on the true ones."""
        return side_by_side(
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
