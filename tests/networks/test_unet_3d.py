"""The 3D U-Net: the published one, and one whose voxels are no cubes."""

from math import ceil

import numpy as np
import pytest
import torch
from torch import nn

from napari_utile.engine.models.model import Model, load_model
from napari_utile.engine.prediction.in_memory import logits
from napari_utile.networks import NETWORKS, EncoderDecoder3D, UNet3D
from napari_utile.networks.unet_3d import levels
from napari_utile.settings.options import VOLUME_NETWORKS

torch.set_num_threads(1)

VARIANTS = {
    "cubes": UNet3D(2, 3, depth=2, width=4),
    "cubes, padded": UNet3D(1, 2, depth=2, width=4, padding="same"),
    "sections": UNet3D(1, 2, depth=2, width=4, norm=None, spacing=(40, 10, 10)),
    "sections, padded": UNet3D(1, 1, depth=2, width=2, padding="same", spacing=(30, 10, 10)),
    "thick sections": UNet3D(1, 2, depth=1, width=4, padding="same", spacing=(90, 10, 10)),
    "encoder-decoder": EncoderDecoder3D(1, 2, depth=1, width=4, spacing=(2.5, 1, 1)),
}


@pytest.fixture(params=VARIANTS)
def network(request):
    """Give a network whose norms, biases and logits are those of a trained one."""
    torch.manual_seed(0)
    network = VARIANTS[request.param].eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
        if getattr(module, "bias", None) is not None:
            nn.init.normal_(module.bias, 0, 0.1)
    with torch.no_grad():
        network.classify.weight /= network.forward_tile(tile_for(network, 4, 4, 4)).abs().max()
    return network


def tile_for(network, *output):
    """Draw a tile that covers so many voxels."""
    return torch.randn(1, network.in_channels, *network.input_size(output))


def test_the_networks_of_volumes_are_those_that_settings_name():
    assert tuple(name for name, kind in NETWORKS.items() if kind.ndim == 3) == VOLUME_NETWORKS


# the publication


def test_parameters_of_the_published_network():
    # Cicek et al., sec. 2: 19,069,955, for 3 channels and 3 classes. That is without those of
    # batch normalization, and without a bias of the up-convolutions.
    with torch.device("meta"):
        network = UNet3D(3, 3)
    counted = sum(p.numel() for p in network.parameters())
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm3d)]
    ups = [m for m in network.modules() if isinstance(m, nn.ConvTranspose3d)]
    left_out = sum(2 * m.num_features for m in norms) + sum(m.out_channels for m in ups)
    assert counted - left_out == 19_069_955


def test_shapes_of_fig_2():
    with torch.device("meta"):
        network = UNet3D(3, 3)
        found = network(torch.empty(1, 3, 116, 132, 132))
    assert found.shape == (1, 3, 28, 44, 44)
    assert network.margin == (44, 44, 44)
    assert network.input_size((28, 44, 44)) == (116, 132, 132)


def test_features_double_in_front_of_each_pooling_as_in_fig_2():
    with torch.device("meta"):
        network = UNet3D()
    found = [[c.out_channels for c in encoder.convolutions] for encoder in network.encoders]
    assert found == [[32, 64], [64, 128], [128, 256], [256, 512]]
    found = [decoder.convolutions[0].in_channels for decoder in network.decoders]
    assert found == [256 + 512, 128 + 256, 64 + 128]


def test_without_skips_decoders_see_what_comes_from_below_alone():
    with torch.device("meta"):
        plain = EncoderDecoder3D(depth=2, width=8)
    assert [d.convolutions[0].in_channels for d in plain.decoders] == [32, 16]


# voxels that are no cubes


