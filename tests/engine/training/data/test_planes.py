"""Planes on their device."""

import numpy as np
import torch

from napari_utile.engine.training.data.planes import (
    AnnotatedPlane,
    ValidationPlane,
    annotated_in,
)


def test_all_but_the_density_go_to_the_device():
    pixels = torch.zeros(4, 5)
    plane = AnnotatedPlane(pixels[None], pixels.byte(), pixels, density=pixels)
    there = plane.to(torch.device("meta"))
    assert {there.image.device.type, there.classes.device.type, there.weights.device.type} == {
        "meta"
    }
    assert there.density is plane.density
    assert plane.image.device.type == "cpu"


def test_annotated_pixels_and_strokes_are_counted():
    row = np.array([[-1, 3, 3, 0, -1, 0, 0, -1, -1, 3]])
    plane = AnnotatedPlane(*[torch.zeros(1, 1, 10)] * 3)
    assert annotated_in([ValidationPlane(plane, row), ValidationPlane(plane, row[:, :2])]) == (
        7,
        5,
    )
    assert annotated_in([ValidationPlane(plane, row - row - 1)]) == (0, 0)
