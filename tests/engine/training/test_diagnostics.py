"""Trouble is told once, by its likely cause; runs that end well are left in peace."""

import json

import numpy as np
import pytest
import torch

from napari_utile.engine.training import run as run_module
from napari_utile.engine.training.diagnostics import Watch
from napari_utile.engine.training.run import TrainingRun
from napari_utile.engine.training.setup import set_up_training
from napari_utile.engine.training.validation import Validation, validate
from napari_utile.events import EpochDone, RunDone, StepDone, Warned
from napari_utile.io.images import as_stack
from napari_utile.settings.training import TrainSettings

torch.set_num_threads(1)

GUESS = 0.67
GOOD = [[60_000, 4_000], [3_000, 140_000]]
"""True background and objects, by what they are taken for."""
BLIND = [[30_000, 34_000], [67_000, 76_000]]
"""The same share of both is taken for objects."""
RECORDED = {
    "five minutes": [
        (64, 0.402, 0.340), (138, 0.258, 0.318), (211, 0.239, 0.208), (284, 0.225, 0.259),
        (356, 0.222, 0.219), (430, 0.223, 0.209), (503, 0.218, 0.201), (576, 0.212, 0.199),
        (644, 0.210, 0.199), (716, 0.203, 0.186), (787, 0.211, 0.185), (859, 0.204, 0.198),
        (931, 0.200, 0.190), (1001, 0.199, 0.190), (1061, 0.196, 0.194), (1131, 0.194, 0.180),
        (1201, 0.191, 0.184), (1272, 0.188, 0.181), (1343, 0.192, 0.185), (1414, 0.194, 0.186),
    ],
    "two minutes": [
        (21, 0.491, 2.537), (62, 0.271, 0.396), (109, 0.229, 0.387), (154, 0.212, 0.210),
        (194, 0.206, 0.297), (234, 0.204, 0.188), (272, 0.188, 0.190), (307, 0.192, 0.185),
        (349, 0.188, 0.194), (388, 0.187, 0.180), (430, 0.187, 0.180), (467, 0.181, 0.179),
        (507, 0.184, 0.177), (523, 0.186, 0.176),
    ],
    "sixty steps": [
        (3, 0.84, 2.48), (9, 0.6, 48.0), (15, 0.41, 6.33), (27, 0.31, 0.54), (39, 0.31, 0.39),
        (51, 0.33, 0.38), (60, 0.34, 0.37),
    ],
}  # fmt: skip
"""Step, training loss and validation loss of the default recipe on the slices of ISBI 2012."""


def step(number, loss, total=100):
    return StepDone(
        step=number, loss=loss, learning_rate=3e-3, progress=number / total, rate=1.0
    )


def epoch(number, train_loss, val_loss):
    return EpochDone(
        epoch=1, step=number, train_loss=train_loss, val_loss=val_loss,
        scores={}, is_best=False, seconds=1.0,
    )  # fmt: skip


def validation(loss, confusion=GOOD, guess=GUESS):
    return Validation(loss, {}, np.zeros((1, 1), np.float32), np.array(confusion), guess)


def watch(ids=(0, 1), **options):
    return Watch(TrainSettings(**options), ids)


def after(losses, epochs, confusion=GOOD, guess=GUESS, watching=None, total=None):
    """What is said about steps with these losses, and epochs (step, training, validation)."""
    watching, said, epochs = watching or watch(), [], list(epochs)
    for number, loss in enumerate(losses, 1):
        said += watching.step(step(number, loss, total or len(losses)))
        while epochs and epochs[0][0] == number:
            given = epochs.pop(0)
            said += watching.epoch(epoch(*given), validation(given[2], confusion, guess))
    return said


def curve(start, end, count):
    """A training loss that falls, with the noise of single tiles."""
    noise = np.random.default_rng(0).normal(0, 0.03, count)
    return end + (start - end) * np.exp(-np.arange(count) / (count / 10)) + noise


# runs that end well


@pytest.mark.parametrize("name", RECORDED)
def test_nothing_is_said_about_runs_that_ended_well(name):
    epochs = RECORDED[name]
    assert after(curve(0.87, 0.19, epochs[-1][0]), epochs) == []


