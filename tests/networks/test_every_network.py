"""What holds for every network of slices, whatever its paper."""

from math import ceil, sqrt

import numpy as np
import pytest
import torch
from torch.nn import functional

from napari_utile.engine.models.model import Model, load_model
from napari_utile.engine.prediction.in_memory import logits
from napari_utile.networks import FCN, EncoderDecoder, SegNet, SlidingWindow, UNet
from napari_utile.networks import NETWORKS as ALL
from napari_utile.settings.options import SLICE_NETWORKS

torch.set_num_threads(1)

NETWORKS = {name: ALL[name] for name in SLICE_NETWORKS}

VARIANTS = {
    "unet": UNet(2, 3, depth=2, width=4),
    "unet, padded": UNet(2, 3, depth=3, width=4, padding="same", norm="batch"),
    "unet, depth 1": UNet(1, 1, depth=1, width=2, padding="same"),
    "encoder-decoder": EncoderDecoder(2, 3, depth=3, width=4, norm="batch"),
    "encoder-decoder, padded": EncoderDecoder(2, 3, depth=2, width=4, padding="same"),
    "segnet": SegNet(1, 2, width=2),
    "segnet, depth 3": SegNet(2, 3, depth=3, width=4, norm=None),
    "segnet, depth 1": SegNet(1, 1, depth=1, width=4),
    "fcn": FCN(1, 2, width=2),
    "fcn, normalized": FCN(2, 3, width=2, norm="batch"),
    "sliding-window": SlidingWindow(2, 3, width=4),
}


@pytest.fixture(params=VARIANTS)
def network(request):
    """Give a network whose norms, biases and logits are those of a trained one."""
    torch.manual_seed(0)
    network = VARIANTS[request.param].eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
        if getattr(module, "bias", None) is not None:
            torch.nn.init.normal_(module.bias, 0, 0.1)
    with torch.no_grad():
        network.classify.weight /= network.forward_tile(tile_for(network, 64)).abs().max()
    return network


def tile_for(network, output):
    """Draw a tile that covers so many pixels."""
    return torch.randn(1, network.in_channels, *network.input_size((output, output)))


def test_the_variants_are_of_all_networks():
    assert {type(network) for network in VARIANTS.values()} == set(NETWORKS.values())


# the geometry


def test_a_tile_gives_at_least_what_it_is_made_for(network):
    for output in (1, 7, 16, 33):
        x = tile_for(network, output)
        found = network.forward_tile(x)
        assert found.shape[:2] == (1, network.classes)
        assert (
            found.shape[2] == found.shape[3] == x.shape[-1] - 2 * network.margin[-1] >= output
        )


def test_no_smaller_tile_would_do(network):
    for output in (1, 7, 16, 33):
        axes = zip(
            network.input_size((output, 5)),
            network.margin,
            (output, 5),
            network.stride_alignment,
            strict=True,
        )
        assert all(read - 2 * margin < side + step for read, margin, side, step in axes)


def test_padded_keeps_the_size_and_unpadded_lacks_the_margin(network):
    side = 2 * max(network.stride_alignment)
    if network.padding == "valid":
        side = max(network.input_size((5, 5)))
    lost = 2 * max(network.margin) * (network.padding == "valid")
    shape = network(torch.zeros(2, network.in_channels, side, side)).shape
    assert shape == (2, network.classes, side - lost, side - lost)


def test_a_logit_sees_no_further_than_its_margin(network):
    tile = tile_for(network, 40)
    (step, _), (margin, _), side = network.stride_alignment, network.margin, tile.shape[-1]
    far = tile.clone()
    far[..., 2 * margin + step :, :] += 1  # of the first row of cells
    far[..., : side - 2 * margin - step] -= 1  # of the last column of cells
    found, other = (network.forward_tile(x)[..., 0, -1] for x in (tile, far))
    assert torch.equal(found, other)


def test_what_is_moved_by_the_alignment_gives_the_same_moved(network):
    step, _ = network.stride_alignment
    image = tile_for(network, 2 * step)
    here = network.forward_tile(image)
    there = network.forward_tile(image.roll((-step, -step), (-2, -1)))
    np.testing.assert_allclose(
        here[..., step : 2 * step, step : 2 * step].detach(),
        there[..., :step, :step].detach(),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("shape", "tile"),
    [((70, 41), (32, 64)), ((33, 3), (1, 1)), ((1, 9), (5, 5)), ((96, 96), (96, 1))],
)
def test_tiled_equals_one_pass(network, shape, tile):
    if min(tile) * max(network.stride_alignment) < 4:
        tile = (16, 16)  # pixel by pixel is not more exact, but slow
    image = np.random.default_rng(0).normal(size=(network.in_channels, *shape))
    image = image.astype(np.float32)
    expected = in_one_pass(network, image)
    np.testing.assert_allclose(logits(network, image, tile), expected, rtol=0, atol=1e-5)


