from dataclasses import fields

import numpy as np
import pytest
from skimage.metrics import contingency_table

from napari_utile.metrics.overlap import (
    Contingency,
    combine_tables,
    contingency,
    dice,
    iou,
    join_tables,
    pixel_error,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def blobs(rng):
    """Two images of some fifty touching objects each, one shifted against the other."""
    labels = np.kron(rng.integers(0, 60, (12, 15)), np.ones((4, 3), int))
    return labels, np.roll(labels, (1, 2), (0, 1))


def test_hand_worked_table():
    truth = np.array([[3, 3, 0, 8], [3, 3, 0, 8]])
    prediction = np.array([[0, 5, 5, 5], [0, 5, 5, 6]])
    table = contingency(prediction, truth)
    assert table.pixels == 8
    assert table.truth_ids.tolist() == [3, 8]
    assert table.truth_areas.tolist() == [4, 2]
    assert table.prediction_ids.tolist() == [5, 6]
    assert table.prediction_areas.tolist() == [5, 1]
    pairs = zip(table.truth, table.prediction, table.overlaps, table.ious, strict=True)
    assert list(pairs) == [(0, 0, 2, 2 / 7), (1, 0, 1, 1 / 6), (1, 1, 1, 1 / 2)]


def test_overlaps_are_those_of_scikit_image(blobs):
    prediction, truth = blobs
    table = contingency(prediction, truth)
    expected = contingency_table(truth, prediction, sparse_type="array").toarray()
    mine = np.zeros(expected.shape)
    mine[table.truth_ids[table.truth], table.prediction_ids[table.prediction]] = table.overlaps
    np.testing.assert_array_equal(mine[1:, 1:], expected[1:, 1:])
    np.testing.assert_array_equal(table.truth_areas, expected[table.truth_ids].sum(axis=1))
    areas = expected[:, table.prediction_ids].sum(axis=0)
    np.testing.assert_array_equal(table.prediction_areas, areas)


def test_foreground_scores_by_their_definitions(blobs):
    prediction, truth = blobs
    p, t = prediction > 0, truth > 0
    table = contingency(prediction, truth)
    assert iou(table) == (p & t).sum() / (p | t).sum()
    assert dice(table) == 2 * (p & t).sum() / (p.sum() + t.sum())
    assert pixel_error(table) == (p != t).mean()


def test_ignored_pixels_count_nowhere(blobs, rng):
    prediction, truth = blobs
    ignored = rng.random(truth.shape) < 0.3
    table = contingency(prediction, truth, ignored)
    assert table.pixels == (~ignored).sum()
    areas = [((truth == i) & ~ignored).sum() for i in table.truth_ids]
    assert table.truth_areas.tolist() == areas
    assert pixel_error(table) == ((prediction > 0) != (truth > 0))[~ignored].mean()


def test_ids_may_be_huge_and_are_kept_exactly():
    near_each_other = np.array([[2**64 - 1, 2**64 - 2, 2**40]], dtype=np.uint64)
    table = contingency(near_each_other, near_each_other)
    assert table.truth_ids.tolist() == [2**40, 2**64 - 2, 2**64 - 1]
    assert table.ious.tolist() == [1, 1, 1]


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64, np.uint64, ">u8"])
def test_ids_keep_their_type_and_order(dtype):
    info = None if dtype is bool else np.iinfo(dtype)
    ids = np.array([1] if info is None else [info.max, 5, info.min or 1], dtype)
    labels = np.concatenate([ids, np.zeros(2, dtype), ids[:1]])[np.newaxis]
    table = contingency(labels, labels)
    native = np.dtype(dtype).newbyteorder("=")
    assert table.truth_ids.dtype == table.prediction_ids.dtype == native
    assert table.truth_ids.tolist() == sorted(ids.tolist())
    assert table.truth_areas.sum() == len(ids) + 1
    assert table.truth.tolist() == table.prediction.tolist() == list(range(len(ids)))


def test_every_pair_of_ids_is_counted_however_many_there_are(rng):
    """More pairs than the table first has places for, and ids that only differ in high bits."""
    high = rng.integers(0, 200, (2, 300, 400))
    table = contingency(*(high << 50))
    expected = np.zeros((200, 200), int)
    np.add.at(expected, (high[1], high[0]), 1)
    found = np.zeros_like(expected)
    found[table.truth_ids[table.truth] >> 50, table.prediction_ids[table.prediction] >> 50] = (
        table.overlaps
    )
    np.testing.assert_array_equal(found[1:, 1:], expected[1:, 1:])
    np.testing.assert_array_equal(table.truth_areas, expected[1:].sum(axis=1))


def test_side_by_side_is_the_table_of_the_images_beside_each_other(blobs):
    prediction, truth = blobs
    beside = contingency(
        np.hstack([prediction, np.where(prediction > 0, prediction + 100, 0)]),
        np.hstack([truth, np.where(truth > 0, truth + 100, 0)]),
    )
    pooled = combine_tables([contingency(prediction, truth)] * 2)
    assert pooled.pixels == beside.pixels
    for name in ("truth_areas", "prediction_areas", "truth", "prediction", "overlaps"):
        np.testing.assert_array_equal(getattr(pooled, name), getattr(beside, name))


def test_nothing_to_compare_is_perfect():
    table = contingency(np.zeros((0, 4), int), np.zeros((0, 4), int))
    assert (iou(table), dice(table), pixel_error(table)) == (1, 1, 0)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(2, 3\)"):
        contingency(np.zeros((2, 2), int), np.zeros((2, 3), int))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint64])
def test_tables_of_slices_join_to_that_of_the_volume(dtype):
    random = np.random.default_rng(0)
    prediction, truth = random.integers(0, 5, (2, 7, 6, 9)).astype(dtype)
    if dtype == np.uint64:
        prediction[prediction == 3] = 2**63 + 9
    joined = join_tables(
        [contingency(*planes) for planes in zip(prediction, truth, strict=True)]
    )
    whole = contingency(prediction, truth)
    for name in fields(Contingency):
        there, here = (getattr(table, name.name) for table in (joined, whole))
        np.testing.assert_array_equal(there, here)
    empty = np.zeros((1, 2, 3), dtype)
    assert join_tables([contingency(empty, empty)] * 2).pixels == 12