@pytest.mark.parametrize("progress", [0.1, 0.29])
def test_nothing_is_said_early(progress):
    watching = watch()
    losses = [0.9] * int(1000 * progress)
    ends = [(len(losses), 0.9, 0.9)]
    assert after(losses, ends, [[100, 0], [100, 0]], watching=watching, total=1000) == []


def test_nothing_is_said_about_a_few_steps():
    losses = [0.9] * 40
    assert after(losses, [(20, 0.9, 0.9), (40, 0.9, 0.9)], [[100, 0], [100, 0]]) == []


def test_hard_tiles_are_no_trouble():
    losses = curve(0.87, 0.2, 300)
    losses[[100, 103, 150, 200, 201, 202]] = 5
    assert after(losses, []) == []


def test_hard_tiles_in_a_row_are_no_trouble_below_the_start():
    losses = curve(0.8, 0.1, 300)
    losses[200:230] = 0.5
    assert after(losses, []) == []


def test_a_network_that_learns_late_is_no_trouble():
    losses = [*np.full(80, 0.69), *curve(0.69, 0.2, 120)]
    assert after(losses, [(60, 0.69, 0.67), (120, 0.5, 0.4), (200, 0.3, 0.3)]) == []


# a learning rate that is too high


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ([*np.full(20, 0.8), *np.full(30, 2.0)], "grown from 0.8 to"),
        ([*curve(0.8, 0.1, 60), *np.full(30, 0.95)], "jumped from 0.098 to 0.54"),
    ],
)
def test_a_loss_that_grows_is_said_once_with_a_lower_rate(losses, words):
    (said,) = after(losses, [])
    assert words in said
    assert "learning rate 0.003 is probably too high. Start again with a tenth." in said


def test_a_validation_loss_beyond_all_bounds_is_said():
    (said,) = after([0.8] * 20, [(3, 0.8, 2e9), (6, 0.8, 2e9)])
    assert "2e+09 after step 3" in said
    assert "too high" in said


# what no longer holds


@pytest.mark.parametrize(
    ("end", "is_past"), [([[95, 5], [5, 95]], True), ([[100, 0]] * 2, False)]
)
def test_what_the_last_validation_does_not_show_is_past(end, is_past):
    watching = watch()
    (said,) = after([0.6] * 60, [(60, 0.6, 0.8)], [[100, 0]] * 2, watching=watching, total=150)
    assert "calls every pixel background" in said
    assert watching.past == ()
    resumed = watch()
    resumed.restore(json.loads(json.dumps(watching.state())))
    loss = 0.1 if is_past else 0.8
    last = validation(loss, end)
    assert [*resumed.epoch(epoch(140, 0.1, loss), last)] == []
    assert resumed.past == ((said,) if is_past else ())


# what learns nothing


def test_a_loss_that_does_not_move_is_said():
    (said,) = after([0.88] * 100, [(60, 0.88, 0.88), (80, 0.88, 0.88)])
    assert "does not move (0.88 at the start, now 0.88): the learning rate 0.003" in said
    assert "too low" in said


def test_a_network_that_guesses_is_said():
    epochs = [(60, 0.67, 0.67), (100, 0.67, 0.67)]
    (said,) = after(curve(0.9, 0.67, 100), epochs, BLIND)
    assert "no better than a guess that does not look at the image (loss 0.67)" in said
    assert "do not lie on each other" in said


def test_a_network_that_finds_objects_does_not_guess_however_high_its_loss():
    assert after(curve(0.9, 0.67, 100), [(60, 0.67, 0.67), (100, 0.67, 0.67)]) == []


def test_parts_that_differ_are_said():
    (said,) = after(curve(0.9, 0.2, 100), [(60, 0.2, 0.8), (100, 0.2, 0.7)], BLIND)
    assert "the two parts differ" in said


def test_a_slow_run_is_given_time():
    assert after(curve(0.9, 0.58, 100), [(60, 0.6, 0.68), (100, 0.5, 0.6)]) == []


