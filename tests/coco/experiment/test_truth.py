"""What is truly in the images of a COCO file."""

import numpy as np
import pytest
from pycocotools import mask

from napari_utile.coco.annotations import read_coco
from napari_utile.coco.drawing import CROWD
from napari_utile.coco.experiment.images import Chosen
from napari_utile.coco.experiment.truth import CocoTruth, mean_in_objects, without_crowds
from tests.fixtures.coco_sample import BOXES, SIZES, write_coco_sample


def test_the_score_of_an_object_is_the_mean_probability_in_it():
    labels = np.array([[1, 1, 0, 2]])
    share = np.array([[0.6, 0.8, 0.1, 0.9]], np.float32)
    assert mean_in_objects(labels, share) == pytest.approx([0.7, 0.9])
    assert mean_in_objects(np.zeros_like(labels), share) == []


def detections(boxes, category=None):
    """Results of COCO: the true boxes, as masks."""
    for image, objects in boxes.items():
        width, height = SIZES[image]
        for kind, left, top, w, h in objects:
            found = np.zeros((height, width), np.uint8, order="F")
            found[top : top + h, left : left + w] = 1
            rle = mask.encode(found)
            yield {
                "image_id": image, "category_id": category or kind, "score": 0.5,
                "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()},
            }  # fmt: skip


def test_the_truth_itself_scores_one_and_crowds_are_no_objects(tmp_path):
    coco = read_coco(*write_coco_sample(tmp_path))
    truth = CocoTruth(Chosen(coco, (3, 5)), apart=True)
    animals = {i: [box for box in boxes if box[0] in (3, 5)] for i, boxes in BOXES.items()}
    assert truth.objects == sum(map(len, animals.values()))
    scores = truth.scores(list(detections(animals)))
    assert scores["coco_ap"] == scores["coco_ap_cat"] == scores["coco_ap_dog"] == 1


def test_the_category_counts_only_where_categories_are_apart(tmp_path):
    coco = read_coco(*write_coco_sample(tmp_path))
    animals = {i: [box for box in boxes if box[0] in (3, 5)] for i, boxes in BOXES.items()}
    all_cats = list(detections(animals, category=3))
    assert CocoTruth(Chosen(coco, (3, 5)), apart=False).scores(all_cats)["coco_ap"] == 1
    apart = CocoTruth(Chosen(coco, (3, 5)), apart=True).scores(all_cats)
    assert apart["coco_ap_dog"] == 0 and apart["coco_ap"] < 1


def test_crowds_become_background():
    labels = np.array([[1, CROWD, 0, 2]])
    assert without_crowds(labels).tolist() == [[1, 0, 0, 2]]
