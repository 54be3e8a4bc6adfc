"""Where pixels lead, and which of them end at one top."""

import numpy as np
import pytest

from napari_utile.arrays.instances.border_sums import DIGIT
from napari_utile.arrays.instances.heights import halo, landscape
from napari_utile.arrays.instances.watershed import HERE, NOWHERE, REACH, directions, trees

UP, LEFT, RIGHT, DOWN = range(4)


@pytest.mark.parametrize("shape", [(180, 200), (84, 86, 88)], ids=["plane", "volume"])
def test_pixels_lead_the_same_way_wherever_they_are_cut_out(shape):
    rng, reach = np.random.default_rng(2), halo(len(shape))
    mask = rng.random(shape) > (
        2e-4 if len(shape) == 2 else 4e-5
    )  # far from the background, and beside it
    gray = rng.integers(0, 255, shape).astype(np.uint8)
    for offset in ((0,) * len(shape), (13, 20, 5)):
        cut = tuple(slice(o, o + n - 20) for o, n in zip(offset, shape, strict=False))
        inner = tuple(slice(s.start + reach, s.stop - reach) for s in cut)
        whole = directions(landscape(mask, gray), mask, gray)
        parts = mask[cut], gray[cut]
        again = directions(landscape(*parts), *parts)
        within = (slice(reach, -reach),) * len(shape)
        for cut_out, of_whole in zip(again, whole, strict=True):
            np.testing.assert_array_equal(cut_out[within], of_whole[inner])


def test_pixels_lead_to_the_highest_neighbour_in_the_mask_the_first_of_equals():
    heights = np.array([[5, 6, 5], [5, 5, 9], [7, 5, 5]], np.uint16)
    mask = np.array([[1, 1, 1], [1, 1, 0], [1, 1, 1]], bool)
    towards, _ = directions(heights, mask, np.zeros((3, 3), np.uint8))
    # the 9 is off the mask; that pixel leads up, the first of its three neighbours
    assert towards.tolist() == [[RIGHT, HERE, LEFT], [DOWN, UP, UP], [HERE, LEFT, LEFT]]


def test_the_background_leads_to_its_likeliest_neighbour_up_to_the_reach():
    mask = np.array([[1, 0, 0, 0, 0, 0, 0]], bool)
    towards, leads = directions(mask.astype(np.uint16), mask, np.zeros((1, 7), np.uint8))
    assert towards.tolist() == [[HERE] + REACH * [LEFT] + 2 * [NOWHERE]]
    assert leads.tolist() == [[0] + [-DIGIT * step for step in (1, 2, 3, 4)] + [0, 0]]
    beside = np.array([[1, 0, 1]], bool)
    foreground = np.array([[200, 0, 201]], np.uint8)
    assert directions(beside.astype(np.uint16), beside, foreground)[0][0, 1] == RIGHT


def test_trees_end_at_a_top_or_where_they_leave():
    towards = np.array([[RIGHT, HERE, LEFT], [DOWN, NOWHERE, RIGHT]], np.int8)
    labels, tops, leave = trees(towards)
    assert labels.tolist() == [[1, 1, 1], [2, 0, 3]]
    assert tops.tolist() == [1, 3, 5]
    assert leave.tolist() == [HERE, DOWN, RIGHT]
