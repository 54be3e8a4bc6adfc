"""Planes on their device."""

import torch

from napari_utile.engine.training.data.planes import AnnotatedPlane


def test_all_but_the_density_go_to_the_device():
    pixels = torch.zeros(4, 5)
    plane = AnnotatedPlane(pixels[None], pixels.byte(), pixels, density=pixels)
    there = plane.to(torch.device("meta"))
    assert {there.image.device.type, there.classes.device.type, there.weights.device.type} == {
        "meta"
    }
    assert there.density is plane.density
    assert plane.image.device.type == "cpu"
