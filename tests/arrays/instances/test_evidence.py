"""What overlaps say, counted by hand."""

import numpy as np
import pytest

from napari_utile.arrays.instances.evidence import (
    MOST_BRANCHES,
    branch_pairs,
    fit,
    link_evidence,
    looks_ruined,
    ruin_text,
)
from napari_utile.arrays.instances.linking import overlaps

BELOW = np.array([[1, 1, 1, 1, 2, 2, 0, 3]])
ABOVE = np.array([[1, 1, 0, 2, 2, 2, 2, 0]])


def sizes(plane):
    found = np.bincount(plane.ravel())
    found[0] = 0
    return found


def between(below, above):
    return link_evidence(*overlaps(below, above), sizes(below), sizes(above))


def test_shares_iou_and_ranks():
    found = between(BELOW, ABOVE)
    assert found.pairs.tolist() == [[1, 1], [1, 2], [2, 2]]
    assert found.shared.tolist() == [2, 1, 2]
    assert found.shares.tolist() == [[2 / 4, 2 / 2], [1 / 4, 1 / 4], [2 / 2, 2 / 4]]
    assert found.iou.tolist() == [2 / 4, 1 / 7, 2 / 4]
    assert found.is_first.tolist() == [[True, True], [False, False], [True, True]]


def test_of_equal_overlaps_the_first_has_the_first_rank():
    found = between(np.array([[1, 1, 1, 1]]), np.array([[1, 1, 2, 2]]))
    assert found.is_first[:, 0].tolist() == [True, False]


def test_the_fit_is_the_weighted_iou_of_mutual_partners():
    # 1-1: IoU 1/2, 2 px; 2-2: IoU 1/2, 2 px; the smaller area is that above, 6 px
    assert fit(between(BELOW, ABOVE), sizes(BELOW), sizes(ABOVE)) == pytest.approx(
        (2 / 4 * 2 + 2 / 4 * 2) / 6
    )
    assert fit(between(BELOW, BELOW), sizes(BELOW), sizes(BELOW)) == 1
    nothing = np.zeros_like(BELOW)
    assert fit(between(BELOW, nothing), sizes(BELOW), sizes(nothing)) == 0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (([0.1, 0.2], 0.6, 20), True),
        (([0.1, 0.4], 0.6, 20), False),  # it fits the next one
        (([0.0, 0.0], 0.1, 20), False),  # nothing fits there
        (([0.0, 0.0], 0.6, 2), False),  # too few objects to tell
    ],
)
def test_a_slice_looks_ruined_if_its_neighbours_fit_each_other_alone(given, expected):
    assert looks_ruined(*given) is expected


def test_a_ruined_slice_is_named():
    assert ruin_text("17", "16", "18").startswith("Slice 17 looks ruined: ")


STEM, BRANCHES = np.array([[1] * 10]), np.array([[1] * 6 + [0] + [2] * 3])


def test_branches_lie_on_a_stem_that_goes_on_as_one():
    near, stem = between(STEM, BRANCHES), between(STEM, STEM)
    pairs, features = branch_pairs(near, 1, stem, 1)
    assert pairs.tolist() == [[1, 2]]
    # both lie on it wholly; it goes on with IoU 1 and no second; the smaller covers 3 of 10
    np.testing.assert_allclose(features, [[1, 1, 0.3]])
    # seen from above, with the stem behind
    pairs, features = branch_pairs(between(BRANCHES, STEM), 0, stem, 1)
    assert pairs.tolist() == [[1, 2]]
    np.testing.assert_allclose(features, [[1, 1, 0.3]])


def test_a_merger_goes_on_as_two_and_the_end_of_a_stack_says_nothing():
    near = between(STEM, BRANCHES)
    _, features = branch_pairs(near, 1, between(BRANCHES, STEM), 1)
    np.testing.assert_allclose(features, [[1, 0, 0.3]])
    _, features = branch_pairs(near, 1, None, 1)
    np.testing.assert_allclose(features, [[1, 0, 0.3]])


def test_only_the_largest_of_many_are_compared():
    many = np.repeat(np.arange(1, 21), np.arange(20, 0, -1))[None]
    pairs, _ = branch_pairs(between(np.ones_like(many), many), 1, None, 1)
    assert len(pairs) == MOST_BRANCHES * (MOST_BRANCHES - 1) / 2
    assert pairs.max() == MOST_BRANCHES
    assert (pairs[:, 0] < pairs[:, 1]).all()


def test_nothing_overlaps_nothing():
    nothing = np.zeros((2, 3), int)
    pairs, features = branch_pairs(between(nothing, nothing), 1, None, 0)
    assert pairs.shape == (0, 2) and features.shape == (0, 3)
