"""Names of images and labels that belong together."""

import pytest

from napari_utile.io.pair_names import named_as_labels, pair_names, plain_pair


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("x", "x"), ("x", "x_mask"), ("x", "x-masks"), ("x", "x.label"), ("x", "x labels"),
        ("x", "x_seg"), ("x", "x_gt"), ("x", "x_truth"), ("x", "x_ground_truth"),
        ("x", "x_annotation"), ("x", "x_cp_masks"), ("x_img", "x_masks"),
        ("x_img", "x_img_cp_masks"), ("x_raw", "x"), ("mask_x", "mask_x"), ("x", "mask_x"),
        ("img_007", "mask_007"), ("img007", "mask007"), ("cell_image_3", "cell_mask_3"),
        ("t007", "man_seg007"), ("Cell 1", "cell_1_MASK"), ("image", "labels"),
    ],
)  # fmt: skip
def test_names_differ_in_usual_words_alone(image, labels):
    assert pair_names(["other", image], ["another", labels]).pairs == {1: 1}


@pytest.mark.parametrize(
    ("image", "labels"), [("x", "y_mask"), ("x", "xmask"), ("x1", "x_mask"), ("x", "x_mask2")]
)
def test_other_names_are_no_pair(image, labels):
    assert pair_names([image], [labels]) == ({}, [])


def test_the_same_name_comes_first():
    assert pair_names(["a_img", "a"], ["a_mask", "a"]).pairs == {0: 0, 1: 1}


def test_what_could_belong_to_two_is_unclear():
    assert pair_names(["a", "b"], ["a_mask", "b", "a_seg"]) == ({1: 1}, [((0,), (0, 2))])
    assert pair_names(["a_img", "a_raw"], ["a_mask"]) == ({}, [((0, 1), (0,))])


def test_labels_in_the_folder_of_their_images_are_told_by_name():
    assert named_as_labels(["a", "a_mask", "a_img_2", "masks_a_2", "b_mask"]) == [1, 3]


def test_predictions_have_words_of_their_own():
    kinds = "prediction", "truth"
    assert pair_names(["a_pred", "b_masks"], ["b_gt", "a_gt"], kinds).pairs == {0: 1, 1: 0}


def test_folders_of_images_and_labels_are_told_by_name_if_it_is_plain():
    assert plain_pair(["GT", "raw", "results"]) == (1, 0)
    assert plain_pair(["cells", "cells_masks"]) == (0, 1)
    assert plain_pair(["images", "masks", "labels"]) is None
    assert plain_pair(["train", "test", "masks"]) is None
    assert plain_pair(["images"]) is None
