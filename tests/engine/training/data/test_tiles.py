"""Tiles: image, classes and weights stay one thing, and every pixel gets its turn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_utile.arrays.augmentation.draws import Deformation
from napari_utile.arrays.labels import IGNORE
from napari_utile.engine.training.data.planes import AnnotatedPlane
from napari_utile.engine.training.data.tiles import TileSampler
from tests.fixtures.annotated import cells, prepared

torch.set_num_threads(1)

STILL = Deformation(elastic=0, rotation=0, flips=False, gray=0, deformed=1)
SHAKEN = Deformation(elastic=4, rotation=180, flips=True, gray=0, deformed=1)


def coordinates(height, width):
    """A plane whose image holds each pixel's own place, and whose truth follows from it."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    image = torch.stack([y, x]).float()
    return AnnotatedPlane(image, (x >= width // 2).to(torch.uint8), (1 + y).float())


def sampler(planes, size=32, margin=0, deformation=STILL, seed=0):
    sizes, margins = 2 * (size,), 2 * (margin,)
    generator = torch.Generator().manual_seed(seed)
    return TileSampler(planes, sizes, margins, deformation, generator)


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
    small = AnnotatedPlane(small.image, torch.full_like(small.classes, 7), small.weights)
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
    gray = Deformation(elastic=0, rotation=0, flips=False, gray=0.5, deformed=1)
    ones = torch.ones(40, 40)
    plane = AnnotatedPlane(torch.full((1, 40, 40), 2.0), ones.to(torch.uint8), ones)
    batch = sampler([plane], 16, 0, gray).batch(5)
    assert batch.images.std() > 0.1
    assert (batch.classes == 1).all()
    assert (batch.weights == 1).all()


def same(first, again):
    return all(map(torch.equal, first, again))


def test_a_batch_is_its_draws_rendered():
    mine, other = (sampler([coordinates(60, 70)], 32, 4, SHAKEN, seed=2) for _ in range(2))
    assert same(mine.batch(5), other.render(other.draw(5)))


def test_each_of_several_processes_can_render_its_share():
    whole, parts = (sampler([coordinates(60, 70)], 32, 4, SHAKEN) for _ in range(2))
    batch, draws = whole.batch(6), parts.draw(6)
    shares = [parts.render(draws[rank::2]) for rank in range(2)]
    for rank in range(2):
        assert same([part[rank::2] for part in batch], shares[rank])


def test_a_sampler_goes_on_from_its_state():
    mine, other = (sampler([coordinates(60, 70)], 32, 0, SHAKEN, seed) for seed in (5, 6))
    mine.batch(3)
    state = {name: value.clone() for name, value in mine.state().items()}
    expected = mine.batch(3)
    other.restore(state)
    assert same(other.batch(3), expected)
    assert not same(other.batch(3), expected)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_tile_takes_as_many_numbers_whatever_becomes_of_it(share):
    mine = sampler([coordinates(60, 70)], deformation=Deformation(deformed=share))
    other = sampler([coordinates(9, 9), coordinates(80, 90)], 16, 2, STILL)
    mine.draw(7)
    other.draw(7)
    assert torch.equal(mine.state()["generator"], other.state()["generator"])


def with_density(plane, density):
    return replace(plane, density=torch.as_tensor(density))


def centres(drawn):
    return np.array([draw.placement.centre for draw in drawn])


def test_centres_are_drawn_in_proportion_to_the_density():
    density = np.zeros((100, 100))
    density[30, 40], density[60, 70] = 1, 3
    found = centres(sampler([with_density(coordinates(100, 100), density)]).draw(800))
    first = np.abs(found - (30, 40)).max(1) <= 0.5
    assert first.mean() == pytest.approx(1 / 4, abs=4 * np.sqrt(3 / 16 / 800))
    assert (np.abs(found[~first] - (60, 70)).max(1) <= 0.5).all()
    # anywhere in the pixel, and the pixel is its middle
    assert (found[~first] - (60, 70)).mean(0) == pytest.approx(0, abs=0.06)


def test_planes_are_drawn_in_proportion_to_their_density():
    planes = [coordinates(40, 40), coordinates(40, 40), coordinates(40, 40)]
    planes[0] = with_density(planes[0], np.full((40, 40), 0.5))
    planes[1] = with_density(planes[1], np.zeros((40, 40)))
    drawn = [draw.plane for draw in sampler(planes).draw(900)]
    assert 1 not in drawn
    # a plane without density has 1 everywhere
    assert np.mean(np.array(drawn) == 0) == pytest.approx(1 / 3, abs=0.07)


def test_a_dense_border_draws_no_tile_farther_out_than_a_quarter():
    density = np.zeros((100, 80))
    density[0], density[:, -1] = 1, 1
    found = centres(sampler([with_density(coordinates(100, 80), density)], 36, 2).draw(200))
    assert found.min(0) == pytest.approx((8, 8), abs=1e-6)  # a quarter of 36 - 4
    assert found.max(0) == pytest.approx((99 - 8, 79 - 8), abs=1e-6)


@pytest.mark.parametrize("deformation", [STILL, SHAKEN, Deformation(deformed=0.5)])
@pytest.mark.parametrize("dense", [False, True])
def test_a_tile_of_one_pixel_is_centred_on_the_pixel_that_was_drawn(deformation, dense):
    density = np.zeros((40, 50))
    density[0, 7], density[39, 49] = 1, 1
    plane = with_density(coordinates(40, 50), density if dense else density + 1)
    windows = sampler([plane], 15, 7, deformation)
    drawn = windows.draw(60)
    found = centres(drawn)
    assert (found == found.round()).all()
    y, x = found.T
    if dense:
        assert {*zip(y, x, strict=True)} == {(0, 7), (39, 49)}
    batch = windows.render(drawn)
    assert batch.weights.flatten().tolist() == list(1 + y)
    assert batch.classes.flatten().tolist() == list((x >= 25).astype(int))


def test_uniform_windows_reach_every_pixel():
    found = centres(sampler([coordinates(4, 5)], 15, 7).draw(400))
    assert {*map(tuple, found)} == {(y, x) for y in range(4) for x in range(5)}


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan])
def test_a_density_of_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="density"):
        sampler([with_density(coordinates(9, 9), np.full((9, 9), wrong))])


