"""Several networks, one split, one budget, one folder."""

import json
import shutil

import numpy as np
import pytest
import torch

import napari_utile as utile
from napari_utile.engine.comparison import front
from napari_utile.engine.comparison.figures import draw_results
from napari_utile.engine.comparison.front import Progress, run_comparison
from napari_utile.engine.training.data.preparation import prepare
from napari_utile.engine.training.front import stacks_of
from napari_utile.errors import UserError
from napari_utile.evaluation import evaluate
from napari_utile.events import (
    CandidateDone,
    CandidateStarted,
    EpochDone,
    RunDone,
    RunStarted,
    StepDone,
    Warned,
)
from napari_utile.folders.comparison import as_json, as_split
from napari_utile.folders.run import Run
from napari_utile.io.images import open_image
from napari_utile.io.stack import Stack
from napari_utile.settings import CompareSettings, TrainSettings

torch.set_num_threads(1)

TINY = {
    "depth": 1, "width": 2, "tile": 16, "batch": 1, "steps": 4, "validations": 2,
    "device": "cpu", "precision": "fp32",
}  # fmt: skip
TWO = CompareSettings(**TINY, networks=("unet", "encoder-decoder"), seeds=(0, 1))
CANDIDATES = ["unet-seed0", "encoder-decoder-seed0", "unet-seed1", "encoder-decoder-seed1"]


def cells(shape=(5, 32, 40), seed=0):
    """A stack of bright squares, and their instances."""
    random = np.random.default_rng(seed)
    objects = np.zeros(shape, np.uint16)
    for x in range(2, shape[-1] - 5, 8):
        y = random.integers(2, 20)
        objects[..., y : y + 5, x : x + 5] = objects.max() + 1
    image = (random.normal(100, 10, shape) + 60 * (objects > 0)).clip(0, 255)
    return image.astype(np.uint8), objects


ONE_PLANE = cells((60, 400))
SHALLOW = CompareSettings(**TINY | {"steps": 1}, networks=("unet",), seeds=(1,))


def drained(run):
    """All events, and what the run returns."""
    events = []
    while True:
        try:
            events.append(next(run))
        except StopIteration as end:
            return events, end.value


