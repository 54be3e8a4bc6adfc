"""Objects as COCO's evaluation needs them: areas, scores, and the IoUs of pairs."""

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
        Areas of the true objects in pixels, by which they fall into size bands.
    crowds : ndarray of bool, shape (G,)
        Whether a true object is a crowd: neither it nor detections on it are counted.
    areas, scores : ndarray, shape (D,)
        Area and score of each detection.
    truth, detection : ndarray of int64, shape (K,)
        Pairs that overlap, as positions in the arrays above, in any order.
    ious : ndarray of float64, shape (K,)
        IoU of each pair; with a crowd, the share of the detection that lies on it.
    """

    truth_areas: NDArray[Any]
    crowds: NDArray[np.bool_]
    areas: NDArray[Any]
    scores: NDArray[Any]
    truth: NDArray[np.int64]
    detection: NDArray[np.int64]
    ious: NDArray[np.float64]


def candidates_of_table(table: Contingency, scores: ArrayLike) -> Candidates:
    """Return the candidates of two label images; there are no crowds.

    Parameters
    ----------
    table : Contingency
        Overlaps of prediction and truth.
    scores : array_like, shape (P,)
        Score of each predicted object, in the order of `table.prediction_ids`.

    Raises
    ------
    ValueError
        If there is not one score per predicted object, or one is not finite.
    """
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
    """Return the candidates of annotations and COCO results, which may overlap.

    Parameters
    ----------
    truth, detections : iterable of mapping
        As for `coco_annotation_scores`.

    Returns
    -------
    dict of category id to list of Candidates
        One per image, in the same order in every category: ascending image ids. Images and
        categories are those that occur on either side.

    Raises
    ------
    ValueError
        If a segmentation is not compressed run lengths, the masks of an image differ in size,
        or a score is not finite.
    """
    true, found = _by_place(truth), _by_place(detections)
    images = sorted({image for image, _ in (*true, *found)})
    return {
        category: [_of_masks(true[i, category], found[i, category]) for i in images]
        for category in sorted({category for _, category in (*true, *found)})
    }


def _of_masks(truth: Sequence[Entry], detections: Sequence[Entry]) -> Candidates:
    """Return the candidates of one category in one image."""
    crowds = np.array([entry.get("iscrowd", 0) for entry in truth], bool)
    true, found = ([_mask(entry) for entry in side] for side in (truth, detections))
    if len({tuple(rle["size"]) for rle in (*true, *found)}) > 1:
        raise ValueError(
            f"masks of image {(*truth, *detections)[0]['image_id']} differ in size"
        )
    # pycocotools divides by the area of the detection alone where the true object is a crowd.
    # Only pairs that overlap are kept: no others can match, as the lowest threshold is above 0.
    ious = mask.iou(found, true, crowds.tolist()) if true and found else np.zeros((0, 0))
    detection, true_object = np.nonzero(ious)
    # COCO sorts true objects into size bands by the area of the file, if it has one.
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
    """Return the area of each mask. One by one: pycocotools 2.0.11 fails for more than 255."""
    return np.array([mask.area(rle) for rle in masks], np.float64)


def _mask(entry: Entry) -> dict[str, Any]:
    rle = entry["segmentation"]
    if not isinstance(rle, Mapping) or not isinstance(rle.get("counts"), str | bytes):
        raise ValueError(
            f"a segmentation in image {entry['image_id']} is not compressed run lengths"
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
    """Group entries by image and category."""
    of: dict[tuple[Any, int], list[Entry]] = defaultdict(list)
    for entry in entries:
        of[entry["image_id"], entry["category_id"]].append(entry)
    return of
