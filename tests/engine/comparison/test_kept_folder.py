"""The folder of a comparison: of what it is, and what of it is taken or left alone."""

import pytest
import torch

from napari_utile.engine.comparison.front import run_comparison
from napari_utile.errors import UserError
from napari_utile.events import (
    CandidateDone,
)
from napari_utile.io.pairs import stack_pairs
from napari_utile.io.stack import Stack
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.training import TrainSettings
from tests.fixtures.comparison import ONE_PLANE, SHALLOW, TINY, TWO, cells, drained, started

torch.set_num_threads(1)
pytestmark = pytest.mark.usefixtures("no_figures")

# once more


def test_another_setting_is_refused_by_name(copy, trainings):
    other = CompareSettings(**TINY | {"steps": 5}, networks=TWO.networks, seeds=TWO.seeds)
    with pytest.raises(UserError, match=r"differs .steps: 4 there, 5 here.; choose another"):
        drained(started(other, copy))
    assert trainings == []
    assert CompareSettings.read(copy / "settings.json") == TWO


@pytest.mark.parametrize("others", ["pixels", "labels", "slices", "shape", "images"])
def test_other_images_or_labels_are_refused(copy, trainings, others):
    image, labels = cells()
    other_image, other_labels = cells(seed=1)
    data, what = {
        "pixels": ((other_image, labels), "the annotated images have changed"),
        "labels": ((image, other_labels), "the labels have changed"),
        "slices": ((image[:3], labels[:3]), "the labels have changed"),
        "shape": ((image[:3], labels), "is no image that fits the labels"),
        "images": (([image] * 2, [labels] * 2), "the labels have changed"),
    }[others]
    before = (copy / "data.json").read_text()
    with pytest.raises(UserError, match=what):
        drained(started(TWO, copy, data))
    assert trainings == [] and (copy / "data.json").read_text() == before


def test_fewer_slices_of_the_image_alone_are_refused(copy, trainings):
    (image,), labels = stack_pairs(*cells())
    fewer = Stack(image.data[:3], image.axes)
    with pytest.raises(UserError, match="the annotated images have changed"):
        drained(run_comparison([fewer], labels, TWO, copy))
    assert trainings == []


def test_other_pixels_are_seen_where_image_and_labels_differ_by_an_axis_of_one(tmp_path):
    pixels, labels = ONE_PLANE[0][None], [Stack(ONE_PLANE[1], "yx")]
    image, other = Stack(pixels, "zyx"), Stack(255 - pixels, "zyx")
    drained(run_comparison([image], labels, SHALLOW, tmp_path))
    with pytest.raises(UserError, match="the annotated images have changed"):
        drained(run_comparison([other], labels, SHALLOW, tmp_path))


def test_more_slices_of_annotations_are_refused(tmp_path):
    """They belong to no part of the split that is kept."""
    image, labels = cells()
    settings = CompareSettings(**TINY | {"steps": 1}, networks=("unet",), ignore=99)
    sparse = labels.copy()
    sparse[0] = 99
    drained(started(settings, tmp_path, (image, sparse)))
    with pytest.raises(UserError, match="the labels have changed"):
        drained(started(settings, tmp_path, (image, labels)))


@pytest.mark.parametrize("text", [None, "{}", "[]", '{"pixels": "1a", "split": "by slice"}'])
def test_runs_that_learnt_from_nobody_knows_what_are_not_taken(copy, trainings, text):
    (copy / "data.json").unlink() if text is None else (copy / "data.json").write_text(text)
    with pytest.raises(UserError, match="choose another folder, or overwrite it"):
        drained(started(TWO, copy))
    assert trainings == []


# begun anew


OTHER = CompareSettings(**TINY | {"steps": 2}, networks=TWO.networks, seeds=(0,))


def test_results_of_a_comparison_that_was_replaced_are_not_taken(copy, trainings):
    alone = OTHER.model_copy(update={"networks": ("unet",)})
    drained(started(alone, copy, overwrite=True))
    _, result = drained(started(OTHER, copy))
    assert trainings == ["unet-seed0", "encoder-decoder-seed0"]
    assert [run["steps"] for run in result.runs] == [2, 2]


def test_nor_if_it_was_stopped_after_the_first_network(copy, trainings):
    run = started(OTHER, copy, cells(seed=1), overwrite=True)
    next(event for event in run if isinstance(event, CandidateDone))
    run.close()
    assert not (copy / "curves.png").exists()
    _, result = drained(started(OTHER, copy, cells(seed=1)))
    assert trainings == ["unet-seed0", "encoder-decoder-seed0"]
    assert [run["steps"] for run in result.runs] == [2, 2]


def test_to_replace_a_comparison_leaves_what_is_no_run_of_it(copy):
    mine = [
        copy / "notes.txt",
        copy / "segnet-seed0/paper.pdf",
        copy / "best/settings.json",
        copy / "unet-seed1/notes.txt",
    ]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text(TrainSettings().text())
    drained(started(OTHER, copy, overwrite=True))
    assert all(path.exists() for path in mine)
    assert not (copy / "encoder-decoder-seed1").exists()
    assert not (copy / "unet-seed1/model").exists()
    _, result = drained(started(OTHER.model_copy(update={"seeds": (0, 1)}), copy))
    assert [run["steps"] for run in result.runs] == [2] * 4


def test_input_that_cannot_be_used_does_not_cost_the_old_comparison(copy):
    image, labels = cells()
    before = sorted(path for path in copy.rglob("*") if not path.name.startswith("."))
    with pytest.raises(UserError, match="no object"):
        drained(started(OTHER, copy, (image, 0 * labels), overwrite=True))
    after = sorted(path for path in copy.rglob("*") if not path.name.startswith("."))
    assert before == after


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is no comparison; choose another name"):
        drained(started(TWO, tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
