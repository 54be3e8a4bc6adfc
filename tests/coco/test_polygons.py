"""Polygons drawn as run lengths, checked against pycocotools."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask

from napari_utile.coco.masks import compressed
from napari_utile.coco.polygons import MAX_CROSSINGS, check_crossings, polygon_counts

coordinates = st.one_of(
    st.floats(-3, 24, width=32),
    st.integers(-3, 24).map(float),
    st.integers(0, 40).map(lambda n: n / 2),
)


@given(
    st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=12),
    st.integers(1, 20),
    st.integers(1, 20),
)
def test_a_polygon_is_drawn_as_by_pycocotools(points, height, width):
    polygon = [float(number) for point in points for number in point]
    theirs = mask.frPyObjects([polygon], height, width)[0]["counts"].decode()
    assert compressed(polygon_counts(polygon, height, width)) == theirs


def zigzag(points, size):
    """Go from the left to the right border and back, a little lower each time."""
    y = np.linspace(0, size, points)
    x = np.where(np.arange(points) % 2, size, 0)
    return np.stack([x, y], 1).ravel().tolist()


def test_a_zigzag_is_drawn_as_by_pycocotools():
    polygon = zigzag(90, 200)
    theirs = mask.frPyObjects([polygon], 200, 200)[0]["counts"].decode()
    assert compressed(polygon_counts(polygon, 200, 200)) == theirs


def test_an_outline_that_would_end_the_process_is_refused():
    polygon = zigzag(20_000, 4_000)
    for refuse in (check_crossings, lambda p: polygon_counts(p, 4_000, 4_000)):
        with pytest.raises(ValueError, match="20,000 points whose outline crosses 80,0"):
            refuse(polygon)
    check_crossings(zigzag(MAX_CROSSINGS // 4_000 - 10, 4_000))


def test_the_largest_image_is_drawn_into():
    side = 2**31 - 1
    counts = polygon_counts([side - 3, 0, side - 1, 0, side - 1, 1, side - 3, 1], 1, side)
    assert counts.tolist() == [side - 3, 2, 1]
