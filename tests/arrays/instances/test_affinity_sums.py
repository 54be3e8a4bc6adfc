"""Objects by affinities: sums as in plain Python, blocks as in one piece, objects come back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_utile.arrays.blocks import Blocks
from napari_utile.arrays.instances.affinities import pair_windows
from napari_utile.arrays.instances.affinity_sums import (
    affinity_halo,
    affinity_sums,
    affinity_table,
    likely_inside,
    near_and_far,
    overlapping,
    partner_blocks,
)
from napari_utile.arrays.instances.assembly import assemble
from napari_utile.arrays.instances.decoding import instances, plane_objects
from napari_utile.arrays.instances.fragments import fragments
from napari_utile.arrays.instances.object_rule import ObjectRule

OFFSETS = tuple(
    tuple(-far * (axis == i) for axis in range(3)) for far in (1, 3, 9) for i in range(3)
)
NEAR, FAR = near_and_far(OFFSETS)
FAR_OFFSETS = [OFFSETS[i] for i in FAR]
RULE = ObjectRule(offsets=OFFSETS, growth=(1, 1.5, 1.5), fill_holes=4)


def cells(shape, seed, count=12):
    """Labels that fill a volume: each voxel has the nearest of some points."""
    points = np.random.default_rng(seed).random((count, 3)) * shape
    places = np.stack(np.mgrid[tuple(slice(n) for n in shape)], axis=-1)[..., np.newaxis, :]
    return 1 + ((places - points) ** 2).sum(-1).argmin(-1)


def noisy_maps(labels, seed, noise):
    """Foreground and affinities of labels, with noise, as uint8."""
    rng = np.random.default_rng(seed)
    targets = np.zeros((len(OFFSETS), *labels.shape), bool)
    for target, offset in zip(targets, OFFSETS, strict=True):
        here, there = pair_windows(labels.shape, offset)
        target[here] = labels[here] == labels[there]
    borders = targets[:3].all(axis=0)
    maps = np.concatenate([borders[np.newaxis], targets]).astype(float)
    return np.rint(
        255 * np.clip(maps * 0.8 + 0.1 + noise * rng.standard_normal(maps.shape), 0, 1)
    ).astype(np.uint8)


def in_blocks(maps, block, rule):
    shape, wheres = maps.shape[1:], Blocks.whole(maps.shape[1:], block)
    reach, found = rule.reach(3), []
    labels = np.zeros(shape, np.uint32)
    for part in wheres:
        wide, inner = wheres.around(part, reach)
        origin = tuple(side.start for side in part.window)
        each = fragments(maps[0][wide], inner, origin, shape, rule, maps[1:][NEAR][:, *wide])
        found.append(each)
        labels[part.window] = each.labels
    tables = []
    for part in wheres:
        wide, inner = wheres.around(part, affinity_halo(FAR_OFFSETS))
        around = []
        read = np.zeros_like(labels[wide])
        for number in partner_blocks(wheres, part, FAR_OFFSETS):
            here, there = overlapping(wheres[number].window, wide)
            read[there] = found[number].labels[here]
            around.append((number, there, len(found[number].tables["sizes"])))
        far = maps[1:][FAR][:, *part.window]
        tables.append(affinity_table(read, around, inner, far, FAR_OFFSETS))
    plane = assemble([each.tables for each in found], wheres.grid, rule, tables)
    objects = np.zeros(shape, np.uint32)
    for part, numbers in zip(wheres, plane.maps, strict=True):
        objects[part.window] = numbers[labels[part.window]]
    return objects


def test_sums_are_those_of_all_pairs_in_plain_python():
    rng = np.random.default_rng(0)
    parts = rng.integers(0, 4, (6, 7, 12))
    inner = (slice(2, 5), slice(0, 7), slice(3, 12))
    offsets = [(-3, 0, 0), (0, -2, 0), (0, 0, 4), (0, 0, -9)]
    affinities = rng.integers(0, 256, (4, 3, 7, 9)).astype(np.uint8)
    expected = {}
    for channel, offset in enumerate(offsets):
        for place in np.ndindex(3, 7, 9):
            here = tuple(p + side.start for p, side in zip(place, inner, strict=True))
            there = tuple(np.add(here, offset).tolist())
            if all(0 <= p < n for p, n in zip(there, parts.shape, strict=True)):
                ends = tuple(sorted((int(parts[here]), int(parts[there]))))
                if 0 not in ends and ends[0] != ends[1]:
                    one = expected.setdefault(ends, [0, 0])
                    one[0] += 1
                    one[1] += int(affinities[channel][place])
    pairs, sums = affinity_sums(parts, inner, affinities, offsets)
    assert pairs.tolist() == [list(ends) for ends in sorted(expected)]
    assert sums.tolist() == [expected[ends] for ends in sorted(expected)]


def test_an_affinity_belongs_to_both_of_its_voxels():
    foreground = np.full((1, 1, 4), 100, np.uint8)
    near = np.zeros((3, 1, 1, 4), np.uint8)
    near[2] = [9, 40, 80, 120]  # of the pairs 0-1, 1-2 and 2-3; the first has none before it
    # the other axes have a single voxel, which is in one object with itself
    of_x = np.array([40 + 40, 40 + 80, 80 + 120, 120 + 120])
    expected = (200 + 2 * 510 + of_x) / 8
    assert likely_inside(foreground, near).tolist() == [[np.floor(expected + 0.5).tolist()]]


@given(
    st.integers(0, 2**32),
    st.tuples(*[st.integers(1, 14)] * 3),
    st.tuples(*[st.integers(2, 14)] * 3),
    st.sampled_from([0.1, 0.3]),
)
@settings(max_examples=25)
def test_blocks_of_affinities_give_the_ids_of_one_piece(seed, shape, block, noise):
    maps = noisy_maps(cells(shape, seed), seed, noise)
    whole, _ = plane_objects(maps[0], RULE, maps[1:])
    np.testing.assert_array_equal(in_blocks(maps, block, RULE), whole)


def test_objects_come_back_from_noisy_affinities():
    labels = cells((24, 30, 34), 3, count=8)
    maps = noisy_maps(labels, 3, 0.15)
    found = instances(maps, volumetric=True, method="watershed", offsets=OFFSETS)
    for cell in range(1, 9):
        mine = found[(labels == cell) & (found > 0)]
        assert (mine == np.bincount(mine).argmax()).mean() > 0.95
    assert len(np.unique(found[maps[0] > 127])) >= 8


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"volumetric": False}, "set volumetric"),
        ({"method": "components"}, "the method to watershed"),
        ({"offsets": OFFSETS[:-1]}, "9 maps, got 10"),
        ({"offsets": OFFSETS[1:] + OFFSETS[:1]}, "along each axis"),
    ],
)
def test_affinities_are_refused_that_cannot_be(given, message):
    options = {"volumetric": True, "method": "watershed", "offsets": OFFSETS} | given
    with pytest.raises(ValueError, match=message):
        instances(np.zeros((10, 4, 4, 4), np.uint8), **options)


def test_objects_meet_where_affinities_are_lowest_not_in_the_middle_of_the_gap():
    foreground = np.full((6, 7, 30), 130, np.uint8)
    foreground[..., 12:18] = 120  # a gap of six voxels
    affinities = np.full((9, 6, 7, 30), 250, np.uint8)
    for channel, far in ((2, 1), (5, 3), (8, 9)):
        affinities[channel, ..., 16 : 16 + far] = 5  # of pairs on both sides of 15 | 16
    maps = np.concatenate([foreground[np.newaxis], affinities])
    mirrored = np.flip(maps, 3).copy()  # there the second voxel of a pair is the first
    for channel, offset in enumerate(OFFSETS, start=1):
        mirrored[channel] = np.roll(mirrored[channel], -offset[2], axis=2)
    for each, edge in ((maps, 16), (mirrored, 14)):
        found = instances(each, volumetric=True, method="watershed", offsets=OFFSETS, growth=4)
        assert (found == np.where(np.arange(30) < edge, 1, 2)).all()
