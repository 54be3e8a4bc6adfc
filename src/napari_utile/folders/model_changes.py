"""Renames and deletes models, with their runs, unless somebody works with them. No torch."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from napari_utile.errors import UserError
from napari_utile.folders.comparison import ComparisonFolder, ValidationFolder
from napari_utile.folders.job import JobFolder, job_folders
from napari_utile.folders.model import MODEL, find_model, previous_model, read_description
from napari_utile.folders.model_writing import remove_drafts, write_name
from napari_utile.folders.places import JOBS
from napari_utile.folders.run import Run
from napari_utile.io.units import size_text
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.training import TrainSettings

MOST_JOBS = 10_000
"""Segmentations that are asked whether they use a model."""


class Deletion(NamedTuple):
    """What deleting a model removes.

    Attributes
    ----------
    model : Path
        Its folder.
    run : Path or None
        Folder of the run that goes with it.
    nbytes : int
    """

    model: Path
    run: Path | None
    nbytes: int

    @property
    def text(self) -> str:
        """What is deleted, as a sentence."""
        size = size_text(self.nbytes)
        if self.run is None:
            return f"This deletes {self.model}: {size}."
        return (
            f"This deletes the model and its run in {self.run}, with checkpoints, "
            f"previews and copies of layers: {size}."
        )


def rename_model(path: Path | str, name: str) -> None:
    """Give a model another name. Its folder stays where it is.

    Parameters
    ----------
    path : path
        Folder of the model or of its run.
    name : str
        One line, at most `LONGEST_NAME` characters.

    Raises
    ------
    UserError
        If it is no name, there is no model, or its run goes on.
    """
    with _held(_folder_of(path)):
        write_name(path, name)


def planned_deletion(path: Path | str) -> Deletion:
    """Return what deleting a model would remove; nothing is.

    Parameters
    ----------
    path : path
        Folder of the model or of its run.

    Raises
    ------
    UserError
        If there is no model of U-Tile, or it is only linked to from there.
    """
    folder = _folder_of(path)
    run = _run_of(folder)
    for place in (folder, folder.parent) if run else (folder,):
        if place.is_symlink():
            raise UserError(f"{place} is a link: delete what it leads to where that is.")
    config = read_description(find_model(folder)).get("config")
    if not isinstance(config, dict) or "utile" not in config:
        raise UserError(f"{folder} was not made by U-Tile; it is not deleted.")
    where = run.folder if run else None
    return Deletion(folder, where, sum(_bytes_in(part) for part in _parts_of_run(folder, run)))


def delete_model(path: Path | str, place: Path) -> Deletion:
    """Delete a model, with its run. What else is in the folder of the run stays there.

    Parameters
    ----------
    path : path
        Folder of the model or of its run.
    place : Path
        Folder of the user's data: its segmentations are asked whether they use the model.

    Returns
    -------
    Deletion
        What was removed.

    Raises
    ------
    UserError
        If there is no model of U-Tile, it is only linked to from there, its run goes on, or a
        segmentation with it does.
    """
    planned = planned_deletion(path)
    if job := _job_that_uses(planned, place):
        raise UserError(f"{planned.model} is used by a segmentation that runs: {job.path}.")
    with _held(planned.model):
        _remove(planned)
    if planned.run:
        _remove_empty(planned.run)
    return planned


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep the run of a model, and its comparison, from other processes.

    Raises
    ------
    UserError
        If one of them is at work.
    """
    with ExitStack() as locks:
        if run := _run_of(folder):
            if _comparison_of(run):
                locks.enter_context(ComparisonFolder(run.folder.parent).locked())
            locks.enter_context(run.locked())
        yield


def _folder_of(path: Path | str) -> Path:
    """Return the folder of a model as it is called, also while an older one stands for it."""
    folder = find_model(path).absolute()
    is_older = folder == previous_model(folder.with_name(MODEL))
    return folder.with_name(MODEL) if is_older else folder


def _run_of(folder: Path) -> Run | None:
    """Return the run that made a model; None if it is on its own."""
    run = Run(folder.parent)
    with suppress(OSError, ValueError):
        TrainSettings.read(run.settings)
        return run if folder.name == MODEL else None
    return None


def _comparison_of(run: Run) -> ComparisonFolder | None:
    comparison = ComparisonFolder(run.folder.parent)
    with suppress(OSError, ValueError):
        CompareSettings.read(comparison.settings)
        return comparison
    return None


def _parts_of_run(folder: Path, run: Run | None) -> list[Path]:
    """List what is of a model and its run, and nothing else; its settings are the last."""
    parts = [folder, previous_model(folder)]
    if run:
        parts += [run.checkpoint, run.previews, run.inputs, run.events, run.data]
        parts += [ValidationFolder(run.folder).path] if _comparison_of(run) else []
        parts += [*run.folder.glob(".*.draft"), run.settings]
    return [part for part in parts if os.path.lexists(part)]


def _bytes_in(part: Path) -> int:
    files = [part] if part.is_file() else part.rglob("*")
    return sum(file.lstat().st_size for file in files if not file.is_dir())


def _job_that_uses(planned: Deletion, place: Path) -> JobFolder | None:
    """Return a segmentation with this model that goes on; None if there is none."""
    names = {planned.model, planned.run}
    for job in job_folders(place / JOBS, MOST_JOBS):
        record = job.record if job.is_running else None
        if record and names & {Path(word) for word in record.arguments[1:2]}:
            return job
    return None


def _remove(planned: Deletion) -> None:
    """Remove the parts; the model at once, so that half of it is nowhere."""
    folder, run = planned.model, _run_of(planned.model)
    if folder.exists():
        doomed = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
        try:
            folder.rename(doomed)
        except OSError as error:  # Windows renames nothing that is open
            raise UserError(f"{folder} cannot be deleted: {error.strerror}.") from None
        shutil.rmtree(doomed, ignore_errors=True)
    remove_drafts(folder)
    for part in _parts_of_run(folder, run):
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)
    if rest := _parts_of_run(folder, run):
        raise UserError(f"{rest[0]} could not be deleted: is it open, or write-protected?")
    if run:
        JobFolder(run.folder).remove()  # what a window left that followed the run


def _remove_empty(folder: Path) -> None:
    """Remove the folder of a run if the lock is all that is left in it."""
    rest = {".run.lock", ".run.holder"}
    with suppress(OSError):
        if {path.name for path in folder.iterdir()} <= rest:
            for name in rest:
                (folder / name).unlink(missing_ok=True)
            folder.rmdir()
