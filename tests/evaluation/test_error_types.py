"""The kind of each object and pixel, worked out by hand."""

import numpy as np
import pytest

from napari_utile.evaluation import evaluate
from napari_utile.evaluation.error_types import (
    BORDER,
    INVENTED,
    KIND_COLORS,
    KIND_MEANINGS,
    KINDS,
    MATCHED,
    MERGED,
    MISSED,
    NOTHING,
    SPLIT,
    ErrorLayer,
    classify_objects,
    error_plane,
)
from napari_utile.metrics.overlap import contingency

LETTERS = ".amivsb"  # nothing, mAtched, Missed, Invented, merged (V), Split, Border


def painted(prediction, truth):
    """Write the error plane of lines of ids, one letter per pixel."""
    prediction, truth = (np.array([list(map(int, line))]) for line in (prediction, truth))
    found = classify_objects(contingency(prediction, truth))
    return "".join(LETTERS[kind] for kind in error_plane(found, prediction, truth)[0])


def kinds(prediction, truth):
    prediction, truth = (np.array([list(map(int, line))]) for line in (prediction, truth))
    found = classify_objects(contingency(prediction, truth))
    table = found.table
    return (
        {int(i): KINDS[k - 1] for i, k in zip(table.truth_ids, found.truth_kinds, strict=True)},
        {
            int(i): KINDS[k - 1]
            for i, k in zip(table.prediction_ids, found.prediction_kinds, strict=True)
        },
    )


@pytest.mark.parametrize(
    ("truth", "prediction", "expected"),
    [
        ("0110", "0550", ".aa."),  # found to the pixel
        ("0111", "0055", ".baa"),  # found, one pixel short
        ("0110", "5555", "baab"),  # found at an IoU of exactly one half
        ("0110", "0000", ".mm."),
        ("0000", "0550", ".ii."),
        ("1110", "0055", "mmmi"),  # hardly overlap: missed and invented; missed goes first
        ("102", "555", "vvv"),  # two cells in one object, each a third of it
        ("1111", "5060", "ssss"),  # one cell in two pieces, neither of them half of it
        ("1111", "5550", "aaab"),
        ("0000", "0000", "...."),
    ],
)
def test_a_pixel_shows_what_became_of_its_object(truth, prediction, expected):
    assert painted(prediction, truth) == expected


def test_a_merger_of_three_none_of_which_is_matched():
    truth, prediction = "112233", "555555"
    assert kinds(prediction, truth) == ({1: "merged", 2: "merged", 3: "merged"}, {5: "merged"})
    assert painted(prediction, truth) == "vvvvvv"


def test_a_merger_of_three_in_which_the_largest_is_matched():
    truth, prediction = "1111110203", "5555555555"
    assert kinds(prediction, truth) == (
        {1: "matched", 2: "merged", 3: "merged"},
        {5: "matched"},
    )
    assert painted(prediction, truth) == "aaaaaabvbv"


def test_a_split_into_three_in_which_the_main_part_is_matched():
    truth, prediction = "11111111110", "55555506077"
    # 6 lies in the cell, and 7 with one of its two pixels: not more than half
    assert kinds(prediction, truth) == (
        {1: "matched"},
        {5: "matched", 6: "split", 7: "invented"},
    )
    assert painted(prediction, truth) == "aaaaaabsbii"


def test_a_split_into_three_of_which_none_is_matched():
    truth, prediction = "111111111", "555666777"
    assert kinds(prediction, truth) == ({1: "split"}, {5: "split", 6: "split", 7: "split"})


def test_one_object_alone_in_a_large_one_is_no_merger_and_no_split():
    assert kinds("5555555", "0011000") == ({1: "missed"}, {5: "invented"})
    assert kinds("0055000", "1111111") == ({1: "missed"}, {5: "invented"})
    assert painted("5555555", "0011000") == "iimmiii"


def test_half_of_an_object_is_not_more_than_half():
    # 2 lies in object 5 with one of its two pixels: no merger
    assert kinds("5555000", "1111220")[0] == {1: "matched", 2: "missed"}
    assert kinds("5555500", "1111220")[0] == {1: "matched", 2: "missed"}
    assert kinds("5555550", "1111220")[0] == {1: "matched", 2: "merged"}


