"""Where results go: what can be written, resumed and shown."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from napari_utile.errors import UserError
from napari_utile.folders.job import JobRecord, ShownResult
from napari_utile.folders.journal import WorkFolder
from napari_utile.io.images import expand
from napari_utile.io.ome_zarr import provenance
from napari_utile.io.tiff import partial_name
from napari_utile.io.zarr_folders import is_zarr
from napari_utile.settings.prediction import PredictSettings
from napari_utile.widgets.kit.launching import job_writing
from napari_utile.widgets.layers.results import placement_to_json
from napari_utile.widgets.layers.snapshots import Source

OUTPUT_KINDS = ("probabilities", "classes", "instances")
OUTPUT_SUFFIXES = (".zarr", ".tif", ".tiff")
OUTPUT_HELP = {
    False: "OME-Zarr that is filled block by block, or BigTIFF (.tif)",
    True: "A folder; it gets a result for each image, and a table of them all",
}


def output_problem(out: Path | None, is_batch: bool) -> str:
    """Return why the result, or those of several images, cannot be written to `out`, or ''.

    Parameters
    ----------
    out : Path or None
        None: a new folder will be chosen.
    is_batch : bool
        Whether there are several results, in a folder.

    Returns
    -------
    str
    """
    if out is None:
        return ""
    if (job := job_writing(out)) and job.is_running:
        return f"{out} is being written; see the panel Runs."
    is_file = out.suffix.lower() in OUTPUT_SUFFIXES
    if is_batch:
        is_folder = out.is_dir() or not (is_file or out.exists())
        return "" if is_folder else f"{out.name} is one file; name a folder for several images."
    if not is_file:
        return f"{out.name} must end in .zarr or .tif."
    is_free = not out.exists() or is_partial(out) or is_complete(out)
    return "" if is_free else f"{out} exists; choose another name."


def output_note(out: Path | None, is_batch: bool) -> str:
    """Return what becomes of an existing result in `out`, or ''.

    Parameters
    ----------
    out : Path or None
    is_batch : bool
        Whether there are several results, in a folder.

    Returns
    -------
    str
    """
    if out is None:
        return ""
    if not is_batch and is_partial(out):
        return f"{out.name} is partial: what is missing is computed."
    if not is_batch and is_complete(out):
        return (
            f"{out.name} is finished: it is kept if model, image and settings are the same. "
            "If not, choose another name."
        )
    if is_batch and out.is_dir() and any(out.iterdir()):
        return f"What is finished in {out.name} is kept; partial results are resumed."
    return ""


def is_partial(out: Path) -> bool:
    """Whether `out` is a partial result of U-Tile."""
    if out.suffix.lower() != ".zarr":
        return not out.exists() and partial_name(out).exists()
    return _completeness(out) is False


def is_complete(out: Path) -> bool:
    """Whether `out` is a complete result of U-Tile."""
    if out.suffix.lower() != ".zarr":
        return out.exists() and bool(WorkFolder(out).finished)
    return _completeness(out) is True


def _completeness(out: Path) -> bool | None:
    """Whether a Zarr is a complete result of U-Tile; None if it is no result."""
    with suppress(UserError, OSError, ValueError):
        if is_zarr(out) and (ours := provenance(out)).get("kind") in OUTPUT_KINDS:
            return bool(ours.get("complete", True))
    return None


def result_name(source: Source, settings: PredictSettings) -> str:
    """Return the name of the result, or of the folder of results, where none is chosen.

    Parameters
    ----------
    source : Source
    settings : PredictSettings

    Returns
    -------
    str
    """
    suffix = "" if source.is_batch else _suffix(settings)
    return f"{settings.output}{suffix}"


def job_record(
    source: Source,
    settings: PredictSettings,
    arguments: Sequence[str],
    images: Sequence[str],
    out: Path,
) -> JobRecord:
    """Return what is written down of a job, so that it can be listed, shown and resumed.

    Parameters
    ----------
    source : Source
    settings : PredictSettings
    arguments : sequence of str
        Of the command `utile`.
    images : sequence of str
        Paths of the images among them.
    out : Path
        Result, or folder of results.

    Returns
    -------
    JobRecord
    """
    part = ", a part" if source.region else ""
    return JobRecord(
        title=f"{source.name}{part} → {settings.output}",
        arguments=tuple(arguments),
        output=settings.output,
        out=out,
        created=datetime.now(),
        results=tuple(_results_of(source, images, out, _suffix(settings))),
    )


def _results_of(
    source: Source, images: Sequence[str], out: Path, suffix: str
) -> Iterator[ShownResult]:
    """Yield the results to show while they grow; none of a folder of images."""
    if not source.is_batch:
        place = source.parts[0].place if source.parts else {}
        (image,) = images if source.parts else expand(images)
        yield ShownResult(
            image=Path(image).name, name=source.name, out=out, place=placement_to_json(place)
        )
        return
    for part, image in zip(source.parts, images, strict=False):
        yield ShownResult(
            image=Path(image).name,
            name=part.stack.name,
            out=out / f"{Path(image).stem}{suffix}",
            place=placement_to_json(part.place),
        )


def _suffix(settings: PredictSettings) -> str:
    return ".tif" if settings.format == "tif" else ".zarr"
