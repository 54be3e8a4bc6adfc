"""The same draws give the same tiles, by compiled code and by tensors of any device."""

import numpy as np
import pytest
import torch

from napari_utile.arrays.augmentation.draws import Deformation
from napari_utile.engine.training.data.planes import AnnotatedPlane
from napari_utile.engine.training.data.rendering import (
    DeviceRenderer,
    Renderer,
    catmull_rom,
    mirrored_places,
)
from napari_utile.engine.training.data.tiles import TileSampler

torch.set_num_threads(1)

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
    ),
]


def noise(height, width, channels, seed):
    random = torch.Generator().manual_seed(seed)
    return (
        torch.rand(channels, height, width, generator=random),
        torch.randint(0, 256, (height, width), generator=random).to(torch.uint8),
        torch.rand(height, width, generator=random),
    )


def planes(channels):
    sizes = [(90, 70), (64, 200), (1, 9), (3, 2), (40, 40)]
    return [noise(*size, channels, seed) for seed, size in enumerate(sizes)]


def draws(parts, size, margin, count, share):
    sampler = TileSampler(
        [AnnotatedPlane(*part) for part in parts],
        (size, size),
        (margin, margin),
        Deformation(deformed=share),
        torch.Generator().manual_seed(4),
    )
    found = sampler.draw(count)
    small = [draw._replace(plane=i % len(parts)) for i, draw in enumerate(found[:5])]
    return [draw.plane for draw in small + found], [d.placement for d in small + found]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("size", "margin"), [(48, 0), (49, 9), (95, 47)])
def test_tensors_and_compiled_code_give_the_same_tiles(device, channels, size, margin):
    parts = planes(channels)
    asked = draws(parts, size, margin, 12, share=0.7)
    there = [tuple(layer.to(device) for layer in part) for part in parts]
    images, classes, weights = Renderer(parts, size, margin)(*asked)
    found = [part.cpu() for part in DeviceRenderer(there, size, margin)(*asked)]
    # sources differ by the rounding of float32, some 1e-5 px, and noise has slopes of 1 per px
    torch.testing.assert_close(found[0], images, atol=2e-4, rtol=0)
    for mine, other in ((found[1], classes), (found[2], weights)):
        assert mine.dtype == other.dtype
        assert (mine != other).float().mean() < 1e-4


@pytest.mark.parametrize("kind", [Renderer, DeviceRenderer])
def test_tiles_that_are_not_deformed_are_the_pixels_as_they_are(kind):
    parts = planes(2)
    numbers, placements = draws(parts, 32, 4, 10, share=0)
    images, classes, _ = kind(parts, 32, 4)(numbers, placements)
    for number, image, ids in zip(numbers, images, classes, strict=True):
        assert {*image.flatten().tolist()} <= {*parts[number][0].flatten().tolist()}
        assert {*ids.flatten().tolist()} <= {*parts[number][1].flatten().tolist()}
    undeformed = Renderer(parts, 32, 4)(numbers, placements)
    assert torch.equal(undeformed[0], images)
    assert torch.equal(undeformed[1], classes)


def test_the_weights_of_four_pixels_sum_up_and_carry_a_parabola():
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    weights = catmull_rom(t)
    torch.testing.assert_close(weights.sum(0), torch.ones_like(t))
    places = torch.arange(-1, 3, dtype=torch.float64)
    for power in (1, 2):
        torch.testing.assert_close(places**power @ weights, t**power)


@pytest.mark.parametrize("length", [1, 2, 5, 12])
def test_places_are_folded_as_numpy_pads(length):
    expected = np.pad(np.arange(length), 50, mode="reflect")
    found = mirrored_places(torch.arange(-50, length + 50), torch.tensor(length))
    np.testing.assert_array_equal(found, expected)
