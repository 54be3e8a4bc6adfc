"""Affinities of labels, and the objects that a mutex watershed finds of affinities."""

import numpy as np
import pytest

from napari_utile.arrays.instances.affinities import (
    affinity_targets,
    mutex_watershed,
    pair_offsets,
)
from napari_utile.arrays.labels import IGNORE

VOLUME = pair_offsets((2, 3, 3))


def test_targets_are_those_of_plain_python():
    labels = np.random.default_rng(0).integers(0, 4, (4, 6, 7))
    offsets = [*VOLUME, (1, -2, 0), (0, 9, 0)]
    found = affinity_targets(labels, offsets, ignore=3)
    for target, offset in zip(found, offsets, strict=True):
        for p in np.ndindex(labels.shape):
            q = tuple(i + step for i, step in zip(p, offset, strict=True))
            is_inside = all(0 <= i < n for i, n in zip(q, labels.shape, strict=True))
            expected = IGNORE
            if is_inside and 3 not in (labels[p], labels[q]):
                expected = int(labels[p] == labels[q] and labels[p] != 0)
            assert target[p] == expected


def by_hand(affinities, offsets, mask, strides):
    """Algorithm 1 of the paper, with sets of voxels."""
    pairs = []
    for channel, offset in enumerate(offsets):
        joins = sum(map(abs, offset)) == 1
        for p in np.ndindex(mask.shape):
            q = tuple(i + step for i, step in zip(p, offset, strict=True))
            is_there = all(0 <= i < n for i, n in zip(q, mask.shape, strict=True))
            at_stride = joins or all(i % s == 0 for i, s in zip(p, strides, strict=True))
            if is_there and mask[p] and mask[q] and at_stride:
                affinity = affinities[(channel, *p)]
                pairs.append((affinity if joins else 1 - affinity, joins, p, q))
    cluster = {p: {p} for p in np.ndindex(mask.shape) if mask[p]}
    apart = []
    for _, joins, p, q in sorted(pairs, key=lambda pair: -pair[0]):
        a, b = cluster[p], cluster[q]
        if not joins:
            apart.append((p, q))
        elif a is not b and not any(
            (u in a and v in b) or (u in b and v in a) for u, v in apart
        ):
            a |= b
            for voxel in b:
                cluster[voxel] = a
    labels, numbers = np.zeros(mask.shape, int), {}
    for p, voxels in cluster.items():
        labels[p] = numbers.setdefault(id(voxels), len(numbers) + 1)
    return labels


@pytest.mark.parametrize("strides", [None, (1, 2, 2)])
@pytest.mark.parametrize("seed", range(3))
def test_a_mutex_watershed_is_what_plain_python_finds(seed, strides):
    rng = np.random.default_rng(seed)
    affinities = rng.random((len(VOLUME), 4, 7, 6))
    mask = rng.random((4, 7, 6)) < 0.9
    found = mutex_watershed(affinities, VOLUME, mask, strides)
    expected = by_hand(affinities, VOLUME, mask, strides or (1, 1, 1))
    assert expected.max() > 3
    np.testing.assert_array_equal(found, expected)
    in_another_order = [3, 0, 5, 2, 1, 4]
    again = mutex_watershed(
        affinities[in_another_order], [VOLUME[i] for i in in_another_order], mask, strides
    )
    np.testing.assert_array_equal(again, expected)


def test_objects_come_back_from_their_affinities():
    _, y, x = np.mgrid[:12, :30, :30]
    labels = (1 + (y // 10) * 3 + x // 10) * (np.hypot(y % 10 - 4.5, x % 10 - 4.5) < 6)
    targets = affinity_targets(labels, VOLUME)
    likely = np.where(targets == IGNORE, 0, targets).astype(np.float32)
    found = mutex_watershed(likely, VOLUME, labels > 0)
    np.testing.assert_array_equal(found, labels)


def test_a_far_pair_holds_two_objects_apart_that_a_leak_joins():
    labels = np.repeat([[1, 2]], 8, axis=1) * np.ones((8, 1), int)
    offsets = pair_offsets((4, 4))
    targets = affinity_targets(labels, offsets)
    likely = np.where(targets == IGNORE, 0, 0.05 + 0.9 * targets)
    likely[1, 4, 8] = 0.9  # a leak of one pixel
    assert mutex_watershed(likely[:2], offsets[:2]).max() == 1  # nothing holds apart
    np.testing.assert_array_equal(mutex_watershed(likely, offsets), labels)


def test_as_many_offsets_as_affinities_are_needed():
    with pytest.raises(ValueError, match="2 affinities and 1 offsets"):
        mutex_watershed(np.zeros((2, 3, 3)), [(0, -1)])
    assert not mutex_watershed(np.zeros((1, 2, 2)), [(0, -1)], np.zeros((2, 2), bool)).any()