def test_flat_parts_of_an_image_have_no_seams(network):
    image = np.zeros((network.in_channels, 60, 60), np.float32)
    image[:, 20:30, 40:] = 3
    expected = in_one_pass(network, image)
    np.testing.assert_allclose(logits(network, image, (16, 16)), expected, rtol=0, atol=1e-5)


def in_one_pass(network, image):
    """Mirror the whole image with NumPy and call the network once."""
    (step, _), sides = network.stride_alignment, image.shape[1:]
    if network.padding == "valid":
        before, cut = max(network.margin), 0
        wholes = network.input_size(sides)
    else:
        before = cut = ceil(max(network.margin) / step) * step
        wholes = [2 * before + ceil(side / step) * step for side in sides]
    widths = [(before, whole - before - n) for whole, n in zip(wholes, sides, strict=True)]
    mirrored = np.pad(image, [(0, 0), *widths], mode="reflect")
    with torch.no_grad():
        found = network(torch.from_numpy(mirrored)[None])[0].numpy()
    return found[:, cut : cut + sides[0], cut : cut + sides[1]]


# learning


def test_gradients_reach_every_parameter(network):
    network.train().zero_grad()
    x = batch_for(network)
    found = network(x)
    (found * torch.randn_like(found)).sum().backward()
    # a bias in front of batch norm is subtracted again, but for rounding
    dead = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead


def batch_for(network):
    """Draw what the network is trained on."""
    side = 2 * max(network.stride_alignment)
    if network.padding == "valid":
        side, _ = network.input_size((1, 1) if network.trains_on_windows else (8, 8))
    return torch.randn(4, network.in_channels, side, side)


SMALL = {
    "unet": {"depth": 2, "padding": "same", "norm": "batch", "dropout": 0.0},
    "encoder-decoder": {"depth": 2, "padding": "same", "norm": "batch", "dropout": 0.0},
    "segnet": {"depth": 3},
    "fcn": {"norm": "batch", "dropout": 0.0},
    "sliding-window": {},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_it_learns_one_small_image_by_heart(name):
    torch.manual_seed(0)
    network = NETWORKS[name](1, 2, width=4, **SMALL[name]).train()
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    truth = ((y - 24) ** 2 + (x - 30) ** 2 < 16**2).long()
    image = truth + 0.5 * torch.randn(64, 64)
    if network.trains_on_windows:  # of some of the pixels
        around = functional.pad(image[None, None], 4 * [47], mode="reflect")[0, 0]
        batch = around.unfold(0, 95, 13).unfold(1, 95, 13).reshape(-1, 1, 95, 95)
        truth = truth[::13, ::13].reshape(-1, 1, 1)
    else:
        batch, truth = image[None, None], truth[None]
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(90):
        loss = functional.cross_entropy(network(batch), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = (network(batch).argmax(1) == truth).float().mean().item()
    assert right > 0.97


def test_what_is_saved_is_loaded_bit_by_bit(network, tmp_path):
    Model(network).save(tmp_path / "model")
    loaded = load_model(tmp_path / "model").network
    assert type(loaded) is type(network)
    assert repr(loaded) == repr(network)
    assert loaded.arguments == network.arguments
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


@pytest.mark.parametrize("network", VARIANTS)
def test_the_arguments_build_it_again(network):
    network = VARIANTS[network]
    again = type(network)(**network.arguments)
    assert repr(again) == repr(network)
    assert again.margin == network.margin


@pytest.mark.parametrize("in_channels", [1, 2, 3, 5])
@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize("name", NETWORKS)
def test_any_number_of_channels_and_classes(name, in_channels, classes):
    network = NETWORKS[name](in_channels, classes, width=1).eval()
    with torch.no_grad():
        found = network.forward_tile(tile_for(network, 1))
    assert found.shape[:2] == (1, classes)


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_are_drawn_as_he_et_al_derive(name):
    torch.manual_seed(0)
    for module in NETWORKS[name](width=16).modules():
        rectified = isinstance(module, torch.nn.Conv2d) and module.out_channels > 2
        if rectified and module.weight.numel() > 2000:
            incoming = module.weight[0].numel()
            assert module.weight.std().item() == pytest.approx(sqrt(2 / incoming), rel=0.05)
            assert abs(module.weight.mean().item()) < 0.1 * sqrt(2 / incoming)
            assert not module.bias.any()


@pytest.mark.parametrize("name", ["unet", "encoder-decoder", "segnet"])
def test_unknown_options_are_refused(name):
    with pytest.raises(ValueError, match="norm must be None or 'batch', got 'instance'"):
        NETWORKS[name](width=1, norm="instance")
