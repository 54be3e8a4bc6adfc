"""The same draws give the same tiles of volumes, by compiled code and by tensors."""

import numpy as np
import pytest
import torch

from napari_utile.arrays.augmentation.draws import Deformation
from napari_utile.engine.training.data.planes import AnnotatedPlane
from napari_utile.engine.training.data.tiles import TileSampler
from napari_utile.engine.training.data.volume_rendering import (
    DeviceVolumeRenderer,
    VolumeRenderer,
)

torch.set_num_threads(1)

LARGE_ID = 2**30


def noise(*shape, seed=0):
    random = torch.Generator().manual_seed(seed)
    return (
        torch.rand(2, *shape, generator=random),
        torch.randint(0, 256, shape, generator=random).to(torch.uint8),
        torch.rand(*shape, generator=random),
    )


@pytest.mark.parametrize("learns_ids", [False, True])
def test_tensors_and_compiled_code_give_the_same_tiles(learns_ids):
    parts, size, margin = [noise(9, 30, 20), noise(1, 5, 40, seed=1)], (6, 12, 14), (1, 2, 3)
    of_classes = VolumeRenderer(parts, size, margin)
    if learns_ids:
        parts = [(a, LARGE_ID - b.to(torch.int32), c) for a, b, c in parts]
    sampler = TileSampler(
        [AnnotatedPlane(*part) for part in parts],
        size,
        margin,
        Deformation(deformed=0.7, elastic=2),
        torch.Generator().manual_seed(4),
    )
    draws = sampler.draw(8)
    assert {draw.plane for draw in draws} == {0, 1} or len(draws) == 8
    asked = [draw.plane for draw in draws], [draw.placement for draw in draws]
    compiled = VolumeRenderer(parts, size, margin)(*asked)
    tensors = DeviceVolumeRenderer(parts, size, margin)(*asked)
    assert compiled[0].shape == (8, 2, 6, 12, 14)
    assert compiled[1].shape == compiled[2].shape == (8, 4, 8, 8)
    np.testing.assert_allclose(tensors[0], compiled[0], atol=1e-4)
    # a source in the middle between two voxels may be rounded either way
    for got, expected in zip(tensors[1:], compiled[1:], strict=True):
        assert (got == expected).float().mean() > 0.999
    if learns_ids:
        assert torch.equal(LARGE_ID - compiled[1], of_classes(*asked)[1].to(torch.int32))
