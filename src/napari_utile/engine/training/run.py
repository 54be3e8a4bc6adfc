"""A training run: train an epoch, validate, keep the best, report, save; until it is over.

It yields events; it never prints, plots or touches a GUI.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from math import inf, isfinite
from pathlib import Path

from napari_utile.arrays.splits import Split
from napari_utile.engine.devices import describe, unused_gpu
from napari_utile.engine.models.model import Model, load_model
from napari_utile.engine.training.best_model import BestModel
from napari_utile.engine.training.budget import Budget
from napari_utile.engine.training.checkpoints import (
    Checkpoints,
    CheckpointState,
    TrainingPlan,
    plain_numbers,
)
from napari_utile.engine.training.diagnostics import Watch
from napari_utile.engine.training.failures import as_user_errors
from napari_utile.engine.training.followers import disagreement
from napari_utile.engine.training.resume import (
    begin_run,
    check_settings_file,
    end_of_finished,
    with_own_start,
)
from napari_utile.engine.training.schedule import learning_rate
from napari_utile.engine.training.setup import TrainingSetup, set_up_training
from napari_utile.engine.training.step import TrainingStep
from napari_utile.engine.training.validation import Validation, validate
from napari_utile.engine.training.viewing import Viewing
from napari_utile.errors import UserError
from napari_utile.events import (
    EpochDone,
    Event,
    PreviewReady,
    RunDone,
    RunStarted,
    StepDone,
    Warned,
)
from napari_utile.folders.run import Run
from napari_utile.folders.trained_on import record_data
from napari_utile.io.disk import room_for
from napari_utile.io.stack import Stack
from napari_utile.settings.training import TrainSettings


def run_training(
    images: Sequence[Stack],
    labels: Sequence[Stack],
    settings: TrainSettings,
    out: Path | str | None = None,
    overwrite: bool = False,
    warm_start: Path | str | None = None,
    split: Split | None = None,
    left_out: Sequence[str] = (),
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
    left_out : sequence of str, optional
        Warnings of files that are not trained on.

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
        no longer a number or the disk is full.
    """
    if out is None:
        setup = set_up_training(images, labels, settings, split, warm_start, left_out)
        return (yield from TrainingRun(setup).events())
    with room_for(Path(out)), Run.hold(out, TrainSettings) as run:
        # an older run is given up only when it is sure that this one can start
        setup = set_up_training(images, labels, settings, split, warm_start, left_out)
        plan = TrainingPlan.of(setup, images, labels)
        if reason := disagreement(plan):
            raise UserError(reason)
        # Without its model a finished run is resumed from its last checkpoint, or made anew.
        is_finished = run.is_finished and run.model.exists()
        if not is_finished:
            plan = with_own_start(plan, run, setup)
        checkpoints = Checkpoints(run.checkpoint, plan)
        if is_finished and not overwrite:
            run.check_model()
            end = end_of_finished(run, checkpoints, setup)
            yield from (Warned(message=message) for message in setup.warnings)
            yield end
            return load_model(run.model)
        if overwrite or not checkpoints.find():
            begin_run(run, setup, overwrite)
            record_data(run, images, setup.data.split, warm_start)
        else:
            check_settings_file(run, setup.settings)
        viewing = Viewing(setup, images, run)
        return (yield from TrainingRun(setup, run, checkpoints, viewing).events())


