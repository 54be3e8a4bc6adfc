"""The greedy matching of COCO, by hand."""

import numpy as np
import pytest

from napari_utile.metrics.coco.candidates import Candidates
from napari_utile.metrics.coco.matching import SparseEvaluation, match_greedily, silent


def matches(pairs, objects=2, ignored=(), crowds=(), thresholds=(0.5,)):
    """Match detections, each of which has a list of (true object, IoU)."""
    first = np.cumsum([0, *map(len, pairs)])
    flat = [pair for of_one in pairs for pair in of_one]
    truth = np.array([g for g, _ in flat], np.int64)
    ious = np.array([iou for _, iou in flat])
    flags = [np.isin(np.arange(objects), list(ids)) for ids in (ignored, crowds)]
    return match_greedily(first, truth, ious, np.array(thresholds), *flags).tolist()


@pytest.mark.parametrize(
    ("pairs", "options", "expected"),
    [
        ([[(0, 0.6), (1, 0.8)]], {}, [1]),  # the highest IoU
        ([[(0, 0.7), (1, 0.7)]], {}, [1]),  # of equal ones the last
        ([[(0, 0.9)], [(0, 0.8)]], {}, [0, -1]),  # an object is taken once
        ([[(0, 0.9)], [(0, 0.8), (1, 0.6)]], {}, [0, 1]),  # and the next best is left
        ([[(0, 0.4)]], {}, [-1]),  # too little
        ([[(0, 0.6), (1, 0.9)]], {"ignored": [1]}, [0]),  # ignored only if no other will do
        ([[(1, 0.9)], [(1, 0.8)]], {"ignored": [1], "crowds": [1]}, [1, 1]),  # again and again
    ],
)
def test_detections_choose_in_turn(pairs, options, expected):
    assert matches(pairs, **options) == [expected]


def test_every_threshold_begins_with_all_objects_free():
    assert matches([[(0, 0.6)], [(0, 0.8)]], thresholds=(0.5, 0.7)) == [[0, -1], [-1, 0]]


def test_precision_of_one_hit_and_one_miss_of_higher_score():
    objects = Candidates(
        np.array([100.0]), np.array([False]), np.array([100.0, 100.0]), np.array([0.4, 0.9]),
        np.array([0]), np.array([0]), np.array([0.72]),
    )  # fmt: skip
    evaluation = SparseEvaluation({1: [objects]}, bands=[(0, 1e9)], most=[100])
    precision = evaluation.eval["precision"][:, :, 0, 0, 0]
    # the miss is ranked first: 1 of 2 at each recall, up to an IoU of 0.70
    assert np.unique(precision[:5]).tolist() == [0.5]
    assert not precision[5:].any()
    assert evaluation.counted[:, 0, 0].tolist() == [2] * 10


def test_a_silent_method_prints_nothing(capsys):
    class Loud:
        def speak(self):
            print("loud")
            return 3

    assert silent(Loud.speak)(Loud()) == 3
    assert capsys.readouterr().out == ""
