"""The loop of a training run: a tiny network, tiles from a script, and a clock of its own."""

import math
from contextlib import closing
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from napari_utile.arrays.augmentation.draws import Deformation
from napari_utile.arrays.intensity import Normalization
from napari_utile.arrays.splits import Region, Split
from napari_utile.engine.training import run as run_module
from napari_utile.engine.training.budget import Budget
from napari_utile.engine.training.data.layout import TileLayout
from napari_utile.engine.training.data.planes import AnnotatedPlane, ValidationPlane
from napari_utile.engine.training.data.preparation import TrainingData
from napari_utile.engine.training.data.tiles import Batch, TileSampler
from napari_utile.engine.training.losses import CrossEntropy
from napari_utile.engine.training.run import TrainingRun
from napari_utile.engine.training.schedule import learning_rate
from napari_utile.engine.training.setup import TrainingSetup
from napari_utile.engine.training.validation import validate
from napari_utile.errors import UserError
from napari_utile.events import EpochDone, StepDone
from napari_utile.networks import UNet
from napari_utile.settings.training import TrainSettings

torch.set_num_threads(1)


def two_discs(side=32):
    """A noisy image of two bright discs, and what its pixels are."""
    y, x = np.mgrid[:side, :side]
    objects = sum(
        (i + 1) * ((y - side * cy) ** 2 + (x - side * cx) ** 2 < (side / 6) ** 2)
        for i, (cy, cx) in enumerate([(0.3, 0.3), (0.65, 0.7)])
    )
    noise = np.random.default_rng(0).normal(0, 0.3, objects.shape)
    image = torch.from_numpy((2.0 * (objects > 0) - 0.4 + noise)[None].astype(np.float32))
    classes = torch.from_numpy((objects > 0).astype(np.uint8))
    return ValidationPlane(AnnotatedPlane(image, classes, torch.ones(side, side)), objects)


class Script:
    """Gives the same tile over and over; counts how often, and takes its time."""

    device = torch.device("cpu")

    def __init__(self, plane, take_time=lambda: None):
        self.plane, self.count, self.take_time = plane, 0, take_time

    def draw(self, count):
        self.count += 1
        self.take_time()
        return [self.plane] * count

    def state(self):
        return {}

    def render(self, draws):
        tiles = [(plane.image, plane.classes, plane.weights) for plane in draws]
        return Batch(*(torch.stack(part) for part in zip(*tiles, strict=True)))


def tiny(**options):
    torch.manual_seed(0)
    return UNet(1, 2, depth=1, width=2, padding="same", dropout=0, **options)


def settings(**options):
    return TrainSettings(
        **{
            "steps": 4,
            "batch": 1,
            "validations_per_run": 2,
            "device": "cpu",
            "precision": "fp32",
        }
        | options
    )


