"""What becomes of the run that a folder holds: overwritten, resumed, kept, or refused."""

from napari_utile.engine.training.checkpoints import (
    WAYS_OUT,
    Checkpoints,
    differing_settings,
)
from napari_utile.engine.training.distributed import Group
from napari_utile.engine.training.setup import TrainingSetup
from napari_utile.errors import UserError
from napari_utile.events import RunDone, RunStarted
from napari_utile.folders.run import Run
from napari_utile.settings import HARDWARE_OPTIONS, TrainSettings


def begin_run(run: Run, setup: TrainingSetup, overwrite: bool) -> None:
    """Make a folder that of a new run, without what it holds of another.

    Parameters
    ----------
    run : Run
        The folder, held by this process.
    setup : TrainingSetup
        Of the new run; its settings are written.
    overwrite : bool
        Whether a model may be lost.

    Raises
    ------
    UserError
        If it holds a model that would be lost.
    """
    if run.model.exists() and not overwrite:
        raise UserError(f"{run.folder} holds a model and no checkpoint to resume. {WAYS_OUT}")
    run.begin(setup.settings)


def end_of_finished(run: Run, checkpoints: Checkpoints, setup: TrainingSetup) -> RunDone:
    """Return the end of a run that is finished already, by the same plan.

    Parameters
    ----------
    run : Run
        The folder, with its record.
    checkpoints : Checkpoints
        Those in the folder, with the plan of the new run.
    setup : TrainingSetup
        Of the new run; compared with what is known of a run without checkpoints.

    Returns
    -------
    RunDone
        With `kept`, and the scores of the run.

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
    kept_settings = TrainSettings.read(run.settings)
    asked = {name: getattr(setup.settings, name) for name in sorted(HARDWARE_OPTIONS)}
    others = [
        f"{name} {getattr(kept_settings, name)}, not {value}"
        for name, value in asked.items()
        if value not in ("auto", getattr(kept_settings, name))
    ]
    if others:
        reason += f" It was computed with {' and '.join(others)}: overwrite it to train again."
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
