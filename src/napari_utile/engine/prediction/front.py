"""Many images in one run: each gets a result, a bad one is named, and a table says it all."""

import csv
import io
import json
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.engine.devices import autocast_dtype, choose_device, describe, unused_gpu
from napari_utile.engine.models.model import Model, load_model
from napari_utile.engine.prediction.estimate import Facts
from napari_utile.engine.prediction.in_memory import predict_stack as predict_tiles
from napari_utile.engine.prediction.outputs import TIFF
from napari_utile.engine.prediction.run import Execution, PredictionRun
from napari_utile.errors import UserError
from napari_utile.events import Event, ImageDone, RunDone, RunStarted, Warned
from napari_utile.io.disk import atomic_write
from napari_utile.io.images import IMAGE_SUFFIXES, as_stack, expand
from napari_utile.io.names import last_part
from napari_utile.io.ome_zarr import provenance
from napari_utile.io.zarr_folders import is_zarr
from napari_utile.settings import PredictSettings

RESULTS = {".zarr", *TIFF}
"""How the name of a single result ends."""


def predict_files(
    model: str | Path,
    images: Sequence[str | Path],
    out: Path,
    settings: PredictSettings | None = None,
    overwrite: bool = False,
    how: Execution | None = None,
) -> Generator[Event, None, list[Path]]:
    """Run a model over files, and write one result for each.

    To stop the run is to close the generator; what an event reported is on disk, and the same
    call goes on from there. The result is the same to the bit, however often it was stopped.

    Parameters
    ----------
    model : path
        Folder of a model, or of a run.
    images : sequence of path
        Files; folders and globs stand for the images in them.
    out : Path
        The result of one image (.zarr or .tif), or a folder for those of several.
    settings : PredictSettings, optional
        What is written.
    overwrite : bool
        As in `how`.
    how : Execution, optional
        Where and by whom it is made.

    Yields
    ------
    RunStarted, TileDone, BlockDone, Warned, ImageDone, RunDone

    Returns
    -------
    list of Path
        The results that are complete.

    Raises
    ------
    UserError
        Before anything is computed, if model, device or output cannot be used, or the only
        image cannot. One bad image of several is left out and named in `RunDone.failed`.
    """
    began = monotonic()
    settings, how = settings or PredictSettings(), how or Execution()
    how = replace(how, overwrite=overwrite or how.overwrite)
    out, loaded = Path(out), load_model(model)
    paths = without_results(expand(images), out)
    is_alone = len(paths) == 1 and (
        out.suffix.lower() in RESULTS or str(images[0]) == str(paths[0])
    )
    results = result_of_each(paths, out, settings.format, is_alone)
    device = choose_device(settings.device)
    facts: Facts = {"model": str(model), "images": len(paths), "output": settings.output}
    doubts: list[str] = []
    ends: list[ImageDone] = []
    with PredictionRun(loaded, Path(model), settings, how, is_alone) as run:
        if is_alone or how.dry_run:
            foreseen, doubts = run.foreseen(paths, results)
            facts |= foreseen
        yield RunStarted(
            job="predict",
            out=str(out),
            device=describe(device, autocast_dtype(device, settings.precision, training=False)),
            facts=facts,
        )
        for doubt in doubts:
            yield Warned(message=doubt)
        if settings.device == "auto" and (reason := unused_gpu()):
            yield Warned(message=reason)
        for path, result in zip(paths, [] if how.dry_run else results, strict=False):
            ends.append((yield from run.image(path, result)))
            yield ends[-1]
            if not is_alone:
                write_summary(out, ends)
    failed = [end for end in ends if end.status in ("failed", "incomplete")]
    yield RunDone(
        out=str(out),
        seconds=monotonic() - began,
        failed=tuple(f"{end.image}: {end.message}" for end in failed),
    )
    return [Path(end.out) for end in ends if end.status in ("done", "kept")]


def without_results(paths: Sequence[Path | str], out: Path) -> list[Path | str]:
    """Leave out what an earlier run of the same command has written beside the images."""
    mine = [p for p in paths if not (isinstance(p, Path) and p.parent == out and is_result(p))]
    return mine or list(paths)


def is_result(path: Path) -> bool:
    """Say whether an image was segmented by U-Tile."""
    return is_zarr(path) and "settings" in provenance(path)


def result_of_each(
    paths: Sequence[Path | str], out: Path, form: str = "auto", is_alone: bool = True
) -> list[Path]:
    """Say where the result of each image is written.

    Raises
    ------
    UserError
        If two would be at the same place, or the name does not fit what is written.
    """
    suffix = out.suffix.lower()
    if is_alone:
        if suffix in IMAGE_SUFFIXES - RESULTS:
            raise UserError(f"{out}: a result is written as .zarr or .tif.")
        if form != "auto" and (suffix in TIFF) != (form == "tif"):
            raise UserError(f"{out}: the format {form} is asked for; end the name in .{form}.")
        return [out]
    if (suffix in IMAGE_SUFFIXES and not out.is_dir()) or is_zarr(out):
        raise UserError(
            f"{out} is one file, and the results of {len(paths)} images are a folder: name one."
        )
    suffix = "tif" if form == "tif" else "zarr"
    results = [out / f"{Path(last_part(path)).stem}.{suffix}" for path in paths]
    if twice := [str(path) for path, n in Counter(results).items() if n > 1]:
        raise UserError(f"More than one image would become {', '.join(twice)}; rename them.")
    return results


def write_summary(folder: Path, ends: Sequence[ImageDone]) -> None:
    """Write how each image ended, as summary.csv and summary.json."""
    rows = [
        {
            "file": end.image,
            "size": " x ".join(map(str, end.shape)),
            "seconds": round(end.seconds, 1),
            "objects": "" if end.objects is None else end.objects,
            "status": end.status,
            "result": end.out,
            "message": end.message,
        }
        for end in ends
    ]
    text = io.StringIO()
    table = csv.DictWriter(text, rows[0], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    atomic_write(folder / "summary.csv", text.getvalue().encode())
    plain = [end.model_dump(mode="json", exclude={"event"}) for end in ends]
    atomic_write(folder / "summary.json", (json.dumps(plain, indent=2) + "\n").encode())


def predict(
    model: Model,
    image: Any,
    tile: tuple[int, int] | None = None,
    settings: PredictSettings | None = None,
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

    Returns
    -------
    ndarray of float32, shape (C, *image.shape)
        C is 1, the foreground, if the network ends in a sigmoid.
    """
    stack = as_stack(image, channels=model.in_channels)
    result = np.empty((model.classes, *stack.shape), np.float32)
    for _ in predict_tiles(model, stack, result, settings, tile):
        pass
    return result