def test_an_object_in_a_merger_and_in_a_split_is_merged():
    # 1 holds 5 and more than half of 6, which holds 2 and 3
    truth, prediction = "1111111111111123", "5555000066666666"
    assert kinds(prediction, truth)[1][5] == "split"
    assert kinds(prediction, truth)[1][6] == "merged"


def test_touching_cells_that_keep_their_border_are_matched():
    assert painted("5556666", "1112222") == "aaaaaaa"
    assert painted("5555666", "1112222") == "aaabaaa"  # one pixel changed hands


def test_counterparts_are_the_partner_or_the_largest_overlap():
    truth = np.array([[1, 1, 1, 2, 0, 3, 3, 3, 3, 3]])
    prediction = np.array([[7, 7, 7, 7, 0, 8, 0, 9, 9, 0]])
    found = classify_objects(contingency(prediction, truth))
    assert found.truth_partners.tolist() == [0, 0, 2]
    assert found.prediction_partners.tolist() == [0, 2, 2]
    lonely = classify_objects(contingency(0 * prediction, truth))
    assert lonely.truth_partners.tolist() == [-1, -1, -1]


def test_every_kind_has_one_color_and_a_meaning():
    assert tuple(KIND_COLORS) == tuple(KIND_MEANINGS) == KINDS
    assert len(set(KIND_COLORS.values())) == len(KINDS)
    assert list(range(7)) == [NOTHING, MATCHED, MISSED, INVENTED, MERGED, SPLIT, BORDER]


# the layer


@pytest.fixture
def truth():
    cells = np.zeros((3, 6, 8), int)
    cells[0, 1:4, 1:4] = 5
    cells[1, 1:4, 1:4] = 5
    cells[1, 1:4, 5:7] = 2**40
    return cells


@pytest.fixture
def prediction(truth):
    found = np.where(truth == 5, 3, 0)
    found[2, 0, 0] = 8
    return found


def test_ignored_pixels_show_nothing(truth, prediction):
    truth[0, 2:] = 9
    layer = evaluate(prediction, truth, ignore=9).error_layer()
    assert (layer[0][2:] == NOTHING).all()
    assert (layer[0][1, 1:4] == MATCHED).all()


def test_a_layer_of_slices_is_painted_slice_by_slice(truth, prediction):
    layer = evaluate(prediction, truth).error_layer()
    assert (layer.shape, layer.ndim, layer.dtype) == (truth.shape, 3, np.uint8)
    expected = np.select(
        [prediction == 3, prediction == 8, truth > 5], [MATCHED, INVENTED, MISSED], NOTHING
    )
    np.testing.assert_array_equal(layer, expected)


@pytest.mark.parametrize(
    "where",
    [
        1,
        -1,
        np.s_[1:3],
        np.s_[1, 2:, 3],
        np.s_[..., 4],
        np.s_[:, 1, 1],
        np.s_[::-1, ::2],
        np.s_[0, ..., 2:],
        (1, 1, 1),
    ],
)
def test_a_layer_is_read_like_an_array(truth, prediction, where):
    layer = evaluate(prediction, truth).error_layer()
    part = layer[where]
    np.testing.assert_array_equal(part, np.asarray(layer)[where])
    assert part.dtype == np.uint8


def test_objects_of_a_volume_are_of_one_kind_in_all_slices(truth, prediction):
    # Predicted in slice 0 only, the cell of two slices is matched at an IoU of one half ...
    prediction[1] = 0
    volume = evaluate(prediction, truth, volumetric=True).error_layer()
    # ... so that its other half is a difference of matched objects, no missed cell.
    assert (volume[1][truth[1] == 5] == BORDER).all()
    assert (volume[0][truth[0] == 5] == MATCHED).all()
    assert (evaluate(prediction, truth).error_layer()[1][truth[1] == 5] == MISSED).all()


def test_what_is_painted_later_shows_as_background(truth, prediction):
    layer = evaluate(prediction, truth).error_layer()
    truth[0, 5], prediction[0, 5] = 77, 99
    assert (layer[0, 5] == NOTHING).all()


def test_planes_are_painted_when_they_are_looked_at(truth, prediction):
    looked_at = []

    class Kinds(dict):
        def __missing__(self, index):
            looked_at.append(index)
            return classify_objects(contingency(prediction[index], truth[index]))

    layer = ErrorLayer(prediction, truth, Kinds())
    assert looked_at == []
    layer[2, 1:3], layer[2]
    assert looked_at == [(2,)]
