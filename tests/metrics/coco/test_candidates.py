"""What COCO is told of objects: areas, scores and IoUs."""

import numpy as np
import pytest
from pycocotools import mask

from napari_utile.metrics.coco.candidates import candidates_of_annotations, candidates_of_table
from napari_utile.metrics.overlap import contingency


def entry(columns, image=1, category=5, **more):
    """An object of some columns of an image of 2 x 6 pixels."""
    pixels = np.zeros((2, 6), np.uint8, order="F")
    pixels[:, list(columns)] = 1
    return {
        "image_id": image,
        "category_id": category,
        "segmentation": mask.encode(pixels),
    } | more


def test_pairs_that_overlap_and_their_iou():
    truth = np.array([[3, 3, 3, 0, 8, 8]])
    found = np.array([[0, 1, 1, 1, 0, 0]])
    objects = candidates_of_table(contingency(found, truth), [0.7])
    assert objects.truth_areas.tolist() == [3, 2]
    assert (objects.areas.tolist(), objects.scores.tolist()) == ([3], [0.7])
    assert (objects.truth.tolist(), objects.detection.tolist()) == ([0], [0])
    assert objects.ious.tolist() == [2 / 4]
    assert not objects.crowds.any()


def test_masks_give_the_same_pairs_by_category_and_image():
    truth = [entry(range(3)), entry(range(4, 6)), entry([0], image=2, category=6)]
    found = [entry(range(1, 4), score=0.7)]
    by_category = candidates_of_annotations(truth, found)
    assert list(by_category) == [5, 6]
    first, second = by_category[5]
    assert first.truth_areas.tolist() == [6, 4]
    assert first.ious.tolist() == [4 / 8]
    assert (second.truth_areas.size, second.scores.size) == (0, 0)
    assert by_category[6][1].truth_areas.tolist() == [2]


def test_a_given_area_counts_and_of_a_crowd_the_share_of_the_detection():
    truth = [entry(range(4), iscrowd=1, area=99)]
    (objects,) = candidates_of_annotations(truth, [entry([3, 4], score=1)])[5]
    assert objects.truth_areas.tolist() == [99]
    assert objects.crowds.tolist() == [True]
    assert objects.ious.tolist() == [1 / 2]


@pytest.mark.parametrize(
    ("scores", "reason"), [([0.1, 0.2], r"\(2,\) scores for 1"), ([np.nan], "not finite")]
)
def test_scores_that_do_not_fit_are_refused(scores, reason):
    table = contingency(np.array([[1, 0]]), np.array([[1, 0]]))
    with pytest.raises(ValueError, match=reason):
        candidates_of_table(table, scores)
