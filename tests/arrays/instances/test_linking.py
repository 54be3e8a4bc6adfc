"""Objects through a stack: cases worked by hand, and connected components of the whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter
from skimage.measure import label

from napari_utile.arrays.instances.assembly import PlaneObjects
from napari_utile.arrays.instances.decoding import instances
from napari_utile.arrays.instances.linking import Numbering, overlaps, sum_overlaps
from napari_utile.arrays.instances.object_rule import ObjectRule
from napari_utile.arrays.labels import consecutive

RULES = [ObjectRule(linking=linking) for linking in ("none", "overlap", "touch", "graph")]


def plane_of(labels):
    """What `assembled` would say of a plane with these objects."""
    sizes = np.bincount(np.ravel(labels))
    sizes[0] = 0
    return PlaneObjects((np.arange(len(sizes), dtype=np.uint32),), len(sizes) - 1, sizes)


def through(planes, rule=RULES[1], count=0):
    """Number planes one by one; give the ids of the pixels and the numbering."""
    numbering, before, found = Numbering(rule, count), [], []
    for labels in np.array(planes):
        ids = next_plane(numbering, before, labels)
        assert ids.dtype == np.uint64
        found.append(ids[labels])
    return np.array(found), numbering


def next_plane(numbering, before, labels):
    """Number a plane, with its overlaps with the two before it, and remember it there."""
    linked = (overlaps(lower, labels) for lower in before[:-3:-1])
    ids = numbering.plane(plane_of(labels), next(linked, None), next(linked, None))
    before.append(labels)
    return ids


# --- overlaps


def test_overlaps_are_counted_pixel_by_pixel():
    below = np.array([[1, 1, 1, 0], [2, 2, 0, 0]])
    above = np.array([[7, 7, 3, 3], [3, 0, 3, 3]])
    pairs, counts = overlaps(below, above)
    assert pairs.tolist() == [[1, 3], [1, 7], [2, 3]]
    assert counts.tolist() == [1, 2, 1]


@given(arrays(np.uint32, (2, 8, 9), elements=st.sampled_from([0, 1, 2, 2**32 - 1])))
def test_overlaps_of_blocks_add_up_to_those_of_the_plane(two):
    below, above = two
    parts = [overlaps(below[y, x], above[y, x]) for y in BANDS for x in BANDS]
    for summed, whole in zip(sum_overlaps(parts), overlaps(below, above), strict=True):
        np.testing.assert_array_equal(summed, whole)


BANDS = (slice(0, 3), slice(3, None))


def test_nothing_overlaps_nothing():
    pairs, counts = sum_overlaps([])
    assert pairs.shape == (0, 2)
    assert counts.shape == (0,)


# --- overlap


def test_the_upper_one_takes_the_id_of_the_lower_and_new_ones_go_on():
    found, _ = through([[[1, 1, 0, 2, 2]], [[1, 1, 0, 0, 2]], [[1, 0, 2, 0, 3]]])
    # 3 in the third plane lies on 2 (IoU 1); 2 there lies on nothing
    assert found[:, 0].tolist() == [[1, 1, 0, 2, 2], [1, 1, 0, 0, 2], [1, 0, 3, 0, 2]]


def test_each_must_be_the_largest_overlap_of_the_other():
    # 1 splits into 1 and 2: the larger half goes on, the other is new
    found, numbering = through([[[1, 1, 1, 1, 1]], [[1, 1, 0, 2, 2]]])
    assert found[1, 0].tolist() == [1, 1, 0, 2, 2]
    assert numbering.links == [(1, 1, 1, 2, 2 / 5, True), (1, 1, 2, 2, 2 / 5, False)]
    # two below become one above
    found, numbering = through([[[1, 1, 0, 2, 2, 2]], [[1, 1, 1, 1, 1, 1]]])
    assert found[1, 0].tolist() == [2] * 6
    assert numbering.links == [(1, 2, 2, 3, 3 / 6, True)]


def test_of_equal_overlaps_the_lower_id_wins():
    found, _ = through([[[1, 1, 0, 2, 2]], [[1, 1, 1, 1, 1]]])
    assert found[1, 0].tolist() == [1] * 5


@pytest.mark.parametrize(("least", "joined"), [(0.25, True), (0.26, False), (0, True)])
def test_the_iou_must_be_high_enough(least, joined):
    rule = ObjectRule(linking="overlap", link_iou=least)
    found, numbering = through([[[1, 1, 0, 0]], [[0, 1, 0, 0]], [[0, 1, 1, 1]]], rule)
    assert found[1, 0].tolist() == [0, 1, 0, 0]  # 1 of 2
    assert found[2, 0].tolist() == ([0, 1, 1, 1] if least < 0.34 else [0, 2, 2, 2])
    found, numbering = through([[[1, 1, 1, 1]], [[1, 0, 0, 0]]], rule)
    assert numbering.links == [(1, 1, 1 if joined else 2, 1, 0.25, joined)]
    assert found.max() == (1 if joined else 2)


def test_an_object_that_is_missing_in_one_plane_is_another_one_after_it():
    found, numbering = through([[[1, 1]], [[0, 0]], [[1, 1]]])
    assert found[:, 0, 0].tolist() == [1, 0, 2]
    assert numbering.count == 2


def test_the_next_point_in_time_starts_anew():
    numbering = Numbering(RULES[1])
    cell = np.array([[1, 1]])
    assert numbering.plane(plane_of(cell), None).tolist() == [0, 1]
    assert numbering.plane(plane_of(cell), None).tolist() == [0, 2]
    assert numbering.plane(plane_of(cell), overlaps(cell, cell)).tolist() == [0, 2]
    assert numbering.links == [(2, 2, 2, 2, 1.0, True)]


# --- none and touch


def test_without_linking_ids_go_on_counting():
    found, numbering = through([[[1, 1, 2]], [[1, 1, 2]]], RULES[0])
    assert found[:, 0].tolist() == [[1, 1, 2], [3, 3, 4]]
    assert numbering.final() is None
    assert numbering.links == []


def random_volume(seed):
    waves = gaussian_filter(np.random.default_rng(seed).random((9, 20, 22)), 1)
    return waves > np.quantile(waves, 0.6)


@pytest.mark.parametrize("seed", range(5))
def test_what_touches_is_connected_as_by_skimage(seed):
    volume = random_volume(seed)
    planes = [label(plane, connectivity=1) for plane in volume]
    found, numbering = through(planes, RULES[2])
    expected = label(volume, connectivity=1)
    final = numbering.final()
    np.testing.assert_array_equal(final[found], expected)
    assert final.dtype == np.uint64
    sizes = np.bincount(expected.ravel())
    dropped = np.where(sizes[expected] >= 9, expected, 0)
    _, numbering = through(planes, ObjectRule(linking="touch", min_size=9))
    np.testing.assert_array_equal(numbering.final()[found], consecutive(dropped))


def test_touching_goes_down_again_through_another_object():
    # two legs in the first plane are one by the bridge in the second
    found, numbering = through([[[1, 0, 2]], [[1, 1, 1]]], RULES[2])
    assert numbering.final()[found][:, 0].tolist() == [[1, 0, 1], [1, 1, 1]]


# --- long and broken stacks


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.linking)
def test_it_goes_on_from_its_arrays_at_every_plane(rule):
    planes = [label(plane, connectivity=1) for plane in random_volume(3)]
    whole, expected = through(planes, rule)
    numbering, before = Numbering(rule), []
    for labels, ids in zip(planes, whole, strict=True):
        kept = numbering.to_arrays()
        assert all(array.dtype != object for array in kept.values())
        numbering = Numbering.from_arrays(rule, kept)
        np.testing.assert_array_equal(next_plane(numbering, before, labels)[labels], ids)
    assert numbering.links == expected.links
    assert numbering.count == expected.count
    np.testing.assert_array_equal(numbering.final(), expected.final())


@pytest.mark.parametrize("start", [2**32 - 2, 2**53 + 1, 2**63 + 5])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.linking)
def test_ids_beyond_32_bits_stay_exact(rule, start):
    planes = [label(plane, connectivity=1) for plane in random_volume(3)]
    small, few = through(planes, rule)
    large, many = through(planes, rule, start)
    moved = np.where(small > 0, small + np.uint64(start), 0)
    np.testing.assert_array_equal(large, moved)
    again = Numbering.from_arrays(rule, many.to_arrays())
    assert again.count == many.count == few.count + start
    assert again.links == many.links
    assert [link[1] - start for link in many.links] == [link[1] for link in few.links]
    if rule.linking in ("touch", "graph"):
        found = many.final()[(large - np.uint64(start)).astype(int) * (large > 0)]
        assert found.max() == few.final().max() + start


def test_links_may_be_emptied():
    cell = np.array([[1, 1]])
    numbering = Numbering(RULES[1])
    numbering.plane(plane_of(cell), None)
    numbering.plane(plane_of(cell), overlaps(cell, cell))
    numbering.links.clear()
    again = Numbering.from_arrays(RULES[1], numbering.to_arrays())
    assert again.links == []
    again.plane(plane_of(cell), overlaps(cell, cell))
    assert len(again.links) == 1


# --- by way of `instances`


def test_instances_are_linked_as_plane_by_plane():
    volume = random_volume(2).astype(np.float32)
    found = instances(volume[None], method="components", linking="overlap")
    expected, _ = through([label(plane, connectivity=1) for plane in volume])
    np.testing.assert_array_equal(found, expected)


def test_instances_are_not_linked_through_time():
    cell = np.ones((1, 2, 3, 4, 4), np.float32)
    assert instances(cell)[:, :, 0, 0].tolist() == [[1, 1, 1], [2, 2, 2]]
    assert instances(cell, linking="touch")[:, :, 0, 0].tolist() == [[1, 1, 1], [2, 2, 2]]
    assert instances(cell, linking="none").max() == 6
