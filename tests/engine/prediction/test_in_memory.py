"""Tiled equals whole: against one plain forward pass over the image that NumPy mirrored."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_utile.arrays.intensity import Normalization
from napari_utile.engine.models.model import Model
from napari_utile.engine.prediction import front
from napari_utile.engine.prediction.in_memory import (
    logits,
    predict_stack,
    probabilities,
    tile_size,
)
from napari_utile.engine.prediction.tiled import Plane, TiledNetwork, views
from napari_utile.errors import UserError
from napari_utile.events import TileDone, Warned
from napari_utile.io.stack import Stack
from napari_utile.networks import EncoderDecoder, UNet, UNet3D
from napari_utile.settings.prediction import PredictSettings
from tests.fixtures.lively import in_one_pass, lively

torch.set_num_threads(1)

CPU = torch.device("cpu")


NETWORKS = {
    "unet valid": lively(UNet(1, 2, depth=3, width=4)),
    "unet valid, depth 4": lively(UNet(1, 2, depth=4, width=2)),
    "unet padded": lively(UNet(2, 3, depth=3, width=4, padding="same", norm="batch")),
    "unet padded, depth 4": lively(UNet(1, 2, depth=4, width=2, padding="same")),
    "unet padded, one map": lively(UNet(1, 1, depth=2, width=4, padding="same", norm="batch")),
    "encoder-decoder valid": lively(EncoderDecoder(1, 2, depth=2, width=4, norm="batch")),
    "encoder-decoder padded": lively(EncoderDecoder(1, 2, depth=3, width=4, padding="same")),
}


ISOTROPIC = ((-1, 0, 0), (0, -3, 0), (0, 0, -3))
FLAT = ((-1, 0, 0), (0, -1, 0), (0, 0, -3))


def noise(network, shape, seed=0):
    shape = (network.in_channels, *shape)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


SIDES = st.one_of(st.integers(1, 12), st.integers(13, 150))
TILES = st.integers(1, 100)


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=15)
@given(shape=st.tuples(SIDES, SIDES), tile=st.tuples(TILES, TILES), seed=st.integers(0, 9))
def test_tiled_equals_whole(name, shape, tile, seed):
    network = NETWORKS[name]
    image = noise(network, shape, seed)
    expected = in_one_pass(network, image)
    np.testing.assert_allclose(logits(network, image, tile), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_automatic_tile_equals_whole(name):
    image = noise(NETWORKS[name], (75, 130))
    expected = in_one_pass(NETWORKS[name], image)
    np.testing.assert_allclose(logits(NETWORKS[name], image), expected, rtol=0, atol=1e-5)


def test_a_network_that_trains_goes_on_training():
    network = UNet(width=2, depth=1, dropout=0.5).train()
    image = noise(network, (20, 20))
    assert (logits(network, image, (8, 8)) == logits(network, image, (8, 8))).all()
    assert network.training


def test_probabilities_are_a_soft_max_or_a_sigmoid():
    scores = np.array([[0.0], [np.log(3)]], np.float32)
    np.testing.assert_allclose(probabilities(scores), [[0.25], [0.75]], rtol=1e-6)
    np.testing.assert_allclose(probabilities(scores[1:]), [[0.75]], rtol=1e-6)


class Blur(torch.nn.Conv3d):
    """A network of three spatial axes: one convolution that needs more context along x."""

    ndim, classes, margin, stride_alignment = 3, 2, (1, 1, 2), (1, 2, 1)

    def __init__(self):
        super().__init__(1, 2, (3, 3, 5))

    def input_size(self, output):
        return tuple(n + 2 * m for n, m in zip(output, self.margin, strict=True))

    forward_tile = torch.nn.Conv3d.forward


@pytest.mark.parametrize("averaging", [False, True])
def test_volumes_of_a_network_of_three_axes_are_predicted_in_blocks(averaging):
    torch.manual_seed(0)
    network, image = Blur(), noise(Blur(), (6, 9, 11))
    padding = [(0, 0), *((m, m) for m in network.margin)]

    def in_one_piece(pixels):
        padded = torch.from_numpy(np.pad(pixels, padding, mode="reflect"))
        with torch.no_grad():
            return probabilities(network(padded[None])[0].numpy())

    seen = views(3) if averaging else views(3)[:1]
    expected = np.mean([view.undo(in_one_piece(view.do(image))) for view in seen], axis=0)
    result, tiles, _ = run(Model(network), image, "czyx", tile=4, averaging=averaging)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    assert len(tiles) == 2 * 3 * 3 and tiles[-1].write == ((4, 6), (8, 9), (8, 11))


# whole stacks


def run(model, image, axes, **options):
    """Predict an array; give probabilities, tiles and warnings."""
    stack = Stack(image, axes, name="cells")
    target = np.full((model.classes, *stack.shape), np.nan, np.float32)
    events = list(predict_stack(model, stack, target, PredictSettings(**options)))
    tiles = [event for event in events if isinstance(event, TileDone)]
    return target, tiles, [event.message for event in events if isinstance(event, Warned)]


def test_a_stack_is_predicted_slice_by_slice():
    network = NETWORKS["unet padded, one map"]
    image = noise(network, (3, 30, 20))[0]
    result, tiles, warnings = run(Model(network), image, "zyx", tile=16)
    for z, plane in enumerate(image):
        expected = probabilities(in_one_pass(network, plane[None]))
        np.testing.assert_allclose(result[:, z], expected, atol=1e-6)
    assert [tile.done for tile in tiles] == list(range(1, 13))
    assert tiles[-1].index == (2,)
    assert tiles[-1].write == ((16, 30), (16, 20))
    assert not warnings


def test_gray_values_are_normalized_by_the_model():
    network = NETWORKS["unet padded, one map"]
    image = np.random.default_rng(0).integers(0, 255, (40, 30), np.uint8)
    fed = Normalization(mean=(120.0,), std=(60.0,))
    result, _, _ = run(Model(network, fed), image, "yx", tile=16)
    expected = probabilities(in_one_pass(network, fed.apply(image[None])))
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_channels_may_stand_anywhere():
    network = NETWORKS["unet padded"]
    image = noise(network, (30, 20))
    first, _, _ = run(Model(network), image, "cyx")
    last, _, _ = run(Model(network), image.transpose(1, 2, 0).copy(), "yxc")
    np.testing.assert_array_equal(first, last)


@pytest.mark.parametrize("shape", [(37, 50), (32, 16), (5, 1)])
def test_averaging_tiles_is_averaging_whole_images(shape):
    """Image sides that are no multiples of the alignment shift the tiles of mirrored views."""
    network = NETWORKS["unet padded"]
    image = noise(network, shape)
    views = []
    for quarter in range(4):
        for flip in (False, True):
            turned = np.rot90(image, quarter, (1, 2))
            turned = np.ascontiguousarray(turned[:, :, ::-1] if flip else turned)
            seen = probabilities(in_one_pass(network, turned))
            seen = seen[:, :, ::-1] if flip else seen
            views.append(np.rot90(seen, -quarter, (1, 2)))
    result, _, _ = run(Model(network), image, "cyx", tile=16, averaging=True)
    np.testing.assert_allclose(result, np.mean(views, axis=0), atol=1e-5)


@pytest.mark.parametrize("offsets", [ISOTROPIC, FLAT], ids=["swapped", "not swapped"])
def test_averaging_looks_at_affinities_from_both_ends(offsets):
    """Each pair of voxels is looked up in each view, wherever its ends lie there."""
    torch.manual_seed(0)
    network = UNet3D(1, 4, depth=1, width=2, padding="same", activation="sigmoid").eval()
    image = noise(network, (5, 7, 9))
    found, counts = np.zeros((2, 4, 5, 7, 9))
    places = np.indices(image.shape[1:])
    for view in views(3, offsets):
        likely = probabilities(logits(network, view.do(image)), "sigmoid")
        there = np.stack([view.do(axis) for axis in places])  # original places in the view
        seen = {tuple(there[:, *i]): i for i in np.ndindex(there[0].shape)}
        for p in np.ndindex(image.shape[1:]):
            found[0][p] += likely[0][seen[p]]
            counts[0][p] += 1
            for k, offset in enumerate(offsets, start=1):
                q = tuple(np.add(p, offset).tolist())
                if min(q) < 0:
                    continue
                ends = [(seen[p], seen[q]), (seen[q], seen[p])]
                steps = [tuple(np.subtract(b, a).tolist()) for a, b in ends]
                way = 0 if steps[0] in offsets else 1
                found[k][p] += likely[1 + offsets.index(steps[way])][ends[way][0]]
                counts[k][p] += 1
    model = Model(network, offsets=offsets)
    assert counts.max() == len(views(3, offsets)) == (16 if offsets == ISOTROPIC else 8)
    result, _, _ = run(model, image, "czyx", tile=4, averaging=True)
    known = counts > 0
    np.testing.assert_allclose(result[known], found[known] / counts[known], atol=1e-5)


def test_views_undo_themselves():
    image = np.arange(6).reshape(1, 2, 3)
    assert (
        len({view.do(image).tobytes() + bytes(view.do(image).shape) for view in views(2)}) == 8
    )
    for view in views(2):
        np.testing.assert_array_equal(view.undo(view.do(image)), image)


def test_only_tiles_are_read():
    class Recorder:
        shape, dtype, largest = (4, 400, 400), np.dtype(np.uint8), 0

        def __getitem__(self, read):
            pixels = np.zeros(self.shape, np.uint8)[read]
            self.largest = max(self.largest, pixels.size)
            return pixels

    network, image = NETWORKS["unet padded, one map"], Recorder()
    run(Model(network), image, "zyx", tile=64)
    assert image.largest <= network.input_size((64, 64))[0] ** 2


def test_stopping_keeps_what_was_reported():
    network = NETWORKS["unet padded, one map"]
    target = np.full((1, 64, 64), np.nan, np.float32)
    stack = Stack(noise(network, (64, 64))[0], "yx")
    events = predict_stack(Model(network), stack, target, PredictSettings(tile=16))
    next(events)
    events.close()
    assert np.isfinite(target[0, :16, :16]).all()
    assert np.isnan(target[0, 32:]).all()  # a few tiles may be on their way


def test_nan_stays_where_it_is_and_is_reported():
    network = NETWORKS["unet padded, one map"]
    image = noise(network, (2, 64, 64))[0]
    image[1, 5, 5], image[1, 6, 6], image[1, 7, 7] = np.nan, np.inf, -3e38
    result, _, warnings = run(Model(network), image, "zyx", tile=32)
    assert np.isfinite(result).all()
    assert warnings == [
        "Slice 1 of cells has pixels that are NaN, infinite or far beyond all gray values; "
        "they were taken for the mean gray value."
    ]


def test_an_8_bit_model_on_a_16_bit_image_is_reported():
    fed = Normalization(mean=(120.0,), std=(40.0,))
    image = np.random.default_rng(0).integers(0, 65535, (80, 80), np.uint16)
    _, _, warnings = run(Model(NETWORKS["unet padded, one map"], fed), image, "yx")
    assert "cells: gray values are" in warnings[0]


def test_warnings_of_a_prediction_reach_python():
    model = Model(NETWORKS["unet padded, one map"], Normalization(mean=(120.0,), std=(40.0,)))
    image = np.full((20, 20), 60000, np.uint16)
    with pytest.warns(UserWarning, match="gray values are"):
        front.predict(model, image)
    events = []
    front.predict(model, image, on_event=events.append)
    assert {type(event) for event in events} == {Warned, TileDone}


def test_bfloat16_is_close():
    network = NETWORKS["unet padded"]
    image = noise(network, (40, 40))
    exact, _, _ = run(Model(network), image, "cyx")
    rough, _, _ = run(Model(network), image, "cyx", precision="bf16")
    assert 0 < np.abs(rough - exact).max() < 0.1


# memory


def test_a_tile_that_does_not_fit_is_computed_in_parts(monkeypatch):
    network = NETWORKS["unet padded, one map"]
    whole = network.forward_tile

    def short_of_memory(x):
        if x.shape[-1] > network.input_size((32, 32))[0]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(x)

    image = noise(network, (100, 90))[0]
    expected, _, _ = run(Model(network), image, "yx", tile=104)
    monkeypatch.setattr(network, "forward_tile", short_of_memory)
    result, tiles, warnings = run(Model(network), image, "yx", tile=104)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    assert len(tiles) == 1
    assert [w.split(" from here")[0] for w in warnings] == [
        "Out of memory on cpu: tiles of 52 px instead of 100",
        "Out of memory on cpu: tiles of 28 px instead of 52",
    ]


def test_when_nothing_fits_the_user_is_told(monkeypatch):
    network = NETWORKS["unet padded, one map"]

    def no_memory(x):
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate")

    monkeypatch.setattr(network, "forward_tile", no_memory)
    with pytest.raises(UserError, match="Not even a tile of 4 x 4 px fits"):
        run(Model(network), noise(network, (20, 20))[0], "yx")


def test_other_errors_are_no_lack_of_memory(monkeypatch):
    network = NETWORKS["unet padded, one map"]
    monkeypatch.setattr(network, "forward_tile", lambda x: x.view(-1, 999_999))
    with pytest.raises(RuntimeError, match="invalid for input"):
        run(Model(network), noise(network, (20, 20))[0], "yx")


def test_the_setting_is_the_side_of_the_tile():
    stack = Stack(np.zeros((200, 300)), "yx")
    assert tile_size(Model(UNet(width=1)), stack, PredictSettings(tile=64)) == (64, 64)


def test_a_tile_that_is_asked_for_wins_over_the_setting():
    network = NETWORKS["unet padded, one map"]
    target = np.empty((1, 40, 40), np.float32)
    stack = Stack(noise(network, (40, 40))[0], "yx")
    first = next(
        predict_stack(Model(network), stack, target, PredictSettings(tile=64), (15, 30))
    )
    assert first.write == ((0, 16), (0, 32))


def test_windows_need_not_be_aligned():
    network = NETWORKS["unet padded"]
    image = noise(network, (60, 60))
    plane = Plane((60, 60), lambda y, x: image[:, y, x])
    part = TiledNetwork(network, CPU).logits(plane, (slice(13, 29), slice(7, 60)))
    np.testing.assert_allclose(part, in_one_pass(network, image)[:, 13:29, 7:60], atol=1e-5)
