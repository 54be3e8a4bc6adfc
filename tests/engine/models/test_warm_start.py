"""A training that starts from the parameters of another model."""

import pytest
import torch

import napari_utile as utile
from napari_utile.engine.models.warm_start import WarmStart, description
from napari_utile.errors import UserError
from napari_utile.networks import EncoderDecoder, UNet


@pytest.fixture
def saved(tmp_path):
    utile.Model(UNet(1, 2, depth=1, width=2)).save(tmp_path / "model")
    return tmp_path / "model"


def test_the_parameters_of_a_model_are_read_for_one_like_it(saved):
    start = WarmStart.read(saved, UNet(1, 2, depth=1, width=2, padding="same", dropout=0.1))
    there = utile.load_model(saved).network.state_dict()
    assert start.path == str(saved)
    assert start.parameters.keys() == there.keys()
    assert all(torch.equal(start.parameters[name], value) for name, value in there.items())


@pytest.mark.parametrize(
    ("network", "difference"),
    [
        (UNet(1, 2, depth=1, width=3), "width: 2 there, 3 here"),
        (UNet(1, 3, depth=1, width=2), "classes: 2 there, 3 here"),
        (EncoderDecoder(1, 2, depth=1, width=2), "network: unet there, encoder-decoder here"),
    ],
    ids=["width", "classes", "network"],
)
def test_another_architecture_is_refused_by_name(saved, network, difference):
    with pytest.raises(UserError, match=f"another architecture.*{difference}"):
        WarmStart.read(saved, network)


def test_a_network_is_described_by_name_and_arguments():
    found = description(UNet(2, 3, depth=1, width=5))
    assert (found["network"], found["in_channels"], found["width"]) == ("unet", 2, 5)


def test_a_model_that_sees_other_slices_is_refused(tmp_path):
    utile.Model(UNet(3, depth=1, width=2)).save(tmp_path / "colors")
    with pytest.raises(UserError, match=r"\(context: 0 there, 1 here\)"):
        WarmStart.read(tmp_path / "colors", UNet(3, depth=1, width=2), context=1)
