"""Volumes block by block: equal to the whole, and to brute force."""

from collections import defaultdict
from itertools import product

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, gaussian_filter

from napari_utile.metrics import volume_tables as module
from napari_utile.metrics.contacts import FACES, FIRST, INSIDE, MOST, PLACE, SECOND
from napari_utile.metrics.overlap import contingency
from napari_utile.metrics.volume_tables import core_of, grown, volume_tables


def drained(run):
    while True:
        try:
            next(run)
        except StopIteration as end:
            return end.value


def cells(shape, seed, gap=0.25):
    """Irregular objects with gaps between them, numbered with large ids."""
    random = np.random.default_rng(seed)
    fields = [gaussian_filter(random.normal(size=shape), 3) for _ in range(6)]
    highest = np.sort(fields, axis=0)
    winner = np.argmax(fields, axis=0)
    is_clear = highest[-1] - highest[-2] > gap * highest[-1].std()
    ids = np.array([3, 2**40, 7, 2**62 + 5, 11, 12], np.uint64)
    return np.where(is_clear, ids[winner], 0).astype(np.uint64)


SHAPE = (13, 30, 41)
PREDICTION, TRUTH = cells(SHAPE, 0), np.roll(cells(SHAPE, 0), 2, axis=2)
TRUTH[5:8] = cells(SHAPE, 1)[5:8]
WIDE = cells(SHAPE, 2, gap=0.02)
BLOCKS = [(32, 256, 256), (4, 11, 16), (1, 30, 7)]


def thinned(labels, wanted, reach):
    """Grow objects over wanted background, the whole volume at once."""
    distance, nearest = distance_transform_edt(labels == 0, return_indices=True)
    takes = (labels == 0) & wanted & (distance <= reach)
    return np.where(takes, labels[tuple(nearest)], labels)


def surfaces(inside, parts):
    """Faces and places of all surfaces, voxel by voxel."""
    faces = defaultdict(lambda: defaultdict(list))
    for place in product(*map(range, inside.shape)):
        for axis in range(3):
            before = list(place)
            before[axis] -= 1
            before = tuple(before)
            if before[axis] < 0 or inside[place] != inside[before] or not inside[place]:
                continue
            pair = sorted((int(parts[place]), int(parts[before])))
            if pair[0] and pair[0] != pair[1]:
                faces[int(inside[place]), *pair][place[0]].append(place)
    return faces


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("truth", [TRUTH, WIDE], ids=["gaps", "dense"])
def test_blocks_are_those_of_the_whole(monkeypatch, block, truth):
    monkeypatch.setattr(module, "HALOS", (0, module.REACH))  # gaps need another look
    found = drained(volume_tables(PREDICTION, truth, None, block))
    grown_prediction = thinned(PREDICTION, truth > 0, module.REACH)
    expected = contingency(grown_prediction, truth)
    for name in (
        "truth_ids",
        "prediction_ids",
        "truth_areas",
        "overlaps",
        "truth",
        "prediction",
    ):
        np.testing.assert_array_equal(getattr(found.thinned, name), getattr(expected, name))
    sides = (truth, grown_prediction), (PREDICTION, thinned(truth, PREDICTION > 0, 32))
    for rows, (inside, parts) in zip((found.splits, found.merges), sides, strict=True):
        faces = surfaces(inside, parts)
        assert {tuple(map(int, row[:3])) for row in rows} == {*faces}
        for row in rows:
            slices = faces[tuple(map(int, row[[INSIDE, FIRST, SECOND]]))]
            z, y, x = map(int, row[PLACE])
            assert row[FACES] == sum(map(len, slices.values()))
            assert row[MOST] == max(map(len, slices.values())) == len(slices[z])
            assert z == min(s for s in slices if len(slices[s]) == row[MOST])
            assert (z, y, x) in slices[z]


@pytest.mark.parametrize("block", BLOCKS)
def test_the_core_is_what_is_left_when_borders_are_taken_off(block):
    found = drained(volume_tables(PREDICTION, TRUTH, None, block))
    padded = [
        np.pad(side, [(0, 0), (2, 2), (2, 2)], mode="edge") for side in (PREDICTION, TRUTH)
    ]
    shifts = [(2 + y, 2 + x) for d in range(-2, 3) for y, x in ((d, 0), (0, d))]
    height, width = SHAPE[1:]
    core = np.all(
        [
            (side[:, y : y + height, x : x + width] == here)
            for side, here in zip(padded, (PREDICTION, TRUTH), strict=True)
            for y, x in shifts
        ],
        axis=0,
    )
    np.testing.assert_array_equal(core_of(PREDICTION, TRUTH), core)
    expected = contingency(np.where(core, PREDICTION, 0), np.where(core, TRUTH, 0))
    np.testing.assert_array_equal(found.core.overlaps, expected.overlaps)


def test_pixels_that_are_ignored_count_nowhere():
    ignored = np.zeros(SHAPE, bool)
    ignored[:, 10:, 20:] = True
    prediction, truth = (np.where(ignored, 0, side) for side in (PREDICTION, TRUTH))
    found = drained(volume_tables(prediction, truth, ignored, (4, 11, 16)))
    expected = contingency(thinned(prediction, truth > 0, 32), truth, ignored)
    assert found.thinned.pixels == expected.pixels == (~ignored).sum()
    np.testing.assert_array_equal(found.thinned.overlaps, expected.overlaps)


def test_objects_grow_no_further_than_borders_are_wide():
    labels = np.zeros((1, 1, 100), int)
    labels[..., 10] = 4
    line = grown(labels, labels >= 0, np.s_[:, :, :])[0, 0]
    assert np.flatnonzero(line).tolist() == list(range(43))
    assert grown(labels, labels >= 0, np.s_[:, :, :], halo=4) is None
    assert not grown(0 * labels, labels >= 0, np.s_[:, :, :]).any()


def test_nothing_has_no_surface():
    nothing = np.zeros((3, 4, 5), np.uint8)
    found = drained(volume_tables(nothing, nothing))
    assert found.splits.shape == found.merges.shape == (0, 8)
    assert found.thinned.pixels == 60 and not found.thinned.truth_ids.size


class Watched:
    """Counts the voxels that are read at once."""

    def __init__(self, array):
        self.array, self.shape, self.most = array, array.shape, 0

    def __getitem__(self, where):
        part = self.array[where]
        self.most = max(self.most, part.size)
        return part


def test_no_more_than_a_block_is_read_at_once():
    deep = [Watched(np.tile(side, (6, 1, 1))) for side in (PREDICTION, TRUTH)]
    drained(volume_tables(*deep, None, (4, 16, 16)))
    assert max(side.most for side in deep) <= (4 + 1 + 8) * (16 + 1 + 8) ** 2
