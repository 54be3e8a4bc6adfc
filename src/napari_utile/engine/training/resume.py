"""What becomes of the run that a folder holds: overwritten, resumed, kept, or refused."""

from dataclasses import replace
from pathlib import Path

from napari_utile.engine.training.checkpoints import (
    WAYS_OUT,
    Checkpoints,
    TrainingPlan,
    differing_settings,
    differing_starts,
)
from napari_utile.engine.training.distributed import Group
from napari_utile.engine.training.setup import TrainingSetup
from napari_utile.errors import UserError
from napari_utile.events import RunDone, RunStarted
from napari_utile.folders.model import read_card
from napari_utile.folders.run import Run
from napari_utile.settings.options import HARDWARE_OPTIONS
from napari_utile.settings.training import TrainSettings


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
        If its plan is another, or its file of settings was changed.
    """
    events, doubt = run.record_on_disk()
    starts = [event for event in events if isinstance(event, RunStarted)]
    end = [event for event in events if isinstance(event, RunDone)][-1]
    reason = "It was finished before, with the same settings and data."
    if kept := checkpoints.kept_plan():
        differences = kept.differences(checkpoints.plan)
    else:  # the checkpoints were removed: what else is known of the run
        reason = "It was finished before, with the same settings; pixels could not be compared."
        made_with = read_card(run.model).settings or TrainSettings.read(run.settings)
        differences = differing_settings(made_with, setup.settings)
        was_warm = bool(starts and starts[0].warm_start)
        differences += differing_starts(was_warm, setup.warm_start is not None)
        known = starts[0].facts if starts else {}
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
    check_settings_file(run, setup.settings)
    Group.here().broadcast_object(None)  # the other processes have nothing to do
    return RunDone(
        out=str(run.folder),
        seconds=0.0,
        scores=end.scores,
        kept=True,
        reason=" ".join(filter(None, [reason, doubt])),
    )


def check_settings_file(run: Run, settings: TrainSettings) -> None:
    """Refuse a run whose file of settings no longer says how it was made.

    Parameters
    ----------
    run : Run
        The folder.
    settings : TrainSettings
        Those by which it was made, as its checkpoints or its model say.

    Raises
    ------
    UserError
        Names every difference.
    """
    if differences := differing_settings(TrainSettings.read(run.settings), settings):
        raise UserError(
            f"{run.settings} was changed since the run began ({'; '.join(differences)}): "
            f"correct it. {WAYS_OUT}"
        )


def with_own_start(plan: TrainingPlan, run: Run, setup: TrainingSetup) -> TrainingPlan:
    """Return the plan of a run that overwrote the one it starts from, when it resumes.

    Its first parameters are no longer in the folder, where its own model is by now.

    Parameters
    ----------
    plan : TrainingPlan
        With the parameters of the model that is there now.
    run : Run
        The folder.
    setup : TrainingSetup
        Of the run that resumes.
    """
    warm = setup.warm_start
    if warm is None or Path(warm.path).resolve() not in (
        run.folder.resolve(),
        run.model.resolve(),
    ):
        return plan
    there = Checkpoints(run.checkpoint, plan).kept_plan()
    return replace(plan, parameters=there.parameters) if there and there.parameters else plan
