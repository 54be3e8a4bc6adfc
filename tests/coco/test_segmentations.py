"""Segmentations as tools write them: taken where their meaning is clear, else refused."""

import numpy as np
import pytest

from napari_utile.coco.segmentations import (
    CUT,
    FLAT,
    NESTED,
    PAIRS,
    QUOTED,
    ROWS,
    SHORT,
    WRAPPED,
    is_filled,
    read_segmentation,
)

TRIANGLE = [10, 10, 60, 10, 60, 50]
RUNS = {"size": [80, 100], "counts": [10, 2, 7988]}


def read(given):
    noted = []
    return read_segmentation(given, 80, 100, noted.append), noted


@pytest.mark.parametrize(
    "given",
    [
        [TRIANGLE],
        [[*TRIANGLE, 10, 10]],
        [TRIANGLE, [70.5, 15, 80, 15, 80, 20]],
        [[-1, -0.5, 101, 10, 60, 81]],
        RUNS,
        {"size": [80, 100], "counts": ":2di7"},
    ],
)
def test_what_coco_allows_is_left_as_it_is(given):
    segmentation, noted = read(given)
    assert segmentation is given and noted == []


PAIRED = [[10, 10], [60, 10], [60, 50]]


@pytest.mark.parametrize(
    ("given", "meant", "note"),
    [
        (TRIANGLE, [TRIANGLE], FLAT),
        (PAIRED, [TRIANGLE], PAIRS),
        ([PAIRED], [TRIANGLE], PAIRS),
        ([TRIANGLE, [1, 2, 3, 4]], [TRIANGLE], SHORT),
        ([[], TRIANGLE], [TRIANGLE], SHORT),
        ([[-4, 10, 60, 10, 60, 50]], [[-4, 10, 60, 10, 60, 50]], CUT),
        ([RUNS], RUNS, WRAPPED),
        (RUNS | {"counts": "b':2di7'"}, RUNS | {"counts": ":2di7"}, QUOTED),
        (RUNS | {"counts": [10.0, 2.0, 7988.0]}, RUNS, None),
    ],
)
def test_what_is_meant_is_taken_and_noted(given, meant, note):
    assert read(given) == (meant, [note] if note else [])


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ([[]], "an empty segmentation"),
        ([[], []], "an empty segmentation"),
        ([10, 10, 50, 40], "4 numbers as segmentation, which are a box"),
        ([[10, 10, 50, 40]], "of 4 numbers; 3 points are 6; 4 numbers are a box"),
        ([[*TRIANGLE, 5]], "of 7 numbers, an odd one"),
        ([[*TRIANGLE[:-1], "50"]], "no list of numbers, x and y of each"),
        ([[*TRIANGLE[:-1], None]], "no list of numbers, x and y of each"),
        ([[*TRIANGLE[:-1], float("inf")]], "one is not finite"),
        (
            [[10**400, 10, -(10**400), 10, 60, 50]],
            "from .far away, 10. to .far away, 50., outside",
        ),
        ([[-6, 10, 60, 10, 60, 50]], "outside of its image of 100 x 80 pixels"),
        ([[0, 0, 100, 1] * 50_000], "outline crosses"),
        (RUNS | {"size": [100, 80]}, r"\[80, 100\] \(width and height are swapped\)"),
        (RUNS | {"counts": [0] + [2**62] * 9}, "of far more pixels, but the image has 8,000"),
        (RUNS | {"counts": [8000]}, "without a pixel"),
        (RUNS | {"counts": "b'"}, "text is damaged"),
        (RUNS | {"counts": "b'" + "(" * 9000 + "'"}, "pixels|damaged"),
        (RUNS | {"counts": [True, 7999]}, "neither text nor numbers"),
        ([RUNS, RUNS], "no list of numbers"),
        (7, "neither polygons nor run lengths"),
    ],
)
def test_what_cannot_be_meant_is_a_fault(given, fault):
    with pytest.raises(ValueError, match=fault):
        read(given)


SQUARE = [0, 0, 9, 0, 9, 9, 0, 9]


@pytest.mark.parametrize(
    ("other", "notes"),
    [
        ([3, 3, 6, 3, 6, 6, 3, 6], [NESTED]),
        ([3, 3, 3, 6, 6, 6, 6, 3], [NESTED]),
        ([10, 3, 14, 3, 14, 6], []),
        ([3, 3, 14, 3, 14, 6], []),
    ],
)
def test_a_polygon_within_another_is_no_hole_and_said(other, notes):
    for polygons in ([SQUARE, other], [other, SQUARE]):
        noted = []
        assert read_segmentation(polygons, 20, 20, noted.append) == polygons
        assert noted == notes


def test_a_polygon_in_the_bay_of_another_is_beside_it():
    bay = [0, 0, 9, 0, 9, 2, 2, 2, 2, 7, 9, 7, 9, 9, 0, 9]
    noted = []
    read_segmentation([bay, [4, 4, 7, 4, 7, 6, 4, 6]], 20, 20, noted.append)
    assert noted == []


@pytest.mark.parametrize(
    ("area", "filled"), [(81, True), (90, True), (72, False), (None, False)]
)
def test_the_area_of_a_file_tells_whether_all_is_filled(area, filled):
    assert is_filled([SQUARE, [3, 3, 6, 3, 6, 6, 3, 6]], area) == filled  # 9 x 9 and 3 x 3


def test_run_lengths_along_rows_are_told():
    disc = np.hypot(*np.mgrid[-20:40, -30:70]) < 12  # 60 x 100
    for pixels, notes in ((disc.T, []), (disc, [ROWS])):
        ends = np.flatnonzero(np.diff(np.pad(pixels.ravel().astype(int), 1)))
        counts = np.diff([0, *ends, disc.size]).tolist()
        noted = []
        read_segmentation({"size": [60, 100], "counts": counts}, 60, 100, noted.append)
        assert noted == notes
