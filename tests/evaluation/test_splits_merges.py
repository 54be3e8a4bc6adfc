"""What was split and merged in a volume, and where."""

import csv
import io

import numpy as np
import pytest

from napari_utile.evaluation import evaluate
from napari_utile.evaluation.splits_merges import COLUMNS

SHAPE = (14, 34, 40)


def tubes():
    """Two true tubes along z, each 12 x 12 px, with a gap of two columns between them."""
    truth = np.zeros(SHAPE, np.uint16)
    truth[:, 8:20, 6:18], truth[:, 8:20, 20:32] = 3, 8
    return truth


def joined(truth):
    """One object in place of both, and a speck, without which it were a mask."""
    prediction = np.where(truth > 0, 5, 0)
    prediction[0, :2, :2] = 9
    return prediction


def listed(prediction, truth, **options):
    return evaluate(prediction, truth, volumetric=True, **options).splits_merges


def test_what_is_right_is_not_listed():
    truth = tubes()
    assert listed(truth, truth) == ()
    assert listed(np.roll(truth, 2, axis=2), truth) == ()  # a shift of the borders
    assert evaluate(truth, truth).splits_merges == ()


def test_a_merger_is_where_the_two_true_objects_touch_in_the_predicted_one():
    truth = tubes()
    prediction = joined(truth)
    prediction[9, 10:15, 18:20] = 5  # a bridge over the gap
    prediction[10, 11:13, 18:20] = 5
    prediction[:, 16:20, 28:32] = 0  # the other one is smaller
    (found,) = listed(prediction, truth)
    assert (found.kind, found.id, found.parts) == ("merge", 5, (3, 8))
    assert found.voxels == (14 * 144, 14 * 128)
    # the gap is divided between the columns 18 and 19, over five rows
    assert (found.slice, found.place, found.faces) == (9, (9, 12, 19), 5 + 2)
    assert found.ids == ((3, 8), (5,))
    assert str(found) == (
        "merge: predicted 5 joins true 3 (2,016 px) and 8 (1,792 px) at slice 9, y 12, x 19"
    )


def test_a_split_is_where_the_id_changes():
    truth = tubes()
    prediction = truth.copy()
    prediction[6:, 8:20, 6:18] = 4
    (found,) = listed(prediction, truth)
    assert (found.kind, found.id, found.parts) == ("split", 3, (4, 3))
    assert found.voxels == (8 * 144, 6 * 144)
    assert (found.place[0], found.faces) == (6, 144)
    assert str(found).startswith("split: true 3 is divided into predicted 4 (1,152 px) and 3 (")


def test_pieces_with_a_border_between_them_touch_in_its_middle():
    truth = tubes()
    prediction = truth.copy()
    prediction[:, 12, 6:18] = 0
    prediction[:, 13:20, 6:18] = 4
    (found,) = listed(prediction, truth)
    assert (found.kind, found.id, found.parts, found.faces) == ("split", 3, (4, 3), 14 * 12)
    assert found.place[:2] in ((0, 12), (0, 13)) and 6 <= found.place[2] < 18


def test_parts_are_connected_by_their_largest_surfaces():
    truth = tubes()
    prediction = truth.copy()
    prediction[4:9, 8:20, 6:18], prediction[9:, 8:20, 6:18] = 4, 6
    found = listed(prediction, truth)
    assert [(each.parts, each.place[0], each.faces) for each in found] == [
        ((4, 6), 9, 144),
        ((4, 3), 4, 144),
    ]


def test_parts_that_do_not_touch_are_listed_where_they_are_largest():
    truth = tubes()
    prediction = joined(truth)
    prediction[7, 8:10, 20:32] = 0
    (found,) = listed(prediction, truth)
    assert (found.parts, found.faces, found.slice) == ((3, 8), 0, 0)
    z, y, x = found.place
    assert truth[z, y, x] == 8 and prediction[z, y, x] == 5


@pytest.mark.parametrize(("width", "is_part"), [(3, False), (6, True), (12, True)])
def test_a_shifted_border_is_no_part(width, is_part):
    truth = np.zeros(SHAPE, int)
    truth[:, :, :20], truth[:, :, 20:] = 1, 2
    prediction = np.where(np.arange(40) < 20 + width, 7, 9) * np.ones(SHAPE, int)
    found = listed(prediction, truth)
    assert {each.kind for each in found} == ({"split", "merge"} if is_part else set())


def test_ids_of_any_size_are_kept():
    truth = tubes().astype(np.uint64)
    truth[truth == 8] = 2**63 + 9
    prediction = truth.copy()
    prediction[6:][truth[6:] > 2**60] = 2**64 - 2
    (found,) = listed(prediction, truth)
    assert (found.id, found.parts) == (2**63 + 9, (2**64 - 2, 2**63 + 9))


def test_each_time_point_has_its_own():
    truth = np.stack([tubes(), tubes()])
    prediction = truth.copy()
    prediction[1, 6:, 8:20, 6:18] = 4
    (found,) = listed(prediction, truth)
    assert (found.place[:2], found.slice) == ((1, 6), (1, 6))


def test_the_report_lists_them():
    truth = tubes()
    prediction = joined(truth)
    prediction[6:, 8:20, 6:18] = 4
    prediction[9, 10:15, 18:20] = 5
    report = evaluate(prediction, truth, volumetric=True)
    assert [each.kind for each in report.splits_merges] == ["split", "merge"]
    assert str(report.splits_merges[0]) in str(report)
    lines = list(csv.DictReader(io.StringIO(report.splits_merges_csv())))
    assert list(lines[0]) == list(COLUMNS)
    assert [line["kind"] for line in lines] == ["split", "merge"]
    assert '"splits_merges": [{"kind": "split", "slice": ' in report.to_json()


def test_specks_are_no_parts():
    truth = tubes()
    for side, is_part in ((2, False), (3, True)):
        prediction = truth.copy()
        prediction[4 : 4 + side, 9 : 9 + side, 9 : 9 + side] = 70
        assert [each.parts for each in listed(prediction, truth)] == [(3, 70)] * is_part


def test_parts_that_all_touch_are_connected_once():
    truth = tubes()
    prediction = truth.copy()
    prediction[:7, 8:20, 6:12], prediction[7:, 8:20, 6:18] = 4, 6
    found = listed(prediction, truth)
    assert [(each.parts, each.faces) for each in found] == [((3, 4), 7 * 12), ((6, 3), 72)]