class TrainingRun:
    """A run from its first step, or the last checkpoint, to its best model.

    Its minutes begin when it is made. It advances only while the caller asks for the next
    event; closing `events` stops it, with everything saved.

    Parameters
    ----------
    setup : TrainingSetup
        All that it starts from.
    run : Run, optional
        Folder for events, best model and previews; nothing is written without one.
    checkpoints : Checkpoints, optional
        Where its state is saved; it resumes from the one that was found there.
    viewing : Viewing, optional
        Previews of what somebody looks at; they are not part of the record.
    """

    def __init__(
        self,
        setup: TrainingSetup,
        run: Run | None = None,
        checkpoints: Checkpoints | None = None,
        viewing: Viewing | None = None,
    ):
        self.setup, self.settings, self.run = setup, setup.settings, run
        self.checkpoints, self.viewing = checkpoints, viewing
        self.budget = Budget(self.settings.steps, self.settings.minutes)
        self.step = TrainingStep.of(setup)
        self.best = BestModel(self.step.network, setup, run)
        self.watch = Watch(self.settings, setup.data.ids)
        self.said: list[str] = []

    def events(self) -> Generator[Event, None, Model]:
        """Train, and report every step.

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
            If the loss is no longer a number, or memory, device or processes fail.
        """
        with as_user_errors(self.step), closing(self.step):
            resumed_from = self._restore()
            progress = self.step.progress
            try:
                yield from self._report(self._started(resumed_from), *self._first_warnings())
                while not progress.is_over(self.budget, self.settings.patience):
                    self._begin_epoch()
                    while progress.is_within_epoch(used := self.budget.progress(progress.step)):
                        rate = learning_rate(used, self.settings)
                        loss, warnings = self.step.take(rate)
                        progress.count_step(loss)
                        yield from self._report(*self._after_step(loss, rate, warnings))
                        yield from self._look()
                    train_loss, began = progress.mean_loss, self.budget.seconds
                    found = self._validate()
                    if is_best := progress.end_epoch(found.loss):
                        self.best.keep(found)
                    progress.cost = self.budget.seconds - began
                    yield from self._report(*self._after_epoch(train_loss, found, is_best))
                    self.save()
            except GeneratorExit:
                self._stop()
                raise
            yield from self._report(*self._end())
        return self.best.model

    def save(self) -> None:
        """Write all that the rest of the run depends on into a checkpoint."""
        if not (self.run and self.checkpoints):
            return
        progress = self.step.progress
        state = {
            "learner": self.step.state(),
            "best": self.best.state() if progress.epoch else None,
            "watch": self.watch.state(),
            "said": self.said,
            "seconds": self.budget.seconds,
            "events": self.run.length(),
        }
        self.checkpoints.save(progress.step, state)

    def _restore(self) -> int | None:
        """Restore the checkpoint and return its step; without one, save the first."""
        state = self.checkpoints.state if self.checkpoints else None
        while state and self.checkpoints:
            try:
                self._take_over(state)
                break
            except UserError:  # of the disk
                raise
            except (AttributeError, LookupError, TypeError, ValueError):  # it is damaged
                self.checkpoints.give_up()
                state = self.checkpoints.state
        else:
            self.save()
        group = self.step.group
        if group.size > 1:
            group.broadcast_object(plain_numbers(self.step.state()))
        return self.step.progress.step if state else None

    def _take_over(self, state: CheckpointState) -> None:
        """Restore what `save` wrote; raise some `ValueError` or so if it is something else."""
        seconds, events, said = state["seconds"], state["events"], state["said"]
        if not 0 <= seconds < inf or type(events) is not int or events < 0:
            raise ValueError("no such time")
        if not isinstance(said, list) or not all(isinstance(each, str) for each in said):
            raise TypeError("no messages")
        self.step.restore(state["learner"])
        self.watch.restore(state["watch"])
        if state["best"] is not None:
            self.best.restore(state["best"])
        elif self.step.progress.epoch:
            raise ValueError("no best network")
        self.said = said
        self.budget.add(seconds)
        if self.run:
            self.run.cut_back(events)

    def _started(self, resumed_from: int | None) -> RunStarted:
        warm = self.setup.warm_start
        return RunStarted(
            job="train",
            out=self._out,
            device=describe(self.step.device, self.step.dtype),
            total=self.settings.steps,
            minutes=self.settings.minutes,
            resumed_from=resumed_from,
            warm_start=warm.path if warm else "",
            processes=self.step.group.size,
            facts=self.setup.facts,
        )

    def _first_warnings(self) -> Iterator[Warned]:
        yield from warnings_of(self.checkpoints.damaged if self.checkpoints else ())
        if self.run and (doubt := self.run.record_on_disk().doubt):
            yield Warned(message=doubt)
        yield from warnings_of(self.setup.warnings)
        if self.settings.device == "auto" and (reason := unused_gpu()):
            yield Warned(message=reason)

    def _begin_epoch(self) -> None:
        """Start an epoch, or resume one; its pace is measured from here."""
        self.step.network.train()
        self.step.progress.begin_epoch(self.budget, self.settings.validations_per_run)
        self._epoch_start = self.budget.seconds, self.step.progress.step

    def _after_step(self, loss: float, rate: float, warnings: list[str]) -> Iterator[Event]:
        """Report a step, and what is wrong with it."""
        step, (began, first) = self.step.progress.step, self._epoch_start
        done = StepDone(
            step=step,
            loss=loss,
            learning_rate=rate,
            progress=self.budget.progress(step),
            rate=(step - first) / max(self.budget.seconds - began, 1e-9),
            seconds_left=self.budget.seconds_left(step),
        )
        yield from warnings_of(warnings)
        yield done
        yield from warnings_of(self.watch.step(done))

    def _look(self) -> Iterator[PreviewReady]:
        """Show what somebody looks at, if there is time for it; it leaves no trace."""
        step = self.step
        if self.viewing and (
            shown := self.viewing.preview(step.network, step.device, step.progress.step)
        ):
            with self.budget.paused():
                yield shown

    def _validate(self) -> Validation:
        """Predict and score the validation planes with the network as it is now."""
        step = self.step
        found = validate(step.network, self.setup.data.validation, step.device, step.loss)
        if not isfinite(found.loss):
            raise FloatingPointError(f"in the validation after step {step.progress.step}")
        return found

    def _after_epoch(
        self, train_loss: float, found: Validation, is_best: bool
    ) -> Iterator[Event]:
        """Report a validation, with a preview of the best, and what is wrong with it."""
        progress = self.step.progress
        done = EpochDone(
            epoch=progress.epoch,
            step=progress.step,
            train_loss=train_loss,
            val_loss=found.loss,
            scores=found.scores,
            is_best=is_best,
            seconds=self.budget.seconds,
        )
        yield done
        if is_best and self.run:
            yield self.best.preview(found, self.run, progress.step)
        news = [message for message in found.warnings if message not in self.said]
        self.said += news
        yield from warnings_of(news)
        yield from warnings_of(self.watch.epoch(done, found))

    def _end(self) -> Iterator[Event]:
        """Report the end, and why it came early if it did."""
        reason, progress = "", self.step.progress
        if progress.is_stuck(self.settings.patience):
            reason = (
                f"Ended early, after step {progress.step}: no validation of the last "
                f"{progress.since_best} was better than {progress.best:.3g}."
            )
        yield from warnings_of([*self.watch.end(), *([reason] if reason else [])])
        yield RunDone(
            out=self._out,
            seconds=self.budget.seconds,
            scores=self.best.model.scores,
            reason=reason,
            past=self.watch.past,
        )

    def _stop(self) -> None:
        """Save a run that the caller has closed; a network that was never validated is kept."""
        if not self.step.progress.epoch:
            self.best.keep(None)
        self.save()  # its record ends here: what follows is cut off on resuming
        self._record(RunDone(out=self._out, seconds=self.budget.seconds, stopped=True))

    def _report(self, *events: Event) -> Iterator[Event]:
        """Record events, then pass them on; what the caller does with them takes no time."""
        self._record(*events)
        for event in events:
            with self.budget.paused():
                yield event

    def _record(self, *events: Event) -> None:
        if self.run:
            for event in events:
                self.run.record(event)

    @property
    def _out(self) -> str:
        return str(self.run.folder) if self.run else ""


def warnings_of(messages: Iterable[str]) -> Iterator[Warned]:
    """Make an event of each message."""
    return (Warned(message=message) for message in messages)
