"""What deforms a tile, against NumPy, and against an evaluation of the splines of its own."""

import numpy as np
import pytest
import torch

from napari_utile.engine import augmentation
from napari_utile.engine.augmentation import (
    Deformation,
    change_gray,
    sample,
    source_positions,
)

torch.set_num_threads(1)

STILL = Deformation(elastic=0, rotation=0, flips=False, gray=0)
MODES = ["nearest", "bilinear", "bicubic"]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(height, width, channels=2):
    return torch.rand(channels, height, width, generator=seeded(7))


def middle(height, width):
    return torch.tensor([(height - 1) / 2, (width - 1) / 2])


def drawn(monkeypatch, angle, side):
    """Let chance give this angle, as a share of -rotation...rotation, and this side."""
    numbers = torch.tensor([(angle + 1) / 2, side, 0])
    monkeypatch.setattr(augmentation.torch, "rand", lambda count, **_: numbers[:count])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [7, 16, 33])
def test_with_everything_off_the_tile_is_the_image_itself(mode, size):
    image = noise(size, size)
    positions = source_positions(middle(size, size), size, STILL, seeded())
    torch.testing.assert_close(sample(image, positions, mode), image, atol=2e-5, rtol=0)


@pytest.mark.parametrize("mode", MODES)
def test_a_tile_shows_its_place_in_the_plane(mode):
    image = noise(40, 60)
    positions = source_positions(torch.tensor([13.0, 31.0]), 9, STILL, seeded())
    torch.testing.assert_close(
        sample(image, positions, mode), image[:, 9:18, 27:36], atol=2e-5, rtol=0
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("quarters", [-2, -1, 1, 2])
@pytest.mark.parametrize("flips", [False, True])
def test_quarter_turns_and_flips_are_those_of_numpy(monkeypatch, mode, quarters, flips):
    image = noise(16, 16)
    drawn(monkeypatch, angle=quarters / 2, side=0.2)
    positions = source_positions(
        middle(16, 16), 16, Deformation(elastic=0, rotation=180, flips=flips), seeded()
    )
    expected = np.rot90(image.numpy(), -quarters, axes=(1, 2))
    if flips:
        expected = expected[:, :, ::-1]
    tile = sample(image, positions, mode).numpy()
    np.testing.assert_allclose(tile, expected, atol=2e-5)


def test_half_of_the_tiles_are_mirrored():
    flips, random = Deformation(elastic=0, rotation=0), seeded()
    centre = middle(5, 5)
    left = [source_positions(centre, 5, flips, random)[0, 0, 1].item() for _ in range(400)]
    assert {round(x) for x in left} == {0, 4}
    assert np.mean(np.array(left) > 2) == pytest.approx(0.5, abs=0.1)  # 4 standard errors


def test_angles_fill_the_range_and_keep_to_it():
    turns, random = Deformation(elastic=0, rotation=30, flips=False), seeded()
    corners = [source_positions(torch.zeros(2), 3, turns, random)[1, 2] for _ in range(500)]
    angles = np.degrees([torch.atan2(-y, x).item() for y, x in corners])
    assert np.abs(angles).max() == pytest.approx(30, abs=1)
    assert np.abs(angles).max() <= 30
    assert angles.mean() == pytest.approx(0, abs=4 * 30 / np.sqrt(3 * 500))


def test_displacements_of_the_grid_have_the_standard_deviation_that_is_asked_for():
    size, elastic, random = 65, Deformation(10, 0, flips=False), seeded()
    centre = middle(size, size)
    plain = source_positions(centre, size, STILL, random)
    nodes = torch.stack(
        [
            (source_positions(centre, size, elastic, random) - plain)[::32, ::32]
            for _ in range(500)
        ]
    )
    assert nodes.shape == (500, 3, 3, 2)
    values = nodes.double().numpy()
    standard_error = 10 / np.sqrt(values.size)
    assert values.mean() == pytest.approx(0, abs=4 * standard_error)
    assert values.std() == pytest.approx(10, abs=4 * standard_error / np.sqrt(2))
    # 18 independent numbers: each node, and y and x, on its own
    correlations = np.corrcoef(values.reshape(500, 18).T) - np.eye(18)
    assert np.abs(correlations).max() < 5 / np.sqrt(500)


def keys(t, a=-0.75):
    """Cubic convolution kernel of Keys, "Cubic Convolution Interpolation", 1981, eq. 15."""
    t = abs(t)
    if t < 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * (t**3 - 5 * t**2 + 8 * t - 4) if t < 2 else 0.0


def interpolation(size):
    """Matrix (size, 3): how much each of the three nodes counts at each pixel."""
    matrix = np.zeros((size, 3))
    for pixel, place in enumerate(np.linspace(0, 2, size)):
        for node in range(-2, 5):
            matrix[pixel, min(max(node, 0), 2)] += keys(place - node)
    return matrix


@pytest.mark.parametrize("size", [17, 40])
def test_between_the_nodes_displacements_are_bicubic(monkeypatch, size):
    nodes = torch.randn(1, 2, 3, 3, generator=seeded(3))
    monkeypatch.setattr(augmentation.torch, "randn", lambda *_, **__: nodes.clone())
    centre = middle(size, size)
    plain = source_positions(centre, size, STILL, seeded())
    moved = source_positions(centre, size, Deformation(6, 0, flips=False), seeded()) - plain
    spread = interpolation(size)
    for axis in range(2):
        expected = spread @ (6 * nodes[0, axis].double().numpy()) @ spread.T
        np.testing.assert_allclose(moved[..., axis], expected, atol=2e-5)


def test_a_rotation_moves_every_point_rigidly():
    turned = source_positions(middle(32, 32), 32, Deformation(0, 180, flips=True), seeded(5))
    plain = source_positions(middle(32, 32), 32, STILL, seeded())
    distances = [
        torch.cdist(p.reshape(-1, 2)[::37], p.reshape(-1, 2)[::41]) for p in (turned, plain)
    ]
    torch.testing.assert_close(*distances, atol=1e-4, rtol=0)


def test_the_same_seed_gives_the_same_deformation():
    centre = middle(20, 20)
    first, again = (source_positions(centre, 20, Deformation(), seeded(4)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, source_positions(centre, 20, Deformation(), seeded(5)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(12, 12), (5, 9), (2, 30)])
def test_beyond_the_border_the_image_is_mirrored_as_by_numpy(mode, shape):
    image = noise(*shape)
    size = 40
    centre = torch.tensor([n // 2 + 0.5 for n in shape])
    positions = source_positions(centre, size, STILL, seeded())
    start = [round(x) for x in positions[0, 0].tolist()]
    before = [-s for s in start]
    after = [size + s - n for s, n in zip(start, shape, strict=True)]
    padding = [(0, 0), *zip(before, after, strict=True)]
    expected = np.pad(image.numpy(), padding, mode="reflect")
    np.testing.assert_allclose(sample(image, positions, mode), expected, atol=5e-5)


@pytest.mark.parametrize("mode", MODES)
def test_an_image_one_pixel_high_repeats_its_row(mode):
    image = noise(1, 16)
    positions = source_positions(middle(1, 16), 16, STILL, seeded())
    expected = image.expand(2, 16, 16)
    torch.testing.assert_close(sample(image, positions, mode), expected, atol=2e-5, rtol=0)


def test_nearest_gives_only_ids_that_are_there():
    ids = torch.randint(0, 5, (1, 30, 30), generator=seeded()) * 51.0
    positions = source_positions(middle(30, 30), 48, Deformation(), seeded(1))
    assert set(sample(ids, positions, "nearest").unique().tolist()) <= {0, 51, 102, 153, 204}


def test_gray_values_change_within_their_limits():
    image, random = noise(8, 8, channels=3), seeded()
    tiles = [change_gray(image, Deformation(gray=0.2), random) for _ in range(300)]
    contrast = np.array([((t.max() - t.min()) / (image.max() - image.min())) for t in tiles])
    brightness = np.array(
        [(t - image * c).mean() for t, c in zip(tiles, contrast, strict=True)]
    )
    for change in (contrast - 1, brightness):
        assert 0.19 < np.abs(change).max() <= 0.2 + 1e-5
        assert change.mean() == pytest.approx(0, abs=4 * 0.2 / np.sqrt(3 * 300))


def test_gray_values_stay_when_that_is_off():
    image = noise(8, 8)
    assert torch.equal(change_gray(image, STILL, seeded()), image)


@pytest.mark.parametrize("size", [8, 9])
def test_tiles_that_are_not_deformed_keep_every_pixel_as_it_is(size):
    plane, random = noise(30, 40), seeded()
    values = set(plane.flatten().tolist())
    exact = Deformation(share=0.0)
    for _ in range(20):
        positions = source_positions(torch.tensor([14.2, 19.7]), size, exact, random)
        tile = sample(plane, positions, "bicubic")
        nearest = sample(plane, positions, "nearest")
        assert torch.allclose(tile, nearest, atol=1e-4)
        assert set(nearest.flatten().tolist()) <= values


def test_the_share_says_how_many_tiles_are_deformed():
    random = seeded()
    half = Deformation(elastic=0, rotation=30, flips=False, share=0.5)
    tiles = [source_positions(torch.zeros(2), 3, half, random) for _ in range(400)]
    turned = [bool((tile != tile.round()).any()) for tile in tiles]
    assert np.mean(turned) == pytest.approx(0.5, abs=0.08)
