"""Networks trained on the images of a COCO file: what is learnt, kept, and refused."""

import json

import numpy as np
import pytest
from PIL import Image

from napari_utile.coco.annotations import read_coco
from napari_utile.coco.experiment.images import small_images
from napari_utile.coco.experiment.train import train_coco
from napari_utile.engine.models.model import load_model
from napari_utile.errors import UserError
from napari_utile.events import CandidateDone, RunStarted, StepDone, Warned, drain
from napari_utile.io.images import open_image
from napari_utile.settings.coco import CocoSettings
from napari_utile.settings.comparison import CompareSettings
from tests.fixtures.coco_sample import all_crowds, write_coco_sample

TINY = {
    "recipe": "photos", "depth": 1, "width": 2, "tile": 16, "batch": 1, "steps": 2,
    "validations_per_run": 1, "validation_share": 0.4, "device": "cpu", "precision": "fp32",
}  # fmt: skip
ANIMALS = CocoSettings(category=("animal",), longest_side=32)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_coco_sample(tmp_path_factory.mktemp("coco"))


@pytest.fixture(scope="module")
def trained(sample, tmp_path_factory):
    """A folder with a U-Net and the CNN, and the events of the run."""
    out = tmp_path_factory.mktemp("trained") / "run"
    return out, list(train_coco(*sample, out, settings(), ANIMALS))


def settings(networks=("unet", "encoder-decoder"), seeds=(0,), **more):
    return CompareSettings(**TINY | more, networks=networks, seeds=seeds)


def again(sample, out, *given, **more):
    return list(train_coco(*sample, out, *given, **more))


def refusal(sample, out, *given):
    with pytest.raises(UserError) as refused:
        drain(train_coco(*sample, out, *given))
    return str(refused.value)


def test_every_network_is_trained_on_color_images(trained):
    out, events = trained
    assert [e.network for e in events if isinstance(e, CandidateDone)] == [
        "unet",
        "encoder-decoder",
    ]
    assert load_model(out / "unet-seed0").in_channels == 3
    assert {row["network"] for row in json.loads((out / "table.json").read_text())["rows"]} == {
        "unet",
        "encoder-decoder",
    }


def test_what_is_learnt_is_written_beside_the_runs(trained):
    out, _ = trained
    learnt = json.loads((out / "coco.json").read_text())
    assert learnt.pop("files") == [f"0000{id}.png" for id in range(11, 17)]
    assert learnt == {
        "names": ["cat", "dog"],
        "kinds": False,
        "longest_side": 32,
        "negatives": True,
    }


def test_images_without_the_category_are_learnt_as_background(sample, trained, tmp_path):
    _, events = trained
    assert "4 images to train, 2 to validate" in str(
        next(e.facts for e in events if isinstance(e, RunStarted) and e.job == "compare")
    )
    assert any("1 of 6 images has no object (000014.png); it is learnt" in e.message
               for e in events if isinstance(e, Warned))  # fmt: skip
    without = ANIMALS.model_copy(update={"negatives": False})
    started = next(train_coco(*sample, tmp_path / "run", settings(), without))
    assert started.facts["split"] == "3 images to train, 2 to validate"


def test_crowds_are_ignored(trained):
    out, _ = trained
    assert json.loads((out / "settings.json").read_text())["ignore"] == 65535
    shown = [open_image(path).read() for path in (out / "validation").glob("truth*.tif")]
    assert max(labels.max() for labels in shown) < 10


def test_crowds_are_counted(trained):
    _, events = trained
    facts = next(e.facts for e in events if isinstance(e, RunStarted) and e.job == "compare")
    assert facts["crowds"] == "1 of 8 annotations, ignored"
    assert (facts["images"], facts["objects"]) == (6, 7)


def test_crowds_alone_are_refused_and_may_be_taken_as_objects(sample, tmp_path):
    crowds = all_crowds(sample[0], tmp_path), sample[1]
    line = refusal(crowds, tmp_path / "run", settings(), ANIMALS)
    assert "all 8 annotations of cat, dog are crowds" in line and "crowds as objects" in line
    objects = ANIMALS.model_copy(update={"crowds_as_objects": True})
    started = next(train_coco(*crowds, tmp_path / "run", settings(), objects))
    assert started.facts["objects"] == 8 and "crowds" not in started.facts


