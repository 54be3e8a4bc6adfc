"""Whole jobs, from images to results: the front door of shell, window and notebook."""

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from numpy.typing import NDArray

from napari_utile.arrays.splits import Split
from napari_utile.engine.models.model import Model
from napari_utile.engine.training.checkpoints import WAYS_OUT, Checkpoints, Plan
from napari_utile.engine.training.distributed import Group, ending_with_the_leader
from napari_utile.engine.training.run import follow, ready, training_run
from napari_utile.engine.training.run import warm_start as warm_start_of
from napari_utile.errors import UserError
from napari_utile.events import Event, RunDone
from napari_utile.folders.run import Run
from napari_utile.io.images import Stack, as_stack, open_image, pairs
from napari_utile.settings import TrainSettings

__all__ = [
    "drain",
    "follow_training",
    "run_training",
    "stacks_of",
    "train",
    "train_files",
]

T = TypeVar("T")
Images = NDArray[Any] | Sequence[NDArray[Any]]


def train(
    images: Images,
    labels: Images,
    settings: TrainSettings | None = None,
    out: Path | str | None = None,
    warm_start: Path | str | None = None,
    overwrite: bool = False,
) -> Model:
    """Train a network on arrays and give back the best model of the run.

    Parameters
    ----------
    images : ndarray, shape (Y, X) or (Z, Y, X), or a sequence of them
        Channels, if there are any, are the axis that the labels lack, first or last.
    labels : ndarray of int or bool, or a sequence of them
        Of the images' spatial shape.
    settings : TrainSettings, optional
        The default recipe if left out.
    out : path, optional
        Run folder to keep the settings, the events and the best model in. An unfinished run
        of the same settings and data goes on where it stopped.
    warm_start : path, optional
        Model, or run, whose weights the new run begins with.
    overwrite : bool, default False
        Begin anew whatever run is in the folder.

    Returns
    -------
    Model
        The best by validation loss.

    Raises
    ------
    UserError
        If the input cannot be trained on; the message names what to mend.
    """
    stacks, truths = stacks_of(images, labels)
    settings = settings or TrainSettings()
    return drain(run_training(stacks, truths, settings, out, overwrite, warm_start))


def train_files(
    images: str | Path,
    labels: str | Path,
    out: Path,
    settings: TrainSettings,
    overwrite: bool = False,
    warm_start: Path | str | None = None,
) -> Generator[Event, None, Model]:
    """Train on files: one image and its labels, or two folders or globs that pair by name.

    See `run_training`.
    """
    stacks, truths = opened(images, labels)
    return (yield from run_training(stacks, truths, settings, out, overwrite, warm_start))


def follow_training(images: str | Path, labels: str | Path, settings: TrainSettings) -> None:
    """Take part in the `train_files` of the first process, which says whatever goes wrong."""
    with ending_with_the_leader():
        try:
            stacks, truths = opened(images, labels)
            data = ready(stacks, truths, settings)
            plan = Plan.of(settings, stacks, truths, data.split)
        except (UserError, OSError) as error:
            disagreement(str(error))
            return
        if not disagreement(plan):
            follow(data, settings)


def disagreement(mine: Plan | str) -> str:
    """Lay the plans of all processes side by side; say what keeps them from one run.

    A process that has no plan says why.
    """
    group = Group.here()
    first, *others = group.collect(mine)
    assert isinstance(first, Plan)
    for rank, theirs in enumerate(others, start=1):
        if isinstance(theirs, str):
            return f"Process {rank} of {group.size}: {theirs}"
        if differences := first.differences(theirs):
            return f"Process {rank} of {group.size} differs: {'; '.join(differences)}."
    return ""