def started(settings, out, data=None, **options):
    return run_comparison(*stacks_of(*(data or cells())), settings, out, **options)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Two networks with two seeds: the folder, its events, and what came of it."""
    out = tmp_path_factory.mktemp("comparison") / "out"
    events, result = drained(started(TWO, out))
    return out, events, result


@pytest.fixture(autouse=True)
def no_figures(compared, monkeypatch):
    """Drawing takes longer than the rest; the comparison that all look at is drawn."""
    monkeypatch.setattr(front, "draw", lambda *_, **__: None)


@pytest.fixture
def copy(compared, tmp_path):
    """The folder of a finished comparison, to be changed."""
    return shutil.copytree(compared[0], tmp_path / "copy")


@pytest.fixture
def trainings(monkeypatch):
    """Which run folders are trained from now on."""
    seen = []

    def run_training(images, labels, settings, out, *rest, **options):
        seen.append(out.name)
        return real(images, labels, settings, out, *rest, **options)

    real = front.run_training
    monkeypatch.setattr(front, "run_training", run_training)
    return seen


# what comes of it


def test_every_network_is_trained_with_every_seed(compared):
    out, _, result = compared
    assert [f"{run['network']}-seed{run['seed']}" for run in result.runs] == CANDIDATES
    for run in result.runs:
        folder = Run(out / f"{run['network']}-seed{run['seed']}")
        expected = TrainSettings(**TINY, network=run["network"], seed=run["seed"])
        assert TrainSettings.read(folder.settings) == expected
        assert utile.load_model(folder.model).trained_on["parameters"] == run["parameters"]
        assert run["steps"] == 4


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


def test_the_table_has_mean_and_spread_over_seeds(compared):
    out, _, result = compared
    rows = json.loads((out / "table.json").read_text())["rows"]
    assert [row["network"] for row in rows] == ["unet", "encoder-decoder"]
    ious = [run["iou"] for run in result.runs if run["network"] == "unet"]
    assert rows[0]["seeds"] == [0, 1]
    assert rows[0]["iou"] == pytest.approx(np.mean(ious))
    assert rows[0]["iou_std"] == pytest.approx(np.std(ious, ddof=1))
    assert (out / "table.md").read_text() == repr(result)
    assert "also chose the best checkpoint" in repr(result)
    assert (out / "table.csv").read_text().startswith("network,seeds,iou,iou_std,")


def test_the_folder_says_how_to_do_it_again(compared):
    out, _, _ = compared
    assert CompareSettings.read(out / "settings.json") == TWO
    for name in ("curves.png", "results.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")


def test_events_tell_the_story_once(compared):
    out, events, result = compared
    names = [
        e.event for e in events if e.event not in ("StepDone", "EpochDone", "PreviewReady")
    ]
    candidate = ["CandidateStarted", "TileDone", "CandidateDone"]
    assert names == ["RunStarted", *4 * candidate, "RunDone"]
    assert isinstance(events[0], RunStarted) and events[0].job == "compare"
    begun = [e for e in events if isinstance(e, CandidateStarted)]
    assert [(e.number, e.total) for e in begun] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [e.out for e in begun] == [str(out / name) for name in CANDIDATES]
    done = [e for e in events if isinstance(e, CandidateDone)]
    assert [dict(e.row, network=e.network, seed=e.seed) for e in done] == [
        *map(dict, result.runs)
    ]
    assert sum(isinstance(e, EpochDone) for e in events) == 4 * 2


def test_progress_is_that_of_the_whole(compared):
    steps = [e for e in compared[1] if isinstance(e, StepDone)]
    assert [e.progress for e in steps] == pytest.approx([k / 16 for k in range(1, 17)])
    assert steps[-1].seconds_left == pytest.approx(0, abs=1e-6)


def test_time_left_counts_the_networks_to_come():
    def training(left):
        yield StepDone(step=1, loss=1, learning_rate=1, progress=0.5, rate=1, seconds_left=left)
        return {}

    progress = Progress([None] * 3)
    (event,), _ = drained(progress.over_all(training(10.0)))
    assert event.seconds_left == pytest.approx(10 + 2 * 10, abs=0.1)
    progress.spent[:] = [40.0]  # what the first one took
    (event,), _ = drained(progress.over_all(training(10.0)))
    assert event.seconds_left == pytest.approx(10 + 40, abs=0.1)
    assert event.progress == pytest.approx((1 + 0.5) / 3)


# once more


def test_what_is_finished_is_not_computed_again(compared, copy, trainings, monkeypatch):
    monkeypatch.setattr(front, "judge", None)
    events, result = drained(started(TWO, copy))
    assert trainings == []
    assert result.runs == compared[2].runs
    assert isinstance(events[-1], RunDone)


def test_only_missing_parts_are_computed(compared, copy, trainings):
    shutil.rmtree(copy / "unet-seed1")
    (copy / "encoder-decoder-seed0/validation/scores.json").unlink()
    _, result = drained(started(TWO, copy))
    assert trainings == ["unet-seed1"]
    for again, before in zip(result.runs, compared[2].runs, strict=True):
        assert {k: v for k, v in again.items() if "seconds" not in k} == {
            k: v for k, v in before.items() if "seconds" not in k
        }


def test_a_comparison_that_was_stopped_goes_on(compared, tmp_path, trainings):
    run = started(TWO, tmp_path / "out")
    for event in run:
        if isinstance(event, StepDone) and event.progress > 0.4:  # in the second network
            break
    run.close()
    table = json.loads((tmp_path / "out/table.json").read_text())
    assert [row["network"] for row in table["rows"]] == ["unet"]
    _, result = drained(started(TWO, tmp_path / "out"))
    assert trainings == ["unet-seed0", *CANDIDATES[1:2], *CANDIDATES[1:]]
    assert [r["iou"] for r in result.runs] == [r["iou"] for r in compared[2].runs]


def test_networks_and_seeds_may_be_added(copy, trainings):
    more = CompareSettings(**TINY, networks=("unet", "encoder-decoder"), seeds=(0, 1, 2))
    _, result = drained(started(more, copy))
    assert trainings == ["unet-seed2", "encoder-decoder-seed2"]
    assert result.rows[0]["seeds"] == [0, 1, 2]
    assert CompareSettings.read(copy / "settings.json") == more


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
    (image,), labels = stacks_of(*cells())
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
    with pytest.raises(UserError, match="choose another folder, or replace it: --overwrite"):
        drained(started(TWO, copy))
    assert trainings == []


# the split is kept


def test_a_network_that_sees_more_may_be_added(tmp_path, trainings, monkeypatch):
    fields = {"unet": 21, "segnet": 45}
    monkeypatch.setattr(front, "receptive_field", lambda s: fields[s.network])
    drained(started(SHALLOW, tmp_path, ONE_PLANE))
    before = (tmp_path / "data.json").read_text()
    more = SHALLOW.model_copy(update={"networks": ("unet", "segnet")})
    _, result = drained(started(more, tmp_path, ONE_PLANE))
    assert trainings == ["unet-seed1", "segnet-seed1"]
    assert [row["network"] for row in result.rows] == ["unet", "segnet"]
    assert (tmp_path / "data.json").read_text() == before
    assert "Only 21 px lie between training and validation, and segnet sees 45 px" in repr(
        result
    )
    splits = {
        utile.load_model(tmp_path / name / "model").trained_on["split"] for name in trainings
    }
    assert len(splits) == 1


def test_a_seed_may_be_added_before_the_others(tmp_path, trainings):
    """The first one chose the images to validate by."""
    images, labels = zip(*(cells((32, 40), seed) for seed in range(5)), strict=True)
    data = (list(images), list(labels))
    drained(started(SHALLOW, tmp_path, data))
    truth = open_image(tmp_path / "validation/truth.tif").read()
    more = SHALLOW.model_copy(update={"seeds": (0, 1, 2)})
    drained(started(more, tmp_path, data))
    assert trainings == ["unet-seed1", "unet-seed0", "unet-seed2"]
    np.testing.assert_array_equal(open_image(tmp_path / "validation/truth.tif").read(), truth)


@pytest.mark.parametrize("data", [cells(), ONE_PLANE, tuple(map(list, cells()))])
def test_a_split_reads_back_as_it_was_written(data):
    """By slice, by block, by image."""
    split = prepare(*stacks_of(*data), TrainSettings(), 21).split
    assert as_split(json.loads(json.dumps(as_json(split)))) == split


# begun anew


def test_overwrite_begins_anew(copy, trainings):
    other = CompareSettings(**TINY | {"steps": 2}, networks=("unet",))
    _, result = drained(started(other, copy, overwrite=True))
    assert trainings == ["unet-seed0"]
    assert result.runs[0]["steps"] == 2


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


def test_a_run_of_other_settings_is_trained_anew(copy, trainings):
    other = TrainSettings(**TINY | {"steps": 9}, network="unet", seed=0)
    (copy / "unet-seed0/settings.json").write_text(other.text())
    events, result = drained(started(TWO, copy))
    assert trainings == ["unet-seed0"]
    (warning,) = [event.message for event in events if isinstance(event, Warned)]
    assert "another run (steps: 9 there, 4 here): unet-seed0 is trained anew" in warning
    assert [run["steps"] for run in result.runs] == [4] * 4
    run = Run(copy / "unet-seed0")
    assert TrainSettings.read(run.settings) == TWO.candidate("unet", 0)


def test_another_device_makes_no_other_run(copy, trainings):
    other = TrainSettings(**TINY | {"precision": "bf16"}, network="unet", seed=0)
    (copy / "unet-seed0/settings.json").write_text(other.text())
    drained(started(TWO, copy))
    assert trainings == []


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is no comparison; choose another name"):
        drained(started(TWO, tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


# what goes wrong


def test_one_that_fails_is_named_and_the_others_are_done(tmp_path, monkeypatch):
    real = front.run_training

    def run_training(images, labels, settings, *rest, **options):
        if settings.network == "unet":
            raise UserError("The loss is no longer a number.")
        return (yield from real(images, labels, settings, *rest, **options))

    monkeypatch.setattr(front, "run_training", run_training)
    one_seed = TWO.model_copy(update={"seeds": (0,)})
    events, result = drained(started(one_seed, tmp_path / "out"))
    assert [run["network"] for run in result.runs] == ["encoder-decoder"]
    assert events[-1].failed == ("unet-seed0: The loss is no longer a number.",)
    assert any(isinstance(e, Warned) and "unet-seed0 is left out" in e.message for e in events)


def test_if_all_fail_there_is_nothing_to_compare(tmp_path):
    bad = CompareSettings(
        **TINY | {"learning_rate": 1e30}, networks=("unet",), optimizer="sgd", norm="none"
    )
    with pytest.raises(
        UserError, match=r"No network could be trained. unet-seed0: The loss is"
    ):
        drained(started(bad, tmp_path / "out"))


def test_the_guard_band_fits_the_largest_network(tmp_path):
    image, labels = cells((60, 400))
    both = CompareSettings(
        **TINY | {"depth": 2, "steps": 1}, networks=("unet", "encoder-decoder")
    )
    shallow = CompareSettings(**TINY | {"steps": 1}, networks=("unet",))
    guards = {}
    for name, settings in (("both", both), ("shallow", shallow)):
        candidates = [
            front.Candidate(settings.candidate(n, 0), tmp_path) for n in settings.networks
        ]
        guards[name] = max(front.receptive_fields(candidates).values())
        drained(started(settings, tmp_path / name, (image, labels)))
        assert json.loads((tmp_path / name / "data.json").read_text())["guard"] == guards[name]
    # margin of a padded U-Net: 6 * 2^depth - 2 pixels on each side
    assert guards == {"both": 2 * 22 + 1, "shallow": 2 * 10 + 1}


def test_the_guard_band_is_that_of_the_network_that_sees_most(tmp_path, monkeypatch):
    fields = {"unet": 45, "fcn": 101, "segnet": 77}
    monkeypatch.setattr(front, "receptive_field", lambda s: fields[s.network])
    candidates = [front.Candidate(TrainSettings(network=n), tmp_path) for n in fields]
    assert front.receptive_fields(candidates) == fields
    settings = CompareSettings(**TINY | {"steps": 1}, networks=("unet", "fcn", "segnet"))
    next(run := started(settings, tmp_path / "out", cells((60, 600))))
    run.close()
    assert json.loads((tmp_path / "out/data.json").read_text())["guard"] == 101


def test_seeds_share_the_split_of_several_images(tmp_path, monkeypatch):
    """Alone, each seed would choose other images to validate by."""
    splits = []

    def run_training(*stacks_and_settings, split):
        splits.append(split)
        return (yield from real(*stacks_and_settings, split=split))

    real = front.run_training
    monkeypatch.setattr(front, "run_training", run_training)
    images, labels = zip(*(cells((32, 40), seed) for seed in range(5)), strict=True)
    settings = CompareSettings(**TINY | {"steps": 1}, networks=("unet",), seeds=(0, 1, 2))
    drained(started(settings, tmp_path, (list(images), list(labels))))
    assert len(splits) == 3
    assert splits[0] is not None and splits == [splits[0]] * 3
    truth = open_image(tmp_path / "validation/truth.tif").read()
    for seed in range(3):
        found = open_image(tmp_path / f"unet-seed{seed}/validation/probabilities.tif").read()
        row = json.loads((tmp_path / f"unet-seed{seed}/validation/scores.json").read_text())
        assert row["iou"] == pytest.approx(evaluate(found, truth)["iou"])


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
    folder = out / "unet-seed0/validation"
    draw_results(tmp_path / "results.png", out / "validation", {"unet": (row, folder)})
    assert (tmp_path / "results.png").exists()


def test_from_python(tmp_path):
    result = utile.compare(
        *cells(), TrainSettings(**TINY), networks=["unet"], seeds=[3], out=tmp_path / "out"
    )
    assert [run["seed"] for run in result.runs] == [3]
    assert "One seed (3)" in repr(result)
    longer = TrainSettings(**TINY | {"steps": 5})
    again = {"networks": ["unet"], "seeds": [3], "out": tmp_path / "out"}
    with pytest.raises(UserError, match=r"in Python overwrite=True"):
        utile.compare(*cells(), longer, **again)
    replaced = utile.compare(*cells(), longer, **again, overwrite=True)
    assert replaced.runs[0]["steps"] == 5
    assert result.rows[0]["iou_std"] is None


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