class Kept(list):
    """Remembers what it was given, and the network as it was then."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def __call__(self, found):
        copy = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.append((found, copy))


def made(options, network=None, plane=None, sampler=None):
    """A run of a network on one plane, which keeps its best in a list."""
    plane = plane or two_discs()
    split = Split((Region(0, ()),), (Region(0, ()),), "by hand")
    data = TrainingData(
        (plane.truth,), (plane,), split, Normalization.none(1), 1, (0, 1), names=("discs",)
    )
    layout = TileLayout(16, (16, 16), (16, 16), (0, 0), per_step=options.batch, elastic=0)
    run = TrainingRun(TrainingSetup(options, data, network or tiny(), Script.device, layout))
    run.step.sampler, run.step.places = sampler or Script(plane.truth), ()
    run.best.keep = Kept(run.step.network)
    return run


def steps_of(run):
    """The steps and validations of a run; closing them closes it."""
    with closing(run.events()) as events:
        yield from (event for event in events if isinstance(event, StepDone | EpochDone))


def start(*given, **named):
    """Make a run and the list of what it keeps."""
    run = made(*given, **named)
    return steps_of(run), run.best.keep


def losses_of(monkeypatch, *losses):
    """Let validations find these losses."""
    script = iter(losses)

    def scripted(network, planes, device, loss):
        found = validate(network, planes, device, loss)
        return replace(found, loss=next(script))

    monkeypatch.setattr(run_module, "validate", scripted)


def test_events_come_in_order():
    run, _ = start(settings(steps=4, validations_per_run=2))
    names = [event.event for event in run]
    assert names == ["StepDone", "StepDone", "EpochDone"] * 2


def test_steps_and_progress_count_up_to_the_end():
    events = list(start(settings(steps=5, validations_per_run=1))[0])
    steps = [event for event in events if isinstance(event, StepDone)]
    assert [event.step for event in steps] == [1, 2, 3, 4, 5]
    assert [event.progress for event in steps] == [0.2, 0.4, 0.6, 0.8, 1]
    assert steps[-1].seconds_left == 0
    assert events[-1].train_loss == pytest.approx(np.mean([event.loss for event in steps]))


@pytest.mark.parametrize(
    ("steps", "validations"), [(1, 1), (1, 20), (3, 20), (50, 50), (100, 50), (7, 3)]
)
def test_every_budget_is_used_up_and_validated(monkeypatch, steps, validations):
    losses_of(monkeypatch, *[1.0] * steps)
    sampler = Script(two_discs(16).truth)
    events = list(
        start(settings(steps=steps, validations_per_run=validations), sampler=sampler)[0]
    )
    epochs = [event for event in events if isinstance(event, EpochDone)]
    assert sampler.count == steps
    assert len(epochs) == min(steps, validations)
    assert epochs[-1].step == steps
    assert all(math.isfinite(event.train_loss) for event in epochs)


def test_a_budget_of_minutes_ends_by_the_clock(clock):
    sampler = Script(two_discs().truth, clock.passing(15))
    events = list(
        start(settings(steps=None, minutes=2, validations_per_run=3), sampler=sampler)[0]
    )
    steps = [event for event in events if isinstance(event, StepDone)]
    assert len(steps) == 2 * 60 / 15
    assert [event.learning_rate for event in steps] == [
        learning_rate(i / 8, settings(minutes=2)) for i in range(8)
    ]
    epochs = [event for event in events if isinstance(event, EpochDone)]
    assert [event.seconds for event in epochs] == [45, 90, 120]
    assert len(epochs) == 3


def test_slow_validations_leave_time_to_learn(clock, monkeypatch):
    class Ticking(Budget):
        """Time passes whenever somebody looks at it."""

        def progress(self, step):
            clock.now += 1
            return super().progress(step)

    run = made(settings(validations_per_run=100, minutes=1), plane=two_discs(16))
    run.budget = Ticking(None, 0.5)
    names = [event.event for event in steps_of(run)]
    assert names.count("EpochDone") > 3
    assert all(pair != ("EpochDone", "EpochDone") for pair in pairwise(names))
    assert names[0] == "StepDone"


def test_seconds_left_are_those_of_the_pace_so_far(clock):
    run, _ = start(settings(steps=4, validations_per_run=1))
    clock.now += 6
    first = next(run)
    assert (first.progress, first.seconds_left) == (0.25, 18)


def test_the_best_is_kept_and_only_the_best(monkeypatch):
    losses_of(monkeypatch, 3.0, 2.0, 2.5, 1.0)
    run, kept = start(settings(steps=4, validations_per_run=4))
    epochs = [event for event in run if isinstance(event, EpochDone)]
    assert [event.is_best for event in epochs] == [True, True, False, True]
    assert [found.loss for found, _ in kept] == [3.0, 2.0, 1.0]


def test_what_is_kept_is_the_network_that_was_judged():
    plane, options = two_discs(), settings(steps=2, validations_per_run=1)
    run, kept = start(options, plane=plane)
    (epoch,) = [event for event in run if isinstance(event, EpochDone)]
    found, parameters = kept[0]
    network = tiny()
    network.load_state_dict(parameters)
    again = validate(network, [plane], Script.device)
    assert again.loss == found.loss == epoch.val_loss
    assert again.scores == epoch.scores
    np.testing.assert_array_equal(again.foreground, found.foreground)


def test_what_an_event_says_is_best_was_kept_before():
    run, kept = start(settings(steps=2, validations_per_run=1))
    for event in run:
        if isinstance(event, EpochDone):
            break
    assert len(kept) == 1


def test_closing_before_a_validation_keeps_the_network_as_it_is():
    run, kept = start(settings(steps=100, validations_per_run=1))
    next(run), next(run)
    run.close()
    ((found, parameters),) = kept
    assert found is None
    assert not torch.equal(
        parameters["classify.weight"], tiny().state_dict()["classify.weight"]
    )


def test_closing_after_a_validation_keeps_the_best():
    run, kept = start(settings(steps=100, validations_per_run=50))
    for event in run:
        if isinstance(event, StepDone) and event.step == 3:
            break
    run.close()
    assert [found is not None for found, _ in kept] == [True]


def test_the_run_advances_only_when_asked():
    sampler = Script(two_discs().truth)
    run, _ = start(settings(steps=100), sampler=sampler)
    assert sampler.count == 0
    next(run)
    assert sampler.count == 1


def test_the_optimizer_gets_the_rate_that_is_reported(monkeypatch):
    seen = []

    class Watched(torch.optim.SGD):
        def step(self):
            seen.append([group["lr"] for group in self.param_groups])
            super().step()

    monkeypatch.setattr(torch.optim, "SGD", Watched)
    run, _ = start(settings(steps=5, optimizer="sgd", norm="batch"), tiny(norm="batch"))
    rates = [event.learning_rate for event in run if isinstance(event, StepDone)]
    assert seen == [[rate, rate] for rate in rates]
    assert len(set(rates)) == 5


def test_a_step_of_sgd_is_that_of_the_formula():
    network, plane = tiny(), two_discs()
    options = settings(
        steps=2, optimizer="sgd", momentum=0.9, schedule="constant", learning_rate=0.1,
        weight_decay=0,
    )  # fmt: skip
    reference = tiny()
    velocity = {name: torch.zeros_like(p) for name, p in reference.named_parameters()}
    for _ in range(2):
        images, classes, weights = Script(plane.truth).render([plane.truth])
        loss = CrossEntropy().mean(reference(images), classes, weights)
        reference.zero_grad()
        loss.backward()
        with torch.no_grad():
            for name, p in reference.named_parameters():
                velocity[name] = 0.9 * velocity[name] + p.grad
                p.sub_(0.1 * velocity[name])
    list(start(options, network, plane)[0])
    for p, q in zip(network.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(p, q, atol=1e-6, rtol=1e-5)


def test_it_learns_one_small_image_by_heart():
    plane = two_discs()
    still = Deformation(0, 0, flips=False, gray=0)
    sampler = TileSampler([plane.truth], (32, 32), (0, 0), still, torch.Generator())
    torch.manual_seed(0)
    network = UNet(1, 2, depth=1, width=4, padding="same", norm="batch", dropout=0)
    options = settings(steps=60, validations_per_run=3, learning_rate=0.02, batch=2)
    events = list(start(options, network, plane, sampler)[0])
    assert events[-1].scores["iou"] > 0.9
    assert events[-1].scores["matching_ap50"] == 1


def test_the_same_seed_gives_the_same_weights_bit_for_bit():
    def run():
        torch.manual_seed(3)
        network = UNet(1, 2, depth=2, width=3, padding="same", norm="batch", dropout=0.2)
        generator = torch.Generator().manual_seed(3)
        sampler = TileSampler([two_discs().truth], (16, 16), (0, 0), Deformation(), generator)
        list(start(settings(steps=6, batch=2), network, sampler=sampler)[0])
        return network.state_dict()

    first, again = run(), run()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_dropout_works_in_training_and_rests_in_validation():
    torch.manual_seed(0)
    network = UNet(1, 2, depth=1, width=2, padding="same", dropout=0.5)
    modes = []
    network.drop.register_forward_hook(lambda module, *_: modes.append(module.training))
    run, _ = start(settings(steps=2, validations_per_run=2), network)
    for event in run:
        if isinstance(event, StepDone):
            assert modes == [True, True]  # behind two levels
        modes.clear()
    plane = two_discs()
    losses = {validate(network, [plane], Script.device).loss for _ in range(3)}
    assert len(losses) == 1
    assert not network.training


def test_a_loss_that_is_no_number_stops_at_that_step():
    plane = two_discs()
    run, kept = start(
        settings(steps=100, validations_per_run=50, learning_rate=0.25), plane=plane
    )
    for event in run:
        if isinstance(event, EpochDone):
            plane.truth.image[:] = torch.nan
            break
    before = kept[0][1]
    with pytest.raises(UserError, match=r"at step 3 \(learning rate .*below 0\.25.* is kept"):
        list(run)
    assert len(kept) == 1
    assert all(torch.isfinite(value).all() for value in before.values())


def test_a_network_that_breaks_before_the_first_validation_is_not_called_kept():
    plane = two_discs()
    plane.truth.image[:] = torch.inf
    run, kept = start(settings(), plane=plane)
    with pytest.raises(UserError, match=r"at step 1 .* No model is kept yet\.$"):
        list(run)
    assert not kept


def test_a_network_that_breaks_in_its_last_step_is_not_kept():
    network = tiny()
    run, kept = start(settings(steps=4, validations_per_run=2), network)
    for event in run:
        if isinstance(event, StepDone) and event.step == 4:
            network.classify.bias.data[:] = torch.nan
            break
    with pytest.raises(UserError, match=r"in the validation after step 4.*is kept\.$"):
        list(run)
    assert len(kept) == 1


def test_by_the_clock_validations_take_a_tenth_of_the_time_at_most(clock, monkeypatch):
    def slow(*given):
        clock.now += 6
        return validate(*given)

    monkeypatch.setattr(run_module, "validate", slow)
    sampler = Script(two_discs().truth, clock.passing(1))
    run, _ = start(settings(steps=None, minutes=5, validations_per_run=100), sampler=sampler)
    ends = [clock.now for event in run if isinstance(event, EpochDone)]
    assert min(np.diff(ends)[:-1]) >= 60


def test_a_budget_that_is_used_up_at_once_still_leaves_a_model(clock):
    run, kept = start(settings(steps=None, minutes=0.001))
    clock.now += 60
    names = [event.event for event in run]
    assert names == ["StepDone", "EpochDone"]
    assert len(kept) == 1


# ended early


def flat(monkeypatch, *losses):
    """Let the validations find these losses, then always the last."""
    losses_of(monkeypatch, *losses, *[losses[-1]] * 50)


def test_patience_ends_a_run_that_gets_no_better(monkeypatch):
    flat(monkeypatch, 3.0, 2.0, 2.5, 2.0)
    run, kept = start(settings(steps=20, validations_per_run=20, patience=3))
    epochs = [event for event in run if isinstance(event, EpochDone)]
    assert [event.val_loss for event in epochs] == [3.0, 2.0, 2.5, 2.0, 2.0]
    assert [found.loss for found, _ in kept] == [3.0, 2.0]


def test_a_better_validation_gives_new_patience(monkeypatch):
    flat(monkeypatch, 3.0, 3.5, 2.0, 2.5, 1.0, 1.5, 1.5)
    run, _ = start(settings(steps=20, validations_per_run=20, patience=2))
    assert sum(isinstance(event, EpochDone) for event in run) == 7


def test_without_patience_the_budget_is_used_up(monkeypatch):
    flat(monkeypatch, 1.0)
    run, _ = start(settings(steps=6, validations_per_run=6))
    assert sum(isinstance(event, EpochDone) for event in run) == 6


def test_a_run_is_saved_at_every_validation_and_when_it_is_stopped():
    saved, run = [], made(settings(steps=6, validations_per_run=3))
    run.save = lambda: saved.append(run.step.progress.step)
    events = steps_of(run)
    for event in events:
        if isinstance(event, StepDone) and event.step == 5:
            break
    events.close()
    assert saved == [0, 2, 4, 5]


def test_a_stopped_epoch_keeps_its_mean_loss():
    def losses(stop_at=None):
        run, events = made(settings(steps=4, validations_per_run=1)), []
        while True:
            steps = steps_of(run)
            for event in steps:
                events.append(event)
                if isinstance(event, StepDone) and event.step == stop_at:
                    break
            steps.close()
            stop_at, stopped = None, stop_at
            if stopped is None:
                return events

    whole, stopped = losses(), losses(stop_at=3)
    assert [event.event for event in stopped] == [event.event for event in whole]
    assert stopped[-1].train_loss == whole[-1].train_loss
    assert stopped[-1].train_loss == pytest.approx(
        np.mean([event.loss for event in whole if isinstance(event, StepDone)])
    )


def test_every_epoch_has_the_mean_loss_of_its_own_steps():
    losses, epochs = [], 0
    for event in start(settings(steps=9, validations_per_run=3))[0]:
        if isinstance(event, StepDone):
            losses.append(event.loss)
        elif isinstance(event, EpochDone):
            assert event.train_loss == pytest.approx(np.mean(losses), rel=1e-6)
            losses, epochs = [], epochs + 1
    assert epochs == 3
