"""Where results go: what may be written, what goes on, and what will be shown."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from napari_utile.errors import UserError
from napari_utile.folders.job import JobFolder, ShownResult
from napari_utile.io.images import expand
from napari_utile.io.ome_zarr import provenance
from napari_utile.io.zarr_folders import is_zarr
from napari_utile.widgets.kit.paths import known_jobs
from napari_utile.widgets.layers.results import plain
from napari_utile.widgets.segment.source import Source

KINDS = ("probabilities", "classes", "instances")
SUFFIXES = (".zarr", ".tif", ".tiff")
OUTPUT_HELP = {
    False: "OME-Zarr that is filled block by block, or BigTIFF (.tif)",
    True: "A folder; it gets a result for each image, and a table of them all",
}


def output_problem(out: Path | None, is_batch: bool) -> str:
    """Say why the result, or those of several images, cannot be written there, or nothing."""
    if out is None:
        return ""
    if (job := job_of(out)) and job.is_running:
        return f"{out} is being written; see the panel Jobs."
    is_file = out.suffix.lower() in SUFFIXES
    if is_batch:
        is_folder = out.is_dir() or not (is_file or out.exists())
        return "" if is_folder else f"{out.name} is one file; name a folder for several images."
    if not is_file:
        return f"{out.name} must end in .zarr or .tif."
    is_free = not out.exists() or is_unfinished(out)
    return "" if is_free else f"{out} exists; choose another name."


def output_note(out: Path | None, is_batch: bool) -> str:
    """Say what becomes of what is there already, or nothing."""
    if out is None:
        return ""
    if not is_batch and is_unfinished(out):
        return f"{out.name} is not finished: it goes on where it stopped."
    if is_batch and out.is_dir() and any(out.iterdir()):
        return f"What is finished in {out.name} is kept; what is not goes on."
    return ""


def is_unfinished(out: Path) -> bool:
    """Say whether there is a result of ours that was not completed."""
    if out.suffix.lower() != ".zarr":
        return not out.exists() and out.with_name(f"{out.stem}.partial{out.suffix}").exists()
    with suppress(UserError, OSError, ValueError):
        if is_zarr(out):
            ours = provenance(out)
            return ours.get("kind") in KINDS and not ours.get("complete", True)
    return False


def job_of(out: Path | None) -> JobFolder | None:
    """Find the job that wrote to `out` last."""
    if out is None:
        return None
    for folder in known_jobs():
        if (record := folder.record) and record.out == out.absolute():
            return folder
    return None


def results_of(
    source: Source, images: Sequence[str], out: Path, suffix: str
) -> list[ShownResult]:
    """Say which results will be shown while they grow; of a folder of images, none."""
    if not source.is_batch:
        place = source.parts[0].place if source.parts else {}
        (image,) = images if source.parts else expand(images)
        return [
            ShownResult(image=Path(image).name, name=source.name, out=out, place=plain(place))
        ]
    return [
        ShownResult(
            image=Path(image).name,
            name=part.stack.name,
            out=out / f"{Path(image).stem}{suffix}",
            place=plain(part.place),
        )
        for part, image in zip(source.parts, images, strict=False)
    ]
