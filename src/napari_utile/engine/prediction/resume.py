"""What to do with existing output: keep, resume or overwrite it, or refuse."""

from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

from napari_utile.engine.prediction.outputs import output_type
from napari_utile.engine.prediction.plan import PredictionPlan
from napari_utile.engine.prediction.task import PredictionTask
from napari_utile.errors import UserError


@dataclass(frozen=True)
class Execution:
    """Where a prediction is computed, and what may happen to existing output.

    No bit of the result depends on it.

    Attributes
    ----------
    overwrite : bool
        Overwrite existing results.
    resume : bool
        Resume partial results.
    part : (int, int), optional
        Compute only the k-th of n shares of the blocks, counted from 1; other processes
        compute the other shares.
    scheduler : str, optional
        Address of a dask scheduler whose workers compute the blocks.
    workers : int
        Number of processes to start on this machine instead.
    dry_run : bool
        Estimate time, memory and disk; compute nothing.
    """

    overwrite: bool = False
    resume: bool = True
    part: tuple[int, int] | None = None
    scheduler: str | None = None
    workers: int = 0
    dry_run: bool = False

    @property
    def is_shared(self) -> bool:
        """Whether several processes write the result."""
        return bool(self.part or self.scheduler or self.workers)


class Decision(Enum):
    """What becomes of the output of a task."""

    KEEP = auto()
    """It is complete, and made by the same plan."""
    RESUME = auto()
    """It is partial, and was started by the same plan."""
    CREATE = auto()
    """There is none, or it is to be overwritten."""


def decide(task: PredictionTask, execution: Execution) -> tuple[PredictionTask, Decision]:
    """Decide what to do with existing output.

    Parameters
    ----------
    task : PredictionTask
    execution : Execution

    Returns
    -------
    task : PredictionTask
        To resume, the task of the plan that is on disk: its blocks are those of the output.
    decision : Decision

    Raises
    ------
    UserError
        If the output must not be touched, was made or started with other settings (names every
        difference), has lost a part, or cannot be written.
    """
    result = task.result
    finished = finished_plan(result)
    if finished and not execution.overwrite:
        if not (differences := finished.differences(task.plan)):
            if lost := task.output.lost():
                raise UserError(
                    f"{lost} It was finished before: overwrite it to make it again."
                )
            return task, Decision.KEEP
        raise UserError(
            f"{result} was made with other settings ({'; '.join(differences)}). "
            "Choose another output, or overwrite it."
        )
    _check_execution(task, execution)
    started = None if finished or execution.overwrite else PredictionPlan.read(task.work.plan)
    if started is None or not execution.resume:
        task.output.check(task.stack, execution.overwrite)
        return task, Decision.CREATE
    if differences := started.differences(task.plan):
        raise UserError(
            f"{result} was started with other settings ({'; '.join(differences)}). "
            "Use the same settings to resume it, or overwrite it."
        )
    return task.with_plan(started), Decision.RESUME


def _check_execution(task: PredictionTask, execution: Execution) -> None:
    """Refuse what the format of the output or several processes make impossible."""
    output, result = task.output, task.result
    if execution.is_shared and not output.supports_parts:
        raise UserError(
            f"{result}: several processes cannot share a TIFF; name a .zarr instead."
        )
    output.check_dtype()
    if execution.part and execution.overwrite and (result.exists() or task.work.plan):
        raise UserError(
            f"{result} exists, and one part must not remove what others have done: remove it "
            "yourself, and start all parts without overwriting."
        )


def finished_plan(result: Path) -> PredictionPlan | None:
    """Return the plan of a complete result; None if there is none."""
    return PredictionPlan.read(finished_facts(result).get("plan", {}))


def finished_facts(result: Path) -> dict[str, Any]:
    """Return what is known of a complete result: plan, objects, seconds; empty if it is none.

    Parameters
    ----------
    result : Path

    Returns
    -------
    dict
    """
    return output_type(result).finished(result)
