"""What breaks a training, said so that the user can act on it."""

from collections.abc import Iterator
from contextlib import contextmanager

from napari_utile.engine.devices import is_lost, is_out_of_memory
from napari_utile.engine.training.distributed import is_process_lost
from napari_utile.engine.training.step import TrainingStep
from napari_utile.errors import UserError

RESUMES = "the same command resumes from the last validation"


@contextmanager
def as_user_errors(step: TrainingStep) -> Iterator[None]:
    """Turn what the user can act on into a `UserError`: loss, memory, processes, device.

    Parameters
    ----------
    step : TrainingStep
        The one that fails; its progress is part of the message.

    Raises
    ------
    UserError
        If the loss is no longer a number, not even the smallest step fits into the memory,
        another process has ended, or the device can no longer be used.
    """
    try:
        yield
    except FloatingPointError as place:
        kept = (
            "No model is kept yet"
            if step.progress.best is None
            else "The best model so far is kept"
        )
        raise UserError(
            f"The loss is no longer a number {place}: lower the learning rate below "
            f"{step.settings.learning_rate:.2g}. {kept}."
        ) from None
    except RuntimeError as error:
        number = step.progress.step
        if is_out_of_memory(error):
            raise UserError(step.too_large()) from None
        if is_process_lost(error):
            raise UserError(
                f"Another process of the run has ended after step {number}: {RESUMES}."
            ) from error
        if is_lost(error):
            reason = str(error).splitlines()[0]
            raise UserError(
                f"{step.device} can no longer be used ({reason}) after step {number}: "
                f"{RESUMES}."
            ) from error
        raise
