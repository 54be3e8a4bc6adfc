"""Every example runs from top to bottom, with a budget of a few steps."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_utile import evaluate, load_model
from napari_utile.io.images import open_image
from napari_utile.samples import samples
from napari_utile.settings.training import TrainSettings

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NETWORKS = ("unet", "encoder-decoder")
SCORES = {"iou", "f1_50", "panoptic_quality", "matching_ap50"}


def small_stack(shape=(8, 256, 256), real=samples.synthetic_stack, **options):
    """Return `synthetic_stack` with planes of 96 x 96 pixels at most."""
    return real((shape[0], *np.minimum(shape[1:], 96).tolist()), **options)


@pytest.fixture
def small(monkeypatch):
    """Make the sample small."""
    monkeypatch.setattr(samples, "synthetic_stack", small_stack)


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run an example as a shell would, in a folder of its own; return its names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")

    def run(name, *arguments, run_name="__main__"):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        return runpy.run_path(str(EXAMPLES / name), run_name=run_name)

    return run


def test_every_example_is_tested_here():
    here = Path(__file__).read_text()
    assert [p.name for p in EXAMPLES.glob("*.py") if f'"{p.name}"' not in here] == []


def test_arrays_in_model_and_scores_out(run, small, capsys):
    names = run("train_on_arrays.py", "--steps", 2)
    assert names["probabilities"].shape == (2, *names["unseen"].shape)
    assert names["segmentation"].shape == names["unseen"].shape
    assert Path("cells/model/bioimageio.yaml").exists()
    assert "panoptic_quality" in capsys.readouterr().out


def test_every_image_of_a_folder_is_segmented(run, capsys):
    run("segment_folder.py", "--steps", 1, "--out", "somewhere")
    shapes = {p.stem: open_image(p).shape for p in Path("somewhere/instances").glob("*.zarr")}
    assert shapes == {f"cells_{side}": (side, side) for side in (200, 256, 320)}
    assert capsys.readouterr().out.count(" cells\n") == 3


def test_both_networks_stand_in_the_table(run, small, capsys):
    run("unet_beside_plain_cnn.py", "--steps", 1)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == ["unet", "encoder-decoder"]
    assert all(0 <= float(score) <= 1 for row in rows for score in row[1:])


def test_networks_are_compared_in_one_folder(run, small, capsys):
    names = run("compare_networks.py", "--steps", 1, "--seeds", 0, "--out", "cmp")
    assert [row["network"] for row in names["comparison"].rows] == ["unet", "encoder-decoder"]
    out = capsys.readouterr().out
    assert out.startswith("| network")
    assert "validation part (6 slices to train, 2 to validate)" in out
    files = {path.name for path in Path("cmp").iterdir() if not path.name.startswith(".")}
    assert files == {
        "curves.png", "data.json", "encoder-decoder-seed0", "results.png", "settings.json",
        "table.csv", "table.json", "table.md", "unet-seed0", "validation",
    }  # fmt: skip


def test_the_coco_experiment_ends_in_a_table(run, small, capsys):
    names = run("coco_experiment.py", "--steps", 1, "--seeds", "0,1", "--out", "coco")
    assert [row["network"] for row in names["rows"]] == ["unet", "encoder-decoder"]
    assert all(0 <= row["coco_ap"] <= 1 for row in names["rows"])
    assert " finds most: COCO AP " in capsys.readouterr().out
    files = {path.name for path in Path("coco/runs/evaluation").glob("[!.]*")}
    detections = {f"detections-{name}-seed{seed}.json" for name in NETWORKS for seed in (0, 1)}
    assert files == detections | {
        "data.json", "figure.png", "table.csv", "table.json", "table.md",
    }  # fmt: skip


def test_the_coco_experiment_wants_both_parts(run, capsys):
    with pytest.raises(SystemExit, match="2"):
        run("coco_experiment.py", "--train", "a.json", "a")
    assert "--train and --val come together" in capsys.readouterr().err


def test_the_weight_map_shows_in_a_real_window(run, monkeypatch, make_napari_viewer):
    import napari

    monkeypatch.setattr(
        napari, "Viewer", lambda **options: make_napari_viewer(show=True, **options)
    )
    names = run("weight_map_overlay.py", run_name="example")
    viewer, weights = names["viewer"], names["overlay"]
    assert [layer.name for layer in viewer.layers] == ["image", "cells", "weight map"]

    with_map = viewer.screenshot(flash=False)
    weights.visible = False
    without = viewer.screenshot(flash=False)
    is_brighter = (with_map.astype(int) - without)[..., :3].max(axis=-1) > 60
    assert 0.02 < is_brighter.mean() < 0.4  # the gaps, and little else


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Run the demo into one folder, on a stack of one's own and then on the sample."""
    folder = tmp_path_factory.mktemp("demo")
    image, labels = samples.synthetic_stack((3, 48, 64))
    own = {"--image": folder / "image.npy", "--labels": folder / "labels.npy"}
    np.save(own["--image"], image)
    np.save(own["--labels"], labels)
    out = folder / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "synthetic_stack", small_stack)
        for more in (own, {}):
            flags = {"--out": out, "--steps": 1, **more}.items()
            patch.setattr(sys, "argv", ["demo.py", *(str(x) for flag in flags for x in flag)])
            runpy.run_path(str(EXAMPLES / "demo.py"), run_name="__main__")
    return out


def test_demo_reports_both_networks_on_slices_left_out(demo):
    report = json.loads((demo / "report.json").read_text())
    assert [row["network"] for row in report["rows"]] == list(NETWORKS)
    assert all(row.keys() >= SCORES | {"parameters", "seconds"} for row in report["rows"])
    assert report["validation_slices"] == [6, 7]
    split = load_model(demo / "unet").trained_on["split"]
    assert split == "6 slices to train, 2 to validate"


def test_demo_scores_the_last_slices_only(demo):
    found, (_, truth) = open_image(demo / "unet.zarr").read(), small_stack()
    report = json.loads((demo / "report.json").read_text())
    assert report["rows"][0]["iou"] == evaluate(found[6:], truth[6:])["iou"]


def test_demo_gives_both_networks_the_same_budget(demo):
    unet, plain = (TrainSettings.read(demo / name / "settings.json") for name in NETWORKS)
    assert unet.model_copy(update={"network": "encoder-decoder"}) == plain


def test_demo_pictures_a_gray_image_and_colored_truth_and_weights(demo):
    picture = np.asarray(Image.open(demo / "picture.png").convert("RGB"), int)
    is_colored = np.ptp(picture, axis=-1) > 30
    image, truth, _, weights = np.array_split(
        is_colored[:, : int(0.94 * picture.shape[1])], 4, 1
    )
    assert image.mean() < 0.02
    assert truth.mean() > 0.3
    assert weights.mean() > 0.1


def test_demo_wants_image_and_labels_together(run, capsys):
    with pytest.raises(SystemExit, match="2"):
        run("demo.py", "--image", "volume.tif")
    assert "--image and --labels come together" in capsys.readouterr().err
