"""The state of a run on disk, and whether it is still the same run."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_utile.arrays.splits import Region, Split
from napari_utile.engine.models.warm_start import WarmStart
from napari_utile.engine.training import checkpoints
from napari_utile.engine.training.checkpoints import (
    Checkpoints,
    TrainingPlan,
    plain_numbers,
    read_checkpoint,
)
from napari_utile.errors import UserError
from napari_utile.folders import run
from napari_utile.io.images import as_stack
from napari_utile.io.stack import Stack
from napari_utile.settings.training import TrainSettings

SPLIT = Split((Region(0, (0,)), Region(0, (1,))), (Region(0, (3,)),), "by hand")
STATE = {"weights": torch.arange(3.0), "events": 7}


def plan_of(images, labels, split=SPLIT, weights=None, **options):
    """The plan of a run of which no more is known."""
    setup = SimpleNamespace(
        settings=TrainSettings(**options),
        data=SimpleNamespace(split=split),
        warm_start=WarmStart("model", weights) if weights else None,
    )
    return TrainingPlan.of(setup, images, labels)


def plan(image=None, labels=None, weights=None, **options):
    pixels = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
    image = as_stack(pixels if image is None else image)
    labels = as_stack(pixels % 3 if labels is None else labels, name="labels")
    return plan_of([image], [labels], weights=weights, **options)


def pixels_with(place, value):
    pixels = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
    pixels[place] = value
    return pixels


def test_the_same_input_is_the_same_plan():
    assert plan() == plan()
    assert plan().differences(plan()) == []


@pytest.mark.parametrize(("z", "noticed"), [(0, True), (1, True), (2, False), (3, True)])
def test_every_plane_that_is_trained_on_or_validated_counts(z, noticed):
    """And none that nobody looks at."""
    image = pixels_with((z, 4, 5), 999)
    found = plan().differences(plan(image=image))
    assert found == ["the annotated images have changed"] * noticed
    found = plan().differences(plan(labels=image))
    assert ("the labels have changed" in found) or not noticed


@pytest.mark.parametrize("index", [(0,), (1,), (3,)])
def test_a_pair_may_differ_in_leading_axes_of_one_plane(index):
    pixels = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
    image, labels = Stack(pixels, "zyx"), Stack(pixels[None], "tzyx")
    changed = Stack(pixels_with((*index, 4, 5), 999)[None], "tzyx")
    plans = [plan_of([image], [ids]) for ids in (labels, labels, changed)]
    assert plans[0] == plans[1]
    assert plans[0].differences(plans[2]) == ["the labels have changed"]
    one = Split((Region(0, (), np.s_[:, :3]),), (Region(0, (), np.s_[:, 3:]),), "by hand")
    plan_of([Stack(pixels[0], "yx")], [Stack(pixels[:1], "zyx")], one)


def test_another_type_of_the_same_numbers_is_another_image():
    image = pixels_with((0, 0, 0), 0)
    assert plan().differences(plan(image=image.astype(np.uint32)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"width": 24}, ["width: 16 there, 24 here"]),
        ({"steps": 9, "seed": 1}, ["seed: 0 there, 1 here", "steps: 2000 there, 9 here"]),
        ({"class_balance": True}, ["class-balance: False there, True here"]),
        ({"device": "cpu", "precision": "bf16"}, []),
    ],
)
def test_settings_that_differ_are_named_with_both_values(options, said):
    assert plan().differences(plan(**options)) == said


def test_an_option_that_was_added_since_has_its_default():
    old = plan()
    del old.settings["patience"], old.settings["loss"]
    assert old.differences(plan()) == []
    assert old.differences(plan(loss="dice")) == ["loss: cross-entropy there, dice here"]
    assert old.differences(plan(patience=3)) == ["patience: none there, 3 here"]


def test_an_option_that_was_renamed_since_is_the_same():
    old = plan(validations_per_run=7)
    old.settings["validations"] = old.settings.pop("validations_per_run")
    assert old.differences(plan(validations_per_run=7)) == []
    assert old.differences(plan()) == ["validations-per-run: 7 there, 20 here"]


@pytest.mark.parametrize(
    ("there", "here", "said"),
    [
        (None, None, []),
        (1, 1, []),
        (1, 2, ["it was started from other parameters"]),
        (1, None, ["warm-start: a model there, none here"]),
        (None, 1, ["warm-start: none there, a model here"]),
    ],
)
def test_parameters_to_start_from_are_compared(there, here, said):
    first, second = (value and {"a": torch.full((2,), value)} for value in (there, here))
    assert plan(weights=first).differences(plan(weights=second)) == said


def test_the_two_newest_stay(tmp_path):
    saved = Checkpoints(tmp_path, plan())
    for step in (0, 9, 10, 100):
        saved.save(step, STATE | {"step": step})
    assert [p.name for p in sorted(tmp_path.iterdir())] == [
        "step_00000010.pt", "step_00000100.pt",
    ]  # fmt: skip
    again = Checkpoints(tmp_path, plan())
    assert again.find()
    assert again.state["step"] == 100
    assert torch.equal(again.state["weights"], STATE["weights"])
    assert again.damaged == ()


def test_a_new_folder_has_none(tmp_path):
    assert not Checkpoints(tmp_path / "none", plan()).find()


def test_numbers_of_numpy_are_no_obstacle(tmp_path):
    saved = Checkpoints(tmp_path, plan())
    saved.save(1, {"a": np.float64(0.5), "b": [np.int64(3), (np.bool_(True), "x")]})
    assert saved.find()
    assert (saved.state["a"], saved.state["b"]) == (0.5, [3, (True, "x")])
    assert type(plain_numbers(np.float32(1))) is float


def test_a_checkpoint_of_another_version_is_not_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "CHECKPOINT_FORMAT", 99)
    Checkpoints(tmp_path, plan()).save(1, STATE)
    monkeypatch.undo()
    with pytest.raises(UserError, match=r"another version of U-Tile.*Overwrite"):
        Checkpoints(tmp_path, plan()).find()


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "canary"), "w"))

    torch.save({"format": 1, "trap": Trap()}, tmp_path / "step_00000001.pt")
    assert read_checkpoint(tmp_path / "step_00000001.pt") is None
    assert not (tmp_path / "canary").exists()


def test_fault_38_a_full_disk_leaves_the_checkpoint_that_was_there(tmp_path, monkeypatch):
    saved = Checkpoints(tmp_path, plan())
    saved.save(1, STATE)

    class Full:
        free = 100

    monkeypatch.setattr(run.shutil, "disk_usage", lambda _: Full)
    with pytest.raises(UserError, match=r"step_00000002\.pt needs up to .* are missing"):
        saved.save(2, STATE)
    assert [p.name for p in tmp_path.iterdir()] == ["step_00000001.pt"]
    assert saved.find()


def test_windows_are_compared_by_the_settings_that_take_effect():
    """An older run recorded what was asked for."""
    old, new = plan(network="sliding-window"), plan(network="sliding-window", w0=0.0)
    assert old.differences(new) == new.differences(old) == []
    assert plan(w0=0.0).differences(plan()) == ["w0: 0.0 there, 2.0 here"]


def test_a_plan_keeps_the_names_that_older_versions_read(tmp_path):
    saved = Checkpoints(tmp_path, plan(weights={"a": torch.ones(2)}))
    saved.save(1, STATE)
    state = torch.load(tmp_path / "step_00000001.pt", weights_only=True)
    assert set(state["plan"]) == {"settings", "images", "labels", "weights"}
    assert saved.kept_plan() == saved.plan


def test_slices_that_are_seen_with_annotated_ones_count():
    changed = pixels_with((2, 0, 0), 999)  # between those that are split
    for context, noticed in ((0, []), (1, ["the annotated images have changed"])):
        assert plan(context=context).differences(plan(changed, context=context)) == noticed
