"""COCOeval of pycocotools without masks: it is given the pairs of objects that overlap.

What COCO evaluates is kept to the bit: the greedy matching with its ties, the objects that are
ignored, the crowds, and `accumulate` itself. What is new is that the matching looks only at
pairs that overlap, so that its time grows with their number and not with that of all pairs.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

from napari_utile.arrays.compiled import compiled
from napari_utile.metrics.coco.candidates import Candidates


def silent(method: Callable[..., Any]) -> Callable[..., Any]:
    """Copy a method without its prints. To redirect the output would do so in all threads."""
    assert isinstance(method, FunctionType)
    quiet = {**method.__globals__, "print": lambda *_: None}
    return FunctionType(method.__code__, quiet, method.__name__, method.__defaults__)


class SparseEvaluation(COCOeval):
    """COCOeval of candidates instead of annotations.

    Parameters
    ----------
    candidates : mapping of category id to a sequence of Candidates
        One per image, for every category in the same order.
    bands : sequence of (least, most), optional
        Areas of the objects to count. By default COCO's own.
    most : sequence of int, optional
        Numbers of best detections per image to look at. By default COCO's own.

    Attributes
    ----------
    eval : dict
        "precision" (IoU thresholds, recalls, categories, bands, most) and "recall" (without
        recalls); -1 where there are no objects to be found.
    counted : ndarray of int64, shape (IoU thresholds, categories, bands)
        Detections that count as right or wrong.
    """

    accumulate = silent(COCOeval.accumulate)
    summarize = silent(COCOeval.summarize)

    def __init__(
        self,
        candidates: Mapping[int, Sequence[Candidates]],
        bands: Sequence[tuple[float, float]] | None = None,
        most: Sequence[int] | None = None,
    ):
        super().__init__(iouType="segm")
        self.candidates = candidates
        self.params.catIds = sorted(candidates)
        self.params.imgIds = list(range(max(map(len, candidates.values()), default=0)))
        if bands is not None:
            self.params.areaRng = [list(band) for band in bands]
            self.params.areaRngLbl = [str(i) for i in range(len(bands))]
        if most is not None:
            self.params.maxDets = list(most)
        self.evaluate()
        self.accumulate()

    def evaluate(self) -> None:
        """Match the detections of every category, band and image."""
        p = self.params
        shape = len(p.catIds), len(p.areaRng), len(p.imgIds)
        self.evalImgs = [
            self.evaluateImg(image, category, band, p.maxDets[-1])
            for category in p.catIds
            for band in p.areaRng
            for image in p.imgIds
        ]
        none = np.zeros(len(p.iouThrs), np.int64)
        counted = [
            none if result is None else (~result["dtIgnore"]).sum(1) for result in self.evalImgs
        ]
        self.counted = np.array(counted).reshape(*shape, none.size).sum(2).transpose(2, 0, 1)
        self._paramsEval = deepcopy(p)

    def evaluateImg(  # noqa: N802
        self,
        imgId: int,  # noqa: N803
        catId: int,  # noqa: N803
        aRng: Sequence[float],  # noqa: N803
        maxDet: int,  # noqa: N803
    ) -> dict[str, Any] | None:
        """Match the detections of one category, band and image; as COCO's, for `accumulate`."""
        objects = self.candidates[catId][imgId]
        if objects.crowds.size == 0 and objects.scores.size == 0:
            return None
        by_score = np.argsort(-objects.scores, kind="stable")[:maxDet]
        ignored = objects.crowds | _outside(objects.truth_areas, aRng)
        ignored_last = np.argsort(ignored, kind="stable")
        ignored, crowds = ignored[ignored_last], objects.crowds[ignored_last]

        matches = match_greedily(
            *_in_order(objects, by_score, ignored_last),
            np.asarray(self.params.iouThrs),
            ignored,
            crowds,
        )
        is_matched = matches >= 0
        on_ignored = is_matched & np.append(ignored, False)[matches]
        return {
            "dtMatches": is_matched,
            "dtIgnore": on_ignored | (~is_matched & _outside(objects.areas[by_score], aRng)),
            "dtScores": objects.scores[by_score],
            "gtIgnore": ignored,
        }


def _outside(areas: NDArray[Any], band: Sequence[float]) -> NDArray[np.bool_]:
    return (areas < band[0]) | (areas > band[1])


def _in_order(
    objects: Candidates, by_score: NDArray[np.int64], ignored_last: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Give for each detection in turn where its pairs begin; their true objects; their IoUs."""
    turn = np.full(objects.scores.size, by_score.size)
    turn[by_score] = np.arange(by_score.size)
    place = np.empty(ignored_last.size, np.int64)
    place[ignored_last] = np.arange(ignored_last.size)

    turns, places = turn[objects.detection], place[objects.truth]
    order = np.lexsort((places, turns))
    first = np.searchsorted(turns[order], np.arange(by_score.size + 1))
    return first, places[order], objects.ious[order]


def _match_greedily(
    first: NDArray[np.int64],
    truth: NDArray[np.int64],
    ious: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    ignored: NDArray[np.bool_],
    crowds: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Give each detection, at each threshold, the true object it matches, or -1.

    Detections choose in turn the object of highest IoU that is still free, of equal ones the
    last; one that is ignored only if no other will do. A crowd may be chosen again.
    """
    matches = np.full((thresholds.size, first.size - 1), -1, np.int64)
    for t in range(thresholds.size):
        is_taken = np.zeros(crowds.size, np.bool_)
        for d in range(first.size - 1):
            best, chosen = thresholds[t], -1
            for k in range(first[d], first[d + 1]):
                g = truth[k]
                if is_taken[g] and not crowds[g]:
                    continue
                if chosen >= 0 and ignored[g] and not ignored[chosen]:
                    break
                if ious[k] >= best:
                    best, chosen = ious[k], g
            matches[t, d] = chosen
            if chosen >= 0:
                is_taken[chosen] = True
    return matches


match_greedily = compiled(_match_greedily)
