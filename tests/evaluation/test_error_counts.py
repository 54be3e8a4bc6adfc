"""How many true objects were found and lost, counted by hand."""

import numpy as np
import pytest

from napari_utile.evaluation import evaluate
from napari_utile.evaluation.error_counts import ErrorCounts, error_counts, worst_errors
from napari_utile.evaluation.error_types import INVENTED, MATCHED, MISSED


def lines(*texts):
    return np.array([[list(map(int, text))] for text in texts])


def compared(truth, prediction, **options):
    return evaluate(lines(*prediction), lines(*truth), **options)


@pytest.mark.parametrize(
    ("truth", "prediction", "expected"),
    [
        ("0110200", "0550007", (1, 1, 0, 0, 1)),
        ("10203", "55555", (0, 0, 3, 0, 0)),  # three cells in one object: not four errors
        ("111102", "555555", (1, 0, 1, 0, 0)),  # it is the partner of the larger one
        ("111112", "506072", (1, 0, 0, 1, 0)),  # one cell in three pieces: not four errors
        ("111112", "555062", (2, 0, 0, 1, 0)),  # found, and a piece is cut off
        ("000", "000", (0, 0, 0, 0, 0)),
    ],
)
def test_each_true_object_counts_once_and_each_invented_one(truth, prediction, expected):
    report = compared([truth], [prediction])
    whole, (slice_,) = error_counts(report)
    assert whole == slice_ == ErrorCounts(*expected)
    assert len(worst_errors(report.objects)) == whole.errors


def test_objects_of_volumes_count_once_and_in_every_slice_that_they_are_in():
    truth, prediction = ("1102", "1102", "1100"), ("5500", "5500", "5507")
    slices = error_counts(compared(truth, prediction))
    assert slices[0] == ErrorCounts(found=3, missed=2, invented=1)
    whole, slices = error_counts(compared(truth, prediction, volumetric=True))
    assert whole == ErrorCounts(found=1, missed=1, invented=1)
    assert slices == [
        ErrorCounts(found=1, missed=1),
        ErrorCounts(found=1, missed=1),
        ErrorCounts(found=1, invented=1),
    ]


def test_the_largest_errors_are_the_worst():
    objects = compared(["1100222000"], ["0000000066"]).objects
    worst = [objects.row(row) for row in worst_errors(objects)]
    assert [(row["kind"], row["area"]) for row in worst] == [
        ("missed", 3), ("missed", 2), ("invented", 2)
    ]  # fmt: skip
    (only,) = worst_errors(objects, [INVENTED])
    assert objects.row(only)["kind"] == "invented"
    assert len(worst_errors(objects, [MISSED, MATCHED])) == 2
