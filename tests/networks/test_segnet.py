"""SegNet against its paper."""

import pytest
import torch

from napari_utile.networks import SegNet
from napari_utile.networks.segnet import places_of_maxima


def trainable(module):
    return sum(p.numel() for p in module.parameters())


def test_parameters_of_the_published_network():
    # "from 134M to 14.7M" (sec. 3); 29.45 million in all, with 12 classes
    with torch.device("meta"):
        network = SegNet(3, 12)
    assert trainable(SegNet(3, norm=None).encoders) == 14_714_688  # of VGG16
    assert round(trainable(network) / 1e6, 2) == 29.45


def test_13_convolutions_in_each_path():
    with torch.device("meta"):
        layers = [m for m in SegNet().modules() if isinstance(m, torch.nn.Conv2d)]
    widths = [layer.out_channels for layer in layers]
    assert widths[:13] == [64, 64, 128, 128, *3 * [256], *6 * [512]]
    assert widths[13:] == [*5 * [512], 256, 256, 256, 128, 128, 64, 64, 2]


def test_every_decoder_gets_back_the_map_of_its_encoder():
    network = SegNet(1, 2, depth=3, width=2)
    for encode, decode in zip(network.encoders, reversed(network.decoders), strict=True):
        assert encode.convolutions[-1].out_channels == decode.convolutions[0].in_channels


def test_a_value_goes_back_to_where_the_maximum_was():
    cells = torch.tensor([[[[1.0, 5, 2, 0], [3, 4, 0, 7]]]])
    assert places_of_maxima(cells).tolist() == [[[[0, 1, 0, 0], [0, 0, 0, 1]]]]


def test_places_are_those_of_torch():
    x = torch.randn(2, 3, 8, 6)
    pooled, indices = torch.nn.functional.max_pool2d(x, 2, return_indices=True)
    expected = torch.nn.functional.max_unpool2d(pooled, indices, (2, 2))
    spread = torch.nn.functional.interpolate(pooled, scale_factor=2)
    assert torch.equal(spread * places_of_maxima(x), expected)


def test_of_values_equal_but_for_rounding_the_first_is_taken():
    cell = torch.tensor([[[[1.0, 1.0 + 1e-6], [1.0 + 2e-6, 0.5]]]])
    assert places_of_maxima(cell).tolist() == [[[[1, 0], [0, 0]]]]


def test_a_size_that_would_be_cropped_is_refused():
    with pytest.raises(ValueError, match=r"multiples of 32, got \(64, 48\)"):
        SegNet(width=1)(torch.zeros(1, 1, 64, 48))
