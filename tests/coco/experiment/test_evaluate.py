"""Networks scored by COCO annotations: numbers, files, and what is refused."""

import contextlib
import csv
import io
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from napari_utile.arrays.intensity import Normalization
from napari_utile.coco.annotations import read_coco
from napari_utile.coco.experiment import evaluate as module
from napari_utile.coco.experiment.evaluate import best_threshold, evaluate_coco, find_objects
from napari_utile.coco.experiment.images import Chosen
from napari_utile.coco.experiment.train import Learnt, train_coco
from napari_utile.coco.experiment.truth import CocoTruth, Truth
from napari_utile.coco.image_files import EXIF_ORIENTATION
from napari_utile.engine.models.model import Model
from napari_utile.errors import UserError
from napari_utile.events import CandidateDone, RunDone, RunStarted, TileDone, Warned, drain
from napari_utile.folders.run import Run
from napari_utile.io.images import write_tiff
from napari_utile.io.stack import Stack
from napari_utile.networks import UNet
from napari_utile.settings.coco import CocoEvaluateSettings, CocoSettings
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.prediction import PredictSettings
from tests.fixtures.coco_sample import all_crowds, write_coco_sample

TINY = {
    "recipe": "photos", "depth": 1, "width": 4, "tile": 32, "batch": 2, "steps": 40,
    "validations_per_run": 2, "validation_share": 0.4, "norm": "none", "sampling": "uniform",
    "learning_rate": 1e-2, "device": "cpu", "precision": "fp32",
}  # fmt: skip
HOW = CocoEvaluateSettings(min_size=4, device="cpu", precision="fp32")
STOCK = (
    "ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large",
    "ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large",
)  # fmt: skip


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_coco_sample(tmp_path_factory.mktemp("coco"))


@pytest.fixture(scope="module")
def trained(sample, tmp_path_factory):
    """A U-Net trained with two seeds to tell bright animals from dark background."""
    out = tmp_path_factory.mktemp("trained") / "run"
    settings = CompareSettings(**TINY, networks=("unet",), seeds=(0, 1))
    drain(train_coco(*sample, out, settings, CocoSettings(category=("animal",))))
    return out


@pytest.fixture(scope="module")
def evaluated(sample, trained):
    """Its scores on the images that it was trained on, and the events."""
    out = trained / "evaluation"
    return out, list(evaluate_coco(trained, *sample, out, HOW))


def table(out):
    return json.loads((out / "table.json").read_text())


