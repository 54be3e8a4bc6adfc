"""Probabilities are evaluated by the objects that prediction finds in them."""

import json

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

import napari_utile as utile
from napari_utile.arrays.instances.decoding import instances
from napari_utile.arrays.instances.model_rule import ModelRule
from napari_utile.arrays.instances.offsets import affinity_offsets
from napari_utile.cli.main import main
from napari_utile.engine.prediction.front import predict_files
from napari_utile.engine.prediction.in_memory import logits
from napari_utile.evaluation import evaluate
from napari_utile.evaluation.inputs import Side
from napari_utile.events import drain
from napari_utile.io.images import open_image, write_tiff
from napari_utile.io.napari_reader import read_layers
from napari_utile.networks import UNet, UNet3D
from napari_utile.settings.prediction import PredictSettings

torch.set_num_threads(1)
NETWORKS = {
    "slices": lambda: UNet(1, 2, depth=1, width=4, padding="same", dropout=0),
    "affinities": lambda: UNet3D(
        1, 10, depth=1, width=4, spacing=(1, 1, 1), padding="same", activation="sigmoid"
    ),
}


def decided(network, image):
    """Make a random network sure of some foreground in an image, and of affinities there."""
    planes = image if network.ndim == 2 else image[np.newaxis]
    found = np.concatenate([logits(network, plane[np.newaxis]) for plane in planes], axis=1)
    found = found.reshape(len(found), -1)
    with torch.no_grad():
        spread = torch.from_numpy(found.std(axis=1))
        middle = torch.from_numpy(np.quantile(found, 0.4, axis=1))
        network.classify.weight /= spread.view(-1, *[1] * (1 + network.ndim)) / 2
        network.classify.bias -= middle
        network.classify.bias /= spread / 2
    return network


@pytest.fixture(scope="module", params=NETWORKS)
def folder(request, tmp_path_factory):
    """An image, its truth, and what a random model that learnt a border finds in it."""
    folder, rng = tmp_path_factory.mktemp("found"), np.random.default_rng(0)
    torch.manual_seed(3)
    offsets = affinity_offsets((1, 1, 1)) if request.param == "affinities" else ()
    image = 9 * gaussian_filter(rng.normal(size=(6, 48, 48)), 2).astype(np.float32)
    network = decided(NETWORKS[request.param]().eval(), image)
    utile.Model(network, border=3.0, offsets=offsets).save(folder / "model")
    write_tiff(folder / "em.tif", image)
    write_tiff(
        folder / "true.tif", np.kron(rng.integers(0, 30, (6, 6, 6)), np.ones((1, 8, 8), int))
    )
    for output, name in (
        ("instances", "i.zarr"), ("probabilities", "p.zarr"), ("probabilities", "p.tif"),
    ):  # fmt: skip
        settings = PredictSettings(output=output, device="cpu")
        drain(predict_files(folder / "model", [folder / "em.tif"], folder / name, settings))
    return folder


def scores(capfd, *args):
    assert main(["evaluate", *map(str, args), "--json"]) == 0
    return json.loads(capfd.readouterr().out)


@pytest.mark.parametrize("options", [(), ("--volumetric",), ("--ignore", "4")])
@pytest.mark.parametrize("name", ["p.zarr", "p.tif"])
def test_a_result_is_scored_as_its_instances(folder, capfd, name, options):
    found = scores(capfd, folder / name, folder / "true.tif", *options)
    expected = scores(capfd, folder / "i.zarr", folder / "true.tif", *options)
    assert not any("does not say" in note for note in found.pop("notes"))
    del expected["notes"]  # only finding says that slices look ruined
    assert found == expected
    assert found["true_positives"] + found["false_positives"] > 5


def test_one_map_of_a_result_is_found_without_affinities_which_is_said(folder):
    stack = open_image(folder / "p.zarr")
    rule, truth = ModelRule.read(stack.rule), open_image(folder / "true.tif").read()
    ((layer, given, _),) = read_layers(str(folder / "p.zarr"))
    assert ModelRule.read(given["metadata"]["utile_rule"]) == rule
    layer = layer[0] if isinstance(layer, list) else layer
    np.testing.assert_array_equal(layer, stack.read()[0 if rule.offsets else 1])
    whole = evaluate(Side(stack.read(), "probabilities", (), rule, "zyx"), truth)
    alone = evaluate(Side(stack.read()[-1:], "probabilities", (), rule, "zyx"), truth)
    is_said = any("found without the affinities" in note for note in alone.notes)
    assert is_said == bool(rule.offsets)
    assert not any("found without the affinities" in note for note in whole.notes)


@pytest.mark.parametrize(
    ("volumetric", "how"), [(False, "slice by slice"), (True, "in volumes")]
)
def test_what_is_assumed_of_an_unknown_model_is_said(volumetric, how):
    likely = np.random.default_rng(0).random((3, 8, 8))
    report = evaluate(likely, likely > 0.6, volumetric=volumetric)
    said = [note for note in report.notes if "does not say which model" in note]
    assert len(said) == 1
    assert f"found {how} by watershed, and did not grow" in said[0]
    found = instances(
        likely[np.newaxis], volumetric=volumetric, method="watershed", linking="none"
    )
    labels = evaluate(found, likely > 0.6, volumetric=volumetric, probabilities=likely)
    assert dict(report) == dict(labels)
