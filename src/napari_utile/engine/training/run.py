"""A whole training run: from stacks to the best model, kept in memory and in its folder."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from inspect import signature
from math import ceil
from pathlib import Path
from typing import Any

import torch

from napari_utile.arrays.augmentation.draws import Deformation
from napari_utile.arrays.splits import Split
from napari_utile.engine.devices import autocast_dtype, choose_device, describe, unused_gpu
from napari_utile.engine.models.model import Model
from napari_utile.engine.models.warm_start import WarmStart
from napari_utile.engine.training.best_model import Best
from napari_utile.engine.training.budget import Budget
from napari_utile.engine.training.checkpoints import Checkpoints
from napari_utile.engine.training.data.preparation import TrainingData, prepare
from napari_utile.engine.training.data.tiles import TileSampler
from napari_utile.engine.training.diagnostics import Watch
from napari_utile.engine.training.distributed import Group
from napari_utile.engine.training.loop import is_stuck, train
from napari_utile.engine.training.step import Learner, Progress
from napari_utile.errors import UserError
from napari_utile.events import EpochDone, Event, RunDone, RunStarted, StepDone, Warned
from napari_utile.folders.run import Run
from napari_utile.io.images import Stack
from napari_utile.networks import NETWORKS
from napari_utile.networks.tileable import Network
from napari_utile.settings import TrainSettings

ARCHITECTURE = ("depth", "width", "padding", "norm", "dropout")
"""Options of networks; not every network has every one."""
BALANCED_WINDOWS = {"sampling": "classes", "w0": 0.0, "class_balance": False}
"""How a network is trained on windows: as many of each class, all of the same weight, as
Ciresan et al. (2012) did. The weight map on top would count what is rare twice."""


def ready(
    images: Sequence[Stack],
    labels: Sequence[Stack],
    settings: TrainSettings,
    split: Split | None = None,
) -> TrainingData:
    """Refuse what cannot be trained on, or with these settings; prepare what can.

    Without a split it is made with the receptive field of the network as guard band.
    """
    choose_device(settings.device)
    if NETWORKS[settings.network].trains_on_windows:
        settings = settings.model_copy(update=BALANCED_WINDOWS)
    data = prepare(images, labels, settings, receptive_field(settings), split)
    with torch.device("meta"):
        network = build(settings, data.channels, len(data.ids))
    tiles, processes = settings.batch, Group.here().size
    if tiles < processes and not network.trains_on_windows:
        raise UserError(
            f"{processes} processes cannot share a batch of {tiles}: give each of them at "
            "least one tile."
        )
    tile, step = training_tile(network, settings, data), max(network.stride_alignment)
    if settings.batch == 1 and tile <= step and not can_learn_from_one(network, tile):
        raise UserError(
            f"A tile of {tile} px is one pixel behind the last pooling: choose a larger tile "
            "or batch, or a smaller depth."
        )
    return data


def can_learn_from_one(network: Network, tile: int) -> bool:
    """Tell whether a network on no device learns from a single tile of that side.

    Batch normalization has nothing to average over where one pixel is left of it.
    """
    size = (
        max(network.input_size(network.ndim * (tile,))) if network.padding == "valid" else tile
    )
    try:
        network.train()(torch.empty(1, network.in_channels, size, size, device="meta"))
    except ValueError:
        return False
    return True


def training_run(
    data: TrainingData,
    settings: TrainSettings,
    run: Run | None,
    checkpoints: Checkpoints | None = None,
    warm: WarmStart | None = None,
) -> Generator[Event, None, Model]:
    """Build, train, and report; see `jobs.run_training`. The minutes begin here.

    Parameters
    ----------
    data : TrainingData
        From `ready`.
    settings : TrainSettings
        How to train.
    run : Run or None
        Where the best model and the previews are kept.
    checkpoints : Checkpoints, optional
        Where the state of the run is kept; it goes on from the one that was found there.
    warm : WarmStart, optional
        Weights to begin with.
    """
    job = _TrainingRun(data, settings, run, checkpoints, warm)
    try:
        return (yield from job.budget.standing_while_held(job.events()))
    finally:
        job.learner.leave()


def follow(data: TrainingData, settings: TrainSettings) -> None:
    """Take part in the run of another process, until it ends. Nothing is written."""
    learner = make_learner(data, settings)
    try:
        learner.restore(learner.group.hand_out())
        for rate in learner.group.rates():
            with suppress(FloatingPointError):  # the leader finds the same, and ends
                for _ in learner.learn(rate):
                    pass
    finally:
        learner.leave()


def make_learner(
    data: TrainingData, settings: TrainSettings, warm: WarmStart | None = None
) -> Learner:
    """Build the network on the device, and all that it learns with."""
    device = choose_device(settings.device)
    torch.manual_seed(settings.seed)
    network = build(settings, data.channels, len(data.ids))
    if warm:
        network.load_state_dict(warm.weights)
    network = network.to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def tiles(side: int) -> TileSampler:
        return make_sampler(network, data, settings, side, device)

    tile = training_tile(network, settings, data)
    dtype = autocast_dtype(device, settings.precision, training=True)
    return Learner(network, tiles(tile), settings, dtype, places(data), resized=tiles)


class _TrainingRun:
    """All that a run consists of; the parameters are those of `training_run`."""

    def __init__(
        self,
        data: TrainingData,
        settings: TrainSettings,
        run: Run | None,
        checkpoints: Checkpoints | None,
        warm: WarmStart | None,
    ):
        self.data, self.settings, self.run = data, settings, run
        self.checkpoints, self.warm = checkpoints, warm
        self.budget = Budget(settings.steps, settings.minutes)
        self.learner = make_learner(data, settings, warm)
        self.best = Best(self.learner.network, data, settings, run)
        self.watch = Watch(settings, data.ids)
        self.said: list[str] = []

    def events(self) -> Generator[Event, None, Model]:
        """Begin, or go on; train, and report."""
        out = str(self.run.folder) if self.run else ""
        learner = self.learner
        facts = self.best.facts | self._begin()
        if learner.group.size > 1:
            facts["processes"] = learner.group.size
            learner.group.hand_out(learner.state())
        try:
            yield RunStarted(
                job="train",
                out=out,
                device=describe(learner.device, learner.dtype),
                total=self.settings.steps,
                minutes=self.settings.minutes,
                facts=facts,
            )
            for message in self._doubts():
                yield Warned(message=message)
        except GeneratorExit:  # stopped before the first step
            if not learner.progress.epoch:
                self.best.keep(None)
            raise
        validation = self.data.validation
        steps = train(learner, validation, self.budget, self.best.keep, self.save)
        try:
            for event in steps:
                troubles = list(self._look_at(event))  # before a stop is saved
                yield event
                if isinstance(event, EpochDone) and event.is_best and self.run:
                    assert self.best.found
                    yield self.best.preview(self.best.found, self.run, event.step)
                for message in troubles:
                    yield Warned(message=message)
        finally:
            steps.close()
        for message in self.watch.end():
            yield Warned(message=message)
        if reason := early_end(learner.progress, self.settings):
            yield Warned(message=reason)
        model = self.best.model
        yield RunDone(out=out, seconds=self.budget.seconds, scores=model.scores, reason=reason)
        return model

    def save(self) -> None:
        """Write down all that the rest of the run depends on."""
        if not (self.run and self.checkpoints):
            return
        progress = self.learner.progress
        state = {
            "learner": self.learner.state(),
            "best": self.best.state() if progress.epoch else None,
            "watch": self.watch.state(),
            "said": self.said,
            "seconds": self.budget.seconds,
            "events": self.run.length(),
        }
        self.checkpoints.save(progress.step, state)

    def _begin(self) -> dict[str, str | int | float]:
        """Become what the checkpoint says, or write the first; say what was begun with."""
        facts: dict[str, str | int | float] = (
            {"starts from": self.warm.path} if self.warm else {}
        )
        state = self.checkpoints.state if self.checkpoints else None
        if not state:
            self.save()
            return facts
        self.learner.restore(state["learner"])
        if state["best"]:
            self.best.restore(state["best"])
        self.watch.restore(state["watch"])
        self.said = state["said"]
        self.budget.add(state["seconds"])
        return facts | {"goes on": f"from step {self.learner.progress.step}"}

    def _look_at(self, event: Event) -> Iterator[str]:
        """Say in words what goes wrong."""
        if isinstance(event, StepDone):
            yield from self.watch.step(event)
        if isinstance(event, EpochDone) and self.best.found:
            news = [message for message in self.best.found.warnings if message not in self.said]
            self.said += news
            yield from news
            yield from self.watch.epoch(event, self.best.found)

    def _doubts(self) -> Iterator[str]:
        """Say what the user would want to know before the first step."""
        network = self.learner.network
        yield from self.checkpoints.doubts if self.checkpoints else ()
        yield from unused_options(self.settings)
        yield from self.data.warnings
        if self.settings.device == "auto" and (reason := unused_gpu()):
            yield reason
        tile = self.learner.sampler.output
        if tile < self.settings.tile and not network.trains_on_windows:
            yield f"The images are small: the training tile is {tile} px."


def early_end(progress: Progress, settings: TrainSettings) -> str:
    """Say why a run has ended before its budget was used; nothing if it was used."""
    if not is_stuck(progress, settings):
        return ""
    return (
        f"Ended early, after step {progress.step}: the last {progress.since_best} validations "
        f"were no better than {progress.best:.3g}."
    )


def places(data: TrainingData) -> list[str]:
    """Say in words where each plane to train on comes from."""
    return [
        f"'{data.names[region.image]}'" + "".join(f" slice {i}" for i in region.index)
        for region in data.split.training
    ]


def warm_start(path: Path | str, settings: TrainSettings, data: TrainingData) -> WarmStart:
    """Read the weights of a model to begin with; refuse those of another architecture."""
    with torch.device("meta"):
        network = build(settings, data.channels, len(data.ids))
    return WarmStart.read(path, network)


def build(settings: TrainSettings, channels: int, classes: int) -> Network:
    """Build the network that the settings name, with those of the options that it has.

    Raises
    ------
    UserError
        If one sigmoid output shall tell more than two classes apart.
    """
    if settings.output == "sigmoid" and classes > 2:
        raise UserError(
            f"One sigmoid output cannot tell {classes} classes apart; set output to softmax."
        )
    network = NETWORKS[settings.network]
    options = {name: getattr(settings, name) for name in options_of(network)}
    if options.get("norm") == "none":
        options["norm"] = None
    return network(
        in_channels=channels,
        classes=1 if settings.output == "sigmoid" else classes,
        **options,
    )


def options_of(network: type[Any]) -> list[str]:
    """Tell which options a network has."""
    return [name for name in ARCHITECTURE if name in signature(network).parameters]


def unused_options(settings: TrainSettings) -> Iterator[str]:
    """Say which options were chosen that the network does not have."""
    network, default = NETWORKS[settings.network], TrainSettings(recipe=settings.recipe)
    unused = [name for name in ARCHITECTURE if name not in options_of(network)]
    if network.trains_on_windows:
        unused += ["tile", *BALANCED_WINDOWS]
    for name in unused:
        chosen = getattr(settings, name)
        if chosen != getattr(default, name):
            yield f"The network {settings.network} has no {name}: {chosen} is not used."


def receptive_field(settings: TrainSettings) -> int:
    """Give the side of what a network looks at to judge one pixel."""
    with torch.device("meta"):
        return 2 * build(settings, channels=1, classes=2).margin[-1] + 1


def training_tile(network: Network, settings: TrainSettings, data: TrainingData) -> int:
    """Give the side of a training tile: as asked for, or just enough for the largest plane.

    A network that is trained on windows learns one pixel of each.
    """
    if network.trains_on_windows:
        return 1
    sides = [side for plane in data.training for side in plane.classes.shape]
    step = max(network.stride_alignment)
    return min(settings.tile, ceil(max(sides) / step) * step)


def make_sampler(
    network: Network,
    data: TrainingData,
    settings: TrainSettings,
    tile: int,
    device: torch.device,
) -> TileSampler:
    """Bring the training planes to the device and set up the drawing of tiles."""
    step, valid = max(network.stride_alignment), network.padding == "valid"
    size = (
        max(network.input_size(network.ndim * (tile,))) if valid else ceil(tile / step) * step
    )
    # the grid of displacements spans a tile: on a small window as smooth as on a whole tile
    smaller = size / settings.tile if network.trains_on_windows else 1.0
    return TileSampler(
        planes=[plane.to(device) for plane in data.training],
        size=size,
        margin=max(network.margin) if valid else 0,
        deformation=Deformation(
            settings.elastic * smaller,
            settings.rotation,
            settings.flips,
            settings.gray,
            settings.deformed,
        ),
        generator=torch.Generator().manual_seed(settings.seed),
    )
