"""The other processes of a run, which follow the first one."""

from contextlib import closing, suppress
from pathlib import Path

from napari_utile.engine.training.checkpoints import TrainingPlan
from napari_utile.engine.training.data.pair_check import pair_check
from napari_utile.engine.training.distributed import Group, ending_with_the_leader
from napari_utile.engine.training.setup import TrainingSetup, set_up_training
from napari_utile.engine.training.step import TrainingStep
from napari_utile.errors import UserError
from napari_utile.io.pairs import open_pairs
from napari_utile.settings.training import TrainSettings


def follow_training(
    images: str | Path,
    labels: str | Path,
    settings: TrainSettings,
    warm_start: Path | str | None = None,
) -> None:
    """Take part in the training of the first process, which reports whatever goes wrong.

    Parameters
    ----------
    images, labels : path
        As for the first process: one image and its labels, or two folders or globs.
    settings : TrainSettings
        As for the first process.
    warm_start : path, optional
        Likewise.
    """
    with ending_with_the_leader():
        try:
            stacks, truths, _ = open_pairs(
                images, labels, settings.skip_broken, pair_check(settings)
            )
            setup = set_up_training(stacks, truths, settings, warm_start=warm_start)
            plan = TrainingPlan.of(setup, stacks, truths)
        except (UserError, OSError) as error:
            disagreement(str(error))
            return
        if not disagreement(plan):
            follow_leader(setup)


def follow_leader(setup: TrainingSetup) -> None:
    """Take every step of the first process, until it ends. Nothing is written.

    Parameters
    ----------
    setup : TrainingSetup
        The same as that of the first process, but for the device.
    """
    with closing(TrainingStep.of(setup)) as step:
        if (state := step.group.broadcast_object()) is None:  # there is nothing to train
            return
        step.restore(state)
        for rate in step.group.rates():
            with suppress(FloatingPointError):  # the leader finds the same, and ends
                step.take(rate)


def disagreement(mine: TrainingPlan | str) -> str:
    """Compare the plans of all processes; return what keeps them from one run, or ''.

    Parameters
    ----------
    mine : TrainingPlan or str
        The plan of this process, or why it has none.
    """
    group = Group.here()
    first, *others = group.collect(mine if isinstance(mine, str) else mine.state())
    assert isinstance(first, dict)
    plan = TrainingPlan.from_state(first)
    for rank, theirs in enumerate(others, start=1):
        if isinstance(theirs, str):
            return f"Process {rank} of {group.size}: {theirs}"
        if differences := plan.differences(TrainingPlan.from_state(theirs)):
            return f"Process {rank} of {group.size} differs: {'; '.join(differences)}."
    return ""