@pytest.mark.parametrize(
    ("spacing", "kernels", "poolings"),
    [
        ((10, 10, 10), [(3, 3, 3)] * 4, [(2, 2, 2)] * 3),
        ((19, 10, 10), [(3, 3, 3)] * 4, [(2, 2, 2)] * 3),
        # 20 against 10 is twice: pooled along y and x, it is 20 against 20
        ((20, 10, 10), [(1, 3, 3)] + [(3, 3, 3)] * 3, [(1, 2, 2)] + [(2, 2, 2)] * 2),
        ((40, 10, 10), [(1, 3, 3)] * 2 + [(3, 3, 3)] * 2, [(1, 2, 2)] * 2 + [(2, 2, 2)]),
        ((1, 1, 17), [(3, 3, 1)] * 4, [(2, 2, 1)] * 3),
    ],
)
def test_an_axis_is_pooled_while_its_voxels_are_less_than_twice_the_shortest(
    spacing, kernels, poolings
):
    assert levels(spacing, 3) == (tuple(kernels), tuple(poolings))


def test_an_axis_that_no_kernel_looks_along_needs_no_margin():
    network = VARIANTS["thick sections"]
    assert network.margin == (0, 10, 10)
    assert network.stride_alignment == (1, 2, 2)


@pytest.mark.parametrize("spacing", [(1, 1), (0, 1, 1), (1, 1, float("nan")), (-1, 1, 1)])
def test_another_spacing_is_refused(spacing):
    with pytest.raises(ValueError, match="spacing must be three positive lengths"):
        UNet3D(width=2, spacing=spacing)


# the geometry


def test_a_tile_gives_what_it_is_made_for_and_no_smaller_one_would_do(network):
    for output in [(1, 1, 1), (3, 7, 8), (9, 2, 5)]:
        read = network.input_size(output)
        found = network.forward_tile(tile_for(network, *output))
        given = tuple(r - 2 * m for r, m in zip(read, network.margin, strict=True))
        assert found.shape == (1, network.classes, *given)
        for side, asked, step in zip(given, output, network.stride_alignment, strict=True):
            assert asked <= side < asked + step


def test_a_size_that_would_be_cropped_is_refused(network):
    sides = tuple(side + 1 for side in network.input_size((8, 8, 8)))
    with pytest.raises(ValueError, match="multiples of"):
        network(torch.zeros(1, network.in_channels, *sides))


@pytest.mark.parametrize(
    ("shape", "tile"),
    [((9, 21, 14), (4, 8, 8)), ((1, 3, 17), (1, 4, 16)), ((6, 8, 8), (3, 8, 8))],
)
def test_tiled_equals_one_pass(network, shape, tile):
    image = np.random.default_rng(0).normal(size=(network.in_channels, *shape))
    image = image.astype(np.float32)
    expected = in_one_pass(network, image)
    np.testing.assert_allclose(logits(network, image, tile), expected, rtol=0, atol=1e-5)


def in_one_pass(network, image):
    """Mirror the whole volume with NumPy and call the network once."""
    steps, sides = network.stride_alignment, image.shape[1:]
    if network.padding == "valid":
        before, cuts, wholes = network.margin, (0, 0, 0), network.input_size(sides)
    else:
        axes = zip(network.margin, steps, strict=True)
        before = cuts = tuple(ceil(margin / step) * step for margin, step in axes)
        axes = zip(before, sides, steps, strict=True)
        wholes = [2 * b + ceil(side / step) * step for b, side, step in axes]
    axes = zip(before, wholes, sides, strict=True)
    mirrored = np.pad(image, [(0, 0), *((b, w - b - n) for b, w, n in axes)], mode="reflect")
    with torch.no_grad():
        found = network(torch.from_numpy(mirrored)[None])[0].numpy()
    inside = (slice(cut, cut + side) for cut, side in zip(cuts, sides, strict=True))
    return found[:, *inside]


# learning, saving


def test_gradients_reach_every_parameter(network):
    network.train().zero_grad()
    sides = network.input_size((4, 4, 4))
    if network.padding == "same":
        sides = tuple(2 * step for step in network.stride_alignment)
    found = network(torch.randn(2, network.in_channels, *sides))
    (found * torch.randn_like(found)).sum().backward()
    # a bias in front of batch norm is subtracted again, but for rounding
    assert not [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]


def test_what_is_saved_is_loaded_bit_by_bit(network, tmp_path):
    Model(network).save(tmp_path / "model")
    loaded = load_model(tmp_path / "model").network
    assert repr(loaded) == repr(network)
    assert loaded.arguments == network.arguments
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
