"""The package runs without U-Tile, whole or block by block, and gives the same numbers."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

from napari_utile.arrays.intensity import Normalization
from napari_utile.engine.models.model import Model, load_model
from napari_utile.engine.models.parameters import digest
from napari_utile.engine.prediction.in_memory import logits, probabilities
from napari_utile.errors import UserError
from napari_utile.networks import (
    FCN,
    NETWORKS,
    EncoderDecoder,
    SegNet,
    SlidingWindow,
    UNet,
    UNet3D,
)

torch.manual_seed(0)  # the networks below are those of every run

ALONE = """
import sys
from pathlib import Path
from runpy import run_path
import numpy as np, torch

for folder, arguments in eval(sys.argv[1]).items():
    folder = Path(folder)
    network = run_path(str(folder / "network.py"))["SeamlessNetwork"](**arguments).eval()
    network.load_state_dict(torch.load(folder / "weights.pt", weights_only=True))
    image = torch.from_numpy(np.load(folder / "image.npy"))[None]
    with torch.no_grad():
        np.save(folder / "result.npy", network(image)[0].numpy())
assert "napari_utile" not in sys.modules
"""
ARCHITECTURES = (
    UNet(2, 3, depth=2, width=3, padding="same", norm="batch"),
    EncoderDecoder(1, 1, 1, 2),
    SegNet(1, 2, depth=2, width=2),
    FCN(1, 2, width=1),
    SlidingWindow(2, 3, width=2),
    UNet3D(1, 3, depth=2, width=2, spacing=(3, 1, 1), activation="sigmoid"),
)


@pytest.fixture(scope="module")
def computed_alone(tmp_path_factory):
    """Folders of models, each with an image and what their own code makes of it."""
    folders, arguments = {}, {}
    for network in ARCHITECTURES:
        folder = folders[network] = tmp_path_factory.mktemp("models") / "model"
        Model(network).save(folder)
        image = np.random.default_rng(0).normal(
            size=(network.in_channels, *(5, 21, 3)[-network.ndim :])
        )
        np.save(folder / "image.npy", image.astype(np.float32))
        weights = described(folder)["weights"]["pytorch_state_dict"]
        arguments[str(folder)] = weights["architecture"]["kwargs"]
    # one process for all of them: to load torch takes longer than the rest
    subprocess.run([sys.executable, "-c", ALONE, repr(arguments)], cwd=folder, check=True)
    return folders


@pytest.mark.parametrize("network", ARCHITECTURES, ids=lambda network: type(network).__name__)
def test_the_architecture_stands_alone(computed_alone, network):
    folder = computed_alone[network]
    scores = logits(network, np.load(folder / "image.npy"))
    expected = probabilities(scores, network.activation)
    np.testing.assert_allclose(np.load(folder / "result.npy"), expected, atol=1e-5)


def test_the_test_output_is_made_of_the_test_input(tmp_path):
    fed = Normalization(mean=(100.0,), std=(20.0,))
    network = UNet(1, 2, depth=1, width=2)
    Model(network, fed).save(tmp_path / "model")
    image, expected = (
        np.load(tmp_path / "model" / f"test_{n}.npy") for n in ("input", "output")
    )
    assert 95 < image.mean() < 105
    found = probabilities(logits(network, fed.apply(image[0])))
    np.testing.assert_allclose(expected[0], found, atol=1e-5)


SPATIAL = {"axes": ["y", "x"], "eps": 1e-10}


@pytest.mark.parametrize(
    ("normalize", "steps"),
    [
        ("image", [("zero_mean_unit_variance", SPATIAL)]),
        (
            "percentiles",
            [
                ("scale_range", SPATIAL | {"min_percentile": 1.0, "max_percentile": 99.8}),
                ("scale_linear", {"gain": 5.0, "offset": -2.0}),
            ],
        ),
    ],
)
def test_others_normalize_each_image_as_it_is_said(tmp_path, normalize, steps):
    network = UNet(2, 2, depth=1, width=2)
    fed = Normalization(mean=(100.0, 9.0), std=(20.0, 3.0))
    Model(network, fed, normalize=normalize).save(tmp_path / "model")
    (image,) = described(tmp_path / "model")["inputs"]
    assert [(step["id"], step["kwargs"]) for step in image["preprocessing"]] == steps
    given, expected = (
        np.load(tmp_path / "model" / f"test_{n}.npy")[0] for n in ("input", "output")
    )
    # by the formulas of the specification
    eps = steps[0][1]["eps"]
    if normalize == "image":
        mean, std = (f(given, axis=(1, 2), keepdims=True) for f in (np.mean, np.std))
        x = (given - mean) / (std + eps)
    else:
        low, high = np.percentile(given, [1, 99.8], axis=(1, 2), keepdims=True)
        x = (given - low) / (high - low + eps) * 5 - 2
    found = probabilities(logits(network, x.astype(np.float32)))
    np.testing.assert_allclose(expected, found, atol=1e-5)
    assert load_model(tmp_path / "model").normalize == normalize


def test_every_file_has_its_digest(tmp_path):
    Model(UNet(3, width=1, depth=1)).save(tmp_path / "model")
    description = described(tmp_path / "model")
    weights = description["weights"]["pytorch_state_dict"]
    tensors = [t["test_tensor"] for t in description["inputs"] + description["outputs"]]
    for file in (weights, weights["architecture"], *tensors):
        assert digest(tmp_path / "model" / file["source"]) == file["sha256"]


@pytest.mark.parametrize("network", NETWORKS.values())
def test_every_network_names_its_paper(tmp_path, network):
    Model(network(width=1)).save(tmp_path / "model")
    (cited,) = described(tmp_path / "model")["cite"]
    assert cited["text"].rpartition(" ")[2].isdigit()  # the year
    assert cited["url"].startswith("https://")


def test_a_network_that_trains_can_be_saved_in_between(tmp_path):
    network = UNet(width=1, depth=1, norm="batch").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    Model(network).save(tmp_path / "model")
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def described(folder):
    """Read the description."""
    return yaml.safe_load((folder / "bioimageio.yaml").read_text())


def unsigned(folder, network):
    """Save a model, and leave out the digest of its weights."""
    Model(network, Normalization(mean=(100.0,), std=(20.0,))).save(folder)
    description = described(folder)
    del description["weights"]["pytorch_state_dict"]["sha256"]
    (folder / "bioimageio.yaml").write_text(yaml.safe_dump(description))


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("weights.pt", None, r"differ from test_output.npy by up to 0\.\d+"),
        ("test_output.npy", lambda data: data[:99], "test_output.npy is damaged"),
        ("test_input.npy", lambda _: b"", "test_input.npy is damaged"),
        ("test_input.npy", lambda data: data.replace(b"1, 1, ", b"1,9**9,"), "is damaged"),
    ],
)
def test_weights_without_digest_are_compared_with_the_test(tmp_path, name, change, reason):
    torch.manual_seed(1)
    folder, other = tmp_path / "model", tmp_path / "other"
    unsigned(folder, UNet(1, 2, depth=1, width=2))
    unsigned(other, UNet(1, 2, depth=1, width=2))
    file = folder / name
    assert load_model(folder).classes == 2
    file.write_bytes(change(file.read_bytes()) if change else (other / name).read_bytes())
    with pytest.raises(UserError, match=reason):
        load_model(folder)
    if not change:  # the way on of the message
        text = (folder / "bioimageio.yaml").read_text()
        meant = f"source: weights.pt\n    sha256: {digest(file)}"
        (folder / "bioimageio.yaml").write_text(text.replace("source: weights.pt", meant))
        assert load_model(folder).classes == 2


def test_a_package_without_test_is_loaded(tmp_path):
    unsigned(tmp_path / "model", UNet(1, 2, depth=1, width=2))
    (tmp_path / "model" / "test_input.npy").unlink()
    assert load_model(tmp_path / "model").classes == 2
