"""Where tiles are drawn: the shares of the classes by hand, whatever the shape."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_utile.arrays.augmentation.density import density
from napari_utile.arrays.labels import IGNORE
from napari_utile.arrays.weight_maps.weight_map import weight_map

KINDS = ["uniform", "foreground", "classes", "borders"]
SOME = np.array([[0] * 12, [0, 0, 0, 0, 1, 1, 2, IGNORE, IGNORE, 0, 0, 0]], np.uint8)
"""19 pixels of background, 2 and 1 of two classes, 2 that nobody annotated."""
ALIKE = np.ones(SOME.shape, np.float32)


def totals(kind, classes=SOME, weights=ALIKE):
    """Share of the tiles around each class."""
    frequency = density(classes, weights, kind)
    annotated = np.unique(classes[classes != IGNORE])
    return [frequency[classes == k].sum() / frequency.sum() for k in annotated]


@given(
    arrays(np.uint8, (3, 4), elements=st.sampled_from([0, 1, 2, IGNORE])),
    st.sampled_from(KINDS),
)
def test_frequencies_have_mean_one_and_live_where_something_is_annotated(classes, kind):
    weights = np.random.default_rng(0).uniform(1, 11, classes.shape).astype(np.float32)
    if (classes == IGNORE).all():
        with pytest.raises(ValueError, match="annotated"):
            density(classes, weights, kind)
        return
    frequency = density(classes, weights, kind)
    assert frequency.dtype == np.float32
    assert frequency.mean() == pytest.approx(1, abs=1e-5)
    assert np.array_equal(frequency > 0, classes != IGNORE)


def test_uniform_is_the_same_wherever_someone_annotated():
    frequency = density(SOME, ALIKE, "uniform")
    assert np.unique(frequency).tolist() == pytest.approx([0, 24 / 22])


def test_three_of_four_tiles_lie_around_objects():
    assert totals("foreground") == pytest.approx([1 / 4, 3 / 4 * 2 / 3, 3 / 4 * 1 / 3])


def test_objects_are_never_drawn_less_than_they_are():
    mostly = np.array([[1] * 9 + [0]], np.uint8)
    assert totals("foreground", mostly, mostly) == pytest.approx([0.1, 0.9])


@pytest.mark.parametrize("only", [0, 1])
def test_one_class_alone_is_drawn_everywhere_alike(only):
    alone = np.full((2, 3), only, np.uint8)
    for kind in KINDS:
        assert (density(alone, np.ones((2, 3), np.float32), kind) == 1).all()


def test_rare_classes_are_as_likely_as_frequent_ones():
    assert totals("classes") == pytest.approx([1 / 3] * 3)


def test_borders_follow_the_weight_map():
    gap_of_two = np.zeros((20, 40), int)
    gap_of_two[5:15, 5:19], gap_of_two[5:15, 21:35] = 1, 2
    weights = weight_map(gap_of_two, class_balance=False)
    frequency = density((gap_of_two > 0).astype(np.uint8), weights, "borders")
    np.testing.assert_allclose(frequency, weights / weights.mean(), rtol=1e-5)
    assert frequency[10, 19] == frequency.max() > 4 * frequency[0, 0]


def test_planes_of_different_sizes_share_one_frequency():
    planes = [np.zeros((10, 10), np.uint8), np.zeros((5, 8), np.uint8)]
    planes[1][0, 0] = 1
    joined = np.concatenate([plane.ravel() for plane in planes])
    frequency = density(joined, np.ones(joined.shape, np.float32), "classes")
    # half of all tiles lie around the only pixel of the second class
    assert frequency[100] / frequency.sum() == pytest.approx(0.5)
