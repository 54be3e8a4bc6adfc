"""The sliding-window network against its paper, and the dense form against single windows."""

import numpy as np
import torch

from napari_utile.engine.prediction.in_memory import logits
from napari_utile.networks import SlidingWindow


def test_parameters_by_the_table_of_layers():
    convolutions = 4 * 4 * 48 + 48 + 5 * 5 * 48 * 48 + 48 + 2 * (4 * 4 * 48 * 48 + 48)
    connected = 3 * 3 * 48 * 200 + 200 + 200 * 2 + 2
    found = sum(p.numel() for p in SlidingWindow().parameters())
    assert found == convolutions + connected == 219_290


def test_maps_by_the_table_of_layers():
    network, shapes = SlidingWindow(width=2), []
    x = torch.zeros(1, 1, 95, 95)
    for convolution in network.convolutions:
        x = convolution(x)
        shapes.append(x.shape[-1])
        x = torch.nn.functional.max_pool2d(x, 2)
        shapes.append(x.shape[-1])
    assert shapes == [92, 46, 42, 21, 18, 9, 6, 3]
    assert network.connect(x).shape[-1] == 1


def test_a_window_is_seen_whole_and_no_more():
    network = SlidingWindow(width=4)
    assert network.input_size((1, 1)) == (95, 95)
    assert network.margin == (47, 47)
    window = torch.randn(1, 1, 95, 95, requires_grad=True)
    network(window).square().sum().backward()
    seen = window.grad[0, 0] != 0
    assert seen.any(0).nonzero().flatten()[[0, -1]].tolist() == [0, 94]


def test_all_at_once_equals_window_by_window():
    torch.manual_seed(0)
    network = SlidingWindow(2, 3, width=8).eval()
    image = torch.randn(1, 2, 95 + 16, 95 + 18)
    windows = image.unfold(2, 95, 1).unfold(3, 95, 1)  # (1, C, 17, 19, 95, 95)
    windows = windows[0].permute(1, 2, 0, 3, 4).reshape(-1, 2, 95, 95)
    with torch.no_grad():
        dense = network(image)[0]
        single = network(windows)[..., 0, 0].T.reshape(3, 17, 19)
    np.testing.assert_allclose(dense, single, rtol=0, atol=1e-5)


def test_the_pixel_in_the_middle_of_a_window_is_judged():
    torch.manual_seed(0)
    network = SlidingWindow(width=4).eval()
    image = np.random.default_rng(0).normal(size=(1, 20, 24)).astype(np.float32)
    around = np.pad(image, [(0, 0), (47, 47), (47, 47)], mode="reflect")
    y, x = 5, 17
    window = torch.from_numpy(around[None, :, y : y + 95, x : x + 95].copy())
    with torch.no_grad():
        expected = network(window)[0, :, 0, 0]
    np.testing.assert_allclose(logits(network, image)[:, y, x], expected, rtol=0, atol=1e-5)