def test_a_broken_entry_is_left_out_on_demand(sample, tmp_path):
    content = json.loads(sample[0].read_text())
    content["annotations"][0]["segmentation"] = []
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(content))
    line = refusal((broken, sample[1]), tmp_path / "run", settings(), ANIMALS)
    assert "annotation 1 (image 11, 000011.png) has an empty" in line and "skip broken" in line
    run = train_coco(broken, sample[1], tmp_path / "run", settings(skip_broken=True), ANIMALS)
    warned, started = next(run), next(run)
    assert warned.message.startswith(f"{broken}: skipped for 1 fault: annotation 1 ")
    assert started.facts["objects"] == 6


def test_what_is_finished_is_not_trained_again(sample, trained):
    out, _ = trained
    events = again(sample, out, settings(seeds=(0, 1), networks=("unet",)), ANIMALS)
    assert sum(isinstance(event, StepDone) for event in events) == TINY["steps"]
    done = [event for event in events if isinstance(event, CandidateDone)]
    assert [event.seed for event in done] == [0, 1]


def test_a_run_that_was_stopped_goes_on_where_it_was(sample, tmp_path):
    run = train_coco(
        *sample, tmp_path / "run", settings(steps=4, validations_per_run=2), ANIMALS
    )
    for event in run:
        if isinstance(event, StepDone) and event.step == 3:
            break
    run.close()
    events = again(sample, tmp_path / "run", settings(steps=4, validations_per_run=2), ANIMALS)
    steps = [event.step for event in events if isinstance(event, StepDone)]
    assert steps == [4, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("coco", "words"),
    [
        ({"category": ("cat",)}, "names: cat, dog there, cat here"),
        ({"longest_side": 16}, "longest-side: 32 there, 16 here"),
        ({"negatives": False}, "negatives: True there, False here"),
    ],
)
def test_another_choice_in_the_same_folder_is_refused_in_words(sample, trained, coco, words):
    line = refusal(sample, trained[0], settings(), ANIMALS.model_copy(update=coco))
    assert words in line
    assert "or overwrite it" in line


def test_another_choice_may_replace_it(sample, tmp_path):
    one = settings(networks=("unet",))
    again(sample, tmp_path / "run", one, ANIMALS)
    cups = CocoSettings(category=("cup",), longest_side=32)
    again(sample, tmp_path / "run", one, cups, overwrite=True)
    assert json.loads((tmp_path / "run" / "coco.json").read_text())["names"] == ["cup"]


def test_categories_can_be_told_apart(sample, tmp_path):
    classes = settings(networks=("unet",), target="classes")
    again(sample, tmp_path / "run", classes, CocoSettings(longest_side=32))
    assert load_model(tmp_path / "run" / "unet-seed0").ids == (0, 1, 2, 3)


def test_a_category_that_no_image_shows_is_refused(tmp_path):
    path, folder = write_coco_sample(tmp_path / "coco")
    content = json.loads(path.read_text())
    content["categories"].append({"id": 12, "name": "yeti", "supercategory": "animal"})
    path.write_text(json.dumps(content))
    coco = CocoSettings(category=("yeti",))
    assert "shows no yeti" in refusal((path, folder), tmp_path / "run", settings(), coco)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("given", [{"ignore": 3}, {"sparse": True}])
def test_what_coco_says_itself_cannot_be_said_otherwise(sample, tmp_path, given):
    line = refusal(sample, tmp_path / "run", settings(**given), ANIMALS)
    assert "leave out ignore and sparse" in line


def test_a_cut_off_image_is_named(tmp_path):
    path, folder = write_coco_sample(tmp_path / "coco")
    whole = (folder / "000013.png").read_bytes()
    (folder / "000013.png").write_bytes(whole[: len(whole) // 2])
    line = refusal((path, folder), tmp_path / "run", settings(), ANIMALS)
    assert "000013.png is cut off" in line


def test_a_mask_made_small_stays_gray(tmp_path):
    half = np.zeros((40, 40), bool)
    half[:, ::4] = True
    Image.fromarray(half).save(tmp_path / "a.png")
    image = {"id": 1, "file_name": "a.png", "height": 40, "width": 40}
    content = {"images": [image], "annotations": [], "categories": []}
    (tmp_path / "a.json").write_text(json.dumps(content))
    coco = read_coco(tmp_path / "a.json", tmp_path)
    (small,) = small_images(coco, coco.images, 10)
    assert set(np.unique(small.data)) == {255 // 4}


def test_pictures_have_no_other_slices(sample, tmp_path):
    said = refusal(sample, tmp_path / "run", settings(context=1), ANIMALS)
    assert said.startswith("3 slices are to be seen at once (context 1), and '")
    assert "has no other slices" in said
    assert not (tmp_path / "run" / "unet-seed0").exists()
