"""What COCO must know of objects to score them: areas, scores, and IoUs."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pycocotools import mask

from napari_utile.metrics.overlap import Contingency

Entry = Mapping[str, Any]
"""An annotation or a result as COCO files hold it, with compressed run lengths."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """The objects of one category in one image, and the pairs of them that may match.

    Parameters
    ----------
    truth_areas : ndarray, shape (G,)
        Areas of the true objects, by which they fall into size bands (px).
    crowds : ndarray of bool, shape (G,)
        Whether it is a crowd: it is not counted, nor are any detections on it.
    areas, scores : ndarray, shape (D,)
        Of the detections.
    truth, detection : ndarray of int64, shape (K,)
        Pairs that overlap, as positions in the arrays above, in any order.
    ious : ndarray of float64, shape (K,)
        Their IoU; with a crowd, the share of the detection that lies on it.
    """

    truth_areas: NDArray[Any]
    crowds: NDArray[np.bool_]
    areas: NDArray[Any]
    scores: NDArray[Any]
    truth: NDArray[np.int64]
    detection: NDArray[np.int64]
    ious: NDArray[np.float64]


def candidates_of_table(table: Contingency, scores: ArrayLike) -> Candidates:
    """Take the objects of two label images, with a score for each that is predicted."""
    return Candidates(
        table.truth_areas,
        np.zeros(table.truth_ids.size, bool),
        table.prediction_areas,
        _checked(scores, table.prediction_ids.size),
        table.truth,
        table.prediction,
        table.ious,
    )


def candidates_of_annotations(
    truth: Iterable[Entry], detections: Iterable[Entry]
) -> dict[int, list[Candidates]]:
    """Take objects as run lengths, by category, and in each for the same images in order."""
    true, found = _by_place(truth), _by_place(detections)
    images = sorted({image for image, _ in (*true, *found)})
    return {
        category: [_of_masks(true[i, category], found[i, category]) for i in images]
        for category in sorted({category for _, category in (*true, *found)})
    }


def _of_masks(truth: Sequence[Entry], detections: Sequence[Entry]) -> Candidates:
    crowds = np.array([entry.get("iscrowd", 0) for entry in truth], bool)
    true, found = ([_mask(entry) for entry in side] for side in (truth, detections))
    if len({tuple(rle["size"]) for rle in (*true, *found)}) > 1:
        raise ValueError(
            f"masks of image {(*truth, *detections)[0]['image_id']} differ in size"
        )
    ious = mask.iou(found, true, crowds.tolist()) if true and found else np.zeros((0, 0))
    detection, true_object = np.nonzero(ious)
    mask_areas = _areas_of(true)
    given = [entry.get("area") for entry in truth]
    return Candidates(
        np.array(
            [own if area is None else area for area, own in zip(given, mask_areas, strict=True)]
        ),
        crowds,
        _areas_of(found),
        _checked([entry["score"] for entry in detections], len(detections)),
        true_object,
        detection,
        ious[detection, true_object],
    )


def _areas_of(masks: Sequence[dict[str, Any]]) -> NDArray[np.float64]:
    """Count the pixels of each mask; asked for more than 255, pycocotools 2.0.11 fails."""
    return np.array([mask.area(rle) for rle in masks], np.float64)


def _mask(entry: Entry) -> dict[str, Any]:
    rle = entry["segmentation"]
    if not isinstance(rle, Mapping) or not isinstance(rle.get("counts"), str | bytes):
        raise ValueError(
            f"segmentation in image {entry['image_id']} is no compressed run lengths"
        )
    return dict(rle)


def _checked(scores: ArrayLike, objects: int) -> NDArray[np.float64]:
    scores = np.asarray(scores, np.float64)
    if scores.shape != (objects,):
        raise ValueError(f"{scores.shape} scores for {objects} predicted objects")
    if not np.isfinite(scores).all():
        raise ValueError("a score is not finite")
    return scores


def _by_place(entries: Iterable[Entry]) -> dict[tuple[Any, int], list[Entry]]:
    of: dict[tuple[Any, int], list[Entry]] = defaultdict(list)
    for entry in entries:
        of[entry["image_id"], entry["category_id"]].append(entry)
    return of
