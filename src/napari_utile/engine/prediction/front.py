"""The two ways to predict from outside: an array in memory, and files of any size."""

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.engine.devices import autocast_dtype, choose_device, describe, unused_gpu
from napari_utile.engine.models.model import Model, load_model
from napari_utile.engine.prediction.cluster import scheduler_warning
from napari_utile.engine.prediction.estimate import Facts
from napari_utile.engine.prediction.in_memory import predict_stack
from napari_utile.engine.prediction.outputs import TiffOutput, output_type
from napari_utile.engine.prediction.plan import options_without_effect
from napari_utile.engine.prediction.results import (
    RESULT_SUFFIXES,
    result_of_each,
    without_results,
    write_summary,
)
from napari_utile.engine.prediction.resume import Execution
from napari_utile.engine.prediction.run import PredictionRun
from napari_utile.errors import UserError
from napari_utile.events import (
    Event,
    ImageDone,
    RunDone,
    RunStarted,
    Warned,
    doubted,
    drain,
    warn,
)
from napari_utile.io.images import as_stack, expand, unread_images
from napari_utile.io.pairs import is_file_name
from napari_utile.settings.prediction import PredictSettings


def predict(
    model: Model,
    image: Any,
    tile: tuple[int, int] | None = None,
    settings: PredictSettings | None = None,
    on_event: Callable[[Event], object] = warn,
) -> NDArray[np.float32]:
    """Compute the probabilities of every pixel, as if the whole image went in at once.

    Parameters
    ----------
    model : Model
    image : ndarray, Zarr or dask array, path, or Stack
        (Y, X) or (Z, Y, X), with a channel axis first or last if the model expects channels.
    tile : (int, int), optional
        Height and width that a tile writes, rounded up to the stride alignment; the result
        does not depend on it. By default what fits into the memory.
    settings : PredictSettings, optional
        Averaging, device and number format.
    on_event : callable, optional
        Called with every event, `TileDone` and `Warned`. By default `Warned` becomes a Python
        warning.

    Returns
    -------
    ndarray of float32, shape (C, *image.shape)
        C is 1, the foreground, if the network ends in a sigmoid.

    Raises
    ------
    UserError
        If the image cannot be read or has other channels than the model, there is no such
        device, or not even the smallest tile fits into the memory.
    """
    _check_arguments(model, tile, settings)
    stack = as_stack(image, channels=model.in_channels)
    result = np.empty((model.classes, *stack.shape), np.float32)
    drain(predict_stack(model, stack, result, settings, tile, probes=True), on_event)
    return result


def _check_arguments(model: Any, tile: Any, settings: Any) -> None:
    """Refuse arguments of another type, or in another order."""
    if not isinstance(model, Model):
        kind = type(model).__name__
        raise UserError(f"model: {kind}, where a Model is needed: load_model reads one.")
    if not isinstance(settings, PredictSettings | None):
        kind = type(settings).__name__
        raise UserError(f"settings: {kind}, where PredictSettings are needed.")
    is_shape = isinstance(tile, Sequence) and all(isinstance(n, int) and n > 0 for n in tile)
    if tile is not None and not is_shape:
        raise UserError(f"tile: {tile!r}, where a height and a width are needed: (256, 256).")


def predict_files(
    model: str | Path,
    images: Sequence[str | Path],
    out: Path,
    settings: PredictSettings | None = None,
    execution: Execution | None = None,
) -> Generator[Event, None, list[Path]]:
    """Predict files, and write one result for each.

    Closing the generator stops the run; what an event reported is on disk, and the same call
    resumes it, with the same bits. A finished result of the same plan is kept.

    Parameters
    ----------
    model : path
        Folder of a model, or of a run.
    images : sequence of path
        Files; folders and globs stand for the images in them.
    out : Path
        The result of one image (.zarr or .tif), or a folder for those of several; in a folder
        that is there, also that of one image.
    settings, execution : PredictSettings, Execution, optional
        What is written; where it is computed, and what may be overwritten.

    Returns
    -------
    list of Path
        The results that are complete.

    Raises
    ------
    UserError
        Before anything is computed, if model, device or output cannot be used, or the only
        image cannot. One bad image of several, or with `strict` a doubtful one, is left out
        and named in `RunDone.failed`, with `skip_broken` only in a warning and the summary.
    """
    started, out, loaded = monotonic(), Path(out), load_model(model)
    settings, execution = settings or PredictSettings(), execution or Execution()
    paths = without_results(expand(images), out)
    is_alone = len(paths) == 1 and (
        out.suffix.lower() in RESULT_SUFFIXES or is_file_name(images)
    )
    unread = list(doubted(unread_images(images), settings.strict))
    results = result_of_each(paths, out, settings.format, is_alone)
    out = results[0] if is_alone else out
    unused = options_without_effect(
        settings,
        loaded.classes,
        output_type(results[0]) is TiffOutput,
        loaded.network.ndim,
    )
    unread += doubted(unused, settings.strict)
    start = _run_started(model, out, settings, len(paths))
    ends: list[ImageDone] = []
    with PredictionRun(loaded, Path(model), settings, execution, is_alone) as run:
        facts: Facts = {}
        idle_gpu = (unused_gpu() or "") if settings.device == "auto" else ""
        warnings = [scheduler_warning(execution.scheduler), idle_gpu]
        if is_alone or execution.dry_run:
            facts, bad_images = run.estimated(paths, results)
            warnings = [*bad_images, *warnings]
        yield start.model_copy(update={"facts": start.facts | facts})
        yield from unread
        yield from (Warned(message=warning) for warning in warnings if warning)
        for path, result in zip(paths, [] if execution.dry_run else results, strict=False):
            ends.append((yield from run.predict_image(path, result)))
            yield ends[-1]
            if not is_alone:
                write_summary(out, ends)
    yield _run_done(out, ends, started, settings.skip_broken)
    return [Path(end.out) for end in ends if end.status in ("done", "kept")]


def _run_started(
    model: str | Path, out: Path, settings: PredictSettings, images: int
) -> RunStarted:
    """Return the first event; choosing the device refuses one that cannot be used."""
    device = choose_device(settings.device)
    facts: Facts = {"model": str(model), "images": images, "output": settings.output}
    return RunStarted(
        job="predict",
        out=str(out),
        device=describe(device, autocast_dtype(device, settings.precision, training=False)),
        images=images,
        facts=facts,
    )


def _run_done(
    out: Path, ends: Sequence[ImageDone], started: float, skip_broken: bool
) -> RunDone:
    """Return the last event, which names the images that failed.

    With `skip_broken`, those that the user can correct do not count, unless no image is done.
    """
    failed = [end for end in ends if end.status in ("failed", "incomplete")]
    if skip_broken and len(failed) < len(ends):
        failed = [end for end in failed if not end.user]
    return RunDone(
        out=str(out),
        seconds=monotonic() - started,
        failed=tuple(f"{end.image}: {end.message}" for end in failed),
        user=bool(failed) and all(end.user for end in failed),
    )
