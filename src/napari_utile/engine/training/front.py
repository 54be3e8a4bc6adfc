"""Training from images to the best model, as Python, shell and window start it."""

from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from napari_utile.arrays.splits import Split
from napari_utile.engine.models.model import Model, load_model
from napari_utile.engine.training.checkpoints import (
    WAYS_OUT,
    Checkpoints,
    TrainingPlan,
    differing_settings,
)
from napari_utile.engine.training.distributed import Group, ending_with_the_leader
from napari_utile.engine.training.run import TrainingRun, follow_leader
from napari_utile.engine.training.setup import TrainingSetup, set_up_training
from napari_utile.errors import UserError
from napari_utile.events import Event, RunDone, RunStarted, drain, warn
from napari_utile.folders.run import Run
from napari_utile.io.pairs import Images, open_pairs, stack_pairs
from napari_utile.io.stack import Stack
from napari_utile.settings import TrainSettings


def train(
    images: Images,
    labels: Images,
    settings: TrainSettings | None = None,
    out: Path | str | None = None,
    warm_start: Path | str | None = None,
    overwrite: bool = False,
    on_event: Callable[[Event], object] = warn,
) -> Model:
    """Train a network on arrays and return the best model of the run.

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
        of the same settings and data is resumed; the model of a finished one is returned.
    warm_start : path, optional
        Model, or run, whose parameters the new run starts from.
    overwrite : bool, default False
        Overwrite whatever run is in the folder.
    on_event : callable, optional
        Called with every event of the run; by default warnings become Python warnings.

    Returns
    -------
    Model
        The best by validation loss.

    Raises
    ------
    UserError
        If the input cannot be trained on, or the folder holds another run; the message names
        what to change.
    """
    stacks, truths = stack_pairs(images, labels)
    settings = settings or TrainSettings()
    run = run_training(stacks, truths, settings, out, overwrite, warm_start)
    return drain(run, on_event)


def train_files(
    images: str | Path,
    labels: str | Path,
    out: Path | str,
    settings: TrainSettings,
    overwrite: bool = False,
    warm_start: Path | str | None = None,
) -> Generator[Event, None, Model]:
    """Train on files: one image and its labels, or two folders or globs that pair by name.

    See `run_training`.
    """
    return run_training(*open_pairs(images, labels), settings, out, overwrite, warm_start)


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
    An unfinished run of the same settings and data is resumed, and ends as if it had never
    been interrupted; only the device and the precision may be others. A finished one is kept:
    the only event is then `RunDone`.

    Parameters
    ----------
    images, labels : sequences of Stack
        Pairs of the same spatial shape.
    settings : TrainSettings
        How to train.
    out : path, optional
        The run folder; nothing is written without one.
    overwrite : bool
        Overwrite whatever run is in the folder.
    warm_start : path, optional
        Model, or run, whose parameters the new run starts from. It may be the run that is
        overwritten.
    split : Split, optional
        What is for training and what for validation, where several runs share it.

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
        device, or the run folder is in use or holds a run that differs; later, if the loss is
        no longer a number.
    """
    if out is None:
        setup = set_up_training(images, labels, settings, split, warm_start)
        return (yield from TrainingRun(setup).events())
    with Run.hold(out, TrainSettings) as run:
        # an older run is given up only when it is sure that this one can start
        setup = set_up_training(images, labels, settings, split, warm_start)
        plan = TrainingPlan.of(setup, images, labels)
        if reason := disagreement(plan):
            raise UserError(reason)
        checkpoints = Checkpoints(run.checkpoint, plan)
        if run.is_finished and not overwrite:
            yield finished(run, checkpoints, setup)
            return load_model(run.model)
        if overwrite or not checkpoints.find():
            begin(run, setup, overwrite)
        elif checkpoints.state:
            run.cut_back(checkpoints.state["events"])
        return (yield from TrainingRun(setup, run, checkpoints).events())


def follow_training(images: str | Path, labels: str | Path, settings: TrainSettings) -> None:
    """Take part in the training of the first process, which reports whatever goes wrong."""
    with ending_with_the_leader():
        try:
            stacks, truths = open_pairs(images, labels)
            setup = set_up_training(stacks, truths, settings)
            plan = TrainingPlan.of(setup, stacks, truths)
        except (UserError, OSError) as error:
            disagreement(str(error))
            return
        if not disagreement(plan):
            follow_leader(setup)


def disagreement(mine: TrainingPlan | str) -> str:
    """Compare the plans of all processes; return what keeps them from one run, or ''.

    Parameters
    ----------
    mine : TrainingPlan or str
        The plan of this process, or why it has none.
    """
    group = Group.here()
    first, *others = group.collect(mine)
    assert isinstance(first, TrainingPlan)
    for rank, theirs in enumerate(others, start=1):
        if isinstance(theirs, str):
            return f"Process {rank} of {group.size}: {theirs}"
        if differences := first.differences(theirs):
            return f"Process {rank} of {group.size} differs: {'; '.join(differences)}."
    return ""


def begin(run: Run, setup: TrainingSetup, overwrite: bool) -> None:
    """Make the folder that of a new run.

    Raises
    ------
    UserError
        If it holds a model that would be lost.
    """
    if run.model.exists() and not overwrite:
        raise UserError(f"{run.folder} holds a model and no checkpoint to resume. {WAYS_OUT}")
    run.begin(setup.settings)


def finished(run: Run, checkpoints: Checkpoints, setup: TrainingSetup) -> RunDone:
    """Return the end of a run that is finished already, by the same plan.

    Raises
    ------
    UserError
        If its plan is another.
    """
    events = run.recorded()
    end = [event for event in events if isinstance(event, RunDone)][-1]
    reason = "It was finished before, with the same settings and data."
    if kept := checkpoints.kept_plan():
        differences = kept.differences(checkpoints.plan)
    else:  # the checkpoints were removed: what else is known of the run
        reason = "It was finished before, with the same settings; pixels could not be compared."
        differences = differing_settings(TrainSettings.read(run.settings), setup.settings)
        known = next((e.facts for e in events if isinstance(e, RunStarted)), {})
        if any(known.get(name, value) != value for name, value in setup.facts.items()):
            differences.append("images or labels have changed")
    if differences:
        raise UserError(
            f"{run.folder} holds a finished run that differs ({'; '.join(differences)}). "
            f"{WAYS_OUT}"
        )
    Group.here().broadcast_object(None)  # the other processes have nothing to do
    return RunDone(
        out=str(run.folder),
        seconds=0.0,
        scores=end.scores,
        kept=True,
        reason=reason,
    )
