"""The published network, against the numbers of the paper."""

from math import sqrt

import pytest
import torch

from napari_utile.networks import EncoderDecoder, UNet

NETWORKS = [
    UNet(2, 3, depth=2, width=4),
    UNet(2, 3, depth=3, width=4, padding="same", norm="batch"),
    UNet(1, 1, depth=1, width=2, padding="same"),
    EncoderDecoder(2, 3, depth=2, width=4, padding="same"),
    EncoderDecoder(2, 3, depth=3, width=4, norm="batch"),
]


def name(network):
    return f"{type(network).__name__}-{network.padding}-{network.depth}"


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
    assert network.margin == (572 - 388) // 2
    assert network.input_size(388) == 572


def test_features_of_fig_1():
    widths = [encoder.convolutions[1].out_channels for encoder in UNet().encoders]
    assert widths == [64, 128, 256, 512, 1024]


def test_weights_are_drawn_as_in_sec_3():
    torch.manual_seed(0)
    for module in UNet().modules():
        if isinstance(module, torch.nn.Conv2d) and module.weight.numel() > 10_000:
            incoming = module.weight[0].numel()
            assert module.weight.std().item() == pytest.approx(sqrt(2 / incoming), rel=0.02)
            assert not module.bias.any()


def test_without_skips_each_decoder_sees_half():
    plain, unet = EncoderDecoder(width=4), UNet(width=4)
    for narrow, wide in zip(plain.decoders, unet.decoders, strict=True):
        assert 2 * narrow.convolutions[0].in_channels == wide.convolutions[0].in_channels


def test_padded_keeps_the_size():
    network = UNet(width=2, padding="same").eval()
    assert network(torch.zeros(1, 1, 48, 32)).shape == (1, 2, 48, 32)


@pytest.mark.parametrize(("padding", "side"), [("valid", 570), ("valid", 172), ("same", 100)])
def test_a_size_that_would_be_cropped_is_refused(padding, side):
    with pytest.raises(ValueError, match="multiples of 16"):
        UNet(width=1, padding=padding)(torch.zeros(1, 1, side, side))


@pytest.mark.parametrize("option", [{"padding": "reflect"}, {"norm": "instance"}])
def test_unknown_options_are_refused(option):
    with pytest.raises(ValueError, match="must be"):
        UNet(**option)


@pytest.mark.parametrize("network", NETWORKS, ids=name)
def test_a_tile_gives_at_least_what_it_is_made_for(network):
    for output in (1, 7, 16, 24):
        side = network.input_size(output)
        x = torch.randn(1, network.in_channels, side, side)
        logits = network.eval().forward_tile(x)
        assert logits.shape[:2] == (1, network.classes)
        assert logits.shape[-1] == side - 2 * network.margin >= output


@pytest.mark.parametrize("network", NETWORKS, ids=name)
def test_gradients_reach_every_parameter(network):
    torch.manual_seed(0)
    network.train().zero_grad()
    side = network.input_size(8) if network.padding == "valid" else 32
    logits = network(torch.randn(2, network.in_channels, side, side))
    (logits * torch.randn_like(logits)).sum().backward()
    # a bias in front of batch norm is subtracted again
    dead = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead


@pytest.mark.parametrize("network", NETWORKS, ids=name)
def test_a_logit_sees_no_further_than_its_margin(network):
    torch.manual_seed(0)
    tile = torch.rand(1, network.in_channels, *2 * [network.input_size(64)])
    changed = tile.clone()
    seen = 2 * network.margin + network.stride_alignment
    changed[..., seen:, :] += 1
    logits, others = (network.eval().forward_tile(x)[..., 0, :] for x in (tile, changed))
    assert torch.equal(logits, others)
