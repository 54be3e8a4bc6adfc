"""A prediction beside its truth tells which id is background."""

import numpy as np
import pytest

from napari_utile.arrays.doubts.comparison import background_doubt, restart_doubt
from tests.arrays.doubts.test_labels import OBJECTS

TRUTH = OBJECTS
IS_OBJECT = OBJECTS > 0
SEGMENTED = 1 + IS_OBJECT  # as ilastik: 1 is background, 2 is object
DENSE = np.where(np.arange(128) % 16 > 2, 1 + np.arange(128) // 16, 0) + np.zeros((128, 1), int)
OFF = np.roll(OBJECTS, 5, 1)
FIVE = np.stack([TRUTH] * 5)


@pytest.mark.parametrize(
    ("prediction", "truth", "options", "way_on"),
    [
        (SEGMENTED, TRUTH, {}, "give background the id 0, not 1."),
        (np.where(IS_OBJECT, 252, 2), TRUTH, {}, "id 0, not 2."),
        (1 + OBJECTS, TRUTH, {}, "id 0, not 1."),
        (1 + (DENSE > 0), DENSE, {}, "id 0, not 1."),
        ((~IS_OBJECT).astype(int), TRUTH, {"made_of": "mask"}, "invert the mask."),
        ((DENSE == 0).astype(int), DENSE, {"made_of": "mask"}, "invert the mask."),
        # the background of each slice is a part of its own
        ((FIVE == 0) * np.arange(1, 6)[:, None, None], FIVE, {"made_of": "mask"}, "the mask."),
    ],
)
def test_another_background_is_told(prediction, truth, options, way_on):
    doubt = background_doubt(prediction, truth, "The prediction", **options)
    assert doubt.text.startswith("The prediction seems") and doubt.text.endswith(way_on)
    is_object = truth > 0
    iou = (is_object & (prediction > 0)).sum() / (is_object | (prediction > 0)).sum()
    assert f"IoU of 1.00, all but those of 0 at {iou:.2f}." in doubt.text


@pytest.mark.parametrize(
    ("prediction", "truth"),
    [
        (TRUTH, TRUTH),
        (OFF, TRUTH),
        (np.roll(DENSE, 8, 1), DENSE),
        (IS_OBJECT * 1, TRUTH),
        (np.ones_like(TRUTH), TRUTH),
        (np.zeros_like(TRUTH), TRUTH),
        (np.ones_like(TRUTH), DENSE),
        (np.where(np.arange(128) < 80, 9, OBJECTS), TRUTH),  # a blob on more than half
        (np.arange(128 * 128).reshape(128, 128) // 512 + 1, TRUTH),
        (TRUTH, np.zeros_like(TRUTH)),
        (np.roll(IS_OBJECT, 10, (0, 1)) * 1, TRUTH),
    ],
)
def test_mistakes_of_networks_are_not_doubted(prediction, truth):
    for made_of in ("", "mask", "probabilities"):
        assert background_doubt(prediction, truth, "p", made_of=made_of) is None


def test_probabilities_of_background_are_told():
    found = (~IS_OBJECT).astype(int)
    doubt = background_doubt(found, TRUTH, "Prediction 'a'", made_of="probabilities")
    assert "low, they agree with the true objects at an IoU of 1.00" in doubt.text
    assert "high, at 0.00" in doubt.text


def test_ignored_pixels_do_not_count():
    ignored = np.arange(128) < 100 + np.zeros((128, 1), int)
    prediction = np.where(ignored, 0, SEGMENTED)
    assert background_doubt(prediction, TRUTH, "p", ignored).kind == "exchanged"
    assert background_doubt(np.where(ignored, SEGMENTED, OBJECTS), TRUTH, "p", ignored) is None


def test_ids_that_begin_anew_in_each_slice_are_told():
    moved = np.where(IS_OBJECT, 1 + (OBJECTS + 9) % 36, 0)
    said = restart_doubt(np.stack([OBJECTS, moved, OBJECTS]), "The truth").text
    assert f"of {2 * 36} ids in two neighbouring slices, 0 lie on each other" in said
    for sound in (FIVE, np.stack([OBJECTS, OBJECTS + 99]), OBJECTS, DENSE[None]):
        assert restart_doubt(sound, "The truth") is None
    assert restart_doubt(np.stack([FIVE, np.roll(FIVE, 5, 2)]), "The truth") is None