def test_one_class_only_is_said_with_what_helps_against_rare_classes():
    epochs = [(60, 0.1, 0.01), (80, 0.1, 0.01)]
    rare = [[100_000, 3], [900, 2]]
    (said,) = after(curve(0.9, 0.1, 150), epochs, rare, guess=0.05)
    assert said.startswith("After 40% of the run the network calls every pixel background")
    assert "class_balance" in said and "sampling: classes" in said


def test_one_class_that_is_not_rare_has_other_causes():
    (said,) = after(curve(0.9, 0.5, 150), [(60, 0.5, 0.5)], [[100, 0], [100, 0]])
    assert "calls every pixel background: try another learning rate" in said
    assert "class_balance" not in said
    (said,) = after(curve(0.9, 0.5, 150), [(60, 0.5, 0.5)], [[0, 100], [0, 100]])
    assert "every pixel object" in said


def test_what_is_in_use_is_no_cure():
    rare = [[100_000, 0], [900, 0]]
    for options, word in (
        ({"class_balance": True}, "class_balance"),
        ({"sampling": "classes"}, "sampling"),
    ):
        (said,) = after(curve(1, 0.1, 150), [(60, 0.1, 0.01)], rare, watching=watch(**options))
        assert word not in said


def test_a_class_that_nobody_predicts_is_named_by_its_id():
    three = [[5000, 100, 0], [100, 2000, 0], [3, 7, 0]]
    watching = watch((0, 5, 40), target="classes")
    said = after(
        curve(0.9, 0.3, 100), [(60, 0.3, 0.3), (80, 0.3, 0.3)], three, watching=watching
    )
    (only,) = said
    assert only.startswith("The network does not predict the id 40 (10 of 7,210 validation")


def test_a_class_that_is_not_there_is_not_missed():
    two = [[5000, 100, 0], [100, 2000, 0], [0, 0, 0]]
    watching = watch((0, 5, 40), target="classes")
    assert after(curve(0.9, 0.3, 100), [(60, 0.3, 0.3)], two, watching=watching) == []


# overfitting


def rising(validation_losses, training_losses):
    steps = range(100, 100 * len(validation_losses) + 1, 100)
    epochs = list(zip(steps, training_losses, validation_losses, strict=True))
    return after(curve(0.9, 0.1, steps[-1]), epochs)


def test_a_validation_loss_that_rises_while_training_falls_is_said_once():
    worse = [0.4, 0.3, 0.35, 0.38, 0.42, 0.45, 0.5]
    (said,) = rising(worse, np.linspace(0.4, 0.1, len(worse)))
    assert "rises (0.3 at its best, now 0.45)" in said
    assert "by heart" in said and "is kept" in said


@pytest.mark.parametrize(
    ("losses", "ends"),
    [
        ([0.4, 0.3, 0.35, 0.31, 0.38, 0.42, 0.45], (0.4, 0.1)),  # once nearly as good again
        ([0.4, 0.3, 0.45, 0.42, 0.38, 0.35, 0.34], (0.4, 0.1)),  # it comes down
        ([0.4, 0.3, 0.35, 0.38, 0.42, 0.45, 0.5], (0.3, 0.4)),  # training is worse as well
        ([0.4, 0.3, 0.35, 0.38, 0.42], (0.4, 0.1)),  # too short to tell
    ],
)
def test_a_validation_loss_that_wanders_is_no_trouble(losses, ends):
    assert rising(losses, np.linspace(*ends, len(losses))) == []


# a run that goes on


@pytest.mark.parametrize("cut", [5, 30, 70, 95])
def test_after_a_restart_the_same_is_said_and_nothing_twice(cut):
    losses = [*curve(0.8, 0.1, 60), *np.full(40, 0.95)]
    epochs = [(50, 0.2, 0.9), (60, 0.2, 0.9), (70, 0.2, 0.9)]
    whole = after(losses, epochs, BLIND)

    watching, said = watch(), []
    for number, loss in enumerate(losses, 1):
        if number == cut:
            kept = json.loads(json.dumps(watching.state()))
            watching = watch()
            watching.restore(kept)
        said += watching.step(step(number, loss, len(losses)))
        for given in epochs:
            if given[0] == number:
                said += watching.epoch(epoch(*given), validation(given[2], BLIND))
    assert said == whole
    assert len(said) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [({"minutes": 0.5}, True), ({"minutes": 1}, True), ({"minutes": 9, "steps": 40}, True),
     ({"steps": 3}, False), ({"minutes": 9, "steps": 3}, False)],
)  # fmt: skip
def test_few_steps_in_the_time_given_are_said_at_the_end(options, said):
    watching = watch(**options)
    assert after([0.7, 0.6, 0.6], [], watching=watching) == []
    minutes = options.get("minutes")
    expected = f"Only 3 steps fitted into {minutes} minute{'s' * (minutes != 1)}, "
    assert [message[: len(expected)] for message in watching.end()] == [expected] * said


