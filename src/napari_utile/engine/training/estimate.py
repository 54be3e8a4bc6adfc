"""What a training will cost, before it begins: beside it, what slices or volumes would cost."""

from collections.abc import Generator
from pathlib import Path
from time import perf_counter

from napari_utile.engine.devices import describe
from napari_utile.engine.training.data.pair_check import pair_check
from napari_utile.engine.training.schedule import VALIDATION_SHARE, learning_rate
from napari_utile.engine.training.setup import TrainingSetup, set_up_training
from napari_utile.engine.training.step import TrainingStep
from napari_utile.events import Event, RunDone, RunStarted, StepDone, Warned, drain
from napari_utile.io.pairs import open_pairs
from napari_utile.io.stack import Stack
from napari_utile.io.units import counted, duration_text
from napari_utile.settings.options import NETWORK_NAMES, axes_seen
from napari_utile.settings.training import TrainSettings

LEAST_STEPS, MOST_STEPS = 3, 30
"""Steps that are timed, after one that is not: the first one compiles and allocates."""
ENOUGH_SECONDS = 3.0
"""Time after which no more steps are timed than the least: a few short ones tell little."""

Facts = dict[str, str | int | float]


def estimate_training(
    images: str | Path, labels: str | Path, settings: TrainSettings, alone: bool = False
) -> Generator[Event, None, Facts]:
    """Take a few steps of a training, and of its counterpart of slices or volumes.

    Nothing is written. The counterpart of `unet` is `unet-3d`, that of the others likewise; an
    image without slices, or a network without counterpart, has none.

    Parameters
    ----------
    images, labels : path
        As for training.
    settings : TrainSettings
    alone : bool, default False
        Whether the counterpart is left out.

    Yields
    ------
    Warned
        What training would warn of.
    StepDone
        For each step that is taken of the training itself; the last one has its rate.
    RunStarted
        With the facts.
    RunDone

    Returns
    -------
    dict
        The facts, in words, by name.

    Raises
    ------
    UserError
        What training would refuse.
    """
    began = perf_counter()
    sources, truths, left_out = open_pairs(
        images, labels, settings.skip_broken, pair_check(settings)
    )
    setup = set_up_training(sources, truths, settings, left_out=left_out)
    yield from (Warned(message=message) for message in setup.warnings)
    step = TrainingStep.of(setup)
    cost = yield from _cost(step, setup)
    facts: Facts = {**setup.facts, **cost}
    if not alone and (other := counterpart(settings, sources)):
        there = set_up_training(sources, truths, other)
        cost = drain(_cost(TrainingStep.of(there), there))
        tile = f"tiles of {there.tiles.words} px"
        facts[f"with {other.network}"] = f"{cost['time']} ({cost['a step']} a step, {tile})"
    device = describe(step.device, step.dtype)
    yield RunStarted(job="train", device=device, total=settings.steps, facts=facts)
    yield RunDone(seconds=perf_counter() - began)
    return facts


def counterpart(settings: TrainSettings, images: list[Stack]) -> TrainSettings | None:
    """Return the settings of the same network for volumes, or of that for slices, if any."""
    name = settings.network
    other = name.removesuffix("-3d") if name.endswith("-3d") else f"{name}-3d"
    has_slices = all("z" in image.spatial_axes for image in images)
    if other not in NETWORK_NAMES or not has_slices:
        return None
    context = settings.context if axes_seen(other) == 2 else 0
    # affinities are those of volumes
    update = {"network": other, "context": context, "target": settings.meaning}
    return settings.model_copy(update=update)


def _cost(step: TrainingStep, setup: TrainingSetup) -> Generator[StepDone, None, Facts]:
    """Time a few steps, and report each; a run takes its validations on top of them."""
    step.network.train()
    rate = learning_rate(0.0, setup.settings)
    seconds, number = 0.0, 0
    while number <= LEAST_STEPS or (number <= MOST_STEPS and seconds < ENOUGH_SECONDS):
        began = perf_counter()
        loss, _ = step.take(rate)
        if number:
            seconds += perf_counter() - began
        share = min(number / LEAST_STEPS, max(number / MOST_STEPS, seconds / ENOUGH_SECONDS))
        yield StepDone(
            step=number + 1,
            loss=loss,
            learning_rate=rate,
            progress=min(1.0, share),
            rate=number / max(seconds, 1e-9),
        )
        number += 1
    seconds /= number - 1
    total = f"{setup.settings.minutes:g} min" if setup.settings.minutes else ""
    if steps := setup.settings.steps:
        by_steps = f"about {duration_text(steps * seconds)} for {counted(steps, 'steps')}"
        total = f"{by_steps}, at most {total}" if total else by_steps
    elif seconds:
        left = 60 * (setup.settings.minutes or 0) * (1 - VALIDATION_SHARE)
        total += f", about {counted(round(left / seconds), 'steps')}"
    return {"a step": f"{seconds:.2g} s", "time": f"{total}, and the validations"}
