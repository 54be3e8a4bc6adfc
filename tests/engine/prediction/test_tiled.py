"""What predicts fastest is still the same network, and the caller's stays as it is."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_utile.engine.prediction.in_memory import logits
from napari_utile.engine.prediction.tiled import Plane, TiledNetwork, probabilities
from napari_utile.errors import UserError
from napari_utile.networks import FCN, EncoderDecoder, SegNet, SlidingWindow, UNet

CPU = torch.device("cpu")
NETWORKS = {
    "unet": UNet(width=8, depth=3),
    "unet, padded and normalized": UNet(1, 3, width=8, depth=2, padding="same", norm="batch"),
    "encoder-decoder": EncoderDecoder(1, 1, width=8, depth=2, norm="batch"),
    "segnet": SegNet(width=4, depth=3),
    "fcn": FCN(width=4, norm="batch"),
    "sliding-window": SlidingWindow(width=8),
}


@pytest.fixture(autouse=True)
def one_thread():
    yield
    torch.set_num_threads(1)


@pytest.fixture(params=NETWORKS)
def network(request):
    """Give a network whose norms and biases are those of a trained one."""
    torch.manual_seed(0)
    for module in NETWORKS[request.param].modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
        if getattr(module, "bias", None) is not None:
            torch.nn.init.normal_(module.bias, 0, 0.1)
    return NETWORKS[request.param]


def plane(shape):
    pixels = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    return Plane(shape, lambda y, x: pixels[:, y, x])


def kept(network):
    """Copy what a network holds."""
    formats = [(p.dtype, p.stride(), p.requires_grad) for p in network.parameters()]
    state = {name: value.clone() for name, value in network.state_dict().items()}
    return str(network), formats, network.training, state


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_the_network_of_the_caller_stays_as_it_is(network, dtype):
    network.train()
    *facts, state = kept(network)
    TiledNetwork(network, CPU, dtype).logits(plane((40, 40)), (slice(0, 40), slice(0, 40)))
    *facts_after, state_after = kept(network)
    assert facts_after == facts
    assert all(torch.equal(state_after[name], value) for name, value in state.items())


def test_no_normalization_is_left_to_compute(network):
    tiled = TiledNetwork(network, CPU)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in tiled.network.modules())


def test_another_network_is_used_itself():
    class Own(UNet):
        pass

    network = Own(width=2, depth=1)
    assert TiledNetwork(network, CPU, torch.bfloat16).network is network


def test_bfloat16_rounds_as_autocast_does():
    network = UNet(width=8, depth=2).eval()
    size, margin = network.input_size((16, 16))[0], network.margin[0]
    read, write = slice(0, size), slice(margin, margin + 16)
    image = plane((60, 60))
    pixels = torch.from_numpy(image.read(read, read))[None]
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        expected = network.forward_tile(pixels.contiguous(memory_format=torch.channels_last))
    found = TiledNetwork(network, CPU, torch.bfloat16).logits(image, (write, write))
    np.testing.assert_array_equal(found, expected[0].float())


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "fcn"])
def test_a_tile_is_the_same_to_the_bit_whatever_the_number_of_threads(name, dtype):
    tiled, image = TiledNetwork(NETWORKS[name], CPU, dtype), plane((200, 150))
    for window in [(slice(0, 128), slice(0, 144)), (slice(7, 90), slice(49, 150))]:
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(tiled.probabilities(image, window))
        np.testing.assert_array_equal(found[0], found[1])
        np.testing.assert_array_equal(found[0], found[2])


def test_probabilities_are_the_same_whatever_the_number_of_threads():
    random = np.random.default_rng(0)
    for shape in [(1, 37, 211), (2, 37, 211), (3, 100, 77), (4, 128, 128)]:
        logits = random.normal(0, 5, shape).astype(np.float32)
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(probabilities(logits))
        np.testing.assert_array_equal(found[0], found[1])
        np.testing.assert_array_equal(found[0], found[2])


def test_a_cpu_of_several_cores_computes_two_of_our_tiles_at_once():
    class Other(UNet):
        pass

    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found += [TiledNetwork(net, CPU).at_once for net in (NETWORKS["unet"], Other(width=8))]
    assert found == [1, 1, 2, 1]


def test_tiles_that_are_computed_at_once_are_the_same_to_the_bit():
    pixels = np.random.default_rng(0).normal(size=(1, 150, 170)).astype(np.float32)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(logits(NETWORKS["unet"], pixels, (48, 48)))
    np.testing.assert_array_equal(*found)


def test_extreme_logits_are_certain():
    extreme = np.array([[-2000.0, 2000.0]], np.float32)
    assert probabilities(extreme).tolist() == [[0, 1]]
    assert probabilities(np.concatenate([extreme, -extreme])).tolist() == [[0, 1], [1, 0]]


LARGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.skipif(
    not LARGE_PAGES.exists() or "[never]" in LARGE_PAGES.read_text(), reason="no large pages"
)
def test_maps_of_features_come_in_large_pages():
    code = """if True:
        import napari_utile, torch
        from resource import RUSAGE_SELF, getrusage
        before = getrusage(RUSAGE_SELF).ru_minflt
        torch.ones(2**24)
        print(getrusage(RUSAGE_SELF).ru_minflt - before)"""
    new_pages = int(subprocess.check_output([sys.executable, "-c", code], text=True))
    assert new_pages < 2**26 / 4096 / 2


class Lying(UNet):
    """Declares another margin, or more classes, than it has."""

    def __init__(self, more_margin, more_classes):
        super().__init__(depth=1, width=1)
        self.more_margin, self.classes = more_margin, self.classes + more_classes

    @property
    def margin(self):
        return tuple(side + self.more_margin for side in super().margin)

    def forward_tile(self, x):
        return super().forward_tile(x)


@pytest.mark.parametrize("lies", [(2, 0), (-2, 0), (0, 1)])
def test_a_network_that_makes_other_than_it_declares_is_refused(lies):
    network = Lying(*lies)
    with pytest.raises(UserError, match=r"Lying: forward_tile makes logits \(1, 2, "):
        TiledNetwork(network, CPU).logits(plane((20, 20)), (slice(0, 20), slice(0, 20)))


@pytest.mark.parametrize("bias", [float("nan"), float("inf"), float("-inf")])
def test_logits_that_are_no_numbers_are_refused(bias):
    network = UNet(depth=1, width=1)
    with torch.no_grad():
        network.classify.bias[1] = bias
    compute = TiledNetwork(network, CPU).probabilities
    window = plane((20, 20)), (slice(0, 20), slice(0, 20))
    if bias == float("-inf"):  # the probability 0
        assert (compute(*window)[1] == 0).all()
        return
    with pytest.raises(UserError, match="UNet gives logits that are NaN or infinite"):
        compute(*window)
