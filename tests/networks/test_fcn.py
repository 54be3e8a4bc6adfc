"""FCN-8s against its paper."""

import pytest
import torch

from napari_utile.networks import FCN
from napari_utile.networks.fcn import interpolate


def trainable(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def test_parameters_of_the_published_network():
    # table 1 says 134 million: VGG16 without its last layer of 4096 * 1000 + 1000
    with torch.device("meta"):
        network = FCN(3, 21)
    assert trainable(network.encoders, network.connect) == 138_357_544 - 4_097_000
    scores = (4096 + 512 + 256) * 21 + 3 * 21
    assert trainable(network) == 134_260_544 + scores + 2 * 21 * 21 * 4 * 4


def test_the_classifier_sees_404_pixels():
    # table 1; the outermost cell of 32 is what scores are interpolated from
    assert 2 * (FCN(width=1).margin[0] - 32) + 32 == 404


def test_convolutions_of_vgg16():
    with torch.device("meta"):
        network = FCN()
    layers = [m for m in network.encoders.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.out_channels for m in layers] == [64, 64, 128, 128, *3 * [256], *6 * [512]]
    assert [m.weight.shape for m in network.connect] == [(4096, 512, 7, 7), (4096, 4096, 1, 1)]


def test_upsampling_starts_as_bilinear_interpolation():
    upsample = torch.nn.ConvTranspose2d(3, 3, 4, stride=2, padding=1, bias=False)
    interpolate(upsample)
    scores = torch.randn(1, 3, 6, 5)
    expected = torch.nn.functional.interpolate(scores, scale_factor=2, mode="bilinear")
    found = upsample(scores)
    assert torch.allclose(found[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], atol=1e-6)


def test_first_scores_are_small():
    torch.manual_seed(0)
    network = FCN(classes=99, width=4)
    for score in (network.classify, *network.refine):
        he = (2 / score.in_channels) ** 0.5
        assert score.weight.std().item() == pytest.approx(he / 5, rel=0.1)


def test_finer_scores_are_added_where_they_belong():
    network = FCN(1, 1, width=1).eval()
    for parameter in (*network.classify.parameters(), *network.connect.parameters()):
        torch.nn.init.zeros_(parameter)
    for parameter in network.encoders.parameters():
        torch.nn.init.constant_(parameter, 0.01 if parameter.ndim == 1 else 0.1)
    for refine in network.refine:
        torch.nn.init.ones_(refine.weight)
    image = torch.zeros(1, 1, 256, 256)
    image[..., 128:136, 96:104] = 1  # a cell of 8 that no larger one is centred on
    with torch.no_grad():
        rise = (network(image) - network(0 * image))[0, 0]
    y, x = divmod(int(rise.argmax()), 256)
    assert abs(y - 131.5) < 8
    assert abs(x - 99.5) < 8


def test_a_size_that_would_be_cropped_is_refused():
    with pytest.raises(ValueError, match=r"multiples of 32, got \(64, 48\)"):
        FCN(width=1)(torch.zeros(1, 1, 64, 48))
