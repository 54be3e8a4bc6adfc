"""A whole training run: from stacks to the best model, kept in memory and in its folder."""

from collections.abc import Generator, Iterator, Sequence
from inspect import signature
from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_utile.arrays.splits import Split
from napari_utile.engine.augmentation import Deformation
from napari_utile.engine.batches import TileSampler
from napari_utile.engine.devices import autocast_dtype, choose_device, describe, unused_gpu
from napari_utile.engine.model import Model
from napari_utile.engine.preparation import TrainingData, prepare
from napari_utile.engine.tile_size import Network
from napari_utile.engine.training import Budget, Learner, train
from napari_utile.engine.validation import Validation
from napari_utile.errors import UserError
from napari_utile.events import EpochDone, Event, PreviewReady, RunDone, RunStarted, Warned
from napari_utile.files.images import Stack, write_tiff
from napari_utile.files.runs import Run
from napari_utile.networks import NETWORKS
from napari_utile.settings import TrainSettings

ARCHITECTURE = ("depth", "width", "padding", "norm", "dropout")
"""Options of networks; not every network has every one."""


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
    if NETWORKS[settings.network].trains_on_windows and settings.sampling == "uniform":
        settings = settings.model_copy(update={"sampling": "classes"})
    data = prepare(images, labels, settings, receptive_field(settings), split)
    with torch.device("meta"):
        network = build(settings, data.channels, len(data.ids))
    tile, step = training_tile(network, settings, data), network.stride_alignment
    # batch norm has nothing to average over where one pixel is left at the bottom
    is_alone = settings.batch == 1 and network.padding == "same" and tile <= step
    if network.arguments.get("norm") and is_alone:
        raise UserError(
            f"A tile of {tile} px is one pixel behind the last pooling: choose a larger tile "
            "or batch, or a smaller depth."
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
    network = network.to(device).to(memory_format=torch.channels_last)
    best = Best(network, data, settings, run)
    tile = training_tile(network, settings, data)

    try:
        yield RunStarted(
            job="train",
            out=out,
            device=describe(device, dtype),
            total=settings.steps,
            minutes=settings.minutes,
            facts=best.trained_on,
        )
        for message in (*unused_options(settings), *data.warnings):
            yield Warned(message=message)
        if settings.device == "auto" and (reason := unused_gpu()):
            yield Warned(message=reason)
        if tile < settings.tile and not network.trains_on_windows:
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
        self, network: Network, data: TrainingData, settings: TrainSettings, run: Run | None
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
        unused.append("tile")
    for name in unused:
        chosen = getattr(settings, name)
        if chosen != getattr(default, name):
            yield f"The network {settings.network} has no {name}: {chosen} is not used."


def receptive_field(settings: TrainSettings) -> int:
    """Give the side of what a network looks at to judge one pixel."""
    with torch.device("meta"):
        return 2 * build(settings, channels=1, classes=2).margin + 1


def training_tile(network: Network, settings: TrainSettings, data: TrainingData) -> int:
    """Give the side of a training tile: as asked for, or just enough for the largest plane.

    A network that is trained on windows learns one pixel of each.
    """
    if network.trains_on_windows:
        return 1
    sides = [side for plane in data.training for side in plane.classes.shape]
    step = network.stride_alignment
    return min(settings.tile, ceil(max(sides) / step) * step)


def make_sampler(
    network: Network,
    data: TrainingData,
    settings: TrainSettings,
    tile: int,
    device: torch.device,
) -> TileSampler:
    """Bring the training planes to the device and set up the drawing of tiles."""
    step, valid = network.stride_alignment, network.padding == "valid"
    size = network.input_size(tile) if valid else ceil(tile / step) * step
    # the grid of displacements spans a tile: on a small window as smooth as on a whole tile
    smaller = size / settings.tile if network.trains_on_windows else 1.0
    return TileSampler(
        planes=[plane.to(device) for plane in data.training],
        size=size,
        margin=network.margin if valid else 0,
        deformation=Deformation(
            settings.elastic * smaller,
            settings.rotation,
            settings.flips,
            settings.gray,
            settings.deformed,
        ),
        generator=torch.Generator().manual_seed(settings.seed),
    )