def stock_numbers(path, results, categories, apart=True):
    """Let pycocotools score a file of results, as its own demo does."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(path)
        evaluation = COCOeval(truth, truth.loadRes(str(results)), "segm")
        evaluation.params.catIds = categories
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


# numbers and files


def test_there_is_a_row_per_network_and_a_run_per_seed(evaluated):
    found = table(evaluated[0])
    (row,) = found["rows"]
    assert (row["network"], row["seeds"]) == ("unet", [0, 1])
    for name in ("iou", "dice", "coco_ap", "coco_ap50", "coco_ap75", "coco_ar"):
        values = [run[name] for run in found["runs"]]
        assert row[name] == pytest.approx(np.mean(values))
        assert row[f"{name}_std"] == pytest.approx(np.std(values, ddof=1))
    assert row["iou"] > 0.5  # the cups are as bright


def test_the_table_is_written_for_people_and_spreadsheets_too(evaluated):
    out, _ = evaluated
    assert "COCO AP50" in (out / "table.md").read_text()
    (line,) = csv.DictReader((out / "table.csv").read_text().splitlines())
    assert float(line["coco_ap"]) == table(out)["rows"][0]["coco_ap"]
    assert (out / "figure.png").stat().st_size > 1000


def test_the_numbers_are_those_of_cocoeval_on_the_files(sample, evaluated, tmp_path):
    out, _ = evaluated
    content = json.loads(sample[0].read_text())  # cats and dogs are one foreground
    content["annotations"] = [
        entry | {"category_id": 3} for entry in content["annotations"]
        if entry["category_id"] in (3, 5)
    ]  # fmt: skip
    merged = tmp_path / "animals.json"
    merged.write_text(json.dumps(content))
    for run in table(out)["runs"]:
        results = out / f"detections-unet-seed{run['seed']}.json"
        theirs = stock_numbers(merged, results, [3])
        ours = [run[f"coco_stock_{name}"] for name in STOCK]
        assert ours == pytest.approx(theirs)
        assert run["coco_ap"] == pytest.approx(theirs[0])
        assert run["coco_ar"] == pytest.approx(theirs[8])


def test_foreground_is_counted_at_full_size_without_crowds(sample, evaluated):
    out, _ = evaluated
    truth = COCO(sample[0])
    common = either = 0
    results = json.loads((out / "detections-unet-seed0.json").read_text())
    for image in truth.imgs.values():
        shape = (image["height"], image["width"])
        true, hidden, found = np.zeros((3, *shape), bool)
        for entry in truth.imgToAnns[image["id"]]:
            if entry["category_id"] in (3, 5):
                (hidden if entry["iscrowd"] else true)[truth.annToMask(entry) > 0] = True
        for entry in results:
            if entry["image_id"] == image["id"]:
                found |= mask.decode(entry["segmentation"]) > 0
        counted = true | ~hidden
        common += (true & found & counted).sum()
        either += ((true | found) & counted).sum()
    assert table(out)["runs"][0]["iou"] == pytest.approx(common / either)


def areas_in(out):
    results = json.loads((out / "detections-unet-seed0.json").read_text())
    assert all(0 < entry["score"] < 1 for entry in results)
    return sorted(int(mask.area(entry["segmentation"])) for entry in results)


def test_objects_have_a_score_and_a_least_size(sample, trained, evaluated, tmp_path):
    areas = areas_in(evaluated[0])
    least = areas[len(areas) // 2]
    assert areas[0] < least
    drain(evaluate_coco(trained, *sample, tmp_path, HOW.model_copy(update={"min_size": least})))
    assert areas_in(tmp_path) == [area for area in areas if area >= least]


def test_what_comes_without_looking_is_said(sample, evaluated):
    coco = COCO(sample[0])
    animals = [e for e in coco.anns.values() if e["category_id"] in (3, 5) and not e["iscrowd"]]
    crowd = next(e for e in coco.anns.values() if e["iscrowd"])
    pixels = sum(image["width"] * image["height"] for image in coco.imgs.values())
    iou = sum(e["area"] for e in animals) / (pixels - crowd["area"])  # nothing overlaps
    notes = " ".join(table(evaluated[0])["notes"])
    assert f"foreground everywhere has IoU {iou:.3f}" in notes
    assert "6 images of annotations.json, 7 objects: cat, dog (one foreground)" in notes


def test_the_images_that_were_trained_on_are_counted(evaluated):
    notes = " ".join(table(evaluated[0])["notes"])
    assert "6 of the 6 images were trained on" in notes


def test_kinds_that_were_told_apart_are_scored_apart(sample, tmp_path):
    settings = CompareSettings(**TINY | {"target": "classes"}, networks=("unet",))
    drain(train_coco(*sample, tmp_path / "run", settings, CocoSettings()))
    unsure = HOW.model_copy(update={"threshold": 0.2})
    drain(evaluate_coco(tmp_path / "run", *sample, tmp_path / "scores", unsure))
    (run,) = table(tmp_path / "scores")["runs"]
    results = tmp_path / "scores" / "detections-unet-seed0.json"
    theirs = stock_numbers(sample[0], results, [3, 5, 9])
    assert run["coco_stock_ap"] == pytest.approx(theirs[0])
    apart = [
        run[f"coco_ap_{name}"] for name in ("dog", "cat", "cup") if f"coco_ap_{name}" in run
    ]
    assert np.mean(apart) == pytest.approx(run["coco_ap"])
    assert {e["category_id"] for e in json.loads(results.read_text())} <= {3, 5, 9}


def test_a_pixel_that_is_an_object_for_sure_has_its_likeliest_kind(monkeypatch):
    truth = SimpleNamespace(
        annotated=[SimpleNamespace(id=4, height=8, width=9)],
        images=[Stack(np.zeros((8, 9), np.uint8), "yx")],
        learnt=SimpleNamespace(kinds=True),
        chosen=SimpleNamespace(ids=[30, 50]),
    )
    model = SimpleNamespace(classes=3, ids=(0, 1, 2))

    def predict(model, stack, out, how, doubts):
        assert not doubts  # they were told of all images together
        out[:] = np.array([0.9, 0.05, 0.05])[:, None, None]
        out[:, 1:4, 1:4] = np.array([0.1, 0.48, 0.42])[:, None, None]  # neither is above 0.5
        yield from ()

    monkeypatch.setattr(module, "predict_stack", predict)
    found = drain(find_objects(model, truth, HOW, 0.5))
    assert (found.labels[0] > 0).sum() == 3 * 3
    (only,) = found.objects
    assert (only["category_id"], only["score"]) == (30, pytest.approx(0.48, abs=0.01))


def test_nothing_found_scores_nothing(sample):
    truth = CocoTruth(Chosen.of(read_coco(*sample), ["cat"]), apart=False)
    assert truth.objects == 4
    scores = truth.scores([])
    assert scores["coco_ap"] == scores["coco_ar"] == scores["coco_stock_ap"] == 0


@pytest.mark.parametrize("maps", [1, 2])
def test_the_threshold_is_the_best_on_the_validation_part(tmp_path, maps):
    share = np.array([[0.1, 0.9], [0.42, 0.3], [0.35, 0.58]], np.float32)
    objects = np.array([[0, 7], [3, 0], [0, 3]])
    run = Run(tmp_path / "unet-seed0")
    for folder in (run.folder / "validation", tmp_path / "validation"):
        folder.mkdir(parents=True)
    probabilities, like = np.stack([1 - share, share])[-maps:], Stack(objects, "yx")
    write_tiff(run.folder / "validation" / "probabilities.tif", probabilities, like=like)
    write_tiff(tmp_path / "validation" / "truth.tif", objects)
    assert 0.35 <= best_threshold(run) < 0.42
    hidden = np.array([[0, 0], [1, 0], [0, 0]], np.uint8)
    objects[1, 0] = 0  # a crowd, found with 0.42
    (tmp_path / "validation" / "truth.tif").unlink()
    write_tiff(tmp_path / "validation" / "truth.tif", objects)
    write_tiff(tmp_path / "validation" / "hidden.tif", hidden)
    assert 0.35 <= best_threshold(run) < 0.42
    (run.folder / "validation" / "probabilities.tif").unlink()
    with pytest.raises(UserError, match="set the threshold to a number"):
        best_threshold(run)


def test_a_network_with_one_map_is_scored_too(sample, tmp_path):
    settings = CompareSettings(**TINY | {"output": "sigmoid"}, networks=("unet",))
    drain(train_coco(*sample, tmp_path / "run", settings, CocoSettings()))
    drain(evaluate_coco(tmp_path / "run", *sample, tmp_path / "scores", HOW))
    assert table(tmp_path / "scores")["rows"][0]["iou"] > 0.5


def test_the_threshold_is_told(evaluated, sample, trained, tmp_path):
    assert {run["threshold"] for run in table(evaluated[0])["runs"]} < {*np.arange(5, 95) / 100}
    given = HOW.model_copy(update={"threshold": 0.37})
    drain(evaluate_coco(trained, *sample, tmp_path / "out", given))
    assert table(tmp_path / "out")["rows"][0]["threshold"] == 0.37


def test_doubts_about_images_are_told_once_with_a_cure_that_there_is(tmp_path):
    path, folder = write_coco_sample(tmp_path)
    for file in sorted(folder.glob("*.png"))[1:]:
        with Image.open(file) as picture:
            exif = picture.getexif()
            exif[EXIF_ORIENTATION] = 3
            picture.save(file, exif=exif)
    learnt = Learnt(names=("cat",), kinds=False, longest_side=0, negatives=True)
    truth = Truth(Chosen.of(read_coco(path, folder), ("cat",)), learnt)
    model = Model(UNet(3, width=1, depth=1), Normalization(mean=(9e4,) * 3, std=(9.0,) * 3))
    gray, turned = module.doubts_of_images(model, truth, PredictSettings())
    assert gray.startswith("000011.png: gray values are ")
    assert "set normalize to image. The same is true of 5 more of 6 images: 000012.png" in gray
    assert "000012.png is turned" in turned and "true of 4 more of 6 images" in turned
    assert "normalize" in CocoEvaluateSettings.model_fields
    own = PredictSettings(normalize="image")
    assert module.doubts_of_images(model, truth, own) == [turned]


# the run


def test_events_tell_how_far_it_is(evaluated):
    _, events = evaluated
    assert isinstance(events[0], RunStarted)
    assert events[0].facts == {"images": 6, "objects": 7}
    assert isinstance(events[-1], RunDone)
    assert [e.seed for e in events if isinstance(e, CandidateDone)] == [0, 1]
    assert {e.total for e in events if isinstance(e, TileDone)} == {6}


def test_the_same_scores_may_be_taken_again_and_others_only_if_told(sample, trained, evaluated):
    out, _ = evaluated
    before = table(out)["rows"][0]["coco_ap"]
    drain(evaluate_coco(trained, *sample, out, HOW))
    assert table(out)["rows"][0]["coco_ap"] == before
    other = HOW.model_copy(update={"threshold": 0.9})
    with pytest.raises(UserError, match=r"other images or options; .* overwrite it"):
        drain(evaluate_coco(trained, *sample, out, other))


def test_a_folder_with_other_things_is_refused(sample, trained, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="holds no scores"):
        drain(evaluate_coco(trained, *sample, tmp_path, HOW))


def test_a_run_that_is_not_finished_is_left_out_and_named(sample, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    run = Run(tmp_path / "run" / "unet-seed1")
    lines = run.events.read_text().splitlines()
    run.events.write_text("\n".join(lines[:-1]) + "\n")
    events = list(evaluate_coco(tmp_path / "run", *sample, tmp_path / "out", HOW))
    (warning,) = (e.message for e in events if isinstance(e, Warned))
    assert "unet-seed1 is left out: its training is unfinished" in warning
    assert [run["seed"] for run in table(tmp_path / "out")["runs"]] == [0]


def test_where_no_run_is_finished_that_is_said(sample, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    for run in map(Run, (tmp_path / "run").glob("unet-seed*")):
        lines = run.events.read_text().splitlines()
        run.events.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(UserError, match="unfinished and can be resumed"):
        drain(evaluate_coco(tmp_path / "run", *sample, tmp_path / "out", HOW))


def test_without_true_objects_no_score_is_defined(sample, trained, tmp_path):
    content = json.loads(sample[0].read_text())
    path, out = tmp_path / "nobody.json", tmp_path / "out"
    path.write_text(json.dumps(content | {"annotations": []}))
    events = list(evaluate_coco(trained, path, sample[1], out, HOW))
    for row in (*table(out)["runs"], *table(out)["rows"]):
        assert [row[name] for name in ("iou", "dice", "coco_ap", "coco_ar")] == [None] * 4
        assert row["coco_stock_ap"] == -1
    notes = " ".join(table(out)["notes"])
    assert "no object in the annotations" in notes and "not defined" in notes
    assert "Thirds" not in notes and "Without looking" not in notes
    assert any("not defined" in event.message for event in events if isinstance(event, Warned))
    line = next(csv.DictReader((out / "table.csv").read_text().splitlines()))
    assert line["coco_ap"] == "" and "–" in (out / "table.md").read_text()


def test_crowds_alone_are_refused_before_anything_is_predicted(sample, trained, tmp_path):
    path = all_crowds(sample[0], tmp_path)
    with pytest.raises(UserError, match=r"all 8 annotations of cat, dog are crowds .* objects"):
        drain(evaluate_coco(trained, path, sample[1], tmp_path / "out", HOW))
    assert not (tmp_path / "out").exists()


def test_a_file_without_images_is_refused(sample, trained, tmp_path):
    content = json.loads(sample[0].read_text())
    path = tmp_path / "none.json"
    path.write_text(json.dumps(content | {"images": [], "annotations": []}))
    with pytest.raises(UserError, match="lists no image"):
        drain(evaluate_coco(trained, path, sample[1], tmp_path / "out", HOW))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_where_nothing_was_trained_nothing_is_scored(sample, tmp_path, name):
    with pytest.raises(UserError, match=r"was not found|holds no network"):
        drain(evaluate_coco(tmp_path / name, *sample, tmp_path / "out", HOW))


def test_a_file_without_the_category_is_refused(sample, trained, tmp_path):
    content = json.loads(sample[0].read_text())
    content["categories"] = [c for c in content["categories"] if c["name"] != "dog"]
    content["annotations"] = [e for e in content["annotations"] if e["category_id"] != 5]
    path = tmp_path / "no_dogs.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="no category 'dog'"):
        drain(evaluate_coco(trained, path, sample[1], tmp_path / "out", HOW))


def test_a_missing_image_is_named(trained, tmp_path):
    path, folder = write_coco_sample(tmp_path / "coco")
    (folder / "000013.png").unlink()
    with pytest.raises(UserError, match=r"000013\.png"):
        drain(evaluate_coco(trained, path, folder, tmp_path / "out", HOW))
