"""The declaration of a network, and what lacks some of it."""

import pytest
import torch

from napari_utile.networks import NETWORKS, Network, Tileable
from napari_utile.networks.tileable import missing_members


class Cubes(Network):
    """A network of three axes: twice pooled along Y and X, never along Z."""

    ndim = 3
    margin = (1, 4, 4)
    stride_alignment = (1, 4, 4)
    input_phase = (0, 2, 2)

    def __init__(self, in_channels: int = 1, classes: int = 2, width: int = 3):
        super().__init__()
        self.in_channels, self.classes, self.width = in_channels, classes, width


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_tileable(name):
    with torch.device("meta"):
        assert isinstance(NETWORKS[name](), Tileable)


def test_what_an_ordinary_module_lacks_is_named():
    assert not isinstance(torch.nn.Conv2d(1, 2, 3), Tileable)
    missing = missing_members(torch.nn.Conv2d(1, 2, 3))
    assert missing == [
        "classes", "ndim", "margin", "stride_alignment", "input_size", "forward_tile",
    ]  # fmt: skip


def test_the_input_covers_the_output_per_axis_at_its_phase():
    # 5 + 2 * 1 = 7; 9 + 2 * 4 = 17, the next of 4 k + 2 is 18; 10 + 2 * 4 = 18 is one
    assert Cubes().input_size((5, 9, 10)) == (7, 18, 18)


def test_the_arguments_build_the_network_again():
    network = Cubes(classes=4)
    assert network.arguments == {"in_channels": 1, "classes": 4, "width": 3}
    assert type(network)(**network.arguments).arguments == network.arguments