def test_a_density_with_a_negative_pixel_is_refused():
    density = np.ones((9, 9))
    density[3, 4] = -1
    with pytest.raises(ValueError, match="negative"):
        sampler([with_density(coordinates(9, 9), density)])


def test_tiles_do_not_depend_on_how_many_are_drawn_at_once():
    deformation = Deformation(deformed=1)
    together, apart = (sampler([coordinates(40, 40)], 15, 7, deformation) for _ in range(2))
    eight, twice_four = together.draw(8), [*apart.draw(3), *apart.draw(5)]
    for one, other in zip(eight, twice_four, strict=True):
        assert one.placement.centre == other.placement.centre
        assert (one.placement.displacements == other.placement.displacements).all()
        assert (one.gain, one.shift) == (other.gain, other.shift)


def test_chance_never_picks_what_has_no_density(monkeypatch):
    density = np.zeros((9, 9))
    density[4, 4] = 1
    drawn = sampler([with_density(coordinates(9, 9), density)], 15, 7)
    lowest = torch.zeros(9, dtype=torch.float64)
    monkeypatch.setattr(torch, "rand", lambda *_, **__: lowest)
    assert (centres(drawn.draw(3)) == 4).all()


def test_a_plane_moves_to_a_device_and_its_density_stays():
    moved = with_density(coordinates(9, 9), np.ones((9, 9))).to(torch.device("meta"))
    assert {moved.image.device.type, moved.classes.device.type} == {"meta"}
    assert moved.weights.device.type == "meta"
    assert moved.density.device.type == "cpu"


def test_no_plane_is_refused():
    with pytest.raises(ValueError, match="no plane"):
        sampler([])


@pytest.mark.parametrize("sampling", ["uniform", "foreground", "classes", "borders"])
def test_every_tile_shows_something_that_was_painted(sampling):
    image, _ = cells((4, 64, 96))
    labels = np.zeros(image.shape, int)
    labels[:, 10:12, 10:30] = 1
    labels[:, 10:12, 30:34] = 2
    data = prepared(image, labels, sparse=True, sampling=sampling)
    for plane in data.training:
        assert np.array_equal(plane.density > 0, plane.classes != IGNORE)
    turned = Deformation(0, 180, deformed=1)
    generator = torch.Generator().manual_seed(0)
    sampler = TileSampler(data.training, (16, 16), (0, 0), turned, generator)
    assert (sampler.batch(100).classes != IGNORE).flatten(1).any(1).all()


def test_a_rare_class_is_in_as_many_tiles_as_is_asked_for():
    image, _ = cells((3, 64, 64))
    kinds = np.zeros(image.shape, int)
    kinds[:, 30, 30] = 7
    shown = {}
    for sampling in ("uniform", "classes"):
        data = prepared(image, kinds, target="classes", sampling=sampling)
        still = Deformation(0, 0, flips=False, gray=0, deformed=0)
        generator = torch.Generator().manual_seed(0)
        sampler = TileSampler(data.training, (8, 8), (0, 0), still, generator)
        shown[sampling] = (sampler.batch(400).classes == 1).flatten(1).any(1).float().mean()
    assert shown["uniform"] < 0.1
    assert shown["classes"] > 0.4
