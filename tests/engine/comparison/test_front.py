"""Several networks, one split, one budget, one folder."""

import json
import shutil

import numpy as np
import pytest
import torch

import napari_utile as utile
from napari_utile.engine.comparison import front
from napari_utile.engine.comparison.front import ComparisonProgress
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
from napari_utile.folders.run import Run
from napari_utile.io.images import open_image
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.training import TrainSettings
from tests.fixtures.comparison import (
    CANDIDATES,
    ONE_PLANE,
    SHALLOW,
    TINY,
    TWO,
    cells,
    drained,
    started,
)

torch.set_num_threads(1)
pytestmark = pytest.mark.usefixtures("no_figures")

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

    progress = ComparisonProgress([None] * 3)
    (event,), _ = drained(progress.follow(training(10.0)))
    assert event.seconds_left == pytest.approx(10 + 2 * 10, abs=0.1)
    progress.spent[:] = [40.0]  # what the first one took
    (event,), _ = drained(progress.follow(training(10.0)))
    assert event.seconds_left == pytest.approx(10 + 40, abs=0.1)
    assert event.progress == pytest.approx((1 + 0.5) / 3)


# once more


def test_what_is_finished_is_not_computed_again(compared, copy, trainings, monkeypatch):
    monkeypatch.setattr(front, "score_model", None)
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


# the split is kept


def test_a_network_that_sees_more_may_be_added(tmp_path, trainings, monkeypatch):
    fields = {"unet": 21, "segnet": 45}
    monkeypatch.setattr(front, "receptive_field", lambda s, _: 2 * (fields[s.network],))
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


# begun anew


def test_overwrite_begins_anew(copy, trainings):
    other = CompareSettings(**TINY | {"steps": 2}, networks=("unet",))
    _, result = drained(started(other, copy, overwrite=True))
    assert trainings == ["unet-seed0"]
    assert result.runs[0]["steps"] == 2


def test_a_run_of_other_settings_is_trained_anew(copy, trainings):
    other = TrainSettings(**TINY | {"steps": 9}, network="unet", seed=0)
    (copy / "unet-seed0/settings.json").write_text(other.text())
    events, result = drained(started(TWO, copy))
    assert trainings == ["unet-seed0"]
    (warning,) = [event.message for event in events if isinstance(event, Warned)]
    assert (
        "a run of other settings (steps: 9 there, 4 here): unet-seed0 is trained again"
        in warning
    )
    assert [run["steps"] for run in result.runs] == [4] * 4
    run = Run(copy / "unet-seed0")
    assert TrainSettings.read(run.settings) == TWO.candidate("unet", 0)


def test_another_device_makes_no_other_run(copy, trainings):
    other = TrainSettings(**TINY | {"precision": "bf16"}, network="unet", seed=0)
    (copy / "unet-seed0/settings.json").write_text(other.text())
    drained(started(TWO, copy))
    assert trainings == []


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
        guards[name] = max(front.receptive_fields(candidates).values())[-1]
        drained(started(settings, tmp_path / name, (image, labels)))
        assert json.loads((tmp_path / name / "data.json").read_text())["guard"] == guards[name]
    # margin of a padded U-Net: 6 * 2^depth - 2 pixels on each side
    assert guards == {"both": 2 * 22 + 1, "shallow": 2 * 10 + 1}


def test_the_guard_band_is_that_of_the_network_that_sees_most(tmp_path, monkeypatch):
    fields = {"unet": (45, 45), "fcn": (11, 101), "segnet": (77, 77)}
    monkeypatch.setattr(front, "receptive_field", lambda s, _: fields[s.network])
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


def test_from_python(tmp_path):
    result = utile.compare(
        *cells(), TrainSettings(**TINY), networks=["unet"], seeds=[3], out=tmp_path / "out"
    )
    assert [run["seed"] for run in result.runs] == [3]
    assert "One seed (3)" in repr(result)
    longer = TrainSettings(**TINY | {"steps": 5})
    again = {"networks": ["unet"], "seeds": [3], "out": tmp_path / "out"}
    with pytest.raises(UserError, match="or overwrite it"):
        utile.compare(*cells(), longer, **again)
    replaced = utile.compare(*cells(), longer, **again, overwrite=True)
    assert replaced.runs[0]["steps"] == 5
    assert result.rows[0]["iou_std"] is None
