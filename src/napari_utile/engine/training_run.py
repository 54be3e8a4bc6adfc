"""A whole training run: from stacks to the best model, kept in memory and in its folder."""

from collections.abc import Generator, Sequence
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray

from napari_utile.engine.augmentation import Deformation
from napari_utile.engine.batches import TileSampler
from napari_utile.engine.devices import autocast_dtype, choose_device, describe, unused_gpu
from napari_utile.engine.model import Model
from napari_utile.engine.preparation import TrainingData, prepare
from napari_utile.engine.training import Budget, Learner, train
from napari_utile.engine.validation import Validation
from napari_utile.errors import UserError
from napari_utile.events import EpochDone, Event, PreviewReady, RunDone, RunStarted, Warned
from napari_utile.files.images import Stack, write_tiff
from napari_utile.files.runs import Run
from napari_utile.networks import NETWORKS, UNet
from napari_utile.settings import TrainSettings


def ready(
    images: Sequence[Stack], labels: Sequence[Stack], settings: TrainSettings
) -> TrainingData:
    """Refuse what cannot be trained on, or with these settings; prepare what can."""
    choose_device(settings.device)
    data = prepare(images, labels, settings, receptive_field(settings))
    build(settings, data.channels, len(data.ids))
    tile = training_tile(settings, data)
    # batch norm has nothing to average over where one pixel is left at the bottom
    is_alone = settings.batch == 1 and settings.padding == "same" and tile <= 2**settings.depth
    if settings.norm == "batch" and is_alone:
        raise UserError(
            f"A tile of {tile} px leaves one pixel at depth {settings.depth}: choose a larger "
            "tile or batch, or a smaller depth."
        )
    return data


def training_run(
    data: TrainingData, settings: TrainSettings, run: Run | None
) -> Generator[Event, None, Model]:
    """Build, train, and report; see `jobs.run_training`. The minutes begin here."""
    budget, out = Budget(settings.steps, settings.minutes), str(run.folder) if run else ""
    device = choose_device(settings.device)
    dtype = autocast_dtype(device, settings.precision, training=True)
    torch.manual_seed(settings.seed)
    network = build(settings, data.channels, len(data.ids))
    network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    best = Best(network, data, settings, run)
    tile = training_tile(settings, data)

    try:
        yield RunStarted(
            job="train",
            out=out,
            device=describe(device, dtype),
            total=settings.steps,
            minutes=settings.minutes,
            facts=best.trained_on,
        )
        for message in data.warnings:
            yield Warned(message=message)
        if settings.device == "auto" and (reason := unused_gpu()):
            yield Warned(message=reason)
        if tile < settings.tile:
            yield Warned(message=f"The images are small: the training tile is {tile} px.")
    except GeneratorExit:  # stopped before the first step
        best.keep(None)
        raise
    sampler = make_sampler(network, data, settings, tile, device)
    steps = train(
        Learner(network, sampler, settings, dtype), data.validation, budget, best.keep
    )
    try:
        for event in steps:
            yield event
            if isinstance(event, EpochDone) and event.is_best and run:
                yield best.preview(run, event.step)
    finally:
        steps.close()
    yield RunDone(out=out, seconds=budget.seconds, scores=best.model.scores)
    return best.model


class Best:
    """The best network of a run so far, as a model in memory and in the run folder."""

    def __init__(
        self, network: UNet, data: TrainingData, settings: TrainSettings, run: Run | None
    ):
        self.network, self.data, self.settings, self.run = network, data, settings, run
        self.foreground: NDArray[np.float32] = np.zeros((1, 1), np.float32)
        self.trained_on: dict[str, str | int | float] = {
            "network": settings.network,
            "parameters": sum(p.numel() for p in network.parameters()),
            "classes": len(data.ids),
            "channels": data.channels,
            "split": data.split.how,
        }
        self.model = self._model({})

    def keep(self, found: Validation | None) -> None:
        """Copy the network as it is now, with the scores it was found to have."""
        self.model = self._model(found.scores if found else {})
        if self.run:
            self.model.save(self.run.model)
        if found:
            self.foreground = found.foreground

    def preview(self, run: Run, step: int) -> PreviewReady:
        """Write what the best network makes of the first validation plane."""
        region = self.data.split.validation[0]
        path = run.previews / f"step_{step:06}.tif"
        write_tiff(path, self.foreground)
        y, x = region.window
        return PreviewReady(
            path=str(path), step=step, index=region.index, origin=(y.start or 0, x.start or 0)
        )

    def _model(self, scores: dict[str, float]) -> Model:
        copy = build(self.settings, self.data.channels, len(self.data.ids))
        copy.load_state_dict(self.network.state_dict())
        return Model(
            copy.eval(),
            normalization=self.data.normalization,
            settings=self.settings,
            target=self.settings.target,
            ids=self.data.ids,
            scores=scores,
            trained_on=self.trained_on,
        )


def build(settings: TrainSettings, channels: int, classes: int) -> UNet:
    """Build the network that the settings name.

    Raises
    ------
    UserError
        If one sigmoid output shall tell more than two classes apart.
    """
    if settings.output == "sigmoid" and classes > 2:
        raise UserError(
            f"One sigmoid output cannot tell {classes} classes apart; set output to softmax."
        )
    return NETWORKS[settings.network](
        in_channels=channels,
        classes=1 if settings.output == "sigmoid" else classes,
        depth=settings.depth,
        width=settings.width,
        padding=settings.padding,
        norm=None if settings.norm == "none" else settings.norm,
        dropout=settings.dropout,
    )


def receptive_field(settings: TrainSettings) -> int:
    """Give the side of what a network looks at to judge one pixel."""
    return 2 * build(settings, channels=1, classes=2).margin + 1


def training_tile(settings: TrainSettings, data: TrainingData) -> int:
    """Give the side of a training tile: as asked for, or just enough for the largest plane."""
    sides = [side for plane in data.training for side in plane.classes.shape]
    step = 2**settings.depth
    return min(settings.tile, ceil(max(sides) / step) * step)


def make_sampler(
    network: UNet,
    data: TrainingData,
    settings: TrainSettings,
    tile: int,
    device: torch.device,
) -> TileSampler:
    """Bring the training planes to the device and set up the drawing of tiles."""
    step, valid = 2**settings.depth, settings.padding == "valid"
    return TileSampler(
        planes=[plane.to(device) for plane in data.training],
        size=network.input_size(tile) if valid else ceil(tile / step) * step,
        margin=network.margin if valid else 0,
        deformation=Deformation(
            settings.elastic,
            settings.rotation,
            settings.flips,
            settings.gray,
            settings.deformed,
        ),
        generator=torch.Generator(device).manual_seed(settings.seed),
    )
