"""Runs of labels, against their pixels."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_utile.arrays.instances.runs import Runs

LABELS = arrays(
    np.uint32, (2, 3, 4), elements=st.sampled_from([0, 0, 1, 1, 2, 2**32 - 1]), fill=st.just(0)
)


@given(LABELS, LABELS)
def test_runs_hold_the_labels_and_count_pixels_that_share_them(labels, others):
    runs = Runs.of(labels)
    np.testing.assert_array_equal(runs.pixels(labels.shape), labels)
    assert len(runs.stops) == 1 + np.count_nonzero(np.diff(labels.ravel().astype(np.int64)))
    counted = Counter()
    for pair, count in zip(*runs.shared(Runs.of(others)), strict=True):
        counted[tuple(pair.tolist())] += int(count)
    pairs = zip(labels.ravel().tolist(), others.ravel().tolist(), strict=True)
    assert counted == Counter(pair for pair in pairs if all(pair))


def test_ids_given_to_runs_are_those_given_to_pixels():
    labels, ids = np.array([[3, 3, 0], [1, 2, 2]]), np.array([0, 9, 9, 2**40], np.uint64)
    np.testing.assert_array_equal(Runs.of(labels).mapped(ids).pixels((2, 3)), ids[labels])


def test_no_pixels_are_no_runs():
    runs = Runs.of(np.zeros((0, 5), int))
    assert len(runs.values) == len(runs.shared(runs)[1]) == 0
    assert runs.pixels((0, 5)).shape == (0, 5)
