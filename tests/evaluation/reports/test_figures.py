"""Curves of a report, and pictures of its worst slices."""

import numpy as np

from napari_utile.evaluation import evaluate
from napari_utile.evaluation.error_types import KIND_COLORS
from napari_utile.evaluation.reports.drawing import plain_style
from napari_utile.evaluation.reports.figures import curves, error_picture, rgb, worst_slices
from napari_utile.io.stack import Stack


def test_only_what_there_is_is_drawn(truth):
    same = evaluate(truth[0], truth[0])
    assert list(curves(same)) == [
        "Objects found, by how well they must fit",
        "Precision and recall",
    ]
    nothing = evaluate(0 * truth[0], 0 * truth[0])
    assert "Precision and recall" not in curves(nothing)


def test_errors_by_threshold_have_plain_numbers_at_their_axis(report):
    from matplotlib.figure import Figure

    with plain_style():
        ax = Figure().add_subplot()
        curves(report)["Errors by threshold"](ax)
        ax.figure.draw_without_rendering()
    labels = {text.get_text() for text in ax.get_yticklabels() if text.get_text()}
    assert {"1", "0.1"} <= labels and not any("$" in text for text in labels)


# slices


def test_worst_slices_come_first(report):
    assert [row["slice"] for row, _, _ in worst_slices(report, 2)] == [3, 1]
    assert worst_slices(report)[0][1:] == (0, (3,))


def test_what_is_wrong_is_painted_over_the_image(report, truth):
    image = np.zeros((5, 40, 60), np.uint8)
    image[:, ::2] = 200
    picture = error_picture(report, 0, (1,), Stack(image, "zyx"))
    assert picture.shape == (40, 60, 3)
    background = picture[0, 0].tolist(), picture[1, 0].tolist()
    assert background == ([255] * 3, [0] * 3)  # nothing to see but the image
    missed = picture[4:16, 4:16].reshape(-1, 3).mean(0) / 255
    vermilion, image_there = np.array(rgb(KIND_COLORS["missed"])), 0.5
    np.testing.assert_allclose(missed, 0.72 * vermilion + 0.28 * image_there, atol=0.01)


def test_without_an_image_the_truth_is_below_the_errors(report, truth):
    picture = error_picture(report, 0, (0,))
    assert len(np.unique(picture[truth[0] == 0], axis=0)) == 1
    assert picture[0, 0].max() < 80


def test_large_slices_are_made_smaller(truth):
    large = np.kron(truth[0], np.ones((50, 50), np.uint8))
    picture = error_picture(evaluate(large, large), 0, ())
    assert max(picture.shape) <= 900


def test_planes_of_a_stack_with_one_time_point_are_found(report):
    stack = Stack(np.random.default_rng(0).random((1, 5, 40, 60)), "tzyx")
    assert error_picture(report, 0, (2,), stack).shape == (40, 60, 3)


def test_masks_and_images_with_holes_can_be_shown_too(report):
    halves = np.zeros((5, 40, 60), bool)
    halves[:, :, 30:] = True
    broken = halves.astype(np.float32)
    broken[:, 0] = np.nan
    for image in (halves, broken):
        picture = error_picture(report, 0, (0,), Stack(image, "zyx"))
        assert (picture[-1, 0].max(), picture[-1, -1].min()) == (0, 255)