def run_training(
    images: Sequence[Stack],
    labels: Sequence[Stack],
    settings: TrainSettings,
    out: Path | str | None = None,
    overwrite: bool = False,
    warm_start: Path | str | None = None,
    split: Split | None = None,
) -> Generator[Event, None, Model]:
    """Train on pairs of stacks and report every step.

    To stop the run is to close the generator; the best model so far is in the run folder.
    An unfinished run of the same settings and data goes on where it stopped, and ends as if
    it had never been interrupted; only the device and the precision may be others.

    Parameters
    ----------
    images, labels : sequences of Stack
        Pairs of the same spatial shape.
    settings : TrainSettings
        How to train.
    out : path, optional
        The run folder; nothing is written without one.
    overwrite : bool
        Begin anew whatever run is in the folder.
    warm_start : path, optional
        Model, or run, whose weights the new run begins with. It may be the run that is
        overwritten.
    split : Split, optional
        What is for training and what for validation, where several runs shall share it.

    Yields
    ------
    RunStarted, StepDone, EpochDone, PreviewReady, Warned, RunDone

    Returns
    -------
    Model
        The best by validation loss.

    Raises
    ------
    UserError
        Before anything is computed, if the input cannot be trained on, there is no such
        device, or the run folder is taken, holds a finished run or one that differs; later,
        if the loss is no longer a number.
    """
    if out is None:
        data = ready(images, labels, settings, split)
        warm = warm_start_of(warm_start, settings, data) if warm_start else None
        return (yield from training_run(data, settings, None, warm=warm))
    with Run.hold(out, TrainSettings) as run:
        if run.is_finished and not overwrite:
            raise UserError(
                f"{out} holds a finished run; --overwrite replaces it (in Python: "
                "overwrite=True). To train on, choose another folder and name this one as "
                "--warm-start."
            )
        # an older run is given up only when it is sure that this one can start
        data = ready(images, labels, settings, split)
        warm = warm_start_of(warm_start, settings, data) if warm_start else None
        plan = Plan.of(settings, images, labels, data.split, warm.weights if warm else None)
        if reason := disagreement(plan):
            raise UserError(reason)
        checkpoints = Checkpoints(run.checkpoint, plan)
        if not overwrite and checkpoints.find() and checkpoints.state:
            run.cut_back(checkpoints.state["events"])
        elif run.model.exists() and not overwrite:
            raise UserError(f"{out} holds a model and nothing to go on from. {WAYS_OUT}")
        else:
            run.begin(settings)
        steps = training_run(data, settings, run, checkpoints, warm)
        return (yield from recorded(steps, run))


def recorded(events: Generator[Event, None, T], run: Run) -> Generator[Event, None, T]:
    """Pass events on, and keep them in the run folder."""
    began, event = monotonic(), None
    try:
        while True:
            event = next(events)
            run.record(event)
            yield event
    except StopIteration as end:
        return end.value
    except GeneratorExit:
        events.close()  # its checkpoint does not count what is recorded from here on
        if isinstance(event, RunDone):  # closed by who needs no more than the last event
            raise
        run.record(RunDone(out=str(run.folder), seconds=monotonic() - began, stopped=True))
        raise
    finally:
        events.close()


def drain(run: Generator[Any, None, T]) -> T:
    """Run to the end and give back the result."""
    while True:
        try:
            next(run)
        except StopIteration as end:
            return end.value


def opened(images: str | Path, labels: str | Path) -> tuple[list[Stack], list[Stack]]:
    """Open one image and its labels, or those of two folders or globs that pair by name."""
    stacks, truths = [], []
    for image, label in pairs(images, labels):
        truths.append(open_image(label))
        stacks.append(open_image(image))
    return stacks, truths


def stacks_of(images: Images, labels: Images) -> tuple[list[Stack], list[Stack]]:
    """Take arrays, one or several, as pairs of an image and its labels."""
    images, labels = _several(images), _several(labels)
    if len(images) != len(labels):
        raise UserError(f"{len(images)} images and {len(labels)} labels do not pair up.")
    truths = [as_stack(ids, name=name) for ids, name in _named(labels, "labels")]
    stacks = [
        as_stack(image, name=name, shape=truth.shape)
        for (image, name), truth in zip(_named(images, "image"), truths, strict=True)
    ]
    return stacks, truths


def _several(images: Images) -> Sequence[NDArray[Any]]:
    return images if isinstance(images, Sequence) else [images]


def _named(arrays: Sequence[NDArray[Any]], name: str) -> Iterator[tuple[NDArray[Any], str]]:
    """Give each array a name for messages; several are counted from 1."""
    for number, array in enumerate(arrays, 1):
        yield array, f"{name} {number}" if len(arrays) > 1 else name
