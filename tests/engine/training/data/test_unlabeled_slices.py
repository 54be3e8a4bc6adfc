"""A few painted slices of a stack: the others are not background."""

import numpy as np
import pytest

from napari_utile.arrays.labels import IGNORE
from napari_utile.errors import UserError
from tests.fixtures.annotated import cells, prepared


def painted(*slices, count=8):
    image, objects = cells((count, 16, 24))
    objects[[i for i in range(count) if i not in slices]] = 0
    return image, objects


def trained_on(data):
    return sorted(r.index[0] for r in (*data.split.training, *data.split.validation))


def test_the_slices_that_were_painted_are_learnt_and_no_other():
    data = prepared(*painted(1, 4, 6))
    assert trained_on(data) == [1, 4, 6]
    assert any("5 of 8 slices of 'labels 0' have no label" in text for text in data.warnings)


def test_if_it_is_doubted_it_can_be_said():
    with pytest.raises(UserError, match="set empty-slices to background"):
        prepared(*painted(1, 4, 6), strict=True)
    said = prepared(*painted(1, 4, 6), strict=True, empty_slices="unannotated")
    assert trained_on(said) == [1, 4, 6]


def test_as_background_they_are_learnt():
    assert len(trained_on(prepared(*painted(1, 4, 6), empty_slices="background"))) == 8


def test_a_few_empty_slices_are_background_unless_it_is_said():
    image, objects = painted(*range(6))
    assert len(trained_on(prepared(image, objects))) == 8
    assert len(trained_on(prepared(image, objects, empty_slices="unannotated"))) == 6


def test_in_a_volume_they_are_unannotated_voxels():
    image, objects = painted(1, 2, 3, 6)
    objects[6, :, :12] = 0
    data = prepared(
        image, objects, network="unet-3d", empty_slices="unannotated", spacing=(1, 1, 1)
    )
    seen = np.zeros(objects.shape, bool)
    for region, plane in zip(data.split.training, data.training, strict=True):
        region.of(seen)[...] = plane.classes.numpy() != IGNORE
    assert seen.any(axis=(1, 2)).tolist() == [i in (1, 2, 3, 6) for i in range(8)]
    assert not seen[0].any() and seen[6, :, 0].any()
