"""How large the tiles are that a network learns from."""

import pytest
import torch

from napari_utile.engine.models.factory import network_from_settings
from napari_utile.engine.training.data.layout import TileLayout
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
    assert TileLayout.of(network, settings, planes).output == expected
