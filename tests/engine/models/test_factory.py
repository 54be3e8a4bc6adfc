"""Networks as settings describe them."""

import pytest
import torch

from napari_utile.engine.models.factory import network_from_settings, receptive_field
from napari_utile.errors import UserError
from napari_utile.networks import NETWORKS
from tests.fixtures.tiny_training import cells, start, tiny

torch.set_num_threads(1)


def test_one_sigmoid_cannot_tell_three_classes_apart():
    image, objects = cells()
    settings = tiny(target="classes", output="sigmoid")
    with pytest.raises(UserError, match=r"cannot tell 5 classes apart; set output to softmax"):
        start(settings, pair=(image, objects))


def test_settings_become_the_arguments_of_the_network():
    settings = tiny(depth=2, width=3, norm="none", padding="valid", dropout=0.3)
    network = network_from_settings(settings, 2, 3)
    assert (network.in_channels, network.classes, network.depth) == (2, 3, 2)
    assert (network.padding, network.dropout) == ("valid", 0.3)
    assert network.classify.in_channels == 3
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())


def test_the_receptive_field_is_what_changes_one_pixel():
    settings = tiny(depth=2, padding="valid", norm="none", width=2)
    torch.manual_seed(0)
    network = network_from_settings(settings, 1, 2).eval()
    image = torch.zeros(1, 1, *network.input_size((1, 1)), requires_grad=True)
    with torch.no_grad():
        for module in network.modules():
            if getattr(module, "weight", None) is not None:
                module.weight.abs_()
    (image + 1).requires_grad_()
    network(image + 1)[0, 1, 0, 0].backward()
    seen = torch.nonzero(image.grad[0, 0].abs().sum(0)).flatten()
    assert seen.max() - seen.min() + 1 <= receptive_field(settings)[-1]


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_is_built_from_the_same_settings(network):
    built = network_from_settings(tiny(network=network), 2, 3)
    assert type(built) is NETWORKS[network]
    assert built.arguments["width"] == 2
    assert (built.in_channels, built.classes) == (2, 3)
