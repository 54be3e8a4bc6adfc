"""Borders of labels are measured as pixel pair by pixel pair in plain Python."""

import numpy as np
import pytest

from napari_utile.arrays.instances.border_sums import FIRST_CAPACITY, border_sums


def by_looking(labels, depths, mask, foreground):
    found = {}
    for axis in range(labels.ndim):
        for p in np.ndindex(labels.shape):
            q = tuple(i + (a == axis) for a, i in enumerate(p))
            if (
                q[axis] == labels.shape[axis]
                or labels[p] == labels[q]
                or 0 in (labels[p], labels[q])
            ):
                continue
            ends = tuple(sorted((int(labels[p]), int(labels[q]))))
            row = found.setdefault(ends, [0] * 5)
            at = 0 if mask[p] and mask[q] else 2
            row[at] += 1
            row[at + 1] += int(foreground[p]) + int(foreground[q])
            if at == 0:
                row[4] = max(row[4], int(min(depths[p], depths[q])))
    return sorted(found), [found[ends] for ends in sorted(found)]


@pytest.mark.parametrize(
    "shape", [(30, 41), (1, 30), (30, 1), (7, 9, 11), (1, 1, 5), (3, 1, 1)]
)
@pytest.mark.parametrize("ids", [4, 2**32 - 1])
def test_borders_are_those_of_plain_python(shape, ids):
    rng = np.random.default_rng(len(shape))
    labels = rng.integers(0, ids, shape, np.uint32, endpoint=True)
    depths = rng.integers(0, 2**15, shape).astype(np.uint16)
    mask, foreground = rng.random(shape) < 0.7, rng.integers(0, 256, shape).astype(np.uint8)
    pairs, measures = border_sums(labels, depths, mask, foreground)
    ends, rows = by_looking(labels, depths, mask, foreground)
    assert pairs.tolist() == [list(both) for both in ends]
    assert measures.tolist() == rows


def test_a_table_grows_with_the_number_of_borders():
    labels = np.arange(1, 3 * FIRST_CAPACITY, dtype=np.uint32)[np.newaxis]
    nothing = np.zeros(labels.shape, np.uint16)
    pairs, measures = border_sums(labels, nothing, nothing > 0, nothing.astype(np.uint8))
    first = np.arange(1, 3 * FIRST_CAPACITY - 1)
    np.testing.assert_array_equal(pairs, np.stack([first, first + 1], axis=1))
    assert (measures == [0, 0, 1, 0, 0]).all()


def test_nothing_has_no_borders():
    nothing = np.zeros((0, 5), np.uint32)
    pairs, measures = border_sums(
        nothing, nothing.astype(np.uint16), nothing > 0, nothing.astype(np.uint8)
    )
    assert pairs.shape == (0, 2) and measures.shape == (0, 5)
