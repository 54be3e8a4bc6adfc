"""Scores of a comparison: the same pixels for all."""

import json

import numpy as np
import pytest
import torch

import napari_utile as utile
from napari_utile.arrays.instances.decoding import instances
from napari_utile.engine.comparison.figures import draw_results
from napari_utile.engine.prediction.plan import rule_of
from napari_utile.evaluation import evaluate
from napari_utile.folders.comparison import ValidationFolder
from napari_utile.io.images import open_image
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.options import VOLUME_NETWORKS
from tests.fixtures.comparison import CANDIDATES, TINY, cells, drained, started

torch.set_num_threads(1)
pytestmark = pytest.mark.usefixtures("no_figures")

# what comes of it


def test_all_are_judged_on_the_same_pixels(compared):
    out, _, _ = compared
    splits = {utile.load_model(out / name / "model").trained_on["split"] for name in CANDIDATES}
    assert splits == {"4 slices to train, 1 to validate"}
    image, labels = cells()
    np.testing.assert_array_equal(open_image(out / "validation/image.tif").read(), image[-1])
    truth = open_image(out / "validation/truth.tif").read()
    assert evaluate(truth, labels[-1])["panoptic_quality"] == 1


@pytest.mark.parametrize("name", CANDIDATES)
def test_scores_are_those_of_the_results_in_the_folder(compared, name):
    out, _, _ = compared
    row = json.loads((out / name / "validation/scores.json").read_text())
    truth = open_image(out / "validation/truth.tif").read()
    for layer in ("probabilities", "instances"):
        report = evaluate(open_image(out / name / f"validation/{layer}.tif").read(), truth)
        for score in (
            "iou",
            "dice",
            "pixel_error",
            "matching_ap50",
            "f1_50",
            "panoptic_quality",
        ):
            assert row[score] == pytest.approx(report[score]), score
        if layer == "probabilities":
            assert row["v_rand"] == pytest.approx(report["v_rand"])
            assert row["v_info"] == pytest.approx(report["v_info"])
    model = utile.load_model(out / name / "model")
    assert row["iou"] == pytest.approx(model.scores["iou"])
    p = utile.predict(model, cells()[0][-1])
    found = open_image(out / name / "validation/probabilities.tif").read()
    np.testing.assert_allclose(found, p, atol=1e-5)
    assert row["seconds_per_megapixel"] == pytest.approx(
        row["seconds_to_predict"] / (32 * 40e-6)
    )


@pytest.mark.parametrize(
    ("target", "networks"),
    [("instances", VOLUME_NETWORKS[1:]), ("affinities", VOLUME_NETWORKS)],
)
def test_networks_of_volumes_are_scored_by_the_objects_that_predict_finds(
    tmp_path, target, networks, trainings
):
    image, labels = cells((6, 24, 64))
    more = {"target": target, "networks": networks, "border": "3", "spacing": (1, 1, 1)}
    settings = CompareSettings(**TINY | {"steps": 6, "validations": 1}, **more)
    _, result = drained(started(settings, tmp_path, (image, labels)))
    (lies,) = json.loads((tmp_path / "validation/places.json").read_text())
    assert lies["slices"] == [[z] for z in range(6)]
    left = lies["corner"][1]
    truth = open_image(tmp_path / "validation/truth.tif").read()
    np.testing.assert_array_equal(truth > 0, labels[..., left:] > 0)
    for run in result.runs:
        folder = tmp_path / f"{run['network']}-seed0"
        model = utile.load_model(folder / "model")
        p = utile.predict(model, image[..., left:])
        found = instances(
            p,
            volumetric=True,
            method="watershed",
            growth=rule_of(model).growth,
            offsets=model.offsets,
        )
        written = open_image(folder / "validation/probabilities.tif")
        np.testing.assert_allclose(written.read(), p, atol=1e-5)
        assert written.rule == json.loads(json.dumps(rule_of(model).as_dict()))
        ids = open_image(folder / "validation/instances.tif").read()
        np.testing.assert_array_equal(ids, found)
        report = evaluate(found, labels[..., left:], volumetric=True)
        both = run.keys() & report.keys()
        assert {"f1_50", "panoptic_quality", "v_rand"} <= both
        assert {n: run[n] for n in both} == pytest.approx({n: report[n] for n in both})
    assert len(trainings) == len(networks)
    again = drained(started(settings, tmp_path, (image, labels)))[1]
    assert (again.runs, len(trainings)) == (result.runs, len(networks))


# what goes wrong


def test_classes_are_scored_by_kind(tmp_path):
    image, labels = cells()
    kinds = np.where(labels > 0, 1 + labels % 2, 0) * 10
    settings = CompareSettings(**TINY, target="classes", networks=("unet",))
    _, result = drained(started(settings, tmp_path / "out", (image, kinds)))
    row, out = result.runs[0], tmp_path / "out"
    truth = open_image(out / "validation/truth.tif").read()
    np.testing.assert_array_equal(truth, kinds[-1])
    found = open_image(out / "unet-seed0/validation/classes.tif").read()
    assert set(np.unique(found)) <= {0, 10, 20}
    p = open_image(out / "unet-seed0/validation/probabilities.tif").read()
    assert row["iou"] == pytest.approx(evaluate(p, truth > 0)["iou"])
    assert {"iou", "mean_iou"} <= row.keys() and "v_rand" not in row
    model = utile.load_model(tmp_path / "out/unet-seed0/model")
    assert row["mean_iou"] == pytest.approx(model.scores["mean_iou"])
    one = ValidationFolder(out / "unet-seed0")
    draw_results(tmp_path / "results.png", ValidationFolder(out), {"unet": (row, one)})
    assert (tmp_path / "results.png").exists()


def test_pixels_that_nobody_annotated_are_told_from_background(tmp_path):
    image, labels = cells()
    labels = labels.copy()
    labels[:, :8] = 99
    settings = CompareSettings(**TINY | {"steps": 1}, networks=("unet",), ignore=99)
    drained(started(settings, tmp_path, (image, labels)))
    hidden = open_image(tmp_path / "validation/hidden.tif").read().squeeze()
    truth = open_image(tmp_path / "validation/truth.tif").read().squeeze()
    assert hidden[..., :8, :].all() and not hidden[..., 8:, :].any()
    assert not truth[hidden > 0].any() and truth.any()


@pytest.mark.parametrize("split", ["slice", "block"])
def test_networks_that_see_several_slices_are_scored_with_them(tmp_path, split):
    image, labels = cells((9, 32, 80))
    settings = CompareSettings(**TINY, context=1, networks=("unet",), split=split)
    _, result = drained(started(settings, tmp_path / "out", (image, labels)))
    model = utile.load_model(tmp_path / "out/unet-seed0/model")
    row = result.runs[0]
    assert model.context == 1 and row["iou"] == pytest.approx(model.scores["iou"])
    if split == "slice":
        p = utile.predict(model, image)[:, -2:]
        found = open_image(tmp_path / "out/unet-seed0/validation/probabilities.tif").read()
        np.testing.assert_allclose(found.reshape(p.shape), p, atol=1e-5)
