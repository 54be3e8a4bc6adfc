"""The U-Net without skips."""

import pytest
import torch

from napari_utile.networks import EncoderDecoder, UNet


def count(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("depth", [1, 3])
def test_only_the_copied_features_are_missing(depth):
    width = 4
    plain, unet = (kind(1, 2, depth=depth, width=width) for kind in (EncoderDecoder, UNet))
    # at each level, the first convolution of the expanding path sees w features fewer of 2 w
    missing = sum(9 * (width * 2**level) ** 2 for level in range(depth))
    assert count(unet) - count(plain) == missing
    assert (plain.margin, plain.stride_alignment) == (unet.margin, unet.stride_alignment)


def test_nothing_reaches_the_result_but_through_the_bottom():
    network = EncoderDecoder(1, 2, depth=1, width=2, padding="same").eval()
    for p in network.encoders[-1].parameters():
        torch.nn.init.zeros_(p)
    image = torch.randn(2, 1, 16, 16)
    one, other = network(image)
    assert torch.equal(one, other)
    unet = UNet(1, 2, depth=1, width=2, padding="same").eval()
    for p in unet.encoders[-1].parameters():
        torch.nn.init.zeros_(p)
    one, other = unet(image)
    assert not torch.equal(one, other)
