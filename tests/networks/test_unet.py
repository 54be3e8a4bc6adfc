"""The published network, against the numbers of the paper."""

import pytest
import torch

from napari_utile.networks import EncoderDecoder, UNet


def trainable(network):
    return sum(p.numel() for p in network.parameters())


def test_parameters_of_the_published_network():
    assert trainable(UNet()) == 31_030_658


def test_23_convolutional_layers():
    layers = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    assert sum(isinstance(module, layers) for module in UNet(width=1).modules()) == 23


def test_shapes_of_fig_1():
    network = UNet(width=2).eval()
    assert network(torch.zeros(1, 1, 572, 572)).shape == (1, 2, 388, 388)
    assert network.margin == 2 * ((572 - 388) // 2,)
    assert network.input_size((388, 388)) == (572, 572)


def test_features_of_fig_1():
    widths = [encoder.convolutions[1].out_channels for encoder in UNet().encoders]
    assert widths == [64, 128, 256, 512, 1024]


def test_without_skips_the_first_convolutions_see_half():
    # 3 x 3 kernels from w instead of 2 w features to w
    fewer = sum(9 * w * w for w in (64, 128, 256, 512))
    with torch.device("meta"):
        assert trainable(EncoderDecoder()) == 31_030_658 - fewer


def test_without_skips_each_decoder_sees_half():
    plain, unet = EncoderDecoder(width=4), UNet(width=4)
    for narrow, wide in zip(plain.decoders, unet.decoders, strict=True):
        assert 2 * narrow.convolutions[0].in_channels == wide.convolutions[0].in_channels


def test_without_skips_the_first_logits_are_small():
    torch.manual_seed(0)
    weights = EncoderDecoder(classes=99, width=64, depth=1).classify.weight
    assert weights.std().item() == pytest.approx((2 / 64) ** 0.5 / 5, rel=0.05)


def test_padded_keeps_the_size():
    network = UNet(width=2, padding="same").eval()
    assert network(torch.zeros(1, 1, 48, 32)).shape == (1, 2, 48, 32)


@pytest.mark.parametrize(("padding", "side"), [("valid", 570), ("valid", 172), ("same", 100)])
def test_a_size_that_would_be_cropped_is_refused(padding, side):
    with pytest.raises(ValueError, match="multiples of 16"):
        UNet(width=1, padding=padding)(torch.zeros(1, 1, side, side))


def test_another_padding_is_refused():
    with pytest.raises(ValueError, match="padding must be 'valid' or 'same', got 'reflect'"):
        UNet(padding="reflect")
