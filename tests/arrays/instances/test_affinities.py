"""Affinities of labels."""

import numpy as np

from napari_utile.arrays.instances.affinities import (
    affinity_targets,
)
from napari_utile.arrays.labels import IGNORE

VOLUME = [(-1, 0, 0), (0, -1, 0), (0, 0, -1), (-2, 0, 0), (0, -3, 0), (0, 0, -3)]


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
