"""Planes and volumes are cut by their own code."""

import torch

from napari_utile.engine.training.data.renderers import renderer
from napari_utile.engine.training.data.rendering import Renderer
from napari_utile.engine.training.data.volume_rendering import VolumeRenderer


def layers(*shape):
    return torch.zeros(1, *shape), torch.zeros(*shape).byte(), torch.zeros(*shape)


def test_the_number_of_axes_decides():
    assert isinstance(renderer([layers(8, 8)], (4, 4), (0, 0)), Renderer)
    assert isinstance(renderer([layers(8, 8, 8)], (4, 4, 4), (0, 0, 0)), VolumeRenderer)
