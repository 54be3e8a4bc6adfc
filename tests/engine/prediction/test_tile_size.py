"""How large the tiles are."""

import sys
from math import prod

import pytest
import torch

from napari_utile.engine.prediction.tile_size import _Peak, bytes_per_pixel, choose_tile
from napari_utile.networks import UNet

CPU = torch.device("cpu")
torch.set_num_threads(1)


def test_the_memory_of_a_tile_is_counted():
    """One convolution: image and map are alive at once, and for a moment its input, too."""

    class OneConvolution(torch.nn.Conv2d):
        ndim, in_channels, classes, margin, stride_alignment = 2, 1, 8, (1, 1), (1, 1)
        input_size = staticmethod(lambda output: tuple(side + 2 for side in output))
        forward_tile = torch.nn.Conv2d.forward

    assert bytes_per_pixel(OneConvolution(1, 8, 3)) == pytest.approx(4 * 8, rel=0.01)
    assert bytes_per_pixel(OneConvolution(1, 8, 3), torch.bfloat16) == pytest.approx(
        16, rel=0.01
    )


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: torch.conv2d(x(1, 4, 9, 12), x(5, 4, 3, 2), x(5), (2, 1), (1, 0), (1, 3)),
        lambda x: torch.conv3d(x(1, 4, 9, 12, 7), x(6, 2, 1, 3, 3), None, 1, (0, 1, 1), 1, 2),
        lambda x: torch.conv_transpose2d(
            x(1, 4, 9, 12), x(4, 3, 2, 3), None, 2, (0, 1), (1, 0), 1, (1, 1)
        ),
        lambda x: torch.nn.functional.batch_norm(x(1, 4, 9, 12), x(4), x(4)),
        lambda x: torch.cat([x(1, 4, 9, 12), x(1, 2, 9, 12)], 1),
        lambda x: torch.cat([x(1, 4, 9, 12), x(1, 4, 9, 5)], -1),
    ],
)
def test_operations_without_values_have_the_shape_of_those_with(operation):
    with _Peak():
        found = operation(lambda *shape: torch.zeros(shape, device="meta"))
    assert found.is_meta and found.shape == operation(lambda *shape: torch.ones(shape)).shape


def test_the_memory_of_a_network_is_measured_once(monkeypatch):
    network = UNet(depth=1, width=2)
    found = bytes_per_pixel(network)
    monkeypatch.setattr(_Peak, "__init__", None)
    assert bytes_per_pixel(network) == found


def test_the_compiler_of_torch_is_not_imported_for_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)  # as it takes seconds
    with torch.device("meta"):
        network = UNet(depth=1, width=2)
    assert bytes_per_pixel(network) > 0


def test_a_small_image_is_one_tile():
    assert choose_tile(UNet(width=2), (500, 300), CPU) == (512, 304)


def test_a_network_without_margin_gets_large_tiles():
    class Pointwise(torch.nn.Conv2d):
        ndim, in_channels, classes, margin, stride_alignment = 2, 1, 2, (0, 0), (1, 1)
        input_size = staticmethod(tuple)
        forward_tile = torch.nn.Conv2d.forward

    assert choose_tile(Pointwise(1, 2, 1), (160, 96), CPU) == (160, 96)


def test_an_asked_tile_is_rounded_up_and_no_larger_than_the_image():
    assert choose_tile(UNet(width=2), (500, 300), CPU, asked=(100, 1000)) == (112, 304)


def test_tiles_of_a_large_image_are_equal_and_fit(monkeypatch):
    from napari_utile.engine.prediction import tile_size as module

    network = UNet(width=16)
    monkeypatch.setattr(module, "free_memory", lambda device: 2**30)
    tile = choose_tile(network, (5000, 3000), CPU)
    read = prod(network.input_size(tile))
    assert read * bytes_per_pixel(network) < 2**28
    assert all(
        size % side == 0 or size % side > 0.8 * side
        for size, side in zip((5000, 3000), tile, strict=True)
    )