def test_enough_steps_are_no_trouble_at_the_end():
    watching = watch(minutes=0.5)
    after([0.7] * 50, [], watching=watching)
    assert list(watching.end()) == []


def test_a_state_before_the_first_step_is_one():
    watching = watch()
    watching.restore(watch().state())
    assert after(curve(0.87, 0.19, 523), RECORDED["two minutes"], watching=watching) == []


# real runs


def squares(seed=0):
    """A stack of bright squares."""
    random = np.random.default_rng(seed)
    objects = np.zeros((4, 64, 64), int)
    for y in range(4, 60, 16):
        for x in range(4, 60, 16):
            objects[:, y : y + 9, x : x + 9] = objects.max() + 1
    return random.normal(100, 10, objects.shape) + 40 * (objects > 0), objects


def said_about(monkeypatch, image, labels, **options):
    found = []

    def listening(*given, **named):
        found.append(validate(*given, **named))
        return found[-1]

    monkeypatch.setattr(run_module, "validate", listening)
    options = {
        "depth": 2, "width": 4, "tile": 32, "batch": 2, "steps": 120, "validations_per_run": 10,
        "device": "cpu", "precision": "fp32",
    } | options  # fmt: skip
    settings = TrainSettings(**options)
    setup = set_up_training([as_stack(image)], [as_stack(labels)], settings)
    watching, said = Watch(settings, setup.data.ids), []
    for event in TrainingRun(setup).events():
        if isinstance(event, StepDone):
            said += watching.step(event)
        elif isinstance(event, EpochDone):
            said += watching.epoch(event, found[-1])
    return said


def test_a_real_run_of_few_steps_is_told_before_its_end():
    image, objects = squares()
    settings = TrainSettings(
        minutes=1e-4, depth=1, width=2, tile=32, batch=1, device="cpu", precision="fp32"
    )
    setup = set_up_training([as_stack(image)], [as_stack(objects)], settings)
    *_, last, done = TrainingRun(setup).events()
    assert isinstance(done, RunDone)
    assert isinstance(last, Warned)
    assert last.message.startswith("Only ")


@pytest.mark.parametrize("options", [{}, {"seed": 1, "loss": "dice"}])
def test_a_real_run_that_learns_is_left_in_peace(monkeypatch, options):
    assert said_about(monkeypatch, *squares(), **options) == []


def test_a_real_run_on_labels_of_something_else_is_told(monkeypatch):
    image, _ = squares()
    noise = np.random.default_rng(1).random((4, 64, 64)) < 0.6
    said = said_about(monkeypatch, image, noise, target="classes")
    assert any("do not lie on each other" in sentence for sentence in said)


def test_a_real_run_with_a_rate_that_is_far_too_low_is_told(monkeypatch):
    said = said_about(monkeypatch, *squares(), learning_rate=1e-7)
    assert any("too low" in sentence for sentence in said)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("cross-entropy", "is probably too high"),
        ("dice", "is probably too low or far too high"),
    ],
)
def test_a_real_run_with_a_rate_that_is_far_too_high_is_told(monkeypatch, loss, words):
    said = said_about(monkeypatch, *squares(), learning_rate=30.0, loss=loss)
    assert any(words in sentence for sentence in said)


def test_a_real_class_of_three_pixels_is_told(monkeypatch):
    image, objects = squares()
    kinds = (objects > 0).astype(int)
    kinds[:, 30, 30:33] = 7
    said = said_about(monkeypatch, image, kinds, target="classes", w0=0)
    assert any("does not predict the id 7 (3 of 4,096 validation" in s for s in said)
