"""Parameters as a file: tensors by name, and nothing else is taken."""

import hashlib
import zipfile

import numpy as np
import pytest
import torch

from napari_utile.engine.models.parameters import (
    assign_parameters,
    digest,
    digest_of_parameters,
    read_parameters,
    write_parameters,
)
from napari_utile.errors import UserError
from napari_utile.networks import UNet


@pytest.fixture
def network():
    return UNet(1, 2, depth=1, width=2)


def test_what_is_written_is_read_and_assigned(network, tmp_path):
    write_parameters(network, tmp_path / "weights.pt")
    with torch.device("meta"):
        empty = UNet(1, 2, depth=1, width=2)
    assign_parameters(empty, read_parameters(tmp_path / "weights.pt"), tmp_path)
    for name, value in network.state_dict().items():
        assert torch.equal(empty.state_dict()[name], value)


def test_names_and_shapes_that_differ_are_listed(network, tmp_path):
    weights = network.state_dict()
    weights["classify.bias"] = torch.zeros(3)
    weights["more"] = weights.pop("classify.weight")
    with pytest.raises(UserError) as refused:
        assign_parameters(network, weights, tmp_path / "w.pt")
    for part in (
        "'classify.weight' is missing",
        "'classify.bias' is (3,) instead of (2,)",
        "'more' is unknown",
    ):
        assert part in str(refused.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_parameters_that_are_no_numbers_are_refused(network, tmp_path, value):
    weights = network.state_dict()
    weights["classify.bias"][0] = value
    with pytest.raises(UserError, match=r"NaN or infinite, in 'classify\.bias'"):
        assign_parameters(network, weights, tmp_path / "w.pt")


def test_an_archive_that_unpacks_to_more_is_not_loaded(network, tmp_path):
    write_parameters(network, tmp_path / "plain.pt")
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in plain.infolist():
            bomb.writestr(entry.filename, plain.read(entry) + bytes(10**6))
    with pytest.raises(UserError, match="unpack to more than its size"):
        read_parameters(tmp_path / "bomb.pt")


def test_digests_tell_parameters_apart(network, tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert digest(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    weights = network.state_dict()
    before = digest_of_parameters(weights)
    assert digest_of_parameters(dict(reversed(weights.items()))) == before
    bias = weights["classify.bias"].numpy()
    bias[0] = np.nextafter(bias[0], 1)
    assert digest_of_parameters(weights) != before
