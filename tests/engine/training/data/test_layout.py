"""How large the tiles are that a network learns from."""

import pytest
import torch

from napari_utile.engine.models.factory import network_from_settings
from napari_utile.engine.training.data.layout import TileLayout, tile_box
from tests.fixtures.tiny_training import tiny

torch.set_num_threads(1)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("tile", [16, 19, 33])
def test_tiles_fit_the_network(padding, tile):
    settings = tiny(padding=padding, depth=2)
    network, planes = network_from_settings(settings, 1, 2), [training_plane()]
    layout = TileLayout.of(network, settings, planes).resized(network, tile)
    batch = layout.sampler(planes, settings, torch.device("cpu")).batch(2)
    scores = network(batch.images)
    assert scores.shape[-2:] == batch.classes.shape[-2:] == batch.weights.shape[-2:]
    assert min(scores.shape[-2:]) >= tile


def training_plane(shape=(30, 50)):
    from napari_utile.engine.training.data.planes import AnnotatedPlane

    return AnnotatedPlane(
        torch.zeros(1, *shape), torch.zeros(*shape).byte(), torch.ones(*shape)
    )


@pytest.mark.parametrize(("asked", "expected"), [(16, 16), (48, 48), (256, 52)])
def test_a_training_tile_is_no_larger_than_the_largest_plane(asked, expected):
    settings, planes = tiny(depth=2, tile=asked), [training_plane(), training_plane((20, 20))]
    network = network_from_settings(settings, 1, 2)
    assert TileLayout.of(network, settings, planes).output == (expected, expected)


# volumes


@pytest.mark.parametrize(
    ("spacing", "largest", "expected"),
    [
        # as many voxels as 64 x 64 pixels, 4096: 16 x 16 x 16
        ((1, 1, 1), (99, 99, 99), (16, 16, 16)),
        # 4 a * 4 a * a = 4096 for a = 6.35, as long along each axis
        ((4, 1, 1), (99, 99, 99), (6, 25, 25)),
        ((1, 1, 1), (4, 99, 99), (4, 32, 32)),
        ((1, 1, 1), (4, 8, 99), (4, 8, 99)),
    ],
)
def test_a_box_has_as_many_voxels_as_the_square_has_pixels(spacing, largest, expected):
    assert tile_box(64, spacing, largest) == expected


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("spacing", [(1, 1, 1), (4, 1, 1)])
def test_tiles_of_volumes_fit_the_network(padding, spacing):
    settings = tiny(network="unet-3d", padding=padding, depth=2, tile=24)
    network = network_from_settings(settings, 1, 2, spacing)
    planes = [training_plane((8, 30, 50))]
    layout = TileLayout.of(network, settings, planes)
    batch = layout.sampler(planes, settings, torch.device("cpu")).batch(1)
    scores = network(batch.images)
    assert scores.shape[2:] == batch.classes.shape[1:] == batch.weights.shape[1:]
    assert scores.shape[2:] == layout.output
    smaller = layout.resized(network, 12)
    assert smaller.side == 12 and max(smaller.output) <= max(layout.output)
    assert str(layout.words) == " x ".join(map(str, layout.output))
