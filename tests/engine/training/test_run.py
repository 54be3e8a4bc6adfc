"""A whole training run: what it says, keeps and gives."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from napari_utile.engine.models.model import load_model
from napari_utile.engine.prediction.in_memory import logits
from napari_utile.engine.training import run as run_module
from napari_utile.engine.training import setup as set_up
from napari_utile.engine.training.options import effective_settings
from napari_utile.engine.training.run import TrainingRun, run_training
from napari_utile.engine.training.setup import set_up_training
from napari_utile.engine.training.validation import validate
from napari_utile.events import EpochDone, PreviewReady, RunDone, RunStarted, StepDone, Warned
from napari_utile.folders.model_writing import write_name
from napari_utile.io.images import open_image
from napari_utile.networks import EncoderDecoder, UNet
from napari_utile.settings.training import TrainSettings
from tests.fixtures.new_run import new_run
from tests.fixtures.tiny_training import TINY, cells, drained, stacks, start, tiny

torch.set_num_threads(1)


def test_a_run_starts_steps_validates_previews_and_ends(tmp_path):
    with new_run(tmp_path / "run", tiny()) as run:
        events, model = drained(start(tiny(), run))
    names = [event.event for event in events if not isinstance(event, PreviewReady)]
    assert names == ["RunStarted", *["StepDone", "StepDone", "EpochDone"] * 2, "RunDone"]
    started, done = events[0], events[-1]
    assert (started.job, started.total, started.minutes) == ("train", 4, None)
    assert started.device.startswith("cpu")
    assert started.facts["split"] == "3 slices to train, 1 to validate"
    assert started.facts["parameters"] == sum(p.numel() for p in model.network.parameters())
    assert started.out == done.out == str(tmp_path / "run")
    best = min((e for e in events if isinstance(e, EpochDone)), key=lambda e: e.val_loss)
    assert done.scores == best.scores == model.scores


def test_a_preview_follows_every_best_and_shows_its_place(tmp_path):
    pair = [array[0] for array in cells()]
    with new_run(tmp_path / "run", tiny()) as run:
        events, _ = drained(start(tiny(validation_share=0.4), run, pair))
        for event, after in pairwise(events):
            if isinstance(event, EpochDone):
                assert isinstance(after, PreviewReady) == event.is_best
        preview = next(event for event in events if isinstance(event, PreviewReady))
        pixels = open_image(preview.path).read()
    assert preview.index == ()
    assert preview.origin[0] == 0
    # the block at the right end of the image
    assert preview.origin[1] + pixels.shape[1] == 40
    assert pixels.shape[0] == 32
    assert 0 <= pixels.min() <= pixels.max() <= 1


def test_the_best_model_on_disk_is_the_one_returned(tmp_path):
    with new_run(tmp_path / "run", tiny()) as run:
        _, model = drained(start(tiny(), run))
    saved = load_model(tmp_path / "run")
    for name, value in model.network.state_dict().items():
        assert torch.equal(saved.network.state_dict()[name], value)
    assert saved.settings == model.settings == tiny()
    assert saved.normalization == model.normalization
    assert saved.trained_on == model.trained_on
    assert not model.network.training


@pytest.mark.parametrize("rate", [0.01, 0.5])
def test_the_model_is_the_network_of_the_best_validation(rate):
    # with the higher rate it is not the last one
    settings = tiny(
        steps=8, validations_per_run=8, learning_rate=rate, schedule="constant", seed=1, w0=10
    )
    setup = set_up_training(*stacks(*cells()), settings)
    events, model = drained(TrainingRun(setup).events())
    losses = [event.val_loss for event in events if isinstance(event, EpochDone)]
    assert (losses[-1] > min(losses)) == (rate > 0.1)
    again = validate(model.network, setup.data.validation, torch.device("cpu"))
    assert again.loss == pytest.approx(min(losses), rel=1e-5)


def test_what_a_validation_warned_of_is_not_said_again_by_a_run_that_is_resumed(
    tmp_path, monkeypatch
):
    def warning(*arguments):
        return replace(validate(*arguments), warnings=("It is late.",))

    monkeypatch.setattr(run_module, "validate", warning)
    settings = tiny(steps=4, validations_per_run=4)
    said = 0
    for _ in range(2):
        run = run_training(*stacks(*cells()), settings, tmp_path / "run")
        for event in run:
            said += isinstance(event, Warned) and event.message == "It is late."
            if isinstance(event, StepDone) and event.step == 3:
                break  # the second time it is not taken again
        run.close()
    assert said == 1


@pytest.mark.parametrize("stop_at", [RunStarted, StepDone, EpochDone])
def test_stopping_leaves_a_model_that_can_be_used(tmp_path, stop_at):
    settings = tiny(steps=100, validations_per_run=50)
    with new_run(tmp_path / "run", settings) as run:
        events = start(settings, run)
        for event in events:
            if isinstance(event, stop_at):
                break
        events.close()
    model = load_model(tmp_path / "run")
    assert logits(model.network, np.zeros((1, 20, 20), np.float32)).shape == (2, 20, 20)
    assert bool(model.scores) == (stop_at is EpochDone)


def test_the_same_seed_gives_the_same_model_bit_for_bit():
    settings = tiny(seed=5, batch=2, dropout=0.1)
    models = [drained(start(settings))[1] for _ in range(2)]
    first, again = (model.network.state_dict() for model in models)
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = drained(start(tiny(seed=6, batch=2, dropout=0.1)))[1].network.state_dict()
    assert not torch.equal(first["classify.weight"], other["classify.weight"])


def test_the_seed_draws_the_weights_to_start_from():
    def first_weights(seed):
        settings = tiny(steps=1, seed=seed, learning_rate=1e-30, weight_decay=0)
        return drained(start(settings))[1].network.state_dict()["classify.weight"]

    assert torch.equal(first_weights(1), first_weights(1))
    assert not torch.equal(first_weights(1), first_weights(2))


def test_the_same_seed_gives_the_same_model_with_and_without_a_folder(tmp_path):
    with new_run(tmp_path / "run", tiny()) as run:
        kept = drained(start(tiny(), run))[1].network.state_dict()
    plain = drained(start(tiny()))[1].network.state_dict()
    assert all(torch.equal(kept[name], plain[name]) for name in kept)


def test_what_is_doubtful_is_said_before_the_first_step():
    image, objects = cells()
    objects[1] = 0
    events, _ = drained(start(tiny(tile=64), pair=(image, objects)))
    warnings = [event.message for event in events if isinstance(event, Warned)]
    assert [type(event) for event in events[1:4]] == [Warned, Warned, StepDone]
    assert "1 of 4 slices of 'em' has no object" in warnings[0]
    assert warnings[1] == "The images are small: the training tile is 40 px."


def test_the_paper_learns_too():
    paper = TrainSettings(recipe="paper", **TINY | {"steps": 2, "tile": 20})
    events, model = drained(start(paper))
    assert model.network.padding == "valid"
    assert isinstance(events[-1], RunDone)


@pytest.mark.parametrize("options", [{"output": "sigmoid"}, {"network": "encoder-decoder"}])
def test_other_networks_learn_too(options):
    _, model = drained(start(tiny(steps=1, **options)))
    assert model.classes == (1 if "output" in options else 2)
    assert isinstance(model.network, UNet if "output" in options else EncoderDecoder)


def test_several_classes_have_a_map_each():
    image, objects = cells()
    kinds = np.where(objects > 2, 20, 10 * (objects > 0))
    _, model = drained(start(tiny(steps=1, target="classes"), pair=(image, kinds)))
    assert (model.ids, model.classes, model.target) == ((0, 10, 20), 3, "classes")


def test_a_run_that_ends_early_says_why(monkeypatch):
    settings = tiny(
        steps=20, validations_per_run=20, patience=2, learning_rate=1e-30, weight_decay=0
    )
    events, _ = drained(start(settings))
    warned, done = events[-2:]
    assert isinstance(warned, Warned) and isinstance(done, RunDone)
    steps = sum(isinstance(event, StepDone) for event in events)
    assert steps < 20
    assert warned.message == done.reason
    assert done.reason.startswith(f"Ended early, after step {steps}: no validation of")


def test_a_run_that_uses_its_budget_gives_no_reason():
    events, _ = drained(start(tiny(patience=5)))
    assert events[-1].reason == ""


def test_windows_record_the_settings_that_they_were_trained_with(tmp_path):
    asked = tiny(network="sliding-window", steps=1, class_balance=True, batch=2)
    run = run_training(*stacks(*cells((4, 64, 64))), asked, tmp_path / "run")
    started = next(run)
    messages = [event.message for event in run if isinstance(event, Warned)]
    assert "The network sliding-window has no class_balance: True is not used." in messages
    recorded = TrainSettings.read(tmp_path / "run" / "settings.json")
    model = load_model(tmp_path / "run")
    setup = set_up_training(*stacks(*cells((4, 64, 64))), recorded)
    assert recorded == model.settings == effective_settings(asked) == setup.settings
    assert (recorded.sampling, recorded.w0, recorded.class_balance) == ("classes", 0, False)
    assert started.facts["tiles per step"] == model.trained_on["tiles per step"] == 2 * 16
    assert started.facts["training tile"] == model.trained_on["training tile"] == 1
    # what is recorded, given again, is the same run
    *_, done = run_training(*stacks(*cells((4, 64, 64))), recorded, tmp_path / "run")
    assert done.kept


def test_the_network_is_built_once_per_run(tmp_path, monkeypatch):
    built, build = [], set_up.network_from_settings

    def counted(*given):
        built.append(build(*given))
        return built[-1]

    monkeypatch.setattr(set_up, "network_from_settings", counted)
    drained(run_training(*stacks(*cells()), tiny(), tmp_path / "run"))
    assert len(built) == 1


# more than a slice


def shifted_slices(shape=(16, 32, 32)):
    """Squares, and labels that show where they were in the slice before."""
    random, image = np.random.default_rng(0), np.zeros(shape, np.float32)
    for plane in image:
        for y, x in random.integers(1, 24, (3, 2)):
            plane[y : y + 7, x : x + 7] = 1
    before = image[[1, *range(shape[0] - 1)]]
    return image + random.normal(0, 0.05, shape).astype(np.float32), before.astype(np.uint8)


def test_what_only_the_slice_before_shows_is_learnt_with_context_alone(tmp_path):
    options = {"width": 4, "steps": 60, "batch": 4, "tile": 32, "flips": False, "rotation": 0}
    scores = []
    for context in (0, 1):
        settings = tiny(context=context, elastic=0, deformed=0, w0=0, **options)
        run = run_training(*stacks(*shifted_slices()), settings, tmp_path / str(context))
        events, model = drained(run)
        scores.append(model.scores["iou"])
    assert events[0].facts["slices seen"] == model.trained_on["slices seen"] == 3
    assert (model.context, model.network.in_channels, model.in_channels) == (1, 3, 1)
    assert scores[0] < 0.3 and scores[1] > 0.65


def test_a_run_with_context_resumes_to_the_bit(tmp_path):
    settings, pair = tiny(context=2, steps=6), cells((9, 32, 40))
    _, whole = drained(run_training(*stacks(*pair), settings, tmp_path / "whole"))
    run = run_training(*stacks(*pair), settings, tmp_path / "run")
    for event in run:
        if isinstance(event, StepDone) and event.step == 4:
            break
    run.close()
    write_name(tmp_path / "run", "mine")  # between stop and resume
    _, resumed = drained(run_training(*stacks(*pair), settings, tmp_path / "run"))
    saved = load_model(tmp_path / "run")
    assert (saved.context, saved.name, saved.trained_on["images"]) == (2, "mine", "em")
    write_name(tmp_path / "run", "yours")  # a finished run is kept all the same
    *_, done = run_training(*stacks(*pair), settings, tmp_path / "run")
    assert done.kept
    for name, value in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], value)
