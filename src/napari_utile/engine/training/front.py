"""Training from images to the best model, as Python, shell and window start it."""

from collections.abc import Callable, Generator
from pathlib import Path

from napari_utile.engine.models.model import Model
from napari_utile.engine.training.data.pair_check import pair_check
from napari_utile.engine.training.run import run_training
from napari_utile.errors import UserError
from napari_utile.events import Event, drain, warn
from napari_utile.io.pairs import Images, open_pairs, stack_pairs
from napari_utile.settings.training import TrainSettings


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
    settings = TrainSettings() if settings is None else settings
    if not isinstance(settings, TrainSettings):
        raise UserError(f"settings: {type(settings).__name__}, where TrainSettings are needed.")
    stacks, truths = stack_pairs(images, labels)
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
    stacks, truths, left_out = open_pairs(
        images, labels, settings.skip_broken, pair_check(settings)
    )
    return run_training(stacks, truths, settings, out, overwrite, warm_start, left_out=left_out)
