"""Borders of labels are measured as pixel pair by pixel pair in plain Python."""

import numpy as np
import pytest

from napari_utile.arrays.instances.border_sums import DIGIT, are_between, border_sums


def seen_apart(here, there, axis):
    """Whether two leads end at more than a right angle, seen from between two neighbours."""
    step = np.eye(3)[axis] / 2
    return (here - step) @ (there + step) < 0


def as_numbers(leads):
    return (leads @ DIGIT ** np.arange(leads.shape[-1])).astype(np.int16)


def by_looking(labels, heights, mask, foreground, leads):
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
            at = 0 if mask[p] and mask[q] else 2
            if at == 2 and labels.ndim == 3 and not seen_apart(leads[p], leads[q], axis):
                continue
            row = found.setdefault(ends, [0] * 5)
            row[at] += 1
            row[at + 1] += int(foreground[p]) + int(foreground[q])
            if at == 0:
                row[4] = max(row[4], int(min(heights[p], heights[q])))
    return sorted(found), [found[ends] for ends in sorted(found)]


@pytest.mark.parametrize(
    "shape", [(30, 41), (1, 30), (30, 1), (7, 9, 11), (1, 1, 5), (3, 1, 1)]
)
@pytest.mark.parametrize("ids", [4, 2**32 - 1])
def test_borders_are_those_of_plain_python(shape, ids):
    rng = np.random.default_rng(len(shape))
    labels = rng.integers(0, ids, shape, np.uint32, endpoint=True)
    heights = rng.integers(0, 2**15, shape).astype(np.uint16)
    mask, foreground = rng.random(shape) < 0.7, rng.integers(0, 256, shape).astype(np.uint8)
    leads = rng.integers(-4, 4, (*shape, len(shape)), endpoint=True) * ~mask[..., np.newaxis]
    pairs, measures = border_sums(labels, heights, mask, foreground, as_numbers(leads))
    ends, rows = by_looking(labels, heights, mask, foreground, leads)
    assert pairs.tolist() == [list(both) for both in ends]
    assert measures.tolist() == rows


def test_nothing_has_no_borders():
    nothing = np.zeros((0, 5), np.uint32)
    types = (np.uint16, bool, np.uint8, np.int16)
    pairs, measures = border_sums(nothing, *(nothing.astype(dtype) for dtype in types))
    assert pairs.shape == (0, 2) and measures.shape == (0, 5)


def test_a_border_lies_between_two_leads_that_end_on_both_sides_of_it():
    leads = np.random.default_rng(0).integers(-7, 7, (2, 500, 3), endpoint=True)
    for axis in range(3):
        expected = [seen_apart(here, there, axis) for here, there in zip(*leads, strict=True)]
        assert 0 < sum(expected) < 500
        found = are_between(*map(as_numbers, leads), axis)
        np.testing.assert_array_equal(found, expected)


def test_a_border_is_measured_pair_by_pair():
    parts = np.array([[1, 2, 2], [1, 2, 0], [1, 1, 3]])
    mask = np.array([[1, 1, 1], [1, 0, 0], [1, 1, 1]], bool)
    gray = np.arange(9).reshape(3, 3).astype(np.uint8)
    leads = np.zeros((3, 3), np.int16)
    pairs, measures = border_sums(parts, 10 * gray.astype(np.uint16), mask, gray, leads)
    assert pairs.tolist() == [[1, 2], [1, 3]]
    # 1-2: (0, 1) in the mask, saddle 0; (3, 4) and (4, 7) half off it. 1-3: (7, 8), saddle 70
    assert measures.tolist() == [[1, 1, 2, 18, 0], [1, 15, 0, 0, 70]]
