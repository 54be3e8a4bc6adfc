"""Tiles: image, classes and weights stay one thing, and every pixel gets its turn."""

import numpy as np
import pytest
import torch

from napari_utile.arrays.labels import IGNORE
from napari_utile.engine.augmentation import Deformation
from napari_utile.engine.batches import Plane, TileSampler

torch.set_num_threads(1)

STILL = Deformation(elastic=0, rotation=0, flips=False, gray=0)
SHAKEN = Deformation(elastic=4, rotation=180, flips=True, gray=0)


def coordinates(height, width):
    """A plane whose image holds each pixel's own place, and whose truth follows from it."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    image = torch.stack([y, x]).float()
    return Plane(image, (x >= width // 2).to(torch.uint8), (1 + y).float())


def sampler(planes, size=32, margin=0, deformation=STILL, seed=0):
    return TileSampler(planes, size, margin, deformation, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("margin", [0, 6])
def test_shapes_and_types(margin):
    batch = sampler([coordinates(80, 90)], 32, margin).batch(3)
    inner = 32 - 2 * margin
    assert (batch.images.shape, batch.images.dtype) == ((3, 2, 32, 32), torch.float32)
    assert (batch.classes.shape, batch.classes.dtype) == ((3, inner, inner), torch.uint8)
    assert (batch.weights.shape, batch.weights.dtype) == ((3, inner, inner), torch.float32)


@pytest.mark.parametrize("margin", [0, 6])
@pytest.mark.parametrize("seed", range(5))
def test_image_classes_and_weights_are_deformed_alike(margin, seed):
    plane = coordinates(120, 120)
    batch = sampler([plane], 32, margin, SHAKEN, seed).batch(4)
    inner = slice(margin, 32 - margin)
    y, x = batch.images[:, :, inner, inner].unbind(1)
    # the image says where each pixel came from: its class and weight must be those there
    away_from_the_border = ((x - 59.5).abs() > 0.5 + 0.05) & (y > 2) & (y < 117)
    expected = (x > 59.5).to(torch.uint8)
    assert torch.equal(batch.classes[away_from_the_border], expected[away_from_the_border])
    off = (batch.weights - (1 + y)).abs()[away_from_the_border]
    assert off.max() <= 0.5 + 0.05
    assert away_from_the_border.float().mean() > 0.5


def test_the_margin_is_context_around_what_is_judged():
    plane = coordinates(200, 200)
    batch = sampler([plane], 40, 10).batch(1)
    y = batch.images[0, 0, 10:30, 10:30]
    assert torch.equal(batch.weights[0].round(), (1 + y).round())


def test_without_deformation_a_tile_of_the_size_of_the_plane_overhangs_by_a_quarter():
    tiles = sampler([coordinates(100, 100)], 32).batch(300).images
    centres = tiles[..., 15:17, 15:17].mean((2, 3))
    # 32 / 4 = 8 pixels inside the border at least
    assert centres.min() >= 8 - 0.01
    assert centres.max() <= 99 - 8 + 0.01
    assert centres.min() < 9
    assert centres.max() > 90


def test_a_plane_smaller_than_a_tile_is_mirrored():
    batch = sampler([coordinates(5, 9)], 32, 0, SHAKEN).batch(8)
    assert torch.isfinite(batch.images).all()
    assert set(batch.classes.unique().tolist()) <= {0, 1}
    assert batch.weights.min() >= 1


def test_planes_are_drawn_in_proportion_to_their_pixels():
    small, large = coordinates(40, 40), coordinates(40, 120)
    small = Plane(small.image, torch.full_like(small.classes, 7), small.weights)
    classes = sampler([small, large], 16).batch(800).classes
    share = (classes == 7).all((1, 2)).float().mean().item()
    assert share == pytest.approx(1 / 4, abs=4 * np.sqrt(3 / 16 / 800))


def test_the_ignore_id_survives():
    plane = coordinates(60, 60)
    plane.classes[20:40] = IGNORE
    assert IGNORE in sampler([plane], 48, 0, SHAKEN).batch(4).classes


def test_the_same_seed_gives_the_same_tiles():
    planes = [coordinates(60, 60), coordinates(50, 70)]
    first, again = (sampler(planes, 32, 0, SHAKEN, seed=3) for _ in range(2))
    for _ in range(3):
        assert all(map(torch.equal, first.batch(2), again.batch(2)))
    assert not torch.equal(first.batch(2).images, first.batch(2).images)


def test_only_the_image_changes_its_gray_values():
    gray = Deformation(elastic=0, rotation=0, flips=False, gray=0.5)
    plane = Plane(torch.full((1, 40, 40), 2.0), *(torch.ones(40, 40),) * 2)
    batch = sampler([plane], 16, 0, gray).batch(5)
    assert batch.images.std() > 0.1
    assert (batch.classes == 1).all()
    assert (batch.weights == 1).all()


def test_no_plane_is_refused():
    with pytest.raises(ValueError, match="no plane"):
        sampler([])
