"""COCO's matching of detections and true objects, given the pairs that overlap.

The results are those of pycocotools' COCOeval to the bit: its greedy matching with ties,
ignored objects and crowds is repeated here, and `accumulate` is its own. But only pairs that
overlap are visited, so that time grows with their number instead of that of all pairs.

References
----------
.. [1] Lin et al., "Microsoft COCO: common objects in context", ECCV 2014; cocodataset.org,
   "Detection evaluation".
.. [2] cocoapi, `PythonAPI/pycocotools/cocoeval.py`, `COCOeval.evaluateImg`.
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
    """Return a copy of a method whose prints do nothing.

    Redirecting the standard output instead would affect all threads.

    Parameters
    ----------
    method : function
        Written in Python.
    """
    assert isinstance(method, FunctionType)
    quiet = {**method.__globals__, "print": lambda *_: None}
    return FunctionType(method.__code__, quiet, method.__name__, method.__defaults__)


class SparseEvaluation(COCOeval):
    """COCOeval of candidates instead of annotations. Evaluates when it is made.

    Parameters
    ----------
    candidates : mapping of category id to a sequence of Candidates
        One per image, in the same order for every category.
    bands : sequence of (least, most), optional
        Ranges of the area of the objects to count, in pixels. By default COCO's own.
    most : sequence of int, optional
        Numbers of detections per image to consider, those of highest score. By default COCO's
        own: 1, 10 and 100.

    Attributes
    ----------
    eval : dict
        "precision" (IoU thresholds, recalls, categories, bands, most) and "recall" (the same
        without recalls); -1 where there are no true objects.
    counted : ndarray of int64, shape (IoU thresholds, categories, bands)
        Number of detections that count as true or false positives.
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
        """Match the detections of one category, band and image.

        Returns the part of the original's result that `accumulate` reads; None without objects.
        """
        objects = self.candidates[catId][imgId]
        if objects.crowds.size == 0 and objects.scores.size == 0:
            return None
        # Detections by descending score, equal ones in their order; only the best `maxDet`.
        by_score = np.argsort(-objects.scores, kind="stable")[:maxDet]
        # Crowds and true objects outside of the band are ignored; they come after the others.
        ignored = objects.crowds | _outside(objects.truth_areas, aRng)
        ignored_last = np.argsort(ignored, kind="stable")
        ignored, crowds = ignored[ignored_last], objects.crowds[ignored_last]

        matches = match_greedily(
            *_in_order(objects, by_score, ignored_last),
            np.asarray(self.params.iouThrs),
            ignored,
            crowds,
        )
        # A detection does not count if it matches an ignored object, or if it matches none and
        # its own area is outside of the band. (Without a match it reads the appended False.)
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
    """Sort the pairs in the order in which the matching visits them.

    Returns
    -------
    first : ndarray, shape (D + 1,)
        Where the pairs of each detection begin, by descending score, and where the last end.
    truth : ndarray, shape (K,)
        Positions of the true objects of the pairs, ignored ones last.
    ious : ndarray, shape (K,)
    """
    # New position of each detection and true object. Detections that are not among the best
    # come after all others, beyond the end of `first`.
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
    """Return the true object that each detection matches at each IoU threshold, or -1.

    Parameters
    ----------
    first : ndarray of int64, shape (D + 1,)
        The pairs of detection d are `first[d]` to `first[d + 1]`. Detections are in descending
        order of their scores.
    truth : ndarray of int64, shape (K,)
        True object of each pair; those of a detection in ascending order.
    ious : ndarray of float64, shape (K,)
    thresholds : ndarray of float64, shape (T,)
    ignored, crowds : ndarray of bool, shape (G,)
        True objects that are ignored, which come last, and those of them that are crowds.

    Returns
    -------
    ndarray of int64, shape (T, D)

    Notes
    -----
    The rules of `COCOeval.evaluateImg` [2]_. Each threshold is matched on its own.
    """
    matches = np.full((thresholds.size, first.size - 1), -1, np.int64)
    for t in range(thresholds.size):
        is_taken = np.zeros(crowds.size, np.bool_)
        for d in range(first.size - 1):
            # A detection takes the object of highest IoU, if that reaches the threshold.
            best, chosen = thresholds[t], -1
            for k in range(first[d], first[d + 1]):
                g = truth[k]
                # An object is matched once, by the detection of highest score; a crowd often.
                if is_taken[g] and not crowds[g]:
                    continue
                # Ignored objects come last, and are taken only if no other one can be.
                if chosen >= 0 and ignored[g] and not ignored[chosen]:
                    break
                # Of equal IoUs, the last object is taken.
                if ious[k] >= best:
                    best, chosen = ious[k], g
            matches[t, d] = chosen
            if chosen >= 0:
                is_taken[chosen] = True
    return matches


match_greedily = compiled(_match_greedily)
