"""Counts of ids by plane equal a count by brute force, whatever was painted."""

import numpy as np
import pytest

from napari_utile.arrays import painted
from napari_utile.arrays.painted import PaintedPixels, count_ids


def by_hand(ids):
    found, counts = np.unique(ids, return_counts=True)
    return {int(i): int(n) for i, n in zip(found, counts, strict=True) if i}


@pytest.mark.parametrize("largest", [3, 2**40])
def test_ids_are_counted_part_by_part_and_large_or_negative_ones_too(largest, monkeypatch):
    monkeypatch.setattr(painted, "AT_ONCE", 7)
    ids = np.random.default_rng(0).choice([0, 1, 3, largest, -1 * (largest > 3)], (5, 6))
    found, counts = count_ids(ids)
    assert dict(zip(found.tolist(), counts.tolist(), strict=True)) == by_hand(ids)


def test_strokes_are_added_and_taken_away_in_their_plane_and_in_all():
    labels = np.random.default_rng(1).integers(0, 4, (3, 8, 9))
    known = PaintedPixels(labels.shape)
    known.paint((0,), [1], 2)  # not known yet: it is counted later
    for z in range(3):
        known.set_plane((z,), count_ids(labels[z]))
    stroke = (slice(2, 5), slice(1, 7))
    known.paint((1,), labels[1][stroke], 9)
    labels[1][stroke] = 9
    assert known.of((1,)) == by_hand(labels[1])
    assert known.totals == by_hand(labels)
    assert (known.count, known.ids) == (np.count_nonzero(labels), [1, 2, 3, 9])
    known.paint((2,), labels[2], 0)
    known.set_plane((0,), count_ids(0 * labels[0]))
    assert known.totals == by_hand(labels[1])
    assert known.painted == [(1,)] and known.is_complete
    assert known.copy().ids == known.ids == sorted(by_hand(labels[1]))


def test_new_labels_are_known_to_be_empty():
    new = PaintedPixels((2, 4, 4), is_empty=True)
    assert new.is_complete and not new.painted
    new.paint((1,), [0, 0, 0], [1, 1, 2])
    before = new.copy()
    new.paint((0,), [0], 2)
    assert before.of((1,)) == before.totals == {1: 2, 2: 1}
    assert new.totals == {1: 2, 2: 2}
    assert PaintedPixels((4, 4)).knows(()) is False
