"""Trainings and comparisons of which no job tells, by their folders in the user's data."""

from collections.abc import Container, Iterator
from datetime import datetime
from pathlib import Path

from napari_utile.errors import UserError
from napari_utile.folders.comparison import ComparisonFolder, ValidationFolder
from napari_utile.folders.job import JobRecord, ShownResult
from napari_utile.folders.places import COMPARISONS, RUNS
from napari_utile.folders.run import Run
from napari_utile.io.disk import is_locked
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.runs.words import BEGINS_WITH_TIME, TIME_FORMAT

UNLISTED = ".unlisted"
"""File in the folder of a run that was taken off the list."""


class FoundRun:
    """The folder of a training or comparison, in place of that of a job.

    Parameters
    ----------
    path : Path
        Folder of the run or comparison.
    kind : {"train", "compare"}

    Attributes
    ----------
    path, events, log : Path
        As of a `JobFolder`; a comparison has no events.
    """

    outlives_window = True
    is_stop_requested = False

    def __init__(self, path: Path, kind: str):
        self.path, self.kind = path, kind
        self.events, self.log = Run(path).events, path / "log.txt"

    @property
    def record(self) -> JobRecord | None:
        """What it is, as far as its folder tells; None if it was never begun."""
        try:
            networks = self._networks()
        except (OSError, ValueError):
            return None
        made = BEGINS_WITH_TIME.fullmatch(self.path.name)
        name = made[2] if made else self.path.name
        if made:
            created = datetime.strptime(made[1], TIME_FORMAT)
        else:
            created = datetime.fromtimestamp(self.path.stat().st_mtime)
        return JobRecord(
            title=f"{name} → {networks}",
            arguments=(self.kind,),
            output="",
            out=self.path,
            created=created,
            results=(ShownResult(image="", name=name, out=self.path),),
        )

    @property
    def is_running(self) -> bool:
        """Whether a process works on it."""
        return is_locked(self.path / ("run" if self.kind == "train" else "comparison"))

    @property
    def done_and_total(self) -> tuple[int, int]:
        """How many networks of a comparison are done, and how many there are."""
        folder = ComparisonFolder(self.path)
        settings = CompareSettings.read(folder.settings)
        runs = [folder.run_folder(n, s) for n in settings.networks for s in settings.seeds]
        return sum(ValidationFolder(run).scores.exists() for run in runs), len(runs)

    def set_outlives_window(self, outlives: bool) -> None:
        """Do nothing: it belongs to no window."""

    def request_stop(self) -> None:
        """Refuse: nobody would hear of it.

        Raises
        ------
        UserError
            Always.
        """
        raise UserError("Stop it where it was started.")

    def remove(self) -> None:
        """Take it off the list; nothing is deleted."""
        (self.path / UNLISTED).touch()

    def _networks(self) -> str:
        if self.kind == "train":
            run = Run(self.path)
            if not run.events.exists():
                raise FileNotFoundError(run.events)
            return TrainSettings.read(run.settings).network
        folder = ComparisonFolder(self.path)
        if not folder.data.exists():
            raise FileNotFoundError(folder.data)
        return ", ".join(CompareSettings.read(folder.settings).networks)


def found_runs(place: Path, listed: Container[Path], most: int) -> Iterator[FoundRun]:
    """Yield the newest trainings and comparisons in a folder of user's data.

    Parameters
    ----------
    place : Path
        It need not exist.
    listed : container of Path
        Folders that are listed by their jobs.
    most : int
        Of each kind.
    """
    for kind, name in (("train", RUNS), ("compare", COMPARISONS)):
        folders = sorted((path for path in (place / name).glob("[!.]*")), reverse=True)
        mine = (path for path in folders if path not in listed)
        for path, _ in zip(mine, range(most), strict=False):
            if not (path / UNLISTED).exists():
                yield FoundRun(path, kind)
